//! Progress for people: one bar per shard, on standard error.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Steps of a bar within one epoch.
const FINENESS: u64 = 100;

/// How often a line is printed where no bar can move.
const PAUSE: Duration = Duration::from_secs(5);

/// Where progress is shown.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
    plain: bool,
    quiet: bool,
}

impl Progress {
    /// Shows bars on a terminal. Elsewhere it prints a line every few seconds and for every
    /// finished piece. It shows nothing when `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { bars: MultiProgress::new(), plain: !std::io::stderr().is_terminal(), quiet }
    }

    /// A bar for `units` of work called `label`.
    pub fn bar(&self, label: &str, units: u64) -> Bar {
        let bar = if self.quiet || self.plain {
            ProgressBar::hidden()
        } else {
            self.bars.add(ProgressBar::new(units * FINENESS))
        };
        if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {bar:28} {percent:>3}%  {msg}  {eta} left") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        bar.set_prefix(label.to_owned());
        let now = Instant::now();
        Bar { bar, plain: self.plain && !self.quiet, label: label.to_owned(), units, said: Mutex::new((now, now)) }
    }

    /// A line for people, above the bars.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        if self.plain {
            eprintln!("{line}");
        } else {
            self.bars.suspend(|| eprintln!("{line}"));
        }
    }
}

/// One bar.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    plain: bool,
    label: String,
    units: u64,
    /// When the work began, and when a line was last printed.
    said: Mutex<(Instant, Instant)>,
}

impl Bar {
    /// Sets the bar to `done` units and a fraction of the next, with a message beside it.
    pub fn set(&self, done: u64, fraction: f64, message: &str) {
        self.bar.set_position(done * FINENESS + (fraction * FINENESS as f64) as u64);
        self.bar.set_message(message.to_owned());
        if self.plain {
            self.say((done as f64 + fraction) / self.units.max(1) as f64, message);
        }
    }

    /// Prints a line where there is no terminal, with the time that is left.
    fn say(&self, part: f64, message: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, last) = *said;
        if last.elapsed() < PAUSE || part <= 0.0 {
            return;
        }
        said.1 = Instant::now();
        let left = began.elapsed().as_secs_f64() * (1.0 - part).max(0.0) / part;
        eprintln!("{:>12}  {:.0}%  {message}  {left:.0} s left", self.label, part * 100.0);
    }

    /// The work is done; the bar disappears without a message.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// The work is done; the message stays.
    pub fn finish(&self, message: &str) {
        self.bar.finish_with_message(message.to_owned());
        if self.plain {
            eprintln!("{:>12}  {message}", self.label);
        }
    }
}
