//! Lines that cannot be read: left out up to a number, and always named.

use crate::{DataError, Error, Result};

/// How many lines are kept to be listed. A file whose every line is bad needs
/// no longer list.
const LISTED: usize = 100_000;

/// The lines of an import that could not be read.
#[derive(Debug, Clone, Default)]
pub struct BadLines {
    allowed: u64,
    count: u64,
    list: Vec<DataError>,
}

impl BadLines {
    /// Nothing yet, of which `allowed` may be left out.
    pub fn new(allowed: u64) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first of them, in the order in which they were read.
    pub fn list(&self) -> &[DataError] {
        &self.list
    }

    pub(super) fn push(&mut self, fault: DataError) {
        self.count += 1;
        if self.list.len() < LISTED {
            self.list.push(fault);
        }
    }

    /// Takes a result of one line; an error that is no fault of the data stays
    /// one.
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

    /// Refuses when there are more than may be left out: names the first, how
    /// many there are, and the way on.
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
