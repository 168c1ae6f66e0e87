//! Mistakes of real systems, for tests, the Lab and `eemu reproduce` only.
//!
//! Each breaks one rule of exactness. A test of a rule must fail under its
//! mistake. Code that serves users must not use this module.

pub mod published;

use crate::Result;
use crate::data::Role;
use crate::dataset::Dataset;
use crate::evaluate::{hit_rate, popularity_ranks, ranks};
use crate::meta::Exclusions;
use crate::model::TensorMap;
use crate::recommend::Ranker;
use crate::shard::{ShardData, partition_by};
use crate::shard_model::ShardModel;
use crate::tensor::Device;
use crate::train::Trainer;

/// A deliberate mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Negatives exclude the user's items of all shards, so a shard learns from
    /// records that it does not hold.
    GlobalNegatives,
    /// Records are dealt to shards in turn: removing one moves every later one
    /// to another shard.
    OrderedSharding,
    /// All shards keep the epoch that scores best on all users' validation
    /// items.
    SharedEpochChoice,
    /// The weights that combine the shards were fitted on all data and are kept
    /// after a deletion. The shards themselves are trained correctly.
    KeptAggregator,
    /// A retrained shard starts from its old parameters.
    WarmStart,
    /// A resumed run starts with Adam moments of zero.
    ForgottenMoments,
    /// The item biases start from counts over all shards: a normaliser over all
    /// users.
    SharedPopularity,
    /// The decay with age starts from the mean number of records over all
    /// shards: it depends on other shards' data.
    SharedFading,
    /// Random streams are named by users' positions in a table instead of their
    /// identifiers: deleting a user changes the streams of all users after
    /// them.
    NumberedPeople,
}

/// The shards of a data set under a mistake.
pub fn shards(dataset: &Dataset, mistake: Mistake) -> Vec<ShardData> {
    if mistake != Mistake::OrderedSharding {
        return dataset.shards();
    }
    let train = &dataset.config.train;
    let mut dealt = 0;
    partition_by(
        &dataset.key,
        &dataset.catalog,
        &dataset.interactions,
        &dataset.split,
        train.shards,
        dataset.config.slicing(),
        |_, _| {
            dealt += 1;
            (dealt - 1) % train.shards
        },
    )
}

fn trainer<'a>(dataset: &'a Dataset, shard: &'a ShardData, mistake: Mistake, device: &Device) -> Result<Trainer<'a>> {
    match mistake {
        Mistake::GlobalNegatives => {}
        Mistake::SharedPopularity | Mistake::SharedFading | Mistake::NumberedPeople => {
            let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, device)?;
            trainer.mistaken(mistake, dataset)?;
            return Ok(trainer);
        }
        _ => return Trainer::new(&dataset.catalog, &dataset.config, shard, device),
    }
    let everywhere = shard.cells.iter().map(|cell| dataset.items(cell.user, Role::Train)).collect();
    Trainer::with_exclusions(&dataset.catalog, &dataset.config, shard, Exclusions::new(everywhere), device)
}

/// The training of all shards in parallel, correctly or under a mistake.
pub struct Run<'a> {
    dataset: &'a Dataset,
    mistake: Option<Mistake>,
    trainers: Vec<Trainer<'a>>,
    best: f64,
    /// The models of the epoch that all users' validation items chose.
    kept: Vec<ShardModel>,
    /// The number of that epoch, from 1.
    chosen: Option<usize>,
}

impl<'a> Run<'a> {
    /// Every shard before its first epoch. `data` holds the shards to train:
    /// those of [`shards`] under this mistake.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(dataset: &'a Dataset, data: &'a [ShardData], mistake: Option<Mistake>, device: &Device) -> Result<Self> {
        let start = |shard| match mistake {
            Some(mistake) => trainer(dataset, shard, mistake, device),
            None => Trainer::new(&dataset.catalog, &dataset.config, shard, device),
        };
        let trainers = data.iter().map(start).collect::<Result<_>>()?;
        Ok(Self { dataset, mistake, trainers, best: f64::NEG_INFINITY, kept: Vec::new(), chosen: None })
    }

    /// Whether every epoch is finished.
    pub fn is_done(&self) -> bool {
        self.trainers.iter().all(Trainer::is_done)
    }

    /// Mean training loss of each epoch so far, one list a shard.
    pub fn losses(&self) -> Vec<Vec<f32>> {
        self.trainers.iter().map(|trainer| trainer.losses().to_vec()).collect()
    }

    /// Trains one epoch of one shard, whose index counts from 0 in the data
    /// given.
    ///
    /// # Errors
    /// As [`crate::train::train`].
    pub async fn epoch_of(&mut self, shard: usize) -> Result<f32> {
        self.trainers[shard].epoch(|_| ()).await
    }

    /// Must be called after an epoch of every shard: carries out the mistake
    /// that compares all shards.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn look_around(&mut self) -> Result<()> {
        if self.mistake == Some(Mistake::SharedEpochChoice) {
            let score = validation(self.dataset, &self.trainers).await?;
            if score > self.best || self.kept.is_empty() {
                self.best = score;
                self.kept = self.trainers.iter().map(|trainer| trainer.model().clone()).collect();
                self.chosen = self.trainers.iter().map(|trainer| trainer.losses().len()).max();
            }
        }
        Ok(())
    }

    /// The epoch, from 1, whose models are kept; `None` if none was chosen.
    pub fn chosen(&self) -> Option<usize> {
        self.chosen
    }

    /// The models that this system would serve.
    pub fn finish(self) -> Vec<ShardModel> {
        if self.kept.is_empty() {
            self.trainers.into_iter().map(|trainer| trainer.finish().0).collect()
        } else {
            self.kept
        }
    }
}

/// Trains every shard under a mistake.
///
/// # Errors
/// As [`crate::train::train`].
pub async fn train_all(dataset: &Dataset, mistake: Mistake, device: &Device) -> Result<Vec<TensorMap>> {
    let shards = shards(dataset, mistake);
    let mut run = Run::new(dataset, &shards, Some(mistake), device)?;
    while !run.is_done() {
        for shard in 0..shards.len() {
            run.epoch_of(shard).await?;
        }
        run.look_around().await?;
    }
    let models = run.finish();
    let mut tensors = Vec::with_capacity(models.len());
    for model in &models {
        tensors.push(model.values().await?);
    }
    Ok(tensors)
}

/// The score of all users' validation items: the hit rate, plus the mean
/// reciprocal rank to break ties.
async fn validation(dataset: &Dataset, trainers: &[Trainer<'_>]) -> Result<f64> {
    let models: Vec<(usize, &ShardModel)> = trainers.iter().map(Trainer::model).enumerate().collect();
    let ranker = Ranker::new(&models, &dataset.key, &dataset.degrees, &dataset.config.adapt).await?;
    let ranked = ranks(dataset, &ranker, Role::Validation, 0..u32::MAX, |_, _| ()).await?;
    let ranked = if ranked.is_empty() { popularity_ranks(dataset, Role::Train)? } else { ranked };
    let ranks: Vec<usize> = ranked.into_iter().map(|(_, rank)| rank).collect();
    let reciprocal: f64 = ranks.iter().map(|&r| 1.0 / (r as f64 + 1.0)).sum::<f64>() / ranks.len().max(1) as f64;
    Ok(hit_rate(&ranks, 10).mean + reciprocal)
}

/// Retrains one shard from its old parameters instead of from scratch.
///
/// # Errors
/// As [`crate::train::train`].
pub async fn warm_start(dataset: &Dataset, shard: &ShardData, old: &TensorMap, device: &Device) -> Result<TensorMap> {
    let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, device)?;
    trainer.model_mut().set(old)?;
    while !trainer.is_done() {
        trainer.epoch(|_| ()).await?;
    }
    trainer.finish().0.values().await
}

/// Trains a shard with an interruption after its first epoch, and resumes with
/// Adam moments of zero.
///
/// # Errors
/// As [`crate::train::train`].
pub async fn resume_without_moments(dataset: &Dataset, shard: &ShardData, device: &Device) -> Result<TensorMap> {
    let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, device)?;
    trainer.epoch(|_| ()).await?;
    trainer.forget_moments();
    while !trainer.is_done() {
        trainer.epoch(|_| ()).await?;
    }
    trainer.finish().0.values().await
}
