//! What an operator sees, as the worker tells it.

use eemu_core::api::Phase;
use serde::{Deserialize, Serialize};

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Name of the data set.
    pub dataset: String,
    /// Every shard.
    pub shards: Vec<Shard>,
    /// What waits or trains: shard, phase, epoch, epochs.
    pub queue: Vec<(u32, Phase, u32, u32)>,
    /// Changes of records that wait for the writer.
    pub changes: u64,
    /// Deletions that wait for a receipt.
    pub requests: u64,
    /// Estimated seconds until no shard waits.
    pub seconds: u64,
    /// The newest entries of the log, newest first.
    pub log: Vec<Line>,
    /// Entries of the log.
    pub size: u64,
    /// Whether all entries together give the signed root; why not, if not.
    pub whole: Result<(), String>,
    /// The key that signs, hex.
    pub key: String,
    /// Counters, in the order of the page.
    pub counters: Vec<(String, f64)>,
}

/// A shard as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Version of the live model; none while it retrains.
    pub version: Option<u64>,
    /// First and last digits of its hash.
    pub hash: String,
    /// Size of its file for browsers, f32.
    pub bytes: u64,
    /// Whether additions wait for it.
    pub stale: bool,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place, from 0.
    pub index: u64,
    /// What it states.
    pub kind: Kind,
    /// The shards that it speaks of, each with its version.
    pub shards: Vec<(u32, u64)>,
    /// First digits of the entry's own hash.
    pub hash: String,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A deletion of so many records.
    Deletion(u64),
    /// Versions went live.
    Published,
    /// A key signs from here on.
    Key,
    /// An entry that this page does not know.
    Other,
}
