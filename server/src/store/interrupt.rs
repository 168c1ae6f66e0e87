//! Ctrl-C while a state is being made: nothing half made is left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::{IoContext, Result};
use crate::signals::asked_to_end;

/// The directory that is being built, if any.
static BUILDING: Mutex<Option<PathBuf>> = Mutex::new(None);

fn building() -> MutexGuard<'static, Option<PathBuf>> {
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory on its way to become a state.
pub(super) struct Making;

impl Making {
    pub(super) fn begin(dir: &Path) -> Self {
        *building() = Some(dir.to_owned());
        Self
    }

    /// Keeps signals waiting while directories change places.
    pub(super) fn hold(&self) -> Placing {
        Placing(building())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Whoever holds it drops first.
        if let Ok(mut dir) = BUILDING.try_lock() {
            *dir = None;
        }
    }
}

/// Held while directories change places.
pub(super) struct Placing(MutexGuard<'static, Option<PathBuf>>);

impl Placing {
    /// The new state is in its place.
    pub(super) fn done(mut self) {
        *self.0 = None;
    }
}

/// From now on SIGINT and SIGTERM end the process, and what it has built of a
/// state by then is deleted.
///
/// # Errors
/// When the system gives no thread or no signals.
pub fn end_cleanly() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let runtime = runtime.context("watch signals for", Path::new("this process"))?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if runtime.block_on(asked_to_end()) {
                let dir = building();
                if let Some(dir) = dir.as_ref() {
                    delete(dir);
                }
                eprintln!("error: interrupted; nothing was imported");
                // Nothing runs on: the directory cannot be written to again.
                std::process::exit(130);
            }
        })
        .map(drop)
        .context("watch signals for", Path::new("this process"))
}

/// Deletes a directory that is still being written to.
fn delete(dir: &Path) {
    for _ in 0..20 {
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            _ if !dir.exists() => return,
            _ => {}
        }
    }
}
