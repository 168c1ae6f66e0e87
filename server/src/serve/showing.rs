//! How the run loop publishes its results: it brings the view to what the store holds,
//! with the models that are loaded, and answers requests.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tracing::{error, info};

use super::command::Reread;
use super::coordinator::{AFTER_FAILURE, Alone, Coordinator, Waiter};
use super::deletions::{Ask, Undecided};
use super::requests::Requests;
use super::tokens::Tokens;
use super::view::ShardModel;
use crate::forgetting;

impl Coordinator {
    pub(super) fn model_loaded(&mut self, shard: u32, model: Result<Option<Arc<ShardModel>>>) {
        self.loading.remove(&shard);
        match model {
            Ok(model) => {
                if let Some(model) = model {
                    self.loaded.insert(shard, model);
                }
                self.show();
                self.schedule_changes(self.handle.options().settle);
                self.answer_requests();
            }
            Err(problem) => {
                error!(shard, "a published shard cannot be taken up: {problem:#}");
                self.handle.metrics().failed_trainings.inc();
                self.loading.insert(shard, Some(Instant::now() + AFTER_FAILURE));
                self.view.schedule.retry(shard, AFTER_FAILURE, Instant::now());
            }
        }
        self.put_in_place();
        self.reply_to_waiters();
    }

    /// Publishes what is known; never fails. A model enters the view only together with its
    /// line in the log, so that a reader who sees the version also finds the line.
    pub(super) fn show(&mut self) {
        self.view.follow(&self.deployment);
        if let Err(problem) = self.read_log() {
            error!("a change is made, but not all of it is shown yet: {problem:#}");
            self.behind = true;
        } else {
            let view = &mut self.view;
            self.loaded.retain(|_, model| !view.enter(model));
        }
        self.load_missing();
        self.put_in_place();
    }

    fn read_log(&mut self) -> Result<()> {
        crate::store::trouble("serve.show")?;
        self.view.log = self.view.log.grown(&self.state)?;
        Ok(())
    }

    /// Starts to load models that the store has and the view lacks.
    pub(super) fn load_missing(&mut self) {
        let missing = self.view.missing();
        self.loaded.retain(|shard, model| missing.contains(&(*shard, model.live.version)));
        let now = Instant::now();
        for (shard, _) in missing {
            let is_awaited = self.loading.get(&shard).is_some_and(|until| until.is_none_or(|until| until > now));
            // A trainer delivers the model that it has published.
            if is_awaited || self.loaded.contains_key(&shard) || self.pool.trains(shard) {
                continue;
            }
            self.loading.insert(shard, None);
            self.jobs.load(shard, self.view.dataset.clone(), self.device.clone());
        }
    }

    /// Reads the rows of the shards. Where other processes have changed records, a job
    /// reads those soon.
    pub(super) fn look_at_shards(&mut self) {
        match self.state.moment() {
            Ok((head, shards)) if head.records == self.deployment.head.records => {
                (self.deployment.head, self.deployment.shards) = (head, shards);
            }
            Ok(_) => {}
            Err(problem) => {
                error!("a published shard is not taken up yet: {problem:#}");
                self.behind = true;
            }
        }
    }

    /// Reads everything that other processes changed up to a transaction.
    pub(super) fn refresh(&mut self, changes: u64, waiters: Vec<Waiter>) {
        if changes <= self.view.seen {
            waiters.into_iter().for_each(|waiter| drop(waiter.send(Ok(()))));
            return;
        }
        match self.take_in_others() {
            Ok(true) => {
                self.waiters.extend(waiters);
                self.reply_to_waiters();
            }
            Ok(false) => {
                self.begin_rereading(Alone::Rereading { waiters, again: Vec::new(), undecided: Vec::new(), tries: 0 })
            }
            Err(problem) => {
                error!("changes by other processes cannot be seen: {problem:#}");
                let told = format!("{problem:#}");
                waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(anyhow::anyhow!(told.clone())))));
            }
        }
    }

    /// Returns whether that was all. When records changed it was not.
    fn take_in_others(&mut self) -> Result<bool> {
        let (head, shards) = self.state.moment()?;
        if head.records != self.deployment.head.records {
            return Ok(false);
        }
        let requests = Requests::new(forgetting::requests(&self.state)?, self.state.deferred()?);
        (self.deployment.head, self.deployment.shards) = (head, shards);
        self.taken_in(requests)?;
        Ok(true)
    }

    /// Publishes what was read from the store.
    fn taken_in(&mut self, requests: Requests) -> Result<()> {
        if self.state.is_shared() {
            // Read before the lock is taken, so that requests do not wait for it.
            let stored = Tokens::of_state(&self.state)?;
            self.handle.tokens().take(stored);
            self.handle.hiding().reread()?;
        }
        // The log first, so that a reader who sees a request with a receipt finds the receipt.
        self.view.log = self.view.log.grown(&self.state)?;
        self.view.requests = requests;
        self.view.seen = self.deployment.head.changes;
        self.show();
        self.schedule_changes(self.handle.options().settle);
        self.answer_requests();
        self.put_in_place();
        Ok(())
    }

    /// Starts the job that reads the store again.
    pub(super) fn begin_rereading(&mut self, why: Alone) {
        self.alone = Some(why);
        self.jobs.reread();
    }

    pub(super) fn reread(&mut self, result: Result<Reread>) {
        let Some(Alone::Rereading { waiters, again, undecided, tries }) = self.alone.take() else { return };
        let taken = result.and_then(|read| {
            self.deployment.take(read.derived);
            self.taken_in(Requests::new(read.requests, read.deferred))
        });
        match taken {
            Ok(()) => {
                self.waiters.extend(waiters);
                self.reply_to_waiters();
                self.decide(undecided);
                if !again.is_empty() {
                    self.again(again, tries);
                }
            }
            Err(problem) => {
                error!("the state cannot be read: {problem:#}");
                let told = format!("{problem:#}");
                waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(anyhow::anyhow!(told.clone())))));
                again.into_iter().for_each(Ask::refuse);
                if undecided.is_empty() && self.handle.is_shared() {
                    return;
                }
                undecided.into_iter().for_each(Undecided::leave_open);
                // Stops the service, so that it serves nothing that may be wrong.
                self.handle.fail("the state cannot be read after a failed change");
            }
        }
    }

    fn reply_to_waiters(&mut self) {
        if self.loading.values().any(Option::is_none) {
            return;
        }
        for waiter in self.waiters.drain(..) {
            // The client may have gone.
            let _ = waiter.send(Ok(()));
        }
    }

    /// Writes one receipt for all requests whose shards are all retrained.
    pub(super) fn answer_requests(&mut self) {
        if self.alone.is_some() {
            // The job in progress ends with another call of this function.
            return;
        }
        if let Err(problem) = self.try_answer() {
            error!("receipts are not written yet: {problem:#}");
            self.behind = true;
        }
    }

    fn try_answer(&mut self) -> Result<()> {
        let ready = self.view.requests.ready(&self.view.versions());
        if ready.is_empty() {
            return Ok(());
        }
        let live: Vec<_> = self.view.models().map(|model| &model.live).collect();
        let settings = &self.deployment.settings;
        let Some((receipt, _)) = forgetting::answer(&self.state, settings, &self.device, &ready, &live)? else {
            // Another process has written it, or this one has and then could not read it.
            let requests = Requests::new(forgetting::requests(&self.state)?, self.state.deferred()?);
            self.view.log = self.view.log.grown(&self.state)?;
            self.view.requests = requests;
            return Ok(());
        };
        // A reader who sees a request with a receipt finds the receipt.
        self.view.log = self.view.log.grown(&self.state)?;
        let ids: Vec<[u8; 32]> = ready.iter().map(|r| r.id_hash).collect();
        self.view.requests.answer(&ids, receipt);
        info!(requests = ids.len(), "receipt written");
        Ok(())
    }
}
