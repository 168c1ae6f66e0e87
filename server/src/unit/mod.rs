//! One shard's training as a function of what it reads: catalogue,
//! configuration, one shard's data. No state, no database, and no network but
//! the bucket that an argument names.
//!
//! | file | what it does |
//! |---|---|
//! | `input` | the file that holds all that the training of one shard reads |
//! | `model` | the file that holds what came of it |
//! | `sealed` | a file that says whether it is whole |
//! | `beside` | training done so far, as a file beside the output |
//! | `place` | where a unit reads and writes: files, or objects of a bucket |
//! | `placed` | a shard's people at their rows of a table of others |
//! | `trying` | what may go well another time |

mod beside;
mod input;
mod model;
mod place;
mod placed;
mod sealed;
mod trying;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eemu_core::config::Config;
use eemu_core::data::Catalog;
use eemu_core::dataset::Dataset;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::{TensorMap, model_blake3};
use eemu_core::shard::ShardData;
use eemu_core::tensor::Device;
use eemu_core::train::{Trainer, input_hash};

pub use beside::{Beside, WhileThere};
pub use input::Input;
pub use model::TrainedModel;
pub use place::Place;
pub use sealed::sweep_halves;
pub use trying::{TRY_AGAIN, may_pass};
pub(crate) use trying::{refuse, refuse_nothing, refused};

/// The time between checkpoints, which is the most training that a kill may cost.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(15);

/// Everything that the training of one shard reads, besides the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    /// Items with their features, and the users that the shard's data name.
    pub catalog: Catalog,
    /// The configuration of the deployment.
    pub config: Config,
    /// The shard's data.
    pub data: ShardData,
}

/// The result of training one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The model's tensors.
    pub tensors: TensorMap,
    /// BLAKE3 of the tensors, hex.
    pub model_blake3: String,
    /// Build, device and kernels that made it, as JSON.
    pub fingerprint: String,
    /// Hash of everything that was read, and of the fingerprint.
    pub input_hash: [u8; 32],
    /// Mean loss of each epoch.
    pub losses: Vec<f32>,
    /// Seconds that the last run took.
    pub seconds: f64,
}

/// Stores checkpoints.
pub trait Keeper {
    /// The checkpoint for this input, if it is whole.
    ///
    /// # Errors
    /// When the storage refuses.
    fn load(&self, input: &[u8; 32]) -> Result<Option<Vec<u8>>>;
    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// When the storage refuses, or the training is not wanted any more.
    fn save(&self, input: &[u8; 32], bytes: &[u8]) -> Result<()>;
    /// How often checkpoints are stored, besides when training must stop.
    fn every(&self) -> Duration {
        CHECKPOINT_EVERY
    }
}

/// Observes the training of a unit, and decides whether it goes on (a training
/// callback).
pub trait Follower: Sync {
    /// Training starts or resumes: epochs done, and their total.
    fn started(&self, _shard: u32, _done: u32, _epochs: u32) {}
    /// Epochs done, the share of the present epoch that is done, and the latest loss.
    fn progress(&self, _shard: u32, _done: u32, _share: f64, _loss: Option<f32>) {}
    /// A training elsewhere failed and is tried again.
    fn again(&self, shard: u32, why: &str) {
        tracing::warn!(shard, "training is tried again: {why}");
    }
    /// The model is trained and is being published.
    fn publishing(&self, _shard: u32) {}
    /// What to do next. Called after each epoch, and several times a second while a
    /// training runs elsewhere.
    fn wish(&self, _shard: u32) -> Wish {
        Wish::GoOn
    }
    /// A log entry to be stored with the new version, in one transaction.
    fn entry(&self, _live: &crate::store::Live) -> eemu_core::Result<Option<String>> {
        Ok(None)
    }
}

/// What the observer wants of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Train to the end.
    GoOn,
    /// Store a checkpoint, and stop.
    Checkpoint,
    /// Stop: the shard's records have changed.
    Drop,
}

/// The name of a training run's input on a device.
pub fn input_of(dataset: &Dataset, data: &ShardData, fingerprint: &str) -> [u8; 32] {
    named(&dataset.catalog, &dataset.config, data, fingerprint)
}

fn named(catalog: &Catalog, config: &Config, data: &ShardData, fingerprint: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&input_hash(catalog, config, data));
    hasher.update(fingerprint.as_bytes());
    if !config.model.kind.is_of_items() {
        // Such a model initialises and stores a user's row by its index, so the same users at
        // other indices are another training.
        for cell in &data.cells {
            hasher.update(&cell.user.to_le_bytes());
        }
    }
    *hasher.finalize().as_bytes()
}

/// Runs one epoch with its progress.
pub(crate) fn epoch(trainer: &mut Trainer<'_>, shard: u32, follower: &dyn Follower) -> Result<()> {
    let (done, loss) = (trainer.epochs_done(), trainer.losses().last().copied());
    pollster::block_on(trainer.epoch(|share| follower.progress(shard, done, share, loss)))?;
    Ok(())
}

impl Unit {
    /// The unit of one shard of a dataset that has the records of the shard's users in
    /// memory.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn of(dataset: &Dataset, shard: u32) -> Result<Self> {
        let data = dataset.shard(shard).with_context(|| format!("there is no shard {shard}"))?;
        Ok(Self { catalog: dataset.catalog.clone(), config: dataset.config.clone(), data })
    }

    /// Which shard.
    pub fn shard(&self) -> u32 {
        self.data.index
    }

    /// The name of the training's input on a device with this fingerprint (JSON).
    pub fn input(&self, fingerprint: &str) -> [u8; 32] {
        named(&self.catalog, &self.config, &self.data, fingerprint)
    }

    /// Trains the shard from the start, or from the checkpoint of the same input; `None`
    /// when the observer stopped it.
    ///
    /// # Errors
    /// When training diverges, the device fails, or a checkpoint cannot be stored.
    pub fn train(&self, device: &Device, keeper: &dyn Keeper, follower: &dyn Follower) -> Result<Option<Made>> {
        let shard = self.shard();
        let fingerprint = serde_json::to_string(&Fingerprint::of(device))?;
        let input_hash = self.input(&fingerprint);
        let start = Instant::now();
        let mut trainer = Trainer::new(&self.catalog, &self.config, &self.data, device)?;
        if let Some(bytes) = keeper.load(&input_hash)?
            && let Err(problem) = trainer.resume(&bytes)
        {
            tracing::warn!(shard, "a checkpoint cannot be taken up, so training begins anew: {problem}");
        }
        follower.started(shard, trainer.epochs_done(), self.config.train.epochs);
        let checkpoint = |trainer: &Trainer<'_>| -> Result<()> {
            keeper.save(&input_hash, &pollster::block_on(trainer.checkpoint())?)
        };
        let mut saved = Instant::now();
        while !trainer.is_done() {
            match follower.wish(shard) {
                Wish::GoOn => {}
                Wish::Checkpoint => {
                    checkpoint(&trainer)?;
                    return Ok(None);
                }
                Wish::Drop => return Ok(None),
            }
            epoch(&mut trainer, shard, follower)?;
            let due = saved.elapsed() >= keeper.every() && !trainer.is_done();
            // The path of a training that is not wanted may belong to its successor by now.
            if due && follower.wish(shard) != Wish::Drop {
                checkpoint(&trainer)?;
                saved = Instant::now();
            }
        }
        if follower.wish(shard) == Wish::Drop {
            return Ok(None);
        }
        let (model, losses) = trainer.finish();
        let tensors = pollster::block_on(model.values())?;
        let (model_blake3, seconds) = (model_blake3(&tensors), start.elapsed().as_secs_f64());
        Ok(Some(Made { tensors, model_blake3, fingerprint, input_hash, losses, seconds }))
    }
}
