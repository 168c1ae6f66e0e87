//! The golden cases of a folder, one after the other.

use std::path::Path;

use anyhow::{Context, Result};
pub use eemu_cases::golden::{TOLERANCE, Worst, run};
use eemu_core::tensor::Device;

/// Runs every `.json` file of a folder, in name order.
///
/// # Errors
/// When the folder cannot be read or a file is no case.
pub fn run_folder(folder: &Path, device: &Device) -> Result<Vec<(String, Worst)>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let worst = pollster::block_on(run(&text, device)).with_context(|| path.display().to_string())?;
            Ok((path.display().to_string(), worst))
        })
        .collect()
}
