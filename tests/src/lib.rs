//! Tests that need several crates: golden cases, a slow reference
//! implementation, data sets for tests, a service, a browser.

pub mod browser;
pub mod bucket;
pub mod command;
pub mod golden;
pub mod issuer;
pub mod killing;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod loopback;
pub mod made_up;
pub mod moto;
pub mod postgres;
pub mod proxy;
pub mod reading;
pub mod reference;
pub mod service;
pub mod shop;
pub mod slow;
pub mod worlds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The program, which was built beside this test.
///
/// # Errors
/// When it was not built.
pub fn program() -> Result<PathBuf> {
    // In the same folder as a program of this crate, or one folder above a
    // test.
    let own = std::env::current_exe()?;
    let named = |folder: &Path| folder.join("eemu").with_extension(std::env::consts::EXE_EXTENSION);
    let program = own.ancestors().skip(1).take(2).map(named).find(|program| program.is_file());
    let program = program.context("the eemu program is missing; run first: cargo build --workspace")?;
    Ok(program)
}

/// The exit code of a benchmark, which says what went wrong.
pub fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every Rust file below a folder, in order.
///
/// # Errors
/// When a folder cannot be read.
pub fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The figures of a benchmark that `--only` chooses.
///
/// # Errors
/// The first name that is not one of them.
pub fn chosen(only: &str, figures: &[&str]) -> Result<Vec<String>> {
    if let Some(unknown) = only.split(',').find(|figure| !figures.contains(figure)) {
        bail!("--only {unknown} is not understood; known: {}", figures.join(", "));
    }
    Ok(only.split(',').map(str::to_owned).collect())
}

/// Copies a folder with its contents.
///
/// # Errors
/// When it cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("no name")?);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Prints one figure of a benchmark to standard output, as one object a line.
pub fn say(what: &str, figures: &Value) {
    let mut line = json!({"what": what});
    if let (Some(line), Some(figures)) = (line.as_object_mut(), figures.as_object()) {
        line.extend(figures.clone());
    }
    println!("{line}");
}
