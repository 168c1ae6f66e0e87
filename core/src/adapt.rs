//! The user who asks for a recommendation, and the adaptation set that adapts
//! every shard's model to this user (Eq 7, Algorithm 2 line 1).

use crate::config::{AdaptConfig, Sampling};
use crate::model::{EntityRef, Pair, Task};
use crate::random::{Key, Stream};

/// A user to recommend to, as the models see the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserContext {
    /// Name of the user's random streams: the external identifier, or any fixed
    /// bytes for a visitor.
    pub stream: Vec<u8>,
    /// The user-feature row that each shard's model reads, one row a shard.
    pub rows: Vec<EntityRef>,
    /// H(u): the history from which the adaptation set is drawn.
    pub history: UserHistory,
}

/// H(u): a user's items, with their order in time as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserHistory {
    items: Vec<u32>,
    ages: Vec<u32>,
    /// For each item, how many of the user's records are newer. Records of one
    /// time count in the order given.
    order: Vec<u32>,
}

impl UserHistory {
    /// Builds a history from (item, time) in the user's order. If no record has
    /// a time, all have the same age. If only some have times, a record without
    /// a time counts as one of time 0, as in [`crate::data::Interactions`].
    pub fn new(records: impl IntoIterator<Item = (u32, Option<f64>)>) -> Self {
        let mut records: Vec<(u32, f64, usize)> =
            records.into_iter().enumerate().map(|(place, (item, time))| (item, time.unwrap_or(0.0), place)).collect();
        // If an item comes twice, the earlier record stays, as in
        // `Interactions`.
        records.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        records.dedup_by_key(|(item, ..)| *item);
        let mut times: Vec<(f64, usize)> = records.iter().map(|&(_, time, place)| (time, place)).collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let newer = |time: f64| (times.len() - times.partition_point(|t| t.0.total_cmp(&time).is_le())) as u32;
        let after = |time: f64, place: usize| {
            let before = times.partition_point(|t| t.0.total_cmp(&time).then(t.1.cmp(&place)).is_le());
            (times.len() - before) as u32
        };
        let mut past = Self::default();
        for (item, time, place) in records {
            past.items.push(item);
            past.ages.push(newer(time));
            past.order.push(after(time, place));
        }
        past
    }

    /// Whether the order of the records in time is known.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.ages.iter().any(|age| *age > 0)
    }

    /// The `count` newest records, newest first: the item, and how many records
    /// are newer.
    pub fn newest(&self, count: usize) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut places: Vec<u32> = (0..self.items.len() as u32).collect();
        if self.is_timed() {
            let newer = |place: &u32| self.order[*place as usize];
            // If only a few of many records are wanted, the others need not be
            // sorted.
            if count < places.len() {
                places.select_nth_unstable_by_key(count, newer);
                places.truncate(count);
            }
            places.sort_unstable_by_key(newer);
        }
        places.into_iter().take(count).map(|place| (self.items[place as usize], self.order[place as usize]))
    }

    /// The items, ascending.
    #[must_use]
    pub fn items(&self) -> &[u32] {
        &self.items
    }

    /// A history of the `count` newest records alone; `None` if there are
    /// fewer.
    #[must_use]
    pub fn latest(&self, count: usize) -> Option<Self> {
        let mut places: Vec<usize> = (0..self.items.len()).collect();
        places.sort_unstable_by_key(|&place| self.order[place]);
        places.truncate(count);
        places.sort_unstable();
        let pick = |all: &[u32]| places.iter().map(|&place| all[place]).collect();
        let latest = Self { items: pick(&self.items), ages: pick(&self.ages), order: pick(&self.order) };
        (places.len() == count).then_some(latest)
    }

    /// For each item, how many of the user's records have a later time.
    /// Parallel to [`UserHistory::items`].
    #[must_use]
    pub fn ages(&self) -> &[u32] {
        &self.ages
    }
}

/// The probabilities of Eq 7 over a history, decayed with age: p_i is
/// proportional to exp((1/d_i) / temperature - age_i / recency), with d_i the
/// degree of item i. Uniform sampling leaves out the first term; a recency of 0
/// leaves out the second.
pub fn probabilities(past: &UserHistory, degrees: &[u32], config: &AdaptConfig) -> Vec<f64> {
    let logits: Vec<f64> = past
        .items
        .iter()
        .zip(&past.ages)
        .map(|(&item, &age)| {
            let rare = match config.sampling {
                Sampling::Biased => 1.0 / f64::from(degrees[item as usize].max(1)) / config.temperature,
                Sampling::Random => 0.0,
            };
            let faded = if config.recency > 0.0 { f64::from(age) / config.recency } else { 0.0 };
            rare - faded
        })
        .collect();
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - highest).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

/// Draws the adaptation set. With replacement an item may be drawn several
/// times; without it, each item of the history is drawn at most once.
pub fn adaptation_set(stream: &mut Stream, past: &UserHistory, degrees: &[u32], config: &AdaptConfig) -> Vec<u32> {
    let history = past.items();
    if history.is_empty() {
        return Vec::new();
    }
    let p = probabilities(past, degrees, config);
    if config.replacement {
        return (0..config.size)
            .map(|_| {
                let mut left = stream.unit();
                let place = p.iter().position(|p| {
                    left -= p;
                    left < 0.0
                });
                // Rounding can leave a small rest of probability: the likeliest
                // item takes it.
                let likeliest = || (0..p.len()).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap_or(0);
                history[place.unwrap_or_else(likeliest)]
            })
            .collect();
    }
    // Gumbel top-k draws without replacement from the same distribution.
    let mut keyed: Vec<(f64, u32)> =
        p.iter().zip(history).map(|(p, &item)| (p.ln() - (-(1.0 - stream.unit()).ln()).ln(), item)).collect();
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().take(config.size).map(|(_, item)| item).collect()
}

/// The (positive, negative) pairs that adapt every shard's model: each drawn
/// item is paired with one uniform item outside the history. The streams are
/// keyed by (seed, user, request), so that every shard, and a browser, draws
/// the same pairs.
pub fn adaptation_pairs(
    key: &Key,
    person: &UserContext,
    degrees: &[u32],
    config: &AdaptConfig,
    request: u64,
) -> Vec<Pair> {
    let parts = [person.stream.as_slice(), &request.to_le_bytes()];
    let mut stream = key.stream("adaptation set", &parts);
    let drawn = adaptation_set(&mut stream, &person.history, degrees, config);
    let mut stream = key.stream("adaptation negatives", &parts);
    drawn
        .into_iter()
        .filter_map(|positive| {
            let negative = stream.below_outside(degrees.len(), person.history.items())?;
            Some(Pair { positive, negative })
        })
        .collect()
}

/// One shard's adaptation tasks for users whose pairs are already drawn.
pub(crate) fn tasks(people: &[UserContext], pairs: &[Vec<Pair>], shard: usize) -> Vec<Task> {
    people.iter().zip(pairs).map(|(person, pairs)| Task { user: person.rows[shard], pairs: pairs.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeless(items: impl IntoIterator<Item = u32>) -> UserHistory {
        UserHistory::new(items.into_iter().map(|item| (item, None)))
    }

    fn frequencies(config: &AdaptConfig, degrees: &[u32], draws: usize) -> Vec<f64> {
        let history = timeless(0..degrees.len() as u32);
        let mut counts = vec![0usize; degrees.len()];
        for request in 0..draws as u64 {
            let mut stream = Key::from_seed(9).stream("test", &[&request.to_le_bytes()]);
            for item in adaptation_set(&mut stream, &history, degrees, config) {
                counts[item as usize] += 1;
            }
        }
        let total: usize = counts.iter().sum();
        counts.into_iter().map(|c| c as f64 / total as f64).collect()
    }

    #[test]
    fn draws_follow_the_softmax() {
        let degrees = [1, 2, 5, 50];
        for temperature in [1.0, 0.3] {
            let config = AdaptConfig { size: 1, temperature, ..AdaptConfig::paper() };
            for replacement in [true, false] {
                let config = AdaptConfig { replacement, ..config.clone() };
                let expected = probabilities(&timeless(0..4), &degrees, &config);
                for (f, p) in frequencies(&config, &degrees, 40_000).iter().zip(&expected) {
                    assert!((f - p).abs() < 0.012, "{f} {p}");
                }
            }
        }
        let random = AdaptConfig { size: 1, sampling: Sampling::Random, ..AdaptConfig::paper() };
        assert!(frequencies(&random, &degrees, 20_000).iter().all(|f| (f - 0.25).abs() < 0.015));
    }

    /// One rare item among common ones.
    #[test]
    fn temperature_decides_how_rare_items_win() {
        let mut degrees = vec![5, 20, 50];
        degrees.extend([200; 57]);
        let history = timeless(0..60);
        let at = |temperature| {
            let config = AdaptConfig { temperature, ..AdaptConfig::paper() };
            probabilities(&history, &degrees, &config)[0]
        };
        assert!((at(1.0) - 0.0202).abs() < 1e-4, "{}", at(1.0));
        assert!((at(0.01) - 1.0).abs() < 1e-4, "{}", at(0.01));
        let mut degrees = vec![60];
        degrees.extend([300; 100]);
        degrees.extend([1000; 62]);
        let history = timeless(0..163);
        let p =
            |temperature| probabilities(&history, &degrees, &AdaptConfig { temperature, ..AdaptConfig::paper() })[0];
        assert!((p(1.0) - 0.0062).abs() < 1e-4 && (p(0.01) - 0.0248).abs() < 1e-3, "{} {}", p(1.0), p(0.01));
    }

    #[test]
    fn ages_count_the_newer_records() {
        let past = UserHistory::new([(7, Some(30.0)), (2, Some(10.0)), (5, Some(30.0)), (9, None), (2, Some(40.0))]);
        assert_eq!(past.items(), [2, 5, 7, 9]);
        // Item 2 counts from its first record; equal times are of one age; no time is time 0.
        assert_eq!(past.ages(), [2, 0, 0, 3]);
    }

    #[test]
    fn the_latest_records_keep_their_ages() {
        let past = UserHistory::new([(7, Some(30.0)), (2, Some(10.0)), (5, Some(40.0))]);
        let latest = past.latest(2).unwrap();
        assert_eq!((latest.items(), latest.ages()), (&[5, 7][..], &[0, 1][..]));
        assert_eq!(past.latest(3).unwrap(), past);
        assert_eq!(past.latest(4), None);
    }

    #[test]
    fn a_configuration_from_before_ages_knows_none() {
        let old: AdaptConfig = serde_json::from_str(r#"{"size": 40}"#).unwrap();
        assert_eq!((old.size, old.recency), (40, 0.0));
    }

    #[test]
    fn older_records_fade() {
        let past = UserHistory::new((0..4).map(|item| (item, Some(f64::from(item)))));
        let fading = AdaptConfig { sampling: Sampling::Random, recency: 2.0, ..AdaptConfig::default() };
        let p = probabilities(&past, &[1; 4], &fading);
        for (older, newer) in p.iter().zip(&p[1..]) {
            assert!((older / newer - (-0.5f64).exp()).abs() < 1e-12, "{p:?}");
        }
        // Without times, or with a recency of 0, all records are equally
        // likely.
        let alike = [0.25; 4];
        assert_eq!(probabilities(&timeless(0..4), &[1; 4], &fading), alike);
        assert_eq!(probabilities(&past, &[1; 4], &AdaptConfig { recency: 0.0, ..fading }), alike);
    }

    #[test]
    fn without_replacement_nothing_comes_twice() {
        let config = AdaptConfig { replacement: false, size: 7, ..AdaptConfig::default() };
        let mut stream = Key::from_seed(2).stream("test", &[]);
        let mut drawn = adaptation_set(&mut stream, &timeless([3, 5, 9]), &[1; 10], &config);
        drawn.sort_unstable();
        assert_eq!(drawn, [3, 5, 9]);
    }
}
