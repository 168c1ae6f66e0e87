//! Measures the quality of the lists while serving, after each training.
//!
//! The same sample of users with held-out records is measured each time, so that two
//! results differ by the models alone. The sample is small, so that a measurement costs
//! one core for a moment; each result comes with its margin of error. One thread
//! measures, and no request waits for it. Only operators can read the result, which is
//! a mean over users. A result is dropped when something was deleted during the
//! measurement.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use arc_swap::ArcSwap;
use eemu_core::api;
use eemu_core::data::{Holdout, Role};
use eemu_core::dataset::Dataset;
use eemu_core::evaluate::{Estimate, gains, ranks};
use eemu_core::recommend::Ranker;
use tracing::{error, info};

use super::handle::Handle;
use super::view::View;
use crate::clock::now;

/// The most users in the sample.
const PEOPLE: usize = 200;
/// The most users that are examined for the sample.
const LOOKED_AT: usize = 2000;
/// The fewest users for which a drop is reported; with fewer the margin of error is too
/// wide.
const FEWEST: usize = 30;
/// Length of the list that is measured.
const K: usize = 10;
/// The time between two checks whether the service stops.
const LOOK: Duration = Duration::from_millis(250);

/// The last result, and the sender that wakes the measuring thread.
#[derive(Debug)]
pub(super) struct Quality {
    last: ArcSwap<api::Quality>,
    wanted: SyncSender<()>,
}

impl Quality {
    /// Starts without a result. The receiver is for [`measure_when_asked`].
    pub(super) fn new(holdout: Holdout) -> (Self, Receiver<()>) {
        let (wanted, asked) = sync_channel(1);
        let first = if holdout == Holdout::None { api::Quality::NothingHeldOut } else { api::Quality::NotYet };
        (Self { last: ArcSwap::from_pointee(first), wanted }, asked)
    }

    /// The last result.
    pub(super) fn last(&self) -> Arc<api::Quality> {
        self.last.load_full()
    }

    /// Asks for a measurement, because models have changed. Never waits.
    pub(super) fn ask(&self) {
        match self.wanted.try_send(()) {
            // A request that waits already will see these models too. A thread that ended measures
            // nothing.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// Measures whenever it is asked to, until the service stops.
pub(super) fn measure_when_asked(handle: Handle, asked: Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if handle.view().dataset.config.holdout == Holdout::None {
            return;
        }
        // One core; lists and deletions have the others.
        let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
        let mut sample: Option<Vec<u32>> = None;
        while !handle.is_stopping() {
            match asked.recv_timeout(LOOK) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let work = std::panic::AssertUnwindSafe(|| pool.install(|| look(&handle, &mut sample)));
            match std::panic::catch_unwind(work) {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => error!("the lists' quality is not measured: {problem:#}"),
                // The service continues without measurements.
                Err(_) => return error!("the lists' quality is measured no more: a panic"),
            }
        }
    })
}

fn look(handle: &Handle, sample: &mut Option<Vec<u32>>) -> Result<()> {
    let view = handle.view();
    if view.voices().next().is_none() {
        return Ok(());
    }
    let people = match sample {
        // Where no user had enough records before, some may have by now.
        Some(people) if !people.is_empty() => people,
        _ => sample.insert(draw(handle, &view.dataset)?),
    };
    let alive = |user: &u32| !view.dataset.catalog.users.is_deleted(*user);
    people.retain(alive);
    if people.is_empty() {
        return Ok(());
    }
    let dataset = handle.with_people(&view.dataset, people)?;
    let values = hits(&dataset, &view, people)?;
    if values.is_empty() {
        return Ok(());
    }
    if handle.is_overtaken(view.head)? {
        // This server may retrain nothing after the deletion, and then nothing else would ask
        // again.
        handle.quality().ask();
        return Ok(());
    }
    let Estimate { mean, margin } = Estimate::of(&values);
    let best = match &*handle.quality().last() {
        api::Quality::Measured { best, .. } => best.max(mean),
        api::Quality::NothingHeldOut | api::Quality::NotYet => mean,
    };
    let fell = values.len() >= FEWEST && best - mean > margin;
    info!(people = values.len(), hit_rate = mean, margin, best, "quality measured");
    let now = api::Quality::Measured { people: values.len() as u64, hit_rate: mean, margin, best, fell, at: now() };
    handle.quality().last.store(Arc::new(now));
    Ok(())
}

/// Users who have held-out records, drawn with the deployment's key.
fn draw(handle: &Handle, dataset: &Dataset) -> Result<Vec<u32>> {
    let users = dataset.catalog.users.len();
    if users == 0 {
        return Ok(Vec::new());
    }
    let mut stream = dataset.key.stream("people who judge the service", &[]);
    let wanted = LOOKED_AT.min(users);
    let mut drawn = BTreeSet::new();
    if users <= LOOKED_AT {
        drawn.extend(0..users as u32);
    }
    while drawn.len() < wanted {
        drawn.insert(((stream.unit() * users as f64) as u32).min(users as u32 - 1));
    }
    let mut people: Vec<u32> = drawn.into_iter().filter(|&user| !dataset.catalog.users.is_deleted(user)).collect();
    // In an order that does not depend on identifiers, because only few are taken.
    for place in (1..people.len()).rev() {
        people.swap(place, ((stream.unit() * (place + 1) as f64) as usize).min(place));
    }
    let mut judges = Vec::new();
    for some in people.chunks(PEOPLE) {
        let at_hand = handle.with_people(dataset, some)?;
        judges.extend(some.iter().filter(|user| !at_hand.items(**user, Role::Test).is_empty()));
        if judges.len() >= PEOPLE {
            break;
        }
    }
    judges.truncate(PEOPLE);
    judges.sort_unstable();
    Ok(judges)
}

/// For each user, the share of their held-out items among the first ten.
fn hits(dataset: &Dataset, view: &View, people: &[u32]) -> Result<Vec<f64>> {
    let models: Vec<_> = view.voices().map(|m| (m.live.shard as usize, &m.model, m.base.clone())).collect();
    let ranker = Ranker::with_bases(&models, &view.adaptation_key, &view.degrees, &dataset.config.adapt);
    let users = people[0]..people[people.len() - 1] + 1;
    let ranked = pollster::block_on(ranks(dataset, &ranker, Role::Test, users, |_, _| ()))?;
    let own = ranked.chunk_by(|a, b| a.0 == b.0);
    Ok(own.map(|own| own.iter().map(|(_, rank)| gains(*rank, K).0).sum::<f64>() / own.len() as f64).collect())
}
