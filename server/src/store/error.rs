//! The store's errors, with what a person can do about each.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Everything that can go wrong with a state directory.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {doing} {}: {reason}. {}", path.display(), file_way_out(reason))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's reason. The message contains it, so it is not a source as well.
        reason: std::io::Error,
    },
    /// The database refused.
    #[error("the state's database: {}. {}", .0, way_out(.0))]
    Database(sqlx::Error),
    /// The address of a PostgreSQL database cannot be used. It is not printed, since it may
    /// hold a password.
    #[error("the database: {0}. Give --database postgres://USER@HOST/NAME, and see that it answers")]
    BadDatabase(String),
    /// The state is in PostgreSQL, but no address was given.
    #[error("the records of {} are in PostgreSQL. Name it with --database, or in EEMU_DATABASE", dir.display())]
    NeedsDatabase {
        /// The state directory.
        dir: PathBuf,
    },
    /// The location of the models cannot be used.
    #[error("models in {0}")]
    BadModels(String),
    /// A bucket refused.
    #[error("cannot {doing} {place}: {problem}. Check AWS_ENDPOINT, the keys in AWS_*, and the bucket")]
    Bucket {
        /// What was tried.
        doing: &'static str,
        /// Where.
        place: String,
        /// The bucket's reason.
        problem: String,
    },
    /// The folder for launched training cannot be used.
    #[error("{} {problem}, or name another --launch-dir", dir.display())]
    LaunchFolder {
        /// The folder.
        dir: PathBuf,
        /// What is wrong with it, and what else can be done.
        problem: &'static str,
    },
    /// Training far away needs a bucket.
    #[error(
        "shards that train far away need a bucket for their inputs. Name one in the launcher's settings (bucket = \
         \"s3://bucket/prefix\"), or keep the models in one (--models)"
    )]
    NoLaunchBucket,
    /// Another process prepares shards of this state elsewhere.
    #[error("another process launches shards from {place}; give all of them one bucket and start this one again")]
    OtherLaunchBucket {
        /// Where that one's inputs are.
        place: String,
    },
    /// Another server or trainer changed records since this process read them.
    #[error("another process changed the records meanwhile. Nothing was changed; repeat the command")]
    Moved,
    /// The change is made and stays made; its work on disk is not finished.
    #[error("the change is made and need not be asked for again, but it is not finished: {0}")]
    Unfinished(Box<StoreError>),
    /// Another process writes to this state.
    #[error("{} is in use by {}. Wait for it to end, or stop it", dir.display(), holder(*pid))]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// The process that holds the lock, where known.
        pid: Option<u32>,
    },
    /// There is no state here.
    #[error("{} holds no state. Make one with `eemu import --state {}`", dir.display(), dir.display())]
    NotAState {
        /// The directory as given.
        dir: PathBuf,
    },
    /// The directory holds something else.
    #[error("{} is not empty and holds no state. Name a new or an empty directory", dir.display())]
    ForeignDirectory {
        /// The directory as given.
        dir: PathBuf,
    },
    /// There is a state already.
    #[error("{} holds a state already. Put these data in its place with `eemu import --replace` (log, tokens and settings stay, and what was forgotten stays out), or name another directory", dir.display())]
    AlreadyAState {
        /// The directory as given.
        dir: PathBuf,
    },
    /// A database was given, but the directory holds a state of its own.
    #[error("{} holds a state of its own. Leave out the database (--database, EEMU_DATABASE), or name another directory with --state", dir.display())]
    OwnState {
        /// The directory as given.
        dir: PathBuf,
    },
    /// A newer program wrote this state.
    #[error("the state has format {found}, this program reads up to {supported}. Use the newer eemu that wrote it")]
    NewerFormat {
        /// Format of the state.
        found: i64,
        /// Newest format this program knows.
        supported: i64,
    },
    /// An older program wrote this state, and a reader may not upgrade it.
    #[error(
        "the state has format {found}, this program writes {supported}. Run a command that writes (`eemu train`) to \
         upgrade it; back the directory up first"
    )]
    OlderFormat {
        /// Format of the state.
        found: i64,
        /// Format this program writes.
        supported: i64,
    },
    /// A change of a state that was opened for reading.
    #[error("the state was opened for reading. Open it for writing to change it")]
    ReadOnly,
    /// A shard that the state does not have.
    #[error("there is no shard {shard}. Name one from 0 to {last}", last = shards.saturating_sub(1))]
    UnknownShard {
        /// The shard asked for.
        shard: u32,
        /// How many there are.
        shards: u32,
    },
    /// The shard's records changed while it was being trained.
    #[error("shard {shard} changed while it was being trained. Train it again on the records it has now")]
    Outdated {
        /// Which shard.
        shard: u32,
    },
    /// A model file is not the one that was published.
    #[error("{}: {problem}. Run `eemu train`: it trains shard {shard} again; the records are not affected", path.display())]
    DamagedModel {
        /// Which shard.
        shard: u32,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The catalogue on disk is not the one that was stored.
    #[error("{}: {problem}. Restore catalog.json and catalog.safetensors from a backup, or import again", path.display())]
    DamagedCatalog {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A row that this program cannot have written.
    #[error("the state's database holds {0}, which no eemu wrote. Restore the directory from a backup")]
    DamagedRow(String),
    /// A record that cannot be stored. The message does not name it, since errors are
    /// logged.
    #[error("a record {0}. Nothing was stored; correct it and send all of them again")]
    BadRecord(&'static str),
    /// Readers kept the log from being truncated: the change is made, its erasure is not
    /// finished.
    #[error(
        "the change is made, but a reader has kept the database's log from being emptied for {seconds} s, so bytes of \
         what was deleted may still be on disk. Close other programs that read this state; the next command that \
         writes finishes the erasure"
    )]
    ErasureBusy {
        /// How long it waited, in seconds.
        seconds: u64,
    },
    /// A catalogue that core rejects.
    #[error(transparent)]
    Core(#[from] eemu_core::Error),
    /// The operating system gave no random bytes.
    #[error(transparent)]
    Random(#[from] crate::clock::NoChance),
}

impl StoreError {
    /// Marks an error as coming after the change was made.
    pub(super) fn after_commit(self) -> Self {
        match self {
            Self::ErasureBusy { .. } | Self::Unfinished(_) => self,
            other => Self::Unfinished(Box::new(other)),
        }
    }

    /// Whether the requested change is made although there was an error.
    pub fn is_made(&self) -> bool {
        matches!(self, Self::ErasureBusy { .. } | Self::Unfinished(_))
    }

    /// Whether the connection to the database is unusable.
    pub(super) fn lost_connection(&self) -> bool {
        match self {
            Self::Database(error) => {
                matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_))
                    // PostgreSQL's classes for shutdowns and lost connections.
                    || error.as_database_error().and_then(|e| e.code()).is_some_and(|code| {
                        code.starts_with("57P") || code.starts_with("08")
                    })
            }
            Self::Unfinished(inner) => inner.lost_connection(),
            _ => false,
        }
    }
}

/// A result with the store's error.
pub type Result<T> = std::result::Result<T, StoreError>;

impl From<sqlx::Error> for StoreError {
    /// The message contains what the database says, so it is not a source as well.
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// What to do when the file system refuses.
fn file_way_out(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "Make room, or name a directory on another disk"
        }
        std::io::ErrorKind::PermissionDenied => "Check who may write there",
        _ => "Check that the path exists, its permissions and the free space",
    }
}

/// What to do when a database refuses.
fn way_out(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(|e| e.code());
    match (error, code.as_deref().and_then(|code| code.parse::<u32>().ok())) {
        // SQLITE_FULL, and SQLITE_IOERR in its forms for writing and syncing.
        (_, Some(code)) if code == 13 || matches!(code, 778 | 1034 | 1290 | 1546 | 4618) => {
            "Make room, or name a directory on another disk. Nothing was half done"
        }
        // SQLITE_BUSY and SQLITE_LOCKED.
        (_, Some(code)) if matches!(code & 0xff, 5 | 6) => {
            "Another program has eemu.sqlite open: close it and try again. Nothing was half done"
        }
        (sqlx::Error::WorkerCrashed, _) => "See what was said before. Nothing was half done",
        (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_), _) => {
            "See that the PostgreSQL server answers. Nothing was half done"
        }
        _ => "Nothing was half done; repeat the command",
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// Says which file an input or output error is about.
pub(super) trait IoContext<T> {
    /// Turns the error into [`StoreError::Io`].
    fn context(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn context(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|reason| StoreError::Io { doing, path: path.to_owned(), reason })
    }
}

/// Treats a file that does not exist as deleted, since deletions may be repeated.
pub(super) fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
