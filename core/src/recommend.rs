//! Algorithm 2: adapt every shard's model to the person, average the scores,
//! mask what they know, take the top k. Evaluation and serving use this path.

use crate::adapt::{Person, adaptation_pairs};
use crate::config::AdaptConfig;
use crate::model::Pair;
use crate::random::Key;
use crate::shard_model::{ItemBase, ShardModel};
use crate::{Error, Result};

/// The shards' models that take part in the mean, ready to rank.
pub struct Ranker<'a> {
    models: Vec<(usize, &'a ShardModel, ItemBase)>,
    key: Key,
    degrees: &'a [u32],
    config: &'a AdaptConfig,
}

/// The scores of all items for one person.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Mean over the shards.
    pub mean: Vec<f32>,
    /// Each shard's own scores, when asked for.
    pub per_shard: Vec<Vec<f32>>,
    /// The pairs that low-rank models were adapted with.
    pub pairs: Vec<Pair>,
    /// What models of items alone were adapted to, newest first: records and
    /// their weights as the first of the models fades them.
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
    /// Runs every model's item tower once. Each model comes with its shard, for
    /// a mean over some of the shards only.
    ///
    /// `degrees` are d_i, training interactions per item over all shards.
    ///
    /// # Errors
    /// When the device fails.
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

    /// [`Ranker::new`] with the work on items done before, for serving.
    pub fn with_bases(
        models: &[(usize, &'a ShardModel, ItemBase)],
        key: &Key,
        degrees: &'a [u32],
        config: &'a AdaptConfig,
    ) -> Self {
        Self { models: models.to_vec(), key: key.clone(), degrees, config }
    }

    /// How many people are best ranked at once: enough to keep the device busy,
    /// and few enough to bound the memory of their adapted state.
    pub fn people_together(&self) -> usize {
        let wide = self.models.first().is_some_and(|(_, model, _)| model.is_wide());
        if wide { 512 } else { 64 }
    }

    /// Mean scores of all items for each person; adapted models exist only in
    /// here. Give people in tiles: memory grows with their number.
    ///
    /// # Errors
    /// When a row is unknown to a model, a score is not a number or the device fails.
    pub async fn scores(&self, people: &[Person], request: u64, per_shard: bool) -> Result<Vec<Scored>> {
        // Only low-rank models adapt with pairs.
        let paired = self.models.iter().any(|(_, model, _)| model.low_rank().is_ok());
        let draw = |person| adaptation_pairs(&self.key, person, self.degrees, self.config, request);
        let pairs: Vec<Vec<Pair>> =
            people.iter().map(|person| if paired { draw(person) } else { Vec::new() }).collect();
        let mut scored: Vec<Scored> = pairs
            .iter()
            .zip(people)
            .map(|(pairs, person)| Scored {
                mean: vec![0.0; self.degrees.len()],
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
                for (mean, score) in scored.mean.iter_mut().zip(&scores) {
                    *mean += score;
                }
                if per_shard {
                    scored.per_shard.push(scores);
                }
            }
        }
        let share = 1.0 / self.models.len().max(1) as f32;
        for scored in &mut scored {
            scored.mean.iter_mut().for_each(|mean| *mean *= share);
            if scored.mean.iter().any(|score| score.is_nan()) {
                return Err(Error::NotANumber("a score".into()));
            }
        }
        Ok(scored)
    }
}

/// The k best items outside `masked` (sorted), ties by item index.
pub fn top_k(scores: &[f32], masked: &[u32], k: usize) -> Vec<Ranked> {
    let mut order: Vec<u32> = (0..scores.len() as u32).filter(|item| masked.binary_search(item).is_err()).collect();
    let better = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let k = k.min(order.len());
    if k == 0 {
        return Vec::new();
    }
    order.select_nth_unstable_by(k - 1, better);
    order.truncate(k);
    order.sort_unstable_by(better);
    order
        .into_iter()
        .enumerate()
        .map(|(place, item)| Ranked { rank: place + 1, item, score: scores[item as usize] })
        .collect()
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
    }
}
