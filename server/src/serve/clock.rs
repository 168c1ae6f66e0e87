//! Time and chance from the operating system: the service has both, core has
//! neither.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Fresh random bytes.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gave no random bytes: {e}"))?;
    Ok(bytes)
}

/// Fresh random bytes in hex.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random_hex<const N: usize>() -> Result<String> {
    Ok(hex::encode(random::<N>()?))
}
