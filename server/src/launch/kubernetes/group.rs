//! One Job, followed to its end: through watches that break, answers that fail,
//! and a server that has forgotten where we were.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{ListParams, WatchEvent, WatchParams};

use super::batches::{Batches, Outcome};
use super::cluster::{fatal, once, still_there};
use super::job::{Item, Standing};

/// Between two looks whether anybody waits still.
const LOOK: Duration = Duration::from_millis(100);

/// How long a watch may be silent before the Job is looked at anew: a
/// connection can be dead and not say so.
const SILENT: Duration = Duration::from_secs(60);

/// Seconds after which the server ends a watch.
const WATCH: u32 = 240;

/// Between two attempts at most.
const PAUSE: Duration = Duration::from_secs(10);

/// A Job, and the shards of it that somebody waits for.
pub(super) struct Group {
    batches: Batches,
    run: u64,
    job: String,
    left: Vec<(usize, Item)>,
    /// Indexes whose pods cannot start, and since when.
    stuck: BTreeMap<usize, Instant>,
    looked: Instant,
}

/// How a watch ended.
enum End {
    /// There is nothing more to wait for.
    Over,
    /// It has to begin anew, at once or after a while.
    Anew { after_trouble: bool },
}

impl Group {
    pub(super) fn new(batches: Batches, run: u64, job: String, left: Vec<(usize, Item)>) -> Self {
        Self { batches, run, job, left, stuck: BTreeMap::new(), looked: Instant::now() }
    }

    /// Follows it until nothing more comes of it or nobody waits, and deletes it.
    pub(super) async fn follow(mut self) {
        let mut pause = LOOK;
        loop {
            match self.watch().await {
                End::Over => break,
                End::Anew { after_trouble: false } => pause = LOOK,
                End::Anew { after_trouble: true } => {
                    let mut waited = Duration::ZERO;
                    while waited < pause && self.batches.is_wanted(self.run) {
                        tokio::time::sleep(LOOK).await;
                        waited += LOOK;
                    }
                    pause = (pause * 2).min(PAUSE);
                }
            }
        }
        let problem = match self.batches.cluster.delete(&self.job).await {
            Ok(true) => None,
            Ok(false) => Some(still_there(&self.job)),
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            tracing::error!("{problem}. Delete it: kubectl delete job {}", self.job);
        }
        self.batches.over(self.run);
    }

    fn end(&self, item: &Item, outcome: Outcome) {
        self.batches.end(self.run, item.shard, outcome);
    }

    fn end_all(&mut self, outcome: &Outcome) -> End {
        for (_, item) in std::mem::take(&mut self.left) {
            self.end(&item, outcome.clone());
        }
        End::Over
    }

    /// Lists the Job, then watches it from there.
    async fn watch(&mut self) -> End {
        if !self.batches.is_wanted(self.run) {
            return End::Over;
        }
        let jobs = self.batches.cluster.jobs.clone();
        let this = format!("metadata.name={}", self.job);
        let listed = match once(jobs.list(&ListParams::default().fields(&this))).await {
            Ok(listed) => listed,
            Err(error) => return self.after(&error),
        };
        match listed.items.first() {
            Some(job) if self.look(job).await => {}
            Some(_) => return End::Over,
            None => return self.gone(),
        }
        let version = listed.metadata.resource_version.unwrap_or_default();
        let watched = once(jobs.watch(&WatchParams::default().fields(&this).timeout(WATCH), &version)).await;
        let mut events = match watched {
            Ok(events) => pin!(events),
            Err(error) => return self.after(&error),
        };
        let (began, mut heard) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(WatchEvent::Added(job) | WatchEvent::Modified(job))) => {
                        heard = Instant::now();
                        if !self.look(&job).await {
                            return End::Over;
                        }
                    }
                    Some(Ok(WatchEvent::Deleted(_))) => return self.gone(),
                    Some(Ok(WatchEvent::Bookmark(_))) => heard = Instant::now(),
                    // Most often 410: what happened since is not known there.
                    Some(Ok(WatchEvent::Error(status))) => {
                        tracing::warn!("a watch begins anew: {}", status.message);
                        return End::Anew { after_trouble: began.elapsed() < PAUSE };
                    }
                    Some(Err(error)) => return self.after(&error),
                    None => return End::Anew { after_trouble: began.elapsed() < PAUSE },
                },
                () = tokio::time::sleep(LOOK) => {
                    if !self.batches.is_wanted(self.run) {
                        return End::Over;
                    }
                    if self.cannot_start().await || heard.elapsed() > SILENT {
                        return End::Anew { after_trouble: false };
                    }
                }
            }
        }
    }

    fn after(&mut self, error: &kube::Error) -> End {
        if let Some(problem) = fatal(error) {
            return self.end_all(&Outcome::Failed(problem));
        }
        tracing::warn!("a watch begins anew: {error}");
        End::Anew { after_trouble: true }
    }

    fn gone(&mut self) -> End {
        self.end_all(&Outcome::Again(format!("its Job {} was deleted by somebody else", self.job)))
    }

    /// Tells what a Job says of each shard. Whether there is more to come.
    async fn look(&mut self, job: &Job) -> bool {
        let standing = Standing::of(job);
        let is_many = job.spec.as_ref().is_some_and(|spec| spec.completion_mode.as_deref() == Some("Indexed"));
        let mut left = Vec::new();
        for (index, item) in std::mem::take(&mut self.left) {
            if standing.done.contains(&index) {
                self.end(&item, Outcome::Done);
            } else if standing.failed.contains(&index) {
                let words = self.batches.cluster.last_words(&self.job, is_many.then_some(index)).await;
                let late = standing.why.as_ref().filter(|why| why.starts_with("DeadlineExceeded"));
                let why = late.map(|why| format!(" ({why})")).unwrap_or_default();
                let said = format!("shard {} failed in the Job {}{why}: {words}", item.shard, self.job);
                self.end(&item, Outcome::Failed(said));
            } else {
                left.push((index, item));
            }
        }
        self.left = left;
        if standing.over {
            self.end_all(&Outcome::Again(format!("the Job {} ended without it", self.job)));
        }
        // What a deletion takes away comes as such.
        !self.left.is_empty()
    }

    /// Looks now and then whether pods wait for what will not come: an image,
    /// or a Secret. Those that did for too long are given up.
    async fn cannot_start(&mut self) -> bool {
        let patience = self.batches.cluster.maker.settings.start_within;
        if self.looked.elapsed() < (patience / 4).clamp(LOOK, Duration::from_secs(15)) {
            return false;
        }
        self.looked = Instant::now();
        // An answer that fails says nothing of the pods.
        let Ok(stuck) = self.batches.cluster.stuck(&self.job).await else { return false };
        self.stuck.retain(|index, _| stuck.iter().any(|(other, _)| other == index));
        for (index, _) in &stuck {
            self.stuck.entry(*index).or_insert_with(Instant::now);
        }
        let left = std::mem::take(&mut self.left);
        let is_late = |index: &usize| self.stuck.get(index).is_some_and(|since| since.elapsed() >= patience);
        let (given_up, left) = left.into_iter().partition(|(index, _)| is_late(index));
        self.left = left;
        let given_up: Vec<(usize, Item)> = given_up;
        for (index, item) in &given_up {
            let said = stuck.iter().find(|(other, _)| other == index).map_or("", |(_, said)| said.as_str());
            let said = format!("shard {} cannot train in the Job {}: {said}", item.shard, self.job);
            self.end(item, Outcome::Failed(said));
        }
        !given_up.is_empty()
    }
}
