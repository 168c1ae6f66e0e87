//! Unlearning requests on their way: how to follow them, and never what they
//! asked for.
//!
//! A row holds the hash of the request's random name, a commitment to its
//! owner keyed by that name (so that the row alone leads to nobody), the
//! shards it waits for, and at last the place of its receipt.

use std::collections::{BTreeMap, HashMap};

use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::models;

/// A request to be noted with the removal that answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// Commitment to its owner; none after an account's deletion.
    pub owner: Option<[u8; 32]>,
    /// Records it removed.
    pub removed: u64,
    /// Shards it waits for.
    pub shards: Vec<u32>,
    /// When it was made, in seconds since 1970.
    pub created: f64,
}

/// A noted request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// Commitment to its owner; none after an account's deletion.
    pub owner: Option<[u8; 32]>,
    /// Records it removed.
    pub removed: u64,
    /// Shards it waits for, each until it has a later version than this.
    pub shards: Vec<(u32, u64)>,
    /// When it was made, in seconds since 1970.
    pub created: f64,
    /// The receipt's id, once there is one.
    pub receipt: Option<u64>,
}

impl Request {
    /// Whether every shard has a later live version than the request waits
    /// for.
    pub fn is_done(&self, live: &HashMap<u32, u64>) -> bool {
        self.shards.iter().all(|(shard, version)| live.get(shard).is_some_and(|now| now > version))
    }

    /// Whether it is done, removed something, and has no receipt yet.
    pub fn is_ready(&self, live: &HashMap<u32, u64>) -> bool {
        self.receipt.is_none() && self.removed > 0 && self.is_done(live)
    }
}

/// Notes requests. Part of the removing transaction, after shards were marked.
pub(super) async fn insert(db: &mut Db, requests: &[NewRequest]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let versions: BTreeMap<u32, u64> =
        models::shards(db).await?.into_iter().map(|shard| (shard.index, shard.version)).collect();
    for request in requests {
        let shards: Vec<(u32, u64)> =
            request.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
        let shards = serde_json::to_string(&shards).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
        let sql = "INSERT INTO requests (id_hash, owner, removed, shards, created) VALUES ($1, $2, $3, $4, $5)";
        on!(db, c => sqlx::query(sql)
            .bind(request.id_hash.to_vec())
            .bind(request.owner.map(|owner| owner.to_vec()))
            .bind(request.removed as i64)
            .bind(shards)
            .bind(request.created)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Those of these requests that have no receipt yet.
pub(super) async fn open(db: &mut Db, ids: &[[u8; 32]]) -> Result<Vec<[u8; 32]>> {
    let open = list(db).await?.into_iter().filter(|request| request.receipt.is_none());
    Ok(open.map(|request| request.id_hash).filter(|id| ids.contains(id)).collect())
}

/// Notes the receipt that answers requests.
pub(super) async fn answer(db: &mut Db, ids: &[[u8; 32]], receipt: u64) -> Result<()> {
    let sql = "UPDATE requests SET receipt = $1 WHERE id_hash = $2";
    for id in ids {
        on!(db, c => sqlx::query(sql).bind(receipt as i64).bind(id.to_vec()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Forgets answered requests of long ago.
pub(super) async fn prune(db: &mut Db, since: f64) -> Result<()> {
    let sql = "DELETE FROM requests WHERE created < $1 AND (receipt IS NOT NULL OR removed = 0)";
    Ok(on!(db, c => sqlx::query(sql).bind(since).execute(c).await.map(drop))?)
}

type Columns = (Vec<u8>, Option<Vec<u8>>, i64, String, f64, Option<i64>);

/// Every request.
pub(super) async fn list(db: &mut Db) -> Result<Vec<Request>> {
    let sql = "SELECT id_hash, owner, removed, shards, created, receipt FROM requests";
    let rows: Vec<Columns> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    let damaged = || StoreError::DamagedRow("an unreadable request".into());
    rows.into_iter()
        .map(|(id_hash, owner, removed, shards, created, receipt)| {
            Ok(Request {
                id_hash: id_hash.try_into().map_err(|_| damaged())?,
                owner: owner.map(|owner| owner.try_into().map_err(|_| damaged())).transpose()?,
                removed: removed as u64,
                shards: serde_json::from_str(&shards).map_err(|_| damaged())?,
                created,
                receipt: receipt.map(|id| id as u64),
            })
        })
        .collect()
}
