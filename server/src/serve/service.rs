//! The service behind the HTTP API: one deployment, its picture, its writer,
//! its trainers. Nothing here knows HTTP.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use eemu_core::receipt::{Entry, Receipt};
use eemu_core::tensor::Device;
use tokio::sync::watch;
use tracing::{error, info};

use super::clock::{now, random};
use super::ledger::{Ledger, statement};
use super::metrics::Metrics;
use super::requests::Requests;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use super::tokens::Tokens;
use super::writer::{Change, Writer};
use crate::deployment::Deployment;
use crate::forgetting;
use crate::store::{Access, State};

/// Answered requests are forgotten after this long.
const REQUESTS_KEPT: u64 = 30 * 24 * 3600;

/// What the service decides, besides the deployment's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOptions {
    /// How long deletions are collected before their shards retrain.
    pub settle: Duration,
    /// How long additions wait before their shards retrain.
    pub additions: Duration,
    /// Shards that train at once.
    pub train_jobs: usize,
    /// Recommendations that are computed at once.
    pub serve_jobs: usize,
    /// Tokens for this many people of the data are given to everybody.
    pub demo: usize,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        let cores = crate::pool::default_jobs();
        Self {
            settle: Duration::from_secs(30),
            additions: Duration::from_secs(24 * 3600),
            train_jobs: cores.div_ceil(2),
            serve_jobs: cores,
            demo: 0,
        }
    }
}

/// A state directory in service.
pub struct Service {
    /// What it was told.
    pub options: ServiceOptions,
    /// Device that computes.
    pub device: Device,
    /// The store; for reading what needs no lock on the deployment.
    pub state: Arc<State>,
    /// Counters.
    pub metrics: Metrics,
    /// Who may.
    pub tokens: Mutex<Tokens>,
    /// The receipt log.
    pub ledger: Mutex<Ledger>,
    /// Unlearning requests on their way.
    pub requests: Mutex<Requests>,
    /// When which shard retrains.
    pub schedule: Schedule,
    /// Moves whenever a request may have moved.
    pub ticks: watch::Sender<u64>,
    /// Set once, when the service stops.
    pub stopping: AtomicBool,
    /// Demonstration: people and the tokens that act for them.
    pub demo: Vec<(u32, String)>,
    pub(super) deployment: Mutex<Deployment>,
    pub(super) writer: Writer,
    snapshot: RwLock<Arc<Snapshot>>,
    answering: Mutex<()>,
    failed: AtomicBool,
    tick: AtomicU64,
}

/// Locks, whoever panicked before: what is behind these locks is whole
/// between any two statements that may panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Opens a state for service and goes on with whatever was under way:
    /// shards without a model are queued, requests waiting for a receipt get
    /// it. Starts nothing yet; see [`Service::start`].
    ///
    /// # Errors
    /// When the state cannot be opened, or a model file is damaged.
    pub fn open(dir: &Path, device: Device, options: ServiceOptions) -> Result<Arc<Self>> {
        let deployment = Deployment::open(dir, Access::Write)?;
        let state = deployment.state.clone();
        let snapshot = Snapshot::new(&deployment, random::<32>()?, &device)?;
        let ledger = Ledger::open(&state)?;
        let requests = state.requests(now().saturating_sub(REQUESTS_KEPT) as f64)?;
        let mut tokens = Tokens::open(dir)?;
        let demo = demo_households(&snapshot, options.demo)
            .into_iter()
            .map(|user| Ok((user, tokens.create_passing(super::tokens::Scope::Subject(user))?)))
            .collect::<Result<Vec<_>>>()?;
        let service = Arc::new(Self {
            schedule: Schedule::new(snapshot.world.config.train.shards),
            metrics: Metrics::new()?,
            tokens: Mutex::new(tokens),
            ledger: Mutex::new(ledger),
            requests: Mutex::new(Requests::new(requests)),
            ticks: watch::channel(0).0,
            stopping: AtomicBool::new(false),
            demo,
            deployment: Mutex::new(deployment),
            writer: Writer::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            answering: Mutex::new(()),
            failed: AtomicBool::new(false),
            tick: AtomicU64::new(0),
            options,
            device,
            state,
        });
        service.answer_requests()?;
        service.schedule_changes(false);
        Ok(service)
    }

    /// Starts the writer and the trainers; they end after [`Service::stop`].
    pub fn start(self: &Arc<Self>) -> Vec<std::thread::JoinHandle<()>> {
        let mut threads = vec![super::writer::start(self)];
        threads.extend((0..self.options.train_jobs.max(1)).map(|_| super::trainer::start(self)));
        threads
    }

    /// Queues a change of the records.
    ///
    /// # Errors
    /// When the service stops, or too many wait.
    pub fn submit(&self, change: Change) -> Result<()> {
        self.writer.submit(change)
    }

    /// Asks writer and trainers to end: what trains is kept as a checkpoint.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.writer.stop();
        self.schedule.stop();
        self.tick();
    }

    /// Ends the service because going on could break a promise; the next start
    /// recovers.
    pub(super) fn fail(&self, reason: &str) {
        error!("{reason}; the service stops");
        self.failed.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Whether the service ended because going on could break a promise.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Whether the service stops.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The picture now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_snapshot(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        self.tick();
    }

    /// Tells whoever follows a request that it may have moved.
    pub(super) fn tick(&self) {
        self.ticks.send_replace(self.tick.fetch_add(1, Ordering::Relaxed));
    }

    /// Puts shards without a model in the queue after the settling time, and
    /// stale ones that still answer on the schedule of additions. Shards in
    /// training whose records changed start anew.
    pub(super) fn schedule_changes(&self, settle: bool) {
        let delay = if settle { self.options.settle } else { Duration::ZERO };
        for view in &self.snapshot().shards {
            let shard = &view.shard;
            match (&shard.live, shard.stale) {
                (None, _) => self.schedule.want(shard.index, shard.version, delay),
                (Some(_), true) => self.schedule.want(shard.index, shard.version, self.options.additions),
                (Some(_), false) => {}
            }
        }
        self.tick();
    }

    /// Takes a published shard into the mean and answers the requests that
    /// waited for it.
    ///
    /// # Errors
    /// When the store refuses or the new model cannot be loaded.
    pub(super) fn take_up(&self, shard: u32) -> Result<()> {
        {
            let deployment = lock(&self.deployment);
            let next = self.snapshot().after_publication(&deployment, shard, &self.device)?;
            self.set_snapshot(next);
        }
        Ledger::refresh(&self.ledger, &self.state)?;
        self.answer_requests()
    }

    /// Writes one receipt for all requests whose every shard is retrained.
    pub(super) fn answer_requests(&self) -> Result<()> {
        // So that two trainers do not answer one request twice.
        let _alone = lock(&self.answering);
        let snapshot = self.snapshot();
        let live: HashMap<u32, u64> = snapshot.models().map(|m| (m.live.shard, m.live.version)).collect();
        let ready = lock(&self.requests).ready(&live);
        if ready.is_empty() {
            return Ok(());
        }
        let shards: std::collections::BTreeSet<u32> = ready.iter().flat_map(|r| r.shards.iter().map(|s| s.0)).collect();
        let receipt = Receipt {
            format: 1,
            removed: ready.iter().map(|r| r.removed).sum(),
            shards: snapshot.models().filter(|m| shards.contains(&m.live.shard)).map(|m| statement(&m.live)).collect(),
            config_blake3: eemu_core::receipt::config_blake3(&snapshot.world.config),
            fingerprint: eemu_core::fingerprint::Fingerprint::of(&self.device),
            statement: forgetting::STATEMENT.to_owned(),
        };
        let ids: Vec<[u8; 32]> = ready.iter().map(|r| r.id_hash).collect();
        let receipt = self.state.answer_requests(&ids, &Entry::Deletion(receipt).to_line()?)?;
        lock(&self.requests).answer(&ids, receipt);
        Ledger::refresh(&self.ledger, &self.state)?;
        info!(requests = ids.len(), shards = shards.len(), "receipt written");
        self.tick();
        Ok(())
    }

    /// Seconds until these shards are retrained, roughly.
    pub fn estimate(&self, shards: &[u32]) -> u64 {
        let snapshot = self.snapshot();
        let times: Vec<f64> = snapshot.models().map(|m| m.live.seconds).collect();
        if !times.is_empty() {
            self.metrics.remember_training(times.iter().sum::<f64>() / times.len() as f64);
        }
        let waiting = self.schedule.waiting();
        let asked = waiting.iter().filter(|(shard, _)| shards.contains(shard));
        let before = asked.map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        // What is due later, such as additions, is in nobody's way.
        let ahead = waiting.iter().filter(|(_, seconds)| *seconds <= before).count();
        let rounds = ahead.max(shards.len()).div_ceil(self.options.train_jobs.max(1));
        (before + rounds as f64 * self.metrics.training_seconds()).ceil() as u64
    }

    /// Reads everything anew from the store after a change failed half way,
    /// so that the picture shows what is on disk.
    pub(super) fn recover(&self, deployment: &mut Deployment) {
        let reread = deployment
            .reload()
            .and_then(|()| self.snapshot().after_records(deployment, true))
            .context("the state cannot be read after a failed change");
        match reread {
            Ok(next) => self.set_snapshot(next),
            Err(error) => {
                // Nothing that may be wrong is answered any more.
                self.fail(&format!("{error:#}"));
            }
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The people with most records, for the demonstration.
fn demo_households(snapshot: &Snapshot, count: usize) -> Vec<u32> {
    let records = &snapshot.world.interactions;
    let mut users: Vec<u32> = (0..records.users()).filter(|user| !records.of(*user).is_empty()).collect();
    users.sort_by_key(|user| (std::cmp::Reverse(records.of(*user).len()), *user));
    users.truncate(count);
    users
}
