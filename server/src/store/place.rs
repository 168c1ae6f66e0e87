//! The location of a state's model files, and the deployment that owns it.

use std::fs;

use super::database::{Db, transaction};
use super::error::Result;
use super::files::{Files, OWNER};
use super::schema::{meta, set_meta};
use super::{Location, runtime};
use crate::clock::random_hex;

/// Folder of the model files inside a state directory.
pub(super) const MODELS: &str = "models";
/// Key of the location of the models, when it is not in the directory.
const PLACE: &str = "models";
/// Key of the deployment's random name, by which no two deployments share a location
/// for models.
pub(super) const DEPLOYMENT: &str = "deployment";

/// A location for models outside the directory. It is claimed before anything is
/// created, so that an unusable location leaves everything as it was. When the creation
/// fails the claim is released.
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

    /// Stores the location and its owner. Part of the creating transaction.
    pub(super) async fn note(&self, db: &mut Db) -> Result<()> {
        if let Some((files, owner)) = &self.0 {
            set_meta(db, PLACE, &files.shown()).await?;
            set_meta(db, DEPLOYMENT, owner).await?;
        }
        Ok(())
    }

    /// Keeps the claim, because the creation succeeded.
    pub(super) fn keep(&self) {
        self.1.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some((Files::Folder { path, .. }, _)), false) = (&self.0, self.1.get()) {
            // The first error is reported already. In a bucket the owner's file stays, and the
            // next import there says so.
            let _ = fs::remove_file(path.join(OWNER));
        }
    }
}

/// The deployment's name, drawn when it has none yet.
pub(super) async fn deployment(db: &mut Db) -> Result<String> {
    if let Some(owner) = meta(db, DEPLOYMENT).await? {
        return Ok(owner);
    }
    let drawn = random_hex::<16>()?;
    let note = async |db: &mut Db| {
        // When two processes arrive at once, the first draws the name.
        if let Some(known) = meta(db, DEPLOYMENT).await? {
            return Ok(known);
        }
        set_meta(db, DEPLOYMENT, &drawn).await?;
        Ok(drawn.clone())
    };
    Ok(transaction(db, note).await?.0)
}

/// Opens the location of the models: the one given now, else the one of the import,
/// else the directory's own.
pub(super) async fn model_files(db: &mut Db, location: &Location, write: bool) -> Result<Files> {
    let remembered = meta(db, PLACE).await?;
    let Some(place) = location.models.clone().or(remembered) else {
        return Ok(Files::own(location.dir.join(MODELS)));
    };
    let files = Files::open(&place)?;
    if write {
        let owner = deployment(db).await?;
        files.claim(&owner).await?;
        if meta(db, PLACE).await?.as_ref() != Some(&place) && !db.is_shared() {
            transaction(db, async |db| set_meta(db, PLACE, &place).await).await?;
        }
    }
    Ok(files)
}
