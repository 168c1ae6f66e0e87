//! Making a deletion physical, and tidying up after a crash.
//!
//! A deleted row leaves bytes behind in three places: in the write-ahead log
//! (older images of its page), in free space inside the database, and in
//! files derived from it. So: delete the files; move the log into the database
//! and truncate it to nothing. `secure_delete` has overwritten the row itself
//! by then. What may be left are copies of rows where they stood before SQLite
//! moved them to balance a page: those go with a compaction
//! ([`super::compaction`]), within a time that is set, whose cost grows with
//! the database. With a time of 0 they go before this returns: the database is
//! rebuilt with VACUUM, which copies live rows only, and the log truncated
//! again, since VACUUM writes through it.
//! In PostgreSQL none of that is in our hands: old row versions live until its
//! own VACUUM, and in its log, replicas and archives for as long as the operator
//! keeps them. There erasure is logical, and everything that speaks of it says so.
//! The promise is about the bytes of every file of the directory. What a
//! drive keeps of overwritten blocks is below any program's reach.
//!
//! The transaction that deletes sets a flag that holds no data; it is cleared
//! when all of that is done. A state that opens with the flag set finishes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::database::{Db, on, quietly, transaction};
use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::files::Files;
use super::schema::{BUSY, clear_meta, meta, set_meta};
use super::{atomic_file, catalog, checkpoint, compaction, launched, models, requests};
use crate::clock::now_exactly;

const PENDING: &str = "erasure-pending";
/// When something was last overwritten.
const LAST: &str = "erasure-last";

/// How long readers may keep the log from being truncated.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Notes that an erasure is under way. Part of the deleting transaction.
pub(super) async fn begin(db: &mut Db) -> Result<()> {
    set_meta(db, PENDING, "1").await
}

/// Whether an erasure is unfinished.
pub(super) async fn pending(db: &mut Db) -> Result<bool> {
    Ok(meta(db, PENDING).await?.is_some())
}

/// When something was last overwritten, in seconds since 1970; 0 for never.
pub(super) async fn last(db: &mut Db) -> Result<f64> {
    Ok(meta(db, LAST).await?.and_then(|text| text.parse().ok()).unwrap_or(0.0))
}

/// Finishes an erasure: when this returns, the rows are overwritten, and no
/// stale copy of one outlives `within`. With a time of 0 none is left.
pub(super) async fn finish(db: &mut Db, dir: &Path, files: &Files, within: Duration) -> Result<()> {
    // A file that cannot be deleted keeps nothing else from being overwritten.
    let swept = sweep(db, dir, files).await;
    failpoint("erase.swept");
    if !db.is_shared() {
        let deadline = Instant::now() + PATIENCE;
        truncate_log(db, deadline).await?;
        failpoint("erase.truncated");
        if within.is_zero() {
            rebuild(db, deadline).await?;
            failpoint("erase.vacuumed");
            truncate_log(db, deadline).await?;
        }
        failpoint("erase.done");
    }
    swept?;
    quietly(db, async |db| note(db, within).await).await
}

/// Notes that an erasure is finished, and what of it may be left. Part of a
/// transaction.
async fn note(db: &mut Db, within: Duration) -> Result<()> {
    if !db.is_shared() {
        let now = now_exactly();
        requests::note_overwritten(db, now).await?;
        set_meta(db, LAST, &now.to_string()).await?;
        match within.is_zero() {
            true => compaction::note_done(db, now).await?,
            false => compaction::note_due(db, now + within.as_secs_f64()).await?,
        }
    }
    clear_meta(db, PENDING).await
}

/// Writes the whole database anew, live rows only.
pub(super) async fn rebuild(db: &mut Db, deadline: Instant) -> Result<()> {
    while let Err(error) = on!(db, c => sqlx::raw_sql("VACUUM").execute(c).await.map(drop)) {
        if !is_busy(&error) {
            return Err(error.into());
        }
        pause(deadline).await?;
    }
    Ok(())
}

/// Moves the log into the database and truncates it, as soon as no reader
/// needs it.
pub(super) async fn truncate_log(db: &mut Db, deadline: Instant) -> Result<()> {
    while !try_truncate_log(db).await? {
        pause(deadline).await?;
    }
    Ok(())
}

async fn try_truncate_log(db: &mut Db) -> Result<bool> {
    let (busy, ..): (i64, i64, i64) =
        on!(db, c => sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(c).await?);
    Ok(busy == 0)
}

/// The same without waiting for anybody. Returns whether the log is empty.
pub(super) async fn truncate_at_once(db: &mut Db) -> Result<bool> {
    on!(db, c => sqlx::raw_sql("PRAGMA busy_timeout = 0").execute(c).await.map(drop))?;
    let truncated = try_truncate_log(db).await;
    let patience = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {}", BUSY.as_millis()));
    on!(db, c => sqlx::raw_sql(patience).execute(c).await.map(drop))?;
    truncated
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY and SQLITE_LOCKED with their extended codes.
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

async fn pause(deadline: Instant) -> Result<()> {
    if Instant::now() >= deadline {
        return Err(StoreError::ErasureBusy { seconds: PATIENCE.as_secs() });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(())
}

/// Files of the directory that no row accounts for: half-written ones, and
/// checkpoints of records that have changed. Tokens are written by whoever
/// makes one, at any moment, so their halves are not ours to delete: the next
/// who writes tokens does, under their lock.
async fn leftovers(db: &mut Db, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = checkpoint::outdated(dir, &models::shards(db).await?)?;
    let names = atomic_file::list(dir)?;
    let half = |name: &String| name.ends_with(atomic_file::TEMPORARY) && !name.starts_with(super::TOKENS);
    paths.extend(names.into_iter().filter(half).map(|name| dir.join(name)));
    Ok(paths)
}

/// Deletes the files that no row accounts for.
pub(super) async fn sweep(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    atomic_file::delete(&leftovers(db, dir).await?)?;
    let launched = sweep_launched(db, dir).await;
    if db.is_shared() {
        // As a writer, so that nobody announces a file between our look and
        // its deletion.
        let swept = async |db: &mut Db| sweep_models(db, files).await;
        transaction(db, swept).await?;
    } else {
        sweep_models(db, files).await?;
    }
    launched
}

/// Removes what is elsewhere of shards that have changed: all that can be, and
/// then says what could not.
async fn sweep_launched(db: &mut Db, dir: &Path) -> Result<()> {
    let folders = launched::outdated(dir, &models::shards(db).await?)?;
    let removed: Vec<Result<()>> = folders.iter().map(|folder| launched::remove(folder)).collect();
    removed.into_iter().collect()
}

async fn sweep_models(db: &mut Db, files: &Files) -> Result<()> {
    let kept = models::accounted(db).await?;
    files.delete(&files.unaccounted(&kept).await?).await
}

/// Whether a crash, or a writer at work, has left something to do.
pub(super) async fn needed(db: &mut Db, dir: &Path, files: &Files) -> Result<bool> {
    let kept = models::accounted(db).await?;
    Ok(pending(db).await?
        || is_overdue(db).await?
        || catalog::pending(db).await?
        || !catalog::staged(dir)?.is_empty()
        || !leftovers(db, dir).await?.is_empty()
        || !launched::outdated(dir, &models::shards(db).await?)?.is_empty()
        || (!files.is_bucket() && !files.unaccounted(&kept).await?.is_empty()))
}

/// Whether stale copies should be gone by now: nobody was there to see to it.
async fn is_overdue(db: &mut Db) -> Result<bool> {
    Ok(!db.is_shared() && compaction::stands(db).await?.due.is_some_and(|due| due <= now_exactly()))
}

/// Finishes whatever a crash left. Needs the lock.
pub(super) async fn recover(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    catalog::settle(db, dir).await?;
    if pending(db).await? || is_overdue(db).await? {
        return finish(db, dir, files, Duration::ZERO).await;
    }
    sweep(db, dir, files).await?;
    if !db.is_shared() {
        // Frames of a transaction that never ended; if a reader is in the way,
        // the next opening sees to it.
        try_truncate_log(db).await?;
    }
    Ok(())
}
