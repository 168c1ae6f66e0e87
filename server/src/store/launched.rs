//! Folders of shards that are trained by a command elsewhere: a shard's input
//! with its records, its checkpoint and its model lie there meanwhile.
//!
//! A folder counts only for the very shard version it was made for. Any other
//! is removed with the erasure of what was deleted, before that is
//! acknowledged; whoever trains from it finds its input gone, and ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{IoContext, Result, absent_is_fine};
use super::models::{Shard, Ticket};
use super::{atomic_file, private};

/// Where they are inside a state directory.
const FOLDER: &str = "launch";
/// Names the place where they are instead, and whose it is.
const ELSEWHERE: &str = "launch-dir";
/// Holds the shard version that a folder was made for.
const VERSION: &str = "version";

/// Where the folders are.
pub(super) fn root(dir: &Path) -> Result<PathBuf> {
    let note = match fs::read_to_string(dir.join(ELSEWHERE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(dir.join(FOLDER)),
        note => note.context("read", &dir.join(ELSEWHERE))?,
    };
    // A copy of the directory has no say in what the original does.
    let owner = owner(dir)?;
    Ok(note.strip_prefix(&format!("{owner}\n")).map_or_else(|| dir.join(FOLDER), PathBuf::from))
}

fn owner(dir: &Path) -> Result<String> {
    let whole = dir.canonicalize().context("look at", dir)?;
    Ok(blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned())
}

/// Puts the folders of now on under this folder (in one of its own, for others
/// may use it too), or back into the state directory. Those of before go.
pub(super) fn place(dir: &Path, elsewhere: Option<&Path>) -> Result<PathBuf> {
    let old = root(dir)?;
    let new = match elsewhere {
        None => dir.canonicalize().context("look at", dir)?.join(FOLDER),
        Some(place) => {
            fs::create_dir_all(place).context("create", place)?;
            place.canonicalize().context("look at", place)?.join(format!("eemu-{}", owner(dir)?))
        }
    };
    private::folder(&new)?;
    if old != new && old.canonicalize().is_ok_and(|old| old != new) {
        remove(&old)?;
    }
    match (elsewhere, new.to_str()) {
        (Some(_), Some(place)) => {
            atomic_file::write(&dir.join(ELSEWHERE), &[format!("{}\n{place}", owner(dir)?).as_bytes()])?;
        }
        _ => absent_is_fine(fs::remove_file(dir.join(ELSEWHERE))).context("delete", &dir.join(ELSEWHERE))?,
    }
    Ok(new)
}

/// The folder of a shard as it is now; what is there of the same version stays.
pub(super) fn begin(dir: &Path, ticket: Ticket) -> Result<PathBuf> {
    let folder = root(dir)?.join(ticket.shard.to_string());
    if version(&folder) != Some(ticket.version) {
        remove(&folder)?;
        private::folder(&folder)?;
        atomic_file::write(&folder.join(VERSION), &[ticket.version.to_string().as_bytes()])?;
    }
    Ok(folder)
}

fn version(folder: &Path) -> Option<i64> {
    fs::read_to_string(folder.join(VERSION)).ok()?.parse().ok()
}

/// Folders of shards that have changed since.
pub(super) fn outdated(dir: &Path, shards: &[Shard]) -> Result<Vec<PathBuf>> {
    let root = root(dir)?;
    let entries = match fs::read_dir(&root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("list", &root),
    };
    let mut outdated = Vec::new();
    for entry in entries {
        let path = entry.context("list", &root)?.path();
        let shard = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let current = shards.iter().find(|s| Some(s.index) == shard).map(|s| s.version as i64);
        if current.is_none() || version(&path) != current {
            outdated.push(path);
        }
    }
    Ok(outdated)
}

/// Removes a folder, also while somebody writes into it.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let mut tries = 0;
    loop {
        let removed = if folder.is_file() { fs::remove_file(folder) } else { fs::remove_dir_all(folder) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound && tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return absent_is_fine(other).context("delete", folder),
        }
    }
}
