//! Progress for people: one bar a shard, on standard error.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Steps of a bar within one epoch.
const FINENESS: u64 = 100;

/// Where progress goes.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
    plain: bool,
    quiet: bool,
}

impl Progress {
    /// Bars on a terminal, a line for every finished piece elsewhere, nothing
    /// when `quiet`.
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
        Bar { bar, plain: self.plain && !self.quiet, label: label.to_owned() }
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
}

impl Bar {
    /// `done` units and a fraction of the next, and what to say beside it.
    pub fn set(&self, done: u64, fraction: f64, message: &str) {
        self.bar.set_position(done * FINENESS + (fraction * FINENESS as f64) as u64);
        self.bar.set_message(message.to_owned());
    }

    /// The work is done.
    pub fn finish(&self, message: &str) {
        self.bar.finish_with_message(message.to_owned());
        if self.plain {
            eprintln!("{:>12}  {message}", self.label);
        }
    }
}
