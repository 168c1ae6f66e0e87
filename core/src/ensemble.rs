//! Learned state: what must be equal, and its one canonical form.
//!
//! Records, their split, shard and slice, item degrees, and every shard's
//! tensors, written so that neither the order in which records arrived nor a
//! container's layout shows. `verify`, the twin test and the properties P1 to
//! P3 all compare this. Receipts, version counters and database pages are not
//! learned state.

use crate::cold_start;
use crate::dataset::{Entities, Role};
use crate::model::{TensorMap, model_blake3};
use crate::shard_model::ShardModel;
use crate::world::World;
use crate::{Error, Result};

/// The tensor whose rows belong to people one by one.
pub const USER_ROWS: &str = "user.id.table";

/// Learned state in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedState {
    /// Records by (user, item) identifiers, with rank, role, shard and slice.
    records: Vec<u8>,
    /// Item degrees.
    degrees: Vec<u8>,
    /// Each shard's tensors.
    shards: Vec<TensorMap>,
}

impl LearnedState {
    /// The state of a world with one trained model a shard.
    pub fn new(world: &World, shards: Vec<TensorMap>) -> Self {
        let mut degrees = Vec::new();
        for (id, degree) in world.catalog.items.ids.iter().zip(&world.degrees) {
            text(&mut degrees, id);
            degrees.extend(degree.to_le_bytes());
        }
        Self { records: records(world), degrees, shards }
    }

    /// One serialisation of everything.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [&self.records, &self.degrees] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        for tensors in &self.shards {
            for (name, (shape, values)) in tensors {
                text(&mut bytes, name);
                shape.iter().for_each(|size| bytes.extend((*size as u64).to_le_bytes()));
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
        }
        bytes
    }

    /// `model_blake3` of each shard.
    pub fn hashes(&self) -> Vec<String> {
        self.shards.iter().map(model_blake3).collect()
    }

    /// Where two states differ, byte for byte: "records", "degrees",
    /// "shard 3: item.tower.0.weight (17 of 98304 values)". Empty when equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, own, theirs) in
            [("records", &self.records, &other.records), ("degrees", &self.degrees, &other.degrees)]
        {
            if own != theirs {
                found.push(name.to_owned());
            }
        }
        if self.shards.len() != other.shards.len() {
            found.push(format!("{} shards, and {}", self.shards.len(), other.shards.len()));
        }
        for (shard, (own, theirs)) in self.shards.iter().zip(&other.shards).enumerate() {
            for (name, (shape, values)) in own {
                match theirs.get(name) {
                    Some((other_shape, others)) if other_shape == shape => {
                        let unequal = values.iter().zip(others).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                        if unequal > 0 {
                            found.push(format!("shard {shard}: {name} ({unequal} of {} values)", values.len()));
                        }
                    }
                    _ => found.push(format!("shard {shard}: {name} (shape)")),
                }
            }
            found
                .extend(theirs.keys().filter(|n| !own.contains_key(*n)).map(|n| format!("shard {shard}: {n} (extra)")));
        }
        found
    }
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value.as_bytes());
}

fn records(world: &World) -> Vec<u8> {
    let mut slices = std::collections::HashMap::new();
    for shard in world.shards() {
        for cell in &shard.cells {
            slices.extend(cell.query.iter().map(|&item| ((cell.user, item), (shard.index, 1u8))));
            slices.extend(cell.support.iter().map(|&item| ((cell.user, item), (shard.index, 0u8))));
        }
    }
    let mut bytes = Vec::new();
    let ids = &world.catalog.users.ids;
    let mut users: Vec<u32> = (0..world.interactions.users()).collect();
    users.sort_by_key(|&user| ids[user as usize].as_str());
    for user in users {
        let mut own: Vec<_> = world.interactions.of(user).iter().enumerate().collect();
        let count = own.len();
        own.sort_by_key(|(_, record)| record.item);
        for (rank, record) in own {
            text(&mut bytes, &world.catalog.users.ids[user as usize]);
            text(&mut bytes, &world.catalog.items.ids[record.item as usize]);
            bytes.extend(record.timestamp.map_or([255; 8], |t| t.to_bits().to_le_bytes()));
            bytes.extend((rank as u64).to_le_bytes());
            let role = world.split.role(rank, count);
            bytes.push(role as u8);
            if role == Role::Train {
                let (shard, slice) = slices.get(&(user, record.item)).copied().unwrap_or((u32::MAX, 255));
                bytes.extend(shard.to_le_bytes());
                bytes.push(slice);
            }
        }
    }
    bytes
}

/// A model's tensors as two files: what every browser gets, and people's rows,
/// of which each gets their own only.
pub fn split_user_rows(mut tensors: TensorMap) -> (TensorMap, TensorMap) {
    let rows = tensors.remove_entry(USER_ROWS).into_iter().collect();
    (tensors, rows)
}

/// Puts the two files' tensors together again. People admitted since have no
/// row yet: theirs is the start that training would have left untouched, taken
/// from `fresh`, the same model at its start. Items that came since stand where
/// their like stand ([`cold_start`]).
///
/// # Errors
/// When the files do not belong to this model.
pub async fn join_user_rows(
    shared: TensorMap,
    rows: TensorMap,
    fresh: &ShardModel,
    items: &Entities,
) -> Result<TensorMap> {
    let mut tensors = shared;
    tensors.extend(rows);
    let start = fresh.values().await?;
    if let (Some((shape, values)), Some((full_shape, full))) = (tensors.get_mut(USER_ROWS), start.get(USER_ROWS)) {
        if values.len() > full.len() {
            return Err(Error::Model("the model has more user rows than the catalogue has users".into()));
        }
        values.extend_from_slice(&full[values.len()..]);
        shape.clone_from(full_shape);
    }
    cold_start::stand_in(&mut tensors, &start, items);
    Ok(tensors)
}
