//! MRA: orders items by the median of their ranks in the shards (Fagin et al.
//! 2003).

use super::{Aggregator, Refit, Seen};
use crate::{Error, Result};

/// Median rank aggregation. With an even number of shards the two middle ranks
/// are averaged; ties go by the mean rank, then by the lower item index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MedianRank;

/// For each item, twice the median and the sum of its ranks. Ranks start at 1
/// and count unmasked items only. Ties within a shard go to the lower index.
/// Both numbers are zero for masked items.
///
/// # Errors
/// If the lists differ in length or a score is NaN.
pub fn median_ranks(per_shard: &[Vec<f32>], masked: &[u32]) -> Result<Vec<(u64, u64)>> {
    let items = per_shard.first().map_or(0, Vec::len);
    if per_shard.iter().any(|scores| scores.len() != items) {
        return Err(Error::Config("aggregation: one score an item and shard is needed".into()));
    }
    if per_shard.iter().flatten().any(|score| score.is_nan()) {
        return Err(Error::NotANumber("a score".into()));
    }
    let shards = per_shard.len();
    let open: Vec<u32> = (0..items as u32).filter(|item| masked.binary_search(item).is_err()).collect();
    let mut ranks = vec![0u32; items * shards];
    for (shard, scores) in per_shard.iter().enumerate() {
        let mut order = open.clone();
        order.sort_unstable_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        for (place, item) in order.into_iter().enumerate() {
            ranks[item as usize * shards + shard] = place as u32 + 1;
        }
    }
    Ok(ranks
        .chunks_mut(shards.max(1))
        .map(|own| {
            own.sort_unstable();
            let middle = u64::from(own[(shards - 1) / 2]) + u64::from(own[shards / 2]);
            (middle, own.iter().map(|&rank| u64::from(rank)).sum())
        })
        .collect())
}

impl Aggregator for MedianRank {
    fn name(&self) -> &'static str {
        "MRA"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Nothing
    }

    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>> {
        self.combine_for(&Seen { user: 0, masked: &[], counts: &[], scores: per_shard })
    }

    /// The negated position in the final order, so that greater is better.
    fn combine_for(&self, seen: &Seen<'_>) -> Result<Vec<f32>> {
        let ranks = median_ranks(seen.scores, seen.masked)?;
        let mut order: Vec<u32> =
            (0..ranks.len() as u32).filter(|item| seen.masked.binary_search(item).is_err()).collect();
        order.sort_unstable_by_key(|&item| (ranks[item as usize], item));
        let mut scores = vec![-(ranks.len() as f32); ranks.len()];
        for (place, item) in order.into_iter().enumerate() {
            scores[item as usize] = -(place as f32);
        }
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four shards, three items. Ranks: a 1,2,3,1; b 2,1,1,3; c 3,3,2,2.
    const SCORES: [[f32; 3]; 4] = [[3.0, 2.0, 1.0], [2.0, 3.0, 1.0], [1.0, 3.0, 2.0], [3.0, 1.0, 2.0]];

    #[test]
    fn medians_by_hand() {
        let scores = SCORES.map(|s| s.to_vec());
        // Sorted: a 1,1,2,3; b 1,1,2,3; c 2,2,3,3: twice the medians 3, 3, 5.
        assert_eq!(median_ranks(&scores, &[]).unwrap(), [(3, 7), (3, 7), (5, 10)]);
        // a and b tie in median and mean: the lower index wins.
        assert_eq!(MedianRank.combine(&scores).unwrap(), [0.0, -1.0, -2.0]);
        // Odd: the middle one. Ranks a 1,2,3; b 2,1,1; c 3,3,2.
        assert_eq!(median_ranks(&scores[..3], &[]).unwrap(), [(4, 6), (2, 4), (6, 8)]);
    }

    #[test]
    fn the_mean_rank_breaks_ties_of_the_median() {
        // a 1,2,2,3; b 2,1,3,1 (twice the median 3); c 3,3,1,2.
        let scores = [[3.0, 2.0, 1.0], [2.0, 3.0, 1.0], [2.0, 1.0, 3.0], [1.0, 3.0, 2.0]].map(|s| s.to_vec());
        assert_eq!(median_ranks(&scores, &[]).unwrap(), [(4, 8), (3, 7), (5, 9)]);
        let tied = [[5.0, 4.0, 3.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 4.0, 3.0, 2.0, 5.0]];
        // Ranks: a 1,1,5; b 2,2,2; c 3,3,3; d 4,4,4; e 5,5,1.
        let tied = tied.map(|s| s.to_vec());
        assert_eq!(median_ranks(&tied, &[]).unwrap(), [(2, 7), (4, 6), (6, 9), (8, 12), (10, 11)]);
        let even = [[2.0, 1.0, 0.0], [2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 1.0, 2.0]].map(|s| s.to_vec());
        // a 1,1,2,3; b 1,2,2,2; c 1,3,3,3: medians 1.5, 2, 3.
        assert_eq!(median_ranks(&even, &[]).unwrap(), [(3, 7), (4, 7), (6, 10)]);
    }

    #[test]
    fn masked_items_take_no_rank() {
        let scores = [vec![9.0, 2.0, 1.0], vec![9.0, 1.0, 2.0]];
        assert_eq!(median_ranks(&scores, &[0]).unwrap(), [(0, 0), (3, 3), (3, 3)]);
        // Equal scores within a shard go to the lower index.
        assert_eq!(median_ranks(&[vec![1.0, 1.0]], &[]).unwrap(), [(2, 1), (4, 2)]);
        assert!(median_ranks(&[vec![f32::NAN]], &[]).is_err());
        assert!(median_ranks(&[vec![1.0], vec![1.0, 2.0]], &[]).is_err());
    }
}
