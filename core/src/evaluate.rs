//! Evaluation over the full ranking: HR@k and NDCG@k with confidence intervals.

use crate::adapt::{UserContext, UserHistory};
use crate::data::Role;
use crate::dataset::{Dataset, History};
use crate::recommend::Ranker;
use crate::{Error, Result};

/// Ranks, from 0, of the held-out items (validation or test) of a range of
/// users, by ascending user. Scores are the mean over the ranker's models. The
/// records before the held-out ones are the user's history, and are masked:
/// training records, and for test items the validation records too. `seen` is
/// called with the numbers of users done and of all users.
///
/// # Errors
/// If a score is NaN or the device fails.
pub async fn ranks(
    dataset: &Dataset,
    ranker: &Ranker<'_>,
    role: Role,
    users: std::ops::Range<u32>,
    mut seen: impl FnMut(usize, usize),
) -> Result<Vec<(u32, usize)>> {
    let asked = targets(dataset, role, users);
    let mut ranks = Vec::with_capacity(asked.len());
    for (done, tile) in (1..).zip(asked.chunks(ranker.people_together())) {
        let people: Vec<UserContext> =
            tile.iter().map(|&(user, _)| dataset.person(user, History::Before(role))).collect();
        let scored = ranker.scores(&people, 0, false).await?;
        for (((user, targets), person), scored) in tile.iter().zip(&people).zip(scored) {
            for rank in ranks_of(targets, &scored.mean, person.history.items())? {
                ranks.push((*user, rank));
            }
        }
        seen((done * ranker.people_together()).min(asked.len()), asked.len());
    }
    Ok(ranks)
}

/// As [`ranks`], for scores that are a function of the history alone.
///
/// # Errors
/// If a score is NaN.
pub fn ranks_by(
    dataset: &Dataset,
    role: Role,
    users: std::ops::Range<u32>,
    scores: impl Fn(&UserHistory) -> Vec<f32>,
) -> Result<Vec<(u32, usize)>> {
    let mut ranks = Vec::new();
    for (user, targets) in targets(dataset, role, users) {
        let history = dataset.person(user, History::Before(role)).history;
        for rank in ranks_of(&targets, &scores(&history), history.items())? {
            ranks.push((user, rank));
        }
    }
    Ok(ranks)
}

/// The rank of each held-out item of one user; the user's other held-out items
/// are masked.
fn ranks_of(targets: &[u32], scores: &[f32], known: &[u32]) -> Result<Vec<usize>> {
    targets
        .iter()
        .map(|&target| {
            let mut masked: Vec<u32> = known.to_vec();
            masked.extend(targets.iter().filter(|&&other| other != target));
            masked.sort_unstable();
            rank_of(target, scores, &masked)
        })
        .collect()
}

/// As [`ranks_by`], with popularity as the score: the training interactions of
/// each item.
///
/// # Errors
/// Never: counts are not NaN.
pub fn popularity_ranks(dataset: &Dataset, role: Role) -> Result<Vec<(u32, usize)>> {
    let scores: Vec<f32> = dataset.degrees.iter().map(|&d| d as f32).collect();
    ranks_by(dataset, role, 0..dataset.interactions.users(), |_| scores.clone())
}

/// Users with held-out items of this role, with these items.
fn targets(dataset: &Dataset, role: Role, mut users: std::ops::Range<u32>) -> Vec<(u32, Vec<u32>)> {
    users.end = users.end.min(dataset.interactions.users());
    users.map(|user| (user, dataset.items(user, role))).filter(|(_, items)| !items.is_empty()).collect()
}

/// The rank, from 0, of `target` among the unmasked items. Items with a greater
/// score, and items with an equal score and a lower index, come first. `masked`
/// is sorted.
///
/// # Errors
/// If a score is NaN: such a score must never count as a hit.
pub fn rank_of(target: u32, scores: &[f32], masked: &[u32]) -> Result<usize> {
    let own = scores[target as usize];
    if scores.iter().any(|s| s.is_nan()) {
        return Err(Error::NotANumber("a score".into()));
    }
    Ok(scores
        .iter()
        .zip(0u32..)
        .filter(|&(&score, item)| {
            (score > own || (score == own && item < target)) && item != target && masked.binary_search(&item).is_err()
        })
        .count())
}

/// A mean over users with its 95% confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Half the width of the normal 95% confidence interval over users.
    pub margin: f64,
}

impl Estimate {
    /// The mean and its interval from one value a user.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { mean, margin: 1.96 * (variance / n).sqrt() }
    }
}

/// The hit and the discounted gain at k of a rank from 0.
pub fn gains(rank: usize, k: usize) -> (f64, f64) {
    if rank < k { (1.0, 1.0 / (rank as f64 + 2.0).log2()) } else { (0.0, 0.0) }
}

/// HR@k of users with these ranks.
pub fn hit_rate(ranks: &[usize], k: usize) -> Estimate {
    Estimate::of(&ranks.iter().map(|&r| gains(r, k).0).collect::<Vec<_>>())
}

/// NDCG@k of users with these ranks.
pub fn ndcg(ranks: &[usize], k: usize) -> Estimate {
    Estimate::of(&ranks.iter().map(|&r| gains(r, k).1).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        let scores = [0.5, 2.0, 2.0, 1.0, 3.0];
        assert_eq!(rank_of(4, &scores, &[]).unwrap(), 0);
        assert_eq!(rank_of(1, &scores, &[]).unwrap(), 1);
        assert_eq!(rank_of(2, &scores, &[]).unwrap(), 2);
        assert_eq!(rank_of(2, &scores, &[1, 4]).unwrap(), 0);
        assert_eq!(rank_of(0, &scores, &[]).unwrap(), 4);
        assert!(rank_of(0, &[f32::NAN, 1.0], &[]).is_err());
        assert!(rank_of(1, &[f32::NAN, 1.0], &[]).is_err());
    }

    /// Hand-computed tables: ranks 0, 2, 9 and 10 at k = 10.
    #[test]
    fn metrics_by_hand() {
        let ranks = [0, 2, 9, 10];
        assert!((hit_rate(&ranks, 10).mean - 0.75).abs() < 1e-12);
        assert!((hit_rate(&ranks, 1).mean - 0.25).abs() < 1e-12);
        let expected = (1.0 + 0.5 + 1.0 / 11f64.log2()) / 4.0;
        assert!((ndcg(&ranks, 10).mean - expected).abs() < 1e-12);
        assert!((ndcg(&ranks, 1).mean - 0.25).abs() < 1e-12);
        assert_eq!(hit_rate(&[], 10).mean, 0.0);
    }

    #[test]
    fn intervals_shrink_with_users() {
        let few = hit_rate(&[0, 20, 0, 20], 10);
        let many = hit_rate(&[0, 20].repeat(200), 10);
        assert!(many.margin < few.margin && (many.margin - 1.96 * (0.25f64 / 399.0).sqrt()).abs() < 1e-3);
    }
}
