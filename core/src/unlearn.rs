//! The plan of a deletion: a pure function from a data set and a request to the
//! remaining records and the shards that must retrain.

use std::collections::BTreeSet;

use crate::data::{Interaction, Role};
use crate::dataset::Dataset;

/// A deletion that is planned and not carried out yet.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Existing records that are removed, by ascending (user, item).
    pub removed: Vec<(u32, u32)>,
    /// The data set without them.
    pub after: Dataset,
    /// Shards whose training set changes, ascending. A training record without
    /// hold-out changes one shard. Deleting a held-out record derives the split
    /// anew, and may move other records in or out of training.
    pub shards: Vec<u32>,
}

/// Plans the deletion of records (user, item). Records that do not exist, and
/// repeated ones, are ignored. Reads the records of the users named, and no
/// others.
pub fn plan(dataset: &Dataset, request: &[(u32, u32)]) -> Plan {
    let request: BTreeSet<(u32, u32)> = request.iter().copied().collect();
    let users: BTreeSet<u32> = request.iter().map(|(user, _)| *user).collect();
    let removed: BTreeSet<(u32, u32)> = users
        .iter()
        .flat_map(|&user| dataset.interactions.of(user).iter().map(|r| (r.user, r.item)))
        .filter(|record| request.contains(record))
        .collect();
    let after = dataset.changed(&removed, &[]);
    let mut shards = BTreeSet::new();
    for &user in &users {
        shards.extend(changed_shards(dataset, &after, user));
    }
    Plan { removed: removed.into_iter().collect(), after, shards: shards.into_iter().collect() }
}

/// The shards whose training set differs in one user's records, ascending: a
/// deletion or an addition retrains these.
pub fn changed_shards(before: &Dataset, after: &Dataset, user: u32) -> BTreeSet<u32> {
    // A record whose time changed counts as another one, because order and age
    // are learned.
    let training = |dataset: &Dataset| -> BTreeSet<(u32, Option<u64>)> {
        let own = dataset.interactions.of(user);
        let is_training = |place: usize| dataset.split.role(place, own.len()) == Role::Train;
        let own = own.iter().enumerate().filter(|(place, _)| is_training(*place));
        own.map(|(_, record)| (record.item, record.timestamp.map(f64::to_bits))).collect()
    };
    // A user who was added with the change is in the later catalogue only.
    let known = if (user as usize) < before.catalog.users.len() { before } else { after };
    training(before).symmetric_difference(&training(after)).map(|&(item, _)| known.shard_of(user, item)).collect()
}

/// One user's records that are earlier than a time. Records without a time are
/// left out.
pub fn everything_before(dataset: &Dataset, user: u32, time: f64) -> Vec<(u32, u32)> {
    let own = dataset.interactions.of(user).iter();
    own.filter(|r| r.timestamp.is_some_and(|at| at < time)).map(|r| (r.user, r.item)).collect()
}

/// All users' records of one item: the request that takes an item down.
pub fn everything_with(dataset: &Dataset, item: u32) -> Vec<(u32, u32)> {
    dataset.interactions.iter().filter(|r| r.item == item).map(|r| (r.user, r.item)).collect()
}

/// All records of one user: the request that deletes an account.
pub fn everything_of(dataset: &Dataset, user: u32) -> Vec<(u32, u32)> {
    dataset.interactions.of(user).iter().map(|r| (r.user, r.item)).collect()
}

/// The shards whose training records change with an addition, ascending.
#[must_use]
pub fn shards_of_additions(before: &Dataset, after: &Dataset, new: &[Interaction]) -> Vec<u32> {
    let users: BTreeSet<u32> = new.iter().map(|record| record.user).collect();
    let stale: BTreeSet<u32> = users.iter().flat_map(|&user| changed_shards(before, after, user)).collect();
    stale.into_iter().collect()
}
