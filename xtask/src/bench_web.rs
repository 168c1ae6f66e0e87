//! `cargo xtask bench-web`: what the browser app costs, on the built-in data
//! or on a trained state.

use crate::{Outcome, bench_serve, demo, place, run, web};

/// Builds the app and hands everything on to the benchmark; without `--state`,
/// on the state of the built-in data that `bench-serve` uses too.
pub(crate) fn run(args: &[String]) -> Outcome {
    demo::build()?;
    web::build()?;
    let mut command = run::program(place::built("bench_web")?);
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
        command.arg("--state").arg(bench_serve::built_in(&place::target()?.join("bench-serve"))?);
    }
    run::hand_over(&mut command)
}
