//! When which shard retrains: requests settle, a change restarts, trainers
//! take what is due.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use eemu_core::api::Phase;

use super::service::lock;

/// One shard on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slot {
    /// When it may train; none when it need not.
    due: Option<Instant>,
    /// The version of its records that is wanted.
    version: u64,
    /// The version that is being trained.
    running: Option<u64>,
    publishing: bool,
    epoch: u32,
    epochs: u32,
}

/// All shards.
#[derive(Debug)]
pub struct Schedule {
    slots: Mutex<(Vec<Slot>, bool)>,
    changed: Condvar,
}

/// Where a shard stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// What it waits for or does.
    pub phase: Phase,
    /// Epoch from 1; 0 before the first.
    pub epoch: u32,
    /// How many.
    pub epochs: u32,
}

impl Schedule {
    /// Nothing to do for any of `shards`.
    pub fn new(shards: u32) -> Self {
        let slot = Slot { due: None, version: 0, running: None, publishing: false, epoch: 0, epochs: 0 };
        Self { slots: Mutex::new((vec![slot; shards as usize], false)), changed: Condvar::new() }
    }

    /// A shard is to train its records of this version, after a delay. A
    /// version that is scheduled already keeps its time; an earlier one that
    /// waits keeps the shorter of both.
    pub fn want(&self, shard: u32, version: u64, delay: Duration) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.0.get_mut(shard as usize)
            && slot.version < version
        {
            let due = Instant::now() + delay;
            // The first request of a window opens it; later ones do not move
            // its end, unless the training they interrupt starts anew.
            slot.due = Some(slot.due.filter(|_| slot.running.is_none()).map_or(due, |earlier| earlier.min(due)));
            slot.version = version;
            self.changed.notify_all();
        }
    }

    /// A shard has a model of its records of this version: whatever waits for
    /// them need not.
    pub fn settled(&self, shard: u32, version: u64) {
        if let Some(slot) = lock(&self.slots).0.get_mut(shard as usize)
            && slot.version <= version
        {
            (slot.version, slot.due) = (version, None);
        }
        self.changed.notify_all();
    }

    /// A shard is to train again after a failure.
    pub fn retry(&self, shard: u32, delay: Duration) {
        if let Some(slot) = lock(&self.slots).0.get_mut(shard as usize) {
            slot.due.get_or_insert(Instant::now() + delay);
        }
        self.changed.notify_all();
    }

    /// Everything that waits is due now.
    pub fn hurry(&self) {
        let now = Instant::now();
        lock(&self.slots).0.iter_mut().for_each(|slot| slot.due = slot.due.map(|due| due.min(now)));
        self.changed.notify_all();
    }

    /// Waits for a shard that is due and takes it; `None` when the service
    /// stops. Its version is set by [`Schedule::running`].
    pub fn take(&self) -> Option<u32> {
        let mut slots = lock(&self.slots);
        loop {
            if slots.1 {
                return None;
            }
            let now = Instant::now();
            let waiting = slots.0.iter().enumerate().filter(|(_, slot)| slot.running.is_none());
            let next = waiting.filter_map(|(shard, slot)| Some((slot.due?, shard))).min();
            match next {
                Some((due, shard)) if due <= now => {
                    let slot = &mut slots.0[shard];
                    (slot.due, slot.running, slot.publishing, slot.epoch) = (None, Some(slot.version), false, 0);
                    return Some(shard as u32);
                }
                next => {
                    let wait = next.map_or(Duration::from_secs(3600), |(due, _)| due - now);
                    slots = match self.changed.wait_timeout(slots, wait) {
                        Ok((slots, _)) => slots,
                        Err(poisoned) => poisoned.into_inner().0,
                    };
                }
            }
        }
    }

    /// The version of the records that a taken shard trains.
    pub fn running(&self, shard: u32, version: u64) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.0.get_mut(shard as usize) {
            slot.running = Some(version);
            slot.version = slot.version.max(version);
            // What asked for this very version meanwhile has it.
            if slot.version == version {
                slot.due = None;
            }
        }
    }

    /// Whether a shard in training has other records by now.
    pub fn is_outdated(&self, shard: u32) -> bool {
        let slots = lock(&self.slots);
        slots.0.get(shard as usize).is_none_or(|slot| slot.running.is_some_and(|version| version < slot.version))
    }

    /// How far a shard is.
    pub fn progress(&self, shard: u32, epoch: u32, epochs: u32) -> bool {
        let mut slots = lock(&self.slots);
        let Some(slot) = slots.0.get_mut(shard as usize) else { return false };
        let moved = (slot.epoch, slot.epochs) != (epoch, epochs);
        (slot.epoch, slot.epochs) = (epoch, epochs);
        moved
    }

    /// A shard's new model is being put in place.
    pub fn publishing(&self, shard: u32) {
        if let Some(slot) = lock(&self.slots).0.get_mut(shard as usize) {
            slot.publishing = true;
        }
    }

    /// A taken shard is given back.
    pub fn give_back(&self, shard: u32) {
        if let Some(slot) = lock(&self.slots).0.get_mut(shard as usize) {
            (slot.running, slot.publishing, slot.epoch) = (None, false, 0);
        }
        self.changed.notify_all();
    }

    /// Where a shard stands.
    pub fn standing(&self, shard: u32) -> Standing {
        let slots = lock(&self.slots);
        let Some(slot) = slots.0.get(shard as usize) else {
            return Standing { phase: Phase::Queued, epoch: 0, epochs: 0 };
        };
        let phase = match (slot.running, slot.due) {
            (Some(_), _) if slot.publishing => Phase::Publishing,
            (Some(_), _) => Phase::Retraining,
            (None, Some(due)) if due > Instant::now() => Phase::Settling,
            (None, _) => Phase::Queued,
        };
        Standing { phase, epoch: slot.epoch, epochs: slot.epochs }
    }

    /// Shards that wait or train, each with the seconds until it is due.
    pub fn waiting(&self) -> Vec<(u32, f64)> {
        let now = Instant::now();
        let slots = lock(&self.slots);
        (0..)
            .zip(&slots.0)
            .filter(|(_, slot)| slot.due.is_some() || slot.running.is_some())
            .map(|(shard, slot)| (shard, slot.due.map_or(0.0, |due| due.saturating_duration_since(now).as_secs_f64())))
            .collect()
    }

    /// Ends every [`Schedule::take`].
    pub fn stop(&self) {
        lock(&self.slots).1 = true;
        self.changed.notify_all();
    }
}
