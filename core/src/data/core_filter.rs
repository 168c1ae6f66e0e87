//! The k-core: every remaining user and item has at least k records with the
//! remaining ones.
//!
//! It is off by default. It depends on records, so it is computed once, at
//! import, and frozen with the catalogue.

use super::Interaction;

/// The users and items that are admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// One entry a user.
    pub users: Vec<bool>,
    /// One entry an item.
    pub items: Vec<bool>,
}

/// Drops users and items with fewer than `k` distinct records until nothing
/// changes. The result does not depend on the order of the records.
///
/// `records` hold indices below `users` and `items`.
pub fn k_core(records: &[Interaction], users: usize, items: usize, k: u32) -> Core {
    // Both sides as one list of nodes: users first, then items.
    let mut pairs: Vec<(u32, u32)> = records.iter().map(|r| (r.user, r.item)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let ends = |&(user, item): &(u32, u32)| (user as usize, users + item as usize);

    let mut starts = vec![0usize; users + items + 1];
    for (user, item) in pairs.iter().map(ends) {
        starts[user + 1] += 1;
        starts[item + 1] += 1;
    }
    let mut degrees: Vec<u32> = starts[1..].iter().map(|&d| d as u32).collect();
    for node in 0..users + items {
        starts[node + 1] += starts[node];
    }
    let mut filled = starts.clone();
    let mut neighbours = vec![0usize; pairs.len() * 2];
    for (user, item) in pairs.iter().map(ends) {
        for (node, other) in [(user, item), (item, user)] {
            neighbours[filled[node]] = other;
            filled[node] += 1;
        }
    }

    let mut stays: Vec<bool> = degrees.iter().map(|&d| d >= k).collect();
    let mut leaving: Vec<usize> = (0..users + items).filter(|&node| !stays[node]).collect();
    while let Some(node) = leaving.pop() {
        for &other in &neighbours[starts[node]..starts[node + 1]] {
            degrees[other] = degrees[other].saturating_sub(1);
            if stays[other] && degrees[other] < k {
                stays[other] = false;
                leaving.push(other);
            }
        }
    }
    let items = stays.split_off(users);
    Core { users: stays, items }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(pairs: &[(u32, u32)]) -> Vec<Interaction> {
        pairs.iter().map(|&(user, item)| Interaction { user, item, timestamp: None }).collect()
    }

    /// The definition of the k-core, computed directly.
    fn slow(pairs: &[(u32, u32)], users: usize, items: usize, k: u32) -> Core {
        let mut core = Core { users: vec![true; users], items: vec![true; items] };
        let distinct: std::collections::BTreeSet<_> = pairs.iter().copied().collect();
        loop {
            let stay: Vec<_> =
                distinct.iter().filter(|(u, i)| core.users[*u as usize] && core.items[*i as usize]).collect();
            let next = Core {
                users: (0..users).map(|u| stay.iter().filter(|p| p.0 as usize == u).count() >= k as usize).collect(),
                items: (0..items).map(|i| stay.iter().filter(|p| p.1 as usize == i).count() >= k as usize).collect(),
            };
            if next == core {
                return core;
            }
            core = next;
        }
    }

    #[test]
    fn leaving_spreads_along_a_chain() {
        // A square with a tail: the tail is removed step by step.
        let pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3)];
        let core = k_core(&records(&pairs), 3, 5, 2);
        assert_eq!(core.users, [true, true, false]);
        assert_eq!(core.items, [true, true, false, false, false]);
    }

    #[test]
    fn repeats_count_once() {
        let core = k_core(&records(&[(0, 0), (0, 0), (0, 0)]), 1, 1, 2);
        assert_eq!((core.users[0], core.items[0]), (false, false));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pairs in prop::collection::vec((0u32..8, 0u32..9), 0..60), k in 0u32..5) {
            prop_assert_eq!(k_core(&records(&pairs), 8, 9, k), slow(&pairs, 8, 9, k));
        }
    }
}
