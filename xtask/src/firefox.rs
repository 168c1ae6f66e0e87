//! Runs the main user journeys in Firefox. The browser comes from the system, its
//! driver from crates.io.

use std::path::PathBuf;

use crate::checks::BROWSER_TESTS;
use crate::report::End;
use crate::{place, run};

/// The tested release of the driver.
const RELEASE: &str = "0.37.1";

/// The step; `dist/` must be built.
pub(crate) fn step() -> End {
    if !run::answers(run::program("firefox-esr").arg("--version")) {
        return End::NotRun("`firefox-esr` is not installed; Debian's package is firefox-esr".into());
    }
    match driver() {
        Ok(folder) => journeys(&folder).into(),
        Err(why) => End::NotRun(format!("geckodriver could not be installed from crates.io: {why}")),
    }
}

/// A folder with `geckodriver`, installed the first time.
fn driver() -> Result<PathBuf, String> {
    let home = place::target()?.join(format!("geckodriver-{RELEASE}"));
    let folder = home.join("bin");
    if !run::answers(run::program(folder.join("geckodriver")).arg("--version")) {
        let mut install = run::cargo(&["install", "--locked", "--version", RELEASE, "geckodriver", "--root"])?;
        run::pass(install.arg(&home))?;
    }
    Ok(folder)
}

fn journeys(driver: &std::path::Path) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([driver.to_path_buf()].into_iter().chain(std::env::split_paths(&path)))
        .map_err(|why| format!("PATH: {why}"))?;
    let mut command = run::cargo(&["test", "--workspace", "--features", BROWSER_TESTS, "--test", "web_journeys"])?;
    run::pass(command.env("PATH", path).env("EEMU_BROWSER", "firefox"))
}
