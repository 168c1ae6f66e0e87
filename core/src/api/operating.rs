//! What operators and administrators see of a service: the state for one page,
//! tokens and backups. It names shards and counts, but no user.

use serde::{Deserialize, Serialize};

use super::Phase;

/// The service at one moment. Times are seconds since 1970 by the server's
/// clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operating {
    /// Name of the data set.
    pub dataset: String,
    /// When this was looked at.
    pub now: u64,
    /// When the process began; what is counted here is counted since then.
    pub since: u64,
    /// When deletions are carried out: `at-once`, `by=02:00` or `within=24h`.
    pub policy: String,
    /// Deletions without a receipt, those asked for first; at most 200.
    pub requests: Vec<RequestStanding>,
    /// How many are carried out and wait for their receipt.
    pub open: u64,
    /// How many are accepted and not carried out yet.
    pub accepted: u64,
    /// How many of these are past the time by which they were to be carried
    /// out.
    pub late: u64,
    /// Estimated seconds until no shard waits, additions left aside.
    pub estimated_seconds: u64,
    /// Changes of records that wait for the writer.
    pub changes: u64,
    /// Every shard.
    pub shards: Vec<ShardStanding>,
    /// Deletions asked for in the last hour, in this process.
    pub deletions_last_hour: u64,
    /// Deletions an hour that are sustained: half of the shards or more answer,
    /// and trainers are busy 70% of their time or less.
    pub deletions_sustained: f64,
    /// How long lists took.
    pub lists: Timing,
    /// How long deletions took to be acknowledged.
    pub acknowledgements: Timing,
    /// What was counted.
    pub counts: Counts,
    /// How good the lists are.
    pub quality: Quality,
}

/// A deletion without a receipt. It says nothing of what is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestStanding {
    /// BLAKE3 of the request's name, hex. Its receipt will hold the same.
    pub name_blake3: String,
    /// When it was asked for.
    pub asked: u64,
    /// Until when: to be carried out, while it is `accepted`; after that to
    /// have its receipt, 30 days from when it was asked for.
    pub due: u64,
    /// Whether that time is over.
    pub late: bool,
    /// Where it stands.
    pub phase: Phase,
    /// How many shards it makes retrain.
    pub shards: u32,
    /// Those of them that are not back, at most 64.
    pub waiting: Vec<u32>,
}

/// A shard as an operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardStanding {
    /// Which shard, from 0.
    pub shard: u32,
    /// Whether its model takes part in the mean.
    pub in_mean: bool,
    /// Whether records changed since its model was trained.
    pub stale: bool,
    /// What is going on; absent when nothing is. `settling` collects changes.
    pub phase: Option<Phase>,
    /// Until when changes are collected, while it is `settling`.
    pub collects_until: Option<u64>,
    /// The epoch it is in, from 1; 0 before it starts.
    pub epoch: u32,
    /// How many epochs there are; 0 before it starts.
    pub epochs: u32,
    /// Records that it trains on.
    pub records: u64,
    /// People whose records these are.
    pub people: u64,
    /// Version of its live model. Numbers are given to all shards in one row,
    /// so they do not count trainings.
    pub version: Option<u64>,
    /// How often a model of this shard was published.
    pub trainings: u64,
    /// Seconds that training its live model took.
    pub seconds: Option<f64>,
    /// BLAKE3 of its live model's tensors, hex.
    pub model_blake3: Option<String>,
    /// Bytes of its file for browsers, in full precision.
    pub bytes: Option<u64>,
}

/// How long the last thousand took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timing {
    /// How many of them there are.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

/// What was counted since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Answers given.
    pub answers: u64,
    /// Those of them that were the server's fault.
    pub server_faults: u64,
    /// Records deleted.
    pub records_deleted: u64,
    /// Records added.
    pub records_added: u64,
    /// Shards trained and published.
    pub shards_trained: u64,
    /// Trainings that began anew because records changed.
    pub trainings_restarted: u64,
    /// Trainings that failed.
    pub trainings_failed: u64,
    /// Answers computed again because a deletion came between.
    pub answers_overtaken: u64,
}

/// How good the lists are, measured after each training on a small sample of
/// people who have held-out records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Quality {
    /// No record is held out, so nothing can be measured.
    NothingHeldOut,
    /// It was not measured yet.
    NotYet,
    /// It was measured.
    Measured {
        /// People in the sample: the same ones each time, less those who left.
        people: u64,
        /// HR@10: the share of their held-out items among the first ten.
        hit_rate: f64,
        /// Half the width of the 95% interval over people.
        margin: f64,
        /// The best that was measured since the process began.
        best: f64,
        /// Whether it lies below the best by more than the margin.
        fell: bool,
        /// When.
        at: u64,
    },
}

/// Makes a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it may do: `admin`, `operator` or `subject`.
    pub scope: String,
    /// Whom a subject's token speaks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// For how many days it is good; until it is revoked when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u64>,
}

/// A token that was made. The token itself is shown here and never again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// The token.
    pub token: String,
    /// What is kept of it.
    pub entry: TokenEntry,
}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenEntry {
    /// Its short name.
    pub id: String,
    /// What it may do: `admin`, `operator` or `subject`.
    pub scope: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Until when it is good; absent where it is until it is revoked.
    pub expires: Option<u64>,
}

/// Tokens: those of one person, or the operators' and administrators'.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The oldest first.
    pub tokens: Vec<TokenEntry>,
    /// How many speak for people, whoever they are.
    pub subjects: u64,
}

/// Ends a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Its short name.
    pub id: String,
}

/// Backups that are out. What they hold is deleted by the restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Backups {
    /// The oldest first.
    pub backups: Vec<BackupStanding>,
}

/// A backup that is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackupStanding {
    /// Its name.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it must be destroyed.
    pub destroy_by: u64,
    /// Whether that time is over.
    pub late: bool,
}
