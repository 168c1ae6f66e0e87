//! What survives in a state when other data replace its own: everything but the data
//! and what was learned from them.

use std::path::Path;

use super::database::{Db, Driver, on};
use super::error::{Result, StoreError};
use super::schema::{DATABASE, set_meta};
use super::{Forgotten, forgotten, items_down};

/// Key of the value that says that the data were replaced. Indices in the catalogue
/// then differ from those in earlier backups.
pub(super) const REPLACED: &str = "replaced";

/// Tables that belong to the data.
const DATA: [&str; 7] = ["catalog", "people", "interactions", "models", "shards", "uploads", "migrations"];

/// Keys of values that belong to the data or are set anew.
const VALUES: &str = "('settings', 'catalog', 'catalog-pending', 'trained', 'erasure-pending', 'note:tuning-key', \
                      'items-down')";

/// What survives.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// How many marks of forgotten names the data were screened with.
    pub screened: usize,
    /// The marks that stay, without those that were lifted.
    pub forgotten: Forgotten,
    /// Indices in the new catalogue of items that stay down.
    pub down: Vec<u32>,
    /// Files of the directory, with their contents.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Attaches the database of the replaced state, so that its tables can be read. Not
/// within a transaction.
pub(super) async fn attach(db: &mut Db, old: &Path) -> Result<()> {
    let path = old.join(DATABASE).to_string_lossy().into_owned();
    if let Driver::Sqlite(connection) = &mut db.driver {
        sqlx::query("ATTACH DATABASE ? AS old").bind(path).execute(connection).await?;
    }
    Ok(())
}

/// Copies what survives. Part of the creating transaction, before any of the new data
/// are written.
pub(super) async fn carry_over(db: &mut Db, kept: &Kept) -> Result<()> {
    if let Driver::Sqlite(connection) = &mut db.driver {
        let sql = "SELECT name FROM old.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
        for table in tables.iter().filter(|name| *name != "meta" && !DATA.contains(&name.as_str())) {
            let sql = format!("INSERT INTO main.\"{table}\" SELECT * FROM old.\"{table}\"");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await?;
        }
        let sql = format!("INSERT OR REPLACE INTO main.meta SELECT * FROM old.meta WHERE key NOT IN {VALUES}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *connection).await?;
    } else {
        let sql = format!("DELETE FROM meta WHERE key IN {VALUES}");
        on!(db, c => sqlx::query(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    }
    // Otherwise names that were forgotten since the screening would come back.
    if forgotten::all(db).await?.len() != kept.screened {
        return Err(StoreError::Moved);
    }
    forgotten::set(db, &kept.forgotten).await?;
    items_down::add(db, &kept.down).await?;
    set_meta(db, REPLACED, "1").await
}
