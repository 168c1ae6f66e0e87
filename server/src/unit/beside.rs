//! Stores the checkpoint of a training in a file beside its output.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::{Keeper, sealed};

const KIND: &[u8; 8] = b"EEMUCKU1";
const WHAT: &str = "a checkpoint of a shard's training";
const WAY_OUT: &str = "training begins anew";

/// Keeps checkpoints in a file beside the output.
#[derive(Debug, Clone)]
pub struct Beside {
    path: PathBuf,
    every: Duration,
}

impl Beside {
    /// Keeps checkpoints of the training whose result goes to `output`, at this interval.
    pub fn new(output: &Path, every: Duration) -> Self {
        let mut name = output.as_os_str().to_owned();
        name.push(".checkpoint");
        Self { path: name.into(), every }
    }

    /// The path of the checkpoint.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes the checkpoint, which is not needed any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Keeper for Beside {
    fn load(&self, input: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        if !self.path.exists() {
            return Ok(None);
        }
        match sealed::read(&self.path, KIND, WHAT, WAY_OUT) {
            Ok((_, mut body)) if body.starts_with(input) => Ok(Some(body.split_off(input.len()))),
            // The checkpoint of another input or another machine would give wrong bytes here.
            Ok(_) => {
                tracing::warn!("{} belongs to another input or machine; {WAY_OUT}", self.path.display());
                Ok(None)
            }
            Err(problem) => {
                tracing::warn!("{problem:#}");
                Ok(None)
            }
        }
    }

    fn save(&self, input: &[u8; 32], bytes: &[u8]) -> Result<()> {
        sealed::write(&self.path, KIND, &[input, bytes].concat())?;
        Ok(())
    }

    fn every(&self) -> Duration {
        self.every
    }
}
