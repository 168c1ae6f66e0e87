//! Deletions in the run loop. Requests that arrive together are carried out in one
//! transaction. A deletion is acknowledged when its bytes are gone from disk and no
//! model that was trained on them serves any more. After the commit, no later failure
//! withdraws the acknowledgement.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use eemu_core::receipt::Asked;
use eemu_core::unlearn::changed_shards;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::command::{Add, Forget, Wanted};
use super::coordinator::{Alone, Coordinator};
use super::histories::holders;
use super::requests::{self, owner_of};
use super::tokens::Tokens;
use crate::clock::{now_exactly, random_hex};
use crate::deleting::{Plan, id_hash};
use crate::store::{Deferred, NewAudit, NewDeferred, NewRequest, Request, StoreError, TRIES};

pub(super) const REFUSED: &str = "the change was not carried out; try again";

/// A deletion request in progress.
pub(super) struct Ask {
    /// What is to be deleted; `None` when the user does not exist any more.
    wanted: Option<Wanted>,
    /// The same by name.
    asked: Asked,
    by: Option<NewAudit>,
    /// When it was received, in seconds since 1970.
    created: f64,
    /// The name that it got when it was accepted.
    name: Option<String>,
    reply: Option<oneshot::Sender<Result<String>>>,
}

impl Ask {
    /// Refuses the request; nothing of it was carried out.
    pub(super) fn refuse(self) {
        if let Some(reply) = self.reply {
            // The client may have gone; then nobody needs the reply.
            let _ = reply.send(Err(anyhow!(REFUSED)));
        }
    }
}

/// A change whose outcome is unknown, because the store failed during the commit.
pub(super) enum Undecided {
    /// A deletion with its name.
    Forget(String, Option<oneshot::Sender<Result<String>>>),
    /// An addition.
    Add(Add),
}

impl Undecided {
    /// Replies that the outcome is unknown, because the service ends.
    pub(super) fn leave_open(self) {
        const OPEN: &str = "it is not known whether the change was carried out: the service stops; ask again when it \
                            is back";
        match self {
            Self::Forget(_, Some(reply)) => drop(reply.send(Err(anyhow!(OPEN)))),
            Self::Forget(_, None) => {}
            Self::Add(add) => drop(add.reply.send(Err(anyhow!(OPEN)))),
        }
    }
}

/// Deletions that are committed and wait for their bytes to be overwritten.
#[derive(Default)]
pub(super) struct Made {
    /// Who receives a reply, with the request's name.
    replies: Vec<(oneshot::Sender<Result<String>>, String)>,
    /// The requests that are committed, by the hash of their names.
    ids: Vec<[u8; 32]>,
}

/// What is stored, encrypted, of a deferred request.
#[derive(Serialize, Deserialize)]
struct Secret {
    name: String,
    asked: Asked,
}

impl Coordinator {
    /// Carries out deletions now, or defers them.
    pub(super) fn forget(&mut self, forgets: Vec<Forget>) {
        let dataset = self.view.dataset.clone();
        let asks = forgets.into_iter().map(|Forget { wanted, by, reply }| {
            let asked = wanted.asked(&dataset);
            Ask { wanted: Some(wanted), asked, by, created: now_exactly(), name: None, reply: Some(reply) }
        });
        let asks = asks.collect();
        if self.handle.options().deletions.is_at_once() { self.delete(asks, 0) } else { self.accept(asks) }
    }

    /// Stores deletions that are carried out later.
    fn accept(&mut self, asks: Vec<Ask>) {
        match self.try_accept(&asks) {
            Ok(names) => {
                self.put_in_place();
                for (ask, name) in asks.into_iter().zip(names) {
                    ask.reply.into_iter().for_each(|reply| drop(reply.send(Ok(name.clone()))));
                }
            }
            Err(problem) => {
                error!("requests were not accepted: {problem:#}");
                self.handle.metrics().failed_changes.inc_by(asks.len() as u64);
                asks.into_iter().for_each(Ask::refuse);
            }
        }
    }

    fn try_accept(&mut self, asks: &[Ask]) -> Result<Vec<String>> {
        let (mut names, mut new, mut hashes) = (Vec::new(), Vec::new(), HashMap::new());
        for ask in asks {
            let hash = self.repeated.hash(of(ask.wanted.as_ref()))?;
            let earlier = self.repeated.name(&hash).filter(|name| self.view.requests.deferred(name).is_some());
            if let Some(name) = hashes.get(&hash).map(String::as_str).or(earlier) {
                names.push(name.to_owned());
                continue;
            }
            let name = random_hex::<16>()?;
            let due = self.handle.options().deletions.due(ask.created);
            let secret = serde_json::to_vec(&Secret { name: name.clone(), asked: ask.asked.clone() })?;
            new.push(NewDeferred { id_hash: id_hash(&name), asked: ask.created, due, secret });
            hashes.insert(hash, name.clone());
            names.push(name);
        }
        let who: Vec<NewAudit> = asks.iter().filter_map(|ask| ask.by.clone()).collect();
        self.state.defer(&new, &who)?;
        for NewDeferred { id_hash, asked, due, .. } in new {
            self.view.requests.defer(Deferred { id_hash, asked, due });
        }
        hashes.into_iter().for_each(|(hash, name)| self.repeated.note(hash, &name));
        Ok(names)
    }

    /// Carries out deferred deletions.
    pub(super) fn forget_deferred(&mut self) {
        self.deferred_tried = Some(Instant::now());
        match self.read_deferred() {
            Ok(asks) => self.delete(asks, 0),
            Err(problem) => error!("accepted deletions cannot be carried out yet: {problem:#}"),
        }
    }

    fn read_deferred(&self) -> Result<Vec<Ask>> {
        let dataset = &self.view.dataset;
        let kept = self.state.deferred_secrets()?.into_iter();
        kept.map(|(request, secret)| {
            let Secret { name, asked } = serde_json::from_slice(&secret).context("an accepted deletion is damaged")?;
            let wanted = Wanted::of(&asked, dataset);
            Ok(Ask { wanted, asked, by: None, created: request.asked, name: Some(name), reply: None })
        })
        .collect()
    }

    /// Tries deletions again that another process's change interfered with.
    pub(super) fn again(&mut self, asks: Vec<Ask>, tries: u32) {
        if tries < TRIES {
            self.delete(asks, tries);
            return;
        }
        error!("deletions failed: other processes change this state without a pause");
        self.handle.metrics().failed_changes.inc_by(asks.len() as u64);
        asks.into_iter().for_each(Ask::refuse);
    }

    fn delete(&mut self, asks: Vec<Ask>, tries: u32) {
        let (plan, names, people) = match self.planned(&asks) {
            Ok(planned) => planned,
            Err(problem) => {
                error!("deletions failed: {problem:#}");
                asks.into_iter().for_each(Ask::refuse);
                return;
            }
        };
        let deferred: Vec<[u8; 32]> = asks.iter().filter_map(|ask| ask.name.as_deref()).map(id_hash).collect();
        let who: Vec<NewAudit> = asks.iter().filter_map(|ask| ask.by.clone()).collect();
        if plan.is_nothing() && deferred.is_empty() {
            // An earlier request removed the same. Only the work on disk that it left may remain.
            self.audit.extend(who);
            let replies = asks.into_iter().zip(names).filter_map(|(ask, name)| Some((ask.reply?, name))).collect();
            self.finish(Made { replies, ids: Vec::new() }, None);
            return;
        }
        let done =
            match self.state.apply(&crate::store::Change::Delete(plan.deletion(&deferred, &who)), self.deployment.head)
            {
                Ok(done) => done,
                Err(StoreError::Moved) => {
                    let (waiters, undecided) = (Vec::new(), Vec::new());
                    self.begin_rereading(Alone::Rereading { waiters, again: asks, undecided, tries: tries + 1 });
                    return;
                }
                Err(problem) => {
                    error!("deletions failed: {problem:#}");
                    self.handle.metrics().failed_changes.inc_by(asks.len() as u64);
                    let open = asks.into_iter().zip(names).map(|(ask, name)| Undecided::Forget(name, ask.reply));
                    let (waiters, again, undecided) = (Vec::new(), Vec::new(), open.collect());
                    self.begin_rereading(Alone::Rereading { waiters, again, undecided, tries: 0 });
                    return;
                }
            };
        // From here on the deletion is made. Nothing below returns an error, since that would
        // withhold the acknowledgement.
        let count = plan.removed.len();
        info!(requests = asks.len(), removed = count, shards = plan.stale.len(), "deletions carried out");
        self.handle.metrics().deleted.inc_by(count as u64);
        let versions: HashMap<u32, u64> = done.shards.iter().map(|shard| (shard.index, shard.version)).collect();
        for (row, asked) in plan.requests().iter().zip(plan.asked()) {
            let shards = row.shards.iter().filter_map(|shard| Some((*shard, *versions.get(shard)?))).collect();
            let noted = row.clone().noted(shards);
            let asked = Some(asked.clone());
            self.view.requests.insert(Request { carried_out: Some(now_exactly()), asked, ..noted });
        }
        self.view.requests.carried_out(&deferred);
        for (ask, name) in asks.iter().zip(&names).filter(|(ask, _)| ask.name.is_none()) {
            if let Ok(hash) = self.repeated.hash(of(ask.wanted.as_ref())) {
                self.repeated.note(hash, name);
            }
        }
        if !deferred.is_empty() {
            self.deferred_tried = None;
        }
        if let Err(problem) = self.end_tokens(plan.accounts()) {
            // A token of a deleted account gives no access, even if it stays stored.
            error!("tokens of deleted accounts stay stored: {problem:#}");
        }
        let ids = plan.requests().iter().map(|row| row.id_hash).collect();
        self.deployment.advance(plan.after.without_people(&people), &done);
        self.learn_times();
        self.show();
        self.schedule_changes(self.handle.options().settle);
        self.put_in_place();
        let replies = asks.into_iter().zip(names).filter_map(|(ask, name)| Some((ask.reply?, name))).collect();
        self.finish(Made { replies, ids }, Some(done));
    }

    /// Reads the time of the first record again for items whose earliest known records were
    /// deleted, since only few times are kept per item.
    pub(super) fn learn_times(&mut self) {
        for item in self.deployment.dataset.popularity.short() {
            match self.state.records_with(item) {
                Ok(records) => {
                    let times = records.iter().filter_map(|record| record.timestamp);
                    self.deployment.dataset.popularity.learn(item, times);
                }
                // Until the next deletion the item is missing in lists of new items.
                Err(problem) => error!("since when an item is had is not known yet: {problem:#}"),
            }
        }
    }

    /// Revokes the tokens of deleted accounts. Requests with a token do not wait for the
    /// store meanwhile.
    fn end_tokens(&self, accounts: &[u32]) -> Result<()> {
        if accounts.is_empty() {
            return Ok(());
        }
        self.handle.tokens().end_passing(accounts);
        let mut stored = Tokens::of_state(&self.state)?;
        stored.remove_subjects(accounts)?;
        self.handle.tokens().take(stored);
        Ok(())
    }

    /// Plans the deletions: the changes, the names of the requests, and the users whose
    /// records were read for it.
    fn planned(&mut self, asks: &[Ask]) -> Result<(Plan, Vec<String>, Vec<u32>)> {
        let wanted = || asks.iter().filter_map(|ask| ask.wanted.as_ref());
        let for_all = wanted().filter(|w| w.user.is_none()).flat_map(|w| w.items.iter().flatten().copied());
        let for_all: Vec<u32> = for_all.collect();
        let mut people: BTreeSet<u32> = wanted().filter_map(|w| w.user).collect();
        people.extend(holders(&self.state, &for_all)?);
        let people: Vec<u32> = people.into_iter().collect();
        let before = self.view.dataset.with_people(self.state.records_of(&people)?);
        let records: Vec<Vec<(u32, u32)>> =
            asks.iter().map(|ask| ask.wanted.as_ref().map_or_else(Vec::new, |w| w.records(&before))).collect();
        let is_there = |user: &u32| !before.catalog.users.is_deleted(*user);
        let accounts: Vec<u32> = wanted().filter(|w| w.account).filter_map(|w| w.user).filter(is_there).collect();
        let mut plan = Plan::new(&before, &records.concat(), &accounts, &for_all)?;
        let mut left: HashSet<(u32, u32)> = plan.removed.iter().copied().collect();
        let without = self.deployment.shards.iter().filter(|shard| shard.live.is_none()).map(|shard| shard.index);
        let masked: BTreeSet<u32> = without.chain(plan.stale.iter().copied()).collect();

        let mut names = Vec::new();
        let mut within: HashMap<[u8; 32], String> = HashMap::new();
        for (ask, records) in asks.iter().zip(&records) {
            let wanted = ask.wanted.as_ref();
            let removed = records.iter().filter(|record| left.remove(record)).count() as u64;
            let hash = self.repeated.hash(of(wanted))?;
            let repeats = ask.name.is_none() && wanted.is_some_and(|wanted| !wanted.account && wanted.user.is_some());
            if removed == 0
                && repeats
                && let Some(name) = within.get(&hash).map(String::as_str).or_else(|| self.known(&hash))
            {
                names.push(name.to_owned());
                continue;
            }
            let name = ask.name.clone().map_or_else(random_hex::<16>, Ok)?;
            let user = wanted.and_then(|wanted| wanted.user);
            let users: BTreeSet<u32> = records.iter().map(|record| record.0).chain(user).collect();
            let mut shards: BTreeSet<u32> =
                users.iter().flat_map(|&user| changed_shards(&before, &plan.after, user)).collect();
            if removed == 0 {
                shards.clear();
            }
            // Records that were deleted earlier wait with the shard that held them.
            let held = records.iter().map(|&(user, item)| before.shard_of(user, item));
            shards.extend(held.filter(|shard| masked.contains(shard)));
            let id = user.filter(|_| wanted.is_some_and(|wanted| !wanted.account));
            let id = id.and_then(|user| before.catalog.users.ids.get(user as usize));
            let row = NewRequest {
                id_hash: id_hash(&name),
                owner: id.map(|id| owner_of(&name, id)),
                removed,
                shards: shards.into_iter().collect(),
                created: ask.created,
            };
            plan.note(row, ask.asked.committed(&name));
            within.insert(hash, name.clone());
            names.push(name);
        }
        Ok((plan, names, people))
    }

    /// The name of an earlier known request for the same deletion.
    fn known(&self, hash: &[u8; 32]) -> Option<&str> {
        self.repeated.name(hash).filter(|name| self.view.requests.find(name).is_some())
    }

    /// Starts the job that overwrites deleted bytes. Whoever waits for it receives a reply
    /// when it is done.
    pub(super) fn finish(&mut self, made: Made, done: Option<crate::store::Committed>) {
        self.jobs.finish(done, made.ids.clone());
        self.alone = Some(Alone::Finishing(made));
    }

    pub(super) fn finished(&mut self, result: &Result<()>, times: Result<(Vec<Request>, Option<f64>)>) {
        let Some(Alone::Finishing(made)) = self.alone.take() else { return };
        match times {
            Ok((requests, due)) => {
                self.view.requests.erased(&requests);
                self.jobs.compaction_due(due);
            }
            Err(problem) => error!("the requests' times of erasure are not known yet: {problem:#}"),
        }
        self.put_in_place();
        if let Err(problem) = result {
            error!("changes are made, but not down to the bytes yet: {problem:#}");
            self.handle.metrics().failed_changes.inc_by(made.replies.len() as u64);
        }
        for (reply, name) in made.replies {
            // The record is deleted even if the client has gone.
            let _ = reply.send(match result {
                Ok(()) => Ok(name),
                Err(_) => Err(anyhow!(
                    "the records are removed and stay removed; do not send this again. But the server could not make \
                     sure yet that no byte of them is left on disk, and goes on trying. The request is {name}"
                )),
            });
        }
        // Requests that removed nothing from a training set need no retraining, so they get
        // their receipt at once.
        self.answer_requests();
        self.put_in_place();
    }

    /// Finds out whether undecided changes were made, now that the store was read.
    pub(super) fn decide(&mut self, undecided: Vec<Undecided>) {
        let mut made = Made::default();
        for change in undecided {
            match change {
                Undecided::Forget(name, reply) => match (self.view.requests.find(&name), reply) {
                    (Some(request), reply) => {
                        made.ids.push(request.id_hash);
                        made.replies.extend(reply.map(|reply| (reply, name)));
                    }
                    (None, Some(reply)) => drop(reply.send(Err(anyhow!(REFUSED)))),
                    (None, None) => {}
                },
                Undecided::Add(add) => {
                    let _ = add.reply.send(self.was_made(&add.records));
                }
            }
        }
        if !made.ids.is_empty() {
            self.finish(made, None);
        }
    }
}

/// The part of a request that decides whether asking again is the same request.
fn of(wanted: Option<&Wanted>) -> requests::Ask<'_> {
    let wanted = wanted.map(|wanted| (wanted.user, wanted.items.as_deref(), wanted.before));
    let (user, items, before) = wanted.unwrap_or_default();
    requests::Ask { user, items, before }
}
