//! Time and chance from the operating system, for the whole server: core has
//! neither, and nothing else here asks the system for them.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// The operating system gave no random bytes.
#[derive(Debug, Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoChance(getrandom::Error);

/// Seconds since 1970, with their fraction.
pub(crate) fn now_exactly() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Whole seconds since 1970.
pub(crate) fn now() -> u64 {
    now_exactly() as u64
}

/// Fresh random bytes: never from a seed or from data, from which anybody
/// could compute them.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoChance)?;
    Ok(bytes)
}

/// Fresh random bytes in hex.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random_hex<const N: usize>() -> Result<String, NoChance> {
    Ok(hex::encode(random::<N>()?))
}
