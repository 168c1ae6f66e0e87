//! Programs from PyPI, each in a virtual environment under the target folder.

use std::path::PathBuf;

use crate::{place, run};

/// A program of a release, installed the first time in a folder for that release;
/// `name` is for messages.
pub(crate) fn program(name: &str, release: &str, program: &str) -> Result<PathBuf, String> {
    let python = std::env::var("EEMU_PYTHON").unwrap_or_else(|_| "python3".into());
    if !run::answers(run::program(&python).args(["-c", "import venv, ensurepip"])) {
        return Err(format!("`{python}` is missing or has no venv; Debian's packages are python3 and python3-venv"));
    }
    let installed = || {
        let home = place::target()?.join(release.replace(['[', ']', '='], "-"));
        let bin = home.join(if cfg!(windows) { "Scripts" } else { "bin" });
        let program = bin.join(program);
        if !run::answers(run::program(&program).arg("--help")) {
            run::output(run::program(&python).args(["-m", "venv"]).arg(&home))?;
            run::output(run::program(bin.join("python")).args(["-m", "pip", "install", "--quiet", release]))?;
        }
        Ok(program)
    };
    installed().map_err(|why: String| format!("{name} could not be installed from PyPI: {why}"))
}
