//! The installed compiler: its version, and its libraries for the wasm target.

use std::fs;
use std::path::{Path, PathBuf};

use super::TARGET;
use crate::run;

/// Name of a file beside libraries that were built here; it states the compiler that
/// built them.
const STAMP: &str = "eemu-built-for";

pub(super) struct Toolchain {
    /// `rustc --print sysroot`.
    pub(super) sysroot: PathBuf,
    /// The triple of this machine.
    pub(super) host: String,
    /// For example `1.95.0`.
    pub(super) release: String,
    /// All of `rustc -vV`: libraries fit exactly one compiler, not one version number.
    identity: String,
}

impl Toolchain {
    /// The compiler that cargo uses in this checkout.
    pub(super) fn in_use() -> Result<Self, String> {
        let sysroot = run::output(run::program("rustc").args(["--print", "sysroot"]))?;
        let identity = run::output(run::program("rustc").arg("-vV"))?;
        let line = |key: &str| {
            let found = identity.lines().find_map(|line| line.strip_prefix(key));
            found.map(|value| value.trim().to_owned()).ok_or_else(|| format!("`rustc -vV` has no line `{key}`"))
        };
        Ok(Self { sysroot: sysroot.trim().into(), host: line("host:")?, release: line("release:")?, identity })
    }

    fn folder(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib").join(TARGET)
    }

    /// Whether there is a standard library for the target, built by this very compiler.
    pub(super) fn has_target(&self) -> bool {
        let there = fs::read_dir(self.folder().join("lib")).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libstd-") && name.ends_with(".rlib")
            })
        });
        there && self.stamp().is_none_or(|stamp| stamp == self.identity)
    }

    /// The compiler that built the libraries; `None` where rustup installed them.
    fn stamp(&self) -> Option<String> {
        fs::read_to_string(self.folder().join(STAMP)).ok()
    }

    /// Removes libraries that were built here for another compiler.
    pub(super) fn remove_stale(&self) -> Result<(), String> {
        if self.stamp().is_none() {
            return Ok(());
        }
        fs::remove_dir_all(self.folder()).map_err(|why| format!("{} can't be removed: {why}", self.folder().display()))
    }

    /// The library's source where rustup installs it (component rust-src), if it exists.
    #[cfg(unix)]
    pub(super) fn own_source(&self) -> Option<PathBuf> {
        let source = self.sysroot.join("lib/rustlib/src/rust");
        source.join("library/std/Cargo.toml").is_file().then_some(source)
    }

    /// Copies built libraries to where the compiler looks for them.
    #[cfg(unix)]
    pub(super) fn install(&self, libraries: &[PathBuf]) -> Result<(), String> {
        let lib = self.folder().join("lib");
        let failed = |path: &Path, why| format!("{} can't be written: {why}", path.display());
        fs::create_dir_all(&lib).map_err(|why| failed(&lib, why))?;
        // The stamp is written first, and names no compiler. So an interrupted copy counts as
        // built here, and is replaced.
        let stamp = self.folder().join(STAMP);
        fs::write(&stamp, "unfinished").map_err(|why| failed(&stamp, why))?;
        for library in libraries {
            let name = library.file_name().ok_or_else(|| format!("{} has no name", library.display()))?;
            let to = lib.join(name);
            fs::copy(library, &to).map_err(|why| failed(&to, why))?;
        }
        fs::write(&stamp, &self.identity).map_err(|why| failed(&stamp, why))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn toolchain(name: &str, identity: &str) -> Toolchain {
        let sysroot = std::env::temp_dir().join(format!("eemu-xtask-{}-{name}", std::process::id()));
        Toolchain { sysroot, host: "here".into(), release: "1.0.0".into(), identity: identity.into() }
    }

    #[test]
    fn libraries_of_another_compiler_do_not_count() {
        let old = toolchain("stale", "old");
        let built = old.sysroot.join("libstd-1.rlib");
        fs::create_dir_all(&old.sysroot).unwrap();
        fs::write(&built, "").unwrap();
        assert!(!old.has_target());
        old.install(&[built]).unwrap();
        assert!(old.has_target());

        let new = toolchain("stale", "new");
        assert!(!new.has_target());
        new.remove_stale().unwrap();
        assert!(!old.has_target());
        fs::remove_dir_all(&new.sysroot).unwrap();
    }

    #[test]
    fn what_rustup_put_there_is_left_alone() {
        let toolchain = toolchain("rustup", "any");
        let lib = toolchain.folder().join("lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libstd-2.rlib"), "").unwrap();
        assert!(toolchain.has_target());
        toolchain.remove_stale().unwrap();
        assert!(toolchain.has_target());
        fs::remove_dir_all(&toolchain.sysroot).unwrap();
    }
}
