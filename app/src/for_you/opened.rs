//! A person's own file, as other services export it: what its columns mean is
//! recognised from headings and from what stands in them, every line that
//! cannot be used is named, and nothing leaves the browser.

mod cut;

use std::collections::{BTreeMap, HashSet};

use eemu_core::data::tables::{DateOrder, Moment, Table, Times, Wishes, choose, readings};
use serde::{Deserialize, Serialize};

use self::cut::Cut;
use super::protocol::Pick;
use super::titles::Titles;
use crate::say::told;

/// Items that are taken at most: the newest.
pub const MAX_PICKS: usize = 5_000;
/// Lines that are looked at to recognise columns.
const LOOK: usize = 200;
/// Lines, names and guesses that are listed.
const LISTED: usize = 50;

/// What the reader decides; what is left out is recognised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Column of what: from 0.
    pub item: Option<usize>,
    /// Column of when; `Some(None)`: none.
    pub time: Option<Option<usize>>,
    /// Column of a rating; `Some(None)`: none.
    pub rating: Option<Option<usize>>,
    /// The least rating that counts.
    pub least: Option<f64>,
    /// Whose lines, by the text of their column.
    pub who: Option<String>,
    /// Whether dates begin with the day.
    pub day_first: Option<bool>,
}

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Items by identifier, newest last, each once.
    pub picks: Vec<Pick>,
    /// How many those are.
    pub taken: u64,
    /// Lines below the heading.
    pub lines: u64,
    /// Names of the columns; their numbers where nothing names them.
    pub columns: Vec<String>,
    /// What was chosen.
    pub item: usize,
    /// The same for the time.
    pub time: Option<usize>,
    /// The same for the rating.
    pub rating: Option<usize>,
    /// The least rating that counts, if there are ratings.
    pub least: f64,
    /// Lines that were left out as rated below it.
    pub below: u64,
    /// People of the file with their lines, if a column says who.
    pub people: Vec<(String, u64)>,
    /// Whose lines were taken.
    pub who: Option<String>,
    /// Lines that cannot be used: number and reason.
    pub bad: Vec<(u64, String)>,
    /// How many those are.
    pub bad_count: u64,
    /// What the catalogue does not have, and how often.
    pub missing: Vec<(String, u64)>,
    /// How many different names those are.
    pub missing_count: u64,
    /// Guesses: as written, as in the catalogue, confidence in percent.
    pub guesses: Vec<(String, String, u32)>,
    /// A date that can be read in two ways: as written, day first, month first.
    pub question: Option<(String, String, String)>,
}

/// Reads a file's text.
///
/// # Errors
/// A sentence with a next step, when nothing in it can be used.
pub fn read(text: &str, choice: &Choice, titles: &Titles<'_>) -> Result<Reading, String> {
    if text.contains('\0') {
        return Err(told!("w-this-is-not-a-2").into());
    }
    // One kind of line end, or the lines' numbers would not be those of an editor.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let cut = cut::of(&text)?;
    if cut.rows.is_empty() {
        return Err(told!("w-there-is-no-line").into());
    }
    let item = choice.item.filter(|item| *item < cut.columns.len()).map_or_else(|| best_item(&cut, titles), Ok)?;
    let named = named(&cut);
    // A column that is not there is none.
    let there = |column: Option<usize>| column.filter(|at| *at < cut.columns.len());
    let time = choice.time.map(there).unwrap_or_else(|| named.1.or_else(|| best_time(&cut, item)));
    let rating = choice.rating.map(there).unwrap_or_else(|| best_rating(&cut, item, time));
    Ok(take(cut, choice, (item, time, rating, named.0), titles))
}

fn take(
    cut: Cut,
    choice: &Choice,
    (item, time, rating, user): (usize, Option<usize>, Option<usize>, Option<usize>),
    titles: &Titles<'_>,
) -> Reading {
    let mut reading = Reading { lines: cut.rows.len() as u64, item, time, rating, bad: cut.bad, ..Reading::default() };
    reading.bad_count = reading.bad.len() as u64;
    let mut people: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, row) in &cut.rows {
        if let Some(who) = user.and_then(|at| row.get(at)) {
            *people.entry(who).or_default() += 1;
        }
    }
    let mut people: Vec<(String, u64)> = people.into_iter().map(|(who, lines)| (who.to_owned(), lines)).collect();
    people.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    // One person's list: unless somebody says whose, that with the most lines.
    let who = match people.len() {
        0 | 1 => None,
        _ => choice.who.clone().or_else(|| people.first().map(|(who, _)| who.clone())),
    };
    people.truncate(LISTED);
    let highest =
        rating.map_or(0.0, |at| cut.rows.iter().filter_map(|(_, row)| number(row.get(at)?)).fold(0.0, f64::max));
    reading.least = choice.least.unwrap_or(if highest > 0.0 { (highest * 0.6 * 2.0).round() / 2.0 } else { 0.0 });
    let order = choice.day_first.map(|day| if day { DateOrder::DayFirst } else { DateOrder::MonthFirst });
    let mut times = Times::new(order);
    // Row of the catalogue, when, and the other reading of it.
    let mut found: Vec<(u32, Option<f64>, Option<f64>)> = Vec::new();
    let mut missing: BTreeMap<String, u64> = BTreeMap::new();
    let mut guessed = HashSet::new();
    let bad = |reading: &mut Reading, line: u64, why: String| {
        reading.bad_count += 1;
        if reading.bad.len() < LISTED {
            reading.bad.push((line, why));
        }
    };
    for (line, row) in &cut.rows {
        if let (Some(who), Some(at)) = (&who, user)
            && row.get(at) != Some(who)
        {
            continue;
        }
        let what = row.get(item).map_or("", |what| what.trim());
        if what.is_empty() {
            bad(&mut reading, *line, told!("w-there-is-nothing-in", columns = cut.columns[item]));
            continue;
        }
        if let Some(at) = rating {
            let says = row.get(at).map_or("", |rating| rating.trim());
            // Not rated is not disliked.
            match number(says) {
                Some(stars) if stars < reading.least && stars > 0.0 => {
                    reading.below += 1;
                    continue;
                }
                None if !says.is_empty() => {
                    bad(&mut reading, *line, told!("w-is-no-rating", says = short(says)));
                    continue;
                }
                _ => {}
            }
        }
        let says = time.map(|at| row.get(at).map_or("", |when| when.trim()));
        let moment = match says.map(|says| (says.is_empty(), times.read(says, *line))) {
            None => None,
            Some((_, Ok(moment))) => Some(moment),
            Some((empty, Err((problem, _)))) => {
                let why = if empty {
                    told!("w-there-is-nothing-in-2", cut = cut.columns[time.unwrap_or(0)])
                } else {
                    problem
                };
                bad(&mut reading, *line, why);
                continue;
            }
        };
        let (when, other) = match moment {
            None => (None, None),
            Some(Moment::At(when)) => (Some(when), None),
            Some(Moment::Either { day_first, month_first }) => (Some(day_first), Some(month_first)),
        };
        match titles.find(what) {
            Some((row, confidence)) => {
                if confidence < 100 && guessed.insert(what.to_owned()) && reading.guesses.len() < LISTED {
                    reading.guesses.push((what.to_owned(), titles.name(row).to_owned(), confidence));
                }
                found.push((row, when, other));
            }
            None => *missing.entry(what.to_owned()).or_default() += 1,
        }
    }
    if let Some((_, open)) = times.undecided() {
        reading.question = readings(open).map(|(day, month)| (open.to_owned(), day, month));
    }
    let month_first = times.order() == Some(DateOrder::MonthFirst);
    let mut newest: BTreeMap<u32, Option<f64>> = BTreeMap::new();
    for (row, when, other) in found {
        let when = if month_first { other.or(when) } else { when };
        let known = newest.entry(row).or_insert(when);
        if when > *known {
            *known = when;
        }
    }
    let mut picks: Vec<(u32, Option<f64>)> = newest.into_iter().collect();
    picks.sort_by(|a, b| a.1.unwrap_or(0.0).total_cmp(&b.1.unwrap_or(0.0)));
    let cut_off = picks.len().saturating_sub(MAX_PICKS);
    reading.picks =
        picks.into_iter().skip(cut_off).map(|(row, when)| Pick { item: titles.id(row).to_owned(), when }).collect();
    reading.taken = reading.picks.len() as u64;
    reading.missing_count = missing.len() as u64;
    reading.missing = missing.into_iter().collect();
    reading.missing.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    reading.missing.truncate(LISTED);
    reading.people = people;
    reading.who = who;
    reading.columns = cut.columns;
    reading
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let stars = text.chars().filter(|c| *c == '★').count();
    if stars > 0 {
        return Some(stars as f64 + if text.contains('½') { 0.5 } else { 0.0 });
    }
    text.replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
}

/// Who and when, where headings say it.
fn named(cut: &Cut) -> (Option<usize>, Option<usize>) {
    let sample: Vec<Vec<String>> = cut.rows.iter().take(LOOK).map(|(_, row)| row.clone()).collect();
    let table = Table { headings: &cut.columns, sample: &sample };
    choose(table, &Wishes::default(), false, &[]).map_or((None, None), |found| (found.user, found.time))
}

/// The column whose texts the catalogue knows best. Numbers may be anybody's
/// identifiers: they count where a heading says that they are of items, or
/// where there is nothing else.
fn best_item(cut: &Cut, titles: &Titles<'_>) -> Result<usize, String> {
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    let share = |at: usize, numbers: bool| {
        let fields = cut.rows.iter().take(LOOK).filter_map(|(_, row)| row.get(at));
        fields.filter(|what| is_number(what) == numbers && titles.find(what).is_some()).count()
    };
    let best = |numbers: bool| {
        let best = (0..cut.columns.len()).max_by_key(|&at| (share(at, numbers), usize::MAX - at));
        best.filter(|&at| share(at, numbers) > 0)
    };
    let sample: Vec<Vec<String>> = cut.rows.iter().take(LOOK).map(|(_, row)| row.clone()).collect();
    let table = Table { headings: &cut.columns, sample: &sample };
    let named = || choose(table, &Wishes::default(), true, &[]).ok().map(|found| found.item);
    let called = |name: &String| {
        let name = name.to_lowercase();
        ["title", "titel", "titre", "título", "titolo", "name", "nom"].iter().any(|word| name.contains(word))
    };
    best(false)
        .or_else(named)
        .or_else(|| best(true))
        .or_else(|| cut.columns.iter().position(called))
        .or((!cut.columns.is_empty()).then_some(0))
        .ok_or_else(|| told!("w-the-file-has-no").into())
}

/// The column that reads as times, written ones first.
fn best_time(cut: &Cut, item: usize) -> Option<usize> {
    let share = |at: usize| {
        let mut times = Times::new(None);
        let seen = cut.rows.iter().take(LOOK).filter_map(|(_, row)| row.get(at)).filter(|text| !text.trim().is_empty());
        let (mut all, mut good, mut written) = (0, 0, 0);
        for text in seen {
            all += 1;
            let plain = text.trim().parse::<f64>();
            // Small numbers are counts and ratings.
            if plain.as_ref().is_ok_and(|number| *number < 1e8) {
                continue;
            }
            if times.read(text, 1).is_ok() {
                good += 1;
                written += usize::from(plain.is_err());
            }
        }
        (all > 0 && good * 10 >= all * 7).then_some((written, good))
    };
    (0..cut.columns.len())
        .filter(|at| *at != item)
        .filter_map(|at| Some((share(at)?, at)))
        .max_by_key(|(good, at)| (*good, usize::MAX - at))
        .map(|(_, at)| at)
}

/// A column of few small numbers, if it is called so.
fn best_rating(cut: &Cut, item: usize, time: Option<usize>) -> Option<usize> {
    const CALLED: [&str; 9] =
        ["rating", "stars", "score", "bewertung", "note", "valoración", "voto", "sterne", "grade"];
    let called = |at: &usize| CALLED.iter().any(|word| cut.columns[*at].to_lowercase().contains(word));
    let fits = |at: &usize| {
        let mut seen = cut
            .rows
            .iter()
            .take(LOOK)
            .filter_map(|(_, row)| row.get(*at))
            .filter(|text| !text.trim().is_empty())
            .peekable();
        seen.peek().is_some() && seen.all(|text| number(text).is_some_and(|number| (0.0..=100.0).contains(&number)))
    };
    let own = |at: &usize| {
        let name = cut.columns[*at].to_lowercase();
        u8::from(name.contains("my ") || name.contains("your ") || name == "rating")
    };
    (0..cut.columns.len())
        .filter(|at| *at != item && Some(*at) != time)
        .filter(called)
        .filter(fits)
        .max_by_key(|at| (own(at), usize::MAX - at))
}
