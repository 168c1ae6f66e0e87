//! A table as other programs write it, made into a small world: delimiters,
//! columns and times are recognised as the command does it, every bad line is
//! named, and of a table too large to draw the densest part is taken.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Cursor;

use eemu_core::data::tables::{Delimited, Field, JsonLines, Layout, Moment, Rows, Times, Wishes, Wrong, choose};
use eemu_core::data::{BadLines, Source};

use super::table::{self, MAX_HOUSEHOLDS, MAX_PRODUCTS, Table};
use crate::csv_file::{MAX_NAME, TableFault};
use crate::say::told;

/// Bad lines that a sentence names.
const NAMED: usize = 5;

/// One record: who, what, and when by either reading of its date.
type Record = (String, String, Option<(f64, f64)>);

/// Reads a reader's own table. With `skip`, bad lines are left out and counted.
///
/// # Errors
/// With the bad lines, when no column says who or what, or when too little is
/// left to learn from.
pub fn open(text: &str, skip: bool) -> Result<Table, TableFault> {
    if text.contains('\0') {
        return table::read(text.as_bytes(), skip);
    }
    // One kind of line end, or the lines' numbers would not be those of an editor.
    let plain = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let source = || Source::new("table", Box::new(Cursor::new(plain.clone().into_bytes())));
    let lines = plain.trim_start().starts_with('{');
    let opened: eemu_core::Result<Box<dyn Rows>> = if lines {
        JsonLines::open(source()).map(|rows| Box::new(rows) as Box<dyn Rows>)
    } else {
        Delimited::open(source(), &Layout::default()).map(|rows| Box::new(rows) as Box<dyn Rows>)
    };
    // What nobody recognises is read as who, what, when.
    let Ok(mut rows) = opened else { return table::read(text.as_bytes(), skip) };
    let named = choose(rows.table(), &Wishes::default(), false, &[]);
    let columns = match named {
        Ok(columns) => columns,
        Err(_) if choose(rows.table(), &Wishes::default(), true, &[]).is_ok() => {
            let headings = rows.headings().join(", ");
            let problem = told!("w-no-column-says-who", headings);
            return Err(TableFault::whole(problem, told!("w-the-lab-needs-several")));
        }
        Err(_) => return table::read(text.as_bytes(), skip),
    };
    let Some(user) = columns.user else { return table::read(text.as_bytes(), skip) };
    let selected: Vec<usize> = [user, columns.item].into_iter().chain(columns.time).collect();
    let (mut times, mut bad, mut records) = (Times::new(None), BadLines::default(), Vec::<Record>::new());
    let mut visit = |line: u64, fields: &[Field<'_>]| {
        let wrong = |field, problem: String| Wrong { field: Some(field), problem, hint: String::new() };
        let name = |at: usize, what: &str| match fields[at] {
            Field::Text(text) => {
                let text = text.trim();
                match text.chars().count() {
                    0 => Err(wrong(at, told!("w-the-is-blank", what))),
                    n if n > MAX_NAME => Err(wrong(at, told!("w-the-has-characters-at", what, n, max_name = MAX_NAME))),
                    _ if text.chars().any(char::is_control) => Err(wrong(at, told!("w-the-holds-a-control", what))),
                    _ => Ok(text.to_owned()),
                }
            }
            Field::Seconds(_) => Err(wrong(at, told!("w-the-is-a-time", what))),
        };
        let (who, what) = (name(0, told!("t-household"))?, name(1, told!("t-product"))?);
        let when = match fields.get(2) {
            None => None,
            Some(Field::Seconds(seconds)) => Some((*seconds, *seconds)),
            Some(Field::Text(text)) => match times.read(text, line).map_err(|(problem, _)| wrong(2, problem))? {
                Moment::At(seconds) => Some((seconds, seconds)),
                Moment::Either { day_first, month_first } => Some((day_first, month_first)),
            },
        };
        records.push((who, what, when));
        Ok(())
    };
    let read = rows.each(&selected, &mut bad, &mut visit);
    read.map_err(|why| TableFault::whole(told!("w-the-file-cant-be-2", why), told!("w-save-it-again-as")))?;
    if bad.count() > 0 && !skip {
        return Err(faulty(&bad));
    }
    let month_first = times.order() == Some(eemu_core::data::tables::DateOrder::MonthFirst);
    let when = |record: &Record| record.2.map(|(day, month)| if month_first { month } else { day });
    let records: Vec<Timed> = records.iter().map(|record| (record.0.clone(), record.1.clone(), when(record))).collect();
    let made = built(&densest(records), bad.count() as usize, blake3::hash(text.as_bytes()).to_hex().as_str());
    table::enough(made)
}

fn faulty(bad: &BadLines) -> TableFault {
    let first = bad.list().first();
    let (line, why) = first.map_or((0, ""), |fault| (fault.line, fault.problem.as_str()));
    let more: Vec<String> = bad.list().iter().skip(1).take(NAMED).map(|fault| fault.line.to_string()).collect();
    let rest = match bad.count() as usize - 1 {
        0 => String::new(),
        n if n == more.len() => format!(" {}", told!("t-so-are", lines = more.join(", "))),
        n => format!(" {}", told!("t-so-are-more", lines = more.join(", "), n = n - more.len())),
    };
    let hint = if bad.count() == 1 { told!("w-fix-the-line-or") } else { told!("w-fix-the-lines-or") };
    TableFault {
        problem: format!("{}{rest}", told!("line-why", line = line.to_string(), why)),
        hint: hint.into(),
        skippable: true,
    }
}

/// A record with its time decided.
type Timed = (String, String, Option<f64>);

/// The people and products with the most records, as far as they can be drawn.
fn densest(records: Vec<Timed>) -> Vec<Timed> {
    let most = |of: &dyn Fn(&Timed) -> &str, all: &[Timed], top: usize| {
        let mut pairs = BTreeSet::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for record in all {
            if pairs.insert((&record.0, &record.1)) {
                *counts.entry(of(record)).or_default() += 1;
            }
        }
        let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        names.into_iter().take(top).map(|(name, _)| name.to_owned()).collect::<HashSet<String>>()
    };
    let products = most(&|record| &record.1, &records, MAX_PRODUCTS);
    let records: Vec<_> = records.into_iter().filter(|record| products.contains(&record.1)).collect();
    let households = most(&|record| &record.0, &records, MAX_HOUSEHOLDS);
    records.into_iter().filter(|record| households.contains(&record.0)).collect()
}

fn built(records: &[Timed], skipped: usize, hash: &str) -> Table {
    let mut table = Table {
        households: Vec::new(),
        products: Vec::new(),
        records: Vec::new(),
        duplicates: 0,
        skipped,
        hash: hash.to_owned(),
    };
    let (mut households, mut products, mut seen) = (HashMap::new(), HashMap::new(), HashSet::new());
    for (who, what, when) in records {
        let household = table::place(&mut households, &mut table.households, who);
        let product = table::place(&mut products, &mut table.products, what);
        if seen.insert((household, product)) {
            table.records.push((household, product, *when));
        } else {
            table.duplicates += 1;
        }
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines(heading: &str, end: &str, line: impl Fn(usize) -> String) -> String {
        std::iter::once(heading.to_owned()).chain((0..40).map(line)).map(|line| line + end).collect()
    }

    #[test]
    fn tables_of_other_programs_become_a_world() {
        let dated = |n: usize| format!("u{},f{},2022-06-{:02} 16:00:00", n % 4, n % 7, n % 28 + 1);
        let table = open(&lines("who,what,when", "\r\n", dated), false).unwrap();
        assert_eq!((table.households.len(), table.products.len(), table.records.len()), (4, 7, 28));
        assert!(table.records.iter().all(|(.., when)| when.is_some_and(|when| when > 1.6e9)));
        let shifted = |n: usize| format!("like;u{};f{};{:02}.06.2022", n % 4, n % 7, n % 28 + 1);
        let table = open(&lines("FeedbackType;UserId;ItemId;Timestamp", "\n", shifted), false).unwrap();
        assert_eq!((table.households.len(), table.products.len()), (4, 7));
        let json = |n: usize| format!("{{\"user\":\"u{}\",\"item\":\"f{}\"}}", n % 4, n % 7);
        assert_eq!(open(&lines("{\"user\":\"u0\",\"item\":\"f0\"}", "\n", json), false).unwrap().households.len(), 4);
    }

    #[test]
    fn every_bad_line_is_named_and_what_names_nobody_is_no_world() {
        let bad = |n: usize| {
            if [15, 21, 27].contains(&n) { "u1,f1,soon".into() } else { format!("u{},f{},{n}", n % 4, n % 7) }
        };
        let text = lines("who,what,when", "\r\n", bad);
        let said = open(&text, false).unwrap_err().to_string();
        assert!(said.starts_with("Line 17: ") && said.contains("So are lines 23, 29."), "{said}");
        assert_eq!(open(&text, true).unwrap().skipped, 3);
        let said = open(&lines("Title,Date", "\n", |n| format!("Film {},{:02}.06.2022", n % 7, n % 28 + 1)), false);
        let said = said.unwrap_err().to_string();
        assert!(said.contains("No column says who") && said.contains("Title, Date"), "{said}");
    }

    #[test]
    fn of_a_large_table_the_densest_part_is_drawn() {
        let text: String = std::iter::once("who,what,when\n".to_owned())
            .chain((0..20_000).map(|n: usize| format!("u{},f{},{n}\n", n % 300, (n * n) % 500)))
            .collect();
        let table = open(&text, false).unwrap();
        assert!(table.households.len() <= MAX_HOUSEHOLDS && table.products.len() <= MAX_PRODUCTS);
        assert!(table.records.len() > 100);
    }
}
