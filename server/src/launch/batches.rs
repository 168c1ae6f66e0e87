//! Decides which shards one run of the command trains: one shard each, or, where the
//! command takes many, all that arrive shortly after each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::running::{How, LOOK, run};

/// How long a run for many shards waits for another shard.
const TOGETHER: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Standing {
    /// Shards that wait for a run, and when the last of them arrived.
    waiting: BTreeSet<u32>,
    came: Option<Instant>,
    /// The number of runs so far; each run has a number.
    runs: u64,
    /// The run for many shards that is in progress.
    running: Option<u64>,
    /// Shards that a run trains and somebody waits for, with the number of the run.
    wanted: BTreeMap<u32, u64>,
    ended: BTreeMap<u32, How>,
}

/// The runs of one command.
#[derive(Clone)]
pub(super) struct Batches {
    command: String,
    root: PathBuf,
    many: bool,
    standing: Arc<(Mutex<Standing>, Condvar)>,
}

/// Quotes any text as one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Batches {
    pub(super) fn new(command: &str, root: &Path) -> Self {
        let (command, root) = (command.to_owned(), root.to_owned());
        let many = command.contains("{indices}");
        Self { command, root, many, standing: Arc::default() }
    }

    /// Whether one run is for all waiting shards.
    pub(super) fn is_of_many(&self) -> bool {
        self.many
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the command for a shard whose folder is ready, perhaps together with others.
    /// `None` when the shard is not wanted any more; whatever the run has written by then
    /// is removed.
    pub(super) fn run(&self, shard: u32, wanted: impl Fn() -> bool) -> Option<How> {
        let mut standing = self.lock();
        standing.waiting.insert(shard);
        standing.came = Some(Instant::now());
        loop {
            if let Some(how) = standing.ended.remove(&shard) {
                return wanted().then_some(how);
            }
            self.start_what_is_due(&mut standing, shard);
            let waited = self.standing.1.wait_timeout(standing, LOOK);
            standing = waited.unwrap_or_else(PoisonError::into_inner).0;
            if standing.ended.contains_key(&shard) || wanted() {
                continue;
            }
            standing.waiting.remove(&shard);
            let run = standing.wanted.remove(&shard);
            if let Some(run) = run
                && (!self.many || !standing.wanted.values().any(|&other| other == run))
            {
                // Nobody else waits for the command: it is being ended, and
                // until it has nothing of it may be started anew.
                let ended = |standing: &mut Standing| match self.many {
                    true => standing.running != Some(run),
                    false => standing.ended.remove(&shard).is_some(),
                };
                while !ended(&mut standing) {
                    let waited = self.standing.1.wait_timeout(standing, LOOK);
                    standing = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
            return None;
        }
    }

    fn start_what_is_due(&self, standing: &mut Standing, shard: u32) {
        let together = standing.running.is_none() && standing.came.is_some_and(|came| came.elapsed() >= TOGETHER);
        let batch = match self.many {
            true if together => std::mem::take(&mut standing.waiting),
            false if standing.waiting.remove(&shard) => BTreeSet::from([shard]),
            _ => return,
        };
        let Some(&first) = batch.first() else { return };
        standing.runs += 1;
        let number = standing.runs;
        standing.running = self.many.then_some(number);
        standing.wanted.extend(batch.iter().map(|&shard| (shard, number)));
        let (own, command) = (self.clone(), self.worded(&batch, first));
        std::thread::spawn(move || {
            let how = run(&command, &own.root, || own.lock().wanted.values().any(|&run| run == number));
            let mut standing = own.lock();
            standing.running = None;
            for shard in batch {
                let waits = standing.wanted.get(&shard) == Some(&number);
                if waits {
                    standing.wanted.remove(&shard);
                }
                // Whoever withdrew from a run for many does not come for it.
                if waits || !own.many {
                    standing.ended.insert(shard, how.clone());
                }
            }
            own.standing.1.notify_all();
        });
    }

    pub(super) fn folder(&self, shard: u32) -> PathBuf {
        self.root.join(shard.to_string())
    }

    /// The command line for these shards.
    fn worded(&self, batch: &BTreeSet<u32>, first: u32) -> String {
        let path = |name: &str| quoted(&self.folder(first).join(name).display().to_string());
        let indices: Vec<String> = batch.iter().map(u32::to_string).collect();
        let name = if self.many { "eemu".to_owned() } else { format!("eemu-shard-{first}") };
        self.command
            .replace("{input}", &path("input"))
            .replace("{output}", &path("model"))
            .replace("{shard}", &first.to_string())
            .replace("{name}", &name)
            .replace("{indices}", &indices.join(","))
            .replace("{dir}", &quoted(&self.root.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_the_shell() {
        let batches = Batches::new("a {input} {output} {shard} {name}", Path::new("/it's here"));
        let one = batches.worded(&BTreeSet::from([3]), 3);
        assert_eq!(one, r"a '/it'\''s here/3/input' '/it'\''s here/3/model' 3 eemu-shard-3");
        let batches = Batches::new("sbatch --array={indices} job {dir}", Path::new("/d"));
        assert_eq!(batches.worded(&BTreeSet::from([3, 5]), 3), "sbatch --array=3,5 job '/d'");
    }
}
