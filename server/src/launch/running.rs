//! One run of a command: a process group of its own, whose words go to a file.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::unit::TRY_AGAIN;

/// Between two looks at a command.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);

/// Lines of a command's words that a message repeats.
const LINES: usize = 8;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// With 0.
    Well,
    /// It may go well another time.
    Again(String),
    /// It would fail again.
    Failed(String),
}

/// Runs a command of the shell until it ends, or is not wanted any more.
pub(super) fn run(command: &str, log: &Path, wanted: impl Fn() -> bool) -> How {
    let started = start(command, log);
    let mut child = match started {
        Ok(child) => child,
        Err(problem) => return How::Failed(format!("the command cannot be started: {problem}")),
    };
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if wanted() => std::thread::sleep(LOOK),
            Ok(None) => match end(&mut child) {
                Ok(status) => break status,
                Err(problem) => return How::Failed(format!("the command cannot be ended: {problem}")),
            },
            Err(problem) => return How::Failed(format!("the command cannot be waited for: {problem}")),
        }
    };
    judge(status, log)
}

fn start(command: &str, log: &Path) -> std::io::Result<Child> {
    let words = File::options().create(true).append(true).open(log)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words);
    // So that all that it starts can be ended together.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell.spawn()
}

/// Asks the whole group to end, and ends it when that takes long.
fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    signal(child, false);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
    signal(child, true);
    child.kill()?;
    child.wait()
}

#[cfg(unix)]
fn signal(child: &Child, now: bool) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = if now { Signal::KILL } else { Signal::TERM };
    // A group that has ended need not be.
    let _ = group.map(|group| kill_process_group(group, signal));
}

#[cfg(not(unix))]
fn signal(_: &Child, _: bool) {}

fn judge(status: ExitStatus, log: &Path) -> How {
    let said = last_words(log);
    match status.code() {
        Some(0) => How::Well,
        Some(code) if code == i32::from(TRY_AGAIN) => How::Again(format!("the command asks to be run again{said}")),
        // What a shell says of a program that a signal ended.
        Some(code) if code > 128 => How::Again(format!("the command was ended by signal {}{said}", code - 128)),
        Some(code) => How::Failed(format!("the command ended with code {code}{said}")),
        None => How::Again(format!("the command was ended by a signal{said}")),
    }
}

fn last_words(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
    if last.is_empty() { String::new() } else { format!(", saying: {}", eemu_core::shown(&last)) }
}
