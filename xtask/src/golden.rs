//! `cargo xtask golden [DIR] [--device NAME]`: the golden cases.

use std::path::Path;

use crate::{Outcome, demo, place, run};

/// The default folder of the cases.
pub(crate) const DIR: &str = "tests/golden";

pub(crate) fn run(args: &[String]) -> Outcome {
    let device = demo::device(args)?;
    let at = args.iter().position(|arg| arg == "--device").unwrap_or(args.len());
    let rest: Vec<&String> = args[..at].iter().chain(args.iter().skip(at + 2)).collect();
    let dir = match rest[..] {
        [] => place::root().join(DIR),
        [dir] if !dir.starts_with('-') => std::path::absolute(dir).map_err(|why| format!("`{dir}`: {why}"))?,
        _ => return Err("`golden` takes at most one folder, and --device with a name".into()),
    };
    if !dir.is_dir() {
        return Err(format!("{} is not a folder; name one that holds cases (*.json)", dir.display()));
    }
    demo::build_for(args)?;
    run::hand_over(command(&dir)?.args(["--device", device]))
}

/// The command that compares; it must be built already.
pub(crate) fn command(dir: &Path) -> Result<std::process::Command, String> {
    let mut command = run::program(place::built("golden")?);
    command.arg(dir);
    Ok(command)
}
