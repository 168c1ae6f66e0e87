//! Shards as objects of a bucket, trained by Jobs of a Kubernetes cluster.
//!
//! | file | what it knows |
//! |---|---|
//! | `settings` | what an operator says of the pods |
//! | `job` | Jobs as they are given to the cluster, and as they are found there |
//! | `cluster` | the API server: what is asked of it, and asked again |
//! | `batches` | which shards one Job is for, and what became of each |
//! | `group` | one Job, followed to its end |

mod batches;
mod cluster;
mod group;
mod job;
mod settings;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use tokio::runtime::{Builder, Runtime};

use self::batches::{Batches, Outcome};
use self::cluster::Cluster;
use self::job::Item;
use self::settings::Settings;
use super::command::checked;
use super::wanted::Wanted;
use super::{Launcher, Right};
use crate::store::{LaunchPlace, Launched, State, StoreError};
use crate::unit::{Follower, Input, Made, TrainedModel, Unit};

/// Times that a shard gets a Job, for Jobs that end without saying why. Pods
/// are tried again by the cluster.
const JOBS: usize = 3;

/// A cluster that trains units from object to object.
pub(super) struct Kubernetes {
    batches: Batches,
    /// Taken when this goes.
    runtime: Option<Runtime>,
    place: LaunchPlace,
    /// Whether this process is asked to end.
    asked: &'static AtomicBool,
}

/// Whether a file can be used as settings; nothing is asked of a cluster.
///
/// # Errors
/// When it cannot be read, or holds a key or value that is not known.
pub fn check(file: &Path) -> Result<()> {
    Settings::read(file).map(drop)
}

impl Kubernetes {
    /// Reads the settings, and finds bucket and cluster.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub(super) fn open(file: &Path, state: &State, tries: usize, asked: &'static AtomicBool) -> Result<Self> {
        let settings = Settings::read(file)?;
        let place = state.launch_at(settings.bucket.as_deref())?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.context("the system gave no threads; try again")?;
        let cluster = runtime.block_on(Cluster::connect(settings, place.owner.clone(), tries))?;
        Ok(Self { batches: Batches::new(cluster, runtime.handle().clone()), runtime: Some(runtime), place, asked })
    }

    fn tried(&self, unit: Unit, who: &Wanted<'_>) -> Result<Option<Made>> {
        let (state, ticket) = (who.right.state, who.right.ticket);
        let (bytes, name) = Input::bytes(&unit)?;
        // The bucket holds it, and memory need not.
        drop(unit);
        state.put_input(ticket, &self.place, &bytes)?;
        drop(bytes);
        let object = |what: Launched| format!("{}/{}", self.place.prefix, what.name(ticket));
        let item = Item {
            shard: who.shard,
            // A pod reads and writes where the version says, so another version is another item.
            name: format!("{}-{}", hex::encode(name), ticket.version()),
            input: object(Launched::Input),
            output: object(Launched::Model),
        };
        let mut why = String::new();
        for attempt in 0..JOBS {
            if attempt > 0 {
                who.follower.again(who.shard, &why);
            }
            let Some(outcome) = self.batches.run(&item, attempt == 0, || who.still()) else { return Ok(None) };
            match outcome {
                Outcome::Failed(why) => {
                    // It may have found its input gone.
                    if !who.still() || who.is_lost() {
                        return Ok(None);
                    }
                    bail!("{why}. See what the pods need, and repeat this");
                }
                Outcome::Again(said) => why = said,
                Outcome::Done => match self.taken(who, &name) {
                    Ok(made) => return Ok(Some(made)),
                    Err(_) if !who.still() || who.is_lost() => return Ok(None),
                    Err(problem) => why = format!("its model cannot be used: {problem:#}"),
                },
            }
        }
        bail!("shard {}: {why}. It had {JOBS} Jobs; see what they need, and repeat this", who.shard)
    }

    /// The model that a pod wrote, if it is of this very input.
    fn taken(&self, who: &Wanted<'_>, name: &[u8; 32]) -> Result<Made> {
        let read = |what: Launched| -> Result<(Vec<u8>, String)> {
            let shown = format!("{}/{}", self.place.prefix, what.name(who.right.ticket));
            let bytes = who.right.state.launched(who.right.ticket, &self.place, what)?;
            Ok((bytes.with_context(|| format!("{shown} is not there"))?, shown))
        };
        let (model, shown) = read(Launched::Model)?;
        let model = TrainedModel::of(model, &shown)?;
        let (input, shown) = read(Launched::Input)?;
        checked(model, &Input::of(input, &shown)?, name)
    }

    /// Removes what is in the bucket of a shard, but for what is kept.
    fn tidy(&self, right: &Right<'_>, kept: Option<Launched>) {
        if let Err(problem) = right.state.end_launched(right.ticket, &self.place, kept) {
            tracing::error!(shard = right.ticket.shard(), "what a pod needed is not deleted yet: {problem}");
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever trained has waited for its Job to go, and this may be
            // within another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Launcher for Kubernetes {
    fn train(&self, unit: Unit, right: &Right<'_>, follower: &dyn Follower) -> Result<Option<Made>> {
        let who = Wanted::new(right, follower, self.asked);
        if !who.may_begin() {
            return Ok(None);
        }
        let made = self.tried(unit, &who);
        // For the next start, but without the records.
        let kept = matches!(made, Ok(None)) && who.is_kept();
        self.tidy(right, kept.then_some(Launched::Checkpoint));
        if matches!(made, Ok(None)) && who.is_lost() {
            return Err(StoreError::Outdated { shard: who.shard }.into());
        }
        made
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn is_ending(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}
