//! Training units: one shard, idempotent, resumable after a kill at any moment.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::{TensorMap, model_blake3};
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::train::{Trainer, input_hash};
use eemu_core::world::World;

use crate::deployment::{Deployment, load_whole, model_files};
use crate::pool;
use crate::progress::{Bar, Progress};
use crate::store::{Claim, Live, Publication, State, StoreError, Ticket};

/// Training done since the last checkpoint that a kill may cost.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(15);

/// What training one shard came to.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Which shard.
    pub shard: u32,
    /// Its version now.
    pub version: u64,
    /// Seconds this run spent on it.
    pub seconds: f64,
    /// Whether it was trained now, or found trained on the same input.
    pub fresh: bool,
}

/// What a training unit tells its launcher, and asks of it.
pub trait Launcher: Sync {
    /// The unit starts or goes on: epochs done, and of how many.
    fn started(&self, _shard: u32, _done: u32, _epochs: u32) {}
    /// Epochs done, the share of the present one, and the latest loss.
    fn progress(&self, _shard: u32, _done: u32, _share: f64, _loss: Option<f32>) {}
    /// The model is trained and is being put in place.
    fn publishing(&self, _shard: u32) {}
    /// Asked after each epoch.
    fn wish(&self, _shard: u32) -> Wish {
        Wish::GoOn
    }
    /// A log entry to be stored with the new version, in one transaction.
    fn entry(&self, _live: &Live) -> eemu_core::Result<Option<String>> {
        Ok(None)
    }
}

/// What the launcher wants of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Train to the end.
    GoOn,
    /// Keep what is done as a checkpoint, and stop.
    Checkpoint,
    /// Stop: the shard's records have changed.
    Drop,
}

/// Progress bars.
struct Bars<'a> {
    progress: &'a Progress,
    epochs: u32,
    bar: Bar,
}

impl<'a> Bars<'a> {
    fn new(progress: &'a Progress, label: &str, epochs: u32) -> Self {
        Self { progress, epochs, bar: progress.bar(label, u64::from(epochs)) }
    }
}

impl Launcher for Bars<'_> {
    fn started(&self, shard: u32, done: u32, _: u32) {
        if done > 0 {
            self.progress.say(&format!("shard {shard}: going on after epoch {done}"));
        }
    }

    fn progress(&self, _: u32, done: u32, share: f64, loss: Option<f32>) {
        let loss = loss.map_or(String::new(), |loss| format!("  loss {loss:.4}"));
        let message = format!("epoch {}/{}{loss}", (done + 1).min(self.epochs), self.epochs);
        self.bar.set(u64::from(done), share, &message);
    }
}

/// One epoch with its progress.
fn epoch(trainer: &mut Trainer<'_>, shard: u32, launcher: &dyn Launcher) -> Result<()> {
    let (done, loss) = (trainer.epochs_done(), trainer.losses().last().copied());
    pollster::block_on(trainer.epoch(|share| launcher.progress(shard, done, share, loss)))?;
    Ok(())
}

/// The name of a training run's input on a device.
pub fn input_of(world: &World, data: &ShardData, fingerprint: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&input_hash(&world.catalog, &world.config, data));
    hasher.update(fingerprint.as_bytes());
    *hasher.finalize().as_bytes()
}

/// Trains one shard unless its live model is whole and of the same input and
/// fingerprint. Goes on from a checkpoint of the same input. `ticket` must have
/// been taken before `world` was read; `None` when the launcher stopped it.
///
/// # Errors
/// When training diverges, or the store refuses.
pub fn train_unit(
    state: &State,
    world: &World,
    data: &ShardData,
    ticket: Ticket,
    device: &Device,
    launcher: &dyn Launcher,
    again: bool,
) -> Result<Option<Trained>> {
    let shard = data.index;
    let fingerprint = serde_json::to_string(&Fingerprint::of(device))?;
    let input = input_of(world, data, &fingerprint);
    if let Some(current) = state.shards()?.into_iter().find(|s| s.index == shard)
        && let Some(live) = current.live
        && !current.stale
        && !again
        && live.input_hash == input
        && load_whole(state, shard).is_ok()
    {
        return Ok(Some(Trained { shard, version: live.version, seconds: 0.0, fresh: false }));
    }
    if state.ticket(shard)? != ticket {
        return Err(StoreError::Outdated { shard }.into());
    }
    let start = Instant::now();
    let mut trainer = Trainer::new(&world.catalog, &world.config, data, device)?;
    if let Some(bytes) = state.load_checkpoint(ticket, &input)?
        && let Err(problem) = trainer.resume(&bytes)
    {
        tracing::warn!(shard, "a checkpoint cannot be taken up, so training begins anew: {problem}");
    }
    launcher.started(shard, trainer.epochs_done(), world.config.train.epochs);
    let checkpoint = |trainer: &Trainer<'_>| -> Result<()> {
        Ok(state.save_checkpoint(ticket, &input, &pollster::block_on(trainer.checkpoint())?)?)
    };
    let mut saved = Instant::now();
    while !trainer.is_done() {
        match launcher.wish(shard) {
            Wish::GoOn => {}
            Wish::Checkpoint => {
                checkpoint(&trainer)?;
                return Ok(None);
            }
            Wish::Drop => return Ok(None),
        }
        epoch(&mut trainer, shard, launcher)?;
        if saved.elapsed() >= CHECKPOINT_EVERY && !trainer.is_done() {
            checkpoint(&trainer)?;
            saved = Instant::now();
        }
    }
    if launcher.wish(shard) == Wish::Drop {
        return Ok(None);
    }
    launcher.publishing(shard);
    let (model, losses) = trainer.finish();
    let tensors = pollster::block_on(model.values())?;
    let model_hash = model_blake3(&tensors);
    let (shared, user_rows) = model_files(tensors)?;
    let seconds = start.elapsed().as_secs_f64();
    let publication = Publication {
        model_blake3: &model_hash,
        fingerprint: &fingerprint,
        shared: &shared,
        user_rows: &user_rows,
        input_hash: input,
        seconds,
        epochs: world.config.train.epochs,
        losses: &losses.iter().map(|l| f64::from(*l)).collect::<Vec<_>>(),
        catalog: world.catalog.version,
    };
    let live = state.publish(ticket, &publication, |live| launcher.entry(live))?;
    Ok(Some(Trained { shard, version: live.version, seconds, fresh: true }))
}

/// [`train_unit`] of a deployment, with a progress bar.
///
/// # Errors
/// When training diverges, or the store refuses.
pub fn train_shard(
    deployment: &Deployment,
    shard: u32,
    device: &Device,
    progress: &Progress,
    again: bool,
) -> Result<Trained> {
    // The right first, then the records: what changes in between makes it
    // worthless.
    let ticket = deployment.ticket(shard)?;
    let claim = claimed(&deployment.state, shard, progress)?;
    let world = &deployment.shard_at_hand(shard)?;
    let data = world.shard(shard).with_context(|| format!("there is no shard {shard}"))?;
    let bars = Bars::new(progress, &format!("shard {shard}"), world.config.train.epochs);
    let trained = train_unit(&deployment.state, world, &data, ticket, device, &bars, again)?;
    drop(claim);
    let trained = trained.context("training was stopped")?;
    if trained.fresh {
        bars.bar.finish(&format!("trained in {:.1} s", trained.seconds));
    }
    Ok(trained)
}

/// Waits for the sole right to train a shard. Whoever had it has trained it
/// then, so that training it again is finding it trained.
fn claimed<'a>(state: &'a State, shard: u32, progress: &Progress) -> Result<Claim<'a>> {
    let mut said = false;
    loop {
        if let Some(claim) = state.claim(shard)? {
            return Ok(claim);
        }
        if !said {
            progress.say(&format!("shard {shard}: another process trains it; waiting"));
            said = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Trains several shards, `jobs` at once.
///
/// # Errors
/// The first error of any shard; the others are finished all the same.
pub fn train_shards(
    deployment: &Deployment,
    shards: &[u32],
    device: &Device,
    jobs: usize,
    progress: &Progress,
    again: bool,
) -> Result<Vec<Trained>> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    pool::run(shards, jobs, |&shard| {
        train_shard(deployment, shard, device, progress, again).with_context(|| format!("shard {shard}"))
    })
    .into_iter()
    .collect()
}

/// Trains shards in memory, from scratch, without a store: for verification
/// and for the models that quality is compared with.
///
/// # Errors
/// When training diverges or the device fails.
pub fn from_scratch(
    world: &World,
    shards: &[ShardData],
    device: &Device,
    jobs: usize,
    progress: &Progress,
    label: &str,
) -> Result<Vec<ShardModel>> {
    pool::run(shards, jobs, |shard| {
        let name = if shards.len() == 1 { label.to_owned() } else { format!("{label} {}", shard.index) };
        let bars = Bars::new(progress, &name, world.config.train.epochs);
        let start = Instant::now();
        let mut trainer = Trainer::new(&world.catalog, &world.config, shard, device)?;
        while !trainer.is_done() {
            epoch(&mut trainer, shard.index, &bars)?;
        }
        bars.bar.finish(&format!("trained in {:.1} s", start.elapsed().as_secs_f64()));
        Ok(trainer.finish().0)
    })
    .into_iter()
    .collect()
}

/// Every model's tensors.
///
/// # Errors
/// When the device fails.
pub fn tensors(models: &[ShardModel]) -> Result<Vec<TensorMap>> {
    models.iter().map(|model| Ok(pollster::block_on(model.values())?)).collect()
}
