//! Erases deleted bytes from the disk, and cleans up after a crash.
//!
//! A deleted row leaves bytes in three places:
//!
//! * in the write-ahead log, as older images of its page;
//! * in free space inside the database;
//! * in files derived from the row, such as models and checkpoints.
//!
//! So an erasure deletes those files, moves the log into the database, and truncates
//! the log to nothing. `secure_delete` has overwritten the row itself by then.
//!
//! Copies may remain where SQLite moved rows to balance a page. A compaction
//! ([`super::compaction`]) removes them within a time that the operator sets. Its cost
//! grows with the database. With a time of 0 they are removed before this returns:
//! VACUUM rebuilds the database from live rows only, and the log is truncated again,
//! because VACUUM writes through it.
//!
//! PostgreSQL keeps old row versions until its own VACUUM, and its log, replicas and
//! archives for as long as its operator does. There erasure is logical, and every
//! receipt says so.
//!
//! The promise covers the bytes of every file of the directory. What a drive keeps of
//! overwritten blocks is beyond any program's reach.
//!
//! The deleting transaction sets a flag that contains no data; it is cleared when the
//! erasure is done. A state that is opened with the flag set finishes the erasure.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::database::{Db, on, quietly, transaction};
use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::files::Files;
use super::schema::{BUSY, clear_meta, meta, set_meta};
use super::{atomic_file, catalog, checkpoint, compaction, launch_bucket, launched, models, requests};
use crate::clock::now_exactly;

const PENDING: &str = "erasure-pending";
/// Key of the time when something was last overwritten.
const LAST: &str = "erasure-last";

/// How long readers may keep the log from being truncated.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Records that an erasure is in progress. Part of the deleting transaction.
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

/// Finishes an erasure. When this returns the rows are overwritten, and stale copies of
/// them have at most the time `within` left. With 0 none is left.
pub(super) async fn finish(db: &mut Db, dir: &Path, files: &Files, within: Duration) -> Result<()> {
    // A file that cannot be deleted does not stop the rest from being overwritten.
    let swept = sweep(db, dir, files).await;
    overwrite(db, swept, within).await
}

/// Overwrites what was deleted, whatever came of deleting files.
async fn overwrite(db: &mut Db, swept: Result<()>, within: Duration) -> Result<()> {
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

/// Records that an erasure is finished and by when stale copies must be gone. Part of a
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

/// Rebuilds the whole database from live rows only.
pub(super) async fn rebuild(db: &mut Db, deadline: Instant) -> Result<()> {
    while let Err(error) = on!(db, c => sqlx::raw_sql("VACUUM").execute(c).await.map(drop)) {
        if !is_busy(&error) {
            return Err(error.into());
        }
        pause(deadline).await?;
    }
    Ok(())
}

/// Moves the log into the database and truncates it, as soon as no reader needs it.
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

/// As [`truncate_log`], without waiting for readers. Returns whether the log is empty.
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

/// Files of the directory that no row refers to: temporary files, and checkpoints of
/// records that have changed. Temporary files of tokens are not among them, because a
/// token may be written at any moment. The next process that writes tokens deletes
/// those, under the tokens' lock.
async fn leftovers(db: &mut Db, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = checkpoint::outdated(dir, &models::shards(db).await?)?;
    let names = atomic_file::list(dir)?;
    let half = |name: &String| name.ends_with(atomic_file::TEMPORARY) && !name.starts_with(super::TOKENS);
    paths.extend(names.into_iter().filter(half).map(|name| dir.join(name)));
    Ok(paths)
}

/// Deletes the files that no row refers to, and objects of launched training.
pub(super) async fn sweep(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    let far_away = sweep_far_away(db, dir).await;
    sweep_here(db, dir, files).await?;
    far_away
}

/// As [`sweep`], when nothing was deleted since: a launcher's bucket that does not answer
/// keeps nobody from the state. A deletion asks it again.
async fn sweep_at_opening(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    let far_away = sweep_far_away(db, dir).await;
    sweep_here(db, dir, files).await?;
    match far_away {
        Err(problem @ (StoreError::Bucket { .. } | StoreError::BadModels(_))) => {
            tracing::warn!("what an earlier launch left in its bucket was not looked at: {problem}");
            Ok(())
        }
        far_away => far_away,
    }
}

/// Deletes the objects of launched training of shards that have changed.
async fn sweep_far_away(db: &mut Db, dir: &Path) -> Result<()> {
    if db.is_shared() {
        quietly(db, async |db: &mut Db| launch_bucket::sweep(db, dir).await).await.map(drop)
    } else {
        launch_bucket::sweep(db, dir).await.map(drop)
    }
}

async fn sweep_here(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    atomic_file::delete(&leftovers(db, dir).await?)?;
    let launched = sweep_launched(db, dir).await;
    if db.is_shared() {
        // In a write transaction, so that nobody announces a file between the listing and its
        // deletion.
        let swept = async |db: &mut Db| sweep_models(db, files).await;
        transaction(db, swept).await?;
    } else {
        sweep_models(db, files).await?;
    }
    launched
}

/// Deletes the launch folders of shards that have changed. It deletes all that it can,
/// and then returns an error for the rest.
async fn sweep_launched(db: &mut Db, dir: &Path) -> Result<()> {
    let folders = launched::outdated(dir, &models::shards(db).await?)?;
    let removed: Vec<Result<()>> = folders.iter().map(|folder| launched::remove(folder)).collect();
    removed.into_iter().collect()
}

async fn sweep_models(db: &mut Db, files: &Files) -> Result<()> {
    let kept = models::accounted(db).await?;
    files.delete(&files.unaccounted(&kept).await?).await
}

/// Whether a crash, or a running writer, has left something to clean up.
pub(super) async fn needed(db: &mut Db, dir: &Path, files: &Files) -> Result<bool> {
    let kept = models::accounted(db).await?;
    Ok(pending(db).await?
        || is_overdue(db).await?
        || catalog::pending(db).await?
        || !catalog::staged(dir)?.is_empty()
        || !leftovers(db, dir).await?.is_empty()
        || !launched::outdated(dir, &models::shards(db).await?)?.is_empty()
        || launch_bucket::is_noted(db, dir).await?
        || (!files.is_bucket() && !files.unaccounted(&kept).await?.is_empty()))
}

/// Whether the deadline for stale copies has passed while no process ran.
async fn is_overdue(db: &mut Db) -> Result<bool> {
    Ok(!db.is_shared() && compaction::stands(db).await?.due.is_some_and(|due| due <= now_exactly()))
}

/// Cleans up whatever a crash left. Needs the lock.
pub(super) async fn recover(db: &mut Db, dir: &Path, files: &Files) -> Result<()> {
    catalog::settle(db, dir).await?;
    if pending(db).await? {
        return finish(db, dir, files, Duration::ZERO).await;
    }
    let swept = sweep_at_opening(db, dir, files).await;
    if is_overdue(db).await? {
        return overwrite(db, swept, Duration::ZERO).await;
    }
    swept?;
    if !db.is_shared() {
        // The log may hold frames of a transaction that never ended. If a reader is in the
        // way, the next opening truncates it.
        try_truncate_log(db).await?;
    }
    Ok(())
}
