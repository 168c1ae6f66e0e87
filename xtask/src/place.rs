//! Finds the checkout, and what cargo built.

use std::path::{Path, PathBuf};

/// The checkout's top folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it runs this program. A binary started by hand uses the
    // path that it was compiled in.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// The folder of the built programs: the one that this program runs from. That is right
/// however the target folder was set (variable, configuration, default).
fn programs() -> Result<PathBuf, String> {
    let me = std::env::current_exe().map_err(|why| format!("can't tell where this program lies: {why}"))?;
    me.parent().map(Path::to_path_buf).ok_or_else(|| format!("{} lies in no folder", me.display()))
}

/// cargo's target folder.
pub(crate) fn target() -> Result<PathBuf, String> {
    let programs = programs()?;
    Ok(programs.parent().map_or_else(|| programs.clone(), Path::to_path_buf))
}

/// A program that `cargo build --workspace` has built.
pub(crate) fn built(name: &str) -> Result<PathBuf, String> {
    let path = programs()?.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("the build left no {}; does the workspace still have a program `{name}`?", path.display()))
    }
}
