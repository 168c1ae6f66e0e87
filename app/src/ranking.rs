//! A list as people see it: made by `core`'s one path of adaptation and
//! ranking, once with and once without it. The Lab and For you both use this.

use eemu_core::adapt::{UserContext, probabilities};
use eemu_core::config::AdaptConfig;
use eemu_core::random::Key;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard_model::{ItemBase, ShardModel};
use serde::{Deserialize, Serialize};

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListRow {
    /// What: an item by index.
    pub product: u32,
    /// Mean over the shards that take part.
    pub score: f32,
    /// Each shard's score; `None` where it is left out.
    pub per_shard: Vec<Option<f32>>,
    /// Rank from 1 without adaptation.
    pub before: usize,
    /// Rank from 1.
    pub rank: usize,
}

/// What a list is made of.
#[derive(Debug)]
pub struct Ensemble<'a> {
    /// The models that take part, each with its shard.
    pub models: &'a [(usize, &'a ShardModel, ItemBase)],
    /// Number of shards, those left out included.
    pub shards: usize,
    /// Key of the draws.
    pub key: &'a Key,
    /// Degree of each item.
    pub degrees: &'a [u32],
    /// Items that are in no list.
    pub down: &'a [u32],
}

/// A list and what tuned the models to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The best, in order.
    pub rows: Vec<ListRow>,
    /// What adapted the models: item, its share of the weight (under Eq 7 its
    /// chance, over the whole history), how often it was drawn.
    pub set: Vec<(u32, f64, u32)>,
}

impl Ensemble<'_> {
    /// Adapts every model to the person, averages, ranks.
    ///
    /// # Errors
    /// When core refuses.
    pub async fn list(
        &self,
        person: &UserContext,
        adapt: &AdaptConfig,
        request: u64,
        top: usize,
    ) -> eemu_core::Result<Made> {
        let plain = AdaptConfig { size: 0, ..adapt.clone() };
        let mut scored = Vec::with_capacity(2);
        for config in [&plain, adapt] {
            let ranker = Ranker::with_bases(self.models, self.key, self.degrees, config);
            scored.extend(ranker.scores(std::slice::from_ref(person), request, true).await?);
        }
        let (Some(before), Some(after)) = (scored.first(), scored.get(1)) else {
            return Ok(Made { rows: Vec::new(), set: Vec::new() });
        };
        let mut places = vec![0; self.degrees.len()];
        for ranked in top_k(&before.mean, person.history.items(), self.degrees.len()) {
            places[ranked.item as usize] = ranked.rank;
        }
        let row = |ranked: eemu_core::recommend::Ranked| {
            let mut per_shard = vec![None; self.shards];
            for ((shard, ..), scores) in self.models.iter().zip(&after.per_shard) {
                per_shard[*shard] = scores.get(ranked.item as usize).copied();
            }
            let before = places[ranked.item as usize];
            ListRow { product: ranked.item, score: ranked.score, per_shard, before, rank: ranked.rank }
        };
        let mut masked = [person.history.items(), self.down].concat();
        masked.sort_unstable();
        let rows = top_k(&after.mean, &masked, top).into_iter().map(row).collect();
        if after.pairs.is_empty() {
            let total: f32 = after.support.iter().map(|(_, weight)| weight).sum();
            let share = |weight: f32| f64::from(weight / total.max(f32::MIN_POSITIVE));
            let set = after.support.iter().map(|&(item, weight)| (item, share(weight), 1)).collect();
            return Ok(Made { rows, set });
        }
        let chances = probabilities(&person.history, self.degrees, adapt);
        let drawn = |item: u32| after.pairs.iter().filter(|pair| pair.positive == item).count() as u32;
        let set =
            person.history.items().iter().zip(chances).map(|(&item, chance)| (item, chance, drawn(item))).collect();
        Ok(Made { rows, set })
    }
}
