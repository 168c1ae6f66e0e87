//! What a deletion means: a pure function from what is known and a request to
//! what is left and which shards must retrain.

use std::collections::BTreeSet;

use crate::dataset::{Interactions, Role};
use crate::world::World;

/// A deletion, worked out and not yet done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Records that exist and go, by ascending (user, item).
    pub removed: Vec<(u32, u32)>,
    /// What is left.
    pub after: Interactions,
    /// Shards whose training set changes, ascending. One for a training
    /// record without hold-out; forgetting a held-out record re-derives the
    /// split and may move others in or out of training.
    pub shards: Vec<u32>,
}

/// Works out the deletion of records (user, item). What is not there, or is
/// named twice, is nothing.
pub fn plan(world: &World, request: &[(u32, u32)]) -> Plan {
    let request: BTreeSet<(u32, u32)> = request.iter().copied().collect();
    let users: BTreeSet<u32> = request.iter().map(|(user, _)| *user).collect();
    let removed: BTreeSet<(u32, u32)> = users
        .iter()
        .flat_map(|&user| world.interactions.of(user).iter().map(|r| (r.user, r.item)))
        .filter(|record| request.contains(record))
        .collect();
    let after = world.with(world.interactions.filtered(|r| !removed.contains(&(r.user, r.item))));
    let mut shards = BTreeSet::new();
    for &user in &users {
        shards.extend(changed_shards(world, &after, user));
    }
    Plan { removed: removed.into_iter().collect(), after: after.interactions, shards: shards.into_iter().collect() }
}

/// The shards whose training set differs in one user's records, ascending:
/// what a deletion, or an addition, makes train anew.
pub fn changed_shards(before: &World, after: &World, user: u32) -> BTreeSet<u32> {
    let training = |world: &World| world.items(user, Role::Train).into_iter().collect::<BTreeSet<u32>>();
    training(before).symmetric_difference(&training(after)).map(|&item| before.shard_of(user, item)).collect()
}

/// All records of one user: what an account deletion asks for.
pub fn everything_of(world: &World, user: u32) -> Vec<(u32, u32)> {
    world.interactions.of(user).iter().map(|r| (r.user, r.item)).collect()
}
