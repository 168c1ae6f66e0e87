//! How the shards' scores become one score: the paper's baselines beside the
//! mean.
//!
//! An aggregator that was fitted on data is learned state like any model. It
//! may serve beside exact shards only if whatever [`Aggregator::after_deletion`]
//! names is done anew at every deletion, from a start that no data decided.
//!
//! | file | idea |
//! |---|---|
//! | `registry` | every method by name: what it refits, what it weighs, how it is made |
//! | `mean`, `counts`, `divergence` | weights that are counted, not fitted: Mean, ItemC, JS |
//! | `median_rank` | MRA: the median of the shards' ranks |
//! | `simplex`, `logistic`, `attention` | fitted: GraphEraser, UltraRE, RecEraser |
//! | `descent` | Adam on a handful of numbers |
//! | `vectors` | every shard's user and item vectors at theta, which all of them read |

mod attention;
mod counts;
mod descent;
mod divergence;
mod logistic;
mod mean;
mod median_rank;
mod registry;
mod simplex;
mod vectors;

pub use attention::{Attention, AttentionConfig};
pub use counts::ItemCount;
pub use divergence::{Divergence, jensen_shannon};
pub use logistic::{Logistic, LogisticConfig};
pub use mean::Mean;
pub use median_rank::{MedianRank, median_ranks};
pub use registry::{Effort, Method};
pub use simplex::{FitConfig, Margins, Simplex};
pub use vectors::{SampledPairs, ShardVectors, Vectors};

use crate::{Error, Result};

/// What has to be done anew when a record has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refit {
    /// Nothing: no number of the aggregator comes from data.
    Nothing,
    /// The user's record counts, which are read live.
    Counts,
    /// Statistics of all remaining records; no model is read.
    Statistics,
    /// Everything: its weights are a function of every remaining record and
    /// of every shard's model.
    Everything,
}

/// What an aggregator may know of one person besides the shards' scores.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Index of the user.
    pub user: u32,
    /// Items that are not ranked, sorted.
    pub masked: &'a [u32],
    /// |D_s(u)|: the user's training records in each shard.
    pub counts: &'a [usize],
    /// Each shard's scores of all items.
    pub scores: &'a [Vec<f32>],
}

/// One way to blend the shards' scores.
pub trait Aggregator: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// What a deletion makes stale.
    fn after_deletion(&self) -> Refit;

    /// The blended score of every item from each shard's scores of all items,
    /// one list a shard.
    ///
    /// # Errors
    /// When the lists are not of one length, or not as many as expected.
    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>>;

    /// [`Aggregator::combine`] for a person of whom more is known. Methods
    /// that read the scores alone leave it as it is.
    ///
    /// # Errors
    /// As [`Aggregator::combine`].
    fn combine_for(&self, seen: &Seen<'_>) -> Result<Vec<f32>> {
        self.combine(seen.scores)
    }
}

/// The weighted sum of the shards' scores.
fn weighted(per_shard: &[Vec<f32>], weights: &[f64]) -> Result<Vec<f32>> {
    let items = per_shard.first().map_or(0, Vec::len);
    if per_shard.len() != weights.len() || per_shard.iter().any(|scores| scores.len() != items) {
        return Err(Error::Config(
            "aggregation: one score an item and shard, and one weight a shard, are needed".into(),
        ));
    }
    let sum = |item: usize| per_shard.iter().zip(weights).map(|(s, w)| w * f64::from(s[item])).sum::<f64>() as f32;
    Ok((0..items).map(sum).collect())
}
