//! Trainers: a bounded number of threads. Each takes a job, trains a shard while the
//! service goes on, and sends the outcome to the run loop. Trainers publish to the
//! store; only the run loop changes the view.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use eemu_core::dataset::Dataset;
use eemu_core::tensor::Device;

use super::command::Command;
use super::handle::Handle;
use super::ledger::published_line;
use super::view::ShardModel;
use crate::deployment::with_shard;
use crate::launch::Launcher;
use crate::pool::default_jobs;
use crate::store::{Live, State, StoreError, Ticket};
use crate::training::{Follower, Trained, Wish, train_unit};
use crate::unit::Unit;

/// The time between two reports of a training's progress.
const REPORT: Duration = Duration::from_millis(20);

/// A shard to train: a ticket and records from the same moment.
struct Job {
    ticket: Ticket,
    dataset: Arc<Dataset>,
    outdated: Arc<AtomicBool>,
}

/// The outcome of a job.
pub(super) enum Outcome {
    /// The shard is trained and published, and its model loaded; with the seconds that it
    /// took.
    Trained(Trained, Result<Option<Arc<ShardModel>>>, f64),
    /// The shard's records changed, or the service stops.
    Overtaken,
    /// Another process trains the shard, or has trained it.
    Elsewhere,
    /// It failed.
    Failed(anyhow::Error),
}

/// The trainers.
pub(super) struct TrainingPool {
    jobs: Option<mpsc::Sender<Job>>,
    size: usize,
    running: BTreeMap<u32, Arc<AtomicBool>>,
    threads: Vec<JoinHandle<()>>,
}

impl TrainingPool {
    /// Starts this many trainers.
    pub(super) fn start(
        size: usize,
        state: &Arc<State>,
        device: &Device,
        launcher: &Arc<dyn Launcher>,
        handle: &Handle,
    ) -> Self {
        let (send, receive) = mpsc::channel();
        let receive = Arc::new(Mutex::new(receive));
        let size = size.max(1);
        let threads = (0..size)
            .map(|_| {
                let (state, device, handle) = (state.clone(), device.clone(), handle.clone());
                let trainer = Trainer { state, device, launcher: launcher.clone(), handle };
                let jobs = receive.clone();
                std::thread::spawn(move || {
                    let threads = (default_jobs() / size).max(1);
                    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                        Ok(pool) => pool.install(|| trainer.work(&jobs)),
                        Err(_) => trainer.work(&jobs),
                    }
                })
            })
            .collect();
        Self { jobs: Some(send), size, running: BTreeMap::new(), threads }
    }

    /// Whether a trainer is free.
    pub(super) fn is_free(&self) -> bool {
        self.running.len() < self.size && self.jobs.is_some()
    }

    /// Whether all trainers are free.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether a trainer has this shard.
    pub(super) fn trains(&self, shard: u32) -> bool {
        self.running.contains_key(&shard)
    }

    /// Gives a shard to a trainer.
    pub(super) fn train(&mut self, ticket: Ticket, dataset: Arc<Dataset>) {
        let outdated = Arc::new(AtomicBool::new(false));
        self.running.insert(ticket.shard(), outdated.clone());
        if let Some(jobs) = &self.jobs {
            // The receivers live as long as this pool.
            let _ = jobs.send(Job { ticket, dataset, outdated });
        }
    }

    /// Cancels a shard's training, because its records have changed.
    pub(super) fn outdate(&self, shard: u32) {
        if let Some(outdated) = self.running.get(&shard) {
            outdated.store(true, Ordering::SeqCst);
        }
    }

    /// A job has ended.
    pub(super) fn ended(&mut self, shard: u32) {
        self.running.remove(&shard);
    }

    /// Ends the trainers, each after its job.
    pub(super) fn stop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A trainer that panicked has logged it already.
            let _ = thread.join();
        }
    }
}

struct Trainer {
    state: Arc<State>,
    device: Device,
    launcher: Arc<dyn Launcher>,
    handle: Handle,
}

impl Trainer {
    fn work(&self, jobs: &Mutex<mpsc::Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            let shard = job.ticket.shard();
            let trained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.train(&job)));
            let outcome = match trained {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(problem)) => Outcome::Failed(problem),
                Err(_) => Outcome::Failed(anyhow::anyhow!("a trainer panicked")),
            };
            // If the loop has ended, the next start finds the model in the store.
            let _ = self.handle.send(Command::Trained(shard, outcome));
        }
    }

    fn train(&self, job: &Job) -> Result<Outcome> {
        let began = Instant::now();
        let (shard, dataset) = (job.ticket.shard(), &job.dataset);
        let Some(_claim) = self.state.claim(shard)? else { return Ok(Outcome::Elsewhere) };
        if self.state.ticket(shard)? != job.ticket {
            // Another process was faster, or the records have changed.
            return Ok(Outcome::Elsewhere);
        }
        // After the ticket, so that a change in between invalidates it.
        let unit = Unit::of(&with_shard(&self.state, dataset, shard)?, shard)?;
        let epochs = dataset.config.train.epochs;
        let reporter = Reporter { trainer: self, job, epochs, said: Mutex::new(None) };
        match train_unit(&self.state, unit, job.ticket, &*self.launcher, &reporter, false) {
            Ok(Some(trained)) => {
                let model = ShardModel::load(&self.state, dataset, shard, &self.device);
                Ok(Outcome::Trained(trained, model.map(|model| model.map(Arc::new)), began.elapsed().as_secs_f64()))
            }
            Ok(None) => Ok(Outcome::Overtaken),
            Err(problem) if matches!(problem.downcast_ref(), Some(StoreError::Outdated { .. })) => {
                Ok(Outcome::Overtaken)
            }
            Err(problem) => Err(problem),
        }
    }
}

struct Reporter<'a> {
    trainer: &'a Trainer,
    job: &'a Job,
    epochs: u32,
    /// The epoch that was reported last, and when.
    said: Mutex<Option<(u32, Instant)>>,
}

impl Follower for Reporter<'_> {
    fn progress(&self, shard: u32, done: u32, _: f64, _: Option<f32>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|(epoch, when)| epoch != done && when.elapsed() >= REPORT) {
            *said = Some((done, Instant::now()));
            let _ = self.trainer.handle.send(Command::Progress(shard, done + 1, self.epochs));
        }
    }

    fn publishing(&self, shard: u32) {
        let _ = self.trainer.handle.send(Command::Publishing(shard));
    }

    fn wish(&self, _: u32) -> Wish {
        match (self.job.outdated.load(Ordering::SeqCst), self.trainer.handle.is_stopping()) {
            (true, _) => Wish::Drop,
            (false, true) => Wish::Checkpoint,
            (false, false) => Wish::GoOn,
        }
    }

    fn entry(&self, live: &Live) -> eemu_core::Result<Option<String>> {
        published_line(std::slice::from_ref(live)).map(Some)
    }
}
