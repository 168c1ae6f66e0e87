//! What an import would bring: counts, histories, times, and what is odd.

use chrono::{DateTime, Datelike};
use serde::Serialize;

use super::tables::Unit;
use super::{Imported, Interaction};

/// Before this nobody recorded what people did online: 1990.
const EARLY: f64 = 631_152_000.0;

/// What there is to know of data before it is taken in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// Records, one for each person and item.
    pub records: usize,
    /// People with a record.
    pub people: usize,
    /// Items with a record.
    pub items: usize,
    /// Records that collapse because a person has another of the same item.
    pub duplicates: usize,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// Records that conditions left out.
    pub dropped: u64,
    /// Lengths of histories: from, to, how many people.
    pub histories: Vec<(usize, usize, usize)>,
    /// The history in the middle.
    pub median_history: usize,
    /// The earliest time and the latest, as dates in UTC.
    pub first: Option<String>,
    /// See `first`.
    pub last: Option<String>,
    /// Records of each year.
    pub years: Vec<(i32, usize)>,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

impl Survey {
    /// Looks at data that was read. `now` is in seconds since 1970.
    pub fn new(imported: &Imported, now: f64) -> Self {
        let mut records = imported.records.clone();
        records.sort_unstable_by_key(|r| (r.user, r.item));
        let before = records.len();
        records.dedup_by_key(|r| (r.user, r.item));
        let report = &imported.report;
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
        survey.look_at_times(&imported.records, now);
        survey.look_at_people();
        survey.warnings.extend(report.notes.iter().filter(|note| note.contains("different units")).cloned());
        survey
    }

    fn look_at_times(&mut self, records: &[Interaction], now: f64) {
        let times: Vec<f64> = records.iter().filter_map(|r| r.timestamp).collect();
        let Some(greatest) = times.iter().map(|time| time.abs()).max_by(f64::total_cmp) else {
            self.warnings.push("there are no times: nothing tells what somebody did first".into());
            return;
        };
        // Tables are in seconds by now; atomic files keep their own unit.
        let unit = Unit::of(greatest);
        let seconds = |time: &f64| time / unit.a_second();
        let (first, last) = times.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(*t), b.max(*t)));
        (self.first, self.last) = (Some(shown(seconds(&first))), Some(shown(seconds(&last))));
        let mut years: Vec<i32> = times.iter().filter_map(|time| year(seconds(time))).collect();
        years.sort_unstable();
        for year in years {
            match self.years.last_mut() {
                Some((known, count)) if *known == year => *count += 1,
                _ => self.years.push((year, 1)),
            }
        }
        let early = times.iter().filter(|time| seconds(time) < EARLY).count();
        if early > 0 {
            self.warnings.push(format!(
                "{early} times are before 1990: are they line numbers, or dates such as 20220304 (--dates year-first)?"
            ));
        }
        let late = times.iter().filter(|time| seconds(time) > now + 86_400.0).count();
        if late > 0 {
            self.warnings.push(format!("{late} times are in the future"));
        }
        let missing = records.len() - times.len();
        if missing > 0 {
            self.warnings.push(format!("{missing} records have no time and come first"));
        }
        if first == last {
            let tied = "all times are equal: they order nothing (a keyed hash orders records, the same at each run)";
            self.warnings.push(tied.into());
            return;
        }
        let (ordered, of) = ordered(records);
        if of > 0 && ordered * 2 < of {
            self.warnings.push(format!(
                "{} of {of} people have one time for everything they did: times order little",
                of - ordered
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

/// People by the lengths of their histories (1, 2, 3 to 4, 5 to 8, ...), how
/// many there are, and the length in the middle.
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

/// Of the people with several records, how many have more than one time.
fn ordered(records: &[Interaction]) -> (usize, usize) {
    let mut people: Vec<(u32, f64)> = records.iter().filter_map(|r| Some((r.user, r.timestamp?))).collect();
    people.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let several = people.chunk_by(|a, b| a.0 == b.0).filter(|own| own.len() > 1);
    several.fold((0, 0), |(ordered, of), own| (ordered + usize::from(own[0].1 != own[own.len() - 1].1), of + 1))
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
    use super::super::{Catalog, Entities, ImportReport};
    use super::*;

    fn survey(records: &[(u32, u32, Option<f64>)], now: f64) -> Survey {
        let records =
            records.iter().map(|&(user, item, timestamp)| Interaction { user, item, timestamp }).collect::<Vec<_>>();
        let catalog =
            Catalog { dataset: "x".into(), version: 1, users: Entities::default(), items: Entities::default() };
        Survey::new(&Imported { catalog, records, report: ImportReport::default() }, now)
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
