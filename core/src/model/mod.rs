//! Models: features, towers, and the score of a user and an item.
//!
//! | file | idea |
//! |---|---|
//! | `features` | a feature is a linear layer of a one-hot, multi-hot or dense input |
//! | `encoder` | a tower at theta or at a user's theta_u, which never exists |
//! | `two_tower` | two towers and their dot product; pairs and the margin loss |
//! | `ranking` | the scores of all items for many adapted users |
//! | `linear` | the same for towers of one layer, where everything folds |
//! | `step`, `layout` | theta_u as the rows a step was made of; how they stand |
//! | `kernel`, `lanes` | LayerNorm and GELU, fused for the CPU |
//! | `parameters` | named tensors, their starts, files and hashes |

mod encoder;
mod features;
mod kernel;
mod lanes;
mod layout;
mod linear;
mod loss;
mod parameters;
mod ranking;
mod step;
mod two_tower;

use serde::{Deserialize, Serialize};

pub use features::Row;
pub(crate) use lanes::{each, slice, slice_mut, take};
pub use loss::{Pair, Task};
pub use parameters::{Parameters, TensorMap, from_safetensors, model_blake3, to_safetensors};
pub use ranking::ItemBase;
pub use two_tower::{Adapted, TwoTower};

use crate::{Error, Result};

/// Shape and start of a two-tower model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Each side's identifier is a feature.
    pub identifiers: bool,
    /// Columns of each feature's embedding.
    pub width: usize,
    /// Hidden layers of the user tower.
    pub user_hidden: Vec<usize>,
    /// Hidden layers of the item tower.
    pub item_hidden: Vec<usize>,
    /// Columns of the towers' outputs, whose dot product is the score.
    pub output: usize,
    /// Margin Delta of the hinge loss.
    pub margin: f32,
    /// Each table has a row for unknown values, starting at zero.
    pub unknown_rows: bool,
    /// Standard deviation of the tables' start.
    pub table_scale: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { user_hidden: Vec::new(), item_hidden: Vec::new(), unknown_rows: true, table_scale: 0.1, ..Self::paper() }
    }
}

impl ModelConfig {
    /// The paper's two-tower model: 1,530,720 parameters on MovieLens-1M.
    pub fn paper() -> Self {
        Self {
            identifiers: true,
            width: 96,
            user_hidden: vec![512, 256, 128, 64],
            item_hidden: vec![256, 128, 64],
            output: 128,
            margin: 1.0,
            unknown_rows: false,
            table_scale: 1.0,
        }
    }

    /// A narrow model for demonstrations on two cores.
    pub fn small() -> Self {
        Self { width: 32, output: 32, ..Self::default() }
    }

    /// Checks that every size can be used.
    ///
    /// # Errors
    /// When a size is zero or the margin is not a positive number.
    pub fn check(&self) -> Result<()> {
        let sizes = self.user_hidden.iter().chain(&self.item_hidden).chain([&self.width, &self.output]);
        if sizes.copied().any(|size| size == 0 || size > 65_536) {
            return Err(Error::Config("model: every layer needs between 1 and 65536 columns".into()));
        }
        if !(self.margin > 0.0 && self.margin.is_finite()) {
            return Err(Error::Config("model: the margin must be a positive number".into()));
        }
        if !(self.table_scale >= 0.0 && self.table_scale.is_finite()) {
            return Err(Error::Config("model: table_scale must be a number, 0 or more".into()));
        }
        Ok(())
    }
}
