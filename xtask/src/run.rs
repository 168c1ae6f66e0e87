//! Calling other programs.

use std::ffi::OsStr;
use std::process::{Command, ExitCode, Stdio};

use crate::{Outcome, place};

/// A program, to be run in the checkout's top folder.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(place::root());
    // Cargo sets variables for this program that build scripts watch. If they were passed
    // on, those scripts, and Burn with them, would be built again after every plain `cargo
    // build`.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"].contains(&name.as_ref()) {
            command.env_remove(&key);
        }
    }
    command
}

/// The cargo that runs this program, with its target folder.
pub(crate) fn cargo(args: &[&str]) -> Result<Command, String> {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // As an absolute path: a relative CARGO_TARGET_DIR would mean another folder from
    // here.
    command.args(args).env("CARGO_TARGET_DIR", place::target()?);
    Ok(command)
}

/// Runs a program with this process's input and output; an error when it fails.
pub(crate) fn pass(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|why| not_started(command, &why))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", shown(command))) }
}

/// Runs a program with this process's input and output, and returns its exit code.
pub(crate) fn hand_over(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|why| not_started(command, &why))?;
    // A program that a signal ended has no exit code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Standard output of a program. If it fails, the error has its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|why| not_started(command, &why))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
    Err(format!("`{}` ended with {} ({last})", shown(command), output.status))
}

/// Whether a program is installed and runs.
pub(crate) fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command line for messages, without settings (`-o key=value`), which hide the
/// command itself.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    let mut args = command.get_args();
    while let Some(arg) = args.next() {
        if arg == "-o" {
            args.next();
        } else {
            words.push(arg.to_string_lossy());
        }
    }
    words.join(" ")
}

fn not_started(command: &Command, why: &std::io::Error) -> String {
    format!("`{}` could not be started: {why}", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named() {
        let message = pass(&mut program("no-such-program-here")).unwrap_err();
        assert!(message.contains("no-such-program-here"), "{message}");
        assert!(!answers(&mut program("no-such-program-here")));
    }

    #[cfg(unix)]
    #[test]
    fn failure_carries_the_last_words() {
        let message = output(program("sh").args(["-c", "echo first >&2; echo last words >&2; exit 3"])).unwrap_err();
        assert!(message.contains("last words") && message.contains('3'), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn build_scripts_do_not_see_what_cargo_set_for_us() {
        let seen = output(&mut program("env")).unwrap();
        assert!(
            !seen.lines().any(|line| line.starts_with("CARGO_PKG_") || line.starts_with("CARGO_MANIFEST_")),
            "{seen}"
        );
    }
}
