//! Rows of a table, independent of the file format.

use super::super::BadLines;
use super::super::reader::fault;
use super::columns::{Question, Table};
use crate::{DataError, Error, Result};

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Text, unchanged.
    Text(&'a str),
    /// A time from a typed column of the file, in seconds since 1970.
    Seconds(f64),
}

impl<'a> Field<'a> {
    /// The text; blank for a time.
    pub(super) fn text(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Seconds(_) => "",
        }
    }
}

/// A fault of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Index of the faulty field among the selected ones, if one field is at
    /// fault.
    pub field: Option<usize>,
    /// The problem.
    pub problem: String,
    /// How to correct it.
    pub hint: String,
}

/// A function that takes the line number and the selected fields of a row.
pub type Visit<'v> = dyn FnMut(u64, &[Field<'_>]) -> std::result::Result<(), Wrong> + 'v;

/// What is known of a table before it is read as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// Its name in messages.
    pub file: String,
    /// The headings of its columns; their numbers if there is no heading.
    pub headings: Vec<String>,
    /// Some of the first rows.
    pub sample: Vec<Vec<String>>,
}

/// A table in any file format.
pub trait Rows {
    /// What is known of it before it is read as a whole.
    fn start(&self) -> &Start;

    /// Its name in messages.
    fn file(&self) -> &str {
        &self.start().file
    }

    /// The names of its columns.
    fn headings(&self) -> &[String] {
        &self.start().headings
    }

    /// Calls `visit` with every row's fields of the `selected` columns, in that
    /// order. Rows that cannot be read, and rows that `visit` refuses, are
    /// counted as bad lines. Returns the number of rows.
    ///
    /// # Errors
    /// If the file cannot be read further.
    fn each(&mut self, selected: &[usize], bad: &mut BadLines, visit: &mut Visit<'_>) -> Result<u64>;

    /// The headings and the sample, from which columns are chosen.
    fn table(&self) -> Table<'_> {
        Table { headings: self.headings(), sample: &self.start().sample }
    }

    /// Turns a question about the file into an error of its first line.
    fn ask(&self, question: Question) -> Error {
        fault(self.file(), 1, 0, question.problem, question.hint)
    }
}

/// Counts a faulty row as a bad line. `selected` are the columns of its fields.
pub fn note_wrong(bad: &mut BadLines, file: &str, line: u64, selected: &[usize], wrong: Wrong) {
    let column = wrong.field.and_then(|field| selected.get(field)).map_or(0, |place| *place as u64 + 1);
    bad.push(DataError { file: file.to_owned(), line, column, problem: wrong.problem, hint: wrong.hint });
}
