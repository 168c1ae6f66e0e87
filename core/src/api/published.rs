//! What everybody may read.

use serde::{Deserialize, Serialize};

use super::personal::Progress;
use crate::client::Precision;
use crate::config::Config;
use crate::fingerprint::Fingerprint;
use crate::receipt::Checkpoint;

/// The ensemble as it is now. A client uses no model file that the newest
/// manifest does not list, and none past `valid_until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// Format of the manifest.
    pub format: u32,
    /// Rises whenever anything in it changes; starts anew with the server.
    pub generation: u64,
    /// Name of the data set.
    pub dataset: String,
    /// Version of the catalogue.
    pub catalog_version: u32,
    /// BLAKE3 of the catalogue as clients get it (JSON bytes), hex.
    pub catalog_blake3: String,
    /// BLAKE3 of the dense features as clients get them, hex.
    pub dense_blake3: String,
    /// Class of each item's degree, in catalogue order: a power of 1.5, moved
    /// by a secret random number of steps that is drawn anew whenever records
    /// change, so that two readings do not name the item between them.
    pub degree_classes: Vec<u8>,
    /// Items taken down for everybody, or hidden, by place in the catalogue,
    /// ascending: in no list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items_down: Vec<u32>,
    /// Number of shards S.
    pub shards_total: u32,
    /// Hyper-parameters. The seed is not published: it reads 0.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub config: Config,
    /// Key of the streams that adaptation draws from, hex.
    pub adaptation_key: String,
    /// Seconds since 1970 until which a client may use this manifest.
    pub valid_until: u64,
    /// Whether no shard is in the mean: answers are popularity.
    pub degraded: bool,
    /// Every shard.
    pub shards: Vec<ShardEntry>,
    /// The receipt log now.
    pub checkpoint: Checkpoint,
}

/// One shard of the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardEntry {
    /// Which shard, from 0.
    pub shard: u32,
    /// Version of its live model; absent from a removal until it is retrained.
    pub version: Option<u64>,
    /// Whether the shard takes part in the mean.
    pub in_mean: bool,
    /// Whether records changed since its model was trained.
    pub stale: bool,
    /// BLAKE3 of the whole model's tensors, hex.
    pub model_blake3: Option<String>,
    /// Key of the log's commitment to this version, hex; destroyed with it.
    pub nonce: Option<String>,
    /// Key of the log's commitment to its data, hex; destroyed with it.
    pub salt: Option<String>,
    /// What made it.
    pub fingerprint: Option<Fingerprint>,
    /// The client files of this version; none while it has no model.
    pub files: Vec<ClientFile>,
}

/// A file that clients download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClientFile {
    /// How its numbers are stored.
    pub precision: Precision,
    /// BLAKE3 of the file, hex.
    pub blake3: String,
    /// Its size.
    pub bytes: u64,
    /// Where it is, from the server's root.
    pub address: String,
}

/// A page of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogPage {
    /// Items in the catalogue.
    pub total: u32,
    /// Place of the first.
    pub offset: u32,
    /// The items, in catalogue order.
    pub items: Vec<CatalogItem>,
}

/// An item as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CatalogItem {
    /// Its place in the catalogue.
    pub index: u32,
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Part of the receipt log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default)]
pub struct LogPage {
    /// First entry, from 0.
    pub from: u64,
    /// How many at most.
    pub count: Option<u64>,
}

/// Entries of the receipt log, as text: the leaves of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogEntries {
    /// Place of the first.
    pub from: u64,
    /// The lines.
    pub entries: Vec<String>,
    /// The signed state of the log.
    pub checkpoint: Checkpoint,
}

/// Proof that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InclusionProof {
    /// Place of the entry, from 0.
    pub index: u64,
    /// The entry.
    pub entry: String,
    /// Hashes in hex.
    pub proof: Vec<String>,
    /// The signed state that it leads to.
    pub checkpoint: Checkpoint,
}

/// Proof that the log only grew between two sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsistencyProof {
    /// The log when it was shorter.
    pub earlier: Checkpoint,
    /// The log when it was longer.
    pub later: Checkpoint,
    /// Hashes in hex.
    pub proof: Vec<String>,
}

/// Whether the server works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, `degraded` (answers are popularity) or `stopping`.
    pub status: String,
    /// Shards in the mean.
    pub shards_clean: u32,
    /// Number of shards.
    pub shards_total: u32,
}

/// What waits and what trains, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queue {
    /// Shards that are to be retrained, each with where it stands.
    pub shards: Vec<Progress>,
    /// Changes of records that wait for the writer.
    pub changes: u64,
    /// Deletions that wait for a receipt.
    pub requests: u64,
    /// Estimated seconds until no shard waits.
    pub estimated_seconds: u64,
    /// Deletions that are accepted and not carried out yet.
    #[serde(default)]
    pub accepted: u64,
    /// How many of them are past their time.
    #[serde(default)]
    pub late: u64,
    /// The earliest of them, at most 1000.
    #[serde(default)]
    pub deadlines: Vec<Deadline>,
}

/// A deletion that is accepted and not carried out yet, with times in seconds
/// since 1970. It says nothing of what is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deadline {
    /// BLAKE3 of the request's name, hex.
    pub name_blake3: String,
    /// When it was asked for.
    pub asked: u64,
    /// Until when it is to be carried out.
    pub due: u64,
    /// Whether that time is over.
    pub late: bool,
}

/// Which part of the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default)]
pub struct AuditPage {
    /// Entries before this number, which the page before names as `next`; the
    /// newest when left out.
    pub before: Option<u64>,
    /// How many at most: 100 when left out, 1000 at most.
    pub count: Option<u64>,
}

/// Part of the audit log, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditLog {
    /// The entries.
    pub entries: Vec<AuditEntry>,
    /// What to give as `before` for those that are older; absent at the end.
    pub next: Option<u64>,
}

/// Who asked what kind of thing, and when. Names no item and no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its number, from 1.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The token's short name, as `eemu token list` shows it; `command` for
    /// the command line.
    pub token: String,
    /// What the token may do: `admin`, `operator` or `subject`.
    pub scope: String,
    /// What kind of thing was asked.
    pub kind: String,
    /// What came of it: the answer's HTTP status.
    pub status: u16,
}

/// Whose token this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Whoami {
    /// `admin`, `operator` or `subject`.
    pub role: String,
    /// A subject's own identifier.
    pub user: Option<String>,
    /// Whether the server is a demonstration.
    pub demo: bool,
}

/// A household of the demonstration, with the token that acts for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DemoHousehold {
    /// Its identifier.
    pub user: String,
    /// Its bearer token; good until the server stops.
    pub token: String,
}
