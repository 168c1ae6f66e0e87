//! Turns a mini-batch of users into tasks with shard-local negatives.
//!
//! Each positive gets uniform negatives over the frozen catalogue and in-batch
//! negatives from the other users of the mini-batch (and so by popularity),
//! drawn anew each epoch. In shard s only D_s(u) is excluded: the user's
//! records in other shards are unknown here, which is the price of isolation
//! (the local-negative rule).

use crate::data::Catalog;
use crate::model::{EntityRef, Pair, Task};
use crate::random::{Key, Stream};
use crate::shard::{ShardData, UserSlice};

/// The items that are never a user's negatives, sorted: one list for each user
/// slice.
#[derive(Debug, Clone)]
pub(crate) struct Exclusions(Vec<Vec<u32>>);

impl Exclusions {
    /// The correct rule: only the user's records in this shard.
    pub(crate) fn local(shard: &ShardData) -> Self {
        Self::new(shard.cells.iter().map(|cell| cell.items().collect()).collect())
    }

    /// Any other lists; for `core::mistakes` only.
    pub(crate) fn new(mut lists: Vec<Vec<u32>>) -> Self {
        lists.iter_mut().for_each(|list| list.sort_unstable());
        Self(lists)
    }

    pub(crate) fn of(&self, cell: usize) -> &[u32] {
        &self.0[cell]
    }
}

/// A mini-batch of users, with the keys of its random draws.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) key: &'a Key,
    pub(crate) catalog: &'a Catalog,
    pub(crate) shard: &'a ShardData,
    pub(crate) exclusions: &'a Exclusions,
    pub(crate) epoch: u64,
    /// Indices of the batch's user slices.
    pub(crate) cells: &'a [usize],
    /// Share of tasks in which the user is unknown; below, the share in which
    /// the identifier alone is unknown.
    pub(crate) unknown_share: f64,
    pub(crate) unnamed_share: f64,
    /// Whether users' records are split into support and query anew this epoch.
    pub(crate) fresh_slices: bool,
    /// Number of uniform negatives for each positive; below, of in-batch
    /// negatives.
    pub(crate) uniform_negatives: usize,
    pub(crate) in_batch_negatives: usize,
}

/// Every item `times` times, one round after another.
fn repeated(items: &[u32], times: usize) -> impl Iterator<Item = u32> {
    std::iter::repeat_n(items, times).flatten().copied()
}

impl Batch<'_> {
    fn stream(&self, purpose: &str, cell: &UserSlice) -> Stream {
        let user = self.catalog.users.ids[cell.user as usize].as_bytes();
        self.key.stream(purpose, &[&self.shard.index.to_le_bytes(), &self.epoch.to_le_bytes(), user])
    }

    /// The feature row of a user's task. For random shares of the tasks it is
    /// nobody's row, or the row without the identifier, so that the rows for
    /// unknown values are trained.
    pub(crate) fn row(&self, cell: &UserSlice) -> EntityRef {
        if self.unknown_share + self.unnamed_share <= 0.0 {
            return EntityRef::Known(cell.user);
        }
        let draw = self.stream("unknown", cell).unit();
        match draw {
            d if d < self.unknown_share => EntityRef::Nobody,
            d if d < self.unknown_share + self.unnamed_share => EntityRef::Unnamed(cell.user),
            _ => EntityRef::Known(cell.user),
        }
    }

    /// Pairs some of a user's items with fresh negatives. `pool` holds the
    /// batch's items, each with the slice that it belongs to.
    pub(crate) fn pairs(&self, cell: usize, positives: &[u32], pool: &[(usize, u32)], purpose: &str) -> Vec<Pair> {
        if positives.is_empty() {
            return Vec::new();
        }
        let mut stream = self.stream(purpose, &self.shard.cells[cell]);
        let excluded = self.exclusions.of(cell);
        let items = self.catalog.items.len();
        let mut pairs = Vec::with_capacity((self.uniform_negatives + self.in_batch_negatives) * positives.len());
        for positive in repeated(positives, self.uniform_negatives) {
            if let Some(negative) = stream.below_outside(items, excluded) {
                pairs.push(Pair { positive, negative });
            }
        }
        let wanted = self.in_batch_negatives * positives.len();
        if wanted == 0 {
            return pairs;
        }
        let mut candidates: Vec<u32> = pool
            .iter()
            .filter(|(owner, item)| *owner != cell && excluded.binary_search(item).is_err())
            .map(|&(_, item)| item)
            .collect();
        let enough = candidates.len() >= wanted;
        if enough {
            stream.choose(&mut candidates, wanted);
        }
        for (place, positive) in repeated(positives, self.in_batch_negatives).enumerate() {
            let negative = match candidates.len() {
                0 => break,
                _ if enough => candidates[place],
                count => candidates[stream.below(count)],
            };
            pairs.push(Pair { positive, negative });
        }
        pairs
    }

    /// The support and query of a user in this epoch.
    fn slices(&self, cell: &UserSlice) -> (Vec<u32>, Vec<u32>) {
        if !self.fresh_slices {
            return (cell.support.clone(), cell.query.clone());
        }
        let user = self.catalog.users.ids[cell.user as usize].as_bytes();
        let mut items: Vec<(u64, u32)> = cell
            .items()
            .map(|item| {
                let id = self.catalog.items.ids[item as usize].as_bytes();
                (self.key.number("slice of an epoch", &[&self.epoch.to_le_bytes(), user, id]), item)
            })
            .collect();
        items.sort_unstable();
        let mut items = items.into_iter().map(|(_, item)| item);
        let query = items.by_ref().take(cell.query.len()).collect();
        (items.collect(), query)
    }

    /// The items of the batch's users, each with the index of its slice.
    pub(crate) fn pool(&self) -> Vec<(usize, u32)> {
        self.cells.iter().flat_map(|&c| self.shard.cells[c].items().map(move |item| (c, item))).collect()
    }

    /// One task for each user with all of D_s(u): support and query together.
    pub(crate) fn whole_tasks(&self) -> Vec<Task> {
        let (support, query) = self.tasks();
        support
            .into_iter()
            .zip(query)
            .map(|(mut whole, query)| {
                whole.pairs.extend(query.pairs);
                whole
            })
            .collect()
    }

    /// Support and query tasks of the batch's users.
    pub(crate) fn tasks(&self) -> (Vec<Task>, Vec<Task>) {
        let pool = self.pool();
        self.cells
            .iter()
            .map(|&c| {
                let cell = &self.shard.cells[c];
                let user = self.row(cell);
                let (support, query) = self.slices(cell);
                let support = Task { user, pairs: self.pairs(c, &support, &pool, "support negatives") };
                let query = Task { user, pairs: self.pairs(c, &query, &pool, "query negatives") };
                (support, query)
            })
            .unzip()
    }
}
