//! Items that were taken down: a list of their indices in the catalogue. That an item
//! is down is no secret; who had it is.

use super::database::Db;
use super::error::{Result, StoreError};
use super::schema::{meta, set_meta};

const DOWN: &str = "items-down";

/// The items that are down, ascending.
pub(super) async fn all(db: &mut Db) -> Result<Vec<u32>> {
    let Some(text) = meta(db, DOWN).await? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|_| StoreError::DamagedRow("an unreadable list of items taken down".into()))
}

/// Takes items down. Returns whether any of them was not down before. Part of a
/// transaction.
pub(super) async fn add(db: &mut Db, items: &[u32]) -> Result<bool> {
    if items.is_empty() {
        return Ok(false);
    }
    let mut down = all(db).await?;
    let before = down.len();
    down.extend(items);
    down.sort_unstable();
    down.dedup();
    if down.len() == before {
        return Ok(false);
    }
    db.something_deleted();
    let text = serde_json::to_string(&down).map_err(|e| StoreError::DamagedRow(e.to_string()))?;
    set_meta(db, DOWN, &text).await?;
    Ok(true)
}
