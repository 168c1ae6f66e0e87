//! The service behind the HTTP API: one deployment, its picture, its writer,
//! its trainers. Nothing here knows HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result};
use eemu_core::api::DryRun;
use eemu_core::dataset::Holdout;
use eemu_core::tensor::Device;
use eemu_core::unlearn;
use tokio::sync::watch;
use tracing::{error, info};

use super::capacity::Capacity;
use super::hiding::Hiding;
use super::ledger::Ledger;
use super::metrics::Metrics;
use super::requests::Requests;
use super::schedule::Schedule;
use super::snapshot::Snapshot;
use super::tokens::Tokens;
use super::writer::{Change, Writer};
use crate::clock::random;
use crate::deployment::Deployment;
use crate::forgetting;
use crate::store::{Access, Head, Live, Location, State, Watch};

/// The seed of an import for measuring, which everybody knows.
const DEFAULT_SEED: u64 = 1;

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
    /// How often backups and requests whose time is over are looked for.
    pub housekeeping: Duration,
    /// Within what time stale copies of what is deleted are gone from disk; 0
    /// for before a deletion is acknowledged.
    pub erase_within: Duration,
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
            housekeeping: Duration::from_secs(60),
            erase_within: Duration::from_secs(3600),
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
    /// Items that are in no list.
    pub hiding: Hiding,
    /// When which shard retrains.
    pub schedule: Schedule,
    /// Moves whenever a request may have moved.
    pub ticks: watch::Sender<u64>,
    /// Set once, when the service stops.
    pub stopping: AtomicBool,
    /// Demonstration: people and the tokens that act for them.
    pub demo: Vec<(u32, String)>,
    /// Looks how far a shared state has come; none where nobody else writes.
    watch: Option<Watch>,
    /// The transaction up to which other processes' changes are taken in.
    seen: AtomicU64,
    following: Mutex<()>,
    pub(super) deployment: Mutex<Deployment>,
    pub(super) writer: Writer,
    snapshot: RwLock<Arc<Snapshot>>,
    answering: Mutex<()>,
    failed: AtomicBool,
    /// A change is made that the picture does not show whole.
    behind: AtomicBool,
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
    pub fn open(location: impl Into<Location>, device: Device, options: ServiceOptions) -> Result<Arc<Self>> {
        let deployment = Deployment::open(location, Access::Write)?;
        let state = deployment.state.clone();
        state.set_erase_within(options.erase_within);
        let watch = if state.is_shared() { Some(state.watch()?) } else { None };
        let seen = AtomicU64::new(deployment.head.changes);
        let snapshot = Snapshot::new(&deployment, random::<32>()?, &device)?;
        let ledger = Ledger::open(&state)?;
        let requests = forgetting::requests(&state)?;
        let mut tokens = Tokens::of_state(&state)?;
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
            hiding: Hiding::open(&state)?,
            ticks: watch::channel(0).0,
            stopping: AtomicBool::new(false),
            demo,
            watch,
            seen,
            following: Mutex::new(()),
            deployment: Mutex::new(deployment),
            writer: Writer::default(),
            snapshot: RwLock::new(Arc::new(snapshot)),
            answering: Mutex::new(()),
            failed: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            tick: AtomicU64::new(0),
            options,
            device,
            state,
        });
        service.answer_requests()?;
        service.schedule_changes(false);
        Ok(service)
    }

    /// Starts the writer, the trainers and the housekeeping; they end after [`Service::stop`].
    pub fn start(self: &Arc<Self>) -> Vec<std::thread::JoinHandle<()>> {
        let mut threads = vec![super::writer::start(self), super::housekeeping::start(self)];
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

    /// Puts the picture of a deployment that has moved on in place. Any change
    /// may bring a version that was published meanwhile. Its line in the log was
    /// written with it, and is taken in first: whoever sees the version finds it.
    ///
    /// # Errors
    /// When the store refuses or a new model is damaged.
    pub(super) fn show(&self, deployment: &Deployment) -> Result<()> {
        crate::store::trouble("serve.show")?;
        let next = self.snapshot().following(deployment, &self.device)?;
        Ledger::refresh(&self.ledger, &self.state)?;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.tick();
        Ok(())
    }

    /// [`Service::show`] after a change that is made. When it fails, the
    /// picture still loses every model that the store dropped, which needs
    /// nothing that can fail; the rest is caught up with soon.
    pub(super) fn show_change(&self, deployment: &Deployment) {
        if let Err(problem) = self.show(deployment) {
            error!("a change is made, but not all of it is shown yet: {problem:#}");
            let next = self.snapshot().without_dropped(deployment);
            *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
            self.behind.store(true, Ordering::SeqCst);
            self.tick();
        }
    }

    /// Catches up with what could not be shown when it was made.
    ///
    /// # Errors
    /// When it still cannot.
    pub(super) fn catch_up(&self) -> Result<()> {
        if self.behind.load(Ordering::SeqCst) {
            self.follow(&mut lock(&self.deployment))?;
            self.behind.store(false, Ordering::SeqCst);
            self.answer_requests()?;
        }
        Ok(())
    }

    /// Takes over when what requests removed was overwritten.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) fn reread_erasure(&self, ids: &[[u8; 32]]) -> Result<()> {
        let read = self.state.requests_of(ids)?;
        lock(&self.requests).erased(&read);
        Ok(())
    }

    /// Takes over when stale copies of what requests removed were cleared.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) fn take_compacted(&self) -> Result<()> {
        let read = forgetting::requests(&self.state)?;
        lock(&self.requests).erased(&read);
        self.tick();
        Ok(())
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
                (Some(live), false) => self.schedule.settled(shard.index, live.version),
            }
        }
        self.tick();
    }

    /// Takes what was published into the mean and answers the requests that
    /// waited for it.
    ///
    /// # Errors
    /// When the store refuses or a new model cannot be loaded.
    pub(super) fn take_up(&self) -> Result<()> {
        self.follow(&mut lock(&self.deployment))?;
        self.answer_requests()
    }

    /// Brings deployment, log and picture to what the store holds now.
    ///
    /// # Errors
    /// When the store refuses or a model is damaged.
    pub(super) fn follow(&self, deployment: &mut Deployment) -> Result<()> {
        let mut last = None;
        // Another process may replace a model while it is being read here.
        for _ in 0..if self.is_shared() { 5 } else { 1 } {
            deployment.refresh()?;
            match self.show(deployment) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        last.map_or(Ok(()), Err)
    }

    /// Whether other processes write to this state, too.
    pub fn is_shared(&self) -> bool {
        self.watch.is_some()
    }

    /// Whether something was deleted since an answer's picture was made. Every
    /// deletion that was acknowledged before this call counts, by whichever
    /// process. Blocking where the state is shared.
    ///
    /// # Errors
    /// When the database does not answer: then nobody knows.
    pub fn is_overtaken(&self, head: Head) -> Result<bool> {
        let now = match &self.watch {
            Some(watch) => watch.head()?,
            None => self.snapshot().head,
        };
        Ok(now.deletions != head.deletions)
    }

    /// Takes in what other processes changed. Blocking where the state is
    /// shared, and nothing elsewhere.
    ///
    /// # Errors
    /// When the database does not answer, or what it holds cannot be used.
    pub fn freshen(&self) -> Result<()> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let head = watch.head()?;
        if head.changes <= self.seen.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _alone = lock(&self.following);
        // Whoever came first may have been here.
        if head.changes <= self.seen.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.follow(&mut lock(&self.deployment))?;
        self.reread_requests()?;
        lock(&self.tokens).reread()?;
        self.hiding.reread()?;
        self.schedule_changes(true);
        self.answer_requests()?;
        self.seen.store(head.changes, Ordering::SeqCst);
        Ok(())
    }

    /// Takes in what the store holds of the requests.
    fn reread_requests(&self) -> Result<()> {
        let mut requests = lock(&self.requests);
        let read = forgetting::requests(&self.state)?;
        // Whoever sees a request name its receipt finds it.
        Ledger::refresh(&self.ledger, &self.state)?;
        requests.reread(read);
        self.tick();
        Ok(())
    }

    /// Writes one receipt for all requests whose every shard is retrained.
    pub(super) fn answer_requests(&self) -> Result<()> {
        // So that two trainers do not answer one request twice.
        let _alone = lock(&self.answering);
        let snapshot = self.snapshot();
        let versions: HashMap<u32, u64> = snapshot.models().map(|m| (m.live.shard, m.live.version)).collect();
        let ready = lock(&self.requests).ready(&versions);
        if ready.is_empty() {
            return Ok(());
        }
        let live: Vec<&Live> = snapshot.models().map(|model| &model.live).collect();
        let settings = lock(&self.deployment).settings.clone();
        let Some((receipt, _)) = forgetting::answer(&self.state, &settings, &self.device, &ready, &live)? else {
            // Another process has, or this one and then could not read it.
            return self.reread_requests();
        };
        // Whoever sees a request name its receipt finds it.
        Ledger::refresh(&self.ledger, &self.state)?;
        let ids: Vec<[u8; 32]> = ready.iter().map(|r| r.id_hash).collect();
        lock(&self.requests).answer(&ids, receipt);
        info!(requests = ids.len(), "receipt written");
        self.tick();
        Ok(())
    }

    /// What decides how many deletions are sustained, as it is now.
    pub fn capacity(&self) -> Capacity {
        let snapshot = self.snapshot();
        self.remember_training(&snapshot);
        Capacity {
            shards: snapshot.shards.len() as u32,
            trainers: self.options.train_jobs,
            training: self.metrics.publication_seconds(),
            settle: self.options.settle.as_secs_f64(),
        }
    }

    /// How long the models in the mean took to train, in place of a guess.
    fn remember_training(&self, snapshot: &Snapshot) {
        let times: Vec<f64> = snapshot.models().map(|m| m.live.seconds).collect();
        if !times.is_empty() {
            self.metrics.remember_training(times.iter().sum::<f64>() / times.len() as f64);
        }
    }

    /// Seconds until these shards are retrained, roughly.
    pub fn estimate(&self, shards: &[u32]) -> u64 {
        self.remember_training(&self.snapshot());
        let waiting = self.schedule.waiting();
        let asked = waiting.iter().filter(|(shard, _)| shards.contains(shard));
        let before = asked.map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        // What is due later, such as additions, is in nobody's way.
        let ahead = waiting.iter().filter(|(_, seconds)| *seconds <= before).count();
        let rounds = ahead.max(shards.len()).div_ceil(self.options.train_jobs.max(1));
        (before + rounds as f64 * self.metrics.training_seconds()).ceil() as u64
    }

    /// What an operator should know before people rely on this service.
    pub fn doubts(&self) -> Vec<&'static str> {
        let world = &self.snapshot().world;
        let config = &world.config;
        let found = [
            (
                world.interactions.is_empty(),
                "this state has no records: every list is empty of sense until some are added and trained on",
            ),
            (
                config.train.seed == DEFAULT_SEED,
                "the seed is the public default: anybody can compute which shard holds a record; import with \
                 --holdout none, or give --seed a secret",
            ),
            (
                config.holdout != Holdout::None,
                "records are held out for measuring and train nothing; import with --holdout none for production",
            ),
        ];
        found.into_iter().filter(|(is_so, _)| *is_so).map(|(_, doubt)| doubt).collect()
    }

    /// What the deletion of these records would do now.
    pub fn dry_run(&self, records: &[(u32, u32)]) -> DryRun {
        let snapshot = self.snapshot();
        let plan = unlearn::plan(&snapshot.world, records);
        let left = snapshot.models().filter(|model| !plan.shards.contains(&model.live.shard)).count() as u32;
        let training = self.estimate(&plan.shards);
        let settling = if plan.shards.is_empty() { 0 } else { self.options.settle.as_secs() };
        DryRun {
            removed: plan.removed.len() as u64,
            shards_left: left,
            degraded: left == 0,
            estimated_seconds: if plan.shards.is_empty() { 0 } else { training + settling },
            shards: plan.shards,
        }
    }

    /// Reads everything anew from the store after a change failed half way,
    /// so that the picture shows what is on disk.
    pub(super) fn recover(&self, deployment: &mut Deployment) {
        let reread = deployment.reload().and_then(|()| self.follow(deployment));
        if let Err(error) = reread.context("the state cannot be read after a failed change") {
            // Nothing that may be wrong is answered any more.
            self.fail(&format!("{error:#}"));
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
