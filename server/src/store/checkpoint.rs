//! Training checkpoints: one file per shard under `checkpoints/`.
//!
//! A checkpoint is valid only for the training input and the shard version that it was
//! written for. Any other checkpoint is deleted when it is found.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::atomic_file;
use super::error::{IoContext, Result};
use super::models::{Shard, Ticket};

/// Folder of the checkpoints inside a state directory.
pub(super) const CHECKPOINTS: &str = "checkpoints";

const MAGIC: &[u8; 8] = b"EEMUCKP1";
/// Magic, shard version, hash of the input, hash of the body.
const HEADER: usize = 8 + 8 + 32 + 32;

pub(super) fn path(dir: &Path, shard: u32) -> PathBuf {
    dir.join(CHECKPOINTS).join(format!("shard-{shard}.ckpt"))
}

pub(super) fn write(dir: &Path, ticket: Ticket, input_hash: &[u8; 32], body: &[u8]) -> Result<()> {
    let digest = blake3::hash(body);
    atomic_file::write(
        &path(dir, ticket.shard),
        &[MAGIC, &ticket.version.to_le_bytes(), input_hash, digest.as_bytes(), body],
    )
}

/// The body of the checkpoint, if it is undamaged and for this ticket and input. Any
/// other checkpoint is deleted.
pub(super) fn read(dir: &Path, ticket: Ticket, input_hash: &[u8; 32]) -> Result<Option<Vec<u8>>> {
    let path = path(dir, ticket.shard);
    let mut bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read", &path),
    };
    let fits = version(&bytes) == Some(ticket.version)
        && bytes[16..48] == input_hash[..]
        && bytes[48..HEADER] == blake3::hash(&bytes[HEADER..]).as_bytes()[..];
    if fits {
        bytes.drain(..HEADER);
        return Ok(Some(bytes));
    }
    atomic_file::delete(&[path])?;
    Ok(None)
}

fn version(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < HEADER || bytes[..8] != MAGIC[..] {
        return None;
    }
    bytes[8..16].try_into().ok().map(i64::from_le_bytes)
}

/// The checkpoints that no shard can resume from any more.
pub(super) fn outdated(dir: &Path, shards: &[Shard]) -> Result<Vec<PathBuf>> {
    use std::io::Read;
    let current: BTreeMap<PathBuf, i64> =
        shards.iter().map(|shard| (path(dir, shard.index), shard.version as i64)).collect();
    let folder = dir.join(CHECKPOINTS);
    let mut outdated = Vec::new();
    for name in atomic_file::list(&folder)? {
        let path = folder.join(name);
        let mut header = Vec::with_capacity(HEADER);
        let read = fs::File::open(&path).and_then(|file| file.take(HEADER as u64).read_to_end(&mut header));
        if read.is_err() || version(&header).is_none() || current.get(&path).copied() != version(&header) {
            outdated.push(path);
        }
    }
    Ok(outdated)
}
