//! `cargo xtask bench-serve`: what serving costs, on the built-in data or on a
//! trained state.

use std::path::{Path, PathBuf};

use crate::{Outcome, demo, place, run};

pub(crate) fn run(args: &[String]) -> Outcome {
    demo::build()?;
    on_a_state("bench_serve", args)
}

/// `cargo xtask bench-scale`: what a change costs as the data grow.
pub(crate) fn scale(args: &[String]) -> Outcome {
    demo::build()?;
    run::hand_over(run::program(place::built("bench_scale")?).args(args))
}

/// Runs a benchmark of a trained state with all arguments. Without `--state` it uses a
/// state of the built-in data, which it makes the first time.
pub(crate) fn on_a_state(program: &str, args: &[String]) -> Outcome {
    let mut command = run::program(place::built(program)?);
    let mut words = args.iter();
    let mut named = false;
    while let Some(word) = words.next() {
        command.arg(word);
        if word == "--state" {
            named = true;
            let dir = words.next().ok_or("`--state` wants a directory after it")?;
            command.arg(std::path::absolute(dir).map_err(|why| format!("`{dir}`: {why}"))?);
        }
    }
    if !named {
        command.arg("--state").arg(built_in(&place::target()?.join("bench-serve"))?);
    }
    run::hand_over(&mut command)
}

/// A trained state of the built-in data with every record in training; made if it does
/// not exist.
pub(crate) fn built_in(folder: &Path) -> Result<PathBuf, String> {
    let state = folder.join("state");
    let eemu = place::built("eemu")?;
    if !state.join("eemu.sqlite").is_file() {
        std::fs::create_dir_all(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        let mut import = run::program(&eemu);
        import.args(["import", "--data", "built-in", "--holdout", "none", "--seed", "1", "--state"]).arg(&state);
        run::pass(&mut import)?;
    }
    // Trains the shards that an interrupted call, or another build, left to train.
    run::pass(run::program(&eemu).args(["train", "--profile", "small", "--state"]).arg(&state))?;
    Ok(state)
}
