//! Trains one shard from start to end. The bytes of the model depend on the
//! shard's records, the frozen catalogue and the configuration, and on nothing
//! else, so training can be repeated. It can be resumed after any epoch.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Meta};
use crate::data::Catalog;
use crate::dataset::Dataset;
use crate::episodes::Epoch;
use crate::meta::{Adam, Batch, Exclusions, maml_step, reptile_step, standard_step};
use crate::mistakes::Mistake;
use crate::model::{ModelKind, TensorMap, from_safetensors, to_safetensors};
use crate::random::Key;
use crate::shard::ShardData;
use crate::shard_model::ShardModel;
use crate::tensor::Device;
use crate::{Error, Result};

/// The training of one shard.
pub struct Trainer<'a> {
    catalog: &'a Catalog,
    config: &'a Config,
    key: Key,
    shard: &'a ShardData,
    exclusions: Exclusions,
    model: ShardModel,
    /// `None` for a closed form, which needs no optimiser.
    adam: Option<Adam>,
    losses: Vec<f32>,
    /// Whether random streams are named by users' indices: a deliberate
    /// mistake.
    numbered: bool,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    adam_steps: u32,
    losses: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// A shard before its first epoch.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(catalog: &'a Catalog, config: &'a Config, shard: &'a ShardData, device: &Device) -> Result<Self> {
        Self::with_exclusions(catalog, config, shard, Exclusions::local(shard), device)
    }

    /// [`Trainer::new`] with another rule for negatives; for `core::mistakes` only.
    pub(crate) fn with_exclusions(
        catalog: &'a Catalog,
        config: &'a Config,
        shard: &'a ShardData,
        exclusions: Exclusions,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        let mut model = ShardModel::new(catalog, config, &key, shard.index, device)?;
        if let ShardModel::Episodes(model) = &mut model {
            model.begin(catalog, shard)?;
        }
        let adam = moments(&model);
        Ok(Self { catalog, config, key, shard, exclusions, model, adam, losses: Vec::new(), numbered: false })
    }

    /// The number of finished epochs.
    pub fn epochs_done(&self) -> u32 {
        self.losses.len() as u32
    }

    /// Whether every epoch is finished.
    pub fn is_done(&self) -> bool {
        self.epochs_done() >= self.config.epochs()
    }

    /// Mean training loss of each epoch so far.
    pub fn losses(&self) -> &[f32] {
        &self.losses
    }

    /// The present model.
    pub fn model(&self) -> &ShardModel {
        &self.model
    }

    /// Applies a deliberate mistake to the initial values or to the names of
    /// streams; for `core::mistakes` only.
    pub(crate) fn mistaken(&mut self, mistake: Mistake, dataset: &Dataset) -> Result<()> {
        let ShardModel::Episodes(model) = &mut self.model else { return Ok(()) };
        match mistake {
            Mistake::SharedPopularity => model.start_biases(&dataset.degrees),
            Mistake::SharedFading => {
                let people =
                    (0..dataset.interactions.users()).filter(|&u| !dataset.interactions.of(u).is_empty()).count();
                model.start_fading(dataset.interactions.len() as f32 / people.max(1) as f32);
            }
            _ => self.numbered = true,
        }
        Ok(())
    }

    /// The model, for deliberate mistakes; for `core::mistakes` only.
    pub(crate) fn model_mut(&mut self) -> &mut ShardModel {
        &mut self.model
    }

    /// Drops Adam's state; for `core::mistakes` only.
    pub(crate) fn forget_moments(&mut self) {
        self.adam = moments(&self.model);
    }

    /// The finished model and the losses.
    pub fn finish(self) -> (ShardModel, Vec<f32>) {
        (self.model, self.losses)
    }

    /// Trains one epoch. Returns its mean loss. `seen` is called with the share
    /// of the epoch that is done.
    ///
    /// # Errors
    /// If the model diverges or the device fails.
    pub async fn epoch(&mut self, seen: impl FnMut(f64)) -> Result<f32> {
        let loss = match (&mut self.model, &mut self.adam) {
            (ShardModel::Ease(model), _) => model.fit(self.shard).map(|()| 0.0)?,
            (ShardModel::Kernel(model), _) => model.fit(self.catalog, self.shard).map(|()| 0.0)?,
            (ShardModel::Episodes(model), Some(adam)) => {
                let done = self.losses.len() as u32;
                let epoch = Epoch {
                    key: &self.key,
                    catalog: self.catalog,
                    shard: self.shard,
                    number: done,
                    epochs: self.config.train.epochs,
                    numbered: self.numbered,
                };
                epoch.run(model, adam, seen).await?
            }
            _ => self.low_rank_epoch(seen).await?,
        };
        if !loss.is_finite() {
            let epoch = self.epochs_done() + 1;
            return Err(Error::NotANumber(format!("the loss of shard {} in epoch {epoch}", self.shard.index)));
        }
        self.losses.push(loss);
        Ok(loss)
    }

    async fn low_rank_epoch(&mut self, mut seen: impl FnMut(f64)) -> Result<f32> {
        let train = &self.config.train;
        let epoch = u64::from(self.epochs_done());
        let order = self.user_order(epoch);
        let batches = order.len().div_ceil(train.users_per_batch);
        let mut total = 0.0f64;
        for (number, cells) in order.chunks(train.users_per_batch).enumerate() {
            let batch = self.batch(epoch, cells);
            let model = self.model.low_rank()?;
            let (change, loss) = match train.meta {
                Meta::Maml => maml_step(model, batch, train).await?,
                Meta::Reptile => reptile_step(model, batch, train).await?,
                Meta::None => standard_step(model, batch).await?,
            };
            let rate = self.rate(number as f32 / batches as f32);
            if let Some(parameters) = self.model.parameters_mut() {
                match &mut self.adam {
                    Some(adam) if train.meta != Meta::Reptile => adam.step(parameters, change, rate, 0.0),
                    _ => *parameters = parameters.moved(&change, rate),
                }
            }
            total += f64::from(loss);
            seen((number + 1) as f64 / batches as f64);
        }
        Ok((total / batches.max(1) as f64) as f32)
    }

    /// The learning rate of the outer step after a share of the current epoch.
    fn rate(&self, share: f32) -> f32 {
        let train = &self.config.train;
        let done = (self.epochs_done() as f32 + share) / train.epochs as f32;
        train.outer_step * if train.decay { 1.0 - done } else { 1.0 }
    }

    fn batch<'b>(&'b self, epoch: u64, cells: &'b [usize]) -> Batch<'b> {
        Batch {
            key: &self.key,
            catalog: self.catalog,
            shard: self.shard,
            exclusions: &self.exclusions,
            epoch,
            cells,
            unknown_share: self.config.train.unknown_share,
            unnamed_share: self.config.train.unnamed_share,
            fresh_slices: self.config.train.fresh_slices,
            uniform_negatives: self.config.train.uniform_negatives,
            in_batch_negatives: self.config.train.in_batch_negatives,
        }
    }

    /// The user slices in order of h(seed, shard, epoch, user), so that
    /// deleting a user does not change the order of the others.
    fn user_order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = self
            .shard
            .cells
            .iter()
            .enumerate()
            .map(|(place, cell)| {
                let user = self.catalog.users.ids[cell.user as usize].as_bytes();
                (self.key.number("batches", &[&self.shard.index.to_le_bytes(), &epoch.to_le_bytes(), user]), place)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, place)| place).collect()
    }

    /// The state after the last epoch, to resume from: parameters, Adam's
    /// moments, losses.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let (adam_steps, mut values) = match &self.adam {
            Some(adam) => adam.values().await?,
            None => (0, TensorMap::new()),
        };
        for (name, value) in self.model.values().await? {
            values.insert(format!("model/{name}"), value);
        }
        let progress = serde_json::to_vec(&Progress { adam_steps, losses: self.losses.clone() })
            .map_err(|e| Error::Model(e.to_string()))?;
        let mut bytes = (progress.len() as u64).to_le_bytes().to_vec();
        bytes.extend(progress);
        bytes.extend(to_safetensors(&values)?);
        Ok(bytes)
    }

    /// Resumes from a checkpoint of the same input.
    ///
    /// # Errors
    /// If the bytes are damaged or belong to another model; the trainer then
    /// does not change.
    pub fn resume(&mut self, bytes: &[u8]) -> Result<()> {
        let damaged = || Error::Model("the checkpoint is damaged".into());
        let head: [u8; 8] = bytes.get(..8).and_then(|h| h.try_into().ok()).ok_or_else(damaged)?;
        let split =
            usize::try_from(u64::from_le_bytes(head)).ok().and_then(|n| n.checked_add(8)).ok_or_else(damaged)?;
        let progress: Progress =
            serde_json::from_slice(bytes.get(8..split).ok_or_else(damaged)?).map_err(|_| damaged())?;
        let values = from_safetensors(&bytes[split..])?;
        let own: TensorMap =
            values.iter().filter_map(|(k, v)| Some((k.strip_prefix("model/")?.to_owned(), v.clone()))).collect();
        let mut adam = self.adam.clone();
        match &mut adam {
            Some(adam) => adam.set(progress.adam_steps, &values)?,
            None if values.len() > own.len() => return Err(damaged()),
            None => {}
        }
        self.model.set(&own)?;
        self.adam = adam;
        self.losses = progress.losses;
        Ok(())
    }
}

/// The optimiser's initial state; `None` for a closed form.
fn moments(model: &ShardModel) -> Option<Adam> {
    let parameters = model.parameters()?;
    Some(match model {
        // There are a few hundred steps in all, so the second moment must adapt
        // quickly.
        ShardModel::Episodes(_) => Adam::with(parameters, 0.99, 10.0),
        _ => Adam::new(parameters),
    })
}

/// The hash of a training run's input: all that its bytes depend on, besides
/// the fingerprint. Features of users are included only for users of the shard,
/// so that a user who is admitted later changes nothing.
pub fn input_hash(catalog: &Catalog, config: &Config, shard: &ShardData) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match config.model.kind {
        ModelKind::TwoTower | ModelKind::DeepFm => part(format!("{:?} {:?}", config.model, config.train).as_bytes()),
        // Only the settings that this kind of model reads, so that other
        // settings may change.
        ModelKind::Episodes => {
            let own = (config.train.seed, config.train.shards, config.train.epochs);
            part(format!("episodes {own:?} {:?} {:?}", config.episodes, config.kernel).as_bytes());
        }
        ModelKind::Kernel => {
            part(format!("kernel {:?} {:?}", (config.train.seed, config.train.shards), config.kernel).as_bytes());
        }
        ModelKind::Ease => {
            part(format!("ease {:?} {:?}", (config.train.seed, config.train.shards), config.ease).as_bytes())
        }
    }
    part(format!("{:?}", catalog.items.ids).as_bytes());
    for column in catalog.items.columns.iter() {
        part(format!("{} {}", column.name, column.values.describe(0..catalog.items.len() as u32)).as_bytes());
    }
    part(&shard.index.to_le_bytes());
    part(&shard.hash(catalog));
    let users = if config.reads_people() { catalog.users.columns.as_slice() } else { &[] };
    for column in users {
        part(format!("{} {}", column.name, column.values.describe(shard.cells.iter().map(|c| c.user))).as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Trains a shard from start to end.
///
/// # Errors
/// If the configuration is invalid, the model diverges or the device fails.
pub async fn train(
    catalog: &Catalog,
    config: &Config,
    shard: &ShardData,
    device: &Device,
) -> Result<(ShardModel, Vec<f32>)> {
    let mut trainer = Trainer::new(catalog, config, shard, device)?;
    while !trainer.is_done() {
        trainer.epoch(|_| ()).await?;
    }
    Ok(trainer.finish())
}
