//! Trains shards from file to file by a command, here or on other machines.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::batches::Batches;
use super::running::{How, LOOK};
use super::wanted::Wanted;
use super::{Launcher, Right};
use crate::store::StoreError;
use crate::training::fits;
use crate::unit::{Follower, Input, Made, TrainedModel, Unit, refused};

/// The pause between two runs for a shard; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);

/// A command that trains units from file to file.
pub struct Commands {
    batches: Batches,
    tries: usize,
    /// Whether this process was asked to end.
    asked: &'static AtomicBool,
}

impl Commands {
    /// Runs the command in folders under `root`, at most `tries` times per shard. `asked`
    /// becomes true when this process was asked to end.
    pub fn new(command: &str, root: &Path, tries: usize, asked: &'static AtomicBool) -> Self {
        Self { batches: Batches::new(command, root), tries: tries.max(1), asked }
    }
}

/// Who waits for a shard, and the folder that it has meanwhile.
struct Waiting<'a> {
    who: Wanted<'a>,
    folder: &'a Path,
}

impl Waiting<'_> {
    /// Whether the model is still wanted. If not, its folder is removed at once, since it
    /// holds records that may have to be forgotten.
    fn wanted(&self) -> bool {
        let wanted = self.who.still() && self.folder.exists();
        if !wanted && !self.who.is_kept() {
            self.remove();
        }
        wanted
    }

    fn remove(&self) {
        if let Err(problem) = self.who.right.state.end_launch(self.folder) {
            tracing::error!(shard = self.who.shard, "what a command needed is not deleted yet: {problem}");
        }
    }

    fn pause(&self, time: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < time {
            if !self.wanted() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

impl Launcher for Commands {
    fn train(&self, unit: Unit, right: &Right<'_>, follower: &dyn Follower) -> Result<Option<Made>> {
        let who = Wanted::new(right, follower, self.asked);
        if !who.may_begin() {
            return Ok(None);
        }
        let folder = right.state.begin_launch(right.ticket)?;
        let waiting = Waiting { who, folder: &folder };
        let made = self.tried(unit, &waiting);
        match &made {
            // Kept for the next start, but for the records.
            Ok(None) if waiting.who.is_kept() => {
                let _ = std::fs::remove_file(folder.join("input"));
            }
            _ => waiting.remove(),
        }
        if matches!(made, Ok(None)) && waiting.who.is_lost() {
            return Err(StoreError::Outdated { shard: waiting.who.shard }.into());
        }
        made
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn is_ending(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Commands {
    fn tried(&self, unit: Unit, waiting: &Waiting<'_>) -> Result<Option<Made>> {
        let (input, output) = (waiting.folder.join("input"), waiting.folder.join("model"));
        let name = match Input::write(&unit, &input) {
            // The shard has changed, so its folder is gone.
            Err(_) if !waiting.folder.exists() => return Ok(None),
            name => name?,
        };
        // The input file holds the unit, so memory need not.
        drop(unit);
        let mut why = String::new();
        for attempt in 0..self.tries {
            if attempt > 0 {
                waiting.who.follower.again(waiting.who.shard, &why);
                if !waiting.pause(PAUSE * 2u32.saturating_pow(attempt as u32 - 1)) {
                    return Ok(None);
                }
            }
            let Some(how) = self.batches.run(waiting.who.shard, || waiting.wanted()) else { return Ok(None) };
            // A run for many may fail for one, and be good for this.
            if output.exists() {
                match taken(&input, &name, &output) {
                    Err(_) if !waiting.wanted() => return Ok(None),
                    Ok(made) => return Ok(Some(made)),
                    Err(problem) => {
                        std::fs::remove_file(&output).context("cannot delete a model that cannot be used")?;
                        why = format!("its model cannot be used: {problem:#}");
                        continue;
                    }
                }
            }
            if let Some(refusal) = refused(&output) {
                bail!("{refusal}. It would fail again, so it was not tried again; see what the command needs");
            }
            match how {
                How::Again(said) => why = said,
                // One exit code says nothing about each of many shards: a shard may have been ended or
                // never started.
                How::Failed(said) if self.batches.is_of_many() => why = said,
                How::Failed(said) => bail!("{said}. See what the command needs, and repeat this"),
                How::Well => bail!(
                    "the command ended well and wrote no model; let it wait for what it starts (such as sbatch --wait)"
                ),
            }
        }
        bail!("{why}. It was run {} times; try again later, or more often with --launch-tries", self.tries)
    }
}

/// Reads the model that a command wrote, if it was trained on this input.
fn taken(input: &Path, name: &[u8; 32], output: &Path) -> Result<Made> {
    checked(TrainedModel::read(output)?, &Input::read(input)?, name)
}

/// What a model came to, if it is of this very input.
pub(super) fn checked(model: TrainedModel, packed: &Input, name: &[u8; 32]) -> Result<Made> {
    let made = model.made;
    ensure!(packed.name == *name && model.input == *name, "it must be of the input that was packed");
    ensure!(packed.unit.input(&made.fingerprint) == made.input_hash, "it must be of the records that were packed");
    fits(&packed.unit, &made.tensors, &crate::device::cpu())?;
    Ok(made)
}
