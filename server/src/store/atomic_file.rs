//! Writes files atomically: a file is there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::{IoContext, Result, absent_is_fine};

/// Ending of a file that is still being written; swept when a state opens.
pub(super) const TEMPORARY: &str = ".tmp";

/// Writes a temporary file in the same folder, syncs it to disk, and renames it. After
/// a crash the path holds the old bytes or the new ones.
pub(super) fn write(path: &Path, parts: &[&[u8]]) -> Result<()> {
    let folder = folder_of(path);
    // The temporary name begins with the final one, so that others can tell which file it
    // belongs to.
    let name = path.file_name().map(std::ffi::OsString::from).unwrap_or_default();
    let mut builder = tempfile::Builder::new();
    let file = builder.prefix(&name).suffix(TEMPORARY).tempfile_in(folder);
    let mut file = file.context("create a file in", folder)?;
    for part in parts {
        file.write_all(part).context("write", path)?;
    }
    file.as_file().sync_all().context("make durable", path)?;
    file.persist(path).map_err(|error| error.error).context("put in place", path)?;
    sync_folder(folder)
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    // The parent of a bare file name is the empty path.
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Deletes the temporary files that crashed processes left for this path.
pub(super) fn delete_halves(path: &Path) -> Result<()> {
    // With an empty name, every temporary file of the folder would match.
    let Some(name) = path.file_name() else { return Ok(()) };
    let (folder, name) = (folder_of(path), name.to_string_lossy());
    let half = |found: &String| {
        let chance = found.strip_prefix(&*name).and_then(|rest| rest.strip_suffix(TEMPORARY));
        // Matches exactly the suffix that tempfile draws, since another file's name may begin
        // with this one's.
        chance.is_some_and(|chance| chance.len() == 6 && chance.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    delete(&list(folder)?.into_iter().filter(half).map(|name| folder.join(name)).collect::<Vec<_>>())
}

/// Syncs a folder, so that new and renamed entries survive a crash.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    // Only Unix lets a program open a folder to sync it. Elsewhere the file system keeps
    // the order of renames itself.
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).context("make durable", folder)?;
    }
    Ok(())
}

/// The plain files of a folder by name, sorted; none if the folder does not exist.
pub(super) fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("list", folder),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.context("list", folder)?;
        if entry.file_type().context("list", folder)?.is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Deletes files. A file that does not exist is no error.
pub(super) fn delete(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        absent_is_fine(fs::remove_file(path)).context("delete", path)?;
    }
    let folders: std::collections::BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.into_iter().try_for_each(sync_folder)
}
