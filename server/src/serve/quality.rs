//! How good the lists are, measured beside serving after each training.
//!
//! A fixed sample of people who have held-out records judges, so that two
//! measures differ by the models alone. It is small, so that it costs a moment
//! of one core, and its margin is said with it. One thread measures, and nobody
//! waits for it. Only operators read the figure: it is a mean over people, and
//! one that was measured while something was deleted is thrown away.

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

/// People of the sample at most.
const PEOPLE: usize = 200;
/// People that are looked at for it at most.
const LOOKED_AT: usize = 2000;
/// People from whom on a fall is told: of fewer the margin says too little.
const FEWEST: usize = 30;
/// Length of the list that counts.
const K: usize = 10;
/// Between two looks whether the service stops.
const LOOK: Duration = Duration::from_millis(250);

/// The last measure, and the door to the thread that measures.
#[derive(Debug)]
pub(super) struct Quality {
    last: ArcSwap<api::Quality>,
    wanted: SyncSender<()>,
}

impl Quality {
    /// Nothing is measured yet. The receiver is for [`measure_when_asked`].
    pub(super) fn new(holdout: Holdout) -> (Self, Receiver<()>) {
        let (wanted, asked) = sync_channel(1);
        let first = if holdout == Holdout::None { api::Quality::NothingHeldOut } else { api::Quality::NotYet };
        (Self { last: ArcSwap::from_pointee(first), wanted }, asked)
    }

    /// What was measured last.
    pub(super) fn last(&self) -> Arc<api::Quality> {
        self.last.load_full()
    }

    /// Models have changed: it is measured soon. Never waits.
    pub(super) fn ask(&self) {
        match self.wanted.try_send(()) {
            // One that waits already sees these models too; a thread that ended
            // measures nothing.
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
        // One core: lists and deletions have the others.
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
                // The service goes on without the figure.
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
        // Where nobody had enough records yet, somebody may have by now.
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
        // Perhaps nothing is retrained for it here, and nobody else asks again.
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

/// People who have held-out records, drawn by the deployment's key.
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
    // In an order that no identifier has a say in: few are taken.
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

/// For each person the share of their held-out items among the first ten.
fn hits(dataset: &Dataset, view: &View, people: &[u32]) -> Result<Vec<f64>> {
    let models: Vec<_> = view.voices().map(|m| (m.live.shard as usize, &m.model, m.base.clone())).collect();
    let ranker = Ranker::with_bases(&models, &view.adaptation_key, &view.degrees, &dataset.config.adapt);
    let users = people[0]..people[people.len() - 1] + 1;
    let ranked = pollster::block_on(ranks(dataset, &ranker, Role::Test, users, |_, _| ()))?;
    let own = ranked.chunk_by(|a, b| a.0 == b.0);
    Ok(own.map(|own| own.iter().map(|(_, rank)| gains(*rank, K).0).sum::<f64>() / own.len() as f64).collect())
}
