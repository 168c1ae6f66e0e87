//! What to forget, from flags or from a table.

use std::fmt;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use eemu_core::dataset::Dataset;
use eemu_core::receipt::{Asked as Parts, AskedPart};
use eemu_core::unlearn::{everything_before, everything_of, everything_with};
use eemu_core::{DataError, quote};

use crate::cli::AskedArgs;
use crate::cli::numbers::time;
use crate::forgetting::Request;
use crate::reading::csv_problem;

/// The longest table that is read, in bytes; far longer than any list of real requests.
const LONGEST: u64 = 64 << 20;

const HINT: &str = "Each line is USER,ITEM as in the imported files, or USER,,all for a whole account, or with \
                    --heading what its first line names: user, item, all, before. Quote what holds a comma. Nothing \
                    was removed";

/// What to forget, and the names that the catalogue does not have.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) unknown: Vec<Unknown>,
}

/// A name that is not in the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Its line in the table; `None` for a flag.
    pub(crate) line: Option<u64>,
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{} {}", self.kind, quote(&self.id))
    }
}

/// What one line of the table, or the flags, ask for.
#[derive(Debug)]
pub(crate) struct Line {
    number: Option<u64>,
    pub(crate) part: AskedPart,
}

/// Parses what is asked for; needs no state.
///
/// # Errors
/// When a table cannot be read, or a line of it asks for nothing that can be done.
pub(crate) fn lines(args: &AskedArgs) -> Result<Vec<Line>> {
    let Some(path) = &args.file else {
        let (user, item, before) = (args.user.clone(), args.item.clone(), args.before);
        return Ok(vec![Line { number: None, part: AskedPart { user, item, before, account: args.all } }]);
    };
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LONGEST + 1).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text))
    };
    read.with_context(|| format!("cannot read {name}"))?;
    if text.len() as u64 > LONGEST {
        bail!("{name} is longer than {} MB; split it. Nothing was removed", LONGEST >> 20);
    }
    of_table(&name, &text, args.heading)
}

/// Which column of a table has what.
struct Places {
    user: usize,
    item: Option<usize>,
    all: Option<usize>,
    before: Option<usize>,
    /// The most columns that a line may have.
    most: usize,
}

impl Places {
    /// The columns by a heading.
    fn named(heading: &csv::StringRecord) -> Option<Self> {
        let at = |names: &[&str]| heading.iter().position(|column| names.contains(&column));
        let (user, item) = (at(&["user", "user_id"])?, at(&["item", "item_id"]));
        let (all, before) = (at(&["all"]), at(&["before"]));
        let known = 1 + [item, all, before].into_iter().flatten().count();
        (known == heading.len()).then_some(Self { user, item, all, before, most: heading.len() })
    }
}

/// The lines of a table.
fn of_table(file: &str, text: &[u8], heading: bool) -> Result<Vec<Line>> {
    let fault = |line: u64, column: u64, problem: String| DataError {
        file: file.to_owned(),
        line,
        column,
        problem,
        hint: HINT.into(),
    };
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut places = Places { user: 0, item: Some(1), all: Some(2), before: None, most: 3 };
    let (mut first, mut lines) = (heading, Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            fault(line, 0, csv_problem(&error))
        })?;
        let number = record.position().map_or(0, csv::Position::line);
        if std::mem::take(&mut first) {
            let named = Places::named(&record);
            places = named.ok_or_else(|| {
                let words: Vec<String> = record.iter().map(quote).collect();
                fault(number, 0, format!("the heading {} is none that is known", words.join(", ")))
            })?;
            continue;
        }
        if record.len() < 2 && places.most > 1 || record.len() > places.most {
            let fields = if record.len() == 1 { "1 field".to_owned() } else { format!("{} fields", record.len()) };
            return Err(fault(number, 0, format!("{fields}, and at most {} may stand", places.most)).into());
        }
        let at = |place: Option<usize>| place.and_then(|place| record.get(place)).filter(|text| !text.is_empty());
        let all = match at(places.all) {
            None => false,
            Some("all" | "true" | "1") => true,
            Some(other) => {
                let column = places.all.map_or(0, |place| place as u64 + 1);
                return Err(fault(number, column, format!("{} where only 'all' may stand", quote(other))).into());
            }
        };
        let before = at(places.before).map(|text| {
            let column = places.before.map_or(0, |place| place as u64 + 1);
            time(text).map_err(|hint| fault(number, column, format!("{} is no time: {hint}", quote(text))))
        });
        let before = before.transpose()?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (user, item) = (owned(at(Some(places.user))), owned(at(places.item)));
        let ways = [item.is_some(), all, before.is_some()].into_iter().filter(|way| *way).count();
        if user.is_none() || ways != 1 {
            let problem = "a line names a user, and an item or all or a time".to_owned();
            return Err(fault(number, 0, problem).into());
        }
        lines.push(Line { number: Some(number), part: AskedPart { user, item, before, account: all } });
    }
    Ok(lines)
}

impl Asked {
    /// Looks up in a catalogue what is asked for.
    pub(crate) fn of(lines: &[Line], dataset: &Dataset) -> Self {
        let mut asked = Self::default();
        asked.request.asked = Parts { parts: lines.iter().map(|line| line.part.clone()).collect() };
        lines.iter().for_each(|line| asked.take(dataset, line));
        asked
    }

    /// Adds what one line asks for.
    fn take(&mut self, dataset: &Dataset, line: &Line) {
        let part = &line.part;
        let (users, items) = (&dataset.catalog.users, &dataset.catalog.items);
        let user = part.user.as_ref().map(|id| users.find(id).filter(|user| !users.is_deleted(*user)));
        let item = part.item.as_ref().map(|id| items.find(id));
        let mut unknown = |kind, id: &Option<String>| {
            self.unknown.push(Unknown { line: line.number, kind, id: id.clone().unwrap_or_default() });
        };
        if user == Some(None) {
            unknown("user", &part.user);
        }
        if item == Some(None) {
            unknown("item", &part.item);
        }
        match (user, item) {
            (Some(Some(user)), Some(Some(item))) => self.request.records.push((user, item)),
            (None, Some(Some(item))) => {
                self.request.records.extend(everything_with(dataset, item));
                self.request.down.push(item);
            }
            (Some(Some(user)), None) => match part.before {
                Some(time) => self.request.records.extend(everything_before(dataset, user, time)),
                None => {
                    self.request.records.extend(everything_of(dataset, user));
                    self.request.accounts.push(user);
                }
            },
            _ => {}
        }
    }
}
