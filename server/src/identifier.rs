//! What may be the identifier of somebody new.

/// Longest identifier, in bytes.
const LONGEST: usize = 1024;

/// Refuses what can be nobody's identifier.
///
/// # Errors
/// When it is blank or far too long.
pub fn check(id: &str) -> Result<(), &'static str> {
    match id.trim().is_empty() {
        true => Err("a user's identifier is blank"),
        false if id.len() > LONGEST => Err("a user's identifier is longer than 1024 bytes"),
        false => Ok(()),
    }
}
