//! Many records or items in one request: each line of the request is a JSON
//! object, and each gets one line of the answer, in the same order.

use serde::{Deserialize, Serialize};

use crate::data::ItemOutcome;

/// The media type of JSON Lines.
pub const JSON_LINES: &str = "application/x-ndjson";

/// The greatest number of lines in a request.
pub const MOST_LINES: usize = 100_000;

/// A record to add: one line of a bulk request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BulkInteraction {
    /// The user's identifier. Somebody who is in no table comes with the first
    /// record.
    pub user: String,
    /// The item's identifier.
    pub item: String,
    /// When, in the data's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<f64>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LineStatus {
    /// It is there now.
    Added,
    /// It was there before; nothing changed.
    Known,
    /// It cannot be added; `problem` says why. Nothing of it was stored.
    Refused,
}

/// The answer to a line. It names neither person nor item: answers reach logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LineAnswer {
    /// Which line of the request, from 1; blank lines count and get no answer.
    pub line: u64,
    /// What became of it.
    pub status: LineStatus,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Of an item that came: values that the catalogue does not know, as
    /// `feature: value`. They count as none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl LineAnswer {
    /// An answer with a status alone.
    pub fn new(line: u64, status: LineStatus) -> Self {
        Self { line, status, problem: None, unknown: Vec::new() }
    }

    /// The answer for an item that the request wanted to add.
    pub fn of_item(line: u64, outcome: ItemOutcome) -> Self {
        match outcome {
            ItemOutcome::Added { unknown, .. } => Self { unknown, ..Self::new(line, LineStatus::Added) },
            ItemOutcome::Known { .. } => Self::new(line, LineStatus::Known),
            ItemOutcome::Refused(problem) => Self::refused(line, problem),
        }
    }

    /// A refusal.
    pub fn refused(line: u64, problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::new(line, LineStatus::Refused) }
    }
}
