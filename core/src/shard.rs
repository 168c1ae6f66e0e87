//! Who trains on what: records to shards, and within a shard to support and query.
//!
//! Both are keyed hashes of the record's external identifiers, so no record
//! has a say in where another goes (exactness rule 1).

use serde::{Deserialize, Serialize};

use crate::data::record_number;
use crate::data::{Catalog, Interactions, Role, Split};
use crate::random::Key;

/// What decides a record's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardBy {
    /// The person: whole histories stay together, and an account lies in one
    /// shard.
    Person,
    /// The record, as in the paper.
    Record,
}

/// How records are cut into shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardConfig {
    /// What decides a record's shard.
    pub by: ShardBy,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self { by: ShardBy::Person }
    }
}

impl ShardConfig {
    /// How states were cut before there was a choice.
    #[must_use]
    pub fn by_record() -> Self {
        Self { by: ShardBy::Record }
    }
}

/// The shard of a record: a keyed hash, of its person or of itself, modulo the
/// number of shards.
pub fn assign(key: &Key, catalog: &Catalog, user: u32, item: u32, by: ShardBy, shards: u32) -> u32 {
    let number = match by {
        ShardBy::Person => key.number("shard of a person", &[catalog.users.ids[user as usize].as_bytes()]),
        ShardBy::Record => record_number(key, "shard", catalog, user, item),
    };
    (number % u64::from(shards)) as u32
}

/// What a person's records in a shard are to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slicing {
    /// A history: all of it support, in the person's order.
    InOrder,
    /// Support and query by a hash of each record; so many queries.
    Hashed(usize),
}

/// One user's part of a shard: the records that shape the inner step, and the
/// records that judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSlice {
    /// The user.
    pub user: u32,
    /// Sup_s(u): items of the inner step, in slice order. Empty when the cell
    /// holds no more than the query length; the query is then judged at theta.
    /// The whole history in its order under [`Slicing::InOrder`].
    pub support: Vec<u32>,
    /// Qry_s(u): the `query_length` items with the smallest slice hash; none
    /// under [`Slicing::InOrder`].
    pub query: Vec<u32>,
}

impl UserSlice {
    /// D_s(u): all items of the cell.
    pub fn items(&self) -> impl Iterator<Item = u32> + '_ {
        self.query.iter().chain(&self.support).copied()
    }
}

/// D_s: what training shard s reads, besides the frozen catalogue. Nothing
/// else reaches it (exactness rule 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardData {
    /// Which shard.
    pub index: u32,
    /// One cell for each user with a record here, by ascending user index.
    pub cells: Vec<UserSlice>,
}

impl ShardData {
    /// How many training records the shard holds.
    pub fn len(&self) -> usize {
        self.cells.iter().map(|c| c.support.len() + c.query.len()).sum()
    }

    /// Whether the shard holds no records.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// BLAKE3 of the shard's slices by external identifiers: names the input
    /// of a training run, so that a checkpoint of other data is never taken up.
    pub fn hash(&self, catalog: &Catalog) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut text = |s: &str| {
            hasher.update(&(s.len() as u64).to_le_bytes());
            hasher.update(s.as_bytes());
        };
        // By identifier, so that the order of a table leaves no trace.
        let mut cells: Vec<&UserSlice> = self.cells.iter().collect();
        cells.sort_by_key(|cell| catalog.users.ids[cell.user as usize].as_str());
        for cell in cells {
            text(&catalog.users.ids[cell.user as usize]);
            text(&format!("{} {}", cell.query.len(), cell.support.len()));
            for item in cell.items() {
                text(&catalog.items.ids[item as usize]);
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// Splits the training records into shards and slices.
pub fn partition(
    key: &Key,
    catalog: &Catalog,
    interactions: &Interactions,
    split: &Split,
    by: ShardBy,
    shards: u32,
    slicing: Slicing,
) -> Vec<ShardData> {
    partition_by(key, catalog, interactions, split, shards, slicing, |user, item| {
        assign(key, catalog, user, item, by, shards)
    })
}

/// [`partition`] with another rule of assignment. Only `core::mistakes` and
/// the unsharded baseline give one.
pub(crate) fn partition_by(
    key: &Key,
    catalog: &Catalog,
    interactions: &Interactions,
    split: &Split,
    shards: u32,
    slicing: Slicing,
    mut shard_of: impl FnMut(u32, u32) -> u32,
) -> Vec<ShardData> {
    let mut data: Vec<ShardData> = (0..shards).map(|index| ShardData { index, cells: Vec::new() }).collect();
    let mut cells: Vec<Vec<(u64, u32)>> = vec![Vec::new(); shards as usize];
    for user in 0..interactions.users() {
        for (place, item) in (0..).zip(split.items(interactions, user, Role::Train)) {
            let hash = match slicing {
                Slicing::InOrder => place,
                Slicing::Hashed(_) => record_number(key, "slice", catalog, user, item),
            };
            cells[shard_of(user, item) as usize].push((hash, item));
        }
        for (shard, cell) in cells.iter_mut().enumerate() {
            if cell.is_empty() {
                continue;
            }
            cell.sort_unstable();
            let mut items = cell.drain(..).map(|(_, item)| item);
            let queries = match slicing {
                Slicing::InOrder => 0,
                Slicing::Hashed(queries) => queries,
            };
            let query = items.by_ref().take(queries).collect();
            data[shard].cells.push(UserSlice { user, query, support: items.collect() });
        }
    }
    data
}
