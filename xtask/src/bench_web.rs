//! `cargo xtask bench-web`: what the browser app costs, on the built-in data
//! or on a trained state.

use crate::{Outcome, bench_serve, demo, web};

/// Builds the app, then measures it as `bench-serve` does.
pub(crate) fn run(args: &[String]) -> Outcome {
    demo::build()?;
    web::build()?;
    bench_serve::on_a_state("bench_web", args)
}
