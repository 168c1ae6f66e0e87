//! What may be the identifier of somebody new.

use eemu_core::data::LONGEST_ID;

/// Refuses what can be nobody's identifier.
///
/// # Errors
/// When it is blank or far too long.
pub fn check(id: &str) -> Result<(), &'static str> {
    match id.trim().is_empty() {
        true => Err("a user's identifier is blank; give one"),
        false if id.len() > LONGEST_ID => Err("a user's identifier is longer than 1024 bytes; give a shorter one"),
        false => Ok(()),
    }
}
