//! Measures wall-clock time and processor time.

use std::time::Instant;

/// Processor time of all threads so far, in seconds. On a busy machine it says more
/// than the clock. Linux counts it in hundredths of a second.
fn processor() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The state and the numbers follow the process name, which may hold any character.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// A stopwatch for wall-clock time and processor time.
#[derive(Debug)]
pub struct Watch {
    start: Instant,
    processor: Option<f64>,
}

impl Watch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), processor: processor() }
    }

    /// Seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Processor seconds of all threads since the start; `None` where the system does not
    /// count them.
    #[must_use]
    pub fn processor(&self) -> Option<f64> {
        processor().zip(self.processor).map(|(now, then)| now - then)
    }
}
