//! The progress of an import.

use std::io::{self, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

use std::cell::{Cell, RefCell};

use crate::progress::{Bar, Progress};

/// How often the bar moves.
const OFTEN: Duration = Duration::from_millis(100);

/// Counts the bytes that were read, against the size of all files.
#[derive(Debug, Clone)]
pub(super) struct Meter(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    bar: Option<Bar>,
    total: u64,
    read: Cell<u64>,
    shown: Cell<Instant>,
    file: RefCell<String>,
}

impl Meter {
    /// A bar for `total` bytes; no bar without progress.
    pub(super) fn new(progress: Option<&Progress>, total: u64) -> Self {
        let bar = progress.map(|progress| progress.bar("read", 1));
        let inner =
            Inner { bar, total, read: Cell::new(0), shown: Cell::new(Instant::now()), file: RefCell::default() };
        Self(Rc::new(inner))
    }

    /// The next file starts.
    pub(super) fn begin(&self, file: &str) {
        file.clone_into(&mut self.0.file.borrow_mut());
    }

    /// Adds bytes that were read.
    pub(super) fn add(&self, bytes: u64) {
        let inner = &self.0;
        inner.read.set(inner.read.get() + bytes);
        let Some(bar) = &inner.bar else { return };
        if inner.shown.get().elapsed() < OFTEN {
            return;
        }
        inner.shown.set(Instant::now());
        let fraction = inner.read.get() as f64 / inner.total.max(1) as f64;
        bar.set(0, fraction.min(1.0), &inner.file.borrow());
    }

    /// Everything was read.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.0.bar {
            bar.clear();
        }
    }

    /// Counts the bytes that are read from a file.
    pub(super) fn watch<R: Read>(&self, file: R) -> Counted<R> {
        Counted { file, meter: self.clone() }
    }
}

/// A file whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted<R> {
    file: R,
    meter: Meter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.meter.add(count as u64);
        Ok(count)
    }
}
