//! What went wrong and may go well another time.

use std::io::ErrorKind;

use crate::store::StoreError;

/// Exit code of a unit that may go well when it is tried again (EX_TEMPFAIL).
pub const TRY_AGAIN: u8 = 75;

/// Whether the same may go well another time: the disk is full, a device or a
/// file system failed.
#[must_use]
pub fn may_pass(problem: &anyhow::Error) -> bool {
    problem.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let stored = cause.downcast_ref::<StoreError>().and_then(|error| match error {
            StoreError::Io { reason, .. } => Some(reason),
            _ => None,
        });
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
        kind.is_some_and(passes) || matches!(cause.downcast_ref(), Some(eemu_core::Error::Device(_)))
    })
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
