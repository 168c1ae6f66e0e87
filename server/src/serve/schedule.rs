//! The schedule of retraining: deletions are collected for a while, a change restarts a
//! training, and trainers take what is due. It is a plain value; its owner tells it the
//! time.

use std::time::{Duration, Instant};

use eemu_core::api::{Phase, Progress};

/// The schedule of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    /// When it may train; `None` when it need not.
    due: Option<Instant>,
    /// Whether it waits for another attempt after a failure, and not to collect deletions.
    again: bool,
    /// The version of its records that must be trained.
    version: u64,
    /// The version that is being trained.
    running: Option<u64>,
    publishing: bool,
    epoch: u32,
    epochs: u32,
}

/// All shards.
#[derive(Debug, Clone)]
pub struct Schedule {
    slots: Vec<Slot>,
}

impl Schedule {
    /// An empty schedule for `shards` shards.
    pub fn new(shards: u32) -> Self {
        Self { slots: vec![Slot::default(); shards as usize] }
    }

    fn slot(&mut self, shard: u32) -> Option<&mut Slot> {
        self.slots.get_mut(shard as usize)
    }

    /// Schedules a shard to train this version of its records after a delay. A version that
    /// is scheduled already keeps its time. If an earlier version waits, the earlier of
    /// both times counts.
    pub fn want(&mut self, shard: u32, version: u64, delay: Duration, now: Instant) {
        if let Some(slot) = self.slot(shard)
            && slot.version < version
        {
            let due = now + delay;
            // The first request opens a window, and later ones do not move its end. Only when a
            // training is interrupted does a new window begin.
            slot.due = Some(slot.due.filter(|_| slot.running.is_none()).map_or(due, |earlier| earlier.min(due)));
            (slot.version, slot.again) = (version, false);
        }
    }

    /// The shard has a model of this version of its records, so nothing is scheduled for
    /// that version any more.
    pub fn settled(&mut self, shard: u32, version: u64) {
        if let Some(slot) = self.slot(shard)
            && slot.version <= version
        {
            (slot.version, slot.due) = (version, None);
        }
    }

    /// Schedules a shard to train again after a failure.
    pub fn retry(&mut self, shard: u32, delay: Duration, now: Instant) {
        if let Some(slot) = self.slot(shard)
            && slot.due.is_none()
        {
            (slot.due, slot.again) = (Some(now + delay), true);
        }
    }

    /// Makes everything that waits due now.
    pub fn hurry(&mut self, now: Instant) {
        self.slots.iter_mut().for_each(|slot| slot.due = slot.due.map(|due| due.min(now)));
    }

    /// Of the shards that are due and not in training, the one that has waited longest.
    pub fn next(&self, now: Instant) -> Option<u32> {
        let (due, shard) = self.earliest()?;
        (due <= now).then_some(shard)
    }

    /// When the next shard is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.earliest().map(|(due, _)| due)
    }

    fn earliest(&self) -> Option<(Instant, u32)> {
        let waiting = (0..).zip(&self.slots).filter(|(_, slot)| slot.running.is_none());
        waiting.filter_map(|(shard, slot)| Some((slot.due?, shard))).min()
    }

    /// The shard starts to train this version of its records.
    pub fn begin(&mut self, shard: u32, version: u64) {
        if let Some(slot) = self.slot(shard) {
            (slot.due, slot.again, slot.running, slot.publishing, slot.epoch) = (None, false, Some(version), false, 0);
        }
    }

    /// Whether the records of a shard in training have changed.
    pub fn is_outdated(&self, shard: u32) -> bool {
        self.slots.get(shard as usize).is_some_and(|slot| slot.running.is_some_and(|version| version < slot.version))
    }

    /// Sets the progress of a shard's training.
    pub fn progress(&mut self, shard: u32, epoch: u32, epochs: u32) {
        if let Some(slot) = self.slot(shard) {
            (slot.epoch, slot.epochs) = (epoch, epochs);
        }
    }

    /// The shard's new model is being published.
    pub fn publishing(&mut self, shard: u32) {
        if let Some(slot) = self.slot(shard) {
            slot.publishing = true;
        }
    }

    /// The shard's training has ended.
    pub fn end(&mut self, shard: u32) {
        if let Some(slot) = self.slot(shard) {
            (slot.running, slot.publishing, slot.epoch) = (None, false, 0);
        }
    }

    /// The progress of a shard.
    pub fn standing(&self, shard: u32, now: Instant) -> Progress {
        let slot = self.slots.get(shard as usize).copied().unwrap_or_default();
        let phase = match (slot.running, slot.due) {
            (Some(_), _) if slot.publishing => Phase::Publishing,
            (Some(_), _) => Phase::Retraining,
            (None, Some(due)) if due > now && !slot.again => Phase::Settling,
            (None, _) => Phase::Queued,
        };
        Progress { shard, phase, epoch: slot.epoch, epochs: slot.epochs }
    }

    /// Shards that wait or train, each with the seconds until it is due.
    pub fn waiting(&self, now: Instant) -> Vec<(u32, f64)> {
        (0..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.due.is_some() || slot.running.is_some())
            .map(|(shard, slot)| (shard, slot.due.map_or(0.0, |due| due.saturating_duration_since(now).as_secs_f64())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_window_ends_when_its_first_request_said() {
        let start = Instant::now();
        let mut schedule = Schedule::new(2);
        schedule.want(1, 5, seconds(30), start);
        schedule.want(1, 6, seconds(30), start + seconds(20));
        assert_eq!((schedule.next(start + seconds(29)), schedule.next_due()), (None, Some(start + seconds(30))));
        assert_eq!(schedule.standing(1, start).phase, Phase::Settling);
        assert_eq!(schedule.waiting(start + seconds(10)), [(1, 20.0)]);
        assert_eq!(schedule.next(start + seconds(30)), Some(1));
        // A deletion that is due sooner than waiting additions brings them along.
        schedule.want(0, 7, seconds(3600), start);
        schedule.want(0, 8, seconds(5), start);
        assert_eq!(schedule.next(start + seconds(5)), Some(0));
    }

    #[test]
    fn a_change_while_a_shard_trains_outdates_it() {
        let start = Instant::now();
        let mut schedule = Schedule::new(1);
        schedule.want(0, 5, seconds(0), start);
        schedule.begin(0, 5);
        assert_eq!((schedule.next(start), schedule.is_outdated(0)), (None, false));
        schedule.progress(0, 3, 9);
        assert_eq!(schedule.standing(0, start), Progress { shard: 0, phase: Phase::Retraining, epoch: 3, epochs: 9 });
        schedule.want(0, 6, seconds(30), start + seconds(10));
        assert!(schedule.is_outdated(0));
        schedule.end(0);
        assert_eq!((schedule.next(start + seconds(39)), schedule.next(start + seconds(40))), (None, Some(0)));
        schedule.begin(0, 6);
        schedule.publishing(0);
        assert_eq!(schedule.standing(0, start).phase, Phase::Publishing);
        schedule.end(0);
        schedule.settled(0, 9);
        assert_eq!((schedule.next_due(), schedule.waiting(start).len()), (None, 0));
    }

    #[test]
    fn what_failed_is_tried_again_and_what_waits_can_be_hurried() {
        let start = Instant::now();
        let mut schedule = Schedule::new(3);
        schedule.retry(2, seconds(30), start);
        schedule.want(1, 1, seconds(86_400), start);
        assert_eq!(schedule.next(start), None);
        schedule.hurry(start);
        schedule.retry(2, seconds(60), start);
        assert_eq!(schedule.next(start), Some(1));
        schedule.begin(1, 1);
        assert_eq!(schedule.next(start), Some(2));
        // An unknown shard is ignored.
        schedule.want(7, 1, seconds(0), start);
        assert_eq!(schedule.standing(7, start).phase, Phase::Queued);
    }
}
