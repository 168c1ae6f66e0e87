//! Tells errors that may pass when the training is tried again from errors that will
//! not.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::store::{StoreError, write_whole};

/// Exit code of a unit that may succeed when it is tried again (EX_TEMPFAIL).
pub const TRY_AGAIN: u8 = 75;

/// Whether another attempt may succeed: the disk is full, or a device or a file system
/// failed.
#[must_use]
pub fn may_pass(problem: &anyhow::Error) -> bool {
    problem.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let stored = cause.downcast_ref::<StoreError>().and_then(|error| match error {
            StoreError::Io { reason, .. } => Some(reason),
            _ => None,
        });
        // A bucket that does not answer, most often.
        let bucket = matches!(cause.downcast_ref(), Some(StoreError::Bucket { .. }));
        let kind = io.or(stored).map(std::io::Error::kind);
        let passes = |kind| {
            matches!(
                kind,
                ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::OutOfMemory
                    | ErrorKind::Interrupted
                    | ErrorKind::TimedOut
                    | ErrorKind::ResourceBusy
                    | ErrorKind::StaleNetworkFileHandle
            )
        };
        bucket || kind.is_some_and(passes) || matches!(cause.downcast_ref(), Some(eemu_core::Error::Device(_)))
    })
}

/// The file in which a unit states why it must not be tried again. Where one command
/// trains many units, its exit code cannot tell them apart.
fn refusal(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".refused");
    name.into()
}

/// Writes beside the output why the unit must not be tried again.
pub(crate) fn refuse(output: &Path, problem: &anyhow::Error) {
    // The process that launched the unit has the exit code too.
    let _ = write_whole(&refusal(output), format!("{problem:#}").as_bytes());
}

/// Deletes such a statement of an earlier run.
pub(crate) fn refuse_nothing(output: &Path) {
    // There is none, except after an earlier run.
    let _ = std::fs::remove_file(refusal(output));
}

/// Why a unit must not be tried again, if it said so.
pub(crate) fn refused(output: &Path) -> Option<String> {
    std::fs::read_to_string(refusal(output)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_passes_and_a_wrong_argument_does_not() {
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        assert!(may_pass(&anyhow::Error::from(full()).context("cannot write")));
        let stored = StoreError::Io { doing: "write", path: "x".into(), reason: full() };
        assert!(may_pass(&anyhow::Error::from(stored)));
        assert!(may_pass(&anyhow::Error::from(eemu_core::Error::Device("lost".into()))));
        assert!(!may_pass(&anyhow::Error::from(std::io::Error::from(ErrorKind::NotFound))));
        assert!(!may_pass(&anyhow::Error::from(eemu_core::Error::Config("no".into()))));
    }
}
