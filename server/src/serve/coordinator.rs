//! The run loop: one thread owns the state, the schedule, the requests and the log, and
//! does one thing after the other. Other threads send it a [`Command`], and read the
//! [`View`] that it publishes.
//!
//! The loop does nothing slow itself. Overwriting deleted bytes, reading the state
//! again, loading models, and compaction are jobs: each runs on a thread of its own and
//! ends in a command. While a job uses the store exclusively, commands that need the
//! store wait in `later`.
//! waits in `later`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Result;
use eemu_core::tensor::Device;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::command::{Change, Command};
use super::deletions::{Ask, Made, Undecided};
use super::handle::Handle;
use super::jobs::Jobs;
use super::requests::Repeated;
use super::training_pool::{Outcome, TrainingPool};
use super::view::{ShardModel, View};
use crate::clock::now_exactly;
use crate::deployment::Deployment;
use crate::forgetting;
use crate::launch::Launcher;
use crate::store::{NewAudit, State};

/// The time before a failed training is tried again.
pub(super) const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// The time between two checks of a shard that another process trains.
const AFTER_ANOTHER: Duration = Duration::from_secs(1);
/// The longest time between two looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// The time between two attempts at work that could not be done at once.
const AGAIN: Duration = Duration::from_millis(500);
/// The most commands that are taken together.
const TOGETHER: usize = 20_000;

/// The most audit entries that wait to be written.
const LONGEST_AUDIT: usize = 100_000;

/// Receives a reply when the view is as new as was asked for.
pub(super) type Waiter = oneshot::Sender<Result<()>>;

/// A job that uses the store exclusively.
pub(super) enum Alone {
    /// The work on disk after changes, and who waits for it.
    Finishing(Made),
    /// Reading the store again, and who waits for it.
    Rereading { waiters: Vec<Waiter>, again: Vec<Ask>, undecided: Vec<Undecided>, tries: u32 },
}

/// The run loop's own data: everything that changes.
pub(super) struct Coordinator {
    pub(super) handle: Handle,
    pub(super) state: Arc<State>,
    pub(super) device: Device,
    pub(super) deployment: Deployment,
    /// The next view; [`Coordinator::show`] publishes it.
    pub(super) view: View,
    pub(super) repeated: Repeated,
    inbox: mpsc::Receiver<Command>,
    pub(super) pool: TrainingPool,
    pub(super) jobs: Jobs,
    pub(super) alone: Option<Alone>,
    /// Commands that wait until no job uses the store.
    later: VecDeque<Command>,
    /// Models that are loaded but not in the view yet.
    pub(super) loaded: BTreeMap<u32, Arc<ShardModel>>,
    /// Shards whose model is being loaded, or failed to load: then with the time of the
    /// next attempt.
    pub(super) loading: BTreeMap<u32, Option<Instant>>,
    /// Who waits for models that are being loaded.
    pub(super) waiters: Vec<Waiter>,
    /// Whether the view or a reply lags behind what is made.
    pub(super) behind: bool,
    tried: Instant,
    pub(super) audit: Vec<NewAudit>,
    /// When deferred deletions were last tried and failed.
    pub(super) deferred_tried: Option<Instant>,
    stopping: bool,
}

impl Coordinator {
    pub(super) fn new(
        handle: Handle,
        device: Device,
        launcher: &Arc<dyn Launcher>,
        deployment: Deployment,
        view: View,
        inbox: mpsc::Receiver<Command>,
    ) -> Self {
        let state = deployment.state.clone();
        let pool = TrainingPool::start(handle.options().train_jobs, &state, &device, launcher, &handle);
        let jobs = Jobs::new(&handle, &state);
        let mut loop_ = Self {
            handle,
            state,
            device,
            deployment,
            view,
            repeated: Repeated::default(),
            inbox,
            pool,
            jobs,
            alone: None,
            later: VecDeque::new(),
            loaded: BTreeMap::new(),
            loading: BTreeMap::new(),
            waiters: Vec::new(),
            behind: false,
            tried: Instant::now(),
            audit: Vec::new(),
            deferred_tried: None,
            stopping: false,
        };
        loop_.answer_requests();
        loop_.schedule_changes(Duration::ZERO);
        loop_.show();
        loop_
    }

    /// Runs until the service stops and no job is left.
    pub(super) fn run(mut self) {
        let work = std::panic::AssertUnwindSafe(|| self.turns());
        if std::panic::catch_unwind(work).is_err() {
            // After a panic, memory may differ from the disk. The next start reads the disk alone.
            self.handle.fail("the run loop panicked");
        }
        self.pool.stop();
        self.jobs.stop();
    }

    fn turns(&mut self) {
        while !self.handle.has_failed() {
            self.begin_what_is_due();
            if self.stopping && self.alone.is_none() && self.later.is_empty() && self.pool.is_idle() {
                self.write_audit();
                return;
            }
            let Ok(first) = self.inbox.recv_timeout(self.patience()) else { continue };
            let more: Vec<Command> = self.inbox.try_iter().take(TOGETHER).collect();
            self.take(std::iter::once(first).chain(more));
        }
    }

    /// How long the loop may sleep unless a command arrives.
    fn patience(&self) -> Duration {
        if self.alone.is_none() && !self.later.is_empty() {
            return Duration::ZERO;
        }
        let due = self.view.schedule.next_due().filter(|_| self.pool.is_free());
        due.map_or(TICK, |due| due.saturating_duration_since(Instant::now()).min(TICK))
    }

    /// Carries out commands. Changes that arrived together are one transaction. Additions
    /// are carried out before deletions, so that a record that was deleted last stays
    /// deleted.
    fn take(&mut self, commands: impl Iterator<Item = Command>) {
        let (mut adds, mut forgets, mut items, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for command in commands {
            match command {
                Command::Change(change) => {
                    count += 1;
                    match change {
                        Change::Add(add) => adds.push(add),
                        Change::Forget(forget) => forgets.push(forget),
                        Change::AddItems(add) => items.push(add),
                    }
                }
                other => self.obey(other),
            }
        }
        self.handle.taken(count);
        if !items.is_empty() {
            self.prepare_items(items);
        }
        if self.alone.is_some() {
            let waiting = adds.into_iter().map(Change::Add).chain(forgets.into_iter().map(Change::Forget));
            self.put_off(waiting.map(Command::Change));
            return;
        }
        if !adds.is_empty() {
            self.add(adds);
        }
        // An addition may have started a job.
        if self.alone.is_some() {
            self.put_off(forgets.into_iter().map(|forget| Command::Change(Change::Forget(forget))));
        } else if !forgets.is_empty() {
            self.forget(forgets);
        }
    }

    /// Defers commands until no job uses the store.
    pub(super) fn put_off(&mut self, commands: impl Iterator<Item = Command>) {
        let before = self.later.len();
        self.later.extend(commands);
        let changes = self.later.range(before..).filter(|command| matches!(command, Command::Change(_)));
        // They count as waiting, like commands that the loop has not received.
        self.handle.put_back(changes.count());
    }

    fn obey(&mut self, command: Command) {
        let needs_store = matches!(
            command,
            Command::Refresh(..)
                | Command::Moved(_)
                | Command::Trained(..)
                | Command::Loaded(..)
                | Command::Compacted(_)
                | Command::Prepared(_)
        );
        if needs_store && self.alone.is_some() {
            self.put_off(std::iter::once(command));
            return;
        }
        match command {
            Command::Change(change) => self.take(std::iter::once(Command::Change(change))),
            Command::RetrainNow => self.view.schedule.hurry(Instant::now()),
            Command::Audit(entry) if self.audit.len() < LONGEST_AUDIT => self.audit.push(entry),
            Command::Audit(_) => error!("an entry of the audit log is lost: the store refuses them"),
            Command::Refresh(changes, waiter) => self.refresh(changes, vec![waiter]),
            Command::Moved(changes) => self.refresh(changes, Vec::new()),
            Command::Progress(shard, epoch, epochs) => {
                self.view.schedule.progress(shard, epoch, epochs);
                self.put_in_place();
            }
            Command::Publishing(shard) => {
                self.view.schedule.publishing(shard);
                self.put_in_place();
            }
            Command::Trained(shard, outcome) => self.trained(shard, outcome),
            Command::Loaded(shard, model) => {
                // Another server may have trained it.
                self.model_loaded(shard, model);
                self.handle.quality().ask();
            }
            Command::Prepared(prepared) => self.add_items(*prepared),
            Command::Finished(result, times) => self.finished(&result, times),
            Command::Reread(result) => self.reread(*result),
            Command::Compacted(result) => self.compacted(result),
            Command::Tidied(result) => {
                if let Err(problem) = result {
                    error!("housekeeping failed: {problem:#}");
                }
                self.view.requests.prune(forgetting::requests_since());
                self.repeated.prune(&self.view.requests);
            }
            Command::Stop => self.stopping = true,
        }
    }

    /// Starts everything that is due.
    fn begin_what_is_due(&mut self) {
        if self.alone.is_none() && !self.later.is_empty() {
            let later = std::mem::take(&mut self.later);
            self.take(later.into_iter());
        }
        if self.stopping {
            return;
        }
        let now = Instant::now();
        while self.pool.is_free()
            && let Some(shard) = self.view.schedule.next(now)
        {
            self.train(shard);
        }
        if self.alone.is_some() {
            return;
        }
        if self.tried.elapsed() >= AGAIN {
            self.tried = Instant::now();
            self.write_audit();
            if self.behind {
                self.behind = false;
                self.show();
                self.answer_requests();
                self.put_in_place();
                self.handle.quality().ask();
            }
            self.load_missing();
            self.carry_out_deferred();
        }
        self.jobs.begin_what_is_due();
    }

    /// Gives a due shard to a trainer, with a ticket and records from the same moment.
    fn train(&mut self, shard: u32) {
        let Some(found) = self.deployment.shards.iter().find(|s| s.index == shard) else {
            self.view.schedule.settled(shard, u64::MAX);
            return;
        };
        if self.handle.is_shared() && found.live.is_some() && !found.stale {
            self.view.schedule.settled(shard, found.version);
            return;
        }
        let ticket = crate::store::Ticket::of(found);
        self.view.schedule.begin(shard, ticket.version());
        self.pool.train(ticket, self.view.dataset.clone());
        self.put_in_place();
    }

    fn trained(&mut self, shard: u32, outcome: Outcome) {
        self.pool.ended(shard);
        self.view.schedule.end(shard);
        let metrics = self.handle.metrics();
        let now = Instant::now();
        match outcome {
            Outcome::Trained(trained, model, seconds) => {
                if trained.fresh {
                    metrics.trained.inc();
                    self.view.pace.training = trained.seconds;
                }
                info!(shard, version = trained.version, seconds = trained.seconds, "shard published");
                if trained.fresh && matches!(model, Ok(Some(_))) {
                    self.view.pace.publication = seconds;
                }
                self.look_at_shards();
                self.model_loaded(shard, model);
                self.handle.quality().ask();
            }
            // The shard is checked again when the other process publishes or dies.
            Outcome::Elsewhere => self.view.schedule.retry(shard, AFTER_ANOTHER, now),
            Outcome::Overtaken => {
                if !self.handle.is_stopping() {
                    metrics.restarts.inc();
                    self.view.schedule.retry(shard, self.handle.options().settle, now);
                    info!(shard, "training starts anew: the shard's records changed");
                }
            }
            Outcome::Failed(problem) => {
                error!(shard, "training failed: {problem:#}");
                metrics.failed_trainings.inc();
                self.view.schedule.retry(shard, AFTER_FAILURE, now);
            }
        }
        self.put_in_place();
    }

    /// Queues shards without a model after `settle`, and stale shards whose model still
    /// serves on the schedule of additions. A training whose records changed starts again.
    pub(super) fn schedule_changes(&mut self, settle: Duration) {
        let (now, additions) = (Instant::now(), self.handle.options().additions);
        let schedule = &mut self.view.schedule;
        for shard in &self.deployment.shards {
            match (&shard.live, shard.stale) {
                (None, _) => schedule.want(shard.index, shard.version, settle, now),
                (Some(_), true) => schedule.want(shard.index, shard.version, additions, now),
                (Some(live), false) => schedule.settled(shard.index, live.version),
            }
            if schedule.is_outdated(shard.index) {
                self.pool.outdate(shard.index);
            }
        }
    }

    /// Publishes the view.
    pub(super) fn put_in_place(&self) {
        self.handle.show(self.view.clone());
    }

    fn write_audit(&mut self) {
        if self.audit.is_empty() {
            return;
        }
        match self.state.append_audit(&self.audit) {
            Ok(()) => self.audit.clear(),
            Err(problem) => error!("the audit log is not written yet: {problem:#}"),
        }
    }

    fn compacted(&mut self, result: Result<Option<(Vec<crate::store::Request>, Option<f64>)>>) {
        self.jobs.compacted();
        match result {
            Ok(Some((requests, due))) => {
                self.view.requests.erased(&requests);
                self.jobs.compaction_due(due);
                self.put_in_place();
            }
            // A reader is in the way, or the service stops.
            Ok(None) => {}
            Err(problem) => error!("stale copies are not cleared yet: {problem:#}"),
        }
    }

    /// Carries out deferred requests when the first of them is due.
    fn carry_out_deferred(&mut self) {
        let policy = self.handle.options().deletions;
        let due = self.view.requests.all_deferred().next().map(|request| request.due);
        let waits = self.deferred_tried.is_some_and(|tried| tried.elapsed() < AFTER_FAILURE);
        if self.alone.is_none() && !waits && due.is_some_and(|due| policy.begins(due) <= now_exactly()) {
            self.forget_deferred();
        }
    }
}
