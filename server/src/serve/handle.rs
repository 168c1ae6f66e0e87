//! What an HTTP handler gets: the view, which is read without a lock, and the sender of
//! commands to the run loop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use arc_swap::ArcSwap;
use eemu_core::api::{AuditEntry, DryRun};
use eemu_core::data::Holdout;
use eemu_core::dataset::Dataset;
use eemu_core::unlearn;
use tokio::sync::{oneshot, watch};
use tracing::error;

use super::capacity::Capacity;
use super::command::{Change, Command, Wanted};
use super::demo::Demo;
use super::hiding::Hiding;
use super::histories::Histories;
use super::metrics::Metrics;
use super::quality::Quality;
use super::service::ServiceOptions;
use super::tokens::Tokens;
use super::view::View;
use crate::store::{Backup, Head, NewAudit, State, Watch};

/// The most changes that may wait; beyond that the service is overloaded.
const LONGEST_QUEUE: usize = 100_000;
/// The default seed of an import for measuring, which everybody knows.
const DEFAULT_SEED: u64 = 1;

/// Reads the service, and asks it for changes. Clones share the same service.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    view: ArcSwap<View>,
    commands: mpsc::Sender<Command>,
    /// Changes that the loop has not received yet.
    waiting: AtomicUsize,
    /// Used only to read the audit log.
    state: Arc<State>,
    options: ServiceOptions,
    metrics: Metrics,
    tokens: Mutex<Tokens>,
    ticks: watch::Sender<u64>,
    tick: AtomicU64,
    demo: Demo,
    /// Items that are in no list.
    hiding: Hiding,
    /// Polls the version of a shared state; `None` where no other process writes.
    watch: Option<Watch>,
    histories: Histories,
    quality: Quality,
    stopping: AtomicBool,
    failed: AtomicBool,
}

/// What a handle is made of.
pub(super) struct Parts {
    pub(super) view: View,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) options: ServiceOptions,
    pub(super) tokens: Tokens,
    pub(super) demo: Demo,
    pub(super) watch: Option<Watch>,
    pub(super) hiding: Hiding,
    pub(super) state: Arc<State>,
    pub(super) histories: Histories,
    pub(super) quality: Quality,
}

impl Handle {
    pub(super) fn new(parts: Parts) -> Result<Self> {
        let Parts { view, commands, options, tokens, demo, watch, hiding, state, histories, quality } = parts;
        Ok(Self(Arc::new(Shared {
            view: ArcSwap::from_pointee(view),
            commands,
            waiting: AtomicUsize::new(0),
            state,
            options,
            metrics: Metrics::new()?,
            tokens: Mutex::new(tokens),
            ticks: watch::channel(0).0,
            tick: AtomicU64::new(0),
            demo,
            hiding,
            watch,
            histories,
            quality,
            stopping: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        })))
    }

    /// The present view.
    pub fn view(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    /// Publishes a view, and notifies whoever follows a request.
    pub(super) fn show(&self, view: View) {
        self.0.view.store(Arc::new(view));
        self.tick();
    }

    /// The options of the service.
    pub fn options(&self) -> &ServiceOptions {
        &self.0.options
    }

    /// Counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The bearer tokens.
    pub fn tokens(&self) -> MutexGuard<'_, Tokens> {
        // Every change leaves the value consistent, so a panic of another thread does no harm.
        self.0.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hidden items.
    pub(super) fn hiding(&self) -> &Hiding {
        &self.0.hiding
    }

    /// The measured quality of the lists.
    pub(super) fn quality(&self) -> &Quality {
        &self.0.quality
    }

    /// Backups that exist. Blocking.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) fn backups(&self) -> Result<Vec<Backup>> {
        self.0.histories.backups()
    }

    /// Changes stored tokens. Requests with a token do not wait for the store meanwhile.
    /// Blocking.
    pub(super) fn change_tokens<T>(&self, change: impl FnOnce(&mut Tokens) -> Result<T>) -> Result<T> {
        let mut stored = Tokens::of_state(&self.0.state)?;
        let done = change(&mut stored)?;
        self.tokens().take(stored);
        Ok(done)
    }

    /// The demonstration's households.
    pub(super) fn demo(&self) -> &Demo {
        &self.0.demo
    }

    /// Changes whenever the status of a request may have changed.
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.0.ticks.subscribe()
    }

    fn tick(&self) {
        self.0.ticks.send_replace(self.0.tick.fetch_add(1, Ordering::Relaxed));
    }

    /// Asks for a change of the dataset.
    ///
    /// # Errors
    /// When the service stops, or too many changes wait.
    pub fn submit(&self, change: Change) -> Result<()> {
        if self.is_stopping() {
            bail!("the service is stopping; send it again when it is back");
        }
        if self.0.waiting.fetch_add(1, Ordering::SeqCst) >= LONGEST_QUEUE {
            self.0.waiting.fetch_sub(1, Ordering::SeqCst);
            bail!("too many changes are waiting; send it again in a while");
        }
        self.send(Command::Change(change))
    }

    /// The loop has received changes.
    pub(super) fn taken(&self, count: usize) {
        self.0.waiting.fetch_sub(count, Ordering::SeqCst);
    }

    /// The loop has deferred changes.
    pub(super) fn put_back(&self, count: usize) {
        self.0.waiting.fetch_add(count, Ordering::SeqCst);
    }

    /// Changes that wait for the loop.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    /// Makes everything that waits for retraining due now.
    pub fn retrain_now(&self) {
        // After the loop has ended nothing is retrained.
        let _ = self.send(Command::RetrainNow);
    }

    /// Queues an entry for the audit log.
    pub fn audit(&self, entry: NewAudit) {
        if self.send(Command::Audit(entry)).is_err() {
            error!("an entry of the audit log is lost: the service has stopped");
        }
    }

    /// Entries of the audit log, newest first. Blocking.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit_log(&self, before: u64, count: u64) -> Result<Vec<AuditEntry>> {
        Ok(self.0.state.audit(before, count)?)
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the loop has ended.
    pub(super) fn send(&self, command: Command) -> Result<()> {
        self.0.commands.send(command).map_err(|_| anyhow!("the service is stopping; send it again when it is back"))
    }

    /// Asks the service to end. A training in progress is kept as a checkpoint.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        // The loop may have ended already.
        let _ = self.send(Command::Stop);
        self.tick();
    }

    /// Ends the service because going on could break a promise; the next start
    /// recovers.
    pub(super) fn fail(&self, reason: &str) {
        error!("{reason}; the service stops");
        self.0.failed.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Whether the service ended because going on could break a promise.
    pub fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::SeqCst)
    }

    /// Whether the service stops.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::SeqCst)
    }

    /// Whether other processes write to this state too.
    pub fn is_shared(&self) -> bool {
        self.0.watch.is_some()
    }

    /// Whether anything was deleted since the view with this version. It counts every
    /// deletion that any process acknowledged before this call. Blocking where the state is
    /// shared.
    ///
    /// # Errors
    /// When the database does not answer; then the result is unknown.
    pub fn is_overtaken(&self, head: Head) -> Result<bool> {
        let now = match &self.0.watch {
            Some(watch) => watch.head()?,
            None => self.view().head,
        };
        Ok(now.deletions != head.deletions)
    }

    /// The transaction that other processes have brought the state to; `None` where there
    /// are none. Blocking.
    pub(super) fn changes(&self) -> Result<Option<u64>> {
        Ok(self.0.watch.as_ref().map(Watch::head).transpose()?.map(|head| head.changes))
    }

    /// Waits until the view contains everything that other processes changed before this
    /// call. Blocks where the state is shared, and does nothing elsewhere.
    ///
    /// # Errors
    /// When the database does not answer, or what it holds cannot be used.
    pub fn freshen(&self) -> Result<()> {
        let Some(changes) = self.changes()? else { return Ok(()) };
        if changes <= self.view().seen {
            return Ok(());
        }
        let (reply, done) = oneshot::channel();
        self.send(Command::Refresh(changes, reply))?;
        done.blocking_recv().map_err(|_| anyhow!("the service is stopping; send it again when it is back"))?
    }

    /// The inputs of the estimate of sustained deletions, as they are now.
    pub fn capacity(&self) -> Capacity {
        let view = self.view();
        let publication = view.pace.publication;
        Capacity {
            shards: view.shards.len() as u32,
            trainers: self.options().train_jobs,
            training: if publication > 0.0 { publication } else { view.training_seconds() },
            settle: self.options().settle.as_secs_f64(),
        }
    }

    /// A rough estimate of the seconds until these shards are retrained.
    pub fn estimate(&self, shards: &[u32]) -> u64 {
        let view = self.view();
        let waiting = view.schedule.waiting(Instant::now());
        let asked = waiting.iter().filter(|(shard, _)| shards.contains(shard));
        let before = asked.map(|(_, seconds)| *seconds).fold(0.0, f64::max);
        // Shards that are due later, such as those with additions, delay nobody.
        let ahead = waiting.iter().filter(|(_, seconds)| *seconds <= before).count();
        let rounds = ahead.max(shards.len()).div_ceil(self.options().train_jobs.max(1));
        (before + rounds as f64 * view.training_seconds()).ceil() as u64
    }

    /// The dataset with the whole histories of these users in memory. They are read now, so
    /// they may be later than the view but never earlier. Blocking.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn with_people(&self, dataset: &Dataset, users: &[u32]) -> Result<Dataset> {
        self.0.histories.bring_in(dataset, users)
    }

    /// What the deletion of these records would do now. Blocking.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn dry_run(&self, wanted: &Wanted) -> Result<DryRun> {
        let view = self.view();
        let dataset = match wanted.user {
            Some(user) => self.0.histories.bring_in(&view.dataset, &[user])?,
            None => self.0.histories.bring_in_holders(&view.dataset, wanted.items.as_deref().unwrap_or_default())?,
        };
        let plan = unlearn::plan(&dataset, &wanted.records(&dataset));
        let left = view.models().filter(|model| !plan.shards.contains(&model.live.shard)).count() as u32;
        let training = self.estimate(&plan.shards);
        let settling = if plan.shards.is_empty() { 0 } else { self.options().settle.as_secs() };
        Ok(DryRun {
            removed: plan.removed.len() as u64,
            shards_left: left,
            degraded: left == 0,
            estimated_seconds: if plan.shards.is_empty() { 0 } else { training + settling },
            shards: plan.shards,
        })
    }

    /// What an operator should know before people rely on this service.
    pub fn doubts(&self) -> Vec<&'static str> {
        let dataset = &self.view().dataset;
        let config = &dataset.config;
        let found = [
            (
                dataset.interactions.is_empty(),
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
}

/// The time between two polls of what other processes did.
const LOOK: Duration = Duration::from_millis(500);

/// Tells the run loop when another process has changed a shared state, and reads which
/// items are hidden.
pub(super) fn watch_others(handle: Handle) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        // The failure is logged once, since the next poll comes soon.
        let mut blind = false;
        let mut looked = Instant::now();
        while !handle.is_stopping() {
            std::thread::sleep(Duration::from_millis(50));
            if looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            let changes = handle.changes();
            let hidden = handle.hiding().reread();
            let is_blind = changes.is_err() || hidden.is_err();
            if let (Err(problem), _) | (Ok(_), Err(problem)) = (&changes, &hidden)
                && !blind
            {
                error!("changes by other processes cannot be seen: {problem:#}");
            }
            if let Ok(Some(changes)) = changes
                && changes > handle.view().seen
            {
                // The loop may have ended already.
                let _ = handle.send(Command::Moved(changes));
            }
            blind = is_blind;
        }
    })
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("options", &self.0.options).finish_non_exhaustive()
    }
}
