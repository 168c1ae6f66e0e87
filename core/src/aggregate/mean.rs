//! The paper's own aggregator: the plain mean (Algorithm 2 line 5).

use super::{Aggregator, Refit, weighted};
use crate::Result;

/// Every shard counts alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mean;

impl Aggregator for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Nothing
    }

    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>> {
        weighted(per_shard, &vec![1.0 / per_shard.len().max(1) as f64; per_shard.len()])
    }
}
