//! The one writer: requests that arrive together are carried out together, in
//! one transaction, and acknowledged when their bytes are gone from disk and
//! no model that saw them answers any more.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use eemu_core::dataset::Interaction;
use eemu_core::unlearn::{
    changed_shards, everything_before, everything_of, everything_with, plan, shards_of_additions,
};
use eemu_core::world::World;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::requests::{id_hash, owner_of};
use super::service::{Service, lock};
use crate::clock::{now, random_hex};
use crate::deployment::Deployment;
use crate::forgetting::{TRIES, blank, names as by_name};
use crate::store::{Addition, Deletion, NewRequest, StoreError};

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
    /// Whose; nobody's in particular when items are taken down for everybody.
    pub user: Option<u32>,
    /// The user's identifier, to whom the request is committed.
    pub user_id: String,
    /// Which items; `None` means all.
    pub items: Option<Vec<u32>>,
    /// Only what is earlier than this; what has no time stays.
    pub before: Option<f64>,
    /// The account goes too.
    pub account: bool,
    /// Gets the request's name.
    pub reply: oneshot::Sender<Result<String>>,
}

/// Whose records come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Somebody's of the catalogue, by index.
    Known(u32),
    /// Somebody's who was in no table when this was asked, by identifier.
    New(String),
}

/// An addition.
#[derive(Debug)]
pub struct Add {
    /// Whose.
    pub user: Whose,
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
            bail!("the service is stopping; send it again when it is back");
        }
        if queue.0.len() >= LONGEST_QUEUE {
            bail!("too many changes are waiting; send it again in a while");
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
        Ok(deleted) => {
            drop(deployment);
            service.schedule_changes(true);
            if let Some(problem) = &deleted.unfinished {
                error!("deletions are made, but not down to the bytes yet: {problem:#}");
                service.metrics.failed_changes.inc_by(count as u64);
            }
            for (job, name) in jobs.into_iter().zip(deleted.names) {
                // Whoever went away has the record deleted all the same.
                let _ = job.reply.send(match deleted.unfinished {
                    None => Ok(name),
                    Some(_) => Err(anyhow!(
                        "the records are removed and stay removed; do not send this again. But the server could not \
                         make sure yet that no byte of them is left on disk, and goes on trying. The request is {name}"
                    )),
                });
            }
            // Requests that removed nothing from a training set need no
            // retraining: they have their receipt at once.
            if let Err(problem) = service.answer_requests() {
                error!("receipts are not written yet: {problem:#}");
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
pub(super) fn wanted(world: &World, user: Option<u32>, items: Option<&[u32]>, before: Option<f64>) -> Vec<(u32, u32)> {
    let Some(user) = user else {
        return items.unwrap_or_default().iter().flat_map(|&item| everything_with(world, item)).collect();
    };
    match (items, before) {
        (Some(items), _) => items.iter().map(|&item| (user, item)).collect(),
        (None, Some(time)) => everything_before(world, user, time),
        (None, None) => everything_of(world, user),
    }
}

/// What deletions came to.
struct Deleted {
    /// The requests' names, in the order of the jobs.
    names: Vec<String>,
    /// What went wrong after the records were gone for good.
    unfinished: Option<StoreError>,
}

fn delete(service: &Service, deployment: &mut Deployment, jobs: &[Forget]) -> Result<Deleted> {
    deployment.state.expire_backups()?;
    for _ in 0..TRIES {
        if service.is_shared() {
            service.follow(deployment)?;
        }
        if let Some(deleted) = try_delete(service, deployment, jobs)? {
            return Ok(deleted);
        }
    }
    bail!("other processes change this state without a pause")
}

/// One try; `None` when another process changed records first.
fn try_delete(service: &Service, deployment: &mut Deployment, jobs: &[Forget]) -> Result<Option<Deleted>> {
    let before = service.snapshot().world.clone();
    let asked: Vec<Vec<(u32, u32)>> =
        jobs.iter().map(|job| wanted(&before, job.user, job.items.as_deref(), job.before)).collect();
    let plan = plan(&before, &asked.concat());
    let mut after = plan.after;
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
        let ask = requests.ask(job.user, &items, job.items.is_none(), job.before)?;
        if removed == 0
            && !job.account
            && job.user.is_some()
            && let Some(name) = within.get(&ask).map(String::as_str).or_else(|| requests.repeated(&ask))
        {
            names.push(name.to_owned());
            continue;
        }
        let name = random_hex::<16>()?;
        let users: BTreeSet<u32> = records.iter().map(|record| record.0).chain(job.user).collect();
        let mut shards: BTreeSet<u32> = users.iter().flat_map(|&user| changed_shards(&before, &after, user)).collect();
        if removed == 0 {
            shards.clear();
        }
        // What was removed earlier waits with the shard that held it.
        shards.extend(records.iter().map(|&(user, item)| before.shard_of(user, item)).filter(|s| masked.contains(s)));
        let owner = (!job.account && job.user.is_some()).then(|| owner_of(&name, &job.user_id));
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
    let accounts: BTreeSet<u32> = jobs.iter().filter(|job| job.account).filter_map(|job| job.user).collect();
    let for_all = jobs.iter().filter(|job| job.user.is_none());
    let down: Vec<u32> = for_all.flat_map(|job| job.items.iter().flatten().copied()).collect();
    after.take_down(&down);
    let accounts: Vec<u32> = accounts.into_iter().collect();
    // Names go with the records, in one transaction: nothing that may fail
    // comes between.
    blank(&mut after.catalog, &accounts)?;
    let deletion = Deletion {
        records: &plan.removed,
        stale: &plan.shards,
        requests: &rows,
        accounts: &accounts,
        down: &down,
        catalog: if accounts.is_empty() { None } else { Some(&after.catalog) },
        names: &by_name(&deployment.world.catalog, &plan.removed, &accounts),
    };
    let removed = plan.removed.len();
    let done = match deployment.state.carry_out(&deletion) {
        Ok(done) => done,
        Err(StoreError::Moved) => return Ok(None),
        Err(problem) => return Err(problem.into()),
    };
    // From here on the deletion is made: nothing below may cost the
    // acknowledgement, so nothing below returns an error.
    let versions: HashMap<u32, u64> = done.shards.iter().map(|shard| (shard.index, shard.version)).collect();
    let mut requests = lock(&service.requests);
    for (name, ask, row) in new {
        let shards = row.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
        requests.insert(&name, ask, row.noted(shards));
    }
    drop(requests);
    let unfinished = deployment.moved_on(after, done);
    service.show_change(deployment);
    let ids: Vec<[u8; 32]> = rows.iter().map(|row| row.id_hash).collect();
    if let Err(problem) = service.reread_erasure(&ids) {
        error!("the requests' times of erasure are not known yet: {problem:#}");
    }
    if let Err(problem) = lock(&service.tokens).remove_subjects(&accounts) {
        // A token of a deleted account opens nothing.
        error!("tokens of deleted accounts stay stored: {problem:#}");
    }
    service.metrics.deleted.inc_by(removed as u64);
    info!(requests = jobs.len(), removed, shards = plan.shards.len(), "deletions carried out");
    Ok(Some(Deleted { names, unfinished }))
}

fn carry_out_additions(service: &Service, jobs: Vec<Add>) {
    let mut deployment = lock(&service.deployment);
    let mut result = Ok(None);
    for _ in 0..TRIES {
        if service.is_shared()
            && let Err(problem) = service.follow(&mut deployment)
        {
            result = Err(problem);
            break;
        }
        result = add(service, &mut deployment, &jobs);
        if !matches!(result, Ok(None)) {
            break;
        }
    }
    let result = result.and_then(|counts| counts.context("other processes change this state without a pause"));
    if let Err(problem) = &result {
        error!("additions failed: {problem:#}");
        service.metrics.failed_changes.inc_by(jobs.len() as u64);
        service.recover(&mut deployment);
    }
    drop(deployment);
    service.schedule_changes(true);
    match result {
        Ok(counts) => jobs.into_iter().zip(counts).for_each(|(job, count)| {
            let _ = job.reply.send(count.ok_or_else(|| {
                anyhow!("the account was deleted meanwhile; add its records again if the person is back")
            }));
        }),
        Err(_) => jobs.into_iter().for_each(|job| {
            let _ = job.reply.send(Err(anyhow!("the change was not carried out; try again")));
        }),
    }
}

/// Adds what is new; how much that was for each job, `None` where the account
/// is gone. `None` for all when another process changed records first.
fn add(service: &Service, deployment: &mut Deployment, jobs: &[Add]) -> Result<Option<Vec<Option<u64>>>> {
    let before = service.snapshot().world.clone();
    let mut catalog = before.catalog.clone();
    let mut known: HashSet<(u32, u32)> = HashSet::new();
    let (mut counts, mut new, mut people) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        // The request was let in by an earlier picture than this one.
        let found = match &job.user {
            Whose::Known(user) => Some(*user),
            Whose::New(id) => catalog.users.find(id),
        };
        let user = match (found, &job.user) {
            (Some(user), _) if catalog.users.is_deleted(user) || user as usize >= catalog.users.len() => {
                counts.push(None);
                continue;
            }
            (Some(user), _) => user,
            (None, Whose::New(_)) if job.records.is_empty() => {
                counts.push(Some(0));
                continue;
            }
            (None, Whose::New(id)) => {
                people.push(id.clone());
                catalog.users.append(id, &[], &before.key)?
            }
            (None, Whose::Known(_)) => bail!("a change names nobody"),
        };
        known.extend(before.interactions.of(user).iter().map(|r| (r.user, r.item)));
        let mut count = 0;
        for &(item, time) in &job.records {
            if known.insert((user, item)) {
                new.push(Interaction { user, item, timestamp: time });
                count += 1;
            }
        }
        counts.push(Some(count));
    }
    if new.is_empty() {
        return Ok(Some(counts));
    }
    let after = World { catalog, ..(*before).clone() }.changed(&BTreeSet::new(), &new);
    let stale = shards_of_additions(&before, &after, &new);
    let first: Vec<u32> = stale.iter().copied().filter(|shard| !before.has_voice(*shard)).collect();
    let keyed_id = |record: &Interaction| Deployment::keyed_id(&after, record);
    let catalog = Some(&after.catalog);
    let addition =
        Addition { records: &new, stale: &stale, first: &first, keyed_id: &keyed_id, people: &people, catalog };
    let done = match deployment.state.add(&addition) {
        Ok(done) => done,
        Err(StoreError::Moved) => return Ok(None),
        Err(problem) => return Err(problem.into()),
    };
    // From here on the addition is made: nothing below returns an error.
    if let Some(problem) = deployment.moved_on(after, done) {
        error!("additions are made, but files that no version needs are left: {problem:#}");
    }
    service.show_change(deployment);
    service.metrics.added.inc_by(new.len() as u64);
    info!(records = new.len(), people = people.len(), shards = stale.len(), "additions carried out");
    Ok(Some(counts))
}
