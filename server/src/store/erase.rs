//! Making a deletion physical, and tidying up after a crash.
//!
//! A deleted row leaves bytes behind in three places: in the write-ahead log
//! (older images of its page), in free space inside the database, and in
//! files derived from it. So: delete the files; move the log into the database
//! and truncate it to nothing; rebuild the database with VACUUM, which copies
//! live rows only; truncate the log again, since VACUUM writes through it.
//! `secure_delete` zeroes what is freed already; VACUUM is there so that the
//! promise does not rest on that alone (either suffices in our tests).
//! The promise is about the bytes of every file of the directory. What a
//! drive keeps of overwritten blocks is below any program's reach.
//!
//! The transaction that deletes sets a flag that holds no data; it is cleared
//! when all of that is done. A state that opens with the flag set finishes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::error::{Result, StoreError};
use super::failpoint::failpoint;
use super::schema::{clear_meta, meta, set_meta};
use super::{atomic_file, catalog, checkpoint, models};

const PENDING: &str = "erasure-pending";

/// How long readers may keep the log from being truncated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Notes that an erasure is under way. Part of the deleting transaction.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<()> {
    set_meta(connection, PENDING, "1").await
}

/// Whether an erasure is unfinished.
pub(super) async fn pending(connection: &mut SqliteConnection) -> Result<bool> {
    Ok(meta(connection, PENDING).await?.is_some())
}

/// Finishes an erasure: when this returns, no file holds the bytes.
pub(super) async fn finish(connection: &mut SqliteConnection, dir: &Path) -> Result<()> {
    sweep(connection, dir).await?;
    failpoint("erase.swept");
    let deadline = Instant::now() + PATIENCE;
    truncate_log(connection, deadline).await?;
    failpoint("erase.truncated");
    while let Err(error) = sqlx::raw_sql("VACUUM").execute(&mut *connection).await {
        if !is_busy(&error) {
            return Err(error.into());
        }
        pause(deadline).await?;
    }
    failpoint("erase.vacuumed");
    truncate_log(connection, deadline).await?;
    failpoint("erase.done");
    clear_meta(connection, PENDING).await
}

/// Moves the log into the database and truncates it, as soon as no reader
/// needs it.
async fn truncate_log(connection: &mut SqliteConnection, deadline: Instant) -> Result<()> {
    while !try_truncate_log(connection).await? {
        pause(deadline).await?;
    }
    Ok(())
}

async fn try_truncate_log(connection: &mut SqliteConnection) -> Result<bool> {
    let (busy, ..): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
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

/// Files that no row accounts for: half-written ones, models of versions that
/// are gone, checkpoints of records that have changed.
async fn leftovers(connection: &mut SqliteConnection, dir: &Path) -> Result<Vec<PathBuf>> {
    let shards = models::shards(connection).await?;
    let mut paths = models::unreferenced(dir, &shards)?;
    paths.extend(checkpoint::outdated(dir, &shards)?);
    let names = atomic_file::list(dir)?;
    paths.extend(names.into_iter().filter(|n| n.ends_with(atomic_file::TEMPORARY)).map(|n| dir.join(n)));
    Ok(paths)
}

/// Deletes the files that no row accounts for.
pub(super) async fn sweep(connection: &mut SqliteConnection, dir: &Path) -> Result<()> {
    models::delete_files(&leftovers(connection, dir).await?)
}

/// Whether a crash, or a writer at work, has left something to do.
pub(super) async fn needed(connection: &mut SqliteConnection, dir: &Path) -> Result<bool> {
    Ok(pending(connection).await?
        || catalog::pending(connection).await?
        || !catalog::staged(dir)?.is_empty()
        || !leftovers(connection, dir).await?.is_empty())
}

/// Finishes whatever a crash left. Needs the lock.
pub(super) async fn recover(connection: &mut SqliteConnection, dir: &Path) -> Result<()> {
    catalog::settle(connection, dir).await?;
    if pending(connection).await? {
        return finish(connection, dir).await;
    }
    sweep(connection, dir).await?;
    // Frames of a transaction that never ended; if a reader is in the way,
    // the next opening sees to it.
    try_truncate_log(connection).await?;
    Ok(())
}
