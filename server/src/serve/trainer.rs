//! Trainers: a bounded number of threads that take shards which are due, train
//! them beside serving, and put the new versions in place.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tracing::{error, info};

use super::ledger::published_line;
use super::service::{Service, lock};
use crate::pool::default_jobs;
use crate::store::{Live, StoreError, Ticket};
use crate::training::{Launcher, Trained, Wish, train_unit};

/// Before a shard that failed is tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Before a shard that another process trains is looked at again.
const AFTER_ANOTHER: Duration = Duration::from_secs(1);

/// Starts a trainer's thread.
pub(super) fn start(service: &Arc<Service>) -> JoinHandle<()> {
    let service = service.clone();
    std::thread::spawn(move || {
        let threads = (default_jobs() / service.options.train_jobs.max(1)).max(1);
        match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
            Ok(pool) => pool.install(|| work(&service)),
            Err(_) => work(&service),
        }
    })
}

fn work(service: &Service) {
    while let Some(shard) = service.schedule.take() {
        service.tick();
        let began = Instant::now();
        let trained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| train(service, shard)));
        match trained.unwrap_or_else(|_| Err(anyhow::anyhow!("a trainer panicked"))) {
            Ok(Unit::Trained(trained)) => {
                if trained.fresh {
                    service.metrics.trained.inc();
                    service.metrics.remember_training(trained.seconds);
                }
                info!(shard, version = trained.version, seconds = trained.seconds, "shard published");
                if let Err(problem) = service.take_up() {
                    error!(shard, "a published shard cannot be taken up: {problem:#}");
                    service.metrics.failed_trainings.inc();
                    service.schedule.retry(shard, AFTER_FAILURE);
                } else if trained.fresh {
                    service.metrics.remember_publication(began.elapsed().as_secs_f64());
                }
            }
            // It is looked at again when the other publishes, or dies.
            Ok(Unit::Elsewhere) => service.schedule.retry(shard, AFTER_ANOTHER),
            Ok(Unit::Done) => {}
            Ok(Unit::Overtaken) => {
                if !service.is_stopping() {
                    service.metrics.restarts.inc();
                    service.schedule.retry(shard, service.options.settle);
                    info!(shard, "training starts anew: the shard's records changed");
                }
            }
            Err(problem) => {
                error!(shard, "training failed: {problem:#}");
                service.metrics.failed_trainings.inc();
                service.schedule.retry(shard, AFTER_FAILURE);
            }
        }
        service.schedule.give_back(shard);
        service.tick();
    }
}

/// What became of a unit.
enum Unit {
    Trained(Trained),
    /// Its records changed, or the service stops.
    Overtaken,
    /// Another process trains it.
    Elsewhere,
    /// Another process has trained it.
    Done,
}

fn train(service: &Service, shard: u32) -> Result<Unit> {
    let Some(_claim) = service.state.claim(shard)? else { return Ok(Unit::Elsewhere) };
    service.freshen()?;
    // Right and records of one moment.
    let (ticket, world) = {
        let deployment = lock(&service.deployment);
        let found = deployment.shards.iter().find(|s| s.index == shard).context("there is no such shard")?;
        if service.is_shared() && found.live.is_some() && !found.stale {
            return Ok(Unit::Done);
        }
        (Ticket::of(found), service.snapshot().world.clone())
    };
    service.schedule.running(shard, ticket.version());
    let data = world.shards().into_iter().nth(shard as usize).context("there is no such shard")?;
    let launcher = Follower { service, epochs: world.config.train.epochs };
    match train_unit(&service.state, &world, &data, ticket, &service.device, &launcher, false) {
        Ok(Some(trained)) => Ok(Unit::Trained(trained)),
        Ok(None) => Ok(Unit::Overtaken),
        Err(problem) if matches!(problem.downcast_ref(), Some(StoreError::Outdated { .. })) => Ok(Unit::Overtaken),
        Err(problem) => Err(problem),
    }
}

struct Follower<'a> {
    service: &'a Service,
    epochs: u32,
}

impl Launcher for Follower<'_> {
    fn progress(&self, shard: u32, done: u32, _: f64, _: Option<f32>) {
        if self.service.schedule.progress(shard, done + 1, self.epochs) {
            self.service.tick();
        }
    }

    fn publishing(&self, shard: u32) {
        self.service.schedule.publishing(shard);
        self.service.tick();
    }

    fn wish(&self, shard: u32) -> Wish {
        match (self.service.schedule.is_outdated(shard), self.service.is_stopping()) {
            (true, _) => Wish::Drop,
            (false, true) => Wish::Checkpoint,
            (false, false) => Wish::GoOn,
        }
    }

    fn entry(&self, live: &Live) -> eemu_core::Result<Option<String>> {
        published_line(std::slice::from_ref(live)).map(Some)
    }
}
