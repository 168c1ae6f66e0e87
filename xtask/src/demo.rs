//! `cargo xtask demo`: build, then the program's own demo.

use crate::{Outcome, place, run};

pub(crate) fn run(args: &[String]) -> Outcome {
    build()?;
    run::hand_over(run::program(place::built("eemu")?).arg("demo").args(args))
}

/// Builds everything. Always the whole workspace: building one member would choose
/// other features for the shared dependencies, and compile Burn a second time.
pub(crate) fn build() -> Result<(), String> {
    eprintln!("building (the first time takes minutes, most of them for the tensor library) ...");
    run::pass(&mut run::cargo(&["build", "--workspace"])?)
}
