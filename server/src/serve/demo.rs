//! The demonstration: tokens of a few households, which everybody gets. When somebody
//! deletes or empties a household, another takes its place, so that visitors cannot use
//! them up.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::handle::Handle;
use super::tokens::Scope;
use super::view::View;
use crate::store::State;

/// The households on offer.
#[derive(Debug, Default)]
pub(super) struct Demo {
    wanted: usize,
    offered: Mutex<Offered>,
}

#[derive(Debug, Default)]
struct Offered {
    /// Users with their tokens.
    now: Vec<(u32, String)>,
    /// The next users, those with the most records first.
    next: VecDeque<u32>,
}

impl Demo {
    /// Offers this many households, those with the most records.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub(super) fn new(state: &State, view: &View, wanted: usize) -> Result<Self> {
        let mut people: Vec<(std::cmp::Reverse<usize>, u32)> = Vec::new();
        if wanted > 0 {
            state.each_person(view.dataset.catalog.users.len() as u32, |records| {
                people.extend(records.first().map(|first| (std::cmp::Reverse(records.len()), first.user)));
            })?;
        }
        people.sort_unstable();
        let next = people.into_iter().map(|(_, user)| user).collect();
        Ok(Self { wanted, offered: Mutex::new(Offered { now: Vec::new(), next }) })
    }

    /// Whether this is a demonstration.
    pub(super) fn is_on(&self) -> bool {
        self.wanted > 0
    }

    /// How many households it offers.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// The households that are offered now, each with a token. Blocking.
    ///
    /// # Errors
    /// When the database does not answer, or no token can be made.
    pub(super) fn households(&self, service: &Handle) -> Result<Vec<(u32, String)>> {
        if !self.is_on() {
            return Ok(Vec::new());
        }
        let view = service.view();
        let has_records = |users: &[u32]| -> Result<Vec<bool>> {
            let dataset = service.with_people(&view.dataset, users)?;
            let gone = |user: &u32| dataset.catalog.users.is_deleted(*user);
            Ok(users.iter().map(|user| !gone(user) && !dataset.interactions.of(*user).is_empty()).collect())
        };
        // Every statement below leaves the value consistent, so a panic of another thread does
        // no harm.
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        let users: Vec<u32> = offered.now.iter().map(|(user, _)| *user).collect();
        let mut stays = has_records(&users)?.into_iter();
        // Visitors who use one of these households keep its token.
        offered.now.retain(|_| stays.next().unwrap_or_default());
        while offered.now.len() < self.wanted
            && let Some(user) = offered.next.pop_front()
        {
            if has_records(&[user])? == [true] {
                let token = service.tokens().create_passing(Scope::Subject(user))?;
                offered.now.push((user, token));
            }
        }
        Ok(offered.now.clone())
    }
}
