//! How the scores of all shards are combined to one score: the mean, and the
//! paper's baselines.
//!
//! An aggregator that was fitted on data is learned state like any model. It
//! may serve beside exactly unlearned shards only if the step that
//! [`Aggregator::after_deletion`] names is redone at every deletion, from a
//! start that depends on no data.
//!
//! | file | idea |
//! |---|---|
//! | `registry` | every method by name: what it refits, its number of parameters, how it is built |
//! | `mean`, `counts`, `divergence` | weights from counts, without fitting: Mean, ItemC, JS |
//! | `median_rank` | MRA: the median of the shards' ranks |
//! | `simplex`, `logistic`, `attention` | fitted: GraphEraser, UltraRE, RecEraser |
//! | `descent` | Adam for a few numbers |
//! | `vectors` | every shard's user and item embeddings at theta, which the fitted methods read |

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

/// The part of an aggregator that must be recomputed after a record is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refit {
    /// Nothing: no number of the aggregator depends on data.
    Nothing,
    /// The user's record counts, which are always read anew.
    Counts,
    /// Statistics of all remaining records; no model is needed.
    Statistics,
    /// Everything: the weights depend on every remaining record and on every
    /// shard's model.
    Everything,
}

/// The inputs that an aggregator may read for one user.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Index of the user.
    pub user: u32,
    /// Items that are left out of the ranking, sorted.
    pub masked: &'a [u32],
    /// |D_s(u)|: the user's training records in each shard.
    pub counts: &'a [usize],
    /// Each shard's scores of all items.
    pub scores: &'a [Vec<f32>],
}

/// A way to combine the scores of all shards.
pub trait Aggregator: Send + Sync {
    /// Its name in the paper's tables.
    fn name(&self) -> &'static str;

    /// What must be recomputed after a deletion.
    fn after_deletion(&self) -> Refit;

    /// The combined score of every item. `per_shard` holds one list of all
    /// items' scores a shard.
    ///
    /// # Errors
    /// If the lists differ in length, or their number is not the expected one.
    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>>;

    /// [`Aggregator::combine`] for a known user. Methods that read nothing but
    /// the scores keep this default.
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
