//! Stores the checkpoint of a training in a file beside its output.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Input, Keeper, Place, sealed};

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

/// Keeps checkpoints beside the output as long as the input is there. A deletion may take
/// the input away while a checkpoint is being written, and nobody may come after that.
#[derive(Debug)]
pub struct WhileThere<'a> {
    /// Where they are kept.
    pub beside: &'a Beside,
    /// Where the input is.
    pub input: &'a Place,
    /// The input's name.
    pub name: &'a [u8; 32],
}

impl Keeper for WhileThere<'_> {
    fn load(&self, input: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        self.beside.load(input)
    }

    fn save(&self, input: &[u8; 32], bytes: &[u8]) -> Result<()> {
        self.beside.save(input, bytes)?;
        // Whoever deletes removes the input first, and looks for checkpoints again after it.
        // With another input in its place, the checkpoint may be that of the other's training.
        if !Input::is_at(self.input, self.name) && matches!(self.input.head(1), Ok(None)) {
            self.beside.clear()?;
        }
        Ok(())
    }

    fn every(&self) -> Duration {
        self.beside.every()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_checkpoint_stays_without_its_input() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("input"), folder.path().join("model"));
        let beside = Beside::new(&output, Duration::ZERO);
        let place = Place::File(input.clone());
        let keeper = WhileThere { beside: &beside, input: &place, name: &[7; 32] };
        keeper.save(&[1; 32], b"trained").unwrap();
        assert_eq!(keeper.load(&[1; 32]).unwrap(), None);
        assert!(!folder.path().join("model.checkpoint").exists());
        std::fs::write(&input, "another input").unwrap();
        keeper.save(&[1; 32], b"trained").unwrap();
        assert_eq!(keeper.load(&[1; 32]).unwrap().as_deref(), Some(b"trained".as_slice()));
    }
}
