//! Unlearning requests on their way: how to follow them, and never what they
//! asked for.
//!
//! A row holds the hash of the request's random name, a commitment to its
//! owner keyed by that name (so that the row alone leads to nobody), the
//! shards it waits for, and at last the place of its receipt.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

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

/// Notes requests. Part of the removing transaction, after shards were marked.
pub(super) async fn insert(connection: &mut SqliteConnection, requests: &[NewRequest]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let versions: BTreeMap<u32, u64> =
        models::shards(&mut *connection).await?.into_iter().map(|shard| (shard.index, shard.version)).collect();
    for request in requests {
        let shards: Vec<(u32, u64)> =
            request.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
        let shards = serde_json::to_string(&shards).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
        sqlx::query("INSERT INTO requests (id_hash, owner, removed, shards, created) VALUES ($1, $2, $3, $4, $5)")
            .bind(request.id_hash.to_vec())
            .bind(request.owner.map(|owner| owner.to_vec()))
            .bind(request.removed as i64)
            .bind(shards)
            .bind(request.created)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Notes the receipt that answers requests.
pub(super) async fn answer(connection: &mut SqliteConnection, ids: &[[u8; 32]], receipt: u64) -> Result<()> {
    for id in ids {
        sqlx::query("UPDATE requests SET receipt = $1 WHERE id_hash = $2")
            .bind(receipt as i64)
            .bind(id.to_vec())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Forgets answered requests of long ago.
pub(super) async fn prune(connection: &mut SqliteConnection, since: f64) -> Result<()> {
    sqlx::query("DELETE FROM requests WHERE created < $1 AND (receipt IS NOT NULL OR removed = 0)")
        .bind(since)
        .execute(connection)
        .await?;
    Ok(())
}

type Columns = (Vec<u8>, Option<Vec<u8>>, i64, String, f64, Option<i64>);

/// Every request.
pub(super) async fn list(connection: &mut SqliteConnection) -> Result<Vec<Request>> {
    let rows: Vec<Columns> = sqlx::query_as("SELECT id_hash, owner, removed, shards, created, receipt FROM requests")
        .fetch_all(connection)
        .await?;
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
