//! The receipt log as it is served: the store's lines in memory with the tree
//! over them, and the key that signs.

use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use eemu_core::receipt::{Checkpoint, Entry, KeyEntry, Log, Published, ReceiptFile, current_key, public_key};

use super::log_key;
use super::service::lock;
use crate::clock::{random, random_hex};
use crate::forgetting::statement;
use crate::store::{Live, State};

const ORIGIN: &str = "log-origin";

/// The log and its key.
pub struct Ledger {
    origin: String,
    key: [u8; 32],
    log: Log,
    checkpoint: Checkpoint,
}

/// The log line of a version that goes live.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn published_line(live: &[Live]) -> eemu_core::Result<String> {
    Entry::Published(Published { format: 1, published: live.iter().map(statement).collect() }).to_line()
}

impl Ledger {
    /// Opens the log of a state; gives it a name and a key the first time, and
    /// makes sure that every live version is committed to.
    ///
    /// # Errors
    /// When the store refuses, or the log's keys do not lead to the stored one.
    pub fn open(state: &State) -> Result<Self> {
        if !Self::is_open(state)? {
            // The operator may have given one.
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
        let lines = ledger.log.lines().iter().map(|line| Entry::from_line(line)).collect::<Result<Vec<_>, _>>();
        let lines = lines.context("the receipt log is damaged")?;
        let known: Vec<_> = lines.iter().flat_map(Entry::statements).collect();
        let live = state.shards()?.into_iter().filter_map(|shard| shard.live);
        let missing: Vec<Live> = live.filter(|live| !known.contains(&&statement(live))).collect();
        if !missing.is_empty() {
            let line = published_line(&missing)?;
            state.append_receipt(&line)?;
            ledger = Self::read(state)?;
        }
        Ok(ledger)
    }

    /// Whether a state has a log: it serves, or has served.
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
        let current = current_key(&origin, log.lines())?;
        let key = log_key::read(state, current.as_deref())?.context(
            "the key of the receipt log is not there: put log.key back beside the database, or name its file in \
             EEMU_LOG_KEY",
        )?;
        if current != Some(public_key(&key)) {
            bail!("the receipt log's keys do not lead to the stored key; restore the state from a backup");
        }
        let checkpoint = Checkpoint::sign(&origin, log.len(), &log.root(), &key);
        Ok(Self { origin, key, log, checkpoint })
    }

    /// Takes in what the store appended since. Readers of the log do not wait
    /// for the store meanwhile.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn refresh(ledger: &Mutex<Self>, state: &State) -> Result<()> {
        let known = lock(ledger).log.len();
        let new = state.receipts_after(known)?;
        if new.iter().any(|receipt| matches!(Entry::from_line(&receipt.json), Ok(Entry::Key(_)))) {
            // Another process gave the log a new key.
            let read = Self::read(state)?;
            *lock(ledger) = read;
            return Ok(());
        }
        let mut ledger = lock(ledger);
        for receipt in new {
            // Another thread may have been here.
            if receipt.id == ledger.log.len() + 1 {
                ledger.log.push(receipt.json);
            }
        }
        ledger.checkpoint = ledger.sign(&ledger.log);
        Ok(())
    }

    fn sign(&self, log: &Log) -> Checkpoint {
        Checkpoint::sign(&self.origin, log.len(), &log.root(), &self.key)
    }

    /// Gives the log a new key, with the old one's consent in the log.
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

    /// The signed state of the log now.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The receipt at a place of the log (from 0), as a file that proves itself.
    pub fn file(&self, index: u64) -> Option<ReceiptFile> {
        let entry = self.log.lines().get(usize::try_from(index).ok()?)?.clone();
        let (proof, checkpoint) = (self.log.inclusion(index)?, self.checkpoint.clone());
        Some(ReceiptFile { format: 1, entry, index, proof, checkpoint })
    }

    /// The log when it had `size` entries, signed.
    pub fn at(&self, size: u64) -> Option<(Log, Checkpoint)> {
        let log = self.log.at(size)?;
        let checkpoint = self.sign(&log);
        Some((log, checkpoint))
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("checkpoint", &self.checkpoint).finish_non_exhaustive()
    }
}
