//! Changes of records, catalogue and settings.

use eemu_core::data::{Catalog, Interaction};

use super::audit::{self, NewAudit};
use super::database::{Db, Head, head, transaction};
use super::error::{Result, StoreError};
use super::failpoint::{failpoint, trouble};
use super::models::{self, Shard};
use super::people::PartOf;
use super::records::KeyedId;
use super::requests::NewRequest;
use super::schema::{self, SETTINGS};
use super::{Name, State, catalog, deferred, erase, forgotten, items_down, people, records, requests, tombstones};

/// How often a change is planned anew because another process changed the state first.
pub(crate) const TRIES: u32 = 20;

/// Key of the value that opens the commitment to a search's data; see [`State::tuned`].
pub(super) const TUNING_KEY: &str = "note:tuning-key";

/// What a deletion removes.
#[derive(Clone, Copy, Default)]
pub struct Deletion<'a> {
    /// Records, by user and item index.
    pub records: &'a [(u32, u32)],
    /// Every shard whose training records change.
    pub stale: &'a [u32],
    /// The requests that this deletion answers. They say how to follow them, and not what
    /// they asked for.
    pub requests: &'a [NewRequest],
    /// Users whose accounts are deleted.
    pub accounts: &'a [u32],
    /// Items that are taken down for everybody.
    pub down: &'a [u32],
    /// The catalogue after the deletion, with the entries of `accounts` blanked.
    pub catalog: Option<&'a Catalog>,
    /// The partition of a person's records, where `catalog` has people who are new.
    pub part_of: Option<PartOf<'a>>,
    /// The names of what is deleted, so that later imports leave it out.
    pub names: &'a [Name],
    /// Commitments to what `requests` asked for, in the same order.
    pub asked: &'a [String],
    /// Requests that were deferred earlier and are carried out by this deletion.
    pub deferred: &'a [[u8; 32]],
    /// Audit entries of who asked.
    pub audit: &'a [NewAudit],
}

/// What an addition adds.
#[derive(Clone, Copy)]
pub struct Addition<'a> {
    /// The records.
    pub records: &'a [Interaction],
    /// Every shard whose training records change.
    pub stale: &'a [u32],
    /// Those of the stale shards that had no records. Their model, if any, learned from
    /// nothing and is dropped.
    pub first: &'a [u32],
    /// The keyed identifier of each record.
    pub keyed_id: KeyedId<'a>,
    /// The partition of a person's records.
    pub part_of: PartOf<'a>,
    /// Identifiers of people who come with them, behind those that are there.
    pub people: &'a [String],
    /// The catalogue with the names of all users and items of these records. If such a
    /// record was forgotten before, its mark is lifted, so that later data may bring it
    /// again.
    pub catalog: Option<&'a Catalog>,
    /// Audit entries of who asked.
    pub audit: &'a [NewAudit],
}

/// A change, worked out on the state as it was at some moment.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// Deletes records, accounts or items.
    Delete(Deletion<'a>),
    /// Adds records.
    Add(Addition<'a>),
    /// Changes settings (JSON) that do not affect the models.
    Settings(&'a str),
    /// Changes settings that affect the models. The state then has this many shards without
    /// models; earlier models are deleted with their nonces and salts.
    Reset(&'a str, u32),
    /// Replaces the catalogue by one with further items at its end. Every shard is then to
    /// be retrained, and keeps its model until then. The entries say who asked.
    Items(&'a Catalog, &'a [NewAudit]),
}

/// A change that is committed.
#[derive(Debug)]
pub struct Committed {
    /// Records deleted or added.
    pub count: u64,
    /// Every shard right after the change.
    pub shards: Vec<Shard>,
    /// The version of the state right after the change.
    pub head: Head,
    /// The work that is left to do on disk: see [`State::finish`].
    after: After,
}

/// The work on disk that a committed change requires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct After {
    /// A catalogue is staged and must be renamed into place.
    staged: bool,
    /// Something must be overwritten.
    erase: bool,
}

impl Committed {
    /// Whether deleted bytes are still on disk, until [`State::finish`].
    pub fn erases(&self) -> bool {
        self.after.erase || self.after.staged
    }
}

impl State {
    /// One transaction, for changes that do not depend on the records.
    pub(super) fn change<T>(&self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.write(async |db| transaction(db, work).await.map(|(value, _)| value))
    }

    /// Commits a change in one transaction and does nothing else. After `Ok` the change is
    /// made. The caller calls [`State::finish`] before it tells anybody that the bytes are
    /// gone.
    ///
    /// `expected` is the version of the state that the change was worked out on.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when another process changed records since `expected`.
    /// Otherwise when the change names something that does not exist, or the database
    /// refuses. Nothing is changed then, with one exception: when the connection to
    /// PostgreSQL was lost during the commit, the caller must look whether the change was
    /// made.
    pub fn apply(&self, change: &Change<'_>, expected: Head) -> Result<Committed> {
        match change {
            Change::Delete(deletion) => self.delete(deletion, expected),
            Change::Add(addition) => self.add(addition, expected),
            Change::Items(catalog, audit) => self.add_items(catalog, audit, expected),
            Change::Settings(json) => self.write(async |db| {
                let set = async |db: &mut Db| {
                    schema::set_meta(db, SETTINGS, json).await?;
                    db.records_moved();
                    Ok((0, After::default()))
                };
                commit(db, expected, set).await
            }),
            Change::Reset(json, shards) => self.write(async |db| {
                let reset = async |db: &mut Db| {
                    schema::set_meta(db, SETTINGS, json).await?;
                    let dropped = models::reset(db, *shards).await?;
                    if dropped {
                        erase::begin(db).await?;
                    }
                    Ok((0, After { erase: dropped, staged: false }))
                };
                commit(db, expected, reset).await
            }),
        }
    }

    /// Does the work on disk that a committed change requires. When this returns no file of
    /// the directory holds a deleted byte. With an erasure time above 0, stale copies may
    /// remain until a compaction. May take long.
    ///
    /// # Errors
    /// When the work could not be finished. The change stays made. The work resumes when
    /// this is called again or the state is opened.
    pub fn finish(&self, committed: &Committed) -> Result<()> {
        let After { staged, erase } = committed.after;
        self.write(async |db| {
            if staged {
                failpoint("catalog.committed");
                catalog::settle(db, self.dir()).await.map_err(StoreError::after_commit)?;
            }
            // An earlier call may have been cut short.
            let erase = erase || erase::pending(db).await.map_err(StoreError::after_commit)?;
            self.tidy(db, erase).await
        })
    }

    /// Cleans up after a change; an error here does not undo the change.
    pub(super) async fn tidy(&self, db: &mut Db, erase: bool) -> Result<()> {
        let dir = self.dir();
        let tidied = match erase {
            true => erase::finish(db, dir, &self.files, self.erase_within()).await,
            // No model was dropped, so the bucket need not be listed.
            false if self.files.is_bucket() => Ok(()),
            false => erase::sweep(db, dir, &self.files).await,
        };
        tidied.map_err(StoreError::after_commit)
    }

    /// Adds records and the new users among them, and marks the affected shards as stale.
    /// The shards keep their models until the next training.
    fn add(&self, addition: &Addition<'_>, expected: Head) -> Result<Committed> {
        // Features of users are in the catalogue, one row per user.
        let whole = |catalog: &&Catalog| !addition.people.is_empty() && catalog.users.has_features();
        let packed = addition.catalog.filter(whole).map(catalog::pack).transpose()?;
        self.write(async |db| {
            if let Some(packed) = &packed {
                catalog::stage(db, self.dir(), packed)?;
            }
            let after = After { staged: packed.is_some(), erase: false };
            let add = async |db: &mut Db| {
                people::append(db, addition.people.iter(), Some(addition.part_of)).await?;
                let size = (people::count(db).await?, catalog::declared(db).await?.items);
                let changed = records::insert(db, addition.records, size, addition.keyed_id).await?;
                if changed == 0 {
                    // Users without a record are not added.
                    db.nothing_changed();
                    return Ok((0, after));
                }
                if let Some(packed) = &packed {
                    catalog::declare(db, packed).await?;
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
                audit::append(db, addition.audit).await?;
                Ok((changed, after))
            };
            let done = commit(db, expected, add).await?;
            if done.count > 0 {
                failpoint("add.committed");
            }
            Ok(done)
        })
    }

    /// Replaces the catalogue by one with further items.
    fn add_items(&self, catalog: &Catalog, audit: &[NewAudit], expected: Head) -> Result<Committed> {
        let packed = catalog::pack(catalog)?;
        self.write(async |db| {
            catalog::stage(db, self.dir(), &packed)?;
            let add = async |db: &mut Db| {
                let before = catalog::declared(db).await?.items;
                catalog::declare(db, &packed).await?;
                let shards: Vec<u32> = models::shards(db).await?.iter().map(|shard| shard.index).collect();
                models::mark_stale(db, &shards, false).await?;
                audit::append(db, audit).await?;
                failpoint("items.declared");
                let came = u64::from(packed.items().saturating_sub(before));
                Ok((came, After { staged: true, erase: false }))
            };
            commit(db, expected, add).await
        })
    }

    /// Deletes records, accounts and models, and stores the requests that this answers, in
    /// one transaction. Without anything to do it changes nothing. `stale` must name every
    /// shard whose training records change.
    fn delete(&self, deletion: &Deletion<'_>, expected: Head) -> Result<Committed> {
        // Where only identifiers of users are stored, an account is one row.
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
                let accepted = !deletion.deferred.is_empty();
                let changed = removed > 0 || packed.is_some() || !accounts.is_empty() || down || accepted;
                if !changed && deletion.requests.is_empty() {
                    db.nothing_changed();
                }
                deferred::carried_out(db, deletion.deferred).await?;
                if removed > 0 {
                    models::mark_stale(db, deletion.stale, true).await?;
                    tombstones::entomb(db, deletion.records).await?;
                    // Whoever can open the commitment could tell whether the deleted record was among the
                    // data. So its key is destroyed.
                    schema::clear_meta(db, TUNING_KEY).await?;
                }
                if changed {
                    forgotten::note(db, deletion.names).await?;
                }
                requests::insert(db, deletion.requests, deletion.asked).await?;
                audit::append(db, deletion.audit).await?;
                let places: Vec<(u32, u32)> = accounts.iter().map(|&user| (user, tombstones::ACCOUNT)).collect();
                tombstones::entomb(db, &places).await?;
                if let Some(catalog) = deletion.catalog {
                    for &user in accounts {
                        db.something_deleted();
                        people::set(db, user, &catalog.users.ids[user as usize], true).await?;
                    }
                    if accounts.is_empty() {
                        people::sync(db, &catalog.users, deletion.part_of).await?;
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
                Ok((removed, After { staged: packed.is_some(), erase: changed }))
            };
            let done = commit(db, expected, delete).await?;
            if done.count > 0 {
                failpoint("remove.committed");
            }
            Ok(done)
        })
    }
}

/// Runs one transaction, refused when the records are no longer those of `expected`.
/// Returns the state right after it.
async fn commit(
    db: &mut Db,
    expected: Head,
    work: impl AsyncFnOnce(&mut Db) -> Result<(u64, After)>,
) -> Result<Committed> {
    let ((count, after, shards), head) = transaction(db, async |db| {
        if head(db).await?.records != expected.records {
            return Err(StoreError::Moved);
        }
        let (count, after) = work(db).await?;
        Ok((count, after, models::shards(db).await?))
    })
    .await?;
    // The same error as when the connection is lost before the answer to the commit
    // arrives.
    let unheard = |reason| StoreError::Io { doing: "hear of a change that was made in", path: "eemu".into(), reason };
    trouble("commit.answer").map_err(unheard)?;
    Ok(Committed { count, shards, head, after })
}
