//! Tables in common formats: CSV and similar text, JSON Lines, and any other
//! format that implements [`Rows`].
//!
//! All decisions need the text alone, so that a page in a browser decides as
//! the command line does: the delimiter ([`recognise`]), whether the first row
//! is a heading ([`is_heading`]), the columns of users, items and times
//! ([`choose`]), and how times are read ([`Times`]).

mod columns;
mod delimited;
mod delimiter;
mod heading;
mod items;
mod json_lines;
mod keep;
mod new_items;
mod rows;
mod times;
mod written;

pub(in crate::data) use columns::condition_column;
pub use columns::{Columns, Question, Role, Table, Wishes, choose, usual_names};
pub use delimited::{Delimited, Layout};
pub use delimiter::{Cut, recognise, rows};
pub use heading::is_heading;
pub use items::ItemStyle;
pub(in crate::data) use items::is_name;
pub use json_lines::JsonLines;
pub use keep::Condition;
pub use new_items::{ItemRows, read_item_rows};
pub use rows::{Field, Rows, Start, Visit, Wrong, note_wrong};
pub use times::{DateOrder, Moment, Times, Unit, readings};

use super::import::{DenseFeature, ImportOptions, ImportReport, Imported, assemble};
use super::reader::{Source, fault, quote};
use super::records::{Gather, Side};
use super::table::Table as Known;
use super::{BadLines, atomic};
use crate::{Error, Result};

/// The greatest number of notes on single files; a folder may hold thousands of
/// files.
const NOTES: usize = 12;

/// An import of tables: first the items, if a file lists them, then the
/// records.
pub struct Tables<'a> {
    options: &'a ImportOptions,
    /// The same options, with feature names as the columns spell them.
    chosen: ImportOptions,
    gather: Gather<'a>,
    report: ImportReport,
    /// The numbers of files with and without times.
    timed: (usize, usize),
}

impl std::fmt::Debug for Tables<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").field("report", &self.report).finish_non_exhaustive()
    }
}

impl<'a> Tables<'a> {
    /// An import that has read nothing yet.
    pub fn new(options: &'a ImportOptions) -> Self {
        let (users, items) = match &options.catalog {
            Some(catalog) => (Side::Frozen(&catalog.users), Side::Frozen(&catalog.items)),
            None => (Side::Seen(Known::default()), Side::Seen(Known::default())),
        };
        let gather = Gather::new(users, items, options.core.is_some(), options.screen.clone());
        let chosen = options.clone();
        Self { options, chosen, gather, report: ImportReport::default(), timed: (0, 0) }
    }

    /// Reads the items of a table: their names and features.
    ///
    /// # Errors
    /// If its columns are ambiguous, or it lists no items.
    pub fn items(&mut self, rows: &mut dyn Rows, style: ItemStyle, bad: &mut BadLines) -> Result<()> {
        if self.options.catalog.is_some() {
            return Ok(());
        }
        let (table, chosen) = items::read(rows, style, self.options, bad)?;
        self.chosen.item_features = chosen;
        self.gather.items = Side::Listed { table };
        Ok(())
    }

    /// Reads the items of a RecBole `.item` file.
    ///
    /// # Errors
    /// As [`super::read_atomic`] for the `.item` file.
    pub fn atomic_items(&mut self, source: Source<'_>, bad: &mut BadLines) -> Result<()> {
        if self.options.catalog.is_none() {
            self.gather.items = Side::Listed { table: atomic::table(source, "item", self.options, bad)? };
        }
        Ok(())
    }

    /// Reads the records of one file.
    ///
    /// # Errors
    /// If its columns are ambiguous, or dates can be read in two ways and no
    /// line decides which.
    pub fn records(&mut self, rows: &mut dyn Rows, bad: &mut BadLines) -> Result<()> {
        let ImportOptions { layout, person, keep, dates, .. } = self.options;
        let kept: Vec<&str> = keep.iter().map(|condition| condition.column.as_str()).collect();
        let columns = choose(rows.table(), &layout.columns, person.is_some(), &kept).map_err(|q| rows.ask(q))?;
        if columns.time.is_some() {
            self.timed.0 += 1
        } else {
            self.timed.1 += 1
        }
        let selected: Vec<usize> =
            std::iter::once(columns.item).chain(columns.user).chain(columns.time).chain(columns.kept).collect();
        let user_at = columns.user.map(|_| 1);
        let time_at = columns.time.map(|_| 1 + usize::from(user_at.is_some()));
        let kept_at = selected.len() - keep.len();
        let mut times = Times::new(*dates);
        // Records whose date order is still undecided, with their second
        // reading.
        let mut open: Vec<(usize, f64)> = Vec::new();
        let gather = &mut self.gather;
        let mut visit = |line: u64, fields: &[Field<'_>]| {
            let wrong = |field, (problem, hint)| Wrong { field, problem, hint };
            for (at, condition) in keep.iter().enumerate() {
                let place = kept_at + at;
                if !condition.holds(fields[place].text()).map_err(|why| wrong(Some(place), why))? {
                    gather.dropped += 1;
                    return Ok(());
                }
            }
            let moment = time_at
                .map(|at| match fields[at] {
                    Field::Seconds(seconds) => Ok(Moment::At(seconds)),
                    Field::Text(text) => times.read(text, line).map_err(|why| wrong(Some(at), why)),
                })
                .transpose()?;
            let (time, other) = match moment {
                None => (None, None),
                Some(Moment::At(time)) => (Some(time), None),
                Some(Moment::Either { day_first, month_first }) => (Some(day_first), Some(month_first)),
            };
            let user = user_at.map_or_else(|| person.as_deref().unwrap_or_default(), |at| fields[at].text());
            let taken = gather.take(user, fields[0].text(), time).map_err(|bad| {
                let field = if bad.of_item { Some(0) } else { user_at };
                wrong(field, (bad.problem, bad.hint))
            })?;
            if let (Some(place), Some(other)) = (taken, other) {
                open.push((place, other));
            }
            Ok(())
        };
        self.report.lines += rows.each(&selected, bad, &mut visit)?;
        if let Some((line, text)) = times.undecided() {
            return Err(ask_about_dates(rows.file(), line, text));
        }
        if times.order() == Some(DateOrder::MonthFirst) {
            for (place, time) in open {
                self.gather.records[place].timestamp = Some(time);
            }
        }
        for note in times.notes(rows.file()) {
            if self.report.notes.len() < NOTES {
                self.report.notes.push(note);
            }
        }
        Ok(())
    }

    /// Assembles the imported data. `dense` holds item features from other
    /// files.
    ///
    /// # Errors
    /// If there are no records, if more lines are bad than may be skipped, or
    /// if options do not fit the data.
    pub fn finish(mut self, dataset: String, dense: Vec<DenseFeature>, bad: &BadLines) -> Result<Imported> {
        if self.gather.records.is_empty() {
            bad.settle()?;
            let problem = match (self.report.lines, self.gather.dropped, self.gather.forgotten) {
                (0, ..) => "there are no rows below the heading",
                (_, 0, 0) => "there are no records",
                (_, 0, _) => "every record was forgotten before",
                _ => "no record meets the conditions of --keep or --min-value",
            };
            return Err(fault(&dataset, 0, 0, problem, "Check that these are the right files"));
        }
        match self.timed {
            (0, _) => {
                self.report.notes.push("the data has no timestamps: a keyed hash orders each user's records".into());
            }
            (_, 0) => {}
            (with, without) => self.report.notes.push(format!(
                "{with} files have times and {without} have none: records without a time come where a time of 0 would"
            )),
        }
        if self.options.catalog.is_none()
            && matches!(self.gather.items, Side::Seen(_))
            && let Some(wanted) = self.options.item_features.as_ref().and_then(|names| names.first())
            && dense.iter().all(|feature| feature.name != *wanted)
        {
            let problem = format!("no item feature {}: give the file of items with --items", quote(wanted));
            return Err(Error::Config(problem));
        }
        assemble(dataset, self.gather, dense, &self.chosen, bad, self.report)
    }
}

fn ask_about_dates(file: &str, line: u64, text: &str) -> Error {
    let (day, month) = readings(text).unwrap_or_default();
    let problem = format!("the date {} is {day} or {month}, and no line of the file decides", quote(text));
    let hint = format!("Say --dates day-first for {day}, or --dates month-first for {month}");
    fault(file, line, 0, problem, hint)
}

#[cfg(test)]
mod tests {
    use super::super::{Duplicates, Screen};
    use super::*;

    fn read(text: &str, options: &ImportOptions) -> Result<Imported> {
        let mut bad = BadLines::new(options.skip_bad);
        let mut tables = Tables::new(options);
        let mut rows = Delimited::open(Source::new("f.csv", text.as_bytes()), &options.layout)?;
        tables.records(&mut rows, &mut bad)?;
        tables.finish("f".into(), vec![], &bad)
    }

    fn with(change: impl FnOnce(&mut ImportOptions)) -> ImportOptions {
        let mut options = ImportOptions::default();
        change(&mut options);
        options
    }

    fn times(text: &str, options: &ImportOptions) -> Vec<f64> {
        read(text, options).unwrap().records.iter().map(|r| r.timestamp.unwrap()).collect()
    }

    #[test]
    fn identifiers_are_text() {
        let read = read("user,item\n7,a\n07,a\n7.0,a\n 7,a\n", &ImportOptions::default()).unwrap();
        assert!(read.catalog.users.ids.iter().eq([" 7", "07", "7", "7.0"].iter()), "{:?}", read.catalog.users.ids);
        assert!(read.report.notes[0].contains("no timestamps"));
    }

    #[test]
    fn bad_lines_are_counted_named_and_left_out() {
        let text = "who,what,when\na,x,1\n ,x,2\na,,3\na,y,never\na,z,4\n";
        let error = read(text, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("f.csv, line 3, column 1: the user identifier is blank"), "{error}");
        assert!(error.contains("3 lines are bad") && error.contains("--skip-bad 3"), "{error}");
        let read = read(text, &with(|o| o.skip_bad = 3)).unwrap();
        assert_eq!((read.records.len(), read.report.bad_lines, read.report.lines), (2, 3, 5));
    }

    #[test]
    fn a_later_line_decides_all_dates() {
        let text = "who,what,when\na,x,04/10/22\na,y,10/14/22\n";
        let seconds = |text: &str| match Times::new(None).read(text, 0) {
            Ok(Moment::At(time)) => time,
            other => panic!("{other:?}"),
        };
        assert_eq!(times(text, &ImportOptions::default()), [seconds("2022-04-10"), seconds("2022-10-14")]);
        let open = "who,what,when\na,x,04/10/22\na,y,10/11/22\n";
        let error = read(open, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains("4 October 2022 or 10 April 2022") && error.contains("--dates month-first"), "{error}");
        let declared = with(|o| o.dates = Some(DateOrder::DayFirst));
        assert_eq!(times(open, &declared), [seconds("2022-10-04"), seconds("2022-11-10")]);
    }

    #[test]
    fn conditions_and_duplicates_decide_what_counts() {
        let text = "user,item,type,rating,ts\na,x,view,,1\na,x,buy,5,2\na,x,buy,4,9\nb,x,buy,3,3\n";
        let buys = |o: &mut ImportOptions| o.keep = vec!["event in (buy)".parse().unwrap(), Condition::at_least(4.0)];
        let found = read(text, &with(buys)).unwrap();
        assert_eq!((found.records.len(), found.report.dropped), (2, 2));
        let last = with(|o| {
            buys(o);
            o.duplicates = Some(Duplicates::Last);
        });
        let found = read(text, &last).unwrap();
        assert_eq!((found.records[0].timestamp, found.report.duplicates), (Some(9.0), 1));
        let none = with(|o| o.keep = vec!["type = never".parse().unwrap()]);
        assert!(read(text, &none).unwrap_err().to_string().contains("no record meets"));
    }

    #[test]
    fn what_was_forgotten_stays_out() {
        let screen = Screen::new(|user, item| user == "a" && item.is_none() || (user, item) == ("b", Some("y")));
        let options = with(|o| o.screen = Some(screen));
        let read = read("user,item\na,x\na,y\nb,x\nb,y\n", &options).unwrap();
        assert_eq!((read.catalog.users.ids.iter().collect::<Vec<_>>(), read.records.len()), (vec![&"b".to_owned()], 1));
        assert_eq!((read.report.forgotten_records, read.report.forgotten_users), (3, 1));
        assert!(read.catalog.items.ids.iter().eq(["x"].iter()), "{:?}", read.catalog.items.ids);
    }

    #[test]
    fn one_person_needs_no_column() {
        let options = with(|o| o.person = Some("me".into()));
        let read = read("Title;Date\n\"A, \"\"b\"\"\";27.01.23\nE;08.12.22\n", &options).unwrap();
        assert!(read.catalog.users.ids.iter().eq(["me"].iter()), "{:?}", read.catalog.users.ids);
        assert!(read.catalog.items.ids.iter().eq(["A, \"b\"", "E"].iter()), "{:?}", read.catalog.items.ids);
    }
}
