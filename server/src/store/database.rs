//! The two databases that a state may be in, and one way to use both.
//!
//! [`on!`] writes a statement once for SQLite and PostgreSQL. [`transaction`] is the
//! only way to change anything. Transactions that write to one database run one after
//! the other: under SQLite's own lock, or under a lock on the `meta` table, which
//! PostgreSQL releases when its holder dies.

use sqlx::{PgConnection, SqliteConnection};

use super::error::{Result, StoreError};
use super::schema::{meta, set_meta};

/// An open connection.
#[derive(Debug)]
pub(super) struct Db {
    pub(super) driver: Driver,
    /// Whether a transaction was begun and not ended, because of a panic.
    open: bool,
    /// Which counts the present transaction raises.
    moved: Moved,
}

/// The connection itself.
#[derive(Debug)]
pub(super) enum Driver {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(Debug, Default)]
struct Moved {
    records: bool,
    deletions: bool,
    nothing: bool,
}

/// Evaluates an expression with the connection, whichever it is.
macro_rules! on {
    ($db:expr, $connection:ident => $work:expr) => {
        match &mut $db.driver {
            crate::store::database::Driver::Sqlite($connection) => $work,
            crate::store::database::Driver::Postgres($connection) => $work,
        }
    };
}
pub(super) use on;

/// The version of a state, as three counts that only rise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of transactions.
    pub changes: u64,
    /// Number of changes of records or catalogue, which are what models are trained on.
    pub records: u64,
    /// Number of changes after which no earlier recommendation may be served.
    pub deletions: u64,
}

const HEAD: &str = "head";

/// Reads the version of the state.
pub(super) async fn head(db: &mut Db) -> Result<Head> {
    // A state that was never changed has no row.
    let Some(text) = meta(db, HEAD).await? else { return Ok(Head::default()) };
    let counts: Option<Vec<u64>> = text.split(' ').map(|count| count.parse().ok()).collect();
    // Earlier versions of the program wrote fewer counts.
    match counts.as_deref() {
        Some([changes, rest @ ..]) if rest.len() < 3 => {
            let at = |place: usize| rest.get(place).copied().unwrap_or(0);
            Ok(Head { changes: *changes, records: at(0), deletions: at(1) })
        }
        _ => Err(StoreError::DamagedRow(format!("the count of changes '{text}'"))),
    }
}

impl Db {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver, open: false, moved: Moved::default() }
    }

    /// Whether other processes may write to this database too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.driver, Driver::Postgres(_))
    }

    /// Records that the present transaction changes what models are trained on.
    pub(super) fn records_moved(&mut self) {
        self.moved.records = true;
    }

    /// Records that after the present transaction no earlier recommendation may be served.
    pub(super) fn something_deleted(&mut self) {
        self.moved = Moved { records: true, deletions: true, nothing: false };
    }

    /// Records that the present transaction changed nothing.
    pub(super) fn nothing_changed(&mut self) {
        self.moved.nothing = true;
    }

    async fn begin(&mut self) -> Result<()> {
        self.settle().await?;
        let begin = match self.driver {
            // Takes the write lock at once, so that two transactions that meet do not fail half
            // way.
            Driver::Sqlite(_) => "BEGIN IMMEDIATE",
            // Readers continue; other writers wait here.
            Driver::Postgres(_) => "BEGIN; LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE",
        };
        self.open = true;
        self.moved = Moved::default();
        on!(self, c => sqlx::raw_sql(begin).execute(c).await.map(drop))?;
        Ok(())
    }

    async fn end(&mut self, statement: &'static str) -> Result<()> {
        on!(self, c => sqlx::raw_sql(statement).execute(c).await.map(drop))?;
        self.open = false;
        Ok(())
    }

    /// Rolls back a transaction that a panic left open.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.open {
            // The transaction may have failed to begin; then there is nothing to roll back.
            let _ = self.end("ROLLBACK").await;
            self.open = false;
        }
        Ok(())
    }

    pub(super) async fn close(self) -> Result<()> {
        use sqlx::Connection as _;
        match self.driver {
            Driver::Sqlite(connection) => connection.close().await?,
            Driver::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}

/// Runs a change, whole or not at all. Returns the version of the state after it.
pub(super) async fn transaction<T>(db: &mut Db, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<(T, Head)> {
    db.begin().await?;
    let result = async {
        let value = work(db).await?;
        let mut head = head(db).await?;
        if db.moved.nothing {
            return Ok((value, head, "ROLLBACK"));
        }
        head.changes += 1;
        head.records += u64::from(db.moved.records);
        head.deletions += u64::from(db.moved.deletions);
        set_meta(db, HEAD, &format!("{} {} {}", head.changes, head.records, head.deletions)).await?;
        Ok((value, head, "COMMIT"))
    };
    match result.await {
        Ok((value, head, end)) => {
            db.end(end).await?;
            Ok((value, head))
        }
        Err(error) => {
            // The first error is the one to report.
            let _ = db.end("ROLLBACK").await;
            db.open = false;
            Err(error)
        }
    }
}

/// Writes a value about the state itself, whole or not at all, without raising the
/// version that other processes poll.
pub(super) async fn quietly<T>(db: &mut Db, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
    db.begin().await?;
    let result = work(db).await;
    let ended = db.end(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    db.open = false;
    let value = result?;
    ended?;
    Ok(value)
}

/// Reads several things from one snapshot.
pub(super) async fn picture<T>(db: &mut Db, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
    db.settle().await?;
    let begin = match db.driver {
        Driver::Sqlite(_) => "BEGIN",
        Driver::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    };
    db.open = true;
    on!(db, c => sqlx::raw_sql(begin).execute(c).await.map(drop))?;
    let value = work(db).await;
    let ended = db.end("COMMIT").await;
    let value = value?;
    ended?;
    Ok(value)
}
