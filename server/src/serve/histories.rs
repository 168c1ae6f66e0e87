//! What people did, read when it is asked for: the service keeps no copy of
//! all records in memory. Readers have connections of their own, so that none
//! waits for a change that is being made.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use eemu_core::dataset::Dataset;

use crate::store::{Access, Backup, Location, State};

/// Connections that read.
const READERS: usize = 2;

/// Reads histories.
#[derive(Debug)]
pub(super) struct Histories {
    readers: Vec<State>,
    next: AtomicUsize,
}

impl Histories {
    /// Opens the readers of a state that is open for writing.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn open(location: &Location) -> Result<Self> {
        let readers = (0..READERS).map(|_| Ok(State::open(location, Access::Read)?)).collect::<Result<_>>()?;
        Ok(Self { readers, next: AtomicUsize::new(0) })
    }

    fn reader(&self) -> &State {
        &self.readers[self.next.fetch_add(1, Ordering::Relaxed) % READERS]
    }

    /// A system with the whole histories of these people at hand, as they are
    /// now: later than `dataset` perhaps, never earlier. Blocking.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn bring_in(&self, dataset: &Dataset, users: &[u32]) -> Result<Dataset> {
        if users.is_empty() {
            return Ok(dataset.clone());
        }
        Ok(dataset.with_people(self.reader().records_of(users)?))
    }

    /// Backups that are out, the oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn backups(&self) -> Result<Vec<Backup>> {
        Ok(self.reader().backups()?)
    }

    /// The same with everybody who has one of these items.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn bring_in_holders(&self, dataset: &Dataset, items: &[u32]) -> Result<Dataset> {
        let users = holders(self.reader(), items)?;
        self.bring_in(dataset, &users)
    }
}

/// Everybody who has one of these items, ascending.
///
/// # Errors
/// When the database refuses.
pub(super) fn holders(state: &State, items: &[u32]) -> Result<Vec<u32>> {
    let mut users = Vec::new();
    for item in items {
        users.extend(state.records_with(*item)?.iter().map(|record| record.user));
    }
    users.sort_unstable();
    users.dedup();
    Ok(users)
}
