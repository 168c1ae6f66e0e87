//! ItemC: the weight of a shard is its share of the user's training records.

use super::{Aggregator, Refit, Seen, weighted};
use crate::{Error, Result};

/// w_{u,s} = |D_s(u)| / n_u, read from the present counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemCount;

impl Aggregator for ItemCount {
    fn name(&self) -> &'static str {
        "ItemC"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Counts
    }

    /// Without a user every shard has the same weight.
    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>> {
        super::Mean.combine(per_shard)
    }

    fn combine_for(&self, seen: &Seen<'_>) -> Result<Vec<f32>> {
        if seen.counts.len() != seen.scores.len() {
            return Err(Error::Config("aggregation: one record count a shard is needed".into()));
        }
        let total: usize = seen.counts.iter().sum();
        if total == 0 {
            return self.combine(seen.scores);
        }
        let weights: Vec<f64> = seen.counts.iter().map(|&count| count as f64 / total as f64).collect();
        weighted(seen.scores, &weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Mean;

    #[test]
    fn counts_weigh_and_equal_counts_are_the_mean() {
        let scores = [vec![1.0, 4.0], vec![3.0, 0.0]];
        fn seen<'a>(counts: &'a [usize], scores: &'a [Vec<f32>]) -> Seen<'a> {
            Seen { user: 0, masked: &[], counts, scores }
        }
        assert_eq!(ItemCount.combine_for(&seen(&[3, 1], &scores)).unwrap(), [1.5, 3.0]);
        for equal in [[5, 5], [0, 0]] {
            assert_eq!(ItemCount.combine_for(&seen(&equal, &scores)).unwrap(), Mean.combine(&scores).unwrap());
        }
        assert!(ItemCount.combine_for(&seen(&[1], &scores)).is_err());
    }
}
