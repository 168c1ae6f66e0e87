//! JS_Div: the weight of a shard grows with the similarity of its item
//! popularity to the item popularity of all records. The paper does not say
//! which distributions are compared; this code compares those of items.

use super::{Aggregator, Refit, weighted};
use crate::Result;
use crate::shard::ShardData;

/// w_s proportional to 1 - JSD(P, P_s).
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    weights: Vec<f64>,
}

/// Jensen-Shannon divergence of two count vectors, in bits: 0 for equal
/// distributions, 1 for disjoint ones. The divergence is 1 if one of them is
/// empty.
pub fn jensen_shannon(a: &[u32], b: &[u32]) -> f64 {
    let total = |counts: &[u32]| counts.iter().map(|&c| f64::from(c)).sum::<f64>();
    let (in_a, in_b) = (total(a), total(b));
    if in_a == 0.0 || in_b == 0.0 {
        return 1.0;
    }
    let part = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    a.iter()
        .zip(b)
        .map(|(&a, &b)| {
            let (p, q) = (f64::from(a) / in_a, f64::from(b) / in_b);
            let middle = f64::midpoint(p, q);
            f64::midpoint(part(p, middle), part(q, middle))
        })
        .sum()
}

impl Divergence {
    /// Counts the items of all records and of each shard's records.
    pub fn of(degrees: &[u32], shards: &[ShardData]) -> Self {
        let similarities: Vec<f64> = shards
            .iter()
            .map(|shard| {
                let mut own = vec![0; degrees.len()];
                for item in shard.cells.iter().flat_map(crate::shard::UserSlice::items) {
                    own[item as usize] += 1;
                }
                1.0 - jensen_shannon(degrees, &own)
            })
            .collect();
        let total: f64 = similarities.iter().sum();
        // If no shard has anything in common with all records, the weights are
        // equal.
        let share = |s: f64| if total > 0.0 { s / total } else { 1.0 / similarities.len() as f64 };
        Self { weights: similarities.iter().map(|&s| share(s)).collect() }
    }

    /// One weight a shard; they sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

impl Aggregator for Divergence {
    fn name(&self) -> &'static str {
        "JS_Div"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Statistics
    }

    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>> {
        weighted(per_shard, &self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::UserSlice;

    #[test]
    fn divergence_by_hand() {
        assert_eq!(jensen_shannon(&[1, 2, 3], &[2, 4, 6]), 0.0);
        assert!((jensen_shannon(&[1, 0], &[0, 5]) - 1.0).abs() < 1e-12);
        // P = (1, 0), Q = (1/2, 1/2), M = (3/4, 1/4).
        let expected = 0.5 * (4.0f64 / 3.0).log2() + 0.25 * (2.0f64 / 3.0).log2() + 0.25;
        assert!((jensen_shannon(&[3, 0], &[1, 1]) - expected).abs() < 1e-12);
        assert_eq!(jensen_shannon(&[0], &[1]), 1.0);
    }

    #[test]
    fn a_shard_like_the_whole_counts_more() {
        let shard = |index, items: &[u32]| ShardData {
            index,
            cells: vec![UserSlice { user: 0, support: items.to_vec(), query: Vec::new() }],
        };
        let shards = [shard(0, &[0, 1, 2]), shard(1, &[2])];
        let fitted = Divergence::of(&[1, 1, 2], &shards);
        assert!(fitted.weights()[0] > fitted.weights()[1]);
        assert!((fitted.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let equal = Divergence::of(&[2, 2], &[shard(0, &[0, 1]), shard(1, &[0, 1])]);
        assert_eq!(equal.weights(), [0.5, 0.5]);
    }
}
