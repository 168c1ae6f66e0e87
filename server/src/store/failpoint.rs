//! A testing aid: stop the process dead at a named step.
//!
//! `EEMU_FAIL_AT=remove.committed` aborts where that step is passed the first
//! time, `EEMU_FAIL_AT=remove.committed:3` the third time. Nothing is flushed
//! or unwound, as after `kill -9`. Without the variable a step costs one read
//! of a static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every step at which [`failpoint`] is called, in order of execution.
pub const STEPS: &[&str] = &[
    "create.begun",
    "create.catalog",
    "create.records",
    "create.built",
    "create.moved-old",
    "create.moved-new",
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
    "receipt.written",
    "receipt.committed",
];

/// Aborts the process if `EEMU_FAIL_AT` names this step (`step`, or `step:n`
/// for its n-th pass). A testing aid.
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
