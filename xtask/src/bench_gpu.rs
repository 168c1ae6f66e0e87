//! `cargo xtask bench-gpu`: what a GPU is worth, in one run.

use crate::{Outcome, bench, demo, given, place, run};

/// Builds for the device, then measures; peers where a Python has PyTorch.
pub(crate) fn run(args: &[String]) -> Outcome {
    // Without it the device is the one that this is for.
    let named = match given(args, "--device", "a name")? {
        Some(_) => args.to_vec(),
        None => [args, &["--device".to_owned(), "cuda".to_owned()]].concat(),
    };
    let data = bench::data_folder(&named)?;
    demo::build_for(&named)?;
    let mut command = run::program(place::built("bench_gpu")?);
    command.args(bench::absolute(&named, data.as_ref()));
    match bench::python_with_torch() {
        Ok(python) => {
            command.args(["--python", &python]);
        }
        Err(why) => eprintln!("NOT RUN: peers: {why}"),
    }
    run::hand_over(&mut command)
}
