//! Runs steps in order, and reports results, times, and what was not run.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How a step ended.
pub(crate) enum End {
    /// The step ran and passed.
    Passed,
    /// The step ran and failed.
    Failed(String),
    /// The step could not run here.
    NotRun(String),
}

impl From<Result<(), String>> for End {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<(&'static str, End, Duration)>,
    /// The only steps that run; all when it is empty.
    chosen: Vec<String>,
    /// The names of all steps, run or not.
    known: Vec<&'static str>,
}

impl Report {
    /// A report of the chosen steps; of all when none is chosen.
    pub(crate) fn of(chosen: Vec<String>) -> Self {
        Self { chosen, ..Self::default() }
    }

    /// Runs and times one step; true when it passed, or was not chosen.
    pub(crate) fn step<E: Into<End>>(&mut self, name: &'static str, run: impl FnOnce() -> E) -> bool {
        self.known.push(name);
        if !self.chosen.is_empty() && !self.chosen.iter().any(|step| step == name) {
            return true;
        }
        eprintln!("\n== {name}");
        let began = Instant::now();
        let end = run().into();
        let took = began.elapsed();
        match &end {
            End::Passed => eprintln!("== {name}: passed, {} min", minutes(took)),
            End::Failed(why) => eprintln!("== {name}: FAILED, {} min: {why}", minutes(took)),
            End::NotRun(why) => eprintln!("== {name}: not run: {why}"),
        }
        let passed = matches!(end, End::Passed);
        self.steps.push((name, end, took));
        passed
    }

    /// Records a step that was left out, without running anything.
    pub(crate) fn skip(&mut self, name: &'static str, why: &str) {
        self.steps.push((name, End::NotRun(why.to_owned()), Duration::ZERO));
    }

    /// Checks that every chosen name is a step.
    ///
    /// # Errors
    /// A sentence with the first unknown name, and the names of all steps.
    pub(crate) fn all_known(&self) -> Result<(), String> {
        match self.chosen.iter().find(|step| !self.known.contains(&step.as_str())) {
            None => Ok(()),
            Some(step) => Err(format!("there is no step `{step}`; choose of {}", self.known.join(", "))),
        }
    }

    /// Prints the table, the verdict and, at the end, what was not run.
    pub(crate) fn finish(&self, strict: bool) -> ExitCode {
        let (text, good) = self.render(strict);
        // Standard output may be cut short by `| head`; the exit code still counts.
        let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The closing text, and whether the result is a success. With `strict`, a step that
    /// was not run is a failure.
    fn render(&self, strict: bool) -> (String, bool) {
        let mut text = format!("\n{:<10} {:<8} {:>7}\n", "step", "result", "minutes");
        let (mut ran, mut failed, mut missing) = (0, Vec::new(), String::new());
        for (name, end, took) in &self.steps {
            let (word, took) = match end {
                End::Passed => ("passed", minutes(*took)),
                End::Failed(_) => ("FAILED", minutes(*took)),
                End::NotRun(_) => ("not run", "-".to_owned()),
            };
            let _ = writeln!(text, "{name:<10} {word:<8} {took:>7}");
            match end {
                End::Passed => ran += 1,
                End::Failed(why) => {
                    ran += 1;
                    failed.push((name, why));
                }
                End::NotRun(why) => {
                    let _ = writeln!(missing, "NOT RUN: {name}: {why}");
                }
            }
        }
        let total = self.steps.iter().map(|(_, _, took)| *took).sum();
        let _ = writeln!(text, "{:<10} {:<8} {:>7}\n", "all", "", minutes(total));
        for (name, why) in &failed {
            let _ = writeln!(text, "FAILED: {name}: {why}");
        }
        let _ = writeln!(text, "{} of {ran} steps that ran passed", ran - failed.len());
        let good = failed.is_empty() && ran > 0 && (missing.is_empty() || !strict);
        if failed.is_empty() && !good {
            text.push_str("that is not enough: what did not run counts as a failure here\n");
        }
        text.push_str(&missing);
        (text, good)
    }
}

fn minutes(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ends: Vec<End>) -> Report {
        let steps = ends.into_iter().map(|end| ("step", end, Duration::from_secs(90))).collect();
        Report { steps, ..Report::default() }
    }

    #[test]
    fn a_chosen_step_runs_alone_and_an_unknown_one_is_named() {
        let mut report = Report::of(vec!["book".into()]);
        assert!(report.step("tests", || Err("it must not run".to_owned())));
        assert!(report.step("book", || Ok(())));
        assert_eq!(report.steps.len(), 1);
        assert!(report.all_known().is_ok());
        let mut report = Report::of(vec!["bok".into()]);
        report.step("book", || Ok(()));
        let message = report.all_known().unwrap_err();
        assert!(message.contains("`bok`") && message.contains("book"), "{message}");
    }

    #[test]
    fn not_run_comes_last_and_fails_only_in_ci() {
        let report = report(vec![End::NotRun("no tool".into()), End::Passed]);
        let (text, good) = report.render(false);
        assert!(good);
        assert_eq!(text.lines().last(), Some("NOT RUN: step: no tool"));
        assert!(text.contains("1 of 1 steps"), "{text}");
        assert!(!report.render(true).1);
    }

    #[test]
    fn one_failure_is_a_failure() {
        let (text, good) = report(vec![End::Passed, End::Failed("broken".into()), End::Passed]).render(false);
        assert!(!good);
        assert!(text.contains("FAILED: step: broken") && text.contains("2 of 3 steps"), "{text}");
        assert!(text.contains("1.5"), "minutes are missing: {text}");
    }

    #[test]
    fn nothing_run_is_not_success() {
        assert!(!report(vec![]).render(false).1);
    }
}
