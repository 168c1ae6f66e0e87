//! The wire types of the HTTP API, version 1. The server and the browser app
//! share them, so that they cannot diverge.
//!
//! | file | idea |
//! |---|---|
//! | `published` | what everybody may read: manifest, catalogue, log |
//! | `personal` | a person's own data, deletions and what becomes of them |
//! | `recommending` | recommendations computed on the server |
//! | `bulk` | many records or items in one request |
//! | `operating` | what operators and administrators see |
//!
//! Identifiers of users and items travel in bodies only, never in a path or a
//! query string, so that no proxy writes them to its log.

mod bulk;
mod operating;
mod personal;
mod published;
mod recommending;

pub use crate::data::{FeatureValue, ItemRow};
pub use bulk::{BulkInteraction, JSON_LINES, LineAnswer, LineStatus, MOST_LINES};
pub use operating::{
    BackupStanding, Backups, Counts, NewToken, Operating, Quality, RequestStanding, RevokeRequest, ShardStanding,
    Timing, TokenEntry, TokenList, TokenRequest,
};
pub use personal::{
    AccountRequest, AddRequest, Added, DeleteRequest, DryRun, Erasure, Event, ExportRequest, Kept, KeptFeature,
    KeptRequest, KeptToken, NewInteraction, OwnInteraction, OwnInteractions, OwnRow, OwnRows, Phase, Progress,
    TakeDownRequest, Unlearning, UserRequest,
};
pub use published::{
    AuditEntry, AuditLog, AuditPage, CatalogItem, CatalogPage, ClientFile, ConsistencyProof, Deadline, DemoHousehold,
    Health, InclusionProof, LogEntries, LogPage, Manifest, Queue, ShardEntry, Whoami,
};
pub use recommending::{
    Adapted, HiddenItems, HideRequest, NewItem, NewItems, PopularItem, PopularItems, RecommendRequest, Recommendation,
    Recommendations,
};

use serde::{Deserialize, Serialize};

/// Path prefix of the API.
pub const PREFIX: &str = "/api/v1";

/// What went wrong: the body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A word for programs: `unauthorized`, `forbidden`, `not_found`,
    /// `bad_request`, `too_large`, `too_many`, `timeout`, `unavailable`,
    /// `internal`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}
