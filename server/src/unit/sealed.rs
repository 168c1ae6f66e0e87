//! A file with a checksum: its kind, BLAKE3 of the rest, and the rest. Only its owner
//! can read it, and it is written whole or not at all.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::store::{delete_halves, write_whole_of};

/// Length of a file's kind, which includes the version of its format.
const KIND: usize = 8;
const HEADER: usize = KIND + 32;

/// Writes a file. Returns its name: BLAKE3 of its contents.
pub(super) fn write(path: &Path, kind: &[u8; KIND], body: &[u8]) -> Result<[u8; 32]> {
    let name = *blake3::hash(body).as_bytes();
    write_whole_of(path, &[kind, &name, body])?;
    Ok(name)
}

/// Reads a file of a kind; returns its name and its contents. For the error, `what`
/// describes the file in words, and `way_out` says what to do.
pub(super) fn read(path: &Path, kind: &[u8; KIND], what: &str, way_out: &str) -> Result<([u8; 32], Vec<u8>)> {
    let shown = path.display();
    let mut bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}; {way_out}"))?;
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

/// Whether a file of this kind and name exists. Its contents are not read.
pub(super) fn is_at(path: &Path, kind: &[u8; KIND], name: &[u8; 32]) -> bool {
    use std::io::Read;
    let mut header = [0; HEADER];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[..KIND] == kind[..] && header[KIND..] == name[..]
}

/// Deletes the temporary files that a killed process left beside a file.
///
/// # Errors
/// When the disk refuses.
pub fn sweep_halves(path: &Path) -> Result<()> {
    Ok(delete_halves(path)?)
}
