//! Slow work other than training: each job is a thread of its own that ends in a
//! command to the run loop.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use eemu_core::data::ItemOutcome;
use eemu_core::dataset::Dataset;
use eemu_core::tensor::Device;
use tracing::info;

use super::command::{AddItems, Command, Prepared, Reread};
use super::handle::Handle;
use super::view::ShardModel;
use crate::clock::{now, now_exactly};
use crate::deployment::Derived;
use crate::forgetting;
use crate::store::{Committed, Compaction, Request, State};

/// Steps of a compaction between two pauses.
const STEPS: usize = 4;
/// The pause after them, in which changes get their turn.
const PAUSE: Duration = Duration::from_millis(50);
/// The time between two attempts at a compaction.
const AGAIN: Duration = Duration::from_millis(500);
/// Seconds that entries of the audit log are kept.
const AUDIT_KEPT: u64 = 365 * 24 * 3600;

/// Running jobs, and when the next of each kind is due.
pub(super) struct Jobs {
    handle: Handle,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
    /// When stale copies of deleted rows must be gone, in seconds since 1970.
    due: Option<f64>,
    compacting: bool,
    compacted: Instant,
    tidied: Instant,
}

impl Jobs {
    pub(super) fn new(handle: &Handle, state: &Arc<State>) -> Self {
        // If it cannot be read now, the job after the next deletion reads it.
        let due = state.compacted().ok().and_then(|stands| stands.due);
        let (handle, state, now) = (handle.clone(), state.clone(), Instant::now());
        Self { handle, state, threads: Vec::new(), due, compacting: false, compacted: now, tidied: now }
    }

    fn begin(&mut self, work: impl FnOnce(&State) -> Command + Send + 'static) {
        self.threads.retain(|thread| !thread.is_finished());
        let (handle, state) = (self.handle.clone(), self.state.clone());
        self.threads.push(std::thread::spawn(move || {
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&state))) {
                // The loop may have ended already.
                Ok(command) => drop(handle.send(command)),
                Err(_) => handle.fail("a job panicked"),
            }
        }));
    }

    /// Overwrites the bytes that a change removed, or that an earlier one left. `ids` are
    /// the requests that the change answers.
    pub(super) fn finish(&mut self, done: Option<Committed>, ids: Vec<[u8; 32]>) {
        self.begin(move |state| {
            let result = done.as_ref().map_or_else(|| state.finish_erasure(), |done| state.finish(done));
            let result = result.map_err(anyhow::Error::from);
            let read = || Ok((state.requests_of(&ids)?, state.compacted()?.due));
            Command::Finished(result, read())
        });
    }

    /// Reads the store again.
    pub(super) fn reread(&mut self) {
        self.begin(|state| {
            let read = || {
                let derived = Derived::away(state)?;
                Ok(Reread { derived, requests: forgetting::requests(state)?, deferred: state.deferred()? })
            };
            Command::Reread(Box::new(read()))
        });
    }

    /// Loads a shard's live model.
    pub(super) fn load(&mut self, shard: u32, dataset: Arc<Dataset>, device: Device) {
        self.begin(move |state| {
            let model = ShardModel::load(state, &dataset, shard, &device);
            Command::Loaded(shard, model.map(|model| model.map(Arc::new)))
        });
    }

    /// Loads all live models for a catalogue with new items, so that none is missing when
    /// the items are added.
    pub(super) fn prepare_items(
        &mut self,
        adds: Vec<AddItems>,
        outcomes: Vec<Vec<ItemOutcome>>,
        dataset: Dataset,
        device: Device,
    ) {
        self.begin(move |state| {
            let dataset = Arc::new(dataset);
            let load = |shard| Ok(ShardModel::load(state, &dataset, shard, &device)?.map(Arc::new));
            let models: Result<Vec<_>> = (0..dataset.config.train.shards).filter_map(|s| load(s).transpose()).collect();
            Command::Prepared(Box::new(Prepared { adds, dataset, outcomes, models }))
        });
    }

    /// Sets when stale copies of deleted rows must be gone.
    pub(super) fn compaction_due(&mut self, due: Option<f64>) {
        self.due = due;
    }

    /// A compaction has ended.
    pub(super) fn compacted(&mut self) {
        (self.compacting, self.compacted) = (false, Instant::now());
    }

    /// Starts the jobs that are due.
    pub(super) fn begin_what_is_due(&mut self) {
        let options = self.handle.options();
        // After half of the allowed time, so that one compaction serves all deletions of that
        // time.
        let half = options.erase_within.as_secs_f64() / 2.0;
        let is_due = self.due.is_some_and(|due| due - half <= now_exactly());
        let tidies = self.tidied.elapsed() >= options.housekeeping;
        if is_due && !self.compacting && self.compacted.elapsed() >= AGAIN {
            self.compacting = true;
            let handle = self.handle.clone();
            self.begin(move |state| Command::Compacted(compact(&handle, state)));
        }
        if tidies {
            self.tidied = Instant::now();
            self.begin(|state| Command::Tidied(tidy(state)));
        }
    }

    /// Waits for all jobs.
    pub(super) fn stop(&mut self) {
        for thread in self.threads.drain(..) {
            // A job that panicked has logged it already.
            let _ = thread.join();
        }
    }
}

fn tidy(state: &State) -> Result<()> {
    state.expire_backups()?;
    state.finish_erasure()?;
    state.prune_requests(forgetting::requests_since())?;
    Ok(state.prune_audit(now().saturating_sub(AUDIT_KEPT) as f64)?)
}

/// Runs a whole compaction; `None` when the service stops meanwhile or a reader is in
/// the way. The next attempt comes soon.
fn compact(handle: &Handle, state: &State) -> Result<Option<(Vec<Request>, Option<f64>)>> {
    let Some(mut compaction) = state.begin_compaction()? else {
        return Ok(Some((Vec::new(), None)));
    };
    let mut tries = 0;
    loop {
        for _ in 0..STEPS {
            if handle.is_stopping() {
                return Ok(None);
            }
            let at = compaction.at();
            if state.go_on_compacting(&mut compaction)? {
                return cleared(state, &compaction).map(Some);
            }
            if compaction.at() == at {
                tries += 1;
                break;
            }
        }
        if tries > 100 {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

fn cleared(state: &State, compaction: &Compaction) -> Result<(Vec<Request>, Option<f64>)> {
    info!(pages = compaction.rewritten(), "stale copies of what was deleted are cleared");
    Ok((forgetting::requests(state)?, state.compacted()?.due))
}
