//! The durable state of a deployment.
//!
//! | in the directory | what |
//! |---|---|
//! | `eemu.sqlite` | settings, records, shards and their live models, receipts |
//! | `catalog.json`, `catalog.safetensors` | the frozen catalogue; dense features |
//! | `models/<BLAKE3>.safetensors` | two files per live model, named by the hash of their bytes |
//! | `checkpoints/shard-<s>.ckpt` | a checkpoint that training can resume from |
//! | `launch/<s>/` | the files of a command that trains a shard elsewhere |
//! | `lock` | held by the one process that writes to this directory |
//!
//! Where a [`Location`] says so, records and catalogue are in PostgreSQL instead. Then
//! several processes, each with its own directory, write to one state. Models may be in
//! another folder or in a bucket. The inputs of shards that Kubernetes trains
//! are in a bucket.
//!
//! The store promises two things. A change is made whole or not at all, whenever the
//! process dies. And when [`State::finish`] returns, no file of the directory holds a
//! deleted record or anything derived from it (`erase.rs` says how). Outside the
//! directory erasure is logical: see [`Erasure`].
//!
//! The SQL is in async functions that take one connection each; [`State`] offers them
//! as blocking calls.

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
mod launch_bucket;
mod launched;
mod ledger;
mod location;
mod lock;
mod model_rows;
mod models;
mod objects;
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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
pub use launch_bucket::{LaunchPlace, Launched};
pub use location::{DatabaseUrl, Location};
pub use models::{Live, LoadedModel, Publication, Secret, Shard, Ticket};
pub use objects::Objects;
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

/// Writes a file beside the state's own, whole or not at all.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_file::write(path, &[bytes])
}

/// As [`write_whole`], from several parts.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole_of(path: &Path, parts: &[&[u8]]) -> Result<()> {
    atomic_file::write(path, parts)
}

/// Deletes the temporary files that crashed processes left for this path.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn delete_halves(path: &Path) -> Result<()> {
    atomic_file::delete_halves(path)
}

/// Creates a folder that only its owner can read; an existing folder gets the same
/// permissions.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn private_folder(dir: &Path) -> Result<()> {
    private::folder(dir)
}

/// Opens a file beside the state's own that only its owner can read; creates it when it
/// does not exist.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn open_private(path: &Path) -> std::io::Result<std::fs::File> {
    private::open(path)
}

/// How a state is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As one of any number of readers, beside a writer too.
    Read,
    /// As the one writer.
    Write,
}

/// How far erasure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// No file of the state directory holds the bytes.
    Bytes,
    /// Rows and objects are deleted; PostgreSQL or the bucket may keep their bytes.
    Logical,
}

impl Erasure {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "byte-level",
            Self::Logical => "logical",
        }
    }
}

/// An open state. Threads share it by reference, and its calls wait for each other. The
/// calls block: do not use them inside an async task.
#[derive(Debug)]
pub struct State {
    location: Location,
    files: Files,
    inner: Mutex<Inner>,
    /// Seconds within which stale copies of deleted rows must be gone, as the bits of an
    /// `f64`; 0 for before a deletion returns.
    erase_within: AtomicU64,
    claimed: Mutex<BTreeSet<u32>>,
    /// Whether records were in a bucket while their shard trained on Kubernetes.
    logical: AtomicBool,
    // After `inner`, so that the lock is released when the database is closed.
    lock: Option<Lock>,
}

impl State {
    /// Creates a state from a catalogue and records, and opens it for writing. It is built
    /// in a sibling directory that is renamed, or in one transaction of PostgreSQL. When
    /// this fails or the process dies, whatever was there before is unchanged. Of records
    /// with the same (user, item) the latest stays.
    ///
    /// # Errors
    /// When the location holds something else, or a state that may not be replaced or is in
    /// use; when a record is not of the catalogue; when the disk or the database refuses.
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

    /// Opens a state and cleans up after a crash: unfinished erasures, temporary files, and
    /// files that no row refers to. A reader does so too when no writer runs.
    ///
    /// # Errors
    /// When there is no state, another writer has the directory, or its format is not one
    /// that this program can open.
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
        let (files, logical) = inner.run(async |db| {
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
            Ok((files, launch_bucket::was_used(db).await?))
        })?;
        Ok(Self {
            location,
            files,
            inner: Mutex::new(inner),
            erase_within: AtomicU64::new(0),
            claimed: Mutex::default(),
            logical: logical.into(),
            lock,
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A thread that panicked left no half change: its transaction is rolled back before
        // the next statement.
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

    /// Sets the time within which stale copies of deleted rows must be gone. 0, the initial
    /// value, means before a deletion returns.
    pub fn set_erase_within(&self, within: Duration) {
        self.erase_within.store(within.as_secs_f64().to_bits(), Ordering::SeqCst);
    }

    fn erase_within(&self) -> Duration {
        Duration::try_from_secs_f64(f64::from_bits(self.erase_within.load(Ordering::SeqCst))).unwrap_or_default()
    }

    /// Whether other processes may change this state too.
    pub fn is_shared(&self) -> bool {
        self.location.database.is_some()
    }

    /// How far erasure reaches.
    pub fn erasure(&self) -> Erasure {
        if self.is_shared() || self.files.is_bucket() || self.logical.load(Ordering::SeqCst) {
            Erasure::Logical
        } else {
            Erasure::Bytes
        }
    }

    /// The location of the models, for messages.
    pub fn models_at(&self) -> String {
        self.files.shown()
    }

    /// Opens a second connection that only polls the version of the state.
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
