//! Rows of people: the one tensor of the paper's models that is theirs row by
//! row, kept in a file of its own.

use crate::cold_start;
use crate::data::Entities;
use crate::model::TensorMap;
pub use crate::model::USER_ROWS;
use crate::shard_model::ShardModel;
use crate::{Error, Result};

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
