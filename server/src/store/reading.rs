//! Reads a state: a whole snapshot, or a part of it.

use std::time::Duration;

use eemu_core::data::{Catalog, Interaction};

use super::database::{Db, Head, head, picture};
use super::error::{Result, StoreError};
use super::models::Shard;
use super::schema::{self, SETTINGS};
use super::{State, catalog, items_down, models, records};

/// A snapshot of the state: everything that the rest is derived from.
#[derive(Debug)]
pub struct Picture {
    /// Settings (JSON), as they were given.
    pub settings: String,
    /// The catalogue.
    pub catalog: Catalog,
    /// Every record, by user and item; empty in an outline.
    pub interactions: Vec<Interaction>,
    /// Items taken down for everybody, ascending.
    pub down: Vec<u32>,
    /// Every shard.
    pub shards: Vec<Shard>,
    /// The version of the state.
    pub head: Head,
}

impl State {
    /// Reads a snapshot of the state. [`State::apply`] takes its `head`.
    ///
    /// # Errors
    /// When the database refuses or something is damaged.
    pub fn picture(&self) -> Result<Picture> {
        self.picture_with(true)
    }

    /// As [`State::picture`], without the records.
    ///
    /// # Errors
    /// As [`State::picture`].
    pub fn outline(&self) -> Result<Picture> {
        self.picture_with(false)
    }

    fn picture_with(&self, records: bool) -> Result<Picture> {
        let dir = &self.location.dir;
        again(|| {
            self.read(async |db| {
                picture(db, async |db| {
                    let catalog = match catalog::read(db, dir).await {
                        Ok(catalog) => catalog,
                        Err(error) => return Ok(Err(error)),
                    };
                    Ok(Ok(Picture {
                        settings: settings(db).await?,
                        catalog,
                        interactions: if records { records::all(db).await? } else { Vec::new() },
                        down: items_down::all(db).await?,
                        shards: models::shards(db).await?,
                        head: head(db).await?,
                    }))
                })
                .await
            })
        })
    }

    /// The version of the state and every shard, from one snapshot.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn moment(&self) -> Result<(Head, Vec<Shard>)> {
        self.read(async |db| picture(db, async |db| Ok((head(db).await?, models::shards(db).await?))).await)
    }

    /// The settings (JSON), as they were given.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn settings(&self) -> Result<String> {
        self.read(settings)
    }

    /// The items that are down for everybody, ascending.
    ///
    /// # Errors
    /// When the database refuses or the list is damaged.
    pub fn items_down(&self) -> Result<Vec<u32>> {
        self.read(async |db| items_down::all(db).await)
    }

    /// The catalogue.
    ///
    /// # Errors
    /// When its files are damaged.
    pub fn catalog(&self) -> Result<Catalog> {
        again(|| Ok(self.read(async |db| catalog::read(db, &self.location.dir).await)))
    }

    /// Visits the whole history of each of the first `users` users, one after the other. It
    /// is no snapshot where other processes write: compare [`State::moment`] before and
    /// after.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn each_person(&self, users: u32, mut visit: impl FnMut(Vec<Interaction>)) -> Result<()> {
        for first in (0..users).step_by(records::PEOPLE as usize) {
            let found =
                self.read(async |db| records::of_range(db, first..first.saturating_add(records::PEOPLE)).await)?;
            found.chunk_by(|a, b| a.user == b.user).for_each(|own| visit(own.to_vec()));
        }
        Ok(())
    }

    /// The whole histories of these users, by user and item.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn records_of(&self, users: &[u32]) -> Result<Vec<Interaction>> {
        let mut found = Vec::new();
        // Between two chunks other threads may use the database.
        for some in users.chunks(records::CHUNK) {
            found.extend(self.read(async |db| records::of_people(db, some).await)?);
        }
        Ok(found)
    }

    /// All records of one item, by user.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn records_with(&self, item: u32) -> Result<Vec<Interaction>> {
        self.read(async |db| records::with_item(db, item).await)
    }

    /// Every record, by user and item.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn interactions(&self) -> Result<Vec<Interaction>> {
        self.read(records::all)
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn record_count(&self) -> Result<u64> {
        self.read(records::count)
    }
}

/// Repeats a read that may have met a writer between its two renames. An inner error is
/// retried, an outer one is not.
fn again<T>(read: impl Fn() -> Result<Result<T>>) -> Result<T> {
    for _ in 1..5 {
        if let Ok(found) = read()? {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    read()?
}

async fn settings(db: &mut Db) -> Result<String> {
    let settings = schema::meta(db, SETTINGS).await?;
    settings.ok_or_else(|| StoreError::DamagedRow("no settings".into()))
}
