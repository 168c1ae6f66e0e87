//! One run of a command: it has a process group of its own, and its output goes to a
//! file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::unit::TRY_AGAIN;

/// The time between two checks of a command.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// How long a command may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);

/// Bytes at the end of a command's output that are read.
const WORDS: u64 = 64 * 1024;

/// Lines of a command's output that a message repeats.
const LINES: usize = 8;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// With exit code 0.
    Well,
    /// It failed, but may succeed another time.
    Again(String),
    /// It failed, and would fail again.
    Failed(String),
}

/// Runs a command of the shell until it ends or is not wanted any more.
pub(super) fn run(command: &str, root: &Path, wanted: impl Fn() -> bool) -> How {
    let (mut child, words) = match start(command, root) {
        Ok(started) => started,
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
    judge(status, words)
}

/// Starts the command. Its output goes to a file without a name. A file in the shard's
/// folder would keep the folder from being removed on NFS, which renames deleted files
/// that are open. `root` is used where the system has no folder for temporary files.
fn start(command: &str, root: &Path) -> std::io::Result<(Child, File)> {
    let words = tempfile::tempfile().or_else(|_| tempfile::tempfile_in(root))?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words.try_clone()?);
    // So that all processes that it starts can be ended together.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    Ok((shell.spawn()?, words))
}

/// Asks the whole group to end, and kills it when that takes long. The shell may end
/// long before the processes that it started.
fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    signal(child, false);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if let Some(status) = child.try_wait()?
            && !goes_on(child)
        {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
    signal(child, true);
    child.wait()
}

#[cfg(unix)]
fn group(child: &Child) -> Option<rustix::process::Pid> {
    i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
}

/// Whether any process of the group is left, besides its shell.
#[cfg(unix)]
fn goes_on(child: &Child) -> bool {
    group(child).is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
}

#[cfg(not(unix))]
fn goes_on(_: &Child) -> bool {
    false
}

#[cfg(unix)]
fn signal(child: &mut Child, now: bool) {
    use rustix::process::{Signal, kill_process_group};
    let signal = if now { Signal::KILL } else { Signal::TERM };
    // A group that has ended need not be ended.
    let _ = group(child).map(|group| kill_process_group(group, signal));
}

#[cfg(not(unix))]
fn signal(child: &mut Child, now: bool) {
    if now {
        // A process that has ended need not be ended.
        let _ = child.kill();
    }
}

fn judge(status: ExitStatus, words: File) -> How {
    let said = last_words(words).unwrap_or_default();
    match status.code() {
        Some(0) => How::Well,
        Some(code) if code == i32::from(TRY_AGAIN) => How::Again(format!("the command asks to be run again{said}")),
        // The exit code of a shell whose program was ended by a signal.
        Some(code @ 129..=192) => How::Again(format!("the command was ended by signal {}{said}", code - 128)),
        Some(code) => How::Failed(format!("the command ended with code {code}{said}")),
        None => How::Again(format!("the command was ended by a signal{said}")),
    }
}

fn last_words(mut words: File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let length = words.metadata()?.len();
    words.seek(SeekFrom::Start(length.saturating_sub(WORDS)))?;
    words.take(WORDS).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
    Ok(if last.is_empty() { String::new() } else { format!(", saying: {}", eemu_core::shown(&last)) })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A shell ends when it is told to, whatever it started.
    #[test]
    fn what_a_shell_started_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let (begun, ended) = (place.path().join("begun"), place.path().join("ended"));
        let inner = format!(
            "trap \"sleep 0.5; echo x > '{}'; exit\" TERM; echo x > '{}'; while :; do sleep 0.05; done",
            ended.display(),
            begun.display()
        );
        let command = format!("sh -c '{}' & wait", inner.replace('\'', r"'\''"));
        run(&command, place.path(), || !begun.exists());
        assert!(ended.exists());
    }

    #[test]
    fn a_code_is_a_signal_where_there_is_such_a_signal() {
        let ended = |command: &str| run(command, Path::new("."), || true);
        let How::Again(said) = ended("echo so it is; exit 143") else { panic!("a signal may pass") };
        assert!(said.contains("signal 15, saying: so it is"), "{said}");
        let How::Failed(said) = ended("exit 255") else { panic!("no system has a signal 127") };
        assert!(said.contains("code 255"), "{said}");
        assert!(matches!(ended("exit 128"), How::Failed(_)));
    }
}
