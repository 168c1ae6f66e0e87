//! The one writer: requests that arrive together are carried out together, in
//! one transaction, and acknowledged when their bytes are gone from disk and
//! no model that saw them answers any more.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use anyhow::{Result, anyhow, bail};
use eemu_core::dataset::Interaction;
use eemu_core::unlearn::{changed_shards, everything_of, plan};
use eemu_core::world::World;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::clock::{now, random_hex};
use super::requests::{id_hash, owner_of};
use super::service::{Service, lock};
use crate::deployment::Deployment;
use crate::forgetting::{DELETED, blank_accounts};
use crate::store::{NewRequest, Request};

/// Changes that wait at once; beyond that the service is overloaded.
const LONGEST_QUEUE: usize = 100_000;

/// A change of the records.
#[derive(Debug)]
pub enum Change {
    /// Records of one user go.
    Forget(Forget),
    /// Records of one user come.
    Add(Add),
}

/// A deletion.
#[derive(Debug)]
pub struct Forget {
    /// Whose.
    pub user: u32,
    /// The user's identifier, to whom the request is committed.
    pub user_id: String,
    /// Which items; `None` means all.
    pub items: Option<Vec<u32>>,
    /// The account goes too.
    pub account: bool,
    /// Gets the request's name.
    pub reply: oneshot::Sender<Result<String>>,
}

/// An addition.
#[derive(Debug)]
pub struct Add {
    /// Whose.
    pub user: u32,
    /// Items and times. A record without a time gets none, from nowhere: it
    /// orders as time 0 does, and among its like by hash.
    pub records: Vec<(u32, Option<f64>)>,
    /// Gets the number of new records.
    pub reply: oneshot::Sender<Result<u64>>,
}

/// The queue of changes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    queue: Mutex<(VecDeque<Change>, bool)>,
    arrived: Condvar,
}

impl Writer {
    /// Queues a change.
    ///
    /// # Errors
    /// When the service stops, or too many wait.
    pub(super) fn submit(&self, change: Change) -> Result<()> {
        let mut queue = lock(&self.queue);
        if queue.1 {
            bail!("the service is stopping");
        }
        if queue.0.len() >= LONGEST_QUEUE {
            bail!("too many changes are waiting");
        }
        queue.0.push_back(change);
        self.arrived.notify_one();
        Ok(())
    }

    /// Ends the writer once the queue is empty.
    pub(super) fn stop(&self) {
        lock(&self.queue).1 = true;
        self.arrived.notify_all();
    }

    /// How many changes wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).0.len()
    }

    /// Everything that waits; `None` at the end.
    fn take(&self) -> Option<Vec<Change>> {
        let mut queue = lock(&self.queue);
        while queue.0.is_empty() {
            if queue.1 {
                return None;
            }
            queue = match self.arrived.wait(queue) {
                Ok(queue) => queue,
                Err(poisoned) => poisoned.into_inner(),
            };
        }
        Some(queue.0.drain(..).collect())
    }
}

/// Starts the writer's thread.
pub(super) fn start(service: &Arc<Service>) -> JoinHandle<()> {
    let service = service.clone();
    std::thread::spawn(move || {
        while let Some(changes) = service.writer.take() {
            let (mut forgets, mut adds) = (Vec::new(), Vec::new());
            for change in changes {
                match change {
                    Change::Forget(forget) => forgets.push(forget),
                    Change::Add(add) => adds.push(add),
                }
            }
            // An addition that came before a deletion of the same record is
            // carried out first: what was deleted last stays deleted.
            let work = std::panic::AssertUnwindSafe(|| {
                if !adds.is_empty() {
                    carry_out_additions(&service, adds);
                }
                if !forgets.is_empty() {
                    carry_out_deletions(&service, forgets);
                }
            });
            if std::panic::catch_unwind(work).is_err() {
                // What is in memory may not be what is on disk: the next start
                // looks at the disk alone.
                service.fail("the writer panicked");
                return;
            }
        }
    })
}

fn carry_out_deletions(service: &Service, jobs: Vec<Forget>) {
    let count = jobs.len();
    let mut deployment = lock(&service.deployment);
    match delete(service, &mut deployment, &jobs) {
        Ok(names) => {
            drop(deployment);
            service.schedule_changes(true);
            // What changed no training set waits for no shard.
            if let Err(problem) = service.answer_requests() {
                error!("receipts are not written yet: {problem:#}");
            }
            for (job, name) in jobs.into_iter().zip(names) {
                // Whoever went away has the record deleted all the same.
                let _ = job.reply.send(Ok(name));
            }
        }
        Err(problem) => {
            error!("deletions failed: {problem:#}");
            service.metrics.failed_changes.inc_by(count as u64);
            service.recover(&mut deployment);
            drop(deployment);
            service.schedule_changes(true);
            for job in jobs {
                let _ = job.reply.send(Err(anyhow!("the change was not carried out; try again")));
            }
        }
    }
}

/// What one request wants gone.
fn wanted(world: &World, job: &Forget) -> Vec<(u32, u32)> {
    match &job.items {
        Some(items) => items.iter().map(|&item| (job.user, item)).collect(),
        None => everything_of(world, job.user),
    }
}

fn delete(service: &Service, deployment: &mut Deployment, jobs: &[Forget]) -> Result<Vec<String>> {
    deployment.state.expire_backups()?;
    let before = service.snapshot().world.clone();
    let asked: Vec<Vec<(u32, u32)>> = jobs.iter().map(|job| wanted(&before, job)).collect();
    let plan = plan(&before, &asked.concat());
    let after = before.with(plan.after);
    let mut left: HashSet<(u32, u32)> = plan.removed.iter().copied().collect();
    let masked: BTreeSet<u32> = {
        let shards = &service.snapshot().shards;
        let without = shards.iter().filter(|view| view.shard.live.is_none()).map(|view| view.shard.index);
        without.chain(plan.shards.iter().copied()).collect()
    };

    let mut requests = lock(&service.requests);
    let mut names = Vec::new();
    let mut new: Vec<(String, [u8; 32], NewRequest)> = Vec::new();
    let mut within: HashMap<[u8; 32], String> = HashMap::new();
    for (job, records) in jobs.iter().zip(&asked) {
        let removed = records.iter().filter(|record| left.remove(record)).count() as u64;
        let mut items: Vec<u32> = job.items.clone().unwrap_or_default();
        items.sort_unstable();
        items.dedup();
        let ask = requests.ask(job.user, &items, job.items.is_none())?;
        if removed == 0
            && !job.account
            && let Some(name) = within.get(&ask).map(String::as_str).or_else(|| requests.repeated(&ask))
        {
            names.push(name.to_owned());
            continue;
        }
        let name = random_hex::<16>()?;
        let mut shards = changed_shards(&before, &after, job.user);
        if removed == 0 {
            shards.clear();
        }
        // What was removed earlier waits with the shard that held it.
        shards.extend(records.iter().map(|&(user, item)| before.shard_of(user, item)).filter(|s| masked.contains(s)));
        let owner = (!job.account).then(|| owner_of(&name, &job.user_id));
        let request = NewRequest {
            id_hash: id_hash(&name),
            owner,
            removed,
            shards: shards.into_iter().collect(),
            created: now() as f64,
        };
        within.insert(ask, name.clone());
        new.push((name.clone(), ask, request));
        names.push(name);
    }

    drop(requests);

    let rows: Vec<NewRequest> = new.iter().map(|(_, _, row)| row.clone()).collect();
    let removed = deployment.state.forget(&plan.removed, &plan.shards, &rows)?;
    deployment.world = after;
    let accounts: BTreeSet<u32> = jobs.iter().filter(|job| job.account).map(|job| job.user).collect();
    let accounts: Vec<u32> = accounts.into_iter().collect();
    blank_accounts(deployment, &accounts)?;
    if removed > 0 || !accounts.is_empty() {
        let next = service.snapshot().after_records(deployment, true)?;
        service.set_snapshot(next);
    }
    // The records are gone already, and a token of a deleted account opens
    // nothing: the acknowledgement must not be lost over the file.
    if let Err(problem) = lock(&service.tokens).remove_subjects(&accounts) {
        error!("tokens of deleted accounts stay in their file: {problem:#}");
    }
    let versions: HashMap<u32, u64> =
        service.snapshot().shards.iter().map(|view| (view.shard.index, view.shard.version)).collect();
    let mut requests = lock(&service.requests);
    for (name, ask, row) in new {
        let shards = row.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
        let NewRequest { id_hash, owner, removed, created, .. } = row;
        requests.insert(&name, ask, Request { id_hash, owner, removed, shards, created, receipt: None });
    }
    drop(requests);
    service.metrics.deleted.inc_by(removed);
    info!(requests = jobs.len(), removed, shards = plan.shards.len(), "deletions carried out");
    Ok(names)
}

fn carry_out_additions(service: &Service, jobs: Vec<Add>) {
    let mut deployment = lock(&service.deployment);
    let result = add(service, &mut deployment, &jobs);
    if let Err(problem) = &result {
        error!("additions failed: {problem:#}");
        service.metrics.failed_changes.inc_by(jobs.len() as u64);
        service.recover(&mut deployment);
    }
    drop(deployment);
    service.schedule_changes(true);
    match result {
        Ok(counts) => jobs.into_iter().zip(counts).for_each(|(job, count)| {
            let _ = job.reply.send(count.ok_or_else(|| anyhow!("the account was deleted meanwhile")));
        }),
        Err(_) => jobs.into_iter().for_each(|job| {
            let _ = job.reply.send(Err(anyhow!("the change was not carried out; try again")));
        }),
    }
}

/// Adds what is new; how much that was for each job, `None` where the account
/// is gone.
fn add(service: &Service, deployment: &mut Deployment, jobs: &[Add]) -> Result<Vec<Option<u64>>> {
    let before = service.snapshot().world.clone();
    let mut known: HashSet<(u32, u32)> = HashSet::new();
    let (mut counts, mut new) = (Vec::new(), Vec::new());
    for job in jobs {
        // The request was let in by an earlier picture than this one.
        if before.catalog.users.ids.get(job.user as usize).is_none_or(|id| id.starts_with(DELETED)) {
            counts.push(None);
            continue;
        }
        known.extend(before.interactions.of(job.user).iter().map(|r| (r.user, r.item)));
        let mut count = 0;
        for &(item, time) in &job.records {
            if known.insert((job.user, item)) {
                new.push(Interaction { user: job.user, item, timestamp: time });
                count += 1;
            }
        }
        counts.push(Some(count));
    }
    if new.is_empty() {
        return Ok(counts);
    }
    let mut records = before.interactions.all().to_vec();
    records.extend(&new);
    let (after, _) = World::new(deployment.world.catalog.clone(), records, deployment.world.config.clone())?;
    let users: BTreeSet<u32> = jobs.iter().map(|job| job.user).collect();
    let stale: BTreeSet<u32> = users.iter().flat_map(|&user| changed_shards(&before, &after, user)).collect();
    let stale: Vec<u32> = stale.into_iter().collect();
    deployment.state.insert(&new, &stale, &|record| Deployment::keyed_id(&after, record))?;
    deployment.world = after;
    let next = service.snapshot().after_records(deployment, false)?;
    service.set_snapshot(next);
    service.metrics.added.inc_by(new.len() as u64);
    info!(records = new.len(), shards = stale.len(), "additions carried out");
    Ok(counts)
}
