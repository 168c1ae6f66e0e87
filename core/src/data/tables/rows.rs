//! Rows of a table, whatever file they stand in.

use super::super::BadLines;
use super::super::reader::fault;
use super::columns::{Question, Table};
use crate::{DataError, Error, Result};

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Text as it stands in the file.
    Text(&'a str),
    /// A time that the file's own types give, in seconds since 1970.
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

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Place among the fields that were asked for, if one field is to blame.
    pub field: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// Takes the fields of a row, and its line.
pub type Visit<'v> = dyn FnMut(u64, &[Field<'_>]) -> std::result::Result<(), Wrong> + 'v;

/// What is known of a table before it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// Its name in messages.
    pub file: String,
    /// The names of its columns; their numbers where nothing names them.
    pub headings: Vec<String>,
    /// Some of the first rows.
    pub sample: Vec<Vec<String>>,
}

/// A file that holds a table.
pub trait Rows {
    /// What is known of it before it is read.
    fn start(&self) -> &Start;

    /// Its name in messages.
    fn file(&self) -> &str {
        &self.start().file
    }

    /// The names of its columns.
    fn headings(&self) -> &[String] {
        &self.start().headings
    }

    /// Gives every row's fields of the `selected` columns, in that order. Rows
    /// that cannot be read, and those that `visit` refuses, become bad lines.
    /// Returns how many rows there were.
    ///
    /// # Errors
    /// When the file cannot be read further.
    fn each(&mut self, selected: &[usize], bad: &mut BadLines, visit: &mut Visit<'_>) -> Result<u64>;

    /// What is known of the table before its columns are chosen.
    fn table(&self) -> Table<'_> {
        Table { headings: self.headings(), sample: &self.start().sample }
    }

    /// A question about the file as an error of its first line.
    fn ask(&self, question: Question) -> Error {
        fault(self.file(), 1, 0, question.problem, question.hint)
    }
}

/// Notes a wrong row. `selected` are the columns whose fields it had.
pub fn note_wrong(bad: &mut BadLines, file: &str, line: u64, selected: &[usize], wrong: Wrong) {
    let column = wrong.field.and_then(|field| selected.get(field)).map_or(0, |place| *place as u64 + 1);
    bad.push(DataError { file: file.to_owned(), line, column, problem: wrong.problem, hint: wrong.hint });
}
