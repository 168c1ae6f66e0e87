//! Receipts. They outlive a model version, so they may contain no record and no plain
//! model hash (exactness rule 11). The store keeps the text that it is given; the
//! caller keeps that rule.

use super::database::{Db, on};
use super::error::Result;

/// One stored receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its position in the log, from 1.
    pub id: u64,
    /// Its text (JSON).
    pub json: String,
}

/// Appends a receipt; returns its id. Part of a transaction.
pub(super) async fn append(db: &mut Db, json: &str) -> Result<u64> {
    // The ids have no gaps, since an id is the position in the log.
    let sql = "INSERT INTO receipts (id, receipt) SELECT coalesce(max(id), 0) + 1, $1 FROM receipts RETURNING id";
    let id: i64 = on!(db, c => sqlx::query_scalar(sql).bind(json).fetch_one(c).await?);
    Ok(id as u64)
}

/// All receipts, oldest first.
pub(super) async fn list(db: &mut Db) -> Result<Vec<Receipt>> {
    after(db, 0).await
}

/// The receipts with a greater id, oldest first.
pub(super) async fn after(db: &mut Db, id: u64) -> Result<Vec<Receipt>> {
    let sql = "SELECT id, receipt FROM receipts WHERE id > $1 ORDER BY id";
    let rows: Vec<(i64, String)> = on!(db, c => sqlx::query_as(sql).bind(id as i64).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(id, json)| Receipt { id: id as u64, json }).collect())
}
