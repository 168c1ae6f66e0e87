//! MAML with the derivative of the inner step (Eq 2 as printed), for an
//! ablation on small data that shows what the first-order form omits.
//!
//! With q = grad L_query(theta_u), the outer gradient is (I - alpha H) q, where
//! H is the Hessian of the support loss at theta. H q is a finite difference of
//! support gradients along q. It costs two more gradients for each user, with
//! dense copies of the parameters; this code is not optimised for speed.

use super::{Adam, Batch, Exclusions};
use crate::Result;
use crate::dataset::Dataset;
use crate::model::{Parameters, Recommender, Task};
use crate::random::Key;
use crate::shard::ShardData;
use crate::tensor::{Device, read};

/// The distance along q at which the support gradient is taken, as a length in
/// theta.
const REACH: f32 = 1e-2;

/// One shard in second-order training: one inner step, one configuration,
/// batches and negatives as in [`crate::train::Trainer`].
pub struct SecondOrder<'a> {
    dataset: &'a Dataset,
    shard: &'a ShardData,
    key: Key,
    exclusions: Exclusions,
    model: Recommender,
    adam: Adam,
    epochs: u32,
}

impl<'a> SecondOrder<'a> {
    /// A shard before its first epoch.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(dataset: &'a Dataset, shard: &'a ShardData, device: &Device) -> Result<Self> {
        dataset.config.check()?;
        let key = Key::from_seed(dataset.config.train.seed);
        let model = Recommender::new(&dataset.catalog, &dataset.config.model, &key, shard.index, device)?;
        let (exclusions, adam) = (Exclusions::local(shard), Adam::new(model.parameters()));
        Ok(Self { dataset, shard, key, exclusions, model, adam, epochs: 0 })
    }

    /// The finished model.
    pub fn finish(self) -> Recommender {
        self.model
    }

    /// Runs one epoch.
    ///
    /// # Errors
    /// When a score is not a number or the device fails.
    pub async fn epoch(&mut self) -> Result<()> {
        let train = &self.dataset.config.train;
        let mut order: Vec<usize> = (0..self.shard.cells.len()).collect();
        let name = [self.shard.index.to_le_bytes(), self.epochs.to_le_bytes()].concat();
        self.key.stream("second-order batches", &[&name]).shuffle(&mut order);
        let batches = order.len().div_ceil(train.users_per_batch).max(1);
        for (number, cells) in order.chunks(train.users_per_batch).enumerate() {
            let batch = Batch {
                key: &self.key,
                catalog: &self.dataset.catalog,
                shard: self.shard,
                exclusions: &self.exclusions,
                epoch: u64::from(self.epochs),
                cells,
                unknown_share: train.unknown_share,
                unnamed_share: train.unnamed_share,
                fresh_slices: train.fresh_slices,
                uniform_negatives: train.uniform_negatives,
                in_batch_negatives: train.in_batch_negatives,
            };
            let (support, query) = batch.tasks();
            let mut sum = self.model.parameters().zeros_like();
            for (support, query) in support.iter().zip(&query) {
                let own = outer_gradient(&self.model, support, query, train.inner_step).await?;
                sum = sum.moved(&own, 1.0 / cells.len() as f32);
            }
            let done = (self.epochs as f32 + number as f32 / batches as f32) / train.epochs as f32;
            let rate = train.outer_step * if train.decay { 1.0 - done } else { 1.0 };
            self.adam.step(self.model.parameters_mut(), sum, rate, 0.0);
        }
        self.epochs += 1;
        Ok(())
    }
}

/// (I - alpha H) q for one user.
async fn outer_gradient(model: &Recommender, support: &Task, query: &Task, alpha: f32) -> Result<Parameters> {
    let support = std::slice::from_ref(support);
    let adapted = model.inner_steps(support, alpha, 1).await?;
    let (q, _) = model.outer_gradient(std::slice::from_ref(query), &adapted, 1.0).await?;
    let length = norm(&q).await?;
    if length == 0.0 {
        return Ok(q);
    }
    let reach = REACH / length;
    let at = async |along: f32| -> Result<Parameters> {
        let mut moved = model.clone();
        *moved.parameters_mut() = model.parameters().moved(&q, along);
        Ok(moved.joint_gradient(support).await?.0)
    };
    let (ahead, behind) = (at(reach).await?, at(-reach).await?);
    let factor = -alpha / (2.0 * reach);
    Ok(q.moved(&ahead, factor).moved(&behind, -factor))
}

async fn norm(parameters: &Parameters) -> Result<f32> {
    let mut sum = 0.0f64;
    for tensor in parameters.tensors() {
        sum += read(tensor.clone()).await?.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    }
    Ok(sum.sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Catalog, Column, Entities, Values};
    use crate::model::{EntityRef, ModelConfig, Pair};

    fn model() -> Recommender {
        let entities = |count: u32, columns| {
            Entities::new((0..count).map(|id| id.to_string()).collect(), Vec::new(), columns).unwrap()
        };
        let kind = Column {
            name: "kind".into(),
            values: Values::Token { vocabulary: vec!["a".into(), "b".into()], rows: vec![0, 1, 1, 0, 1, 0] },
        };
        let catalog =
            Catalog { dataset: "x".into(), version: 1, users: entities(2, vec![]), items: entities(6, vec![kind]) };
        let config = ModelConfig {
            width: 4,
            user_hidden: vec![5],
            item_hidden: vec![5],
            output: 4,
            margin: 20.0,
            table_scale: 1.0,
            ..ModelConfig::paper()
        };
        Recommender::new(&catalog, &config, &Key::from_seed(4), 0, &Device::Flex(Default::default())).unwrap()
    }

    fn task(pairs: [(u32, u32); 2]) -> Task {
        let pairs = pairs.map(|(positive, negative)| Pair { positive, negative }).to_vec();
        Task { user: EntityRef::Known(0), pairs }
    }

    /// The query loss after the inner step: the function that is
    /// differentiated.
    fn loss(model: &Recommender, alpha: f32) -> f64 {
        let (support, query) = (task([(0, 1), (2, 3)]), task([(4, 5), (1, 2)]));
        let adapted = pollster::block_on(model.inner_steps(&[support], alpha, 1)).unwrap();
        f64::from(pollster::block_on(model.outer_gradient(&[query], &adapted, 1.0)).unwrap().1[0])
    }

    /// The slope of the adapted query loss along a direction is its inner
    /// product with the gradient; the first-order gradient misses it.
    #[test]
    fn the_gradient_is_that_of_the_loss_after_the_inner_step() {
        let (model, alpha) = (model(), 0.3);
        let (support, query) = (task([(0, 1), (2, 3)]), task([(4, 5), (1, 2)]));
        let second = pollster::block_on(outer_gradient(&model, &support, &query, alpha)).unwrap();
        let adapted = pollster::block_on(model.inner_steps(&[support], alpha, 1)).unwrap();
        let (first, _) = pollster::block_on(model.outer_gradient(&[query], &adapted, 1.0)).unwrap();
        let values = |p: &Parameters| pollster::block_on(p.values()).unwrap();
        let dot = |a: &Parameters, b: &Parameters| -> f64 {
            let (a, b) = (values(a), values(b));
            let pairs = a.iter().flat_map(|(name, (_, own))| own.iter().zip(&b[name].1));
            pairs.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let slope = |direction: &Parameters| {
            let step = 2e-3 / dot(direction, direction).sqrt() as f32;
            let at = |along: f32| {
                let mut moved = model.clone();
                *moved.parameters_mut() = model.parameters().moved(direction, along);
                loss(&moved, alpha)
            };
            (at(step) - at(-step)) / (2.0 * f64::from(step))
        };
        for direction in [&second, &first] {
            let (measured, ours) = (slope(direction), dot(&second, direction));
            assert!((measured / ours - 1.0).abs() < 0.02, "{measured} {ours}");
        }
        let (measured, short) = (slope(&first), dot(&first, &first));
        assert!((measured / short - 1.0).abs() > 0.04, "first order would do: {measured} {short}");
    }
}
