//! `cargo xtask pictures`: takes the screenshots of the README and the book.

use crate::{Outcome, demo, place, run, web};

/// The folder of the screenshots.
const FOLDER: &str = "docs/pictures";

/// Builds the app and takes them.
pub(crate) fn run() -> Outcome {
    demo::build()?;
    web::build()?;
    let folder = place::root().join(FOLDER);
    run::pass(run::program(place::built("pictures")?).arg(&folder))?;
    println!("the pictures are in {FOLDER}/");
    Ok(std::process::ExitCode::SUCCESS)
}
