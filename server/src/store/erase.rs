//! Making a deletion physical, and tidying up after a crash.
//!
//! A deleted row leaves bytes behind in three places: in the write-ahead log
//! (older images of its page), in free space inside the database, and in
//! files derived from it. So: delete the files; move the log into the database
//! and truncate it to nothing; rebuild the database with VACUUM, which copies
//! live rows only; truncate the log again, since VACUUM writes through it.
//! `secure_delete` zeroes what is freed already; VACUUM is there so that the
//! promise does not rest on that alone (either suffices in our tests).
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

use super::database::{Db, on, transaction};
use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::files::Files;
use super::schema::{clear_meta, meta, set_meta};
use super::{atomic_file, catalog, checkpoint, models};

const PENDING: &str = "erasure-pending";

/// How long readers may keep the log from being truncated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Notes that an erasure is under way. Part of the deleting transaction.
pub(super) async fn begin(db: &mut Db) -> Result<()> {
    set_meta(db, PENDING, "1").await
}

/// Whether an erasure is unfinished.
pub(super) async fn pending(db: &mut Db) -> Result<bool> {
    Ok(meta(db, PENDING).await?.is_some())
}

/// Finishes an erasure: when this returns, no file holds the bytes.
pub(super) async fn finish(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    sweep(db, dir, files).await?;
    failpoint("erase.swept");
    if !db.is_shared() {
        let deadline = Instant::now() + PATIENCE;
        truncate_log(db, deadline).await?;
        failpoint("erase.truncated");
        while let Err(error) = on!(db, c => sqlx::raw_sql("VACUUM").execute(c).await.map(drop)) {
            if !is_busy(&error) {
                return Err(error.into());
            }
            pause(deadline).await?;
        }
        failpoint("erase.vacuumed");
        truncate_log(db, deadline).await?;
        failpoint("erase.done");
    }
    if pending(db).await? { clear_meta(db, PENDING).await } else { Ok(()) }
}

/// Moves the log into the database and truncates it, as soon as no reader
/// needs it.
async fn truncate_log(db: &mut Db, deadline: Instant) -> Result<()> {
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
/// checkpoints of records that have changed.
async fn leftovers(db: &mut Db, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = checkpoint::outdated(dir, &models::shards(db).await?)?;
    let names = atomic_file::list(dir)?;
    paths.extend(names.into_iter().filter(|n| n.ends_with(atomic_file::TEMPORARY)).map(|n| dir.join(n)));
    Ok(paths)
}

/// Deletes the files that no row accounts for.
pub(super) async fn sweep(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    atomic_file::delete(&leftovers(db, dir).await?)?;
    if db.is_shared() {
        // As a writer, so that nobody announces a file between our look and
        // its deletion.
        let swept = async |db: &mut Db| sweep_models(db, files).await;
        return transaction(db, swept).await.map(|((), _)| ());
    }
    sweep_models(db, files).await
}

async fn sweep_models(db: &mut Db, files: &Files) -> Result<()> {
    let kept = models::accounted(db).await?;
    files.delete(&files.unaccounted(&kept).await?).await
}

/// Whether a crash, or a writer at work, has left something to do.
pub(super) async fn needed(db: &mut Db, dir: &Path, files: &Files) -> Result<bool> {
    let kept = models::accounted(db).await?;
    Ok(pending(db).await?
        || catalog::pending(db).await?
        || !catalog::staged(dir)?.is_empty()
        || !leftovers(db, dir).await?.is_empty()
        || (!files.is_bucket() && !files.unaccounted(&kept).await?.is_empty()))
}

/// Finishes whatever a crash left. Needs the lock.
pub(super) async fn recover(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    catalog::settle(db, dir).await?;
    if pending(db).await? {
        return finish(db, dir, files).await;
    }
    sweep(db, dir, files).await?;
    if !db.is_shared() {
        // Frames of a transaction that never ended; if a reader is in the way,
        // the next opening sees to it.
        try_truncate_log(db).await?;
    }
    Ok(())
}
