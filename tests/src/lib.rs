//! Checks that cross rooms: golden cases, a slow reference, worlds to test in,
//! a service, a browser.

pub mod browser;
pub mod bucket;
pub mod command;
pub mod golden;
pub mod killing;
pub mod moto;
pub mod postgres;
pub mod proxy;
pub mod service;
pub mod shop;
pub mod slow;
pub mod worlds;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The program, built beside this test.
///
/// # Errors
/// When it was not built.
pub fn program() -> Result<PathBuf> {
    // Beside a program of this crate, or above a test.
    let own = std::env::current_exe()?;
    let named = |folder: &Path| folder.join("eemu").with_extension(std::env::consts::EXE_EXTENSION);
    let program = own.ancestors().skip(1).take(2).map(named).find(|program| program.is_file());
    let program = program.context("the eemu program is missing; run first: cargo build --workspace")?;
    Ok(program)
}
