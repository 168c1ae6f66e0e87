//! Sharding: assigns records to shards, and within a shard to support and
//! query.
//!
//! Both are keyed hashes of the record's external identifiers, so no record
//! affects the assignment of another (exactness rule 1).

use serde::{Deserialize, Serialize};

use crate::data::record_number;
use crate::data::{Catalog, Interactions, Role, Split};
use crate::random::Key;

/// The unit by which records are assigned to shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardBy {
    /// The user: a whole history is in one shard.
    Person,
    /// The record, as in the paper.
    Record,
}

/// How records are assigned to shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardConfig {
    /// The unit of the assignment.
    pub by: ShardBy,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self { by: ShardBy::Person }
    }
}

impl ShardConfig {
    /// The assignment of states that were written before this setting existed.
    #[must_use]
    pub fn by_record() -> Self {
        Self { by: ShardBy::Record }
    }
}

/// The shard of a record: a keyed hash, of its user or of the record itself,
/// modulo the number of shards.
pub fn assign(key: &Key, catalog: &Catalog, user: u32, item: u32, by: ShardBy, shards: u32) -> u32 {
    let number = match by {
        ShardBy::Person => return shard_of_person(key, &catalog.users.ids[user as usize], shards),
        ShardBy::Record => record_number(key, "shard", catalog, user, item),
    };
    (number % u64::from(shards)) as u32
}

/// The shard of a person, by identifier.
pub fn shard_of_person(key: &Key, id: &str, shards: u32) -> u32 {
    (key.number("shard of a person", &[id.as_bytes()]) % u64::from(shards)) as u32
}

/// How a user's records in a shard are split into support and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slicing {
    /// A history: all records are support, in the user's order.
    InOrder,
    /// Split by a hash of each record, with this many query records.
    Hashed(usize),
}

/// One user's records in a shard: the support set for the inner step, and the
/// query set that evaluates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSlice {
    /// The user.
    pub user: u32,
    /// Sup_s(u): items of the inner step, in slice order. It is empty if the
    /// user has no more records here than the query length; the query loss is
    /// then taken at theta. With [`Slicing::InOrder`] it is the whole history
    /// in order.
    pub support: Vec<u32>,
    /// Qry_s(u): the `query_length` items with the smallest slice hash; empty
    /// with [`Slicing::InOrder`].
    pub query: Vec<u32>,
}

impl UserSlice {
    /// D_s(u): all items of the user in this shard.
    pub fn items(&self) -> impl Iterator<Item = u32> + '_ {
        self.query.iter().chain(&self.support).copied()
    }
}

/// D_s: the data that training shard s reads, besides the frozen catalogue. It
/// reads nothing else (exactness rule 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardData {
    /// Index of the shard.
    pub index: u32,
    /// One slice for each user with a record in this shard, by ascending user
    /// index.
    pub cells: Vec<UserSlice>,
}

impl ShardData {
    /// The number of training records in the shard.
    pub fn len(&self) -> usize {
        self.cells.iter().map(|c| c.support.len() + c.query.len()).sum()
    }

    /// Whether the shard holds no records.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// BLAKE3 of the shard's slices by external identifiers. It identifies the
    /// input of a training run, so that a checkpoint of other data is never
    /// resumed.
    pub fn hash(&self, catalog: &Catalog) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut text = |s: &str| {
            hasher.update(&(s.len() as u64).to_le_bytes());
            hasher.update(s.as_bytes());
        };
        // Sorted by identifier, so that the order of a table has no effect.
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

/// [`partition`] with another assignment. Only `core::mistakes` and the
/// unsharded baseline use one.
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
