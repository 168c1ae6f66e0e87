//! Trains shards and publishes their models. Each shard is a unit of work
//! ([`crate::unit`]) that is idempotent and resumes after a kill at any moment.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_core::dataset::Dataset;
use eemu_core::model::TensorMap;
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::train::Trainer;
use eemu_core::user_rows::join_user_rows;

use crate::deployment::{Deployment, load_whole, model_files};
use crate::launch::{Launcher, Right, Threads};
use crate::pool;
use crate::progress::{Bar, Progress};
use crate::store::{Claim, Live, Publication, State, StoreError, Ticket};
pub use crate::unit::{Follower, Wish, input_of};
use crate::unit::{Made, TrainedModel, Unit, epoch};

/// The result of training one shard.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Which shard.
    pub shard: u32,
    /// The version of its model now.
    pub version: u64,
    /// Seconds this run spent on it.
    pub seconds: f64,
    /// True when it was trained now; false when its model was already trained on the same
    /// input.
    pub fresh: bool,
}

/// Progress bars.
pub(crate) struct Bars<'a> {
    progress: &'a Progress,
    epochs: u32,
    bar: Bar,
}

impl<'a> Bars<'a> {
    pub(crate) fn new(progress: &'a Progress, label: &str, epochs: u32) -> Self {
        Self { progress, epochs, bar: progress.bar(label, u64::from(epochs)) }
    }

    pub(crate) fn finish(&self, seconds: f64) {
        self.bar.finish(&format!("trained in {seconds:.1} s"));
    }
}

impl Follower for Bars<'_> {
    fn started(&self, shard: u32, done: u32, _: u32) {
        if done > 0 {
            self.progress.say(&format!("shard {shard}: going on after epoch {done}"));
        }
    }

    fn again(&self, shard: u32, why: &str) {
        self.progress.say(&format!("shard {shard} is tried again: {why}"));
    }

    fn progress(&self, _: u32, done: u32, share: f64, loss: Option<f32>) {
        let loss = loss.map_or(String::new(), |loss| format!("  loss {loss:.4}"));
        let message = format!("epoch {}/{}{loss}", (done + 1).min(self.epochs), self.epochs);
        self.bar.set(u64::from(done), share, &message);
    }
}

/// Trains one shard, unless its live model is undamaged and has the same input and
/// fingerprint. Where the launcher cannot tell the fingerprint in advance, any
/// fingerprint will do. The `ticket` must have been taken before the records were read.
/// `None` when the observer stopped the training.
///
/// # Errors
/// When training fails, or the store refuses.
pub fn train_unit(
    state: &State,
    unit: Unit,
    ticket: Ticket,
    launcher: &dyn Launcher,
    follower: &dyn Follower,
    again: bool,
) -> Result<Option<Trained>> {
    let shard = unit.shard();
    let here = launcher.fingerprint()?;
    if let Some(live) = current(state, &unit)?
        && !again
        && here.is_none_or(|here| here == live.fingerprint)
        && load_whole(state, shard).is_ok()
    {
        return Ok(Some(Trained { shard, version: live.version, seconds: 0.0, fresh: false }));
    }
    if state.ticket(shard)? != ticket {
        return Err(StoreError::Outdated { shard }.into());
    }
    let (catalog, epochs) = (unit.catalog.version, unit.config.train.epochs);
    let Some(made) = launcher.train(unit, &Right { state, ticket }, follower)? else { return Ok(None) };
    follower.publishing(shard);
    publish(state, ticket, made, catalog, epochs, |live| follower.entry(live)).map(Some)
}

/// The shard's live model, if it was trained on the same input.
fn current(state: &State, unit: &Unit) -> Result<Option<Live>> {
    let shard = state.shards()?.into_iter().find(|s| s.index == unit.shard());
    let live = shard.filter(|shard| !shard.stale).and_then(|shard| shard.live);
    Ok(live.filter(|live| unit.input(&live.fingerprint) == live.input_hash))
}

/// Publishes a trained model as its shard's live model.
fn publish(
    state: &State,
    ticket: Ticket,
    made: Made,
    catalog: u32,
    epochs: u32,
    entry: impl FnOnce(&Live) -> eemu_core::Result<Option<String>>,
) -> Result<Trained> {
    let (shared, user_rows) = model_files(made.tensors)?;
    let publication = Publication {
        model_blake3: &made.model_blake3,
        fingerprint: &made.fingerprint,
        shared: &shared,
        user_rows: &user_rows,
        input_hash: made.input_hash,
        seconds: made.seconds,
        epochs,
        losses: &made.losses.iter().map(|loss| f64::from(*loss)).collect::<Vec<_>>(),
        catalog,
    };
    let live = state.publish(ticket, &publication, entry)?;
    Ok(Trained { shard: ticket.shard(), version: live.version, seconds: made.seconds, fresh: true })
}

/// Publishes a model that was trained elsewhere, unless the shard already has a current
/// one.
///
/// # Errors
/// When the shard's records are not those that the model was trained on, the model does
/// not fit, or the store refuses. The shard then stays as it was.
pub fn adopt(deployment: &Deployment, model: TrainedModel) -> Result<Trained> {
    let (state, shard) = (&deployment.state, model.shard);
    if shard >= deployment.dataset.config.train.shards {
        bail!("it is of shard {shard}, which this state does not have; give it to the state that packed it");
    }
    // The ticket first, then the records: a change in between invalidates the ticket.
    let ticket = deployment.ticket(shard)?;
    let unit = Unit::of(&deployment.shard_at_hand(shard)?, shard)?;
    if unit.input(&model.made.fingerprint) != model.made.input_hash {
        bail!(
            "shard {shard} has other records, items or settings than this model was trained on; what the shard had \
             stays: pack it again with `eemu shard pack`, and train that"
        );
    }
    if let Some(live) = current(state, &unit)?
        && load_whole(state, shard).is_ok()
    {
        return Ok(Trained { shard, version: live.version, seconds: 0.0, fresh: false });
    }
    fits(&unit, &model.made.tensors, &crate::device::cpu()).with_context(|| {
        format!("the model does not fit shard {shard}; train its input again with `eemu shard train`")
    })?;
    let (catalog, epochs) = (unit.catalog.version, unit.config.train.epochs);
    publish(state, ticket, model.made, catalog, epochs, |_| Ok(None))
}

/// Checks that these tensors make a model of the shard.
pub(crate) fn fits(unit: &Unit, tensors: &TensorMap, device: &Device) -> Result<()> {
    let key = eemu_core::random::Key::from_seed(unit.config.train.seed);
    let mut fresh = ShardModel::new(&unit.catalog, &unit.config, &key, unit.shard(), device)?;
    let (shared, rows) = eemu_core::user_rows::split_user_rows(tensors.clone());
    // Users may have been admitted since.
    let whole = pollster::block_on(join_user_rows(shared, rows, &fresh, &unit.catalog.items))?;
    Ok(fresh.set(&whole)?)
}

/// As [`train_unit`] for a shard of a deployment, with a progress bar.
///
/// # Errors
/// When training fails, or the store refuses.
pub fn train_shard(
    deployment: &Deployment,
    shard: u32,
    launcher: &dyn Launcher,
    progress: &Progress,
    again: bool,
) -> Result<Trained> {
    // The ticket first, then the records: a change in between invalidates the ticket.
    let ticket = deployment.ticket(shard)?;
    let claim = claimed(&deployment.state, shard, launcher, progress)?;
    let unit = Unit::of(&deployment.shard_at_hand(shard)?, shard)?;
    let bars = Bars::new(progress, &format!("shard {shard}"), unit.config.train.epochs);
    let trained = train_unit(&deployment.state, unit, ticket, launcher, &bars, again)?;
    drop(claim);
    let trained = trained.context("training was stopped")?;
    if trained.fresh {
        bars.finish(trained.seconds);
    }
    Ok(trained)
}

/// Waits for the exclusive right to train a shard. If another process held it, that
/// process has trained the shard, and the caller finds it trained.
fn claimed<'a>(state: &'a State, shard: u32, launcher: &dyn Launcher, progress: &Progress) -> Result<Claim<'a>> {
    let mut said = false;
    loop {
        if launcher.is_ending() {
            bail!("training was stopped; repeat the command to go on");
        }
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

/// Trains several shards in this process, `jobs` at once.
///
/// # Errors
/// The first error of any shard. The other shards are still finished.
pub fn train_shards(
    deployment: &Deployment,
    shards: &[u32],
    device: &Device,
    jobs: usize,
    progress: &Progress,
    again: bool,
) -> Result<Vec<Trained>> {
    launch_shards(deployment, shards, &Threads::new(device), jobs, progress, again)
}

/// Trains several shards where a launcher runs them, `jobs` at once.
///
/// # Errors
/// The first error of any shard. The other shards are still finished.
pub fn launch_shards(
    deployment: &Deployment,
    shards: &[u32],
    launcher: &dyn Launcher,
    jobs: usize,
    progress: &Progress,
    again: bool,
) -> Result<Vec<Trained>> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    pool::run(shards, jobs, |&shard| {
        train_shard(deployment, shard, launcher, progress, again).with_context(|| format!("shard {shard}"))
    })
    .into_iter()
    .collect()
}

/// Trains shards in memory, from scratch, without a store: for verification, and for
/// the baselines.
///
/// # Errors
/// When training diverges or the device fails.
pub fn from_scratch(
    dataset: &Dataset,
    shards: &[ShardData],
    device: &Device,
    jobs: usize,
    progress: &Progress,
    label: &str,
) -> Result<Vec<ShardModel>> {
    pool::run(shards, jobs, |shard| {
        let name = if shards.len() == 1 { label.to_owned() } else { format!("{label} {}", shard.index) };
        let bars = Bars::new(progress, &name, dataset.config.train.epochs);
        let start = Instant::now();
        let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, device)?;
        while !trainer.is_done() {
            epoch(&mut trainer, shard.index, &bars)?;
        }
        bars.finish(start.elapsed().as_secs_f64());
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
