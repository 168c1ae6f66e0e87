//! The durable state of a deployment.
//!
//! | in the directory | what |
//! |---|---|
//! | `eemu.sqlite` | settings, records, shards and their live models, receipts |
//! | `catalog.json`, `catalog.safetensors` | the frozen catalogue; dense features |
//! | `models/<BLAKE3>.safetensors` | two files a live model, named by their bytes |
//! | `checkpoints/shard-<s>.ckpt` | training that can be taken up again |
//! | `launch/<s>/` | what a command needs that trains a shard elsewhere |
//! | `lock` | held by the one process that writes with this directory |
//!
//! Elsewhere, where a [`Location`] says so: records and catalogue in
//! PostgreSQL (then several processes, each with a directory of its own, write
//! to one state), models in another folder or in a bucket.
//!
//! What it promises: a change is there whole or not at all, whenever the
//! process dies; and when [`State::finish`] returns, no file of the directory
//! holds the record or anything derived from it (`erase.rs` says how). Outside
//! the directory erasure is logical: see [`Erasure`].
//!
//! The SQL is in async functions of one connection each; [`State`] is the
//! blocking door to them.

mod atomic_file;
mod audit;
mod bucket;
mod catalog;
mod changing;
mod checkpoint;
mod compaction;
mod connection;
mod create;
mod database;
mod deferred;
mod erase;
mod error;
mod failpoint;
mod files;
mod forgotten;
mod interrupt;
mod items_down;
mod kept;
mod launched;
mod ledger;
mod location;
mod lock;
mod model_rows;
mod models;
mod people;
mod place;
mod private;
mod reading;
mod receipts;
mod records;
mod requests;
mod schema;
#[cfg(test)]
mod tests;
mod tombstones;
mod training;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eemu_core::data::Interaction;

pub use audit::NewAudit;
pub(crate) use changing::TRIES;
pub use changing::{Addition, Change, Committed, Deletion};
pub use compaction::{Compacted, Compaction};
pub use create::{Extra, Import};
pub use database::Head;
pub use deferred::{Deferred, NewDeferred};
pub use error::{Result, StoreError};
pub use failpoint::{STEPS, failpoint, trouble};
pub use forgotten::{Forgotten, Name};
pub use interrupt::end_cleanly;
pub use kept::Kept;
pub use location::{DatabaseUrl, Location};
pub use models::{Live, LoadedModel, Publication, Secret, Shard, Ticket};
pub use people::PartOf;
pub use reading::Picture;
pub use receipts::Receipt;
pub use records::KeyedId;
pub use requests::{NewRequest, Request};
pub use tombstones::{Backup, Tombstones};
pub use training::Claim;
pub use watch::Watch;

use connection::{Inner, runtime};
use database::Db;
use files::Files;
use lock::Lock;

/// The file of tokens in a state's directory. It has a lock of its own.
pub(crate) const TOKENS: &str = "tokens.json";

/// Writes a file beside the state's own: there whole or not at all.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_file::write(path, &[bytes])
}

/// The same of several parts.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole_of(path: &Path, parts: &[&[u8]]) -> Result<()> {
    atomic_file::write(path, parts)
}

/// Deletes what processes that died left half written of a file.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn delete_halves(path: &Path) -> Result<()> {
    atomic_file::delete_halves(path)
}

/// Makes a folder that nobody else reads; one that is there becomes so.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn private_folder(dir: &Path) -> Result<()> {
    private::folder(dir)
}

/// Opens a file beside the state's own that nobody else reads; made when it is
/// not there.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn open_private(path: &Path) -> std::io::Result<std::fs::File> {
    private::open(path)
}

/// What a state is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any number of readers, beside a writer too.
    Read,
    /// The one writer.
    Write,
}

/// How far erasure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// No file of the state directory holds the bytes.
    Bytes,
    /// Rows and objects are deleted; what PostgreSQL or a bucket keeps of them
    /// below that is theirs.
    Logical,
}

impl Erasure {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "byte-level",
            Self::Logical => "logical",
        }
    }
}

/// An open state. Shared between threads by reference; calls wait for each
/// other. Blocking: not to be called inside an async task.
#[derive(Debug)]
pub struct State {
    location: Location,
    files: Files,
    inner: Mutex<Inner>,
    /// Seconds within which stale copies of what is deleted must be gone, as
    /// bits; 0 for before a deletion returns.
    erase_within: AtomicU64,
    claimed: Mutex<BTreeSet<u32>>,
    // After `inner`: the lock goes when the database is closed.
    lock: Option<Lock>,
}

impl State {
    /// Makes a state from a catalogue and records and opens it for writing.
    /// In a directory it is built beside and renamed, in PostgreSQL it is one
    /// transaction: when this fails, or the process dies, what was there is as
    /// it was. Of records with the same (user, item) the latest stays.
    ///
    /// # Errors
    /// When the place holds something else, or a state that may not be
    /// replaced or is in use; when a record is not of the catalogue; when the
    /// disk or the database refuses.
    pub fn create(
        location: impl Into<Location>,
        import: &Import<'_>,
        records: impl IntoIterator<Item = Interaction>,
    ) -> Result<Self> {
        let location = create::settled(location.into())?;
        let records: Vec<Interaction> = records.into_iter().collect();
        let lock = create::create(&location, import, &records)?;
        Self::connect(location, Some(lock))
    }

    /// Opens a state and finishes what a crash left: an erasure, files half
    /// written or no longer referred to. A reader does that too where no
    /// writer is at work.
    ///
    /// # Errors
    /// When there is no state, another writer has the directory, or its format
    /// is of another time.
    pub fn open(location: impl Into<Location>, access: Access) -> Result<Self> {
        let location = create::settled(location.into())?;
        let dir = &location.dir;
        if location.database.is_some() {
            create::for_database(dir, access == Access::Write)?;
        } else {
            create::restore_interrupted(dir)?;
            if !dir.join(schema::DATABASE).is_file() {
                return Err(create::absent(dir));
            }
        }
        let lock = match access {
            Access::Write => Some(Lock::acquire(dir)?),
            Access::Read => None,
        };
        let state = Self::connect(location, lock)?;
        let dir = &state.location.dir;
        let crashed = state.lock.is_none()
            && !state.is_shared()
            && (create::has_siblings(dir) || state.read(async |db| erase::needed(db, dir, &state.files).await)?);
        if crashed && let Some(lock) = Lock::try_acquire(dir)? {
            Self::connect(state.location.clone(), Some(lock))?;
        }
        Ok(state)
    }

    fn connect(location: Location, lock: Option<Lock>) -> Result<Self> {
        let write = lock.is_some();
        if write && location.database.is_none() {
            create::sweep_siblings(&location.dir)?;
        }
        if write {
            private::all(&location.dir)?;
        }
        let mut inner = Inner::open(&location, write)?;
        let files = inner.run(async |db| {
            schema::hold(db).await?;
            schema::migrate(db, write).await?;
            let files = place::model_files(db, &location, write).await?;
            if write {
                catalog::settle(db, &location.dir).await?;
                catalog::convert(db, &location.dir).await?;
                erase::recover(db, &location.dir, &files).await?;
            } else if !catalog::has_people(db).await? {
                let supported = schema::format(db).await?;
                return Err(StoreError::OlderFormat { found: supported - 1, supported });
            }
            Ok(files)
        })?;
        Ok(Self {
            location,
            files,
            inner: Mutex::new(inner),
            erase_within: AtomicU64::new(0),
            claimed: Mutex::default(),
            lock,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked left no half change: its transaction is
        // rolled back before the next statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        self.inner().run(work)
    }

    fn write<T>(&self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly);
        }
        self.inner().run(work)
    }

    /// Sets within what time stale copies of what is deleted must be gone. 0,
    /// as at the opening, means before a deletion returns.
    pub fn set_erase_within(&self, within: Duration) {
        self.erase_within.store(within.as_secs_f64().to_bits(), Ordering::SeqCst);
    }

    fn erase_within(&self) -> Duration {
        Duration::try_from_secs_f64(f64::from_bits(self.erase_within.load(Ordering::SeqCst))).unwrap_or_default()
    }

    /// Whether other processes may change this state, too.
    pub fn is_shared(&self) -> bool {
        self.location.database.is_some()
    }

    /// How far erasure reaches.
    pub fn erasure(&self) -> Erasure {
        if self.is_shared() || self.files.is_bucket() { Erasure::Logical } else { Erasure::Bytes }
    }

    /// Where models are, for people.
    pub fn models_at(&self) -> String {
        self.files.shown()
    }

    /// A second connection, which only looks how far the state has come.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn watch(&self) -> Result<Watch> {
        Watch::open(&self.location)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.location.dir
    }
}
