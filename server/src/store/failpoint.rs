//! A testing aid that stops the process at a named step.
//!
//! `EEMU_FAIL_AT=remove.committed` aborts when that step is passed for the first time,
//! `EEMU_FAIL_AT=remove.committed:3` the third time. Nothing is flushed or unwound, as
//! after `kill -9`. Only a build with the feature `failpoints` contains this; the tests
//! turn it on (`cargo build --workspace`). In the deployed build (`--package
//! eemu-server`) a step does nothing.

#[cfg(feature = "failpoints")]
use std::sync::OnceLock;
#[cfg(feature = "failpoints")]
use std::sync::atomic::{AtomicU32, Ordering};

/// Every step at which [`failpoint`] is called, in order of execution.
pub const STEPS: &[&str] = &[
    "create.begun",
    "create.catalog",
    "create.records",
    "create.built",
    "create.moved-old",
    "create.moved-new",
    "add.committed",
    "items.declared",
    "remove.deleted",
    "remove.committed",
    "publish.one-file",
    "publish.files",
    "publish.switched",
    "publish.committed",
    "catalog.staged",
    "catalog.committed",
    "catalog.half",
    "erase.swept",
    "erase.truncated",
    "erase.vacuumed",
    "erase.done",
    "compact.cleared",
    "receipt.written",
    "receipt.committed",
    "lists.portion",
];

/// Fails each time the step that `EEMU_TROUBLE_AT` names is passed. A testing aid for
/// what must hold although something fails.
///
/// # Errors
/// When the variable names the step.
#[cfg(feature = "failpoints")]
pub fn trouble(step: &str) -> std::io::Result<()> {
    static TARGET: OnceLock<Option<String>> = OnceLock::new();
    let target = TARGET.get_or_init(|| std::env::var("EEMU_TROUBLE_AT").ok());
    if target.as_deref() == Some(step) {
        return Err(std::io::Error::other(format!("trouble at {step}, as EEMU_TROUBLE_AT asks")));
    }
    Ok(())
}

/// Aborts the process if `EEMU_FAIL_AT` names this step (`step`, or `step:n`
/// for its n-th pass). A testing aid.
#[cfg(feature = "failpoints")]
pub fn failpoint(step: &str) {
    static TARGET: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSES: AtomicU32 = AtomicU32::new(0);
    debug_assert!(STEPS.contains(&step), "{step} is not listed in STEPS");
    let target = TARGET.get_or_init(|| {
        let text = std::env::var("EEMU_FAIL_AT").ok()?;
        Some(match text.rsplit_once(':').map(|(name, count)| (name, count.parse())) {
            Some((name, Ok(count))) => (name.to_owned(), count),
            _ => (text, 1),
        })
    });
    if let Some((name, count)) = target
        && name == step
        && PASSES.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing: this build has no failure points.
///
/// # Errors
/// Never.
#[cfg(not(feature = "failpoints"))]
pub fn trouble(_: &str) -> std::io::Result<()> {
    Ok(())
}

/// Nothing: this build has no failure points.
#[cfg(not(feature = "failpoints"))]
pub fn failpoint(_: &str) {}
