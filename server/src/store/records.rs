//! The interaction records: which user did what with which item.

use std::borrow::Cow;

use eemu_core::data::Interaction;
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, FromRow, Row, Type};

use super::database::{Db, Driver, on};
use super::error::{Result, StoreError};

/// Computes the 16-byte keyed identifier stored beside a record: a keyed hash of its
/// external identifiers, and of nothing else.
pub type KeyedId<'a> = &'a dyn Fn(&Interaction) -> [u8; 16];

/// Records per statement. More than a few hundred gain nothing.
pub(super) const CHUNK: usize = 500;

/// Stores records. Of two with the same (user, item) the latest stays, in whatever
/// order they are given (`core::data::Duplicates`). Returns how many rows were added or
/// changed.
pub(super) async fn insert(
    db: &mut Db,
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
    db.records_moved();
    // In the order of the key, so that pages fill one after the other.
    let mut records = Cow::Borrowed(records);
    if !records.is_sorted_by_key(|r| (r.user, r.item)) {
        records.to_mut().sort_unstable_by_key(|r| (r.user, r.item));
    }
    let mut changed = 0;
    let numbered = db.is_shared();
    let full = statement(CHUNK, numbered);
    for chunk in records.chunks(CHUNK) {
        let sql = if chunk.len() == CHUNK { full.clone() } else { statement(chunk.len(), numbered) };
        changed += on!(db, c => {
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == CHUNK);
            for record in chunk {
                query = query
                    .bind(i64::from(record.user))
                    .bind(i64::from(record.item))
                    .bind(record.timestamp)
                    .bind(keyed_id(record).to_vec());
            }
            query.execute(c).await?.rows_affected()
        });
    }
    Ok(changed)
}

fn statement(rows: usize, numbered: bool) -> String {
    // SQLite gets unnumbered parameters (`?`). It looks numbered ones such as `$7` up one
    // by one, which for thousands of them costs more than the insertion. PostgreSQL has
    // only numbered ones.
    let row = |row: usize| {
        let place = |column| if numbered { format!("${}", row * 4 + column) } else { "?".to_owned() };
        format!("({}, {}, {}, {})", place(1), place(2), place(3), place(4))
    };
    let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    let (into, key) = if numbered {
        // Each record to the partition of its person. The types of the first
        // row are those of all.
        let values =
            values.replacen("($1, $2, $3, $4)", "($1::bigint, $2::bigint, $3::double precision, $4::bytea)", 1);
        let of = "SELECT people.part, user_index, item_index, timestamp, keyed_id FROM";
        let columns = "AS given (user_index, item_index, timestamp, keyed_id)";
        let into = format!(
            "(part, user_index, item_index, timestamp, keyed_id) {of} (VALUES {values}) {columns} \
             JOIN people USING (user_index)"
        );
        (into, "user_index, item_index, part")
    } else {
        (format!("(user_index, item_index, timestamp, keyed_id) VALUES {values}"), "user_index, item_index")
    };
    // A missing time orders as 0, as in `Interactions::new`.
    format!(
        "INSERT INTO interactions {into} ON CONFLICT ({key}) DO UPDATE SET timestamp = excluded.timestamp \
         WHERE coalesce(excluded.timestamp, 0) > coalesce(interactions.timestamp, 0) \
         OR (interactions.timestamp IS NULL AND excluded.timestamp = 0)"
    )
}

/// Deletes records. Returns how many there were.
pub(super) async fn delete(db: &mut Db, records: &[(u32, u32)]) -> Result<u64> {
    let mut removed = 0;
    let sql = format!("DELETE FROM interactions WHERE user_index = $1 AND item_index = $2{}", of_their_part(db));
    for &(user, item) in records {
        let (user, item) = (i64::from(user), i64::from(item));
        let sql = AssertSqlSafe(sql.clone());
        removed += on!(db, c => sqlx::query(sql).bind(user).bind(item).execute(c).await?.rows_affected());
    }
    if removed > 0 {
        db.something_deleted();
    }
    Ok(removed)
}

/// In PostgreSQL a condition that leaves the one partition of the person $1.
fn of_their_part(db: &Db) -> &'static str {
    if db.is_shared() { " AND part = (SELECT part FROM people WHERE user_index = $1)" } else { "" }
}

/// The partitions in which some people's records are, as a condition;
/// everything in SQLite, which has none.
async fn of_parts(db: &mut Db, users: &[u32]) -> Result<String> {
    let users: Vec<i64> = users.iter().map(|user| i64::from(*user)).collect();
    let Driver::Postgres(connection) = &mut db.driver else { return Ok(String::new()) };
    let sql = "SELECT DISTINCT part FROM people WHERE user_index = ANY($1) ORDER BY part";
    let parts: Vec<i64> = sqlx::query_scalar(sql).bind(users).fetch_all(connection).await?;
    let parts = parts.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    Ok(if parts.is_empty() { " AND false".to_owned() } else { format!(" AND part IN ({parts})") })
}

/// Makes the partitions of so many shards, where there are none. Whoever lies
/// in no such shard has records in the partition of the rest.
pub(super) async fn make_parts(db: &mut Db, shards: u32) -> Result<()> {
    let Driver::Postgres(connection) = &mut db.driver else { return Ok(()) };
    for part in 0..shards {
        let sql =
            format!("CREATE TABLE IF NOT EXISTS interactions_{part} PARTITION OF interactions FOR VALUES IN ({part})");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A row, of whichever database.
struct Stored(Interaction);

impl<'r, R: Row> FromRow<'r, R> for Stored
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Option<f64>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let (user, item): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Self(Interaction { user: user as u32, item: item as u32, timestamp: row.try_get(2)? }))
    }
}

/// Every record, by user and item.
pub(super) async fn all(db: &mut Db) -> Result<Vec<Interaction>> {
    let sql = "SELECT user_index, item_index, timestamp FROM interactions ORDER BY user_index, item_index";
    let records: Vec<Stored> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    Ok(records.into_iter().map(|stored| stored.0).collect())
}

/// One user's records, by item.
pub(super) async fn of(db: &mut Db, user: u32) -> Result<Vec<Interaction>> {
    let sql = format!(
        "SELECT user_index, item_index, timestamp FROM interactions WHERE user_index = $1{} ORDER BY item_index",
        of_their_part(db)
    );
    let user = i64::from(user);
    let records: Vec<Stored> = on!(db, c => sqlx::query_as(AssertSqlSafe(sql)).bind(user).fetch_all(c).await?);
    Ok(records.into_iter().map(|stored| stored.0).collect())
}

/// All records of some users, at most [`CHUNK`], by user and item.
pub(super) async fn of_people(db: &mut Db, users: &[u32]) -> Result<Vec<Interaction>> {
    let numbered = db.is_shared();
    let place = |place: usize| if numbered { format!("${}", place + 1) } else { "?".to_owned() };
    let places = (0..users.len()).map(place).collect::<Vec<_>>().join(", ");
    let parts = of_parts(db, users).await?;
    let sql = format!(
        "SELECT user_index, item_index, timestamp FROM interactions WHERE user_index IN ({places}){parts} \
         ORDER BY user_index, item_index"
    );
    let rows: Vec<Stored> = on!(db, c => {
        let mut query = sqlx::query_as(AssertSqlSafe(sql)).persistent(users.len() == CHUNK || users.len() == 1);
        for user in users {
            query = query.bind(i64::from(*user));
        }
        query.fetch_all(c).await?
    });
    Ok(rows.into_iter().map(|stored| stored.0).collect())
}

/// All records of one item, by user. Uses the index by item.
pub(super) async fn with_item(db: &mut Db, item: u32) -> Result<Vec<Interaction>> {
    let sql = "SELECT user_index, item_index, timestamp FROM interactions WHERE item_index = $1 ORDER BY user_index";
    let item = i64::from(item);
    let records: Vec<Stored> = on!(db, c => sqlx::query_as(sql).bind(item).fetch_all(c).await?);
    Ok(records.into_iter().map(|stored| stored.0).collect())
}

/// Users whose records are read per query when the records of all users are read.
pub(super) const PEOPLE: u32 = 2000;

/// The records of a range of users, by user and item.
pub(super) async fn of_range(db: &mut Db, users: std::ops::Range<u32>) -> Result<Vec<Interaction>> {
    let sql = "SELECT user_index, item_index, timestamp FROM interactions WHERE user_index >= $1 AND user_index < $2 \
               ORDER BY user_index, item_index";
    let (first, end) = (i64::from(users.start), i64::from(users.end));
    let rows: Vec<Stored> = on!(db, c => sqlx::query_as(sql).bind(first).bind(end).fetch_all(c).await?);
    Ok(rows.into_iter().map(|stored| stored.0).collect())
}

const ITEM_INDEX: &str = "interactions_of_item";

/// Call before very many records are stored: drops the index by item, which is faster
/// to build at once.
pub(super) async fn begin_many(db: &mut Db) -> Result<()> {
    let sql = AssertSqlSafe(format!("DROP INDEX IF EXISTS {ITEM_INDEX}"));
    Ok(on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?)
}

/// Call after the records that [`begin_many`] prepared for: builds the index again.
pub(super) async fn end_many(db: &mut Db) -> Result<()> {
    let sql = AssertSqlSafe(format!("CREATE INDEX {ITEM_INDEX} ON interactions (item_index)"));
    Ok(on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?)
}

/// How many records there are.
pub(super) async fn count(db: &mut Db) -> Result<u64> {
    let sql = "SELECT count(*) FROM interactions";
    let count: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(count as u64)
}
