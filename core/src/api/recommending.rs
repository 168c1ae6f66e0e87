//! Recommendations computed on the server, for clients without compute.

use serde::{Deserialize, Serialize};

/// Asks for recommendations: for a user of the catalogue, or for a visitor
/// who picked a few items. The batch endpoint takes one of these a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecommendRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Identifiers of items that a visitor picked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<String>>,
    /// How many are wanted; 10 when left out, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u32>,
}

/// The best items that the person does not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recommendations {
    /// Best first.
    pub items: Vec<Recommendation>,
    /// Shards whose models were averaged, with the version of each.
    pub shards: Vec<(u32, u64)>,
    /// Whether these are the most popular items, because no model that may
    /// answer is left.
    pub degraded: bool,
    /// Estimated seconds until a model answers again.
    pub estimated_seconds: Option<u64>,
}

/// One recommended item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recommendation {
    /// From 1.
    pub rank: u32,
    /// The item's identifier.
    pub item: String,
    /// The item's name.
    pub name: String,
    /// Mean score over the shards; the popularity class when degraded.
    pub score: f32,
}
