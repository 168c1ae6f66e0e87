//! The durable state of a deployment: one directory.
//!
//! | in it | what |
//! |---|---|
//! | `eemu.sqlite` | settings, records, shards and their live models, receipts |
//! | `catalog.json`, `catalog.safetensors` | the frozen catalogue; dense features |
//! | `models/<BLAKE3>.safetensors` | two files a live model, named by their bytes |
//! | `checkpoints/shard-<s>.ckpt` | training that can be taken up again |
//! | `lock` | held by the one writer |
//!
//! What it promises: a change is there whole or not at all, whenever the
//! process dies; and when [`State::remove`] returns, no file of the directory
//! holds the record or anything derived from it (`erase.rs` says how).
//!
//! The SQL is in async functions of one connection each; [`State`] is the
//! blocking door to them.

mod atomic_file;
mod catalog;
mod checkpoint;
mod create;
mod erase;
mod error;
mod failpoint;
mod ledger;
mod lock;
mod models;
mod receipts;
mod records;
mod requests;
mod schema;
#[cfg(test)]
mod tests;
mod tombstones;
mod training;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eemu_core::dataset::{Catalog, Interaction};
use sqlx::{Connection, SqliteConnection};
use tokio::runtime::{Builder, Runtime};

pub use create::Import;
pub use error::{Result, StoreError};
pub use failpoint::{STEPS, failpoint};
pub use models::{Live, LoadedModel, Publication, Secret, Shard, Ticket};
pub use receipts::Receipt;
pub use records::KeyedId;
pub use requests::{NewRequest, Request};
pub use tombstones::{Backup, Tombstones};

use lock::Lock;
use schema::{BEGIN, MIGRATIONS, SETTINGS};

/// Writes a file beside the state's own: there whole or not at all.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_file::write(path, &[bytes])
}

/// What a state is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any number of readers, beside a writer too.
    Read,
    /// The one writer.
    Write,
}

/// An open state directory. Shared between threads by reference; calls wait
/// for each other. Blocking: not to be called inside an async task.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    inner: Mutex<Inner>,
    // After `inner`: the lock goes when the database is closed.
    lock: Option<Lock>,
}

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
}

impl Inner {
    fn run<T>(&mut self, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
        self.runtime.block_on(work(connection))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Nothing is lost if closing fails: what was acknowledged is durable.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

fn runtime() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| StoreError::Io { doing: "start the input and output of", path: "eemu".into(), source })
}

impl State {
    /// Makes a state from a catalogue and records and opens it for writing.
    /// It is built beside and renamed: when this fails, or the process dies,
    /// `dir` is as it was. Of records with the same (user, item) the earliest
    /// stays.
    ///
    /// # Errors
    /// When `dir` holds something else, or a state that may not be replaced
    /// or is in use; when a record is not of the catalogue; when the disk
    /// refuses.
    pub fn create(dir: &Path, import: &Import<'_>, records: impl IntoIterator<Item = Interaction>) -> Result<Self> {
        let dir = create::resolve(dir)?;
        let runtime = runtime()?;
        let records: Vec<Interaction> = records.into_iter().collect();
        let lock = create::create(&runtime, &dir, import, &records)?;
        Self::connect(dir, runtime, Some(lock))
    }

    /// Opens a state and finishes what a crash left: an erasure, files half
    /// written or no longer referred to. A reader does that too where no
    /// writer is at work.
    ///
    /// # Errors
    /// When there is no state, another writer has it, or its format is of
    /// another time.
    pub fn open(dir: &Path, access: Access) -> Result<Self> {
        let dir = create::resolve(dir)?;
        create::restore_interrupted(&dir)?;
        if !dir.join(schema::DATABASE).is_file() {
            return Err(StoreError::NotAState { dir });
        }
        let lock = match access {
            Access::Write => Some(Lock::acquire(&dir)?),
            Access::Read => None,
        };
        let state = Self::connect(dir, runtime()?, lock)?;
        let crashed = state.lock.is_none()
            && (create::has_siblings(&state.dir)
                || state.read(async |connection| erase::needed(connection, &state.dir).await)?);
        if crashed && let Some(lock) = Lock::try_acquire(&state.dir)? {
            Self::connect(state.dir.clone(), runtime()?, Some(lock))?;
        }
        Ok(state)
    }

    fn connect(dir: PathBuf, runtime: Runtime, lock: Option<Lock>) -> Result<Self> {
        let write = lock.is_some();
        if write {
            create::sweep_siblings(&dir)?;
        }
        let connection = runtime.block_on(async {
            let mut connection = schema::connect(&dir, write).await?;
            schema::migrate(&mut connection, MIGRATIONS, write).await?;
            if write {
                erase::recover(&mut connection, &dir).await?;
            }
            Ok::<_, StoreError>(connection)
        })?;
        Ok(Self { dir, inner: Mutex::new(Inner { runtime, connection: Some(connection) }), lock })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked left no half change: its transaction is
        // rolled back before the next statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
        self.inner().run(work)
    }

    fn write<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly);
        }
        self.inner().run(work)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings (JSON), as they were given.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn settings(&self) -> Result<String> {
        let settings = self.read(async |connection| schema::meta(connection, SETTINGS).await)?;
        settings.ok_or_else(|| StoreError::DamagedRow("no settings".into()))
    }

    /// Replaces the settings. Models stay: for settings that shape no model.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_settings(&self, json: &str) -> Result<()> {
        self.write(async |connection| schema::set_meta(connection, SETTINGS, json).await)
    }

    /// Replaces settings that shape the models: from now on there are
    /// `shards` shards, none with a model; earlier models, their nonces and
    /// salts are erased.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub fn reset_models(&self, settings: &str, shards: u32) -> Result<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            schema::set_meta(&mut transaction, SETTINGS, settings).await?;
            let dropped = models::reset(&mut transaction, shards).await?;
            if dropped {
                erase::begin(&mut transaction).await?;
            }
            transaction.commit().await?;
            self.tidy(connection, dropped).await
        })
    }

    /// The catalogue.
    ///
    /// # Errors
    /// When its files are damaged.
    pub fn catalog(&self) -> Result<Catalog> {
        let mut last = None;
        for _ in 0..5 {
            let declared = self.read(async |connection| catalog::declared(connection).await)?;
            match catalog::read(&self.dir, &declared) {
                Ok(catalog) => return Ok(catalog),
                Err(error) => last = Some(error),
            }
            // A writer may be between its two renames.
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(last.unwrap_or_else(|| StoreError::DamagedRow("no catalogue".into())))
    }

    /// Replaces the catalogue: an account blanked, people admitted. Indices
    /// must stay. The earlier one is erased.
    ///
    /// # Errors
    /// When the disk refuses; the earlier catalogue then stays.
    pub fn set_catalog(&self, catalog: &Catalog) -> Result<()> {
        self.write(async |connection| {
            let declared = catalog::stage(&self.dir, catalog)?;
            let mut transaction = connection.begin_with(BEGIN).await?;
            catalog::declare(&mut transaction, &declared).await?;
            erase::begin(&mut transaction).await?;
            transaction.commit().await?;
            failpoint("catalog.committed");
            catalog::settle(connection, &self.dir).await?;
            self.tidy(connection, true).await
        })
    }

    /// Every record, by user and item.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn interactions(&self) -> Result<Vec<Interaction>> {
        self.read(async |connection| records::all(connection).await)
    }

    /// How many records there are.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn record_count(&self) -> Result<u64> {
        self.read(async |connection| records::count(connection).await)
    }

    /// Adds records and marks the shards that they change; their models stay
    /// until the next training. Returns how many records are new (or earlier
    /// than before); with none nothing changes.
    ///
    /// # Errors
    /// When a record is not of the catalogue, a shard does not exist, or the
    /// database refuses. Nothing was stored then.
    pub fn insert(&self, records: &[Interaction], stale: &[u32], keyed_id: KeyedId<'_>) -> Result<u64> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            let declared = catalog::declared(&mut transaction).await?;
            let size = (declared.users, declared.items);
            let changed = records::insert(&mut transaction, records, size, keyed_id).await?;
            if changed == 0 {
                return Ok(0);
            }
            models::mark_stale(&mut transaction, stale, false).await?;
            transaction.commit().await?;
            self.tidy(connection, false).await?;
            Ok(changed)
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
    /// When a shard does not exist or the database refuses: nothing was
    /// removed. [`StoreError::ErasureBusy`] when the records are removed but
    /// their bytes may not be gone; repeat the call.
    pub fn remove(&self, records: &[(u32, u32)], stale: &[u32]) -> Result<u64> {
        self.forget(records, stale, &[])
    }

    /// [`State::remove`], noting in the same transaction the requests that it
    /// answers: not what they asked for, only how to follow them.
    ///
    /// # Errors
    /// As [`State::remove`].
    pub fn forget(&self, records: &[(u32, u32)], stale: &[u32], requests: &[NewRequest]) -> Result<u64> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            let removed = records::delete(&mut transaction, records).await?;
            if removed == 0 && !requests.is_empty() {
                requests::insert(&mut transaction, requests).await?;
                transaction.commit().await?;
                let pending = erase::pending(connection).await?;
                self.tidy(connection, pending).await?;
                return Ok(0);
            }
            if removed == 0 {
                transaction.rollback().await?;
                // An earlier call may have been cut short.
                let pending = erase::pending(connection).await?;
                self.tidy(connection, pending).await?;
                return Ok(0);
            }
            models::mark_stale(&mut transaction, stale, true).await?;
            requests::insert(&mut transaction, requests).await?;
            tombstones::entomb(&mut transaction, records).await?;
            erase::begin(&mut transaction).await?;
            failpoint("remove.deleted");
            transaction.commit().await?;
            failpoint("remove.committed");
            self.tidy(connection, true).await?;
            Ok(removed)
        })
    }

    async fn tidy(&self, connection: &mut SqliteConnection, erase: bool) -> Result<()> {
        if erase { erase::finish(connection, &self.dir).await } else { erase::sweep(connection, &self.dir).await }
    }
}
