//! The part of a model that a browser downloads, and the model that it builds
//! from that part.
//!
//! Every client gets a shard's shared parameters (f32 or f16). A user also gets
//! their own row of each shard's user table, and no other row. Server and
//! browser use the same functions, so their results cannot differ.

use half::f16;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::adapt::{UserContext, UserHistory};
use crate::config::Config;
use crate::data::Catalog;
use crate::model::{EntityRef, ModelConfig, TensorMap, to_safetensors};
use crate::random::Key;
use crate::shard_model::ShardModel;
use crate::tensor::Device;
use crate::user_rows::USER_ROWS;
use crate::{Error, Result};

/// How a client file stores its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As trained.
    F32,
    /// Half the size, rounded to nearest.
    F16,
}

/// The public catalogue: all items, and only those users who
/// are named in `users`. A model that reads user features needs their columns
/// and vocabularies; for every other model no user column is published.
#[must_use]
pub fn client_catalog(catalog: &Catalog, config: &Config, users: &[u32]) -> Catalog {
    let mut named = catalog.users.only(users);
    if !config.reads_people() {
        named.columns = std::sync::Arc::default();
    }
    Catalog { dataset: catalog.dataset.clone(), version: catalog.version, users: named, items: catalog.items.clone() }
}

/// The number of rows of the user table that belong to no user: the row of
/// unknown users, if there is one.
fn shared_rows(config: &ModelConfig) -> usize {
    usize::from(config.unknown_rows)
}

/// The tensors of a shard that everybody gets: all except users' own rows.
pub fn client_tensors(tensors: &TensorMap, config: &ModelConfig) -> TensorMap {
    let mut shared = tensors.clone();
    if let Some((shape, values)) = shared.remove(USER_ROWS) {
        let width = shape.get(1).copied().unwrap_or(0);
        let rows = shared_rows(config);
        if rows > 0 {
            shared.insert(USER_ROWS.to_owned(), (vec![rows, width], values[..rows * width].to_vec()));
        }
    }
    shared
}

/// A user's own row of a shard's user table; empty if the model has no user
/// table.
///
/// # Errors
/// If the model has no row for this user.
pub fn own_row(tensors: &TensorMap, config: &ModelConfig, user: u32) -> Result<Vec<f32>> {
    let Some((shape, values)) = tensors.get(USER_ROWS) else { return Ok(Vec::new()) };
    let width = shape.get(1).copied().unwrap_or(0);
    let from = (shared_rows(config) + user as usize) * width;
    let row = values.get(from..from + width);
    row.map(<[f32]>::to_vec).ok_or_else(|| Error::Model("the model has no row for this user".into()))
}

/// Serialises a client file: safetensors in the given precision.
///
/// # Errors
/// If a shape does not fit its values.
pub fn client_file(tensors: &TensorMap, precision: Precision) -> Result<Vec<u8>> {
    if precision == Precision::F32 {
        return to_safetensors(tensors);
    }
    let bytes: Vec<_> = tensors
        .iter()
        .map(|(name, (shape, numbers))| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
            (name.as_str(), shape.clone(), bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((*name, TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(|e| unfit(&e))?))
        })
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize(views, None).map_err(|e| unfit(&e))
}

fn unfit(error: &safetensors::SafeTensorError) -> Error {
    Error::Model(error.to_string())
}

/// Reads a client file of either precision.
///
/// # Errors
/// If the bytes are not such a file.
pub fn read_client_file(bytes: &[u8]) -> Result<TensorMap> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Model(format!("not a safetensors file: {e}")))?;
    file.iter()
        .map(|(name, view)| {
            let numbers = match view.dtype() {
                Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
                Dtype::F16 => view.data().as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
                other => return Err(Error::Model(format!("tensor '{name}' is {other:?}, expected F32 or F16"))),
            };
            Ok((name.to_owned(), (view.shape().to_vec(), numbers)))
        })
        .collect()
}

/// Builds a shard's model from a client file and the rows of the users in
/// `catalog` (made by [`client_catalog`]): no row for a visitor, the user's own
/// row for a user.
///
/// # Errors
/// If file, rows, catalogue and configuration do not belong together.
pub fn client_model(
    catalog: &Catalog,
    config: &Config,
    shard: u32,
    mut tensors: TensorMap,
    rows: &[Vec<f32>],
    device: &Device,
) -> Result<ShardModel> {
    // All starting values are overwritten, so any key will do.
    let mut model = ShardModel::new(catalog, config, &Key::from_bytes([0; 32]), shard, device)?;
    if config.model.identifiers && !config.model.kind.is_of_items() {
        let (shape, values) = tensors.entry(USER_ROWS.to_owned()).or_insert((vec![0, config.model.width], Vec::new()));
        for row in rows {
            if row.len() != config.model.width {
                return Err(Error::Model(format!(
                    "a user row has {} numbers, expected {}",
                    row.len(),
                    config.model.width
                )));
            }
            values.extend_from_slice(row);
            if let Some(count) = shape.first_mut() {
                *count += 1;
            }
        }
    }
    model.set(&tensors)?;
    Ok(model)
}

/// A user as the client's models see the user. `known` says for each shard
/// whether it holds records of the user; all are false for a visitor, who has
/// no `id`.
pub fn client_person(config: &Config, id: Option<&str>, known: &[bool], history: UserHistory) -> UserContext {
    let row = |&known: &bool| match id {
        None => EntityRef::Nobody,
        _ if config.model.kind.is_of_items() => config.row_of_items_model(0),
        Some(_) if known || !config.model.unknown_rows => EntityRef::Known(0),
        Some(_) => EntityRef::Unnamed(0),
    };
    UserContext {
        stream: id.map_or_else(|| b"visitor".to_vec(), |id| id.as_bytes().to_vec()),
        rows: known.iter().map(row).collect(),
        history,
    }
}

/// The class of an item's degree: the exponent of the greatest power of 1.5
/// that is not above it. Degrees 0 and 1 share class 0. One record more or less
/// changes the class by at most one.
pub fn degree_class(degree: u32) -> u8 {
    let mut class = 0;
    let mut power = 1.5f64;
    while power <= f64::from(degree) {
        power *= 1.5;
        class += 1;
    }
    class
}

/// The representative degree of a class.
pub fn class_degree(class: u8) -> u32 {
    1.5f64.powi(i32::from(class)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_moves_a_degree_by_one_class_at_most() {
        for degree in 0..5000 {
            let (low, high) = (degree_class(degree), degree_class(degree + 1));
            assert!(high == low || high == low + 1, "{degree}");
            let stands = class_degree(low).max(1);
            assert!(f64::from(stands) < 2.0 * f64::from(degree.max(1)) && degree < 2 * stands, "{degree} {stands}");
        }
        assert_eq!([0, 1, 2, 3, 100].map(degree_class), [0, 0, 1, 2, 11]);
    }

    #[test]
    fn files_come_back() {
        let tensors: TensorMap =
            [("a".to_owned(), (vec![2, 2], vec![0.5, -1.25, 3.0, 0.1])), ("b".to_owned(), (vec![1], vec![-0.0]))]
                .into();
        let read = |precision| read_client_file(&client_file(&tensors, precision).unwrap()).unwrap();
        assert_eq!(read(Precision::F32), tensors);
        let half = read(Precision::F16);
        assert_eq!(half["a"].1[..3], [0.5, -1.25, 3.0]);
        assert!((half["a"].1[3] - 0.1).abs() < 1e-4);
        assert!(read_client_file(b"nonsense").is_err());
    }
}
