//! RecEraser's attention over the shards' embeddings (RecEraser_BPR.py): one
//! affine map a shard, shared by users and items, then one attention for users
//! and one for items. It is fitted with BPR, as published.

use burn::tensor::activation::{log_sigmoid, relu, softmax};

use super::vectors::Vectors;
use super::{Aggregator, Refit, Seen};
use crate::data::Role;
use crate::dataset::{Dataset, History};
use crate::evaluate::{hit_rate, rank_of};
use crate::random::{Key, Stream};
use crate::tensor::{Device, Tensor, from_vec, read};
use crate::{Error, Result};

/// How the attention is fitted; the defaults are the published ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionConfig {
    /// Passes over as many samples as there are training records.
    pub epochs: u32,
    /// Stops after this many epochs without a better HR@10 on the validation
    /// set (the published code uses the test set).
    pub patience: u32,
    /// Samples in a step, each a user with one positive and one uniform
    /// negative.
    pub batch: usize,
    /// Learning rate of Adagrad.
    pub rate: f32,
    /// Weight of half the squared norm of the affine maps in the loss.
    pub penalty: f32,
    /// Probability that dropout keeps a component of a user embedding in a
    /// step.
    pub keep: f64,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { epochs: 50, patience: 10, batch: 256, rate: 0.05, penalty: 1e-5, keep: 0.7 }
    }
}

/// The blended embeddings: x_u and y_i, whose dot product is the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    users: Vec<f32>,
    items: Vec<f32>,
    width: usize,
    /// Epochs that were run.
    pub epochs: u32,
}

/// The tensors W_s and b_s, then W, b and h of the users' attention and of the
/// items' attention.
const TENSORS: usize = 8;

impl Attention {
    /// The number of learned parameters, for embeddings of `width` and `shards`
    /// shards.
    pub fn parameters(width: usize, shards: usize) -> usize {
        shapes(width, shards).iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Fits the attention from a random start that depends on no data.
    ///
    /// # Errors
    /// If there is no training record, a value is not finite or the device
    /// fails.
    pub async fn fit(
        vectors: &Vectors,
        dataset: &Dataset,
        key: &Key,
        config: &AttentionConfig,
        device: &Device,
    ) -> Result<Self> {
        let histories: Vec<Vec<u32>> = (0..dataset.interactions.users())
            .map(|user| dataset.person(user, History::Training).history.items().to_vec())
            .collect();
        let active: Vec<u32> = (0u32..).zip(&histories).filter(|(_, own)| !own.is_empty()).map(|(u, _)| u).collect();
        if active.is_empty() {
            return Err(Error::Config("aggregation: there is no record to fit the attention on".into()));
        }
        let records: usize = histories.iter().map(Vec::len).sum();
        let tracking = Device::autodiff(device.clone());
        let mut net = Net::new(vectors.width, vectors.shards.len(), key, &tracking);
        let (mut best, mut kept, mut idle, mut done) = (f64::NEG_INFINITY, None, 0, 0);
        for epoch in 0..config.epochs {
            let mut stream = key.stream("attention", &[&epoch.to_le_bytes()]);
            for _ in 0..=records / config.batch {
                let batch = Batch::draw(&mut stream, &active, &histories, dataset.catalog.items.len(), config.batch);
                let mask: Vec<f32> = (0..batch.users.len() * vectors.width)
                    .map(|_| if stream.unit() < config.keep { (1.0 / config.keep) as f32 } else { 0.0 })
                    .collect();
                net.step(vectors, &batch, mask, config, &tracking);
            }
            done = epoch + 1;
            let blended = net.blend(vectors, done, &tracking).await?;
            let hits = blended.validation(dataset, &histories)?;
            if hits > best {
                (best, kept, idle) = (hits, Some(blended), 0);
            } else {
                idle += 1;
                if idle >= config.patience {
                    break;
                }
            }
        }
        let mut kept = kept.ok_or_else(|| Error::Config("aggregation: the attention needs an epoch or more".into()))?;
        kept.epochs = done;
        Ok(kept)
    }

    /// HR@10 on the validation items.
    fn validation(&self, dataset: &Dataset, histories: &[Vec<u32>]) -> Result<f64> {
        let mut ranks = Vec::new();
        for (user, masked) in (0u32..).zip(histories) {
            if let Some(&target) = dataset.items(user, Role::Validation).first() {
                ranks.push(rank_of(target, &self.scores(user), masked)?);
            }
        }
        Ok(hit_rate(&ranks, 10).mean)
    }

    fn scores(&self, user: u32) -> Vec<f32> {
        let x = &self.users[user as usize * self.width..(user as usize + 1) * self.width];
        self.items.chunks(self.width).map(|y| super::vectors::dot(x, y)).collect()
    }
}

impl Aggregator for Attention {
    fn name(&self) -> &'static str {
        "RecEraser"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Everything
    }

    fn combine(&self, _: &[Vec<f32>]) -> Result<Vec<f32>> {
        Err(Error::Config("aggregation: attention blends vectors, so it needs to know whose scores these are".into()))
    }

    fn combine_for(&self, seen: &Seen<'_>) -> Result<Vec<f32>> {
        if (seen.user as usize + 1) * self.width > self.users.len() {
            return Err(Error::Config("aggregation: the attention was fitted without this user".into()));
        }
        Ok(self.scores(seen.user))
    }
}

fn shapes(width: usize, shards: usize) -> [Vec<usize>; TENSORS] {
    let inner = (width / 2).max(1);
    let attention = [vec![width, inner], vec![1, inner], vec![inner, 1]];
    let [w, b, h] = attention.clone();
    let [v, c, g] = attention;
    [vec![shards * width, width], vec![shards, width], w, b, h, v, c, g]
}

/// Users, positives and negatives of one step.
struct Batch {
    users: Vec<u32>,
    positives: Vec<u32>,
    negatives: Vec<u32>,
}

impl Batch {
    fn draw(stream: &mut Stream, active: &[u32], histories: &[Vec<u32>], items: usize, count: usize) -> Self {
        let (mut users, mut positives, mut negatives) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let user = active[stream.below(active.len())];
            let own = &histories[user as usize];
            let positive = own[stream.below(own.len())];
            // A user who has every item has no negative.
            if let Some(negative) = stream.below_outside(items, own) {
                users.push(user);
                positives.push(positive);
                negatives.push(negative);
            }
        }
        Self { users, positives, negatives }
    }
}

/// The learned parameters, with Adagrad's sums of squared gradients.
struct Net {
    tensors: [Tensor<2>; TENSORS],
    squares: [Tensor<2>; TENSORS],
    width: usize,
    shards: usize,
}

impl Net {
    fn new(width: usize, shards: usize, key: &Key, device: &Device) -> Self {
        let starts = shapes(width, shards).map(|shape| {
            let (rows, columns) = (shape[0], shape[1]);
            let mut stream = key.stream("attention start", &[&rows.to_le_bytes(), &columns.to_le_bytes()]);
            let values = match columns {
                // The scoring vector h.
                1 => vec![0.01; rows],
                _ if rows == 1 => vec![0.0; columns],
                // The maps and their biases start with Xavier's values.
                _ if columns == width => {
                    let inputs = if rows == shards { shards } else { width };
                    let bound = (6.0 / (inputs + columns) as f64).sqrt();
                    (0..rows * columns).map(|_| stream.symmetric(bound)).collect()
                }
                _ => {
                    let spread = (2.0 / (rows + columns) as f64).sqrt();
                    (0..rows * columns).map(|_| truncated(&mut stream, spread)).collect()
                }
            };
            (values, [rows, columns])
        });
        let squares = starts.clone().map(|(values, shape)| from_vec(vec![1e-8; values.len()], shape, device).inner());
        let tensors = starts.map(|(values, shape)| from_vec(values, shape, device).require_grad());
        Self { tensors, squares, width, shards }
    }

    /// Blends embeddings [shards, rows, width] to [rows, width].
    fn blended(&self, of: Tensor<3>, attention: usize) -> Tensor<2> {
        let (shards, width) = (self.shards, self.width);
        let rows = of.dims()[1];
        let maps = self.tensors[0].clone().reshape([shards, width, width]);
        let z = of.matmul(maps) + self.tensors[1].clone().reshape([shards, 1, width]);
        let [w, b, h] = [0, 1, 2].map(|part| self.tensors[attention + part].clone());
        let scores = relu(z.clone().reshape([shards * rows, width]).matmul(w) + b).matmul(h);
        let shares = softmax(scores.reshape([shards, rows, 1]), 0);
        (z * shares).sum_dim(0).reshape([rows, width])
    }

    fn users(&self, vectors: &Vectors, rows: &[u32], device: &Device) -> Tensor<2> {
        let shards = vectors.shards.iter().map(|s| s.users.as_slice());
        self.blended(vectors.stacked(shards, rows, device), 2)
    }

    fn items(&self, vectors: &Vectors, rows: &[u32], device: &Device) -> Tensor<2> {
        let shards = vectors.shards.iter().map(|s| s.items.as_slice());
        self.blended(vectors.stacked(shards, rows, device), 5)
    }

    /// One step of Adagrad on BPR and the penalty on the maps.
    fn step(&mut self, vectors: &Vectors, batch: &Batch, mask: Vec<f32>, config: &AttentionConfig, device: &Device) {
        let count = batch.users.len();
        if count == 0 {
            return;
        }
        let x = self.users(vectors, &batch.users, device) * from_vec(mask, [count, self.width], device);
        let y = self.items(vectors, &[&batch.positives[..], &batch.negatives[..]].concat(), device);
        let gap = y.clone().narrow(0, 0, count) - y.narrow(0, count, count);
        let bpr = log_sigmoid((x * gap).sum_dim(1)).mean().neg();
        let norm = |t: &Tensor<2>| t.clone().powi_scalar(2).sum() * (config.penalty / 2.0);
        let loss = bpr + norm(&self.tensors[0]) + norm(&self.tensors[1]);
        let mut gradients = loss.backward();
        for (tensor, squares) in self.tensors.iter_mut().zip(&mut self.squares) {
            let Some(gradient) = tensor.grad_remove(&mut gradients) else { continue };
            *squares = squares.clone() + gradient.clone().powi_scalar(2);
            let moved = tensor.clone().inner() - gradient / squares.clone().sqrt() * config.rate;
            *tensor = Tensor::from_inner(moved).require_grad();
        }
    }

    /// Computes the blended embedding of every user and item.
    async fn blend(&self, vectors: &Vectors, epochs: u32, device: &Device) -> Result<Attention> {
        const TILE: usize = 1024;
        let count = |table: &[f32]| (table.len() / self.width) as u32;
        let (mut users, mut items) = (Vec::new(), Vec::new());
        let first = vectors.shards.first().ok_or_else(|| Error::Config("aggregation: there is no shard".into()))?;
        for tile in (0..count(&first.users)).collect::<Vec<_>>().chunks(TILE) {
            users.extend(read(self.users(vectors, tile, device).inner()).await?);
        }
        for tile in (0..count(&first.items)).collect::<Vec<_>>().chunks(TILE) {
            items.extend(read(self.items(vectors, tile, device).inner()).await?);
        }
        if users.iter().chain(&items).any(|value| !value.is_finite()) {
            return Err(Error::NotANumber("a vector of the attention".into()));
        }
        Ok(Attention { users, items, width: self.width, epochs })
    }
}

/// A draw from a normal distribution, truncated at two standard deviations.
fn truncated(stream: &mut Stream, spread: f64) -> f32 {
    loop {
        let draw = stream.normal();
        if draw.abs() <= 2.0 {
            return (draw * spread) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 maps of 128 x 128 with biases, and two attentions of 64.
    #[test]
    fn parameters_are_148_736_at_width_128_and_8_shards() {
        assert_eq!(Attention::parameters(128, 8), 148_736);
        let net = Net::new(128, 8, &Key::from_seed(1), &Device::autodiff(Device::Flex(Default::default())));
        let real: usize = net.tensors.iter().map(|t| t.dims().iter().product::<usize>()).sum();
        assert_eq!(real, 148_736);
    }

    #[test]
    fn equal_shards_share_alike() {
        let device = Device::autodiff(Device::Flex(Default::default()));
        let mut net = Net::new(4, 2, &Key::from_seed(1), &device);
        let row = [1.0, 2.0, 3.0, 4.0];
        let identity: Vec<f32> = (0..32).map(|p| f32::from(u8::from(p / 4 % 4 == p % 4))).collect();
        net.tensors[0] = from_vec(identity, [8, 4], &device);
        net.tensors[1] = from_vec(vec![0.0; 8], [2, 4], &device);
        let stacked = from_vec([row, row].concat(), [2, 1, 4], &device);
        let blended = net.blended(stacked, 2).inner().into_data().into_vec::<f32>().unwrap();
        assert!(blended.iter().zip(row).all(|(a, b)| (a - b).abs() < 1e-6), "{blended:?}");
    }
}
