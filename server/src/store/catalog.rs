//! The catalogue on disk: `catalog.json`, and `catalog.safetensors` for dense features.
//! The two change together. Of users they hold only features; user identifiers are rows
//! of the database ([`super::people`]).
//!
//! A new catalogue is written in three steps: staged as files that end in `.next`,
//! declared by one transaction, and renamed into place. A crash before the declaration
//! leaves the old catalogue. After a crash behind the declaration, the next opening of
//! the state finishes the renames.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use eemu_core::data::Catalog;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::database::{Db, Driver, on, transaction};
use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::failpoint::failpoint;
use super::schema::{clear_meta, meta, set_meta};
use super::{atomic_file, erase, people, records};

const JSON: &str = "catalog.json";
const DENSE: &str = "catalog.safetensors";
const NEXT: &str = ".next";
const DECLARED: &str = "catalog";
const PENDING: &str = "catalog-pending";
/// Key of the value that says that user identifiers are rows of the database.
const PEOPLE: &str = "people";

/// What the database stores about the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    /// [`Catalog::hash`].
    blake3: String,
    /// Admitted items.
    pub(super) items: u32,
    /// Whether there is a file of dense features.
    dense: bool,
}

fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEXT);
    name.into()
}

/// A catalogue serialised for the disk.
pub(super) struct Packed {
    json: String,
    dense: Option<Vec<u8>>,
    declared: Declared,
}

impl Packed {
    /// Admitted items.
    pub(super) fn items(&self) -> u32 {
        self.declared.items
    }
}

/// Serialises a catalogue.
pub(super) fn pack(catalog: &Catalog) -> Result<Packed> {
    // User identifiers are rows of the database: see `people`.
    let catalog = &Catalog { users: catalog.users.without_ids(), ..catalog.clone() };
    let features = catalog.dense();
    let mut dense = None;
    if !features.is_empty() {
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = features
            .iter()
            .map(|(name, rows, width, values)| {
                (name.clone(), vec![*rows, *width], values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let damaged = |e: safetensors::SafeTensorError| damaged(Path::new(DENSE), &e.to_string());
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(damaged)?)))
            .collect::<Result<Vec<_>>>()?;
        dense = Some(safetensors::serialize(views, None).map_err(damaged)?);
    }
    let declared = Declared { blake3: catalog.hash()?, items: catalog.items.len() as u32, dense: dense.is_some() };
    Ok(Packed { json: catalog.to_json()?, dense, declared })
}

/// Writes both files beside the present ones. PostgreSQL holds the catalogue itself, so
/// there is no file to write.
pub(super) fn stage(db: &Db, dir: &Path, packed: &Packed) -> Result<()> {
    if !db.is_shared() {
        if let Some(dense) = &packed.dense {
            atomic_file::write(&next(&dir.join(DENSE)), &[dense])?;
        }
        atomic_file::write(&next(&dir.join(JSON)), &[packed.json.as_bytes()])?;
    }
    failpoint("catalog.staged");
    Ok(())
}

/// Declares the staged catalogue to be the state's. Part of a transaction.
pub(super) async fn declare(db: &mut Db, packed: &Packed) -> Result<()> {
    db.something_deleted();
    let text = serde_json::to_string(&packed.declared).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
    set_meta(db, DECLARED, &text).await?;
    if !db.is_shared() {
        return set_meta(db, PENDING, "1").await;
    }
    on!(db, c => sqlx::query("DELETE FROM catalog").execute(c).await.map(drop))?;
    let files = [(JSON, Some(packed.json.as_bytes())), (DENSE, packed.dense.as_deref())];
    for (name, body) in files.into_iter().filter_map(|(name, body)| Some((name, body?))) {
        let sql = "INSERT INTO catalog (name, body) VALUES ($1, $2)";
        on!(db, c => sqlx::query(sql).bind(name).bind(body).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The last declaration.
pub(super) async fn declared(db: &mut Db) -> Result<Declared> {
    let text = meta(db, DECLARED).await?.ok_or_else(|| StoreError::DamagedRow("no catalogue".into()))?;
    serde_json::from_str(&text).map_err(|_| StoreError::DamagedRow("an unreadable catalogue row".into()))
}

/// Whether a declared catalogue has not been renamed into place yet.
pub(super) async fn pending(db: &mut Db) -> Result<bool> {
    Ok(meta(db, PENDING).await?.is_some())
}

/// Renames a declared catalogue into place, or deletes a staged one that was never
/// declared.
pub(super) async fn settle(db: &mut Db, dir: &Path) -> Result<()> {
    if pending(db).await? {
        let dense = declared(db).await?.dense;
        let json = dir.join(JSON);
        absent_is_fine(fs::rename(next(&json), &json)).context("put in place", &json)?;
        failpoint("catalog.half");
        let path = dir.join(DENSE);
        let moved = if dense { fs::rename(next(&path), &path) } else { fs::remove_file(&path) };
        absent_is_fine(moved).context("put in place", &path)?;
        atomic_file::sync_folder(dir)?;
        clear_meta(db, PENDING).await?;
    }
    for path in staged(dir)? {
        absent_is_fine(fs::remove_file(&path)).context("delete", &path)?;
    }
    Ok(())
}

/// Staged files in the directory.
pub(super) fn staged(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(atomic_file::list(dir)?.into_iter().filter(|name| name.ends_with(NEXT)).map(|name| dir.join(name)).collect())
}

/// Reads the catalogue, checks it against the declaration, and adds the user
/// identifiers.
pub(super) async fn read(db: &mut Db, dir: &Path) -> Result<Catalog> {
    let mut catalog = read_declared(db, dir).await?;
    let people = people::all(db).await?;
    let fits = catalog.users.set_ids(people.ids, people.deleted);
    fits.map_err(|e| damaged(&dir.join(JSON), &e.to_string()))?;
    Ok(catalog)
}

/// Whether user identifiers are rows of the database, as in the present format.
pub(super) async fn has_people(db: &mut Db) -> Result<bool> {
    Ok(meta(db, PEOPLE).await?.is_some() || meta(db, DECLARED).await?.is_none())
}

/// Records that user identifiers are rows of the database. Part of a transaction.
pub(super) async fn note_people(db: &mut Db) -> Result<()> {
    set_meta(db, PEOPLE, "1").await
}

/// Moves user identifiers into the database from the catalogue of an earlier format,
/// which held them.
pub(super) async fn convert(db: &mut Db, dir: &Path) -> Result<()> {
    if has_people(db).await? {
        return Ok(());
    }
    let mut catalog = read_declared(db, dir).await?;
    let ids: Vec<String> = catalog.users.ids.iter().cloned().collect();
    let label = |id: &String| id.strip_prefix("deleted-").is_some_and(|rest| rest.len() == 16 && is_hex(rest));
    let mut deleted = Vec::new();
    for user in (0..).zip(&ids).filter(|(_, id)| label(id)).map(|(user, _)| user) {
        if records::of(db, user).await?.is_empty() {
            deleted.push(user);
        }
    }
    let fits = catalog.users.set_ids(ids, deleted);
    fits.map_err(|e| damaged(&dir.join(JSON), &e.to_string()))?;
    let packed = pack(&catalog)?;
    stage(db, dir, &packed)?;
    let moved = async |db: &mut Db| {
        // When two processes convert at once, the second finds it done.
        if meta(db, PEOPLE).await?.is_some() {
            db.nothing_changed();
            return Ok(());
        }
        people::sync(db, &catalog.users, None).await?;
        declare(db, &packed).await?;
        note_people(db).await?;
        erase::begin(db).await
    };
    transaction(db, moved).await?;
    settle(db, dir).await
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

async fn read_declared(db: &mut Db, dir: &Path) -> Result<Catalog> {
    let declared = declared(db).await?;
    let path = dir.join(JSON);
    let json = body(db, dir, JSON).await?;
    let text = String::from_utf8(json).map_err(|_| damaged(&path, "the catalogue is no text"))?;
    let mut dense = HashMap::new();
    if declared.dense {
        let path = dir.join(DENSE);
        let bytes = body(db, dir, DENSE).await?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(&path, &e.to_string()))?;
        for (name, tensor) in tensors.tensors() {
            if tensor.dtype() != Dtype::F32 {
                return Err(damaged(&path, &format!("the feature '{name}' is not stored as 32-bit numbers")));
            }
            let (values, _) = tensor.data().as_chunks::<4>();
            dense.insert(name, values.iter().map(|&v| f32::from_le_bytes(v)).collect());
        }
    }
    let catalog = Catalog::from_json(&text, &dense).map_err(|e| damaged(&path, &e.to_string()))?;
    if catalog.hash()? != declared.blake3 {
        return Err(damaged(&path, "the catalogue is not the one that was stored"));
    }
    Ok(catalog)
}

async fn body(db: &mut Db, dir: &Path, name: &str) -> Result<Vec<u8>> {
    if let Driver::Postgres(connection) = &mut db.driver {
        let sql = "SELECT body FROM catalog WHERE name = $1";
        let body = sqlx::query_scalar(sql).bind(name).fetch_optional(connection).await?;
        return body.ok_or_else(|| StoreError::DamagedRow(format!("no {name}")));
    }
    let path = dir.join(name);
    fs::read(&path).context("read", &path)
}

fn damaged(path: &Path, problem: &str) -> StoreError {
    StoreError::DamagedCatalog { path: path.to_owned(), problem: problem.to_owned() }
}
