//! Folders of shards that a command trains elsewhere. Such a folder has the shard's
//! input with its records, its checkpoint and its model.
//!
//! A folder is valid only for the shard version that it was made for. Folders of other
//! versions are removed by the erasure of a deletion, before the deletion is
//! acknowledged. A process that trains from such a folder sees that its input is gone,
//! and ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::models::{Shard, Ticket};
use super::{atomic_file, private};
use crate::clock::random_hex;

/// Name of the folder of these folders inside a state directory.
const FOLDER: &str = "launch";
/// Name of the file that says where they are instead, and which state owns them.
pub(super) const ELSEWHERE: &str = "launch-dir";
/// Name of the file with an id that tells this state from others of the same path on
/// other machines.
pub(super) const ID: &str = "launch-id";
/// Name of the file with the shard version that a folder was made for.
const VERSION: &str = "version";

/// The folder of the shards' folders.
pub(super) fn root(dir: &Path) -> Result<PathBuf> {
    let note = match fs::read_to_string(dir.join(ELSEWHERE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(dir.join(FOLDER)),
        note => note.context("read", &dir.join(ELSEWHERE))?,
    };
    // A copy of the directory must not affect the original's folders.
    let place = own(dir)?.and_then(|owner| note.strip_prefix(&format!("{owner}\n")).map(PathBuf::from));
    Ok(place.unwrap_or_else(|| dir.join(FOLDER)))
}

/// Whose folders elsewhere are, if there were any.
pub(super) fn own(dir: &Path) -> Result<Option<String>> {
    id(dir)?.map(|id| owner(dir, &id)).transpose()
}

fn id(dir: &Path) -> Result<Option<String>> {
    match fs::read_to_string(dir.join(ID)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        id => id.context("read", &dir.join(ID)).map(Some),
    }
}

fn owner(dir: &Path, id: &str) -> Result<String> {
    let whole = dir.canonicalize().context("look at", dir)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(whole.as_os_str().as_encoded_bytes());
    // No path contains this byte.
    hasher.update(b"\0");
    hasher.update(id.as_bytes());
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// The owner's id, drawn when there is none yet.
pub(super) fn owner_from_now_on(dir: &Path) -> Result<String> {
    if let Some(id) = id(dir)? {
        return owner(dir, &id);
    }
    let id = random_hex::<16>()?;
    atomic_file::write(&dir.join(ID), &[id.as_bytes()])?;
    owner(dir, &id)
}

/// Makes a folder of this user's own in a place where others make theirs.
fn folder_among_others(place: &Path, name: &str) -> Result<PathBuf> {
    let folder = place.join(name);
    let refused = |problem| StoreError::LaunchFolder { dir: folder.clone(), problem };
    if folder.to_str().is_none() {
        // The path is stored as text.
        return Err(refused("has a name that is not UTF-8; rename it"));
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        made => made.context("create", &folder)?,
    }
    let found = fs::symlink_metadata(&folder).context("look at", &folder)?;
    if !found.is_dir() || !is_own(&found, place)? {
        return Err(refused("is a link or another user's; remove it"));
    }
    private::folder(&folder)?;
    Ok(folder)
}

/// Whether the folder belongs to the user that this process has on that file system,
/// which may be another one than here (NFS).
#[cfg(unix)]
fn is_own(found: &fs::Metadata, place: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = tempfile::tempfile_in(place).and_then(|file| file.metadata()).context("create a file in", place)?;
    Ok(own.uid() == found.uid())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn is_own(_: &fs::Metadata, _: &Path) -> Result<bool> {
    Ok(true)
}

/// Sets where future folders are: in a folder of their own below `elsewhere`, since
/// others may use it too, or in the state directory. Earlier folders are removed.
pub(super) fn place(dir: &Path, elsewhere: Option<&Path>) -> Result<PathBuf> {
    let old = root(dir)?;
    let new = match elsewhere {
        None => {
            let own = dir.canonicalize().context("look at", dir)?.join(FOLDER);
            private::folder(&own)?;
            own
        }
        Some(place) => {
            fs::create_dir_all(place).context("create", place)?;
            let place = place.canonicalize().context("look at", place)?;
            folder_among_others(&place, &format!("eemu-{}", owner_from_now_on(dir)?))?
        }
    };
    if old != new && old.canonicalize().is_ok_and(|old| old != new) {
        remove(&old)?;
    }
    match (elsewhere, new.to_str()) {
        (Some(_), Some(place)) => {
            atomic_file::write(&dir.join(ELSEWHERE), &[format!("{}\n{place}", owner_from_now_on(dir)?).as_bytes()])?;
        }
        _ => absent_is_fine(fs::remove_file(dir.join(ELSEWHERE))).context("delete", &dir.join(ELSEWHERE))?,
    }
    Ok(new)
}

/// Creates the folder of a shard at its present version; an existing folder of the same
/// version stays.
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

/// Removes a folder, even while a process writes to it.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn state(place: &Path, name: &str) -> PathBuf {
        let dir = place.join(name);
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn states_of_one_path_have_folders_of_their_own() {
        let place = tempfile::tempdir().unwrap();
        let shared = place.path().join("shared");
        let dir = state(place.path(), "state");
        let one = super::place(&dir, Some(&shared)).unwrap();
        assert_eq!(super::place(&dir, Some(&shared)).unwrap(), one);
        assert_eq!(root(&dir).unwrap(), one);
        // Another machine's state of the same path.
        fs::rename(&dir, place.path().join("away")).unwrap();
        let dir = state(place.path(), "state");
        let other = super::place(&dir, Some(&shared)).unwrap();
        assert_ne!(one, other);
        assert!(one.is_dir() && other.is_dir());
        // Back in the state, nothing is left elsewhere.
        assert_eq!(super::place(&dir, None).unwrap(), root(&dir).unwrap().canonicalize().unwrap());
        assert!(one.is_dir() && !other.exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_somebody_laid_there_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let (shared, strangers) = (place.path().join("shared"), place.path().join("strangers"));
        let dir = state(place.path(), "state");
        fs::create_dir(&strangers).unwrap();
        let own = super::place(&dir, Some(&shared)).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
        fs::remove_dir(&own).unwrap();
        std::os::unix::fs::symlink(&strangers, &own).unwrap();
        let problem = super::place(&dir, Some(&shared)).unwrap_err().to_string();
        assert!(problem.contains("is a link or another user's"), "{problem}");
        fs::remove_file(&own).unwrap();
        fs::write(&own, "").unwrap();
        assert!(super::place(&dir, Some(&shared)).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_no_text_names_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let place = tempfile::tempdir().unwrap();
        let dir = state(place.path(), "state");
        let odd = place.path().join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
        let problem = super::place(&dir, Some(&odd)).unwrap_err().to_string();
        assert!(problem.contains("not UTF-8"), "{problem}");
        assert_eq!(root(&dir).unwrap(), dir.join(FOLDER));
    }
}
