//! Checks spelling (typos) and licences (cargo-deny), with programs from registries.

use crate::report::End;
use crate::{crates, place, pypi, run};

/// The tested releases.
const TYPOS: &str = "typos==1.52.0";
const DENY: &str = "0.20.2";

/// Checks the spelling of sources and documents.
pub(crate) fn spelling() -> End {
    match pypi::program("typos", TYPOS, "typos") {
        Ok(program) => run::pass(run::program(program).current_dir(place::root()).args(["--format", "brief"])).into(),
        Err(why) => End::NotRun(why),
    }
}

/// Checks licences, and the origins of crates. Advisories are a list on GitHub, which
/// this step does not download: `cargo deny check advisories`.
pub(crate) fn licences() -> End {
    match crates::program("cargo-deny", DENY, &[]) {
        Ok(program) => {
            let checks = ["check", "bans", "licenses", "sources"];
            run::pass(run::program(program).current_dir(place::root()).args(checks)).into()
        }
        Err(why) => End::NotRun(why),
    }
}
