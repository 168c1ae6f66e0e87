//! Handles Ctrl-C while a state is being created, so that nothing half made is left.

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

/// A guard for a directory that is becoming a state.
pub(super) struct Making;

impl Making {
    pub(super) fn begin(dir: &Path) -> Self {
        *building() = Some(dir.to_owned());
        Self
    }

    /// Delays signals while directories are renamed.
    pub(super) fn hold(&self) -> Placing {
        Placing(building())
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // Whoever holds the lock releases it first.
        if let Ok(mut dir) = BUILDING.try_lock() {
            *dir = None;
        }
    }
}

/// A guard that delays signals while directories are renamed.
pub(super) struct Placing(MutexGuard<'static, Option<PathBuf>>);

impl Placing {
    /// The new state has its final name.
    pub(super) fn done(mut self) {
        *self.0 = None;
    }
}

/// Installs a handler: SIGINT and SIGTERM end the process, and delete the half-made
/// state that it has built.
///
/// # Errors
/// When the system cannot start a thread or does not deliver signals.
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
                // The process ends here, so nothing writes to the directory again.
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
