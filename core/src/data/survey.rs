//! A preview of an import: counts, history lengths, times and warnings.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike};
use serde::Serialize;

use super::tables::Unit;
use super::{ImportReport, Interaction};

/// 1990, in seconds since 1970: earlier times are reported, because hardly any
/// interaction was recorded before.
const EARLY: f64 = 631_152_000.0;

/// Statistics of the times of all records that were read, duplicates included.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The earliest time, in seconds since 1970.
    pub first: f64,
    /// The latest time, in seconds since 1970.
    pub last: f64,
    /// The number of records in each year.
    pub years: Vec<(i32, usize)>,
    /// The number of records without a time.
    pub missing: usize,
    early: usize,
    /// The latest times, newest first.
    latest: Vec<f64>,
}

/// How many of the latest times are kept, to count the times in the future.
const LATEST: usize = 1000;

impl Span {
    /// Statistics of the times of records; `None` if no record has a time.
    pub(super) fn of(records: &[Interaction]) -> Option<Self> {
        let times = || records.iter().filter_map(|r| r.timestamp);
        let greatest = times().map(f64::abs).max_by(f64::total_cmp)?;
        // Times of tables are already in seconds; atomic files keep their own
        // unit.
        let a_second = Unit::of(greatest).a_second();
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut early, mut count) = (0, 0);
        let mut years: BTreeMap<i32, usize> = BTreeMap::new();
        for time in times().map(|time| time / a_second) {
            (first, last) = (first.min(time), last.max(time));
            early += usize::from(time < EARLY);
            count += 1;
            if let Some(year) = year(time) {
                *years.entry(year).or_default() += 1;
            }
        }
        let mut latest: Vec<f64> = Vec::with_capacity(2 * LATEST);
        let shorten = |latest: &mut Vec<f64>| {
            latest.sort_unstable_by(|a, b| b.total_cmp(a));
            latest.truncate(LATEST);
        };
        let mut least = f64::NEG_INFINITY;
        for time in times().map(|time| time / a_second) {
            if time < least {
                continue;
            }
            latest.push(time);
            if latest.len() == 2 * LATEST {
                shorten(&mut latest);
                least = latest[LATEST - 1];
            }
        }
        shorten(&mut latest);
        Some(Self { first, last, years: years.into_iter().collect(), missing: records.len() - count, early, latest })
    }

    /// The earliest and the latest time as dates in UTC.
    pub fn shown(&self) -> (String, String) {
        (shown(self.first), shown(self.last))
    }

    /// Warnings for the person who imports. `now` is in seconds since 1970.
    pub fn warnings(&self, now: f64) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.early > 0 {
            warnings.push(format!(
                "{} times are before 1990: are they line numbers, or dates such as 20220304 (--dates year-first)?",
                self.early
            ));
        }
        let late = self.latest.iter().take_while(|time| **time > now + 86_400.0).count();
        if late > 0 {
            let more = if late == LATEST { " or more" } else { "" };
            warnings.push(format!("{late}{more} times are in the future"));
        }
        if self.missing > 0 {
            warnings.push(format!("{} records have no time and come where a time of 0 would", self.missing));
        }
        if self.first == self.last {
            let tied = "all times are equal: they order nothing (a keyed hash orders records, the same at each run)";
            warnings.push(tied.into());
        }
        warnings
    }
}

/// A summary of data before it is imported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// Number of records, one for each user and item.
    pub records: usize,
    /// Number of users with a record.
    pub people: usize,
    /// Number of items with a record.
    pub items: usize,
    /// Records that are dropped because the user has another record of the same
    /// item.
    pub duplicates: usize,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// Records that conditions excluded.
    pub dropped: u64,
    /// Histogram of history lengths: shortest, longest, number of users.
    pub histories: Vec<(usize, usize, usize)>,
    /// The median history length.
    pub median_history: usize,
    /// The earliest time, as a date in UTC.
    pub first: Option<String>,
    /// The latest time, as a date in UTC.
    pub last: Option<String>,
    /// The number of records in each year.
    pub years: Vec<(i32, usize)>,
    /// Warnings for the person who imports.
    pub warnings: Vec<String>,
}

impl Survey {
    /// Summarises records that were read. `now` is in seconds since 1970.
    pub fn new(mut records: Vec<Interaction>, report: &ImportReport, now: f64) -> Self {
        let ties = Ties::of(&mut records);
        records.sort_unstable_by_key(|r| (r.user, r.item));
        let before = records.len();
        records.dedup_by_key(|r| (r.user, r.item));
        let (histories, people, median_history) = histories(&records);
        let mut items: Vec<u32> = records.iter().map(|r| r.item).collect();
        items.sort_unstable();
        items.dedup();
        let mut survey = Self {
            records: records.len(),
            people,
            items: items.len(),
            duplicates: report.duplicates + before - records.len(),
            bad_lines: report.bad_lines,
            dropped: report.dropped,
            histories,
            median_history,
            first: None,
            last: None,
            years: Vec::new(),
            warnings: Vec::new(),
        };
        survey.look_at_times(report, &ties, now);
        survey.look_at_people();
        survey.warnings.extend(report.notes.iter().filter(|note| note.contains("different units")).cloned());
        survey
    }

    fn look_at_times(&mut self, report: &ImportReport, ties: &Ties, now: f64) {
        let Some(span) = &report.times else {
            self.warnings.push("there are no times: nothing tells what somebody did first".into());
            return;
        };
        (self.first, self.last) = (Some(shown(span.first)), Some(shown(span.last)));
        self.years.clone_from(&span.years);
        self.warnings.extend(span.warnings(now));
        if span.first == span.last {
            return;
        }
        if ties.tied * 2 > ties.several {
            self.warnings.push(format!(
                "{} of {} people have one time for everything they did: times order little",
                ties.tied, ties.several
            ));
        }
    }

    fn look_at_people(&mut self) {
        let short = self.histories.iter().filter(|(from, ..)| *from < 3).map(|(.., people)| people).sum::<usize>();
        if self.people == 1 {
            self.warnings.push("there is one person: with nobody to learn from, nothing can be recommended".into());
        } else if short * 2 > self.people {
            self.warnings.push(format!(
                "{short} of {} people have one or two items: with --holdout leave-one-out they are not measured",
                self.people
            ));
        }
    }
}

/// A histogram of the users' history lengths (1, 2, 3 to 4, 5 to 8, ...), the
/// number of users, and the median length.
fn histories(records: &[Interaction]) -> (Vec<(usize, usize, usize)>, usize, usize) {
    let mut lengths: Vec<usize> = records.chunk_by(|a, b| a.user == b.user).map(<[Interaction]>::len).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for &length in &lengths {
        let to = length.next_power_of_two();
        match found.last_mut() {
            Some((_, known, count)) if *known == to => *count += 1,
            _ => found.push((to / 2 + 1, to, 1)),
        }
    }
    (found, lengths.len(), median)
}

/// Counts users whose records cannot be ordered by time.
struct Ties {
    /// Users with several records that have times.
    several: usize,
    /// Those of them whose records all have the same time.
    tied: usize,
}

impl Ties {
    /// Counts them. Sorts the records by user and time.
    fn of(records: &mut [Interaction]) -> Self {
        let time = |r: &Interaction| r.timestamp.unwrap_or(f64::NEG_INFINITY);
        records.sort_unstable_by(|a, b| a.user.cmp(&b.user).then(time(a).total_cmp(&time(b))));
        let mut ties = Self { several: 0, tied: 0 };
        for own in records.chunk_by(|a, b| a.user == b.user) {
            let timed = &own[own.partition_point(|r| r.timestamp.is_none())..];
            if let [first, .., last] = timed {
                ties.several += 1;
                ties.tied += usize::from(first.timestamp == last.timestamp);
            }
        }
        ties
    }
}

fn date(seconds: f64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp(seconds as i64, 0)
}

fn year(seconds: f64) -> Option<i32> {
    date(seconds).map(|date| date.year())
}

fn shown(seconds: f64) -> String {
    date(seconds).map_or_else(|| format!("{seconds} s"), |date| date.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(records: &[(u32, u32, Option<f64>)], now: f64) -> Survey {
        let records =
            records.iter().map(|&(user, item, timestamp)| Interaction { user, item, timestamp }).collect::<Vec<_>>();
        let report = ImportReport { times: Span::of(&records), ..ImportReport::default() };
        Survey::new(records, &report, now)
    }

    #[test]
    fn counts_and_histories() {
        let found = survey(&[(0, 1, None), (0, 2, None), (0, 3, None), (1, 1, None), (1, 1, None)], 0.0);
        assert_eq!((found.records, found.people, found.items, found.duplicates), (4, 2, 3, 1));
        assert_eq!(found.histories, [(1, 1, 1), (3, 4, 1)]);
        assert!(found.warnings[0].contains("no times"));
    }

    #[test]
    fn odd_times_are_said() {
        let day = 86_400.0;
        let now = 2e9;
        let found = survey(&[(0, 1, Some(1.0)), (0, 2, Some(1.6e9)), (1, 1, Some(now + 2.0 * day))], now);
        assert!(found.warnings.iter().any(|w| w.starts_with("1 times are before 1990")));
        assert!(found.warnings.iter().any(|w| w.starts_with("1 times are in the future")));
        assert_eq!((found.first.as_deref(), found.years.len()), (Some("1970-01-01 00:00:01"), 3));
        let found = survey(&[(0, 1, Some(1.6e12)), (1, 2, Some(1.6e12))], now);
        assert!(found.warnings[0].contains("all times are equal"));
        assert_eq!(found.last.as_deref(), Some("2020-09-13 12:26:40"));
        let found = survey(&[(0, 1, Some(1.6e9)), (0, 2, Some(1.6e9)), (1, 2, Some(1.7e9))], now);
        assert!(found.warnings.iter().any(|w| w.contains("times order little")), "{:?}", found.warnings);
    }
}
