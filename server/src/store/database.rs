//! Which database a state is kept in, and one way to talk to both.
//!
//! [`on!`] writes a statement once for SQLite and PostgreSQL; [`transaction`]
//! is the only way to change anything. Writers of one database come one after
//! the other: SQLite's own lock, or a lock on the `meta` table that PostgreSQL
//! drops when its holder dies.

use sqlx::{PgConnection, SqliteConnection};

use super::error::{Result, StoreError};
use super::schema::{meta, set_meta};

/// An open connection.
#[derive(Debug)]
pub(super) struct Db {
    pub(super) driver: Driver,
    /// A transaction that was begun and not ended: a panic came between.
    open: bool,
    /// What the present transaction moved.
    moved: Moved,
}

/// To which database.
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

/// How far a state has come. Each count only rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Every transaction.
    pub changes: u64,
    /// Changes of records or catalogue: of what models are trained on.
    pub records: u64,
    /// Changes after which no earlier answer may be given.
    pub deletions: u64,
}

const HEAD: &str = "head";

/// How far the state has come.
pub(super) async fn head(db: &mut Db) -> Result<Head> {
    // A state that was never changed has none.
    let Some(text) = meta(db, HEAD).await? else { return Ok(Head::default()) };
    let counts: Option<Vec<u64>> = text.split(' ').map(|count| count.parse().ok()).collect();
    // An earlier program wrote fewer counts.
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

    /// Whether others may write to this database, too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.driver, Driver::Postgres(_))
    }

    /// Notes that the present transaction changes what models are trained on.
    pub(super) fn records_moved(&mut self) {
        self.moved.records = true;
    }

    /// Notes that after the present transaction no earlier answer may be given.
    pub(super) fn something_deleted(&mut self) {
        self.moved = Moved { records: true, deletions: true, nothing: false };
    }

    /// Notes that the present transaction came to nothing.
    pub(super) fn nothing_changed(&mut self) {
        self.moved.nothing = true;
    }

    async fn begin(&mut self) -> Result<()> {
        self.settle().await?;
        let begin = match self.driver {
            // At once, instead of failing half way when two meet.
            Driver::Sqlite(_) => "BEGIN IMMEDIATE",
            // Readers go on; whoever else writes waits here.
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

    /// Rolls back what a panic left.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if self.open {
            // It may have failed to begin: then there is nothing to end.
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

/// Makes a change: whole or not at all. Returns how far the state is then.
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
            // The first error is the one to tell.
            let _ = db.end("ROLLBACK").await;
            db.open = false;
            Err(error)
        }
    }
}

/// Notes something about the state itself, whole or not at all, which changes
/// nothing for whoever watches it.
pub(super) async fn quietly<T>(db: &mut Db, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
    db.begin().await?;
    let result = work(db).await;
    let ended = db.end(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    db.open = false;
    let value = result?;
    ended?;
    Ok(value)
}

/// Reads several things of one moment.
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
