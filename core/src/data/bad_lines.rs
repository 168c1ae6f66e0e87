//! Lines that cannot be read: up to a given number they are skipped, and all
//! are counted and reported.

use crate::{DataError, Error, Result};

/// The greatest number of lines that are kept for the report.
const LISTED: usize = 100_000;

/// The lines of an import that could not be read.
#[derive(Debug, Clone, Default)]
pub struct BadLines {
    allowed: u64,
    count: u64,
    list: Vec<DataError>,
}

impl BadLines {
    /// An empty list, which allows `allowed` lines to be skipped.
    pub fn new(allowed: u64) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// How many bad lines there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first bad lines, in the order in which they were read.
    pub fn list(&self) -> &[DataError] {
        &self.list
    }

    pub(super) fn push(&mut self, fault: DataError) {
        self.count += 1;
        if self.list.len() < LISTED {
            self.list.push(fault);
        }
    }

    /// Records a fault of a line and returns `None` for it. An error that is
    /// not a fault of the data is returned as it is.
    pub(super) fn forgive<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::Data(fault)) => {
                self.push(fault);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// Fails if there are more bad lines than may be skipped: names the first,
    /// their number and the option to use.
    pub(super) fn settle(&self) -> Result<()> {
        let Some(first) = self.list.first().filter(|_| self.count > self.allowed) else { return Ok(()) };
        let mut fault = first.clone();
        fault.hint += &match self.count {
            1 => ". To leave the line out, write --skip-bad 1".to_owned(),
            count => format!(
                ". {count} lines are bad, this is the first: --bad-lines FILE lists them, --skip-bad {count} leaves \
                 them out"
            ),
        };
        Err(Error::Data(fault))
    }
}
