//! Stores the checkpoint of a training in a file beside its output.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Keeper, Place, sealed};

const KIND: &[u8; 8] = b"EEMUCKU1";
const WHAT: &str = "a checkpoint of a shard's training";
const WAY_OUT: &str = "training begins anew";

/// Keeps checkpoints in a file beside the output.
#[derive(Debug, Clone)]
pub struct Beside {
    place: Place,
    every: Duration,
}

impl Beside {
    /// Keeps checkpoints of the training whose result goes to `output`, at this interval.
    pub fn new(output: &Path, every: Duration) -> Self {
        Self::at(&Place::File(output.to_owned()), every)
    }

    /// The same of an output that may be in a bucket.
    pub fn at(output: &Place, every: Duration) -> Self {
        Self { place: output.beside(".checkpoint"), every }
    }

    /// Where it keeps.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Deletes the checkpoint, which is not needed any more.
    ///
    /// # Errors
    /// When the disk or the bucket refuses.
    pub fn clear(&self) -> Result<()> {
        self.place.delete()
    }
}

impl Keeper for Beside {
    fn load(&self, input: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let shown = self.place.shown();
        let kept = match self.place.read() {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => sealed::open(bytes, &shown, KIND, WHAT, WAY_OUT),
            Err(problem) => Err(problem),
        };
        match kept {
            Ok((_, mut body)) if body.starts_with(input) => Ok(Some(body.split_off(input.len()))),
            // The checkpoint of another input or another machine would give wrong bytes here.
            Ok(_) => {
                tracing::warn!("{} belongs to another input or machine; {WAY_OUT}", shown);
                Ok(None)
            }
            Err(problem) => {
                tracing::warn!("{problem:#}");
                Ok(None)
            }
        }
    }

    fn save(&self, input: &[u8; 32], bytes: &[u8]) -> Result<()> {
        self.place.write(&sealed::bytes(KIND, &[input, bytes].concat()).0)
    }

    fn every(&self) -> Duration {
        self.every
    }
}
