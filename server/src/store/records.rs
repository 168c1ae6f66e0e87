//! The records: who did what.

use eemu_core::dataset::Interaction;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::error::{Result, StoreError};

/// Gives the 16-byte keyed id stored beside a record: a keyed hash of its
/// external identifiers, nothing else.
pub type KeyedId<'a> = &'a dyn Fn(&Interaction) -> [u8; 16];

/// Records a statement. Above a few hundred nothing is gained.
const CHUNK: usize = 500;

/// Stores records. Of two with the same (user, item) the earliest stays,
/// whichever came first. Returns how many rows were added or changed.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    records: &[Interaction],
    (users, items): (u32, u32),
    keyed_id: KeyedId<'_>,
) -> Result<u64> {
    for record in records {
        if record.user >= users || record.item >= items {
            return Err(StoreError::BadRecord("names a user or an item that is not in the catalogue"));
        }
        // SQLite would store a NaN as "no time".
        if record.timestamp.is_some_and(|t| !t.is_finite()) {
            return Err(StoreError::BadRecord("has a timestamp that is not a finite number"));
        }
    }
    // In the order of the key, so that pages fill one after the other.
    let mut records = records.to_vec();
    records.sort_unstable_by_key(|r| (r.user, r.item));
    let mut changed = 0;
    let full = statement(CHUNK);
    for chunk in records.chunks(CHUNK) {
        let sql = if chunk.len() == CHUNK { full.clone() } else { statement(chunk.len()) };
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == CHUNK);
        for record in chunk {
            query = query
                .bind(i64::from(record.user))
                .bind(i64::from(record.item))
                .bind(record.timestamp)
                .bind(keyed_id(record).to_vec());
        }
        changed += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(changed)
}

fn statement(rows: usize) -> String {
    // Unnamed places: SQLite looks names like `$7` up one by one, which over
    // thousands of them costs more than the insertion.
    let values = vec!["(?, ?, ?, ?)"; rows].join(", ");
    // A missing time orders as 0, as in `Interactions::new`.
    format!(
        "INSERT INTO interactions (user_index, item_index, timestamp, keyed_id) VALUES {values} \
         ON CONFLICT (user_index, item_index) DO UPDATE SET timestamp = excluded.timestamp \
         WHERE coalesce(excluded.timestamp, 0) < coalesce(interactions.timestamp, 0)"
    )
}

/// Deletes records. Returns how many there were.
pub(super) async fn delete(connection: &mut SqliteConnection, records: &[(u32, u32)]) -> Result<u64> {
    let mut removed = 0;
    for &(user, item) in records {
        removed += sqlx::query("DELETE FROM interactions WHERE user_index = $1 AND item_index = $2")
            .bind(i64::from(user))
            .bind(i64::from(item))
            .execute(&mut *connection)
            .await?
            .rows_affected();
    }
    Ok(removed)
}

/// Every record, by user and item.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Interaction>> {
    let records =
        sqlx::query("SELECT user_index, item_index, timestamp FROM interactions ORDER BY user_index, item_index")
            .try_map(|row: SqliteRow| {
                Ok(Interaction { user: row.try_get(0)?, item: row.try_get(1)?, timestamp: row.try_get(2)? })
            })
            .fetch_all(connection)
            .await?;
    Ok(records)
}

/// How many records there are.
pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM interactions").fetch_one(connection).await?;
    Ok(count as u64)
}
