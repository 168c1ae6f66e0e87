//! Builds the standard library for the wasm target from its source.
//!
//! Cargo can do so (`-Zbuild-std`) when the source is in the compiler's sysroot. The
//! toolchain's sysroot has none. So cargo gets another sysroot: a folder that links to
//! the real one's libraries for this machine and adds the source.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::TARGET;
use super::toolchain::Toolchain;
use crate::run;

/// The empty crate whose build makes cargo build the library.
const EMPTY: &str = "nothing";

/// Returns the built libraries, without the empty crate's own.
pub(super) fn build(toolchain: &Toolchain, source: &Path, cache: &Path) -> Result<Vec<PathBuf>, String> {
    let sysroot = cache.join("sysroot");
    let rustc = overlay(toolchain, source, &sysroot).map_err(|why| format!("{}: {why}", sysroot.display()))?;
    let package = cache.join(EMPTY);
    empty_crate(&package).map_err(|why| format!("{}: {why}", package.display()))?;

    eprintln!("building the standard library for {TARGET} (about a minute)");
    let target = cache.join("target");
    let mut cargo = run::cargo(&["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort,proc_macro"])?;
    cargo
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTC", rustc)
        .env("EEMU_RUSTC", toolchain.sysroot.join("bin/rustc"))
        .env("EEMU_SYSROOT", &sysroot)
        // Lets a stable compiler build its own library.
        .env("RUSTC_BOOTSTRAP", "1")
        // The project's flags for the target do not apply to the library.
        .env("CARGO_ENCODED_RUSTFLAGS", "")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    run::pass(&mut cargo)?;

    let deps = target.join(TARGET).join("release/deps");
    let entries = fs::read_dir(&deps).map_err(|why| format!("{} can't be read: {why}", deps.display()))?;
    let own = format!("lib{EMPTY}-");
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".rlib") && !name.starts_with(&own)
    };
    let libraries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(wanted).collect();
    if libraries.is_empty() { Err(format!("cargo left no library in {}", deps.display())) } else { Ok(libraries) }
}

/// Makes the second sysroot, and a `rustc` that uses it.
fn overlay(toolchain: &Toolchain, source: &Path, sysroot: &Path) -> std::io::Result<PathBuf> {
    if sysroot.exists() {
        fs::remove_dir_all(sysroot)?;
    }
    let rustlib = sysroot.join("lib/rustlib");
    fs::create_dir_all(rustlib.join("src"))?;
    symlink(source, rustlib.join("src/rust"))?;
    symlink(toolchain.sysroot.join("lib/rustlib").join(&toolchain.host), rustlib.join(&toolchain.host))?;
    let rustc = sysroot.join("rustc");
    fs::write(&rustc, "#!/bin/sh\nexec \"$EEMU_RUSTC\" --sysroot \"$EEMU_SYSROOT\" \"$@\"\n")?;
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755))?;
    Ok(rustc)
}

fn empty_crate(package: &Path) -> std::io::Result<()> {
    fs::create_dir_all(package.join("src"))?;
    // A workspace of its own, because the target folder may be inside the checkout.
    let manifest = format!("[package]\nname = \"{EMPTY}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n");
    fs::write(package.join("Cargo.toml"), manifest)?;
    fs::write(package.join("src/lib.rs"), "#![no_std]\n")
}
