//! Shards as files that a command trains, here or on other machines.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::batches::Batches;
use super::running::{How, LOOK};
use super::{Launcher, Right};
use crate::store::StoreError;
use crate::training::fits;
use crate::unit::{Follower, Input, Made, TrainedModel, Unit, Wish, refused};

/// Between two runs for a shard; doubled each time.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two questions to a shared store whether the shard has changed.
const ASK: Duration = Duration::from_secs(2);

/// A command that trains units from file to file.
pub struct Commands {
    batches: Batches,
    tries: usize,
    /// Whether this process is asked to end.
    asked: &'static AtomicBool,
}

impl Commands {
    /// With what it needs in folders under `root`, and run so often at most.
    /// `asked` becomes true when nothing may go on.
    pub fn new(command: &str, root: &Path, tries: usize, asked: &'static AtomicBool) -> Self {
        Self { batches: Batches::new(command, root), tries: tries.max(1), asked }
    }
}

/// Who waits for a shard, and for how long.
struct Waiting<'a> {
    shard: u32,
    folder: &'a Path,
    right: &'a Right<'a>,
    follower: &'a dyn Follower,
    asked: std::sync::Mutex<Instant>,
    changed: AtomicBool,
    ending: &'static AtomicBool,
}

impl Waiting<'_> {
    /// Whether the model is wanted still; the folder of one that is not is
    /// removed at once, for it holds what may have to be forgotten.
    fn wanted(&self) -> bool {
        let wish = self.follower.wish(self.shard);
        let ending = self.ending.load(Ordering::SeqCst);
        let wanted = wish == Wish::GoOn && !ending && self.stands() && self.folder.exists();
        if !wanted && wish != Wish::Checkpoint {
            self.remove();
        }
        wanted
    }

    /// Only another process changes a shard without word to the follower.
    fn stands(&self) -> bool {
        if self.right.state.is_shared()
            && let Ok(mut asked) = self.asked.try_lock()
            && asked.elapsed() >= ASK
        {
            *asked = Instant::now();
            self.changed.store(!self.right.stands(), Ordering::SeqCst);
        }
        !self.changed.load(Ordering::SeqCst)
    }

    fn remove(&self) {
        if let Err(problem) = self.right.state.end_launch(self.folder) {
            tracing::error!(shard = self.shard, "what a command needed is not deleted yet: {problem}");
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
        let shard = unit.shard();
        if self.is_ending() || follower.wish(shard) != Wish::GoOn {
            return Ok(None);
        }
        let folder = right.state.begin_launch(right.ticket)?;
        let waiting = Waiting {
            shard,
            folder: &folder,
            right,
            follower,
            asked: std::sync::Mutex::new(Instant::now()),
            changed: AtomicBool::new(false),
            ending: self.asked,
        };
        let made = self.tried(unit, &waiting);
        match &made {
            // Kept for the next start, but for the records.
            Ok(None) if follower.wish(shard) == Wish::Checkpoint => {
                let _ = std::fs::remove_file(folder.join("input"));
            }
            _ => waiting.remove(),
        }
        // Nobody stopped it: another process has changed the shard.
        if matches!(made, Ok(None)) && !self.is_ending() && follower.wish(shard) == Wish::GoOn && !right.stands() {
            return Err(StoreError::Outdated { shard }.into());
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
            // The shard changed, so its folder is gone.
            Err(_) if !waiting.folder.exists() => return Ok(None),
            name => name?,
        };
        // The file holds it, and memory need not.
        drop(unit);
        let mut why = String::new();
        for attempt in 0..self.tries {
            if attempt > 0 {
                waiting.follower.again(waiting.shard, &why);
                if !waiting.pause(PAUSE * 2u32.saturating_pow(attempt as u32 - 1)) {
                    return Ok(None);
                }
            }
            let Some(how) = self.batches.run(waiting.shard, || waiting.wanted()) else { return Ok(None) };
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
                // One code says nothing of each of many, which may have been
                // ended, or never begun.
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

/// The model that a command wrote, if it is of this very input.
fn taken(input: &Path, name: &[u8; 32], output: &Path) -> Result<Made> {
    let model = TrainedModel::read(output)?;
    let packed = Input::read(input)?;
    let made = model.made;
    ensure!(packed.name == *name && model.input == *name, "it must be of the input that was packed");
    ensure!(packed.unit.input(&made.fingerprint) == made.input_hash, "it must be of the records that were packed");
    fits(&packed.unit, &made.tensors, &crate::device::cpu())?;
    Ok(made)
}
