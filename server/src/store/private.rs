//! File permissions: only the state's owner can read its files.

use std::fs::File;
use std::path::Path;

use super::error::{IoContext, Result};

/// Creates a folder that only its owner can read; an existing folder gets the same
/// permissions.
pub(super) fn folder(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).context("create", dir)?;
    narrow(dir, 0o700)
}

/// Opens a file that only its owner can read, from its creation on; creates it when it
/// does not exist.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Removes the permissions of everybody but the owner from a folder and everything in
/// it. Links are left as they are.
pub(super) fn all(dir: &Path) -> Result<()> {
    narrow(dir, 0o700)?;
    for entry in std::fs::read_dir(dir).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        let (path, kind) = (entry.path(), entry.file_type().context("look at", dir)?);
        if kind.is_dir() {
            all(&path)?;
        } else if kind.is_file() {
            narrow(&path, 0o600)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn narrow(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // A file that a writer replaced meanwhile was created with the right permissions.
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("look at", path),
    };
    if meta.permissions().mode() & 0o777 & !mode == 0 {
        return Ok(());
    }
    match std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!("{} is another user's, so others may be able to read it: {error}", path.display());
            Ok(())
        }
        other => other.context("take away from others", path),
    }
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn narrow(_: &Path, _: u32) -> Result<()> {
    Ok(())
}
