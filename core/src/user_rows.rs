//! The user table: the one tensor of the paper's models in which each row
//! belongs to one user. It is stored in a file of its own.

use crate::cold_start;
use crate::data::Entities;
use crate::model::TensorMap;
pub use crate::model::USER_ROWS;
use crate::shard_model::ShardModel;
use crate::{Error, Result};

/// Splits a model's tensors into two files: the part that every browser gets,
/// and the user rows, of which each user gets their own only.
pub fn split_user_rows(mut tensors: TensorMap) -> (TensorMap, TensorMap) {
    let rows = tensors.remove_entry(USER_ROWS).into_iter().collect();
    (tensors, rows)
}

/// Joins the tensors of the two files. Users who were admitted later have no
/// row yet: they get the initial row, which training would have left unchanged,
/// from `fresh`, an untrained model of this kind. Items that were added later
/// get the parameters of similar items ([`cold_start`]).
///
/// # Errors
/// If the files do not belong to this model.
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
