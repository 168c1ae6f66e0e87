//! The training procedure of the published code, to measure how far its printed
//! figures are from the algorithm in the paper. It must never be deployed:
//! shards see each other's records and the validation items through their
//! negatives, the epoch is chosen on the test items, and shards are cut by
//! position.
//!
//! The procedure: one Adam optimiser takes the support step of each user from
//! the batch's start; then, with the same moments, it takes the query step from
//! the parameters after the last user. Half of the positives are paired with
//! uniform negatives only, the other half with in-batch negatives only.
//! Adaptation is the first step of a new Adam optimiser, which is a step along
//! the sign of the gradient.

use std::collections::HashMap;

use crate::Result;
use crate::adapt::{UserContext, adaptation_pairs};
use crate::config::Config;
use crate::data::{Catalog, Role, record_number};
use crate::dataset::Dataset;
use crate::meta::{Adam, Batch, Exclusions};
use crate::model::{AdaptedParams, Pair, Recommender, Task};
use crate::random::Key;
use crate::shard::{ShardData, UserSlice, partition_by};
use crate::shard_model::ShardModel;
use crate::tensor::Device;

/// The learning rate of all steps.
pub const RATE: f32 = 2e-4;

/// Shards as the published code cuts them: each user's list is shuffled and cut
/// into pieces, the larger ones first.
pub fn shards(dataset: &Dataset) -> Vec<ShardData> {
    let count = dataset.config.train.shards;
    let mut places: HashMap<(u32, u32), u32> = HashMap::new();
    for user in 0..dataset.interactions.users() {
        let mut items: Vec<(u64, u32)> = dataset
            .items(user, Role::Train)
            .into_iter()
            .map(|item| (record_number(&dataset.key, "published order", &dataset.catalog, user, item), item))
            .collect();
        items.sort_unstable();
        let (size, larger) = (items.len() / count as usize, items.len() % count as usize);
        let mut items = items.into_iter();
        for shard in 0..count {
            let own = size + usize::from((shard as usize) < larger);
            places.extend(items.by_ref().take(own).map(|(_, item)| ((user, item), shard)));
        }
    }
    partition_by(
        &dataset.key,
        &dataset.catalog,
        &dataset.interactions,
        &dataset.split,
        count,
        dataset.config.slicing(),
        |user, item| places.get(&(user, item)).copied().unwrap_or(0),
    )
}

/// The training of one shard.
pub struct Published<'a> {
    catalog: &'a Catalog,
    config: &'a Config,
    shard: &'a ShardData,
    key: Key,
    exclusions: Exclusions,
    model: Recommender,
    adam: Adam,
    epochs: u64,
    rate: f32,
}

impl<'a> Published<'a> {
    /// A shard before its first epoch.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(dataset: &'a Dataset, shard: &'a ShardData, rate: f32, device: &Device) -> Result<Self> {
        let everything = |cell: &UserSlice| {
            let mut items = dataset.items(cell.user, Role::Train);
            items.extend(dataset.items(cell.user, Role::Validation));
            items
        };
        let key = Key::from_seed(dataset.config.train.seed);
        let model = Recommender::new(&dataset.catalog, &dataset.config.model, &key, shard.index, device)?;
        let adam = Adam::new(model.parameters());
        let exclusions = Exclusions::new(shard.cells.iter().map(everything).collect());
        Ok(Self {
            catalog: &dataset.catalog,
            config: &dataset.config,
            shard,
            key,
            exclusions,
            model,
            adam,
            epochs: 0,
            rate,
        })
    }

    /// The present model.
    pub fn model(&self) -> &Recommender {
        &self.model
    }

    /// Trains one epoch. Returns the mean query loss.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn epoch(&mut self) -> Result<f32> {
        let mut order: Vec<usize> = (0..self.shard.cells.len()).collect();
        self.key
            .stream("published batches", &[&self.shard.index.to_le_bytes(), &self.epochs.to_le_bytes()])
            .shuffle(&mut order);
        let share = 1.0 / self.config.train.users_per_batch as f32;
        let (mut total, mut users) = (0.0, 0);
        for cells in order.chunks(self.config.train.users_per_batch) {
            let (support, query) = self.tasks(cells);
            let start = self.model.parameters().clone();
            let mut current = start.clone();
            for (support, query) in support.iter().zip(&query) {
                *self.model.parameters_mut() = start.clone();
                if !support.pairs.is_empty() {
                    let (gradient, _) = self.model.joint_gradient(std::slice::from_ref(support)).await?;
                    self.adam.step(self.model.parameters_mut(), gradient, self.rate, 0.0);
                }
                let (gradient, loss) = self.model.joint_gradient(std::slice::from_ref(query)).await?;
                let gradient = gradient.zeros_like().moved(&gradient, share);
                *self.model.parameters_mut() = current;
                self.adam.step(self.model.parameters_mut(), gradient, self.rate, 0.0);
                current = self.model.parameters().clone();
                total += loss;
                users += 1;
            }
        }
        self.epochs += 1;
        Ok(total / users.max(1) as f32)
    }

    fn tasks(&self, cells: &[usize]) -> (Vec<Task>, Vec<Task>) {
        let batch = Batch {
            key: &self.key,
            catalog: self.catalog,
            shard: self.shard,
            exclusions: &self.exclusions,
            epoch: self.epochs,
            cells,
            unknown_share: 0.0,
            unnamed_share: 0.0,
            fresh_slices: false,
            uniform_negatives: 1,
            in_batch_negatives: 1,
        };
        let (mut support, mut query) = batch.tasks();
        support.iter_mut().chain(&mut query).for_each(|task| misalign(&mut task.pairs));
        (support, query)
    }
}

/// Pairs positives p1, p1, p2, p2 ... first with all uniform and then with all
/// in-batch negatives.
fn misalign(pairs: &mut [Pair]) {
    let positives: Vec<u32> = pairs.iter().map(|pair| pair.positive).collect();
    let half = pairs.len() / 2;
    if half == 0 || positives[..half] != positives[half..2 * half] {
        return;
    }
    for (place, pair) in pairs.iter_mut().take(2 * half).enumerate() {
        pair.positive = positives[place / 2];
    }
}

/// Mean scores of all items for one user. Every model first takes a sign step
/// on the user's adaptation set.
///
/// # Errors
/// If a score is NaN or the device fails.
pub async fn scores(dataset: &Dataset, models: &[ShardModel], person: &UserContext, rate: f32) -> Result<Vec<f32>> {
    let pairs = adaptation_pairs(&dataset.key, person, &dataset.degrees, &dataset.config.adapt, 0);
    let mut mean = vec![0.0f32; dataset.catalog.items.len()];
    for (shard, model) in models.iter().enumerate() {
        let row = person.rows[shard];
        let mut own = model.low_rank()?.clone();
        let (gradient, _) = own.joint_gradient(&[Task { user: row, pairs: pairs.clone() }]).await?;
        *own.parameters_mut() = own.parameters().moved(&gradient.signs(), -rate);
        let scored = own.scores(&own.item_base(), &[row], &AdaptedParams::none(1)).await?;
        mean.iter_mut().zip(scored.concat()).for_each(|(mean, score)| *mean += score / models.len() as f32);
    }
    Ok(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_positives_meet_each_kind_of_negative() {
        let pair = |positive, negative| Pair { positive, negative };
        let mut pairs = vec![pair(1, 10), pair(2, 11), pair(1, 20), pair(2, 21)];
        misalign(&mut pairs);
        assert_eq!(pairs, [pair(1, 10), pair(1, 11), pair(2, 20), pair(2, 21)]);
    }
}
