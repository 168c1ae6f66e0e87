//! Algorithm 2: adapt every shard's model to the user, average the scores, mask
//! the user's items, take the top k. Evaluation and the server use this code.
//! Also: items similar to an item.

use crate::adapt::{UserContext, adaptation_pairs};
use crate::config::AdaptConfig;
use crate::model::Pair;
use crate::random::Key;
use crate::shard_model::{ItemBase, ShardModel};
use crate::{Error, Result};

/// The models of the shards that take part in the mean, prepared for ranking.
pub struct Ranker<'a> {
    models: Vec<(usize, &'a ShardModel, ItemBase)>,
    key: Key,
    degrees: &'a [u32],
    config: &'a AdaptConfig,
}

/// The scores of all items for one user.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Mean over the shards.
    pub mean: Vec<f32>,
    /// Each shard's own scores, if requested.
    pub per_shard: Vec<Vec<f32>>,
    /// The pairs with which low-rank models were adapted.
    pub pairs: Vec<Pair>,
    /// The records to which models of items alone were adapted, newest first,
    /// with their weights in the first model.
    pub support: Vec<(u32, f32)>,
}

/// One recommended item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// From 1.
    pub rank: usize,
    /// Index of the item.
    pub item: u32,
    /// Mean score over the shards.
    pub score: f32,
}

impl<'a> Ranker<'a> {
    /// Computes the shared tensors of every model once. Each model comes with
    /// its shard index, so that the mean can run over some of the shards only.
    ///
    /// `degrees` are d_i, the training interactions of each item over all
    /// shards.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn new(
        models: &[(usize, &'a ShardModel)],
        key: &Key,
        degrees: &'a [u32],
        config: &'a AdaptConfig,
    ) -> Result<Self> {
        let mut ready = Vec::with_capacity(models.len());
        for (shard, model) in models {
            ready.push((*shard, *model, model.item_base().await?));
        }
        Ok(Self { models: ready, key: key.clone(), degrees, config })
    }

    /// [`Ranker::new`] with item tensors that were computed before, for a
    /// server.
    pub fn with_bases(
        models: &[(usize, &'a ShardModel, ItemBase)],
        key: &Key,
        degrees: &'a [u32],
        config: &'a AdaptConfig,
    ) -> Self {
        Self { models: models.to_vec(), key: key.clone(), degrees, config }
    }

    /// How many users to rank at once: enough to keep the device busy, and few
    /// enough to bound the memory of their adapted state.
    pub fn people_together(&self) -> usize {
        let wide = self.models.first().is_some_and(|(_, model, _)| model.is_wide());
        if wide { 512 } else { 64 }
    }

    /// Mean scores of all items for each user. Adapted models exist only within
    /// this function. Pass users in tiles, because memory grows with their
    /// number.
    ///
    /// # Errors
    /// If a model lacks a row, a score is NaN or the device fails.
    pub async fn scores(&self, people: &[UserContext], request: u64, per_shard: bool) -> Result<Vec<Scored>> {
        // Only low-rank models adapt with pairs.
        let paired = self.models.iter().any(|(_, model, _)| model.low_rank().is_ok());
        let draw = |person| adaptation_pairs(&self.key, person, self.degrees, self.config, request);
        let pairs: Vec<Vec<Pair>> =
            people.iter().map(|person| if paired { draw(person) } else { Vec::new() }).collect();
        let mut scored: Vec<Scored> = pairs
            .iter()
            .zip(people)
            .map(|(pairs, person)| Scored {
                mean: Vec::new(),
                per_shard: Vec::new(),
                pairs: pairs.clone(),
                support: self
                    .models
                    .first()
                    .map_or_else(Vec::new, |(_, model, base)| model.support(base, &person.history, self.config)),
            })
            .collect();
        for (shard, model, base) in &self.models {
            let own = model.scores(base, *shard, people, &pairs, self.config).await?;
            for (scored, scores) in scored.iter_mut().zip(own) {
                if per_shard {
                    scored.per_shard.push(scores.clone());
                }
                // The first shard's scores become the sum.
                if scored.mean.is_empty() {
                    scored.mean = scores;
                } else {
                    scored.mean.iter_mut().zip(&scores).for_each(|(mean, score)| *mean += score);
                }
            }
        }
        let share = 1.0 / self.models.len().max(1) as f32;
        for scored in &mut scored {
            scored.mean.resize(self.degrees.len(), 0.0);
            if self.models.len() > 1 {
                scored.mean.iter_mut().for_each(|mean| *mean *= share);
            }
            // This checks all scores: a loop that may stop early is several
            // times slower.
            if scored.mean.iter().fold(false, |found, score| found | score.is_nan()) {
                return Err(Error::NotANumber("a score".into()));
            }
        }
        Ok(scored)
    }

    /// The similarity of every item to the given one: the mean over the shards
    /// of [`ShardModel::similar`]. Embeddings of two shards have no common
    /// space, so the similarities are averaged. They depend on the models
    /// alone, so records that no model saw do not affect them.
    ///
    /// # Errors
    /// If the device fails, or a similarity is NaN.
    pub async fn similar(&self, item: u32) -> Result<Vec<f32>> {
        let mut mean = vec![0.0f32; self.degrees.len()];
        for (_, model, base) in &self.models {
            let own = model.similar(base, item).await?;
            mean.iter_mut().zip(&own).for_each(|(mean, own)| *mean += own);
        }
        let share = 1.0 / self.models.len().max(1) as f32;
        mean.iter_mut().for_each(|value| *value *= share);
        if mean.iter().any(|value| value.is_nan()) {
            return Err(Error::NotANumber("a similarity".into()));
        }
        Ok(mean)
    }
}

/// Lists up to this length are kept in order during one pass over the scores.
const SHORT: usize = 128;
/// The number of scores that are compared at once with the last one of the
/// list. Most such blocks hold no candidate for a short list.
const BLOCK: usize = 64;
/// The number of scores in a part of a block; most parts hold no candidate
/// either.
const PART: usize = 8;

/// The k best items outside `masked` (sorted), ties by item index.
pub fn top_k(scores: &[f32], masked: &[u32], k: usize) -> Vec<Ranked> {
    let mut known = masked.iter().copied().peekable();
    let mut open = |item: u32| {
        while known.next_if(|known| *known < item).is_some() {}
        known.peek() != Some(&item)
    };
    let mut best: Vec<(u32, f32)> = Vec::new();
    if k <= SHORT {
        let full = |best: &[(u32, f32)]| best.len() >= k;
        // Items come in index order, so an equal score goes behind. A NaN is
        // not below any score, so its block is examined.
        let below = |best: &[(u32, f32)], scores: &[f32]| {
            let last = best.last().map_or(f32::NEG_INFINITY, |(_, last)| *last);
            full(best) && scores.iter().fold(true, |below, &score| below & (score < last))
        };
        for (block, scores) in scores.chunks(BLOCK).enumerate() {
            if below(&best, scores) {
                continue;
            }
            for (part, scores) in scores.chunks(PART).enumerate() {
                if below(&best, scores) {
                    continue;
                }
                for (item, &score) in ((block * BLOCK + part * PART) as u32..).zip(scores) {
                    let beaten = full(&best) && best.last().is_none_or(|(_, last)| score.total_cmp(last).is_le());
                    if beaten || !open(item) {
                        continue;
                    }
                    if full(&best) {
                        best.pop();
                    }
                    best.insert(best.partition_point(|(_, b)| b.total_cmp(&score).is_ge()), (item, score));
                }
            }
        }
    } else {
        best.extend((0u32..).zip(scores.iter().copied()).filter(|(item, _)| open(*item)));
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        best.truncate(k);
    }
    (1..).zip(best).map(|(rank, (item, score))| Ranked { rank, item, score }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lower_index() {
        let ranked = top_k(&[1.0, 3.0, 3.0, 2.0, 9.0], &[4], 3);
        assert_eq!(ranked.iter().map(|r| r.item).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(ranked.iter().map(|r| r.rank).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(top_k(&[1.0, 2.0], &[0, 1], 5), []);
        assert_eq!(top_k(&[1.0, 2.0], &[], 5).len(), 2);
        assert_eq!(top_k(&[1.0, 2.0], &[], 0), []);
    }

    #[test]
    fn short_lists_are_the_beginning_of_long_ones() {
        let mut stream = Key::from_seed(3).stream("lists", &[]);
        // Many ties, and masks of every length.
        for round in 0..50 {
            let scores: Vec<f32> = (0..400).map(|_| stream.below(60) as f32 - 30.0).collect();
            let masked: Vec<u32> = (0..400u32).filter(|_| stream.below(50) < round).collect();
            let whole = top_k(&scores, &masked, 1000);
            assert_eq!(whole.len(), 400 - masked.len());
            let falls = |pair: &[Ranked]| (pair[1].score, pair[0].item) < (pair[0].score, pair[1].item);
            assert!(whole.windows(2).all(falls), "by score, then by index");
            for k in [1, 10, SHORT] {
                assert_eq!(top_k(&scores, &masked, k), whole[..k.min(whole.len())]);
            }
        }
    }
}
