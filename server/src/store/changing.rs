//! Changes of records, catalogue and settings.

use std::sync::atomic::Ordering;

use eemu_core::dataset::{Catalog, Interaction};

use super::database::{Db, Head, head, transaction};
use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::models::{self, Shard};
use super::records::KeyedId;
use super::requests::NewRequest;
use super::schema::{self, SETTINGS};
use super::{Name, State, catalog, erase, forgotten, items_down, people, records, requests, tombstones};

/// Opens the commitment to the data of a search; see [`State::tuned`].
pub(super) const TUNING_KEY: &str = "note:tuning-key";

/// What is to go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deletion<'a> {
    /// Records, by user and item index.
    pub records: &'a [(u32, u32)],
    /// Every shard whose training records change.
    pub stale: &'a [u32],
    /// Requests that this answers: not what they asked for, only how to follow
    /// them.
    pub requests: &'a [NewRequest],
    /// Users whose accounts go.
    pub accounts: &'a [u32],
    /// Items that are taken down for everybody.
    pub down: &'a [u32],
    /// The catalogue afterwards, in which the slots of `accounts` are blank.
    pub catalog: Option<&'a Catalog>,
    /// What goes, by name, so that later imports leave it out.
    pub names: &'a [Name],
}

/// What is to come.
#[derive(Clone, Copy)]
pub struct Addition<'a> {
    /// The records.
    pub records: &'a [Interaction],
    /// Every shard whose training records change.
    pub stale: &'a [u32],
    /// Those of them that had none: their model, if any, learned from nothing
    /// and goes.
    pub first: &'a [u32],
    /// The keyed id of each record.
    pub keyed_id: KeyedId<'a>,
    /// Identifiers of people who come with them, behind those that are there.
    pub people: &'a [String],
    /// Names all of them: what was forgotten of these records before is wanted
    /// again, so that later data may bring it.
    pub catalog: Option<&'a Catalog>,
}

/// What a change came to.
#[derive(Debug)]
pub struct Done {
    /// Records that went, or came.
    pub count: u64,
    /// Every shard right after the change.
    pub shards: Vec<Shard>,
    /// How far the state was right after the change.
    pub head: Head,
    /// What went wrong after the change was made for good. It stays made.
    pub unfinished: Option<StoreError>,
}

impl Done {
    /// The same, or what went wrong after the change was made.
    ///
    /// # Errors
    /// One that [`StoreError::is_made`].
    pub fn finished(self) -> Result<Self> {
        self.unfinished.map_or(Ok(Self { unfinished: None, ..self }), Err)
    }
}

impl State {
    /// One transaction, for changes that do not depend on the records.
    pub(super) fn change<T>(&self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.write(async |db| transaction(db, work).await.map(|(value, _)| value))
    }

    /// One transaction, refused when records are not those that the caller has
    /// seen; and what of them there is then.
    async fn change_seen(&self, db: &mut Db, work: impl AsyncFnOnce(&mut Db) -> Result<u64>) -> Result<Done> {
        let ((count, shards), head) = transaction(db, async |db| {
            if head(db).await?.records != self.basis.load(Ordering::SeqCst) {
                return Err(StoreError::Moved);
            }
            Ok((work(db).await?, models::shards(db).await?))
        })
        .await?;
        self.basis.store(head.records, Ordering::SeqCst);
        Ok(Done { count, shards, head, unfinished: None })
    }

    /// Tidies up after a change: no error of it undoes the change.
    pub(super) async fn tidy(&self, db: &mut Db, erase: bool) -> Result<()> {
        let dir = self.dir();
        let tidied = match erase {
            true => erase::finish(db, dir, &self.files, self.erase_within()).await,
            // Nothing was dropped: a bucket need not be listed for it.
            false if self.files.is_bucket() => Ok(()),
            false => erase::sweep(db, dir, &self.files).await,
        };
        tidied.map_err(StoreError::after_commit)
    }

    /// Replaces the settings. Models stay: for settings that shape no model.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_settings(&self, json: &str) -> Result<()> {
        self.write(async |db| {
            let set = async |db: &mut Db| {
                schema::set_meta(db, SETTINGS, json).await?;
                db.records_moved();
                Ok(0)
            };
            self.change_seen(db, set).await.map(drop)
        })
    }

    /// Replaces settings that shape the models: from now on there are
    /// `shards` shards, none with a model; earlier models, their nonces and
    /// salts are erased.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub fn reset_models(&self, settings: &str, shards: u32) -> Result<()> {
        self.write(async |db| {
            let mut dropped = false;
            let reset = async |db: &mut Db| {
                schema::set_meta(db, SETTINGS, settings).await?;
                dropped = models::reset(db, shards).await?;
                if dropped {
                    erase::begin(db).await?;
                }
                Ok(0)
            };
            self.change_seen(db, reset).await?;
            self.tidy(db, dropped).await
        })
    }

    /// Replaces the catalogue: people admitted. Indices must stay. The earlier
    /// one is erased.
    ///
    /// # Errors
    /// When the disk refuses; the earlier catalogue then stays.
    pub fn set_catalog(&self, catalog: &Catalog) -> Result<()> {
        self.carry_out(&Deletion { catalog: Some(catalog), ..Deletion::default() })?.finished().map(drop)
    }

    /// Adds records and marks the shards that they change; their models stay
    /// until the next training. Returns how many records are new (or earlier
    /// than before); with none nothing changes.
    ///
    /// # Errors
    /// When a record is not of the catalogue, a shard does not exist, or the
    /// database refuses. Nothing was stored then.
    pub fn insert(&self, new: &[Interaction], stale: &[u32], keyed_id: KeyedId<'_>) -> Result<u64> {
        self.add(&Addition { records: new, stale, first: &[], keyed_id, people: &[], catalog: None })?
            .finished()
            .map(|done| done.count)
    }

    /// [`State::insert`] with people who come with their first records, and
    /// with what there is afterwards.
    ///
    /// # Errors
    /// As [`State::insert`].
    pub fn add(&self, addition: &Addition<'_>) -> Result<Done> {
        self.write(async |db| {
            let add = async |db: &mut Db| {
                people::append(db, addition.people.iter()).await?;
                let size = (people::count(db).await?, catalog::declared(db).await?.items);
                let changed = records::insert(db, addition.records, size, addition.keyed_id).await?;
                if changed == 0 {
                    // People without a record do not come.
                    db.nothing_changed();
                    return Ok(0);
                }
                if let Some(catalog) = addition.catalog {
                    let names = |r: &Interaction| (r.user as usize, r.item as usize);
                    let named = addition.records.iter().map(names);
                    let named = named
                        .filter_map(|(user, item)| Some((catalog.users.ids.get(user)?, catalog.items.ids.get(item)?)));
                    forgotten::lift(db, named.map(|(user, item)| (user.as_str(), item.as_str()))).await?;
                }
                models::mark_stale(db, addition.stale, false).await?;
                if !addition.first.is_empty() {
                    models::mark_stale(db, addition.first, true).await?;
                }
                Ok(changed)
            };
            let mut done = self.change_seen(db, add).await?;
            if done.count > 0 {
                failpoint("add.committed");
                done.unfinished = self.tidy(db, false).await.err();
            }
            Ok(done)
        })
    }

    /// Removes records (user and item index), and in the same transaction the
    /// model of every shard in `stale` with all that was derived from it.
    /// When this returns the bytes are in no file of the directory. Returns
    /// how many records there were; with none nothing changes. The request is
    /// not stored.
    ///
    /// `stale` must name every shard whose training records change.
    ///
    /// # Errors
    /// As [`State::carry_out`]; an error that [`StoreError::is_made`] comes
    /// after the removal, which stays made.
    pub fn remove(&self, records: &[(u32, u32)], stale: &[u32]) -> Result<u64> {
        self.carry_out(&Deletion { records, stale, ..Deletion::default() })?.finished().map(|done| done.count)
    }

    /// Carries out a deletion: records, accounts, models, and the requests
    /// that it answers, in one transaction. When this returns the bytes are in
    /// no file of the directory. With nothing to do nothing changes.
    ///
    /// # Errors
    /// When a shard does not exist or the database refuses: nothing was
    /// removed. [`StoreError::Moved`] when somebody else changed records since
    /// they were read: nothing was removed. What goes wrong after that is in
    /// [`Done::unfinished`].
    pub fn carry_out(&self, deletion: &Deletion<'_>) -> Result<Done> {
        // Where nothing but names is kept of people, an account is one row.
        let whole = |catalog: &&Catalog| deletion.accounts.is_empty() || catalog.users.has_features();
        let packed = deletion.catalog.filter(whole).map(catalog::pack).transpose()?;
        let accounts = deletion.accounts;
        self.write(async |db| {
            if let Some(packed) = &packed {
                catalog::stage(db, self.dir(), packed)?;
            }
            let delete = async |db: &mut Db| {
                let removed = records::delete(db, deletion.records).await?;
                let down = items_down::add(db, deletion.down).await?;
                let changed = removed > 0 || packed.is_some() || !accounts.is_empty() || down;
                if !changed && deletion.requests.is_empty() {
                    db.nothing_changed();
                }
                if removed > 0 {
                    models::mark_stale(db, deletion.stale, true).await?;
                    tombstones::entomb(db, deletion.records).await?;
                    // A commitment that can still be opened would tell whether
                    // the record was there.
                    schema::clear_meta(db, TUNING_KEY).await?;
                }
                if changed {
                    forgotten::note(db, deletion.names).await?;
                }
                requests::insert(db, deletion.requests).await?;
                let places: Vec<(u32, u32)> = accounts.iter().map(|&user| (user, tombstones::ACCOUNT)).collect();
                tombstones::entomb(db, &places).await?;
                if let Some(catalog) = deletion.catalog {
                    for &user in accounts {
                        db.something_deleted();
                        people::set(db, user, &catalog.users.ids[user as usize], true).await?;
                    }
                    if accounts.is_empty() {
                        people::sync(db, &catalog.users).await?;
                    }
                }
                if let Some(packed) = &packed {
                    catalog::declare(db, packed).await?;
                }
                if changed {
                    erase::begin(db).await?;
                }
                if removed > 0 {
                    failpoint("remove.deleted");
                }
                Ok(removed)
            };
            let mut done = self.change_seen(db, delete).await?;
            if done.count > 0 {
                failpoint("remove.committed");
            }
            // From here on no error undoes the change, and none may hide it.
            let changed = done.count > 0 || packed.is_some() || !accounts.is_empty();
            done.unfinished = self.settle_deletion(db, changed, packed.is_some()).await.err();
            Ok(done)
        })
    }

    /// What follows a deletion that is made: its bytes go.
    async fn settle_deletion(&self, db: &mut Db, changed: bool, staged: bool) -> Result<()> {
        if staged {
            failpoint("catalog.committed");
            catalog::settle(db, self.dir()).await.map_err(StoreError::after_commit)?;
        }
        // An earlier call may have been cut short.
        let erase = changed || erase::pending(db).await.map_err(StoreError::after_commit)?;
        self.tidy(db, erase).await
    }
}
