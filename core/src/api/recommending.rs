//! Recommendations computed on the server, for clients without compute.

use serde::{Deserialize, Serialize};

use crate::rules::{Pick, Rules};

/// Asks for recommendations: for a user of the catalogue, or for a visitor
/// who picked a few items. The batch endpoint takes one of these a line.
///
/// Rules close items to the list and change no score of the others. Names that
/// the catalogue does not hold are skipped, and the answer names them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecommendRequest {
    /// The user's identifier; a subject may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Items that a visitor picked: identifiers, or `{"item": …, "time": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<Pick>>,
    /// How many are wanted; 10 when left out, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<u32>,
    /// Items that may not be listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// The only items that may be listed; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// `COLUMN=VALUE` of the items' columns of categories. Any of the values of
    /// one column will do; every column that is named must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<String>,
    /// Whether what the person has may be listed, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_seen: bool,
    /// Whether to say each shard's score, and what the models were adapted to.
    /// Not for operators about a user: it names the user's records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
}

impl RecommendRequest {
    /// What may stand in the list.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            exclude: self.exclude.clone(),
            only: self.only.clone(),
            category: self.category.clone(),
            include_seen: self.include_seen,
        }
    }
}

/// The best items, best first.
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
    /// Names of the request that the catalogue does not hold: they were skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// What the models were adapted to, newest first; where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapted_to: Option<Vec<Adapted>>,
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
    /// Each shard's score, in the order of `shards`; where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_shard: Vec<f32>,
}

/// One record that the models were adapted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Adapted {
    /// The item's identifier.
    pub item: String,
    /// The item's name.
    pub name: String,
    /// Its weight; none in a low-rank model, which draws pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f32>,
    /// The item that it was paired with in a low-rank model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

/// Items by how many people have them, most first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PopularItems {
    /// Most first.
    pub items: Vec<PopularItem>,
    /// Whether the order is that of the records as they are. Without an
    /// operator's token it is that of the published classes, which are noisy.
    pub exact: bool,
    /// Names of the request that the catalogue does not hold: they were skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One popular item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PopularItem {
    /// From 1.
    pub rank: u32,
    /// The item's identifier.
    pub item: String,
    /// The item's name.
    pub name: String,
    /// How many people have it; for operators alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
}

/// New items: first those that nobody has yet, the last of the catalogue before
/// the others; then by when their first record was made, latest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewItems {
    /// In that order.
    pub items: Vec<NewItem>,
    /// Names of the request that the catalogue does not hold: they were skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One new item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewItem {
    /// From 1.
    pub rank: u32,
    /// The item's identifier.
    pub item: String,
    /// The item's name.
    pub name: String,
    /// The time of its first record, in the data's own unit; absent where nobody
    /// has it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<f64>,
}

/// Items to hide from every list, or to show again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HideRequest {
    /// Their identifiers.
    pub items: Vec<String>,
}

/// The items that are hidden from every list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HiddenItems {
    /// All of them now, sorted.
    pub hidden: Vec<String>,
    /// How many of the request were not so before.
    pub changed: u32,
    /// Names of the request that the catalogue does not hold, or that were not
    /// hidden: they were skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
