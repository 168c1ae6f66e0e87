//! The database's schema and format version, and how the database is opened.
//!
//! Statements are written once for SQLite and PostgreSQL ([`super::database`]). Only
//! the tables are declared twice, once in each dialect.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use super::database::{Db, Driver, on};
use super::error::{IoContext, Result, StoreError};
use super::location::DatabaseUrl;
use super::private;

/// Name of the database inside a state directory.
pub(super) const DATABASE: &str = "eemu.sqlite";

/// Key of the settings in the `meta` table.
pub(super) const SETTINGS: &str = "settings";

/// The migrations of SQLite in order. A released one is never edited. The number of the
/// last is the format that this program writes.
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
    "
    CREATE TABLE people (
        user_index INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        deleted INTEGER NOT NULL CHECK (deleted IN (0, 1))
    ) STRICT;
    ALTER TABLE requests ADD COLUMN overwritten REAL;
    ALTER TABLE requests ADD COLUMN compacted REAL;
    CREATE INDEX requests_not_compacted ON requests (id_hash) WHERE compacted IS NULL;
    CREATE INDEX requests_open ON requests (id_hash) WHERE receipt IS NULL;
",
    "
    ALTER TABLE requests ADD COLUMN carried_out REAL;
    ALTER TABLE requests ADD COLUMN asked TEXT;
    CREATE TABLE deferred (
        id_hash BLOB PRIMARY KEY CHECK (length(id_hash) = 32),
        asked REAL NOT NULL,
        due REAL NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        token TEXT NOT NULL,
        scope TEXT NOT NULL,
        kind TEXT NOT NULL,
        status INTEGER NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE models ADD COLUMN catalog INTEGER;
    CREATE INDEX interactions_of_item ON interactions (item_index);
",
];

/// The migrations of PostgreSQL in order, with their own numbers. All tables are in the
/// schema `eemu`, so a database holds one state.
pub(super) const MIGRATIONS_POSTGRES: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE catalog (name TEXT PRIMARY KEY, body BYTEA NOT NULL);
    CREATE TABLE interactions (
        user_index BIGINT NOT NULL,
        item_index BIGINT NOT NULL,
        timestamp DOUBLE PRECISION,
        keyed_id BYTEA NOT NULL CHECK (length(keyed_id) = 16),
        PRIMARY KEY (user_index, item_index)
    );
    CREATE TABLE shards (
        shard BIGINT PRIMARY KEY,
        version BIGINT NOT NULL,
        stale BIGINT NOT NULL CHECK (stale IN (0, 1))
    );
    CREATE TABLE models (
        shard BIGINT PRIMARY KEY REFERENCES shards (shard),
        version BIGINT NOT NULL,
        model_blake3 TEXT NOT NULL,
        shared_file TEXT NOT NULL,
        user_rows_file TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        nonce BYTEA NOT NULL CHECK (length(nonce) = 32),
        salt BYTEA NOT NULL CHECK (length(salt) = 32),
        input_hash BYTEA NOT NULL CHECK (length(input_hash) = 32),
        seconds DOUBLE PRECISION NOT NULL,
        epochs BIGINT NOT NULL,
        losses TEXT NOT NULL
    );
    CREATE TABLE uploads (shard BIGINT PRIMARY KEY, shared_file TEXT NOT NULL, user_rows_file TEXT NOT NULL);
    CREATE TABLE receipts (id BIGINT PRIMARY KEY, receipt TEXT NOT NULL);
    CREATE TABLE requests (
        id_hash BYTEA PRIMARY KEY CHECK (length(id_hash) = 32),
        owner BYTEA CHECK (length(owner) = 32),
        removed BIGINT NOT NULL,
        shards TEXT NOT NULL,
        created DOUBLE PRECISION NOT NULL,
        receipt BIGINT
    );
    CREATE TABLE backups (id TEXT PRIMARY KEY, created DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION NOT NULL);
    CREATE TABLE tombstones (
        hash BYTEA PRIMARY KEY CHECK (length(hash) = 32),
        created DOUBLE PRECISION NOT NULL
    );
",
    "
    CREATE TABLE people (
        user_index BIGINT PRIMARY KEY,
        id BYTEA NOT NULL,
        deleted BIGINT NOT NULL CHECK (deleted IN (0, 1))
    );
    ALTER TABLE requests ADD COLUMN overwritten DOUBLE PRECISION;
    ALTER TABLE requests ADD COLUMN compacted DOUBLE PRECISION;
    CREATE INDEX requests_open ON requests (id_hash) WHERE receipt IS NULL;
",
    "
    ALTER TABLE requests ADD COLUMN carried_out DOUBLE PRECISION;
    ALTER TABLE requests ADD COLUMN asked TEXT;
    CREATE TABLE deferred (
        id_hash BYTEA PRIMARY KEY CHECK (length(id_hash) = 32),
        asked DOUBLE PRECISION NOT NULL,
        due DOUBLE PRECISION NOT NULL,
        sealed BYTEA NOT NULL
    );
    CREATE TABLE audit (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at DOUBLE PRECISION NOT NULL,
        token TEXT NOT NULL,
        scope TEXT NOT NULL,
        kind TEXT NOT NULL,
        status BIGINT NOT NULL
    );
",
    "
    ALTER TABLE models ADD COLUMN catalog BIGINT;
    CREATE INDEX interactions_of_item ON interactions (item_index);
",
    "
    ALTER TABLE people ADD COLUMN part BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE interactions RENAME TO interactions_whole;
    ALTER TABLE interactions_whole RENAME CONSTRAINT interactions_pkey TO interactions_whole_pkey;
    DROP INDEX interactions_of_item;
    CREATE TABLE interactions (
        part BIGINT NOT NULL,
        user_index BIGINT NOT NULL,
        item_index BIGINT NOT NULL,
        timestamp DOUBLE PRECISION,
        keyed_id BYTEA NOT NULL CHECK (length(keyed_id) = 16),
        PRIMARY KEY (user_index, item_index, part)
    ) PARTITION BY LIST (part);
    CREATE TABLE interactions_rest PARTITION OF interactions DEFAULT;
    INSERT INTO interactions SELECT 0, user_index, item_index, timestamp, keyed_id FROM interactions_whole;
    DROP TABLE interactions_whole;
    CREATE INDEX interactions_of_item ON interactions (item_index);
",
];

/// Opens the database of a state for writing (made if missing) or reading.
pub(super) async fn connect(dir: &Path, database: Option<&DatabaseUrl>, write: bool) -> Result<Db> {
    Ok(match database {
        None => Db::new(Driver::Sqlite(sqlite(dir, write).await?)),
        Some(url) => postgres(url, write).await?,
    })
}

/// Longest wait of one statement for another process.
pub(super) const BUSY: Duration = Duration::from_secs(10);

async fn sqlite(dir: &Path, write: bool) -> Result<SqliteConnection> {
    // The log file gets the same permissions as the database. This is done only for a new
    // database: closing an existing one would release the locks that this process may hold
    // on it.
    if write && !dir.join(DATABASE).exists() {
        private::open(&dir.join(DATABASE)).context("open", &dir.join(DATABASE))?;
    }
    let mut options = SqliteConnectOptions::new()
        .filename(dir.join(DATABASE))
        .create_if_missing(write)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .row_buffer_size(4096)
        // Statements contain no values, but a log needs no statements either.
        .disable_statement_logging();
    options = if write {
        // WAL, so that readers and the writer do not wait for each other. The old pages that
        // it keeps in its log are truncated by `erase`. FULL, so that committed changes
        // survive a power cut.
        options.pragma("secure_delete", "ON").journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
    } else {
        options.pragma("query_only", "ON")
    };
    Ok(options.connect().await?)
}

/// Session settings of PostgreSQL, among them the longest wait for another writer;
/// beyond it the statement fails.
const POSTGRES: &str = "SET search_path TO eemu; SET lock_timeout TO '60s'; SET synchronous_commit TO on";

/// Parses an address without connecting.
pub(super) fn address(url: &DatabaseUrl) -> Result<PgConnectOptions> {
    if !url.0.starts_with("postgres://") && !url.0.starts_with("postgresql://") {
        return Err(StoreError::BadDatabase("it is no postgres:// address".into()));
    }
    url.0.parse().map_err(|e: sqlx::Error| StoreError::BadDatabase(e.to_string()))
}

async fn postgres(url: &DatabaseUrl, write: bool) -> Result<Db> {
    let options = address(url)?;
    let options = options.application_name("eemu").disable_statement_logging();
    let connection = tokio::time::timeout(Duration::from_secs(30), options.connect()).await;
    let connection = connection.map_err(|_| StoreError::BadDatabase("it did not answer within 30 s".into()))?;
    let mut db = Db::new(Driver::Postgres(connection.map_err(|e| StoreError::BadDatabase(e.to_string()))?));
    on!(db, c => sqlx::raw_sql(POSTGRES).execute(c).await.map(drop))?;
    if !write {
        let read = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
        on!(db, c => sqlx::raw_sql(read).execute(c).await.map(drop))?;
    }
    Ok(db)
}

/// Refuses a PostgreSQL database without a state.
pub(super) async fn hold(db: &mut Db) -> Result<()> {
    if db.is_shared() && format(db).await? == 0 {
        return Err(StoreError::BadDatabase("it holds no state; make one with `eemu import`".into()));
    }
    Ok(())
}

/// Migrates the database to the newest format, or refuses.
pub(super) async fn migrate(db: &mut Db, write: bool) -> Result<()> {
    let migrations = if db.is_shared() { MIGRATIONS_POSTGRES } else { MIGRATIONS };
    migrate_to(db, migrations, write).await
}

/// Migrates the database to the last of `migrations`, or refuses.
pub(super) async fn migrate_to(db: &mut Db, migrations: &[&'static str], write: bool) -> Result<()> {
    let supported = migrations.len() as i64;
    let found = format(db).await?;
    if found > supported {
        return Err(StoreError::NewerFormat { found, supported });
    }
    if found < supported && !write {
        return Err(StoreError::OlderFormat { found, supported });
    }
    if found < supported {
        // When two processes migrate at once, the second waits and finds it done.
        let begin = match db.driver {
            Driver::Sqlite(_) => {
                "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY) STRICT"
            }
            Driver::Postgres(_) => {
                "BEGIN; SELECT pg_advisory_xact_lock(7310315301); CREATE SCHEMA IF NOT EXISTS eemu; \
                 CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY)"
            }
        };
        let done = async {
            on!(db, c => sqlx::raw_sql(begin).execute(c).await.map(drop))?;
            let found = format(db).await?;
            for (version, sql) in (1i64..).zip(migrations).skip(found as usize) {
                on!(db, c => sqlx::raw_sql(*sql).execute(c).await.map(drop))?;
                let note = "INSERT INTO migrations (version) VALUES ($1)";
                on!(db, c => sqlx::query(note).bind(version).execute(c).await.map(drop))?;
            }
            Ok::<_, StoreError>(())
        };
        let done = done.await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = on!(db, c => sqlx::raw_sql(end).execute(c).await.map(drop));
        done?;
        ended?;
    }
    Ok(())
}

/// The format of the database; 0 when it is empty.
pub(super) async fn format(db: &mut Db) -> Result<i64> {
    let table = match db.driver {
        Driver::Sqlite(_) => "SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'",
        Driver::Postgres(_) => {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'eemu' AND table_name = 'migrations'"
        }
    };
    let table: i64 = on!(db, c => sqlx::query_scalar(table).fetch_one(c).await?);
    if table == 0 {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM migrations";
    Ok(on!(db, c => sqlx::query_scalar(newest).fetch_one(c).await?))
}

/// A value of the `meta` table.
pub(super) async fn meta(db: &mut Db, key: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM meta WHERE key = $1";
    Ok(on!(db, c => sqlx::query_scalar(sql).bind(key).fetch_optional(c).await?))
}

/// Sets a value of the `meta` table.
pub(super) async fn set_meta(db: &mut Db, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    on!(db, c => sqlx::query(sql).bind(key).bind(value).execute(c).await.map(drop))?;
    Ok(())
}

/// Removes a value of the `meta` table.
pub(super) async fn clear_meta(db: &mut Db, key: &str) -> Result<()> {
    let sql = "DELETE FROM meta WHERE key = $1";
    on!(db, c => sqlx::query(sql).bind(key).execute(c).await.map(drop))?;
    Ok(())
}

/// The next number of the state-wide counter. It only rises, so no shard ever has the
/// same version twice.
pub(super) async fn next_version(db: &mut Db) -> Result<i64> {
    let last: i64 = match meta(db, "version").await? {
        Some(text) => text.parse().map_err(|_| StoreError::DamagedRow(format!("the version counter '{text}'")))?,
        None => 0,
    };
    set_meta(db, "version", &(last + 1).to_string()).await?;
    Ok(last + 1)
}
