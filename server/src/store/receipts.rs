//! Receipts: what outlives a version, so nothing in them may name a record
//! or hold a plain model hash (architecture rule 11). The store keeps the
//! text it is given; only the caller can keep that rule.

use sqlx::SqliteConnection;

use super::error::Result;

/// One stored receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the log, from 1.
    pub id: u64,
    /// Its text (JSON).
    pub json: String,
}

/// Appends a receipt; returns its id.
pub(super) async fn append(connection: &mut SqliteConnection, json: &str) -> Result<u64> {
    let id: i64 = sqlx::query_scalar("INSERT INTO receipts (receipt) VALUES ($1) RETURNING id")
        .bind(json)
        .fetch_one(connection)
        .await?;
    Ok(id as u64)
}

/// All receipts, oldest first.
pub(super) async fn list(connection: &mut SqliteConnection) -> Result<Vec<Receipt>> {
    after(connection, 0).await
}

/// The receipts with a greater id, oldest first.
pub(super) async fn after(connection: &mut SqliteConnection, id: u64) -> Result<Vec<Receipt>> {
    let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, receipt FROM receipts WHERE id > $1 ORDER BY id")
        .bind(id as i64)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|(id, json)| Receipt { id: id as u64, json }).collect())
}
