//! The receipt log as it is served: the store's lines in memory with the tree
//! over them, and the key that signs.

use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use eemu_core::receipt::{Checkpoint, Entry, KeyEntry, Log, Published, current_key, public_key};

use super::service::lock;
use crate::clock::{random, random_hex};
use crate::forgetting::statement;
use crate::store::{Live, State};

const ORIGIN: &str = "log-origin";
const KEY: &str = "log-key";

/// The log and its key.
pub struct Ledger {
    origin: String,
    key: [u8; 32],
    log: Log,
    checkpoint: Checkpoint,
}

/// The log line of a version that goes live.
pub(super) fn published_line(live: &[Live]) -> Option<String> {
    Entry::Published(Published { format: 1, published: live.iter().map(statement).collect() }).to_line().ok()
}

impl Ledger {
    /// Opens the log of a state; gives it a name and a key the first time, and
    /// makes sure that every live version is committed to.
    ///
    /// # Errors
    /// When the store refuses, or the log's keys do not lead to the stored one.
    pub fn open(state: &State) -> Result<Self> {
        if state.note(KEY)?.is_none() {
            let (origin, key) = (random_hex::<16>()?, random::<32>()?);
            let line = Entry::Key(KeyEntry::first(&key)).to_line()?;
            state.set_first_notes(&[(KEY, &hex::encode(key)), (ORIGIN, &origin)], &line)?;
        }
        let mut ledger = Self::read(state)?;
        let lines = ledger.log.lines().iter().map(|line| Entry::from_line(line)).collect::<Result<Vec<_>, _>>();
        let lines = lines.context("the receipt log is damaged")?;
        let known: Vec<_> = lines.iter().flat_map(Entry::statements).collect();
        let live = state.shards()?.into_iter().filter_map(|shard| shard.live);
        let missing: Vec<Live> = live.filter(|live| !known.contains(&&statement(live))).collect();
        if !missing.is_empty() {
            let line = published_line(&missing).context("a log entry cannot be written")?;
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
        Ok(state.note(KEY)?.is_some())
    }

    fn read(state: &State) -> Result<Self> {
        let origin = state.note(ORIGIN)?.context("the receipt log has no name")?;
        let key = state.note(KEY)?.and_then(|key| hex::decode(key).ok()).and_then(|key| key.try_into().ok());
        let key: [u8; 32] = key.context("the receipt log's key is damaged")?;
        let log = Log::new(state.receipts()?.into_iter().map(|receipt| receipt.json));
        if current_key(&origin, log.lines())? != Some(public_key(&key)) {
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
        state.set_notes(&[(KEY, &hex::encode(next))], Some(&line))?;
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
