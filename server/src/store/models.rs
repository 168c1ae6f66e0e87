//! Shards and their live models.
//!
//! A model is two content-addressed files ([`super::files`]) and one row. The row
//! decides: a file that no row names is not used and gets deleted. Where several
//! processes publish to one location, a row of `uploads` protects the files of a
//! publication in progress.

use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::files::{Files, named};
pub(super) use super::model_rows::shards;
use super::schema::{clear_meta, meta, next_version, set_meta};
use crate::clock::random;

/// 32 random bytes that are created and destroyed with a model version. `Debug` does
/// not print them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    fn draw() -> Result<Self> {
        Ok(Self(random()?))
    }
}

/// One shard: its version, and its model if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    /// Which shard.
    pub index: u32,
    /// Raised by every change of the shard's records and by every publication. No value
    /// occurs twice in one state.
    pub version: u64,
    /// Whether the shard must be trained, because its records changed since its model was
    /// trained or because it has no model.
    pub stale: bool,
    /// The live model; `None` after a deletion until the shard is retrained.
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
    /// Version of the catalogue that it was trained with; `None` for a model of an earlier
    /// version of the program.
    pub catalog: Option<u32>,
}

/// What a training run publishes. Fields as in [`Live`].
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
    /// Version of the catalogue that was read.
    pub catalog: u32,
}

/// A model with its bytes, checked against their hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedModel {
    /// The model's row.
    pub live: Live,
    /// The file of shared parameters.
    pub shared: Vec<u8>,
    /// The file of user rows.
    pub user_rows: Vec<u8>,
}

/// The right to publish or checkpoint a model of the shard's records as they are now.
/// It must be taken before the records are read, and becomes invalid when they change.
/// So a run that read a deleted record cannot publish what it learned from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub(super) shard: u32,
    pub(super) version: i64,
}

impl Ticket {
    /// A ticket for the present version of a shard's records.
    pub(crate) fn of(shard: &Shard) -> Self {
        Self { shard: shard.index, version: shard.version as i64 }
    }

    /// Which shard it is for.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// The version of its records.
    pub fn version(&self) -> u64 {
        self.version as u64
    }
}

/// Key of the value that a deletion sets when it drops models: the state was trained
/// and is to be trained again.
const TRAINED: &str = "trained";

/// The hashes of both files of a model.
pub(super) fn hashes(shared: &[u8], user_rows: &[u8]) -> (String, String) {
    let hash = |bytes| blake3::hash(bytes).to_hex().to_string();
    (hash(shared), hash(user_rows))
}

/// Announces the files that are about to be written for a shard, so that no other
/// process deletes them. Part of a transaction.
pub(super) async fn announce(db: &mut Db, ticket: Ticket, (shared, user_rows): &(String, String)) -> Result<()> {
    check(db, ticket).await?;
    if db.is_shared() {
        let sql = "INSERT INTO uploads (shard, shared_file, user_rows_file) VALUES ($1, $2, $3) ON CONFLICT (shard) \
                   DO UPDATE SET shared_file = excluded.shared_file, user_rows_file = excluded.user_rows_file";
        let shard = i64::from(ticket.shard);
        on!(db, c => sqlx::query(sql).bind(shard).bind(shared).bind(user_rows).execute(c).await.map(drop))?;
    }
    Ok(())
}

async fn forget_upload(db: &mut Db, shard: u32) -> Result<()> {
    if db.is_shared() {
        let sql = "DELETE FROM uploads WHERE shard = $1";
        on!(db, c => sqlx::query(sql).bind(i64::from(shard)).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Writes both files of a model.
pub(super) async fn write_files(
    files: &Files,
    (shared_file, user_rows_file): &(String, String),
    shared: &[u8],
    user_rows: &[u8],
) -> Result<()> {
    files.write(&named(shared_file), shared).await?;
    failpoint("publish.one-file");
    files.write(&named(user_rows_file), user_rows).await
}

/// Reads one file of a model and checks it against its name.
pub(super) async fn read_file(files: &Files, shard: u32, hash: &str) -> Result<Vec<u8>> {
    let damaged = |problem| StoreError::DamagedModel { shard, path: files.path(&named(hash)), problem };
    let Some(bytes) = files.read(&named(hash)).await? else {
        return Err(damaged("the model file is missing".into()));
    };
    let found = blake3::hash(&bytes).to_hex();
    if found.as_str() != hash {
        return Err(damaged(format!("the model file is damaged (its {} bytes hash to {found})", bytes.len())));
    }
    Ok(bytes)
}

/// Names of model files that some row refers to.
#[derive(Debug, Default)]
pub(super) struct Accounted {
    /// Files of live models, and announced ones.
    pub(super) names: Vec<String>,
    /// Announced files, which may be half written now.
    pub(super) half: Vec<String>,
}

/// The names of the files that some row refers to.
pub(super) async fn accounted(db: &mut Db) -> Result<Accounted> {
    let live = shards(db).await?.into_iter().filter_map(|shard| shard.live);
    let mut names: Vec<String> =
        live.flat_map(|live| [named(&live.shared_file), named(&live.user_rows_file)]).collect();
    let mut half = Vec::new();
    if db.is_shared() {
        let sql = "SELECT shared_file, user_rows_file FROM uploads";
        let uploads: Vec<(String, String)> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
        half.extend(uploads.iter().flat_map(|(shared, rows)| [named(shared), named(rows)]));
        names.extend(half.iter().cloned());
    }
    Ok(Accounted { names, half })
}

/// Makes exactly `count` shards, all without a model. Returns whether a model was
/// dropped.
pub(super) async fn reset(db: &mut Db, count: u32) -> Result<bool> {
    db.something_deleted();
    let dropped = on!(db, c => sqlx::query("DELETE FROM models").execute(c).await?.rows_affected());
    on!(db, c => sqlx::query("DELETE FROM shards").execute(c).await.map(drop))?;
    if db.is_shared() {
        on!(db, c => sqlx::query("DELETE FROM uploads").execute(c).await.map(drop))?;
    }
    clear_meta(db, TRAINED).await?;
    let version = next_version(db).await?;
    let sql = "INSERT INTO shards (shard, version, stale) VALUES ($1, $2, 1)";
    for shard in 0..count {
        on!(db, c => sqlx::query(sql).bind(i64::from(shard)).bind(version).execute(c).await.map(drop))?;
    }
    Ok(dropped > 0)
}

/// Marks shards as stale: their records are no longer those of their model.
/// `drop_models` also deletes the model rows.
pub(super) async fn mark_stale(db: &mut Db, shards: &[u32], drop_models: bool) -> Result<()> {
    let version = next_version(db).await?;
    for &shard in shards {
        let sql = "UPDATE shards SET version = $1, stale = 1 WHERE shard = $2";
        let place = i64::from(shard);
        let marked = on!(db, c => sqlx::query(sql).bind(version).bind(place).execute(c).await?.rows_affected());
        if marked == 0 {
            return Err(unknown(db, shard).await?);
        }
        // A publication in progress is invalid now.
        forget_upload(db, shard).await?;
        if drop_models {
            let sql = "DELETE FROM models WHERE shard = $1";
            let dropped = on!(db, c => sqlx::query(sql).bind(place).execute(c).await?.rows_affected());
            if dropped > 0 {
                set_meta(db, TRAINED, "1").await?;
            }
        }
    }
    Ok(())
}

/// The shard's present version.
pub(super) async fn ticket(db: &mut Db, shard: u32) -> Result<Ticket> {
    let sql = "SELECT version FROM shards WHERE shard = $1";
    let place = i64::from(shard);
    let version: Option<i64> = on!(db, c => sqlx::query_scalar(sql).bind(place).fetch_optional(c).await?);
    match version {
        Some(version) => Ok(Ticket { shard, version }),
        None => Err(unknown(db, shard).await?),
    }
}

/// Refuses a ticket whose shard has changed since.
pub(super) async fn check(db: &mut Db, held: Ticket) -> Result<()> {
    if ticket(db, held.shard).await? != held {
        return Err(StoreError::Outdated { shard: held.shard });
    }
    Ok(())
}

async fn unknown(db: &mut Db, shard: u32) -> Result<StoreError> {
    let sql = "SELECT count(*) FROM shards";
    let shards: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(StoreError::UnknownShard { shard, shards: shards as u32 })
}

/// Makes a model the live one of its shard, with a fresh nonce and salt. Returns the
/// model, and whether it replaced another.
pub(super) async fn switch(
    db: &mut Db,
    ticket: Ticket,
    publication: &Publication<'_>,
    (shared_file, user_rows_file): (String, String),
) -> Result<(Live, bool)> {
    check(db, ticket).await?;
    let shard = ticket.shard;
    let version = next_version(db).await?;
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
        catalog: Some(publication.catalog),
    };
    let losses = serde_json::to_string(&live.losses).map_err(|e| StoreError::DamagedRow(format!("losses ({e})")))?;
    let place = i64::from(shard);
    let sql = "UPDATE shards SET version = $1, stale = 0 WHERE shard = $2";
    on!(db, c => sqlx::query(sql).bind(version).bind(place).execute(c).await.map(drop))?;
    let sql = "DELETE FROM models WHERE shard = $1";
    let replaced = on!(db, c => sqlx::query(sql).bind(place).execute(c).await?.rows_affected());
    let sql = "INSERT INTO models (shard, version, model_blake3, shared_file, user_rows_file, fingerprint, nonce, \
               salt, input_hash, seconds, epochs, losses, catalog) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    on!(db, c => sqlx::query(sql)
        .bind(place)
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
        .bind(&losses)
        .bind(i64::from(publication.catalog))
        .execute(c)
        .await
        .map(drop))?;
    forget_upload(db, shard).await?;
    Ok((live, replaced > 0))
}

/// Whether a shard has a model, or had one before a deletion, since the last [`reset`].
pub(super) async fn trained(db: &mut Db) -> Result<bool> {
    let sql = "SELECT count(*) FROM models";
    let models: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(models > 0 || meta(db, TRAINED).await?.is_some())
}
