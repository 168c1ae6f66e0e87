//! The users: one row each, in the order of their indices.
//!
//! Their identifiers are not in the catalogue, so that adding or deleting one user
//! rewrites nothing else. A deleted account keeps its row, so that the indices of other
//! users stay; its identifier is a random label.

use eemu_core::data::Entities;
use sqlx::AssertSqlSafe;

use super::database::{Db, on};
use super::error::{Result, StoreError};

/// Users per statement.
const CHUNK: usize = 500;

/// All identifiers, and the indices of deleted accounts.
#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) ids: Vec<String>,
    pub(super) deleted: Vec<u32>,
}

/// Every user, by index.
pub(super) async fn all(db: &mut Db) -> Result<People> {
    let sql = "SELECT user_index, id, deleted FROM people ORDER BY user_index";
    let rows: Vec<(i64, Vec<u8>, i64)> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    let mut people = People { ids: Vec::with_capacity(rows.len()), deleted: Vec::new() };
    for (place, (index, id, deleted)) in (0i64..).zip(rows) {
        let id = String::from_utf8(id).ok().filter(|_| place == index);
        people.ids.push(id.ok_or_else(|| StoreError::DamagedRow("an unreadable person".into()))?);
        if deleted != 0 {
            people.deleted.push(place as u32);
        }
    }
    Ok(people)
}

/// How many rows there are, deleted accounts among them.
pub(super) async fn count(db: &mut Db) -> Result<u32> {
    let sql = "SELECT coalesce(max(user_index) + 1, 0) FROM people";
    let count: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(count as u32)
}

/// Gives the partition of a person's records, by identifier: their shard when
/// they came. It stays with the person: nothing else depends on it, so that a
/// change of the number of shards or of the seed moves no row.
pub type PartOf<'a> = &'a dyn Fn(&str) -> u32;

/// Adds people behind those that are there. Part of a transaction.
pub(super) async fn append<'a>(
    db: &mut Db,
    ids: impl Iterator<Item = &'a String>,
    part_of: Option<PartOf<'_>>,
) -> Result<()> {
    let mut next = count(db).await?;
    let (ids, numbered): (Vec<&String>, bool) = (ids.collect(), db.is_shared());
    for chunk in ids.chunks(CHUNK) {
        let row = |row: usize| match numbered {
            true => format!("(${}, ${}, 0, ${})", row * 3 + 1, row * 3 + 2, row * 3 + 3),
            false => "(?, ?, 0)".to_owned(),
        };
        let rows = (0..chunk.len()).map(row).collect::<Vec<_>>().join(", ");
        let part = if numbered { ", part" } else { "" };
        let sql = format!("INSERT INTO people (user_index, id, deleted{part}) VALUES {rows}");
        on!(db, c => {
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == CHUNK);
            for (index, id) in (next..).zip(chunk) {
                query = query.bind(i64::from(index)).bind(id.as_bytes());
                if numbered {
                    query = query.bind(part_of.map_or(0, |part_of| i64::from(part_of(id))));
                }
            }
            query.execute(c).await.map(drop)
        })?;
        next += chunk.len() as u32;
    }
    Ok(())
}

/// Overwrites one user's row. Part of a transaction.
pub(super) async fn set(db: &mut Db, user: u32, id: &str, deleted: bool) -> Result<()> {
    let sql = "UPDATE people SET id = $1, deleted = $2 WHERE user_index = $3";
    let (deleted, user) = (i64::from(deleted), i64::from(user));
    on!(db, c => sqlx::query(sql).bind(id.as_bytes()).bind(deleted).bind(user).execute(c).await.map(drop))?;
    Ok(())
}

/// Brings the table to what a catalogue says of everybody. Part of a
/// transaction.
pub(super) async fn sync(db: &mut Db, users: &Entities, part_of: Option<PartOf<'_>>) -> Result<()> {
    let known = all(db).await?;
    let was_deleted = |user: u32| known.deleted.binary_search(&user).is_ok();
    for ((user, id), had) in (0..).zip(&users.ids).zip(&known.ids) {
        if id != had || users.is_deleted(user) != was_deleted(user) {
            set(db, user, id, users.is_deleted(user)).await?;
        }
    }
    append(db, users.ids.iter().skip(known.ids.len()), part_of).await?;
    for user in users.deleted().filter(|user| *user as usize >= known.ids.len()) {
        set(db, user, &users.ids[user as usize], true).await?;
    }
    Ok(())
}
