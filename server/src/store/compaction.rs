//! Removes stale copies from the database, a few pages at a time.
//!
//! SQLite overwrites a deleted row at once (`secure_delete`). But when it moves rows
//! between pages to balance its tree, their old bytes stay in the unallocated space of
//! the page, and such a copy outlives the row. A compaction therefore reads all pages,
//! in steps that are each a short transaction, and overwrites every byte that belongs
//! to no row with zeros. A change that arrives meanwhile waits for one step at most.
//!
//! SQLite itself reads and writes the pages (`sqlite_dbpage`, which
//! `.cargo/config.toml` turns on), so that its cache and its log stay consistent. A
//! build without it rebuilds the whole database at once (VACUUM).

use std::time::{Duration, Instant};

use super::database::{Db, on, quietly};
use super::error::{Result, StoreError};
use super::schema::{clear_meta, meta, set_meta};
use super::{State, erase, requests};
use crate::clock::now_exactly;

/// Key of the deadline by which stale copies must be gone, in seconds since 1970.
pub(super) const DUE: &str = "compaction-due";
/// Key of the time when the last compaction finished.
const DONE: &str = "compaction-done";

/// Pages per step; a step takes some milliseconds.
const STEP: i64 = 512;

/// A compaction in progress. Rows deleted after its start wait for the next compaction.
#[derive(Debug)]
pub struct Compaction {
    began: f64,
    next: i64,
    rewritten: u64,
}

/// When stale copies must be gone, and when they last were.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compacted {
    /// The deadline, in seconds since 1970; `None` when there can be no stale copy.
    pub due: Option<f64>,
    /// When the last compaction finished, in seconds since 1970.
    pub done: Option<f64>,
    /// When something was last overwritten, in seconds since 1970.
    pub overwritten: Option<f64>,
}

/// Reads the times of [`Compacted`].
pub(super) async fn stands(db: &mut Db) -> Result<Compacted> {
    let mut at = async |key| {
        let text = meta(db, key).await?;
        // An unreadable deadline counts as passed.
        Ok::<_, StoreError>(text.map(|text| text.parse::<f64>().unwrap_or(0.0)))
    };
    let (due, done) = (at(DUE).await?, at(DONE).await?);
    let overwritten = Some(erase::last(db).await?).filter(|time| *time > 0.0);
    Ok(Compacted { due, done, overwritten })
}

/// Sets the deadline by which stale copies must be gone. An earlier deadline stays.
pub(super) async fn note_due(db: &mut Db, due: f64) -> Result<()> {
    let known = stands(db).await?.due;
    set_meta(db, DUE, &known.map_or(due, |known| known.min(due)).to_string()).await
}

/// Records that no stale copy is left of what was overwritten by `since`.
pub(super) async fn note_done(db: &mut Db, since: f64) -> Result<()> {
    let now = now_exactly();
    requests::note_compacted(db, since, now).await?;
    set_meta(db, DONE, &now.to_string()).await?;
    clear_meta(db, DUE).await
}

/// Whether this build can write single pages.
async fn is_stepwise(db: &mut Db) -> Result<bool> {
    let sql = "SELECT count(*) FROM pragma_module_list WHERE name = 'sqlite_dbpage'";
    let found: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(found > 0)
}

/// Overwrites the bytes that belong to no row in some pages. Returns how many pages
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

/// Overwrites the unallocated bytes of a B-tree page. Returns whether there were any
/// that were not zero. A page that does not look like a B-tree page is left as it is.
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
    // The free blocks between rows; each begins with the offset of the next and its own
    // length.
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
    /// When stale copies must be gone, and when they last were.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn compacted(&self) -> Result<Compacted> {
        self.read(stands)
    }

    /// Starts a compaction; `None` where no compaction is needed.
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

    /// Runs one step of a compaction. A step is short, so that changes do not wait for the
    /// whole. Returns whether it was the last.
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
            // The log may still hold the pages as they were. The step does not wait for a reader
            // that is in the way, since deletions would have to wait too.
            if !erase::truncate_at_once(db).await? {
                compaction.next = first;
                return Ok(false);
            }
            super::failpoint("compact.cleared");
            self.finish_compaction(db, compaction.began).await?;
            Ok(true)
        })
    }

    /// Records the end of a compaction. Rows deleted since its start wait for the next one.
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

    /// Runs a whole compaction at once.
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
    /// The next page.
    pub fn at(&self) -> i64 {
        self.next
    }

    /// How many pages held bytes that belonged to no row.
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
        // A leaf page with two rows, from byte 400; a free block of 12 bytes at 420.
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
        // A page with more rows than it has room for, and a free block that leads back to
        // itself.
        let mut page = vec![0u8; 512];
        page[..8].copy_from_slice(&[0x0d, 0, 0, 255, 255, 1, 0, 0]);
        assert!(!clear(&mut page, false));
        page[..8].copy_from_slice(&[0x0d, 1, 100, 0, 0, 2, 0, 0]);
        page[356..360].copy_from_slice(&[1, 100, 0, 4]);
        clear(&mut page, false);
    }
}
