//! Programs from crates.io, each in a tested release, in a folder of its own under the
//! target folder.

use std::path::PathBuf;

use crate::{place, run};

/// The program, installed the first time; `choices` are arguments of `cargo install`.
pub(crate) fn program(name: &str, release: &str, choices: &[&str]) -> Result<PathBuf, String> {
    let home = place::target()?.join(format!("{name}-{release}"));
    let program = home.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !run::answers(run::program(&program).arg("--version")) {
        let mut install = run::cargo(&["install", "--locked", "--version", release, name])?;
        let installed = run::pass(install.args(choices).arg("--root").arg(&home));
        installed.map_err(|why| format!("{name} could not be installed from crates.io: {why}"))?;
    }
    Ok(program)
}
