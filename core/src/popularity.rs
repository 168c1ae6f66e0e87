//! For each item, how many users have it and since when: the basis of lists of
//! popular and of new items. It is a function of the present records and is
//! updated with each change of them; nothing in it is learned.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::Vector;

use crate::data::{Interaction, Interactions};

/// The number of times that are stored for an item. If the earliest record is
/// deleted, the next time is needed. When all stored times are used up, the
/// records are scanned once, for all items that run short.
const KEPT: usize = 32;

/// Counts for every item. Memory grows with the items, not with the records: at
/// most `KEPT` times for each item.
///
/// A clone shares all data with its original, and a change copies only the
/// parts that it changes.
#[derive(Debug, Clone, Default)]
pub struct Popularity {
    tallies: Vector<Tally>,
    /// Whether an item has timed records but no stored time.
    short: bool,
}

/// The counts of one item.
#[derive(Debug, Clone, Default)]
struct Tally {
    /// Users who have it.
    people: u32,
    /// Its records with a time.
    timed: u32,
    /// The earliest times, ascending. There may be more times than stored ones;
    /// at least one is stored if any is known.
    earliest: Arc<[f64]>,
}

impl Tally {
    fn add(&mut self, record: &Interaction) {
        self.people += 1;
        let Some(time) = record.timestamp else { return };
        let whole = self.earliest.len() == self.timed as usize;
        self.timed += 1;
        let at = self.earliest.partition_point(|known| known.total_cmp(&time).is_le());
        // Later times that are not stored may follow the last stored one.
        if whole || at < self.earliest.len() {
            let mut earliest = self.earliest.to_vec();
            earliest.insert(at, time);
            earliest.truncate(KEPT);
            self.earliest = earliest.into();
        }
    }

    fn remove(&mut self, record: &Interaction) {
        self.people -= 1;
        let Some(time) = record.timestamp else { return };
        self.timed -= 1;
        if let Ok(at) = self.earliest.binary_search_by(|known| known.total_cmp(&time)) {
            let mut earliest = self.earliest.to_vec();
            earliest.remove(at);
            self.earliest = earliest.into();
        }
    }

    fn is_short(&self) -> bool {
        self.earliest.is_empty() && self.timed > 0
    }

    /// Whether a scan of the records would find more times.
    fn is_partial(&self) -> bool {
        self.earliest.len() < KEPT && self.earliest.len() < self.timed as usize
    }
}

/// Builds the counts from records that are passed once, one after the other.
#[derive(Debug)]
pub(crate) struct Counting(Vec<(u32, u32, Vec<f64>)>);

impl Counting {
    pub(crate) fn new(items: usize) -> Self {
        Self(vec![(0, 0, Vec::new()); items])
    }

    pub(crate) fn add(&mut self, record: &Interaction) {
        let (people, timed, times) = &mut self.0[record.item as usize];
        *people += 1;
        if let Some(time) = record.timestamp {
            *timed += 1;
            keep(times, time);
        }
    }

    pub(crate) fn finish(self) -> Popularity {
        let tally = |(people, timed, mut times): (u32, u32, Vec<f64>)| {
            shorten(&mut times);
            Tally { people, timed, earliest: times.into() }
        };
        Popularity { tallies: self.0.into_iter().map(tally).collect(), short: false }
    }
}

impl Popularity {
    /// Counts all records.
    #[must_use]
    pub fn new(records: &Interactions, items: usize) -> Self {
        let mut counting = Counting::new(items);
        records.iter().for_each(|record| counting.add(record));
        counting.finish()
    }

    /// Updates the counts after one user's records were replaced.
    pub(crate) fn replace(&mut self, before: &[Interaction], after: &[Interaction]) {
        for record in before {
            if let Some(tally) = self.tallies.get_mut(record.item as usize) {
                tally.remove(record);
                self.short |= tally.is_short();
            }
        }
        for record in after {
            while self.tallies.len() <= record.item as usize {
                self.tallies.push_back(Tally::default());
            }
            if let Some(tally) = self.tallies.get_mut(record.item as usize) {
                tally.add(record);
            }
        }
    }

    /// Scans the records if a deletion left an item without a stored time. Call
    /// it after a change, with the present records.
    pub(crate) fn settle(&mut self, records: &Interactions) {
        if !self.short {
            return;
        }
        // Includes all items that lost times, so that one scan serves many
        // later deletions.
        let mut looked: BTreeMap<u32, (u32, Vec<f64>)> = (0u32..)
            .zip(&self.tallies)
            .filter(|(_, tally)| tally.is_partial())
            .map(|(item, _)| (item, (0, Vec::new())))
            .collect();
        for record in records.iter() {
            if let (Some((seen, times)), Some(time)) = (looked.get_mut(&record.item), record.timestamp) {
                *seen += 1;
                keep(times, time);
            }
        }
        for (item, (seen, mut times)) in looked {
            shorten(&mut times);
            // If not all records are in memory, the item's times stay unknown.
            if let Some(tally) = self.tallies.get_mut(item as usize).filter(|tally| tally.timed == seen) {
                tally.earliest = times.into();
            }
        }
        self.short = self.tallies.iter().any(Tally::is_short);
    }

    /// Items with timed records but no stored time: a deletion removed the last
    /// stored time while not all records were in memory.
    #[must_use]
    pub fn short(&self) -> Vec<u32> {
        if !self.short {
            return Vec::new();
        }
        (0u32..).zip(&self.tallies).filter(|(_, tally)| tally.is_short()).map(|(item, _)| item).collect()
    }

    /// Stores the times of all of one item's records. Ignores them if their
    /// number differs from the counted one, because then they are of another
    /// moment.
    pub fn learn(&mut self, item: u32, times: impl IntoIterator<Item = f64>) {
        let (mut seen, mut kept) = (0, Vec::new());
        for time in times {
            seen += 1;
            keep(&mut kept, time);
        }
        shorten(&mut kept);
        if let Some(tally) = self.tallies.get_mut(item as usize).filter(|tally| tally.timed == seen) {
            tally.earliest = kept.into();
        }
        self.short = self.tallies.iter().any(Tally::is_short);
    }

    /// Whether any record has a time.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.tallies.iter().any(|tally| tally.timed > 0)
    }

    /// How many users have an item.
    #[must_use]
    pub fn people(&self, item: u32) -> u32 {
        self.tallies.get(item as usize).map_or(0, |tally| tally.people)
    }

    /// The time of an item's first record; `None` if none of its records has a
    /// time.
    #[must_use]
    pub fn since(&self, item: u32) -> Option<f64> {
        self.tallies.get(item as usize).and_then(|tally| tally.earliest.first().copied())
    }

    /// The `k` items outside `masked` (ascending) that most users have, with
    /// the number of users; ties by item index. Items without users are left
    /// out.
    #[must_use]
    pub fn most(&self, masked: &[u32], k: usize) -> Vec<(u32, u32)> {
        let held =
            (0u32..).zip(&self.tallies).filter(|(_, tally)| tally.people > 0).map(|(item, tally)| (item, tally.people));
        first(held, masked, k, |a, b| b.cmp(a))
    }

    /// The `k` newest of a catalogue's `items` outside `masked` (ascending).
    /// Items without users come first, the last one of the catalogue before the
    /// others. Then come items by the time of their first record, latest first,
    /// with that time; ties by item index. Items whose records have no times
    /// are left out.
    #[must_use]
    pub fn newest(&self, items: usize, masked: &[u32], k: usize) -> Vec<(u32, Option<f64>)> {
        let since = |item: u32| match self.tallies.get(item as usize) {
            Some(tally) if tally.people > 0 => tally.earliest.first().map(|time| (item, (Some(*time), item))),
            _ => Some((item, (None, item))),
        };
        let by = |a: &(Option<f64>, u32), b: &(Option<f64>, u32)| match (a.0, b.0) {
            (None, None) => b.1.cmp(&a.1),
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => b.total_cmp(&a),
        };
        let newest = first((0..items as u32).filter_map(since), masked, k, by);
        newest.into_iter().map(|(item, (since, _))| (item, since)).collect()
    }
}

/// The first `k` of the items outside `masked`, by value, then by index.
fn first<T: Copy>(
    items: impl Iterator<Item = (u32, T)>,
    masked: &[u32],
    k: usize,
    by: impl Fn(&T, &T) -> Ordering,
) -> Vec<(u32, T)> {
    let mut open: Vec<(u32, T)> = items.filter(|(item, _)| masked.binary_search(item).is_err()).collect();
    let by = |a: &(u32, T), b: &(u32, T)| by(&a.1, &b.1).then(a.0.cmp(&b.0));
    if k < open.len() {
        open.select_nth_unstable_by(k, by);
        open.truncate(k);
    }
    open.sort_unstable_by(by);
    open
}

/// Adds a time to a list of the earliest ones, which is sorted later.
fn keep(times: &mut Vec<f64>, time: f64) {
    times.push(time);
    if times.len() >= 8 * KEPT {
        shorten(times);
    }
}

/// Sorts the times and keeps the earliest.
fn shorten(times: &mut Vec<f64>) {
    times.sort_unstable_by(f64::total_cmp);
    times.truncate(KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Catalog, Entities};
    use crate::random::Key;

    const ITEMS: u32 = 3;

    #[test]
    fn lists_are_in_order_and_leave_out_what_is_masked() {
        let side =
            |kind: &str| Entities::new((0..6).map(|n| format!("{kind}{n}")).collect(), Vec::new(), Vec::new()).unwrap();
        let catalog = Catalog { dataset: "x".into(), version: 1, users: side("u"), items: side("i") };
        let record = |(user, item, timestamp)| Interaction { user, item, timestamp };
        let all =
            [(0, 1, Some(5.0)), (1, 1, Some(3.0)), (0, 2, Some(9.0)), (1, 4, None), (2, 4, None), (2, 3, Some(9.0))];
        let (records, _) = Interactions::new(all.map(record).to_vec(), &catalog, &Key::from_seed(1));
        let counted = Popularity::new(&records, 6);
        assert_eq!(counted.most(&[], 10), [(1, 2), (4, 2), (2, 1), (3, 1)]);
        assert_eq!(counted.most(&[1, 3], 2), [(4, 2), (2, 1)]);
        // No user has 0, 5 and 6, which were added last; 4 has no time.
        let dated = [(2, Some(9.0)), (3, Some(9.0)), (1, Some(3.0))];
        assert_eq!(counted.newest(7, &[], 10), [&[(6, None), (5, None), (0, None)][..], &dated].concat());
        assert_eq!(counted.newest(7, &[], 4), [(6, None), (5, None), (0, None), dated[0]]);
        assert_eq!(counted.newest(7, &[0, 2, 5, 6], 1), [dated[1]]);
        assert_eq!(counted.newest(7, &[], 0), []);
    }

    /// If records are stored elsewhere, an item's times are requested by its
    /// index.
    #[test]
    fn times_that_are_not_at_hand_are_learned() {
        let side = |kind: &str, count: u32| {
            Entities::new((0..count).map(|n| format!("{kind}{n}")).collect(), Vec::new(), Vec::new()).unwrap()
        };
        let people = 2 * KEPT as u32;
        let catalog = Catalog { dataset: "x".into(), version: 1, users: side("u", people), items: side("i", 1) };
        let all = (0..people).map(|user| Interaction { user, item: 0, timestamp: Some(f64::from(user)) });
        let (records, _) = Interactions::new(all.collect(), &catalog, &Key::from_seed(3));
        let away = Interactions::away(people as usize, people as usize);
        let mut counted = Popularity::new(&records, 1);
        for user in 0..people - 1 {
            assert_eq!(counted.since(0), Some(f64::from(user)), "{user}");
            counted.replace(records.of(user), &[]);
            counted.settle(&away);
            let left = |r: &&Interaction| r.user > user;
            for item in counted.short() {
                // Times of another moment are ignored.
                counted.learn(item, records.iter().filter(left).skip(1).filter_map(|r| r.timestamp));
                assert_eq!(counted.since(item), None);
                counted.learn(item, records.iter().filter(left).filter_map(|r| r.timestamp));
            }
        }
        assert!(counted.short().is_empty());
    }

    /// After any additions and deletions the counts equal those of the present
    /// records. Many users on few items exhaust the stored times again and
    /// again.
    #[test]
    fn counts_follow_every_change() {
        let key = Key::from_seed(9);
        let mut stream = key.stream("popularity", &[]);
        let side = |kind: &str, count: u32| {
            Entities::new((0..count).map(|n| format!("{kind}{n}")).collect(), Vec::new(), Vec::new()).unwrap()
        };
        let people = 300;
        let catalog = Catalog { dataset: "x".into(), version: 1, users: side("u", people), items: side("i", ITEMS) };
        let mut record = |user: u32| {
            let time = match stream.below(8) {
                0 => None,
                // Few distinct values, so that equal times are common.
                _ => Some(stream.below(40) as f64 - 20.0),
            };
            Interaction { user, item: stream.below(ITEMS as usize) as u32, timestamp: time }
        };
        let all = (0..people).flat_map(|user| [record(user), record(user)]).collect();
        let (mut records, _) = Interactions::new(all, &catalog, &key);
        let mut counted = Popularity::new(&records, ITEMS as usize);
        let mut order = key.stream("order", &[]);
        let mut looks = 0;
        for step in 0..1200 {
            let user = order.below(people as usize) as u32;
            // Mostly deletes the oldest record, which is the hard case; users
            // come back later.
            let oldest = records
                .iter()
                .filter(|r| r.timestamp.is_some())
                .min_by(|a, b| a.timestamp.unwrap_or(0.0).total_cmp(&b.timestamp.unwrap_or(0.0)));
            let user = if step % 3 > 0 { oldest.map_or(user, |r| r.user) } else { user };
            let before = records.of(user).to_vec();
            let after = if step % 3 > 0 { before[1.min(before.len())..].to_vec() } else { vec![record(user)] };
            records.replace(user, after, &catalog, &key);
            counted.replace(&before, records.of(user));
            looks += usize::from(counted.short);
            counted.settle(&records);
            let fresh = Popularity::new(&records, ITEMS as usize);
            for item in 0..ITEMS {
                assert_eq!(counted.people(item), fresh.people(item), "step {step}");
                assert_eq!(counted.since(item), fresh.since(item), "step {step}");
                let own = records.iter().filter(|r| r.item == item);
                assert_eq!(own.clone().count() as u32, counted.people(item));
                let first = own.filter_map(|r| r.timestamp).min_by(f64::total_cmp);
                assert_eq!(first, counted.since(item), "step {step}");
            }
        }
        assert!(looks > 3, "the kept times never ran out: {looks}");
        assert!(looks < 60, "records are looked through for nearly every deletion: {looks} times");
    }
}
