//! Recent events in memory of bounded size: the durations of the last thousand
//! responses of a kind, and the number of events within an hour.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use eemu_core::api::Timing;

/// Durations that are kept.
const KEPT: usize = 1000;
const MINUTES: u64 = 60;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change leaves the value consistent, so a panic of another thread does no harm.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last thousand durations, in seconds.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<f64>>);

impl Recent {
    /// Adds a duration.
    pub fn add(&self, seconds: f64) {
        let mut times = locked(&self.0);
        if times.len() == KEPT {
            times.pop_front();
        }
        times.push_back(seconds);
    }

    /// The median and the 99th percentile.
    pub fn timing(&self) -> Timing {
        let mut times: Vec<f64> = locked(&self.0).iter().copied().collect();
        times.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * times.len() as f64).ceil() as usize;
            times.get(place.saturating_sub(1)).copied().unwrap_or_default()
        };
        Timing { count: times.len() as u64, p50: at(0.5), p99: at(0.99) }
    }
}

/// Counts of events per minute, for an hour.
#[derive(Debug, Default)]
pub struct Hour(Mutex<VecDeque<(u64, u64)>>);

impl Hour {
    /// Counts an event, at a time in seconds since 1970.
    pub fn add(&self, now: u64) {
        let minute = now / 60;
        let mut minutes = locked(&self.0);
        match minutes.back_mut() {
            // A clock that goes back makes no new entry.
            Some((last, count)) if *last >= minute => *count += 1,
            _ => minutes.push_back((minute, 1)),
        }
        while minutes.front().is_some_and(|(first, _)| first + MINUTES <= minute) {
            minutes.pop_front();
        }
    }

    /// The number of events within the hour before a time, to the minute.
    pub fn count(&self, now: u64) -> u64 {
        let minute = now / 60;
        locked(&self.0).iter().filter(|(at, _)| at + MINUTES > minute).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_last_thousand() {
        let recent = Recent::default();
        assert_eq!(recent.timing(), Timing::default());
        // Old durations are dropped; here they would be the slowest.
        (0..500).for_each(|_| recent.add(9.0));
        (1..=1000).for_each(|n| recent.add(f64::from(n) / 1000.0));
        assert_eq!(recent.timing(), Timing { count: 1000, p50: 0.5, p99: 0.99 });
        let one = Recent::default();
        one.add(0.25);
        assert_eq!(one.timing(), Timing { count: 1, p50: 0.25, p99: 0.25 });
    }

    #[test]
    fn an_hour_is_an_hour() {
        let hour = Hour::default();
        [600, 610, 4000, 4100].into_iter().for_each(|at| hour.add(at));
        assert_eq!([hour.count(4100), hour.count(4199), hour.count(4200), hour.count(7700)], [4, 4, 2, 0]);
        (0..10_000).for_each(|minute| hour.add(minute * 60));
        assert!(locked(&hour.0).len() <= 61);
    }
}
