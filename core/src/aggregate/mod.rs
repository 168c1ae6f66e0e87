//! How the shards' scores become one score: the paper's baselines beside the
//! mean (algorithms.md H).
//!
//! An aggregator that was fitted on data is learned state like any model. It
//! may serve beside exact shards only if whatever [`Aggregator::after_deletion`]
//! names is done anew at every deletion, from a start that no data decided.

mod mean;
mod simplex;

pub use mean::Mean;
pub use simplex::{FitConfig, Margins, Simplex};

use crate::{Error, Result};

/// What has to be done anew when a record has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refit {
    /// Nothing: no number of the aggregator comes from data.
    Nothing,
    /// Everything: its weights are a function of every remaining record and
    /// of every shard's model.
    Everything,
}

/// One way to blend the shards' scores.
pub trait Aggregator {
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
