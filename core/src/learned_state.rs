//! The learned state in one canonical form: two systems are equal if and only
//! if their learned states are.
//!
//! It holds the records with their split, shard and slice, the item degrees,
//! and every shard's tensors. It depends neither on the order in which records
//! arrived nor on the layout of a file. `verify`, the twin test and the
//! properties P1 to P3 all compare it. Receipts, version counters and database
//! pages are not part of it.

use crate::data::Role;
use crate::dataset::Dataset;
use crate::model::{TensorMap, model_blake3};

/// Learned state in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedState {
    /// Records by (user, item) identifiers, with position in the user's order,
    /// role, shard and slice.
    records: Vec<u8>,
    /// Item degrees.
    degrees: Vec<u8>,
    /// Each shard's tensors.
    shards: Vec<TensorMap>,
}

impl LearnedState {
    /// The state of a data set with the tensors of one trained model a shard.
    pub fn new(dataset: &Dataset, shards: Vec<TensorMap>) -> Self {
        let mut degrees = Vec::new();
        for (id, degree) in dataset.catalog.items.ids.iter().zip(&dataset.degrees) {
            text(&mut degrees, id);
            degrees.extend(degree.to_le_bytes());
        }
        Self { records: records(dataset), degrees, shards }
    }

    /// Serialises the state. Every part of variable size is preceded by its
    /// size, so different states never have the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [&self.records, &self.degrees] {
            number(&mut bytes, part.len());
            bytes.extend(part);
        }
        number(&mut bytes, self.shards.len());
        for tensors in &self.shards {
            number(&mut bytes, tensors.len());
            for (name, (shape, values)) in tensors {
                text(&mut bytes, name);
                number(&mut bytes, shape.len());
                shape.iter().for_each(|&size| number(&mut bytes, size));
                number(&mut bytes, values.len());
                values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
        }
        bytes
    }

    /// `model_blake3` of each shard.
    pub fn hashes(&self) -> Vec<String> {
        self.shards.iter().map(model_blake3).collect()
    }

    /// The differences between two states, bit for bit: "records", "degrees",
    /// "shard 3: item.tower.0.weight (17 of 98304 values)". Empty if they are
    /// equal.
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

fn number(bytes: &mut Vec<u8>, value: usize) {
    bytes.extend((value as u64).to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    number(bytes, value.len());
    bytes.extend(value.as_bytes());
}

fn records(dataset: &Dataset) -> Vec<u8> {
    let mut slices = std::collections::HashMap::new();
    for shard in dataset.shards() {
        for cell in &shard.cells {
            slices.extend(cell.query.iter().map(|&item| ((cell.user, item), (shard.index, 1u8))));
            slices.extend(cell.support.iter().map(|&item| ((cell.user, item), (shard.index, 0u8))));
        }
    }
    let mut bytes = Vec::new();
    let ids = &dataset.catalog.users.ids;
    let mut users: Vec<u32> = (0..dataset.interactions.users()).collect();
    users.sort_by_key(|&user| ids[user as usize].as_str());
    for user in users {
        let mut own: Vec<_> = dataset.interactions.of(user).iter().enumerate().collect();
        let count = own.len();
        own.sort_by_key(|(_, record)| record.item);
        for (rank, record) in own {
            text(&mut bytes, &dataset.catalog.users.ids[user as usize]);
            text(&mut bytes, &dataset.catalog.items.ids[record.item as usize]);
            bytes.extend(record.timestamp.map_or([255; 8], |t| t.to_bits().to_le_bytes()));
            bytes.extend((rank as u64).to_le_bytes());
            let role = dataset.split.role(rank, count);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers with another division into shards or shapes are another
    /// state.
    #[test]
    fn bytes_tell_states_apart() {
        let tensor = |name: &str, shape: &[usize]| (name.to_owned(), (shape.to_vec(), vec![0.0f32; 2]));
        let state = |shards: Vec<TensorMap>| LearnedState { records: Vec::new(), degrees: Vec::new(), shards };
        let (a, b) = (tensor("a", &[2]), tensor("b", &[2]));
        let together = state(vec![[a.clone(), b.clone()].into_iter().collect()]);
        let apart = state(vec![[a].into_iter().collect(), [b].into_iter().collect()]);
        assert_ne!(together.to_bytes(), apart.to_bytes());
        let [flat, column] = [[1, 2], [2, 1]].map(|shape| state(vec![[tensor("a", &shape)].into_iter().collect()]));
        assert_ne!(flat.to_bytes(), column.to_bytes());
        assert_ne!(flat.differences(&column), Vec::<String>::new());
    }
}
