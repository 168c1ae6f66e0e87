//! A reader's own CSV, line by line, which nobody vouches for: what any such
//! file may be wrong in, whatever its columns mean.

use crate::say::told;
use std::ops::RangeInclusive;

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Longest name, in characters.
pub const MAX_NAME: usize = 80;

/// What is wrong with a file, as a sentence with its line and a next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFault {
    /// What was found where.
    pub problem: String,
    /// What to do.
    pub hint: String,
    /// Whether leaving the line out is a way on.
    pub skippable: bool,
}

impl std::fmt::Display for TableFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&told!("nothing-imported", problem = self.problem, hint = self.hint))
    }
}

impl std::error::Error for TableFault {}

impl TableFault {
    /// A fault that no line left out would mend.
    pub(crate) fn whole(problem: impl Into<String>, hint: &str) -> Self {
        Self { problem: problem.into(), hint: hint.into(), skippable: false }
    }

    fn line(line: u64, problem: impl std::fmt::Display) -> Self {
        let hint = told!("w-fix-the-line-or").into();
        Self { problem: told!("line-why", line = line.to_string(), why = problem.to_string()), hint, skippable: true }
    }
}

/// A line with the right number of columns.
pub(crate) struct Line<'a> {
    row: &'a csv::ByteRecord,
    /// From 1.
    pub(crate) number: u64,
    /// How many columns every line has.
    pub(crate) columns: usize,
}

impl Line<'_> {
    /// A fault of this line alone.
    pub(crate) fn fault(&self, problem: impl std::fmt::Display) -> TableFault {
        TableFault::line(self.number, problem)
    }

    fn text(&self, place: usize) -> Result<&str, TableFault> {
        std::str::from_utf8(&self.row[place]).map(str::trim).map_err(|_| self.fault(told!("w-the-text-is-not")))
    }

    /// A name that can be shown; `what` says whose.
    pub(crate) fn name(&self, place: usize, what: &str) -> Result<&str, TableFault> {
        let name = self.text(place)?;
        match name.chars().count() {
            0 => Err(self.fault(told!("w-the-is-blank", what))),
            n if n > MAX_NAME => Err(self.fault(told!("w-the-has-characters-at", what, n, max_name = MAX_NAME))),
            _ if name.chars().any(char::is_control) => Err(self.fault(told!("w-the-holds-a-control", what))),
            _ => Ok(name),
        }
    }

    /// A time; `None` where it is blank.
    pub(crate) fn time(&self, place: usize) -> Result<Option<f64>, TableFault> {
        let when = self.text(place)?;
        match when.parse::<f64>() {
            // Negative zero would sort before zero.
            Ok(time) if time.is_finite() => Ok(Some(time + 0.0)),
            _ if when.is_empty() => Ok(None),
            _ => {
                let shown: String = when.chars().take(24).collect();
                Err(self.fault(told!("w-is-not-a-number", shown)))
            }
        }
    }
}

/// Gives every line below the heading to `take`. `columns` is how many there
/// may be and `names` what they are. With `skip`, faulty lines are left out;
/// returns how many.
///
/// # Errors
/// With the first fault.
pub(crate) fn read(
    bytes: &[u8],
    skip: bool,
    columns: RangeInclusive<usize>,
    names: &str,
    mut take: impl FnMut(&Line) -> Result<(), TableFault>,
) -> Result<usize, TableFault> {
    if bytes.len() > MAX_BYTES {
        let size = bytes.len() as f64 / MAX_BYTES as f64;
        return Err(TableFault::whole(told!("w-the-file-has-mb", size = (size, 1)), told!("w-cut-it-down")));
    }
    if bytes.contains(&0) {
        return Err(TableFault::whole(told!("w-this-is-not-a"), told!("w-save-the-table-as")));
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    let mut skipped = 0;
    let mut expected = None;
    for row in reader.byte_records() {
        let row =
            row.map_err(|why| TableFault::whole(told!("w-the-file-cant-be", why), told!("w-save-it-again-as")))?;
        let number = row.position().map_or(0, csv::Position::line);
        let Some(expected) = expected else {
            if !columns.contains(&row.len()) {
                let (least, most) = (columns.start(), columns.end());
                let problem = told!(
                    "w-line-or-columns-expected",
                    number = number.to_string(),
                    least,
                    most,
                    names,
                    row = row.len()
                );
                return Err(TableFault::whole(problem, told!("w-keep-these-columns-with")));
            }
            expected = Some(row.len());
            continue;
        };
        let taken = if row.len() == expected {
            take(&Line { row: &row, number, columns: expected })
        } else {
            Err(TableFault::line(number, told!("w-columns-expected-found", expected, row = row.len())))
        };
        match taken {
            Err(fault) if skip && fault.skippable => skipped += 1,
            taken => taken?,
        }
    }
    Ok(skipped)
}
