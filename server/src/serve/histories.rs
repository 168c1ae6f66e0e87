//! User histories, read on demand: the service keeps no copy of all records in memory.
//! The readers have their own connections, so that none waits for a change in progress.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use eemu_core::dataset::Dataset;

use crate::store::{Access, Backup, Location, State};

/// Number of reading connections.
const READERS: usize = 2;

/// Reads histories.
#[derive(Debug)]
pub(super) struct Histories {
    readers: Vec<State>,
    next: AtomicUsize,
}

impl Histories {
    /// Opens the reading connections of a state that is open for writing.
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

    /// The dataset with the whole histories of these users in memory, as they are now:
    /// perhaps later than `dataset`, never earlier. Blocking.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn bring_in(&self, dataset: &Dataset, users: &[u32]) -> Result<Dataset> {
        if users.is_empty() {
            return Ok(dataset.clone());
        }
        Ok(dataset.with_people(self.reader().records_of(users)?))
    }

    /// Backups that exist, the oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn backups(&self) -> Result<Vec<Backup>> {
        Ok(self.reader().backups()?)
    }

    /// The dataset with the whole histories in memory of every user who has one of these
    /// items.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) fn bring_in_holders(&self, dataset: &Dataset, items: &[u32]) -> Result<Dataset> {
        let users = holders(self.reader(), items)?;
        self.bring_in(dataset, &users)
    }
}

/// Every user who has one of these items, ascending.
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
