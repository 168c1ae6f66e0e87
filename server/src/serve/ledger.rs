//! The receipt log as it is served: the store's lines in memory with the Merkle tree
//! over them, and the signing key. It is a plain value: readers keep a clone, which
//! shares its memory and does not change.

use anyhow::{Context, Result, bail};
use eemu_core::receipt::{Checkpoint, Entry, KeyEntry, Log, Published, ReceiptFile, current_key, public_key};

use super::log_key;
use crate::clock::{random, random_hex};
use crate::forgetting::statement;
use crate::store::{Live, Receipt, State};

const ORIGIN: &str = "log-origin";

/// The log and its key.
#[derive(Clone)]
pub struct Ledger {
    origin: String,
    key: [u8; 32],
    log: Log,
    checkpoint: Checkpoint,
    /// How often a model of each shard was published.
    trainings: imbl::OrdMap<u32, u64>,
}

/// The log line about versions that become live.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn published_line(live: &[Live]) -> eemu_core::Result<String> {
    Entry::Published(Published { format: 1, published: live.iter().map(statement).collect() }).to_line()
}

/// Counts the publications that a line states. Receipts name the same versions again
/// and do not count. Lines of other kinds are not parsed, since a log may be long.
fn count_trainings(line: &str, trainings: &mut imbl::OrdMap<u32, u64>) {
    if line.contains("\"published\":")
        && let Ok(entry) = serde_json::from_str::<Published>(line)
    {
        for statement in entry.published {
            *trainings.entry(statement.shard).or_default() += 1;
        }
    }
}

impl Ledger {
    /// Opens the log of a state. The first time it draws a name and a key. It ensures that
    /// the log commits to every live version.
    ///
    /// # Errors
    /// When the store refuses, or the log's keys do not lead to the stored one.
    pub fn open(state: &State) -> Result<Self> {
        if !Self::is_open(state)? {
            // The operator may have supplied a key.
            let given = log_key::read(state, None)?;
            let (origin, key) = (random_hex::<16>()?, given.map_or_else(random::<32>, Ok)?);
            let line = Entry::Key(KeyEntry::first(&key)).to_line()?;
            let kept = log_key::keep_first(state, &key)?;
            let mut notes = vec![(ORIGIN, origin.as_str())];
            notes.extend(kept.iter().map(|(name, value)| (*name, value.as_str())));
            state.set_first_notes(&notes, &line)?;
        }
        let mut ledger = Self::read(state)?;
        log_key::settle(state, &ledger.key)?;
        let live = state.shards()?.into_iter().filter_map(|shard| shard.live);
        let mut missing: Vec<Live> = live.collect();
        // The newest line first, since live versions were published recently.
        for line in ledger.log.lines(0, u64::MAX).rev() {
            if missing.is_empty() {
                break;
            }
            let entry = Entry::from_line(line).context("the receipt log is damaged")?;
            missing.retain(|live| !entry.statements().contains(&statement(live)));
        }
        if !missing.is_empty() {
            let line = published_line(&missing)?;
            state.append_receipt(&line)?;
            ledger = Self::read(state)?;
        }
        Ok(ledger)
    }

    /// Whether a state has a log, because it is or was served.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn is_open(state: &State) -> Result<bool> {
        Ok(state.note(ORIGIN)?.is_some())
    }

    /// The log of a state that has one, as it is now.
    ///
    /// # Errors
    /// When the store refuses, or the log's keys do not lead to the stored one.
    pub fn read(state: &State) -> Result<Self> {
        let origin = state.note(ORIGIN)?.context("the receipt log has no name")?;
        let log = Log::new(state.receipts()?.into_iter().map(|receipt| receipt.json));
        let current = current_key(&origin, log.lines(0, u64::MAX))?;
        let key = log_key::read(state, current.as_deref())?.context(
            "the key of the receipt log is not there: put log.key back beside the database, or name its file in \
             EEMU_LOG_KEY",
        )?;
        if current != Some(public_key(&key)) {
            bail!("the receipt log's keys do not lead to the stored key; restore the state from a backup");
        }
        let checkpoint = Checkpoint::sign(&origin, log.len(), &log.root(), &key);
        let mut trainings = imbl::OrdMap::new();
        log.lines(0, u64::MAX).for_each(|line| count_trainings(line, &mut trainings));
        Ok(Self { origin, key, log, checkpoint, trainings })
    }

    /// This log with what the store has appended since. A log only grows; an older one
    /// never replaces it.
    ///
    /// # Errors
    /// When the store refuses, or the log's keys do not lead to the stored one.
    pub fn grown(&self, state: &State) -> Result<Self> {
        self.taking_in(state.receipts_after(self.log.len())?, || Self::read(state))
    }

    /// This log with further entries. `read` reads the whole log; it is called where
    /// another process has given the log a new key.
    fn taking_in(&self, new: Vec<Receipt>, read: impl FnOnce() -> Result<Self>) -> Result<Self> {
        if new.iter().any(|receipt| matches!(Entry::from_line(&receipt.json), Ok(Entry::Key(_)))) {
            let read = read()?;
            return Ok(if read.log.len() > self.log.len() { read } else { self.clone() });
        }
        let mut grown = self.clone();
        for receipt in new.into_iter().filter(|receipt| receipt.id > self.log.len()) {
            if receipt.id != grown.log.len() + 1 {
                bail!("the receipt log has a gap before entry {}; restore the state from a backup", receipt.id);
            }
            count_trainings(&receipt.json, &mut grown.trainings);
            grown.log.push(receipt.json);
        }
        grown.checkpoint = grown.signed(grown.log.len()).unwrap_or_else(|| self.checkpoint.clone());
        Ok(grown)
    }

    /// The signed checkpoint of the log's first `size` entries; `None` when it has fewer.
    pub fn signed(&self, size: u64) -> Option<Checkpoint> {
        if size == self.checkpoint.size {
            return Some(self.checkpoint.clone());
        }
        Some(Checkpoint::sign(&self.origin, size, &self.log.root_at(size)?, &self.key))
    }

    /// Gives the log a new key. The log gets an entry in which the old key consents.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn rotate(state: &State) -> Result<String> {
        let ledger = Self::open(state)?;
        let next = random::<32>()?;
        let line = Entry::Key(KeyEntry::rotated(&ledger.origin, &ledger.key, &next)).to_line()?;
        let kept = log_key::keep_next(state, &next)?;
        let notes: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (*name, value.as_str())).collect();
        state.set_notes(&notes, Some(&line))?;
        log_key::settle(state, &next)?;
        Ok(public_key(&next))
    }

    /// The signed checkpoint of the whole log.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// How often a model of a shard was published.
    pub fn trainings(&self, shard: u32) -> u64 {
        self.trainings.get(&shard).copied().unwrap_or_default()
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The receipt at an index of the log (from 0), as a file that proves itself.
    pub fn file(&self, index: u64) -> Option<ReceiptFile> {
        let entry = self.log.line(index)?.to_owned();
        let (proof, checkpoint) = (self.log.inclusion(index, self.log.len())?, self.checkpoint.clone());
        Some(ReceiptFile { format: 1, entry, index, proof, checkpoint })
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(lines: u64) -> Ledger {
        let (origin, key) = ("here".to_owned(), [7; 32]);
        let mut all = vec![Entry::Key(KeyEntry::first(&key)).to_line().unwrap()];
        all.extend((1..lines).map(|n| format!("line {n}")));
        let log = Log::new(all);
        let checkpoint = Checkpoint::sign(&origin, log.len(), &log.root(), &key);
        Ledger { origin, key, log, checkpoint, trainings: imbl::OrdMap::new() }
    }

    fn key_line(id: u64) -> Receipt {
        Receipt { id, json: Entry::Key(KeyEntry::rotated("here", &[7; 32], &[8; 32])).to_line().unwrap() }
    }

    /// A log that was read before this one grew does not replace it.
    #[test]
    fn a_new_key_puts_no_older_log_back() {
        let now = ledger(9);
        let read = now.taking_in(vec![key_line(10)], || Ok(ledger(5))).unwrap();
        assert_eq!((read.log.len(), &read.checkpoint), (9, &now.checkpoint));
        let read = now.taking_in(vec![key_line(10)], || Ok(ledger(10))).unwrap();
        assert_eq!(read.log.len(), 10);
    }

    #[test]
    fn what_is_known_already_is_not_taken_in_twice() {
        let now = ledger(3);
        let line = |id| Receipt { id, json: format!("line {}", id - 1) };
        let never = || bail!("read");
        assert_eq!(now.taking_in(vec![line(3), line(4)], never).unwrap().checkpoint, ledger(4).checkpoint);
        assert!(now.taking_in(vec![line(5)], never).is_err());
        assert_eq!(now.signed(2).unwrap(), ledger(2).checkpoint);
        assert_eq!(now.signed(4), None);
    }
}
