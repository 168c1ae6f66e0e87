//! Deletion requests in progress: how to follow them, and never what they asked for.
//!
//! A row has the hash of the request's random name and a commitment to the request's
//! owner. The commitment is keyed by that name, so that the row alone leads to nobody.
//! The row also has the shards that the request waits for, and in the end the id of its
//! receipt.

use std::collections::{BTreeMap, HashMap};

use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::models;
use crate::clock::now_exactly;

/// A request to be stored by the deletion that answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// Commitment to its owner; `None` after an account's deletion.
    pub owner: Option<[u8; 32]>,
    /// How many records it removed.
    pub removed: u64,
    /// The shards that it waits for.
    pub shards: Vec<u32>,
    /// When it was made, in seconds since 1970.
    pub created: f64,
}

impl NewRequest {
    /// The request as it is stored, with the version of each shard at that moment.
    pub fn noted(self, shards: Vec<(u32, u64)>) -> Request {
        let Self { id_hash, owner, removed, created, .. } = self;
        Request { id_hash, owner, removed, shards, created, ..Request::default() }
    }
}

/// A stored request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// Commitment to its owner; `None` after an account's deletion.
    pub owner: Option<[u8; 32]>,
    /// How many records it removed.
    pub removed: u64,
    /// The shards that it waits for, each until its live model has a later version than
    /// this.
    pub shards: Vec<(u32, u64)>,
    /// When it was made, in seconds since 1970.
    pub created: f64,
    /// The receipt's id, once there is one.
    pub receipt: Option<u64>,
    /// When the removed records were overwritten on disk; `None` where erasure is logical.
    pub overwritten: Option<f64>,
    /// When a compaction removed the stale copies of them.
    pub compacted: Option<f64>,
    /// When it was carried out; `None` for a request of an earlier version of the program.
    pub carried_out: Option<f64>,
    /// Commitment to what it asked for, hex; `None` for a request of an earlier version.
    pub asked: Option<String>,
}

impl Request {
    /// Whether every shard that the request waits for has a later live version.
    pub fn is_done(&self, live: &HashMap<u32, u64>) -> bool {
        self.shards.iter().all(|(shard, version)| live.get(shard).is_some_and(|now| now > version))
    }

    /// Whether it is done, removed something, and has no receipt yet.
    pub fn is_ready(&self, live: &HashMap<u32, u64>) -> bool {
        self.receipt.is_none() && self.removed > 0 && self.is_done(live)
    }
}

/// Stores requests, with the commitments to what they asked for in the same order. Part
/// of the deleting transaction, after shards were marked as stale.
pub(super) async fn insert(db: &mut Db, requests: &[NewRequest], asked: &[String]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let versions: BTreeMap<u32, u64> =
        models::shards(db).await?.into_iter().map(|shard| (shard.index, shard.version)).collect();
    for (place, request) in requests.iter().enumerate() {
        let shards: Vec<(u32, u64)> =
            request.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
        let shards = serde_json::to_string(&shards).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
        let sql = "INSERT INTO requests (id_hash, owner, removed, shards, created, carried_out, asked) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        on!(db, c => sqlx::query(sql)
            .bind(request.id_hash.to_vec())
            .bind(request.owner.map(|owner| owner.to_vec()))
            .bind(request.removed as i64)
            .bind(shards)
            .bind(request.created)
            .bind(now_exactly())
            .bind(asked.get(place))
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Those of these requests that have no receipt yet.
pub(super) async fn open(db: &mut Db, ids: &[[u8; 32]]) -> Result<Vec<[u8; 32]>> {
    let sql = "SELECT count(*) FROM requests WHERE id_hash = $1 AND receipt IS NULL";
    let mut found = Vec::new();
    for id in ids {
        let count: i64 = on!(db, c => sqlx::query_scalar(sql).bind(id.to_vec()).fetch_one(c).await?);
        if count > 0 {
            found.push(*id);
        }
    }
    Ok(found)
}

/// Stores which receipt answers requests.
pub(super) async fn answer(db: &mut Db, ids: &[[u8; 32]], receipt: u64) -> Result<()> {
    let sql = "UPDATE requests SET receipt = $1 WHERE id_hash = $2";
    for id in ids {
        on!(db, c => sqlx::query(sql).bind(receipt as i64).bind(id.to_vec()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Deletes requests that were answered long ago.
pub(super) async fn prune(db: &mut Db, since: f64) -> Result<()> {
    let sql = "DELETE FROM requests WHERE created < $1 AND (receipt IS NOT NULL OR removed = 0)";
    Ok(on!(db, c => sqlx::query(sql).bind(since).execute(c).await.map(drop))?)
}

/// Records that what requests removed is overwritten.
pub(super) async fn note_overwritten(db: &mut Db, now: f64) -> Result<()> {
    let sql = "UPDATE requests SET overwritten = $1 WHERE compacted IS NULL AND overwritten IS NULL";
    Ok(on!(db, c => sqlx::query(sql).bind(now).execute(c).await.map(drop))?)
}

/// Records that no stale copy is left of what was overwritten by `since`.
pub(super) async fn note_compacted(db: &mut Db, since: f64, now: f64) -> Result<()> {
    let sql = "UPDATE requests SET compacted = $1 WHERE compacted IS NULL AND overwritten <= $2";
    Ok(on!(db, c => sqlx::query(sql).bind(now).bind(since).execute(c).await.map(drop))?)
}

/// Whether stale copies of what some request removed may be left.
pub(super) async fn any_not_compacted(db: &mut Db) -> Result<bool> {
    let sql = "SELECT count(*) FROM requests WHERE compacted IS NULL AND overwritten IS NOT NULL";
    let count: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(count > 0)
}

type Columns =
    (Vec<u8>, Option<Vec<u8>>, i64, String, f64, Option<i64>, Option<f64>, Option<f64>, Option<f64>, Option<String>);

const COLUMNS: &str = "SELECT id_hash, owner, removed, shards, created, receipt, overwritten, compacted, carried_out, \
                       asked FROM requests";

/// Every request.
pub(super) async fn list(db: &mut Db) -> Result<Vec<Request>> {
    let rows: Vec<Columns> = on!(db, c => sqlx::query_as(COLUMNS).fetch_all(c).await?);
    rows.into_iter().map(read).collect()
}

/// Those of these requests that exist.
pub(super) async fn of(db: &mut Db, ids: &[[u8; 32]]) -> Result<Vec<Request>> {
    let mut found = Vec::new();
    for id in ids {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id_hash = $1"));
        let row: Option<Columns> = on!(db, c => sqlx::query_as(sql).bind(id.to_vec()).fetch_optional(c).await?);
        found.extend(row.map(read).transpose()?);
    }
    Ok(found)
}

fn read(row: Columns) -> Result<Request> {
    let (id_hash, owner, removed, shards, created, receipt, overwritten, compacted, carried_out, asked) = row;
    let damaged = || StoreError::DamagedRow("an unreadable request".into());
    Ok(Request {
        id_hash: id_hash.try_into().map_err(|_| damaged())?,
        owner: owner.map(|owner| owner.try_into().map_err(|_| damaged())).transpose()?,
        removed: removed as u64,
        shards: serde_json::from_str(&shards).map_err(|_| damaged())?,
        created,
        receipt: receipt.map(|id| id as u64),
        overwritten,
        compacted,
        carried_out,
        asked,
    })
}
