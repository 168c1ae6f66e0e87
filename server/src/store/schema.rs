//! The database: how it is opened, what is in it, and its format version.
//!
//! SQL stays within what PostgreSQL understands too, apart from the table
//! options and what [`super::erase`] does.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::error::{Result, StoreError};

/// Name of the database inside a state directory.
pub(super) const DATABASE: &str = "eemu.sqlite";

/// Key of the settings in the `meta` table.
pub(super) const SETTINGS: &str = "settings";

/// How transactions that write begin: they take their place at once instead
/// of failing half way when two meet.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Format versions in order. A released one is never edited; the last is the
/// format that this program writes.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE interactions (
        user_index INTEGER NOT NULL,
        item_index INTEGER NOT NULL,
        timestamp REAL,
        keyed_id BLOB NOT NULL CHECK (length(keyed_id) = 16),
        PRIMARY KEY (user_index, item_index)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE shards (
        shard INTEGER PRIMARY KEY,
        version INTEGER NOT NULL,
        stale INTEGER NOT NULL CHECK (stale IN (0, 1))
    ) STRICT;
    CREATE TABLE models (
        shard INTEGER PRIMARY KEY REFERENCES shards (shard),
        version INTEGER NOT NULL,
        model_blake3 TEXT NOT NULL,
        shared_file TEXT NOT NULL,
        user_rows_file TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        nonce BLOB NOT NULL CHECK (length(nonce) = 32),
        salt BLOB NOT NULL CHECK (length(salt) = 32),
        input_hash BLOB NOT NULL CHECK (length(input_hash) = 32),
        seconds REAL NOT NULL,
        epochs INTEGER NOT NULL,
        losses TEXT NOT NULL
    ) STRICT;
    CREATE TABLE receipts (id INTEGER PRIMARY KEY, receipt TEXT NOT NULL) STRICT;
",
    "
    CREATE TABLE requests (
        id_hash BLOB PRIMARY KEY CHECK (length(id_hash) = 32),
        owner BLOB CHECK (length(owner) = 32),
        removed INTEGER NOT NULL,
        shards TEXT NOT NULL,
        created REAL NOT NULL,
        receipt INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE backups (id TEXT PRIMARY KEY, created REAL NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE tombstones (
        hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// Opens the database of a state for writing (made if missing) or reading.
pub(super) async fn connect(dir: &Path, write: bool) -> Result<SqliteConnection> {
    let mut options = SqliteConnectOptions::new()
        .filename(dir.join(DATABASE))
        .create_if_missing(write)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .row_buffer_size(4096)
        // Statements carry no values, but a log needs none of them either.
        .disable_statement_logging();
    options = if write {
        // WAL, so that readers and the writer do not wait for each other.
        // What it costs erasure (old pages live on in the log) `erase` pays.
        // FULL: what is acknowledged survives a power cut.
        options.pragma("secure_delete", "ON").journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
    } else {
        options.pragma("query_only", "ON")
    };
    Ok(options.connect().await?)
}

/// Brings the database to the newest of `migrations`, or refuses.
pub(super) async fn migrate(connection: &mut SqliteConnection, migrations: &[&'static str], write: bool) -> Result<()> {
    let supported = migrations.len() as i64;
    let found = format(connection).await?;
    if found > supported {
        return Err(StoreError::NewerFormat { found, supported });
    }
    if found < supported && !write {
        return Err(StoreError::OlderFormat { found, supported });
    }
    for (version, sql) in (1..).zip(migrations).skip(found as usize) {
        let mut transaction = connection.begin_with(BEGIN).await?;
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY) STRICT")
            .execute(&mut *transaction)
            .await?;
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO migrations (version) VALUES ($1)").bind(version).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}

async fn format(connection: &mut SqliteConnection) -> Result<i64> {
    let table: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'")
        .fetch_one(&mut *connection)
        .await?;
    if table == 0 {
        return Ok(0);
    }
    Ok(sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM migrations").fetch_one(connection).await?)
}

/// A value of the `meta` table.
pub(super) async fn meta(connection: &mut SqliteConnection, key: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar("SELECT value FROM meta WHERE key = $1").bind(key).fetch_optional(connection).await?)
}

/// Sets a value of the `meta` table.
pub(super) async fn set_meta(connection: &mut SqliteConnection, key: &str, value: &str) -> Result<()> {
    sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(key)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a value of the `meta` table.
pub(super) async fn clear_meta(connection: &mut SqliteConnection, key: &str) -> Result<()> {
    sqlx::query("DELETE FROM meta WHERE key = $1").bind(key).execute(connection).await?;
    Ok(())
}

/// The next number of the state-wide counter. It only rises, so no shard
/// ever has the same version twice.
pub(super) async fn next_version(connection: &mut SqliteConnection) -> Result<i64> {
    let last: i64 = match meta(connection, "version").await? {
        Some(text) => text.parse().map_err(|_| StoreError::DamagedRow(format!("the version counter '{text}'")))?,
        None => 0,
    };
    set_meta(connection, "version", &(last + 1).to_string()).await?;
    Ok(last + 1)
}
