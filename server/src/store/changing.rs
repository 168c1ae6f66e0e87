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

/// How often a change is planned anew because another process came first.
pub(crate) const TRIES: u32 = 20;

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
    /// Commitments to what `requests` asked for, in their order.
    pub asked: &'a [String],
    /// Requests that were accepted earlier and are carried out by this.
    pub deferred: &'a [[u8; 32]],
    /// Who asked.
    pub audit: &'a [NewAudit],
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
    /// The partition of a person's records.
    pub part_of: PartOf<'a>,
    /// Identifiers of people who come with them, behind those that are there.
    pub people: &'a [String],
    /// Names all of them: what was forgotten of these records before is wanted
    /// again, so that later data may bring it.
    pub catalog: Option<&'a Catalog>,
    /// Who asked.
    pub audit: &'a [NewAudit],
}

/// A change, worked out on what was known at some moment.
#[derive(Clone, Copy)]
pub enum Change<'a> {
    /// Records, accounts or items go.
    Delete(Deletion<'a>),
    /// Records come.
    Add(Addition<'a>),
    /// Settings (JSON) that shape no model.
    Settings(&'a str),
    /// Settings that shape the models: there are so many shards, none with a
    /// model; earlier models, their nonces and salts go.
    Reset(&'a str, u32),
    /// A catalogue with further items behind its own, and who asked. Every
    /// shard waits for its training with them; its model stays until then.
    Items(&'a Catalog, &'a [NewAudit]),
}

/// A change that is made for good.
#[derive(Debug)]
pub struct Committed {
    /// Records that went, or came.
    pub count: u64,
    /// Every shard right after the change.
    pub shards: Vec<Shard>,
    /// How far the state was right after the change.
    pub head: Head,
    /// What is left to do on disk: see [`State::finish`].
    after: After,
}

/// What follows a change that is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct After {
    /// A catalogue is staged.
    staged: bool,
    /// Something must be overwritten.
    erase: bool,
}

impl Committed {
    /// Whether bytes of what went are still on disk, until [`State::finish`].
    pub fn erases(&self) -> bool {
        self.after.erase || self.after.staged
    }
}

impl State {
    /// One transaction, for changes that do not depend on the records.
    pub(super) fn change<T>(&self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.write(async |db| transaction(db, work).await.map(|(value, _)| value))
    }

    /// Makes a change in one transaction, and nothing besides: whoever gets
    /// `Ok` knows that it is made, and calls [`State::finish`] before saying
    /// so to anybody who relies on the bytes being gone.
    ///
    /// `expected` is how far the state was when the change was worked out.
    ///
    /// # Errors
    /// [`StoreError::Moved`] when somebody else changed records since
    /// `expected`; otherwise when what the change names is not there, or the
    /// database refuses. Then nothing is changed, unless the connection to a
    /// shared database was lost while it committed: look before you say.
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

    /// Does on disk what follows a change that is made: when this returns, no
    /// byte of what went is in a file of the directory (with an erasure time
    /// of 0; else stale copies may be, until a compaction). May take long.
    ///
    /// # Errors
    /// When it could not be finished: the change stays made, and this goes on
    /// where it stopped when it is called again, or the state is opened.
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

    /// Adds records, with people who come with their first ones, and marks the
    /// shards that they change; their models stay until the next training.
    fn add(&self, addition: &Addition<'_>, expected: Head) -> Result<Committed> {
        // Features of people stand in the catalogue, one row a person.
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
                    // People without a record do not come.
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

    /// Puts a catalogue with further items in the place of the present one.
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

    /// Records, accounts, models, and the requests that this answers, in one
    /// transaction. With nothing to do nothing changes. `stale` must name
    /// every shard whose training records change.
    fn delete(&self, deletion: &Deletion<'_>, expected: Head) -> Result<Committed> {
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
                let accepted = !deletion.deferred.is_empty();
                let changed = removed > 0 || packed.is_some() || !accounts.is_empty() || down || accepted;
                if !changed && deletion.requests.is_empty() {
                    db.nothing_changed();
                }
                deferred::carried_out(db, deletion.deferred).await?;
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
                        people::sync(db, &catalog.users, None).await?;
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

/// One transaction, refused when records are not those of `expected`; and what
/// there is then.
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
    // As when the connection is lost before the answer comes.
    let unheard = |reason| StoreError::Io { doing: "hear of a change that was made in", path: "eemu".into(), reason };
    trouble("commit.answer").map_err(unheard)?;
    Ok(Committed { count, shards, head, after })
}
