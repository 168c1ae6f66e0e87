//! Where the model files of a state are, and whose the place is.

use std::fs;

use super::database::{Db, transaction};
use super::error::Result;
use super::files::{Files, OWNER};
use super::schema::{meta, set_meta};
use super::{Location, runtime};
use crate::clock::random_hex;

/// Folder of the model files inside a state directory.
pub(super) const MODELS: &str = "models";
/// Where the models are, when not in the directory.
const PLACE: &str = "models";
/// A random name, so that no two deployments share a place for models.
pub(super) const DEPLOYMENT: &str = "deployment";

/// A place for models outside the directory, claimed before anything is made,
/// so that a place that cannot be used leaves everything as it was; given up
/// again when the making fails.
pub(super) struct Place(Option<(Files, String)>, std::cell::Cell<bool>);

impl Place {
    pub(super) fn claim(location: &Location, known: Option<String>) -> Result<Self> {
        runtime()?.block_on(Self::claim_within(location, known))
    }

    pub(super) async fn claim_within(location: &Location, known: Option<String>) -> Result<Self> {
        let Some(place) = &location.models else { return Ok(Self(None, true.into())) };
        let files = Files::open(place)?;
        let kept = known.is_some();
        let owner = known.map_or_else(random_hex::<16>, Ok)?;
        files.claim(&owner).await?;
        Ok(Self(Some((files, owner)), kept.into()))
    }

    /// Writes down where it is and whose. Part of the making transaction.
    pub(super) async fn note(&self, db: &mut Db) -> Result<()> {
        if let Some((files, owner)) = &self.0 {
            set_meta(db, PLACE, &files.shown()).await?;
            set_meta(db, DEPLOYMENT, owner).await?;
        }
        Ok(())
    }

    /// The making succeeded.
    pub(super) fn keep(&self) {
        self.1.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some((Files::Folder { path, .. }, _)), false) = (&self.0, self.1.get()) {
            // The first error is on its way already. In a bucket the name
            // stays, and the next import there says so.
            let _ = fs::remove_file(path.join(OWNER));
        }
    }
}

/// Opens the place of the models: as it was said now, or else at the import,
/// or else in the directory.
pub(super) async fn model_files(db: &mut Db, location: &Location, write: bool) -> Result<Files> {
    let remembered = meta(db, PLACE).await?;
    let Some(place) = location.models.clone().or(remembered) else {
        return Ok(Files::own(location.dir.join(MODELS)));
    };
    let files = Files::open(&place)?;
    if write {
        let owner = match meta(db, DEPLOYMENT).await? {
            Some(owner) => owner,
            None => {
                let drawn = random_hex::<16>()?;
                let note = async |db: &mut Db| {
                    // Of two that come at once, the first names it.
                    if let Some(known) = meta(db, DEPLOYMENT).await? {
                        return Ok(known);
                    }
                    set_meta(db, DEPLOYMENT, &drawn).await?;
                    Ok(drawn.clone())
                };
                transaction(db, note).await?.0
            }
        };
        files.claim(&owner).await?;
        if meta(db, PLACE).await?.as_ref() != Some(&place) && !db.is_shared() {
            transaction(db, async |db| set_meta(db, PLACE, &place).await).await?;
        }
    }
    Ok(files)
}
