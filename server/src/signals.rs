//! Waits for the signals that ask a process to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// Returns a flag that becomes true when this process is asked to end. `at_once` runs
/// when the process has not ended after the given time, or is asked a second time.
///
/// # Errors
/// When the system cannot start a thread or does not deliver signals.
pub(crate) fn asked_twice_at_most(
    patience: Duration,
    at_once: impl FnOnce() + Send + 'static,
) -> Result<&'static AtomicBool> {
    static ASKED: AtomicBool = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.context("the system gave no signals; try again")?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if runtime.block_on(asked_to_end()) {
            ASKED.store(true, Ordering::SeqCst);
            let again = runtime.block_on(async { tokio::time::timeout(patience, asked_to_end()).await });
            if again.unwrap_or(true) {
                at_once();
            }
        }
    })?;
    Ok(&ASKED)
}

/// Resolves on SIGTERM or Ctrl-C; to false when the system delivers no signals.
pub(crate) async fn asked_to_end() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                asked = terminate.recv() => asked.is_some(),
                asked = tokio::signal::ctrl_c() => asked.is_ok(),
            };
        }
    }
    tokio::signal::ctrl_c().await.is_ok()
}
