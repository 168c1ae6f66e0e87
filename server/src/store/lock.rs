//! The lock that allows one writer per state directory.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use super::error::{IoContext, Result, StoreError};
use super::private;

/// Name of the lock file. The file stays; the operating system releases the lock on it
/// when its holder dies.
pub(super) const LOCK: &str = "lock";

/// Held while a state may be written to.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and waits a moment for a reader that is cleaning up.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process keeps it.
    pub(super) fn acquire(dir: &Path) -> Result<Self> {
        for _ in 0..10 {
            if let Some(lock) = Self::try_acquire(dir)? {
                return Ok(lock);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let pid = fs::read_to_string(dir.join(LOCK)).ok().and_then(|text| text.trim().parse().ok());
        Err(StoreError::Locked { dir: dir.to_owned(), pid })
    }

    /// Takes the lock if it is free.
    pub(super) fn try_acquire(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(LOCK);
        let mut file = private::open(&path).context("open the lock", &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).context("lock", &path),
        }
        if !is_at(&file, &path) {
            return Ok(None);
        }
        // The next process names this id in its error message.
        file.set_len(0).context("write", &path)?;
        file.rewind().context("write", &path)?;
        write!(file, "{}", std::process::id()).context("write", &path)?;
        Ok(Some(Self { _file: file }))
    }
}

/// Whether the path still names this file: the directory may have been
/// replaced between opening and locking.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
