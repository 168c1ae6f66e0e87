//! The rules for a new user's identifier.

use eemu_core::data::LONGEST_ID;

/// Refuses an identifier that no user can have.
///
/// # Errors
/// When it is blank or longer than `LONGEST_ID` bytes.
pub fn check(id: &str) -> Result<(), &'static str> {
    match id.trim().is_empty() {
        true => Err("a user's identifier is blank; give one"),
        false if id.len() > LONGEST_ID => Err("a user's identifier is longer than 1024 bytes; give a shorter one"),
        false => Ok(()),
    }
}
