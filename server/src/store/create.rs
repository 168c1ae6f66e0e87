//! Creates a state: in a sibling directory that is renamed when complete, or in
//! PostgreSQL in one transaction.
//!
//! While `run` is being created, `.run.new` holds it. While it replaces another state,
//! the old one waits as `.run.old`. Each directory has its own lock file, so a process
//! that finds a sibling can tell work in progress from the remains of a crash.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::database::{Db, on, transaction};
use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::failpoint::failpoint;
use super::lock::{LOCK, Lock};
use super::models;
use super::people::PartOf;
use super::place::{DEPLOYMENT, MODELS, Place};
use super::records::{self, KeyedId};
use super::schema::{self, DATABASE, meta, set_meta};
use super::{
    Backup, Kept, Location, NewDeferred, Tombstones, atomic_file, catalog, checkpoint, deferred, interrupt, items_down,
    kept, launched, people, private, runtime, tombstones,
};
use eemu_core::data::{Catalog, Interaction};

/// Name of the file that marks a directory whose records are in PostgreSQL.
const MARKER: &str = "eemu.postgres";
const MARKER_TEXT: &str = "The records of this state are in PostgreSQL: name it with --database.\n";
/// What a new state consists of, besides its records.
pub struct Import<'a> {
    /// The frozen catalogue.
    pub catalog: &'a Catalog,
    /// Settings as JSON; the store does not parse them.
    pub settings: &'a str,
    /// The keyed identifier of each record.
    pub keyed_id: KeyedId<'a>,
    /// The partition of each person's records.
    pub part_of: PartOf<'a>,
    /// Whether a state that is already there may be replaced.
    pub replace: bool,
    /// Further contents that the state has from its first moment.
    pub extra: Extra,
}

/// What a state that continues another one starts with.
#[derive(Debug, Default)]
pub struct Extra {
    /// Number of shards; `None` when shards are made later.
    pub shards: Option<u32>,
    /// Values of the database, by key.
    pub notes: Vec<(String, String)>,
    /// Indices of items that are taken down.
    pub down: Vec<u32>,
    /// Backups that exist, with their expiry times.
    pub backups: Vec<Backup>,
    /// Tombstones, dated now, so that each lasts as long as any of `backups`.
    pub tombstones: Tombstones,
    /// Deletions that are accepted and not yet carried out.
    pub deferred: Vec<NewDeferred>,
    /// What survives of the state that is replaced; `None` when nothing does.
    pub kept: Option<Kept>,
}

/// What a path holds.
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

/// The canonical path, without links or dots, from which the siblings' names follow.
pub(super) fn resolve(dir: &Path) -> Result<PathBuf> {
    match fs::canonicalize(dir) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(dir).context("find", dir),
        Err(error) => Err(error).context("find", dir),
    }
}

/// `.run.new` and `.run.old` beside `run`; `None` for the root of a file system.
fn siblings(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let sibling = |ending: &str| {
        let mut name = OsString::from(".");
        name.push(dir.file_name()?);
        name.push(ending);
        Some(dir.with_file_name(name))
    };
    Some((sibling(".new")?, sibling(".old")?))
}

/// Creates a state and returns the lock on its directory.
pub(super) fn create(location: &Location, import: &Import<'_>, records: &[Interaction]) -> Result<Lock> {
    if location.database.is_some() {
        return create_in_database(location, import, records);
    }
    let dir = &location.dir;
    restore_interrupted(dir)?;
    let found = look(dir)?;
    let old_lock = match found {
        Found::Nothing | Found::Empty => None,
        Found::Other => return Err(StoreError::ForeignDirectory { dir: dir.to_owned() }),
        Found::State if !import.replace => return Err(StoreError::AlreadyAState { dir: dir.to_owned() }),
        Found::State => Some(Lock::acquire(dir)?),
    };
    let known = match found {
        Found::State => runtime()?.block_on(async {
            let mut db = schema::connect(dir, None, false).await?;
            let known = meta(&mut db, DEPLOYMENT).await?;
            db.close().await?;
            Ok::<_, StoreError>(known)
        })?,
        _ => None,
    };
    let place = Place::claim(location, known)?;
    let (new, old) = siblings(dir).ok_or_else(|| StoreError::ForeignDirectory { dir: dir.to_owned() })?;
    private::folder(&new)?;
    let lock = Lock::acquire(&new)?;
    failpoint("create.begun");
    let scratch = Scratch(Some(new.clone()));
    let making = interrupt::Making::begin(&new);
    empty(&new)?;
    let built = Location { dir: new.clone(), ..location.clone() };
    let old_dir = (found == Found::State).then_some(dir.as_path());
    runtime()?.block_on(build(&built, import, &place, records, old_dir))?;
    failpoint("create.built");
    // From here the old state and the new one swap names. Signals wait until that is done.
    let placing = making.hold();

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
    place.keep();
    placing.done();
    failpoint("create.moved-new");
    if let Some(parent) = dir.parent() {
        atomic_file::sync_folder(parent)?;
    }
    drop(old_lock);
    absent_is_fine(fs::remove_dir_all(&old)).context("delete", &old)?;
    Ok(lock)
}

/// Builds the state in `dir`. `old` is the state that it replaces.
async fn build(
    location: &Location,
    import: &Import<'_>,
    place: &Place,
    records: &[Interaction],
    old: Option<&Path>,
) -> Result<()> {
    let dir = &location.dir;
    for folder in [MODELS, checkpoint::CHECKPOINTS] {
        private::folder(&dir.join(folder))?;
    }
    let mut db = schema::connect(dir, None, true).await?;
    schema::migrate(&mut db, true).await?;
    let packed = catalog::pack(import.catalog)?;
    catalog::stage(&db, dir, &packed)?;
    failpoint("create.catalog");
    let kept = import.extra.kept.as_ref().filter(|_| old.is_some());
    if let (Some(kept), Some(old)) = (kept, old) {
        for (name, bytes) in &kept.files {
            atomic_file::write(&dir.join(name), &[bytes])?;
        }
        kept::attach(&mut db, old).await?;
    }
    if let Some(old) = old {
        carry_launched(old, dir)?;
    }
    let make = async |db: &mut Db| {
        if let Some(kept) = kept {
            kept::carry_over(db, kept).await?;
        }
        fill(db, place, import, &packed, records).await
    };
    transaction(&mut db, make).await?;
    catalog::settle(&mut db, dir).await?;
    // Closing moves the log into the database and deletes it, so the files may be renamed
    // now.
    db.close().await?;
    private::all(dir)?;
    atomic_file::sync_folder(dir)
}

/// Copies what says where a launcher put inputs that hold the replaced data, and whose
/// they are, so that whoever opens the new state removes them.
fn carry_launched(old: &Path, new: &Path) -> Result<()> {
    for name in [launched::ID, launched::ELSEWHERE] {
        match fs::read(old.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            bytes => atomic_file::write(&new.join(name), &[&bytes.context("read", &old.join(name))?])?,
        }
    }
    Ok(())
}

/// Writes the whole contents of a new state. Part of a transaction.
async fn fill(
    db: &mut Db,
    place: &Place,
    import: &Import<'_>,
    packed: &catalog::Packed,
    records: &[Interaction],
) -> Result<()> {
    let extra = &import.extra;
    set_meta(db, schema::SETTINGS, import.settings).await?;
    catalog::declare(db, packed).await?;
    catalog::note_people(db).await?;
    people::sync(db, &import.catalog.users, Some(import.part_of)).await?;
    let size = (import.catalog.users.len() as u32, packed.items());
    records::begin_many(db).await?;
    records::make_parts(db, extra.shards.unwrap_or(0)).await?;
    records::insert(db, records, size, import.keyed_id).await?;
    records::end_many(db).await?;
    place.note(db).await?;
    if let Some(shards) = extra.shards {
        models::reset(db, shards).await?;
    }
    for (key, value) in &extra.notes {
        set_meta(db, &format!("note:{key}"), value).await?;
    }
    items_down::add(db, &extra.down).await?;
    tombstones::carry_over(db, &extra.backups, &extra.tombstones).await?;
    deferred::keep(db, &extra.deferred).await?;
    failpoint("create.records");
    Ok(())
}

const HELD: &str = "it holds a state already; name an empty one, or replace it with `eemu import --replace`";

/// Creates a state in PostgreSQL. Its directory holds only what one process needs.
fn create_in_database(location: &Location, import: &Import<'_>, records: &[Interaction]) -> Result<Lock> {
    let dir = &location.dir;
    let models = location.models.clone().unwrap_or_else(|| dir.join(MODELS).display().to_string());
    let location = Location { models: Some(models), ..location.clone() };
    for_database(dir, true)?;
    let lock = Lock::acquire(dir)?;
    let packed = catalog::pack(import.catalog)?;
    runtime()?.block_on(async {
        let mut db = schema::connect(dir, location.database.as_ref(), true).await?;
        schema::migrate(&mut db, true).await?;
        if meta(&mut db, schema::SETTINGS).await?.is_some() && !import.replace {
            return Err(StoreError::BadDatabase(HELD.into()));
        }
        let known = meta(&mut db, DEPLOYMENT).await?;
        let place = Place::claim_within(&location, known).await?;
        let make = async |db: &mut Db| {
            if meta(db, schema::SETTINGS).await?.is_some() {
                if !import.replace {
                    return Err(StoreError::BadDatabase(HELD.into()));
                }
                for table in ["catalog", "people", "interactions", "models", "uploads", "shards"] {
                    clear(db, table).await?;
                }
                if let Some(kept) = &import.extra.kept {
                    kept::carry_over(db, kept).await?;
                } else {
                    for table in ["receipts", "requests", "backups", "tombstones"] {
                        clear(db, table).await?;
                    }
                    // The counters continue, so that processes that poll them see the change; the
                    // deployment keeps its name, and knows what it launched.
                    let sql = "DELETE FROM meta WHERE key NOT IN ('head', 'version', 'deployment', \
                               'launch-bucket', 'launched-in-bucket')";
                    on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?;
                }
            }
            fill(db, &place, import, &packed, records).await
        };
        transaction(&mut db, make).await?;
        place.keep();
        db.close().await
    })?;
    Ok(lock)
}

async fn clear(db: &mut Db, table: &'static str) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table}"));
    Ok(on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?)
}

/// Prepares a directory for a process that works on PostgreSQL.
pub(super) fn for_database(dir: &Path, write: bool) -> Result<()> {
    let found = look(dir)?;
    let marked = dir.join(MARKER).is_file();
    match found {
        // The directory's own records would be ignored silently.
        Found::State => return Err(StoreError::OwnState { dir: dir.to_owned() }),
        Found::Other if !marked => return Err(StoreError::ForeignDirectory { dir: dir.to_owned() }),
        Found::Other | Found::Nothing | Found::Empty => {}
    }
    if write && !marked {
        private::folder(dir)?;
        private::folder(&dir.join(checkpoint::CHECKPOINTS))?;
        atomic_file::write(&dir.join(MARKER), &[MARKER_TEXT.as_bytes()])?;
    }
    Ok(())
}

/// The location with absolute paths.
pub(super) fn settled(mut location: Location) -> Result<Location> {
    location.dir = resolve(&location.dir)?;
    if let Some(place) = location.models.as_mut().filter(|place| !place.contains("://")) {
        let path = Path::new(place.as_str());
        *place = std::path::absolute(path).context("find", path)?.display().to_string();
    }
    Ok(location)
}

/// The error for a directory without a state.
pub(super) fn absent(dir: &Path) -> StoreError {
    let dir = dir.to_owned();
    if dir.join(MARKER).is_file() { StoreError::NeedsDatabase { dir } } else { StoreError::NotAState { dir } }
}

/// Removes a half-made state when its creation fails.
struct Scratch(Option<PathBuf>);

impl Scratch {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take() {
            // The first error is reported already; the next opening deletes the rest.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Deletes what an earlier attempt left, except for the lock file, which this process
/// holds.
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

/// Restores a state whose replacement was cut short between its two renames.
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

/// Whether an interrupted import left a directory beside this one.
pub(super) fn has_siblings(dir: &Path) -> bool {
    siblings(dir).is_some_and(|(new, old)| new.exists() || old.exists())
}

/// Deletes the directories that interrupted imports left beside a state, since they
/// hold people's records. Needs the lock of the state.
pub(super) fn sweep_siblings(dir: &Path) -> Result<()> {
    let Some((new, old)) = siblings(dir) else { return Ok(()) };
    for sibling in [new, old] {
        // A running import holds the lock of the directory that it builds.
        if sibling.is_dir()
            && let Some(lock) = Lock::try_acquire(&sibling)?
        {
            absent_is_fine(fs::remove_dir_all(&sibling)).context("delete", &sibling)?;
            drop(lock);
        }
    }
    Ok(())
}
