//! Shards and their live models.
//!
//! A model is two content-addressed files under `models/` and one row. The
//! row decides: a file that no row names does not count and is swept.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::atomic_file;
use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::failpoint::failpoint;
use super::schema::{clear_meta, meta, next_version, set_meta};

/// Folder of the model files inside a state directory.
pub(super) const MODELS: &str = "models";

/// 32 random bytes that live and die with a model version. Not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Fresh bytes from the operating system: never from the seed or the
    /// data, from which anybody could compute them.
    fn draw() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
        Ok(Self(bytes))
    }
}

/// One shard: what it has been through, and its model if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    /// Which shard.
    pub index: u32,
    /// Raised by every change of its records and every publication; never
    /// the same twice in one state.
    pub version: u64,
    /// Whether its records changed since its model was trained (or it has no
    /// model), so that it must be trained.
    pub stale: bool,
    /// The live model; absent from a removal until the shard is retrained.
    pub live: Option<Live>,
}

/// A published model version.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Which shard.
    pub shard: u32,
    /// The shard's version when it was published.
    pub version: u64,
    /// BLAKE3 of the tensors (not of a file), hex.
    pub model_blake3: String,
    /// Build, device and kernels that made it, as JSON.
    pub fingerprint: String,
    /// BLAKE3 of the file of shared parameters, hex: its name without ending.
    pub shared_file: String,
    /// BLAKE3 of the file of user rows, hex: its name without ending.
    pub user_rows_file: String,
    /// Key of the commitment to `model_blake3`; destroyed with this version.
    pub nonce: Secret,
    /// Salt of the data commitments; destroyed with this version.
    pub salt: Secret,
    /// Hash of everything the training read.
    pub input_hash: [u8; 32],
    /// Training time in seconds.
    pub seconds: f64,
    /// Epochs trained.
    pub epochs: u32,
    /// Mean training loss of each epoch.
    pub losses: Vec<f64>,
}

/// What a training run hands over. Fields as in [`Live`].
#[derive(Debug, Clone, PartialEq)]
pub struct Publication<'a> {
    /// BLAKE3 of the tensors, hex.
    pub model_blake3: &'a str,
    /// Build, device and kernels, as JSON.
    pub fingerprint: &'a str,
    /// The file of shared parameters (safetensors).
    pub shared: &'a [u8],
    /// The file of user rows (safetensors).
    pub user_rows: &'a [u8],
    /// Hash of everything the training read.
    pub input_hash: [u8; 32],
    /// Training time in seconds.
    pub seconds: f64,
    /// Epochs trained.
    pub epochs: u32,
    /// Mean training loss of each epoch, all finite.
    pub losses: &'a [f64],
}

/// A model with its bytes, verified.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedModel {
    /// What the row says.
    pub live: Live,
    /// The file of shared parameters.
    pub shared: Vec<u8>,
    /// The file of user rows.
    pub user_rows: Vec<u8>,
}

/// The right to publish or checkpoint a shard as its records are now. Taken
/// before the records are read; worthless once they change, so that a run
/// which saw a removed record cannot bring it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub(super) shard: u32,
    pub(super) version: i64,
}

impl Ticket {
    /// Which shard it is for.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// The version of its records.
    pub fn version(&self) -> u64 {
        self.version as u64
    }
}

/// Set by a deletion that drops models: there were some, and there shall be again.
const TRAINED: &str = "trained";

/// The path of a model file by its hash.
fn file_path(dir: &Path, hash: &str) -> PathBuf {
    dir.join(MODELS).join(file_name(hash))
}

fn file_name(hash: &str) -> String {
    format!("{hash}.safetensors")
}

/// Writes both files of a model; returns their hashes.
pub(super) fn write_files(dir: &Path, shared: &[u8], user_rows: &[u8]) -> Result<(String, String)> {
    let hash = |bytes| blake3::hash(bytes).to_hex().to_string();
    let (shared_file, user_rows_file) = (hash(shared), hash(user_rows));
    atomic_file::write(&file_path(dir, &shared_file), &[shared])?;
    failpoint("publish.one-file");
    atomic_file::write(&file_path(dir, &user_rows_file), &[user_rows])?;
    Ok((shared_file, user_rows_file))
}

/// Reads one file of a model and compares it with its name.
pub(super) fn read_file(dir: &Path, shard: u32, hash: &str) -> Result<Vec<u8>> {
    let path = file_path(dir, hash);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::DamagedModel { shard, path, problem: "the model file is missing".into() });
        }
        Err(error) => return Err(error).context("read", &path),
    };
    let found = blake3::hash(&bytes).to_hex();
    if found.as_str() != hash {
        let problem = format!("the model file is damaged (its {} bytes hash to {found})", bytes.len());
        return Err(StoreError::DamagedModel { shard, path, problem });
    }
    Ok(bytes)
}

/// The names under `models/` that no row refers to.
pub(super) fn unreferenced(dir: &Path, shards: &[Shard]) -> Result<Vec<PathBuf>> {
    let kept: BTreeSet<String> = shards
        .iter()
        .filter_map(|shard| shard.live.as_ref())
        .flat_map(|live| [file_name(&live.shared_file), file_name(&live.user_rows_file)])
        .collect();
    let folder = dir.join(MODELS);
    let names = atomic_file::list(&folder)?;
    Ok(names.into_iter().filter(|name| !kept.contains(name)).map(|name| folder.join(name)).collect())
}

/// Makes exactly `count` shards, all without a model. Returns whether a model
/// was dropped.
pub(super) async fn reset(connection: &mut SqliteConnection, count: u32) -> Result<bool> {
    let dropped = sqlx::query("DELETE FROM models").execute(&mut *connection).await?.rows_affected();
    sqlx::query("DELETE FROM shards").execute(&mut *connection).await?;
    clear_meta(connection, TRAINED).await?;
    let version = next_version(connection).await?;
    for shard in 0..count {
        sqlx::query("INSERT INTO shards (shard, version, stale) VALUES ($1, $2, 1)")
            .bind(i64::from(shard))
            .bind(version)
            .execute(&mut *connection)
            .await?;
    }
    Ok(dropped > 0)
}

/// Marks shards as having other records than their model; `drop_models` also
/// deletes the model rows.
pub(super) async fn mark_stale(connection: &mut SqliteConnection, shards: &[u32], drop_models: bool) -> Result<()> {
    let version = next_version(connection).await?;
    for &shard in shards {
        let marked = sqlx::query("UPDATE shards SET version = $1, stale = 1 WHERE shard = $2")
            .bind(version)
            .bind(i64::from(shard))
            .execute(&mut *connection)
            .await?
            .rows_affected();
        if marked == 0 {
            return Err(unknown(connection, shard).await?);
        }
        if drop_models {
            let dropped = sqlx::query("DELETE FROM models WHERE shard = $1")
                .bind(i64::from(shard))
                .execute(&mut *connection)
                .await?
                .rows_affected();
            if dropped > 0 {
                set_meta(connection, TRAINED, "1").await?;
            }
        }
    }
    Ok(())
}

/// The shard's present version.
pub(super) async fn ticket(connection: &mut SqliteConnection, shard: u32) -> Result<Ticket> {
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM shards WHERE shard = $1")
        .bind(i64::from(shard))
        .fetch_optional(&mut *connection)
        .await?;
    match version {
        Some(version) => Ok(Ticket { shard, version }),
        None => Err(unknown(connection, shard).await?),
    }
}

/// Refuses a ticket whose shard has changed since.
pub(super) async fn check(connection: &mut SqliteConnection, held: Ticket) -> Result<()> {
    if ticket(connection, held.shard).await? != held {
        return Err(StoreError::Outdated { shard: held.shard });
    }
    Ok(())
}

async fn unknown(connection: &mut SqliteConnection, shard: u32) -> Result<StoreError> {
    let shards: i64 = sqlx::query_scalar("SELECT count(*) FROM shards").fetch_one(connection).await?;
    Ok(StoreError::UnknownShard { shard, shards: shards as u32 })
}

/// Makes a model the live one of its shard, with fresh nonce and salt.
/// Returns it, and whether it took another's place.
pub(super) async fn switch(
    connection: &mut SqliteConnection,
    ticket: Ticket,
    publication: &Publication<'_>,
    (shared_file, user_rows_file): (String, String),
) -> Result<(Live, bool)> {
    check(connection, ticket).await?;
    let shard = ticket.shard;
    let version = next_version(connection).await?;
    let live = Live {
        shard,
        version: version as u64,
        model_blake3: publication.model_blake3.to_owned(),
        fingerprint: publication.fingerprint.to_owned(),
        shared_file,
        user_rows_file,
        nonce: Secret::draw()?,
        salt: Secret::draw()?,
        input_hash: publication.input_hash,
        seconds: publication.seconds,
        epochs: publication.epochs,
        losses: publication.losses.to_vec(),
    };
    let losses = serde_json::to_string(&live.losses).map_err(|e| StoreError::DamagedRow(format!("losses ({e})")))?;
    sqlx::query("UPDATE shards SET version = $1, stale = 0 WHERE shard = $2")
        .bind(version)
        .bind(i64::from(shard))
        .execute(&mut *connection)
        .await?;
    let replaced = sqlx::query("DELETE FROM models WHERE shard = $1")
        .bind(i64::from(shard))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    sqlx::query(
        "INSERT INTO models (shard, version, model_blake3, shared_file, user_rows_file, fingerprint, nonce, salt, \
         input_hash, seconds, epochs, losses) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(i64::from(shard))
    .bind(version)
    .bind(&live.model_blake3)
    .bind(&live.shared_file)
    .bind(&live.user_rows_file)
    .bind(&live.fingerprint)
    .bind(live.nonce.0.to_vec())
    .bind(live.salt.0.to_vec())
    .bind(live.input_hash.to_vec())
    .bind(live.seconds)
    .bind(i64::from(live.epochs))
    .bind(losses)
    .execute(connection)
    .await?;
    Ok((live, replaced > 0))
}

/// Whether a shard has, or before a deletion had, a model since the last [`reset`].
pub(super) async fn trained(connection: &mut SqliteConnection) -> Result<bool> {
    let models: i64 = sqlx::query_scalar("SELECT count(*) FROM models").fetch_one(&mut *connection).await?;
    Ok(models > 0 || meta(connection, TRAINED).await?.is_some())
}

/// Every shard, in order.
pub(super) async fn shards(connection: &mut SqliteConnection) -> Result<Vec<Shard>> {
    let rows = sqlx::query(
        "SELECT s.shard, s.version, s.stale, m.version, m.model_blake3, m.fingerprint, m.shared_file, \
         m.user_rows_file, m.nonce, m.salt, m.input_hash, m.seconds, m.epochs, m.losses \
         FROM shards s LEFT JOIN models m ON m.shard = s.shard ORDER BY s.shard",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_row).collect()
}

fn read_row(row: &SqliteRow) -> Result<Shard> {
    let index: u32 = row.try_get(0)?;
    let bytes = |place: usize| -> Result<[u8; 32]> {
        let bytes: Vec<u8> = row.try_get(place)?;
        bytes.try_into().map_err(|_| StoreError::DamagedRow(format!("a model row of shard {index}")))
    };
    let live = match row.try_get::<Option<i64>, _>(3)? {
        None => None,
        Some(version) => {
            let losses: String = row.try_get(13)?;
            Some(Live {
                shard: index,
                version: version as u64,
                model_blake3: row.try_get(4)?,
                fingerprint: row.try_get(5)?,
                shared_file: row.try_get(6)?,
                user_rows_file: row.try_get(7)?,
                nonce: Secret(bytes(8)?),
                salt: Secret(bytes(9)?),
                input_hash: bytes(10)?,
                seconds: row.try_get(11)?,
                epochs: row.try_get(12)?,
                losses: serde_json::from_str(&losses)
                    .map_err(|_| StoreError::DamagedRow(format!("losses of shard {index}")))?,
            })
        }
    };
    let version: i64 = row.try_get(1)?;
    Ok(Shard { index, version: version as u64, stale: row.try_get(2)?, live })
}

/// Deletes files; those already gone are fine.
pub(super) fn delete_files(paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        absent_is_fine(fs::remove_file(path)).context("delete", path)?;
    }
    let folders: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.into_iter().try_for_each(atomic_file::sync_folder)
}
