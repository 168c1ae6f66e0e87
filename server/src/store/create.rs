//! Making a state: built whole in a sibling directory, then renamed.
//!
//! While `run` is being made, `.run.new` holds it; while it replaces another,
//! that one waits as `.run.old`. Each carries its own lock file, so whoever
//! finds a sibling can tell work in progress from what a crash left.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use eemu_core::dataset::{Catalog, Interaction};
use sqlx::{Connection, SqliteConnection};

use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::failpoint::failpoint;
use super::lock::{LOCK, Lock};
use super::records::{self, KeyedId};
use super::schema::{self, BEGIN, DATABASE, MIGRATIONS};
use super::{atomic_file, catalog, checkpoint, models};

/// What a new state starts from, besides its records.
pub struct Import<'a> {
    /// The frozen catalogue.
    pub catalog: &'a Catalog,
    /// Settings as JSON; the store does not look inside.
    pub settings: &'a str,
    /// The keyed id of each record.
    pub keyed_id: KeyedId<'a>,
    /// Whether a state that is already there may be replaced.
    pub replace: bool,
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Empty,
    State,
    Other,
}

fn look(dir: &Path) -> Result<Found> {
    if dir.join(DATABASE).is_file() {
        return Ok(Found::State);
    }
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(if entries.next().is_none() { Found::Empty } else { Found::Other }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(Found::Other),
        Err(error) => Err(error).context("read", dir),
    }
}

/// The path without links or dots, so that its siblings can be named.
pub(super) fn resolve(dir: &Path) -> Result<PathBuf> {
    match fs::canonicalize(dir) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(dir).context("find", dir),
        Err(error) => Err(error).context("find", dir),
    }
}

/// `.run.new` and `.run.old` beside `run`; none for the root of a file system.
fn siblings(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let sibling = |ending: &str| {
        let mut name = OsString::from(".");
        name.push(dir.file_name()?);
        name.push(ending);
        Some(dir.with_file_name(name))
    };
    Some((sibling(".new")?, sibling(".old")?))
}

/// Builds a state and moves it to `dir`. Returns the lock on it.
pub(super) fn create(
    runtime: &tokio::runtime::Runtime,
    dir: &Path,
    import: &Import<'_>,
    records: &[Interaction],
) -> Result<Lock> {
    restore_interrupted(dir)?;
    let found = look(dir)?;
    let old_lock = match found {
        Found::Nothing | Found::Empty => None,
        Found::Other => return Err(StoreError::ForeignDirectory { dir: dir.to_owned() }),
        Found::State if !import.replace => return Err(StoreError::AlreadyAState { dir: dir.to_owned() }),
        Found::State => Some(Lock::acquire(dir)?),
    };
    let (new, old) = siblings(dir).ok_or_else(|| StoreError::ForeignDirectory { dir: dir.to_owned() })?;
    fs::create_dir_all(&new).context("create", &new)?;
    let lock = Lock::acquire(&new)?;
    failpoint("create.begun");
    let scratch = Scratch(Some(new.clone()));
    empty(&new)?;
    runtime.block_on(build(&new, import, records))?;
    failpoint("create.built");

    if found == Found::State {
        absent_is_fine(fs::remove_dir_all(&old)).context("delete", &old)?;
        fs::rename(dir, &old).context("move aside", dir)?;
    } else if found == Found::Empty {
        fs::remove_dir(dir).context("replace (if it is a mount point, name a folder inside it)", dir)?;
    }
    failpoint("create.moved-old");
    if let Err(error) = fs::rename(&new, dir) {
        if found == Found::State {
            fs::rename(&old, dir).context("move back", dir)?;
        }
        return Err(error).context("put in place", dir);
    }
    scratch.keep();
    failpoint("create.moved-new");
    if let Some(parent) = dir.parent() {
        atomic_file::sync_folder(parent)?;
    }
    drop(old_lock);
    absent_is_fine(fs::remove_dir_all(&old)).context("delete", &old)?;
    Ok(lock)
}

async fn build(dir: &Path, import: &Import<'_>, records: &[Interaction]) -> Result<()> {
    for folder in [models::MODELS, checkpoint::CHECKPOINTS] {
        let folder = dir.join(folder);
        fs::create_dir(&folder).context("create", &folder)?;
    }
    let mut connection = schema::connect(dir, true).await?;
    schema::migrate(&mut connection, MIGRATIONS, true).await?;
    let declared = catalog::stage(dir, import.catalog)?;
    failpoint("create.catalog");
    let mut transaction = connection.begin_with(BEGIN).await?;
    let write: &mut SqliteConnection = &mut transaction;
    schema::set_meta(write, schema::SETTINGS, import.settings).await?;
    catalog::declare(write, &declared).await?;
    records::insert(write, records, (declared.users, declared.items), import.keyed_id).await?;
    failpoint("create.records");
    transaction.commit().await?;
    catalog::settle(&mut connection, dir).await?;
    // Closing moves the log into the database and deletes it: the files may
    // be moved now.
    connection.close().await?;
    atomic_file::sync_folder(dir)
}

/// Removes a half-made state when its making fails.
struct Scratch(Option<PathBuf>);

impl Scratch {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take() {
            // The first error is on its way already; the next opening sweeps.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Removes what an earlier try left, but not the lock that is held on it.
fn empty(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).context("list", dir)? {
        let entry = entry.context("list", dir)?;
        let path = entry.path();
        if entry.file_name() == LOCK {
            continue;
        }
        let folder = entry.file_type().context("list", &path)?.is_dir();
        let removed = if folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        absent_is_fine(removed).context("delete", &path)?;
    }
    Ok(())
}

/// Puts back a state whose replacement was cut short between its two renames.
pub(super) fn restore_interrupted(dir: &Path) -> Result<()> {
    let Some((_, old)) = siblings(dir) else { return Ok(()) };
    if matches!(look(dir)?, Found::Nothing) && look(&old)? == Found::State {
        let _lock = Lock::acquire(&old)?;
        fs::rename(&old, dir).context("move back", dir)?;
        if let Some(parent) = dir.parent() {
            atomic_file::sync_folder(parent)?;
        }
    }
    Ok(())
}

/// Whether an import that was cut short left a directory beside this one.
pub(super) fn has_siblings(dir: &Path) -> bool {
    siblings(dir).is_some_and(|(new, old)| new.exists() || old.exists())
}

/// Deletes what imports that were cut short left beside a state: those
/// directories hold people's records. Needs the lock of the state.
pub(super) fn sweep_siblings(dir: &Path) -> Result<()> {
    let Some((new, old)) = siblings(dir) else { return Ok(()) };
    for sibling in [new, old] {
        // An import at work holds the lock of the directory it builds.
        if sibling.is_dir()
            && let Some(lock) = Lock::try_acquire(&sibling)?
        {
            absent_is_fine(fs::remove_dir_all(&sibling)).context("delete", &sibling)?;
            drop(lock);
        }
    }
    Ok(())
}
