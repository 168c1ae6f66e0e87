//! The catalogue on disk: `catalog.json`, and `catalog.safetensors` for dense
//! features. The two change together.
//!
//! A new catalogue is first written beside (`.next`), then declared by one
//! transaction, then renamed into place; a crash after the declaration is
//! finished when the state opens, before it there is no trace.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use eemu_core::dataset::Catalog;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::atomic_file;
use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::failpoint::failpoint;
use super::schema::{clear_meta, meta, set_meta};

const JSON: &str = "catalog.json";
const DENSE: &str = "catalog.safetensors";
const NEXT: &str = ".next";
const DECLARED: &str = "catalog";
const PENDING: &str = "catalog-pending";

/// What the database knows of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declared {
    /// [`Catalog::hash`].
    blake3: String,
    /// Admitted users.
    pub(super) users: u32,
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

/// Writes both files beside the present ones.
pub(super) fn stage(dir: &Path, catalog: &Catalog) -> Result<Declared> {
    let dense = catalog.dense();
    if !dense.is_empty() {
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = dense
            .iter()
            .map(|(name, rows, width, values)| {
                (name.clone(), vec![*rows, *width], values.iter().flat_map(|v| v.to_le_bytes()).collect())
            })
            .collect();
        let path = next(&dir.join(DENSE));
        let damaged = |e: safetensors::SafeTensorError| damaged(&path, &e.to_string());
        let views = bytes
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(damaged)?)))
            .collect::<Result<Vec<_>>>()?;
        let file = safetensors::serialize(views, None).map_err(damaged)?;
        atomic_file::write(&path, &[&file])?;
    }
    atomic_file::write(&next(&dir.join(JSON)), &[catalog.to_json()?.as_bytes()])?;
    failpoint("catalog.staged");
    Ok(Declared {
        blake3: catalog.hash()?,
        users: catalog.users.len() as u32,
        items: catalog.items.len() as u32,
        dense: !dense.is_empty(),
    })
}

/// Declares the staged catalogue the state's. Part of a transaction.
pub(super) async fn declare(connection: &mut SqliteConnection, declared: &Declared) -> Result<()> {
    let text = serde_json::to_string(declared).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
    set_meta(connection, DECLARED, &text).await?;
    set_meta(connection, PENDING, "1").await
}

/// What was declared last.
pub(super) async fn declared(connection: &mut SqliteConnection) -> Result<Declared> {
    let text = meta(connection, DECLARED).await?.ok_or_else(|| StoreError::DamagedRow("no catalogue".into()))?;
    serde_json::from_str(&text).map_err(|_| StoreError::DamagedRow("an unreadable catalogue row".into()))
}

/// Whether a declared catalogue is not in place yet.
pub(super) async fn pending(connection: &mut SqliteConnection) -> Result<bool> {
    Ok(meta(connection, PENDING).await?.is_some())
}

/// Moves a declared catalogue into place, or sweeps an undeclared one.
pub(super) async fn settle(connection: &mut SqliteConnection, dir: &Path) -> Result<()> {
    if pending(connection).await? {
        let dense = declared(connection).await?.dense;
        let json = dir.join(JSON);
        absent_is_fine(fs::rename(next(&json), &json)).context("put in place", &json)?;
        failpoint("catalog.half");
        let path = dir.join(DENSE);
        let moved = if dense { fs::rename(next(&path), &path) } else { fs::remove_file(&path) };
        absent_is_fine(moved).context("put in place", &path)?;
        atomic_file::sync_folder(dir)?;
        clear_meta(connection, PENDING).await?;
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

/// Reads the catalogue and compares it with what was declared.
pub(super) fn read(dir: &Path, declared: &Declared) -> Result<Catalog> {
    let path = dir.join(JSON);
    let text = fs::read_to_string(&path).context("read", &path)?;
    let mut dense = HashMap::new();
    if declared.dense {
        let path = dir.join(DENSE);
        let bytes = fs::read(&path).context("read", &path)?;
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

fn damaged(path: &Path, problem: &str) -> StoreError {
    StoreError::DamagedCatalog { path: path.to_owned(), problem: problem.to_owned() }
}
