//! A user's own data, deletion requests and their progress.

use serde::{Deserialize, Serialize};

use crate::data::Entities;

/// About whom a request is. A subject's token speaks for its own user, who may
/// be left out; an administrator names one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// The user's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Everything that the server knows of what a person did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnInteractions {
    /// In the person's order.
    pub interactions: Vec<OwnInteraction>,
}

/// One thing a person did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnInteraction {
    /// The item's identifier.
    pub item: String,
    /// The item's name.
    pub name: String,
    /// When, in the data's own unit; absent in data without times.
    pub timestamp: Option<f64>,
    /// The shard that trains on it, from 0; absent for a record that is held
    /// out. Of their own records a person may know it: a deletion shows it too.
    #[serde(default)]
    pub shard: Option<u32>,
}

/// Adds what a person did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What is added.
    pub interactions: Vec<NewInteraction>,
}

/// One thing to add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewInteraction {
    /// The item's identifier.
    pub item: String,
    /// When, in the data's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<f64>,
}

/// What adding came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Added {
    /// How many were new, or later than the one of the same item that was there.
    pub added: u64,
}

/// Deletes what a person did: some items, or everything. The account stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeleteRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Identifiers of the items to forget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Forget everything instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Forget everything earlier than this instead, in the data's own unit.
    /// What has no time stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

/// What a deletion would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DryRun {
    /// Records that would go.
    pub removed: u64,
    /// Shards that would retrain.
    pub shards: Vec<u32>,
    /// Shards that would go on answering meanwhile.
    pub shards_left: u32,
    /// Whether answers would be popularity until the first is back.
    pub degraded: bool,
    /// Estimated seconds until every shard is back.
    pub estimated_seconds: u64,
}

/// Deletes a person's account: every record, every feature, every token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Takes an item down for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TakeDownRequest {
    /// The item's identifier.
    pub item: String,
}

/// Where an unlearning request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Noted, and carried out together with others by a time that is stated:
    /// until then the records are there and the models as they were.
    Accepted,
    /// Waits for a place among the trainers.
    Queued,
    /// Waits for more requests, so that a shard retrains once for them all.
    Settling,
    /// A shard is being retrained.
    Retraining,
    /// A shard's new model is being put in place.
    Publishing,
    /// Every shard is retrained; the receipt is in the log.
    Done,
}

/// An unlearning request. When it is answered, the records are gone from disk
/// and no model that saw them answers anybody, unless its phase is `accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unlearning {
    /// Names the request; it cannot be guessed. Keep it: after an account's
    /// deletion it is the only way to ask.
    pub id: String,
    /// Where it stands.
    pub phase: Phase,
    /// Until when it is carried out, in seconds since 1970; while it is
    /// `accepted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Records that it removed.
    pub removed: u64,
    /// How many shards it makes retrain.
    pub shards: u32,
    /// How many of them are done.
    pub shards_done: u32,
    /// What is going on in each shard that is not done.
    pub progress: Vec<Progress>,
    /// Estimated seconds until it is done.
    pub estimated_seconds: u64,
    /// Where its receipt stands in the log, from 0; once it is done, and if
    /// anything was removed.
    pub receipt_index: Option<u64>,
    /// What became of the bytes.
    #[serde(default)]
    pub erasure: Erasure,
}

/// What became of the bytes that a request removed, with times in seconds
/// since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Erasure {
    /// When it was asked for.
    pub asked: u64,
    /// When they were overwritten on disk: before the request was answered.
    /// Absent where erasure is logical (PostgreSQL).
    pub overwritten: Option<u64>,
    /// When the database was cleared of stale copies of them.
    pub compacted: Option<u64>,
    /// Until when that happens, where it is still to come.
    pub compacted_by: Option<u64>,
}

/// One shard on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Which shard.
    pub shard: u32,
    /// Where it stands.
    pub phase: Phase,
    /// The epoch it is in, from 1; 0 before it starts.
    pub epoch: u32,
    /// How many epochs there are.
    pub epochs: u32,
}

/// A server-sent event about a request: its `event` is the phase, its `data`
/// this.
pub type Event = Unlearning;

/// Asks for everything that is kept about a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Names of the person's deletion requests: only a name leads to one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
}

/// Everything that is kept about a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Kept {
    /// Format of this file.
    pub format: u32,
    /// Name of the data set.
    pub dataset: String,
    /// The user's identifier.
    pub user: String,
    /// When this was made, in seconds since 1970.
    pub exported: u64,
    /// What the person did, in the person's order.
    pub records: Vec<OwnInteraction>,
    /// What is known of the person besides.
    pub features: Vec<KeptFeature>,
    /// Tokens that act for the person; the tokens themselves are not kept.
    pub tokens: Vec<KeptToken>,
    /// Deletion requests whose names were given.
    pub requests: Vec<KeptRequest>,
    /// What this file cannot hold, and why.
    pub note: String,
}

/// A feature of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptFeature {
    /// Its name in the data.
    pub name: String,
    /// Its values as text.
    pub values: Vec<String>,
}

/// A token that acts for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptToken {
    /// Its short name.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Until when it is good.
    pub expires: Option<u64>,
}

/// A deletion request, with times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptRequest {
    /// BLAKE3 of its name, hex.
    pub name_blake3: String,
    /// Records that it removed.
    pub removed: u64,
    /// When it was asked for.
    pub asked: u64,
    /// When its records were overwritten on disk.
    pub overwritten: Option<u64>,
    /// When stale copies of them were cleared.
    pub compacted: Option<u64>,
    /// Where its receipt stands in the log, from 0.
    pub receipt_index: Option<u64>,
}

/// A person's own part of every live model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnRows {
    /// The user side of the catalogue with this person alone.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub users: Entities,
    /// The person's dense features, a list a feature that has numbers, in
    /// column order.
    pub dense: Vec<Vec<f32>>,
    /// A row for each shard with a live model.
    pub rows: Vec<OwnRow>,
}

/// A person's row of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnRow {
    /// Which shard.
    pub shard: u32,
    /// Of which version.
    pub version: u64,
    /// Whether the shard holds records of the person; where it holds none the
    /// model reads the unknown row.
    pub known: bool,
    /// The row; empty when the model has no identifiers.
    pub row: Vec<f32>,
}
