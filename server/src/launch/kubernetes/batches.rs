//! Which shards one Job is for: all that come within a moment of each other;
//! and what became of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::cluster::Cluster;
use super::group::Group;
use super::job::Item;
use crate::launch::running::LOOK;

/// How long a Job waits for another shard.
const TOGETHER: Duration = Duration::from_secs(1);

/// What became of a shard in a Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its pod succeeded.
    Done,
    /// It may go well another time.
    Again(String),
    /// It would fail again, or did as often as it may.
    Failed(String),
}

/// A shard that waits for a Job.
struct Waiting {
    item: Item,
    /// Whether a Job that runs already may do for it.
    takes_over: bool,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<u32, Waiting>,
    came: Option<Instant>,
    /// Runs so far, of which each has its number.
    runs: u64,
    /// Runs that have a Job, or are getting one.
    running: BTreeSet<u64>,
    /// Shards that a run is for and somebody waits for, and which run.
    wanted: BTreeMap<u32, u64>,
    /// What became of shards, and in which run.
    ended: BTreeMap<u32, (u64, Outcome)>,
    /// Jobs that a run follows, or is about to.
    followed: BTreeMap<String, u64>,
}

/// Jobs of one launcher.
#[derive(Clone)]
pub(super) struct Batches {
    pub(super) cluster: Arc<Cluster>,
    runtime: Handle,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Batches {
    pub(super) fn new(cluster: Cluster, runtime: Handle) -> Self {
        Self { cluster: Arc::new(cluster), runtime, state: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.state.1.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Has a shard trained whose input is in the bucket, perhaps with others.
    /// `None` when it is not wanted any more. When nobody else wants what the
    /// Job does, it is gone by then.
    pub(super) fn run(&self, item: &Item, takes_over: bool, wanted: impl Fn() -> bool) -> Option<Outcome> {
        let shard = item.shard;
        let mut state = self.lock();
        state.waiting.insert(shard, Waiting { item: item.clone(), takes_over });
        state.came = Some(Instant::now());
        let (run, outcome) = loop {
            if let Some((run, outcome)) = state.ended.remove(&shard) {
                break (Some(run), Some(outcome));
            }
            // Outside the lock: it may ask a store.
            drop(state);
            let is_wanted = wanted();
            state = self.lock();
            if !is_wanted && !state.ended.contains_key(&shard) {
                state.waiting.remove(&shard);
                break (state.wanted.remove(&shard), None);
            }
            self.start_what_is_due(&mut state);
            state = self.wait(state);
        };
        if let Some(run) = run {
            while state.running.contains(&run) && !state.wanted.values().any(|&other| other == run) {
                state = self.wait(state);
            }
        }
        outcome
    }

    fn start_what_is_due(&self, state: &mut State) {
        let due = state.came.is_some_and(|came| came.elapsed() >= TOGETHER);
        if !due || state.waiting.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut state.waiting);
        let number = Self::numbered(state);
        state.wanted.extend(batch.keys().map(|&shard| (shard, number)));
        let own = self.clone();
        self.runtime.spawn(async move { own.start(number, batch.into_values().collect()).await });
    }

    fn numbered(state: &mut State) -> u64 {
        state.runs += 1;
        state.running.insert(state.runs);
        state.runs
    }

    /// Finds Jobs that run for these shards, and begins one for the others.
    async fn start(self, number: u64, batch: Vec<Waiting>) {
        let eager: Vec<Item> = batch.iter().filter(|w| w.takes_over).map(|w| w.item.clone()).collect();
        let running = if eager.is_empty() { Ok(Vec::new()) } else { self.cluster.running(&eager).await };
        let mut rest: Vec<Item> = batch.into_iter().map(|waiting| waiting.item).collect();
        // Jobs that nobody wants by now: whoever withdrew waits until they are gone.
        let mut unwanted = Vec::new();
        match running {
            Ok(running) => {
                for (job, places) in running {
                    // A Job that two of them name is asked for once.
                    let places: Vec<(usize, Item)> =
                        places.into_iter().filter(|(_, item)| rest.contains(item)).collect();
                    if places.is_empty() {
                        continue;
                    }
                    // One that this process follows is on its way to an end of its own.
                    let Some(run) = self.moved(number, &job, &places) else { continue };
                    rest.retain(|item| !places.iter().any(|(_, taken)| taken == item));
                    unwanted.extend(self.followed(run, Group::new(self.clone(), run, job, places)));
                }
            }
            Err(problem) => {
                for item in std::mem::take(&mut rest) {
                    self.end(number, item.shard, Outcome::Failed(problem.clone()));
                }
            }
        }
        if self.is_next(number, &mut rest).await {
            match self.cluster.begin(&rest).await {
                Ok(job) => {
                    let places: Vec<(usize, Item)> = rest.into_iter().enumerate().collect();
                    if let Some(run) = self.moved(number, &job, &places) {
                        unwanted.extend(self.followed(run, Group::new(self.clone(), run, job, places)));
                    }
                }
                Err(outcome) => rest.iter().for_each(|item| self.end(number, item.shard, outcome.clone())),
            }
        }
        for group in unwanted {
            group.follow().await;
        }
        self.over(number);
    }

    /// Waits until no other run follows a Job of the same shards, which goes
    /// since nobody wants it from that run. Whether any shard is left that
    /// somebody waits for; whoever withdrew meanwhile needs no pod.
    async fn is_next(&self, number: u64, rest: &mut Vec<Item>) -> bool {
        loop {
            rest.retain(|item| self.wants(number, item.shard));
            if rest.is_empty() {
                return false;
            }
            let name = self.cluster.maker.name(rest);
            if *self.lock().followed.entry(name).or_insert(number) == number {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Has a Job followed. It is returned where nobody wants it any more.
    fn followed(&self, run: u64, group: Group) -> Option<Group> {
        if !self.is_wanted(run) {
            return Some(group);
        }
        self.runtime.spawn(group.follow());
        None
    }

    /// Gives shards of a run to another that is for them and their Job alone;
    /// none where another run follows that Job.
    fn moved(&self, from: u64, job: &str, places: &[(usize, Item)]) -> Option<u64> {
        let mut state = self.lock();
        if state.followed.get(job).is_some_and(|run| *run != from) {
            return None;
        }
        let number = Self::numbered(&mut state);
        state.followed.insert(job.to_owned(), number);
        for (_, item) in places {
            if let Some(run) = state.wanted.get_mut(&item.shard).filter(|run| **run == from) {
                *run = number;
            }
        }
        Some(number)
    }

    fn wants(&self, run: u64, shard: u32) -> bool {
        self.lock().wanted.get(&shard) == Some(&run)
    }

    /// Whether anybody waits for a run.
    pub(super) fn is_wanted(&self, run: u64) -> bool {
        self.lock().wanted.values().any(|&other| other == run)
    }

    /// Tells whoever waits what became of a shard.
    pub(super) fn end(&self, run: u64, shard: u32, outcome: Outcome) {
        let mut state = self.lock();
        // Whoever withdrew does not come for it.
        if state.wanted.get(&shard) == Some(&run) {
            state.wanted.remove(&shard);
            state.ended.insert(shard, (run, outcome));
        }
        self.state.1.notify_all();
    }

    /// A run has no Job any more.
    pub(super) fn over(&self, run: u64) {
        let mut state = self.lock();
        state.running.remove(&run);
        state.followed.retain(|_, follower| *follower != run);
        self.state.1.notify_all();
    }
}
