//! A file with a checksum: its kind, BLAKE3 of the rest, and the rest. Only its owner
//! can read it, and it is written whole or not at all.

use std::fmt::Display;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::store::{delete_halves, write_whole_of};

/// Length of a file's kind, which includes the version of its format.
const KIND: usize = 8;
pub(super) const HEADER: usize = KIND + 32;

/// What stands before a body, and the body's name: BLAKE3 of what it holds.
fn header(kind: &[u8; KIND], body: &[u8]) -> ([u8; HEADER], [u8; 32]) {
    let name = *blake3::hash(body).as_bytes();
    let mut header = [0; HEADER];
    header[..KIND].copy_from_slice(kind);
    header[KIND..].copy_from_slice(&name);
    (header, name)
}

/// Writes a file. Returns its name.
pub(super) fn write(path: &Path, kind: &[u8; KIND], body: &[u8]) -> Result<[u8; 32]> {
    let (header, name) = header(kind, body);
    write_whole_of(path, &[&header, body])?;
    Ok(name)
}

/// The bytes of a file, and its name.
pub(super) fn bytes(kind: &[u8; KIND], body: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let (header, name) = header(kind, body);
    ([&header[..], body].concat(), name)
}

/// Reads a file of a kind: its name, and what it holds. `what` says in words
/// what it should be, `way_out` what to do when it is not.
pub(super) fn read(path: &Path, kind: &[u8; KIND], what: &str, way_out: &str) -> Result<([u8; 32], Vec<u8>)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}; {way_out}", path.display()))?;
    open(bytes, &path.display(), kind, what, way_out)
}

/// The same of bytes that were read from a place that is shown so.
pub(super) fn open(
    mut bytes: Vec<u8>,
    shown: &dyn Display,
    kind: &[u8; KIND],
    what: &str,
    way_out: &str,
) -> Result<([u8; 32], Vec<u8>)> {
    if bytes.len() < HEADER || bytes[..KIND - 1] != kind[..KIND - 1] {
        bail!("{shown} is not {what}; {way_out}");
    }
    if bytes[..KIND] != kind[..] {
        bail!("{shown} is {what} of another version of eemu; {way_out}");
    }
    let body = bytes.split_off(HEADER);
    let name = *blake3::hash(&body).as_bytes();
    if bytes[KIND..] != name {
        bail!("{shown} is damaged: its bytes have another checksum than it says; {way_out}");
    }
    Ok((name, body))
}

/// Whether a file begins as one of a kind with this name does.
pub(super) fn begins(head: &[u8], kind: &[u8; KIND], name: &[u8; 32]) -> bool {
    head.len() == HEADER && head[..KIND] == kind[..] && head[KIND..] == name[..]
}

/// Deletes the temporary files that a killed process left beside a file.
///
/// # Errors
/// When the disk refuses.
pub fn sweep_halves(path: &Path) -> Result<()> {
    Ok(delete_halves(path)?)
}
