//! Training units: one shard, idempotent, resumable after a kill at any moment.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eemu_core::config::Config;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::{TensorMap, TwoTower, model_blake3};
use eemu_core::shard::ShardData;
use eemu_core::tensor::Device;
use eemu_core::train::{Trainer, input_hash};
use eemu_core::world::World;

use crate::deployment::{Deployment, model_files};
use crate::pool;
use crate::progress::{Bar, Progress};
use crate::store::Publication;

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

fn epoch_message(trainer: &Trainer<'_>, config: &Config) -> String {
    let epoch = (trainer.epochs_done() + 1).min(config.train.epochs);
    let loss = trainer.losses().last().map_or(String::new(), |loss| format!("  loss {loss:.4}"));
    format!("epoch {epoch}/{}{loss}", config.train.epochs)
}

/// One epoch with its progress.
fn epoch(trainer: &mut Trainer<'_>, config: &Config, bar: &Bar) -> Result<()> {
    let (done, message) = (u64::from(trainer.epochs_done()), epoch_message(trainer, config));
    pollster::block_on(trainer.epoch(|fraction| bar.set(done, fraction, &message)))?;
    Ok(())
}

/// Trains one shard of a deployment unless its live model is of the same input
/// and fingerprint. Goes on from a checkpoint of the same input.
///
/// # Errors
/// When training diverges, or the store refuses.
pub fn train_shard(
    deployment: &Deployment,
    data: &ShardData,
    device: &Device,
    progress: &Progress,
    again: bool,
) -> Result<Trained> {
    let (world, shard) = (&deployment.world, data.index);
    let ticket = deployment.state.ticket(shard)?;
    let fingerprint = serde_json::to_string(&Fingerprint::of(device))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&input_hash(&world.catalog, &world.config, data));
    hasher.update(fingerprint.as_bytes());
    let input = *hasher.finalize().as_bytes();
    let stale = deployment.state.shards()?.iter().any(|s| s.index == shard && s.stale);
    if let Some(live) = deployment.state.live(shard)?
        && !stale
        && !again
        && live.input_hash == input
    {
        return Ok(Trained { shard, version: live.version, seconds: 0.0, fresh: false });
    }
    let bar = progress.bar(&format!("shard {shard}"), u64::from(world.config.train.epochs));
    let start = Instant::now();
    let mut trainer = Trainer::new(&world.catalog, &world.config, data, device)?;
    if let Some(bytes) = deployment.state.load_checkpoint(ticket, &input)?
        && trainer.resume(&bytes).is_ok()
    {
        progress.say(&format!("shard {shard}: going on after epoch {}", trainer.epochs_done()));
    }
    let mut saved = Instant::now();
    while !trainer.is_done() {
        epoch(&mut trainer, &world.config, &bar)?;
        if saved.elapsed() >= CHECKPOINT_EVERY && !trainer.is_done() {
            deployment.state.save_checkpoint(ticket, &input, &pollster::block_on(trainer.checkpoint())?)?;
            saved = Instant::now();
        }
    }
    let (model, losses) = trainer.finish();
    let tensors = pollster::block_on(model.parameters().values())?;
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
    };
    let live = deployment.state.publish(ticket, &publication, |_| None)?;
    bar.finish(&format!("trained in {seconds:.1} s"));
    Ok(Trained { shard, version: live.version, seconds, fresh: true })
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
    let all = deployment.world.shards();
    let data: Vec<&ShardData> = all.iter().filter(|data| shards.contains(&data.index)).collect();
    pool::run(&data, jobs, |data| {
        train_shard(deployment, data, device, progress, again).with_context(|| format!("shard {}", data.index))
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
) -> Result<Vec<TwoTower>> {
    pool::run(shards, jobs, |shard| {
        let name = if shards.len() == 1 { label.to_owned() } else { format!("{label} {}", shard.index) };
        let bar = progress.bar(&name, u64::from(world.config.train.epochs));
        let start = Instant::now();
        let mut trainer = Trainer::new(&world.catalog, &world.config, shard, device)?;
        while !trainer.is_done() {
            epoch(&mut trainer, &world.config, &bar)?;
        }
        bar.finish(&format!("trained in {:.1} s", start.elapsed().as_secs_f64()));
        Ok(trainer.finish().0)
    })
    .into_iter()
    .collect()
}

/// Every model's tensors.
///
/// # Errors
/// When the device fails.
pub fn tensors(models: &[TwoTower]) -> Result<Vec<TensorMap>> {
    models.iter().map(|model| Ok(pollster::block_on(model.parameters().values())?)).collect()
}
