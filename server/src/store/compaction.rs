//! Clearing the database of stale copies, a few pages at a time.
//!
//! A deleted row is overwritten at once (`secure_delete`). But when SQLite
//! moves rows from one page to another to balance its tree, the place where
//! they were stays as it was, between a page's index of rows and its rows; a
//! copy there outlives the row. So all pages are looked at, in steps that are
//! each a short transaction, and what no row accounts for is overwritten with
//! zeros. A change that comes meanwhile waits for one step at most.
//!
//! Pages are read and written by SQLite itself (`sqlite_dbpage`, which
//! `.cargo/config.toml` turns on), so that its cache and its log stay true. A
//! build without it rebuilds the whole database in one go (VACUUM).

use std::time::{Duration, Instant};

use super::database::{Db, on, quietly};
use super::error::{Result, StoreError};
use super::schema::{clear_meta, meta, set_meta};
use super::{State, erase, requests};
use crate::clock::now_exactly;

/// Until when stale copies must be gone, in seconds since 1970.
pub(super) const DUE: &str = "compaction-due";
/// When the last one was finished.
const DONE: &str = "compaction-done";

/// Pages a step: some milliseconds.
const STEP: i64 = 512;

/// A compaction under way. What is deleted after its beginning waits for the
/// next one.
#[derive(Debug)]
pub struct Compaction {
    began: f64,
    next: i64,
    rewritten: u64,
}

/// When stale copies go, and went.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compacted {
    /// Until when they must be gone; none when none can be left.
    pub due: Option<f64>,
    /// When they last went.
    pub done: Option<f64>,
    /// When something was last overwritten, in seconds since 1970.
    pub overwritten: Option<f64>,
}

/// When stale copies go, and went.
pub(super) async fn stands(db: &mut Db) -> Result<Compacted> {
    let mut at = async |key| {
        let text = meta(db, key).await?;
        // An unreadable time is one that is over.
        Ok::<_, StoreError>(text.map(|text| text.parse::<f64>().unwrap_or(0.0)))
    };
    let (due, done) = (at(DUE).await?, at(DONE).await?);
    let overwritten = Some(erase::last(db).await?).filter(|time| *time > 0.0);
    Ok(Compacted { due, done, overwritten })
}

/// Notes until when stale copies must be gone. An earlier time stays.
pub(super) async fn note_due(db: &mut Db, due: f64) -> Result<()> {
    let known = stands(db).await?.due;
    set_meta(db, DUE, &known.map_or(due, |known| known.min(due)).to_string()).await
}

/// Notes that none is left of what was overwritten by `since`.
pub(super) async fn note_done(db: &mut Db, since: f64) -> Result<()> {
    let now = now_exactly();
    requests::note_compacted(db, since, now).await?;
    set_meta(db, DONE, &now.to_string()).await?;
    clear_meta(db, DUE).await
}

/// Whether pages can be written one by one.
async fn is_stepwise(db: &mut Db) -> Result<bool> {
    let sql = "SELECT count(*) FROM pragma_module_list WHERE name = 'sqlite_dbpage'";
    let found: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(found > 0)
}

/// Overwrites what no row accounts for in some pages. Returns how many pages
/// were rewritten, and whether these were the last.
async fn step(db: &mut Db, first: i64) -> Result<(u64, bool)> {
    let pages: i64 = on!(db, c => sqlx::query_scalar("PRAGMA page_count").fetch_one(c).await?);
    let last = (first + STEP - 1).min(pages);
    let sql = "SELECT pgno, data FROM sqlite_dbpage WHERE pgno BETWEEN $1 AND $2";
    let read: Vec<(i64, Vec<u8>)> = on!(db, c => sqlx::query_as(sql).bind(first).bind(last).fetch_all(c).await?);
    let mut rewritten = 0;
    for (number, mut page) in read {
        if !clear(&mut page, number == 1) {
            continue;
        }
        let sql = "UPDATE sqlite_dbpage SET data = $1 WHERE pgno = $2";
        on!(db, c => sqlx::query(sql).bind(page).bind(number).execute(c).await.map(drop))?;
        rewritten += 1;
    }
    Ok((rewritten, last >= pages))
}

/// Overwrites the bytes of a page of a tree that are no part of it. Returns
/// whether there were any. What does not look like such a page is left alone.
fn clear(page: &mut [u8], is_first: bool) -> bool {
    let start = if is_first { 100 } else { 0 };
    let header = match page.get(start) {
        Some(0x0a | 0x0d) => start + 8,
        Some(0x02 | 0x05) => start + 12,
        _ => return false,
    };
    let number = |page: &[u8], at: usize| -> usize {
        page.get(at..at + 2).map_or(0, |bytes| usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    };
    let rows = number(page, start + 3);
    let content = match number(page, start + 5) {
        0 => 65_536,
        at => at,
    };
    let free = header + 2 * rows;
    if free > content || content > page.len() {
        return false;
    }
    let mut changed = zero(&mut page[free..content]);
    // Free places between rows, each with its next and its length.
    let (mut at, mut before) = (number(page, start + 1), 0);
    while at > before && at + 4 <= page.len() {
        let end = (at + number(page, at + 2)).min(page.len());
        if at + 4 <= end {
            changed |= zero(&mut page[at + 4..end]);
        }
        (before, at) = (at, number(page, at));
    }
    changed
}

fn zero(bytes: &mut [u8]) -> bool {
    let found = bytes.iter().any(|byte| *byte != 0);
    if found {
        bytes.fill(0);
    }
    found
}

impl State {
    /// When stale copies of what was deleted go, and went.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn compacted(&self) -> Result<Compacted> {
        self.read(stands)
    }

    /// Begins a compaction; nothing where none is due at all.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn begin_compaction(&self) -> Result<Option<Compaction>> {
        if self.is_shared() {
            return Ok(None);
        }
        let due = self.compacted()?.due;
        Ok(due.map(|_| Compaction { began: now_exactly(), next: 1, rewritten: 0 }))
    }

    /// One step of a compaction: short, so that changes between two steps do
    /// not wait. Returns whether it was the last.
    ///
    /// # Errors
    /// When the database refuses; the step may be tried again.
    pub fn go_on_compacting(&self, compaction: &mut Compaction) -> Result<bool> {
        self.write(async |db| {
            if !is_stepwise(db).await? {
                erase::rebuild(db, Instant::now() + erase::PATIENCE).await?;
                erase::truncate_log(db, Instant::now() + erase::PATIENCE).await?;
                quietly(db, async |db| note_done(db, compaction.began).await).await?;
                return Ok(true);
            }
            let first = compaction.next;
            let (rewritten, is_last) = quietly(db, async |db| step(db, first).await).await?;
            compaction.rewritten += rewritten;
            compaction.next += STEP;
            if !is_last {
                return Ok(false);
            }
            // The pages as they were may still stand in the log. A reader in
            // the way is not waited for: deletions would wait with us.
            if !erase::truncate_at_once(db).await? {
                compaction.next = first;
                return Ok(false);
            }
            super::failpoint("compact.cleared");
            self.finish_compaction(db, compaction.began).await?;
            Ok(true)
        })
    }

    /// Notes the end of a compaction; what was deleted since its beginning
    /// waits for another one.
    async fn finish_compaction(&self, db: &mut Db, began: f64) -> Result<()> {
        let again = began + self.erase_within().as_secs_f64();
        quietly(db, async |db| {
            note_done(db, began).await?;
            if requests::any_not_compacted(db).await? || erase::last(db).await? > began {
                note_due(db, again).await?;
            }
            Ok(())
        })
        .await
    }

    /// A whole compaction at once.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn compact(&self) -> Result<()> {
        if let Some(mut compaction) = self.begin_compaction()? {
            let deadline = Instant::now() + erase::PATIENCE;
            loop {
                let at = compaction.next;
                if self.go_on_compacting(&mut compaction)? {
                    return Ok(());
                }
                if compaction.next == at {
                    if Instant::now() >= deadline {
                        return Err(StoreError::ErasureBusy { seconds: erase::PATIENCE.as_secs() });
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        Ok(())
    }
}

impl Compaction {
    /// The page that comes next.
    pub fn at(&self) -> i64 {
        self.next
    }

    /// How many pages held something that no row accounted for.
    pub fn rewritten(&self) -> u64 {
        self.rewritten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_row_accounts_for_is_cleared() {
        let mut page = vec![7u8; 512];
        // A leaf with two rows, from 400; a free place of 12 bytes at 420.
        page[..8].copy_from_slice(&[0x0d, 1, 164, 0, 2, 1, 144, 0]);
        page[8..12].copy_from_slice(&[1, 144, 1, 200]);
        page[420..424].copy_from_slice(&[0, 0, 0, 12]);
        let rows = page[400..420].to_vec();
        assert!(clear(&mut page, false));
        assert_eq!((page[12..400].iter().all(|b| *b == 0), &page[400..420]), (true, &rows[..]));
        assert_eq!((&page[420..424], page[424..432].iter().all(|b| *b == 0)), (&[0, 0, 0, 12][..], true));
        assert!(page[432..].iter().all(|b| *b == 7));
        assert!(!clear(&mut page, false), "a second time there is nothing left");
    }

    #[test]
    fn what_is_no_page_of_a_tree_is_left_alone() {
        for kind in [0u8, 1, 0x53, 0xff] {
            let mut page = vec![9u8; 512];
            page[0] = kind;
            let before = page.clone();
            assert!(!clear(&mut page, false));
            assert_eq!(page, before);
        }
        // More rows than there is room for, and a free place that leads back.
        let mut page = vec![0u8; 512];
        page[..8].copy_from_slice(&[0x0d, 0, 0, 255, 255, 1, 0, 0]);
        assert!(!clear(&mut page, false));
        page[..8].copy_from_slice(&[0x0d, 1, 100, 0, 0, 2, 0, 0]);
        page[356..360].copy_from_slice(&[1, 100, 0, 4]);
        clear(&mut page, false);
    }
}
