//! Additions in the run loop: records of one user or of many. Requests that arrive
//! together are one transaction.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use eemu_core::dataset::Dataset;
use tracing::{error, info};

use super::command::{Add, Came, Change, Coming, Command, Whose};
use super::coordinator::{Alone, Coordinator};
use super::deletions::{Made, REFUSED, Undecided};
use crate::adding::Collected;
use crate::store::{NewAudit, StoreError};

impl Coordinator {
    /// A user's index. The request may have been accepted with an earlier view than the
    /// present one.
    fn find(&self, user: &Whose) -> Option<u32> {
        match user {
            Whose::Known(user) => Some(*user),
            Whose::New(id) => self.view.dataset.catalog.users.find(id),
        }
    }

    /// The dataset with the records in memory of every user in the request, and the indices
    /// of those users.
    fn at_hand(&self, records: &[Coming]) -> Result<(Dataset, Vec<u32>)> {
        let people: BTreeSet<u32> = records.iter().filter_map(|one| self.find(&one.user)).collect();
        let people: Vec<u32> = people.into_iter().collect();
        Ok((self.view.dataset.with_people(self.state.records_of(&people)?), people))
    }

    /// Whether each record of an undecided addition was added, now that the store was read.
    pub(super) fn was_made(&self, records: &[Coming]) -> Result<Vec<Came>> {
        let (dataset, _) = self.at_hand(records)?;
        let is_there = |one: &Coming| {
            let own = self.find(&one.user).map_or(&[][..], |user| dataset.interactions.of(user));
            // Of duplicates the latest stays; no time is earlier than every time.
            own.iter().any(|record| record.item == one.item && record.timestamp >= one.timestamp)
        };
        if records.iter().all(is_there) { Ok(vec![Came::Added; records.len()]) } else { Err(anyhow!(REFUSED)) }
    }

    /// Carries out additions.
    pub(super) fn add(&mut self, adds: Vec<Add>) {
        let all: Vec<Coming> = adds.iter().flat_map(|add| add.records.iter().cloned()).collect();
        let (dataset, mut touched) = match self.at_hand(&all) {
            Ok(found) => found,
            Err(problem) => {
                error!("additions failed: {problem:#}");
                self.handle.metrics().failed_changes.inc_by(adds.len() as u64);
                adds.into_iter().for_each(|add| drop(add.reply.send(Err(anyhow!(REFUSED)))));
                return;
            }
        };
        let mut coming = Collected::new(&dataset);
        let mut came = Vec::with_capacity(all.len());
        for Coming { user, item, timestamp } in &all {
            let users = &coming.catalog().users;
            let found = match user {
                Whose::Known(user) => Some(*user),
                Whose::New(id) => users.find(id),
            };
            let user = match (found, user) {
                (Some(user), _) if users.is_deleted(user) || user as usize >= users.len() => None,
                (Some(user), _) => Some(user),
                (None, Whose::New(id)) => {
                    coming.welcome(id).inspect_err(|why| error!("an addition failed: {why:#}")).ok()
                }
                (None, Whose::Known(_)) => None,
            };
            came.push(match user.map(|user| coming.add(user, &[(*item, *timestamp)])) {
                None => Came::Gone,
                Some(0) => Came::Known,
                Some(_) => Came::Added,
            });
        }
        let who: Vec<NewAudit> = adds.iter().filter_map(|add| add.by.clone()).collect();
        let Some(planned) = coming.planned() else {
            self.audit.extend(who);
            reply(adds, &came);
            return;
        };
        let done = match planned.apply(&self.state, self.deployment.head, &who) {
            Ok(done) => done,
            Err(StoreError::Moved) => {
                // Another process changed the records first: try again on the new records.
                self.put_off(adds.into_iter().map(|add| Command::Change(Change::Add(add))));
                let (waiters, again, undecided) = (Vec::new(), Vec::new(), Vec::new());
                self.begin_rereading(Alone::Rereading { waiters, again, undecided, tries: 0 });
                return;
            }
            Err(problem) => {
                error!("additions failed: {problem:#}");
                self.handle.metrics().failed_changes.inc_by(adds.len() as u64);
                let undecided = adds.into_iter().map(Undecided::Add).collect();
                let (waiters, again) = (Vec::new(), Vec::new());
                self.begin_rereading(Alone::Rereading { waiters, again, undecided, tries: 0 });
                return;
            }
        };
        // From here on the addition is made, so nothing below returns an error.
        let (count, people) = (planned.new.len(), planned.people.len());
        info!(records = count, people, shards = planned.stale.len(), "additions carried out");
        self.handle.metrics().added.inc_by(count as u64);
        touched.extend(planned.new.iter().map(|record| record.user));
        self.deployment.advance(planned.after.without_people(&touched), &done);
        self.learn_times();
        self.show();
        self.schedule_changes(self.handle.options().settle);
        self.put_in_place();
        reply(adds, &came);
        // Deletes the files that no version needs any more.
        self.finish(Made::default(), Some(done));
    }
}

fn reply(adds: Vec<Add>, mut came: &[Came]) {
    for add in adds {
        let (own, others) = came.split_at(add.records.len().min(came.len()));
        came = others;
        let _ = add.reply.send(Ok(own.to_vec()));
    }
}
