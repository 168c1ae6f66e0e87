//! The private key that signs the log. It is in a file of its own beside the database,
//! or at the path in `EEMU_LOG_KEY`. A state in PostgreSQL has one key for several
//! servers, so it is in the database unless a path is given.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::store::{State, write_whole};

/// The environment variable that names the key's file.
const VARIABLE: &str = "EEMU_LOG_KEY";
/// Name of the file inside a state directory.
const FILE: &str = "log.key";
/// Suffix of the next key's file, until the log has the old key's consent.
const NEXT: &str = "upcoming";
/// Its name in the database, where a shared state or an earlier version of the program
/// keeps it.
const NOTE: &str = "log-key";

/// The file of a state's key; `None` where the key is in the database.
fn file(state: &State) -> Option<PathBuf> {
    let given = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(|| (!state.is_shared()).then(|| state.dir().join(FILE)))
}

fn next_to(path: &Path) -> PathBuf {
    path.with_extension(NEXT)
}

fn parse(text: &str, shown: &str) -> Result<[u8; 32]> {
    let key = hex::decode(text.trim()).ok().and_then(|key| key.try_into().ok());
    key.with_context(|| format!("{shown} holds no key of the receipt log; restore it from where you keep it"))
}

fn read_file(path: &Path) -> Result<Option<[u8; 32]>> {
    let shown = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &shown.to_string()).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
    }
}

/// Reads the key; `None` where there is none yet. `current` is the public key that the
/// log ends with; a next key that the log has consented to replaces the old one.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(state: &State, current: Option<&str>) -> Result<Option<[u8; 32]>> {
    let Some(path) = file(state) else {
        return state.note(NOTE)?.map(|text| parse(&text, "the database")).transpose();
    };
    let is_current = |key: &[u8; 32]| current.is_some_and(|current| eemu_core::receipt::public_key(key) == *current);
    let own = read_file(&path)?;
    if !own.as_ref().is_some_and(is_current)
        && let Some(next) = read_file(&next_to(&path))?.filter(is_current)
    {
        return Ok(Some(next));
    }
    match own {
        Some(key) => Ok(Some(key)),
        // Where an earlier version of the program kept it.
        None => state.note(NOTE)?.map(|text| parse(&text, "the database")).transpose(),
    }
}

/// Stores the key where it belongs, and deletes it elsewhere.
///
/// # Errors
/// When the disk or the database refuses.
pub(super) fn settle(state: &State, key: &[u8; 32]) -> Result<()> {
    let Some(path) = file(state) else { return Ok(()) };
    if read_file(&path)?.as_ref() != Some(key) {
        write(&path, key)?;
    }
    let next = next_to(&path);
    if next.exists() {
        std::fs::remove_file(&next).with_context(|| format!("cannot delete {}", next.display()))?;
    }
    if state.note(NOTE)?.is_some() && !state.is_shared() {
        state.erase_note(NOTE)?;
    }
    Ok(())
}

/// Stores a first key. Returns the values that must go into the database.
///
/// # Errors
/// When the disk refuses.
pub(super) fn keep_first(state: &State, key: &[u8; 32]) -> Result<Vec<(&'static str, String)>> {
    match file(state) {
        // An operator's own key may be in a place that is not writable.
        Some(path) if read_file(&path)?.as_ref() == Some(key) => Ok(Vec::new()),
        Some(path) => write(&path, key).map(|()| Vec::new()),
        None => Ok(vec![(NOTE, hex::encode(key))]),
    }
}

/// Stores the next key until the log has the old key's consent. Returns the values that
/// must go into the database.
///
/// # Errors
/// When the disk refuses.
pub(super) fn keep_next(state: &State, key: &[u8; 32]) -> Result<Vec<(&'static str, String)>> {
    match file(state) {
        Some(path) => write(&next_to(&path), key).map(|()| Vec::new()),
        None => Ok(vec![(NOTE, hex::encode(key))]),
    }
}

/// The files of the key in a state's directory with their contents, for a state that
/// replaces this one.
///
/// # Errors
/// When one cannot be read.
pub(crate) fn files(state: &State) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for path in file(state).into_iter().flat_map(|path| [next_to(&path), path]) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if let (Some(name), true) = (name, path.parent() == Some(state.dir()))
            && let Some(key) = read_file(&path)?
        {
            found.push((name, format!("{}\n", hex::encode(key)).into_bytes()));
        }
    }
    Ok(found)
}

fn write(path: &Path, key: &[u8; 32]) -> Result<()> {
    // At a given path the folder is the operator's, and must exist.
    if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        bail!("the folder of {} is not there; make it, or name another path in EEMU_LOG_KEY", path.display());
    }
    Ok(write_whole(path, format!("{}\n", hex::encode(key)).as_bytes())?)
}
