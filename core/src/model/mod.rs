//! Models: features, towers, and the score of a user and an item.
//!
//! | file | content |
//! |---|---|
//! | `features` | a feature is a linear layer of a one-hot, multi-hot or dense input |
//! | `recommender` | one shard's model: the interface for all other modules |
//! | `adapted` | the parameters of a batch after its inner steps, as low-rank updates |
//! | `two_tower` | two towers and their dot product |
//! | `deep_fm` | a factorization machine and a deep part over the same fields |
//! | `encoder` | a tower at theta or at a user's theta_u, which is never stored |
//! | `ranking` | a tower's scores of all items for many adapted users |
//! | `linear` | passes and ranking for item towers of one layer, folded |
//! | `loss` | pairs and the margin loss |
//! | `step`, `layout` | theta_u as the rows of the steps that made it; their layout |
//! | `kernel`, `lanes` | LayerNorm and GELU; `lanes` holds the CPU kernels |
//! | `parameters` | named tensors: initial values, files and hashes |
//! | `segments` | sums of rows into the rows of a table, in a fixed order on any device |
//! | `sparse` | a batch's gradient, of whole tensors or of some rows |

mod adapted;
mod deep_fm;
mod encoder;
pub(crate) mod features;
mod kernel;
mod lanes;
mod layout;
mod linear;
mod loss;
mod parameters;
mod ranking;
mod recommender;
mod segments;
mod sparse;
mod step;
mod two_tower;

use serde::{Deserialize, Serialize};

pub use adapted::AdaptedParams;
pub use features::EntityRef;
pub(crate) use features::Feature;
pub(crate) use kernel::{Share, scatter_rows};
pub(crate) use lanes::{dot, each, exp_negative, slice, slice_mut, take};
pub use loss::{Pair, Task};
pub(crate) use parameters::{Declared, Gradient, Start};
pub use parameters::{Parameters, TensorMap, from_safetensors, model_blake3, to_safetensors};
pub use ranking::ItemBase;
pub use recommender::Recommender;
pub(crate) use segments::Segments;
pub use sparse::BatchGradient;
pub(crate) use sparse::Sparse;

use crate::{Error, Result};

/// The user table: each of its rows belongs to one user.
pub const USER_ROWS: &str = "user.id.table";

/// The kind of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// Two towers and their dot product.
    #[default]
    TwoTower,
    /// A factorization machine and a deep part over the same fields.
    #[serde(rename = "deepfm")]
    DeepFm,
    /// Item embeddings trained by episodes in order of time; the default of a
    /// new state ([`crate::episodes`]).
    Episodes,
    /// A shard's own item-to-item kernel, a closed form
    /// ([`crate::closed_form`]); the default for records without times.
    Kernel,
    /// EASE, a closed form ([`crate::closed_form`]).
    Ease,
}

impl ModelKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the model reads histories in order and has no user table: a
    /// model of items alone.
    #[must_use]
    pub fn is_of_items(self) -> bool {
        matches!(self, Self::Episodes | Self::Kernel | Self::Ease)
    }
}

/// Shape and initial values of a model.
///
/// A field that was added after the first states were written is serialised
/// only if it differs from its default, here and in [`std::fmt::Debug`]. A
/// configuration without it then keeps its bytes, and so its hashes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// The kind of model.
    #[serde(skip_serializing_if = "ModelKind::is_default")]
    pub kind: ModelKind,
    /// Whether each side's identifier is a feature.
    pub identifiers: bool,
    /// Columns of each feature's embedding.
    pub width: usize,
    /// Hidden layers of DeepFM's deep part, one or more.
    #[serde(skip_serializing_if = "is_default_deep")]
    pub deep_hidden: Vec<usize>,
    /// Hidden layers of the user tower.
    pub user_hidden: Vec<usize>,
    /// Hidden layers of the item tower.
    pub item_hidden: Vec<usize>,
    /// Columns of the towers' outputs, whose dot product is the score.
    pub output: usize,
    /// Margin Delta of the hinge loss.
    pub margin: f32,
    /// Whether each table has a row for unknown values, which starts at zero.
    pub unknown_rows: bool,
    /// Standard deviation of the tables' initial values.
    pub table_scale: f64,
}

/// Default hidden layers of DeepFM's deep part.
const DEEP_HIDDEN: [usize; 2] = [64, 32];

fn is_default_deep(hidden: &[usize]) -> bool {
    hidden == DEEP_HIDDEN
}

impl std::fmt::Debug for ModelConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ModelConfig");
        shown
            .field("identifiers", &self.identifiers)
            .field("width", &self.width)
            .field("user_hidden", &self.user_hidden)
            .field("item_hidden", &self.item_hidden)
            .field("output", &self.output)
            .field("margin", &self.margin)
            .field("unknown_rows", &self.unknown_rows)
            .field("table_scale", &self.table_scale);
        if !self.kind.is_default() {
            shown.field("kind", &self.kind);
        }
        if !is_default_deep(&self.deep_hidden) {
            shown.field("deep_hidden", &self.deep_hidden);
        }
        shown.finish()
    }
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
            kind: ModelKind::TwoTower,
            deep_hidden: DEEP_HIDDEN.to_vec(),
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

    /// This configuration as DeepFM. Unless the deep part was configured, it
    /// gets the hidden layers of the user tower if there are any: the paper's
    /// are 512, 256, 128 and 64.
    #[must_use]
    pub fn deep_fm(mut self) -> Self {
        self.kind = ModelKind::DeepFm;
        if is_default_deep(&self.deep_hidden) && !self.user_hidden.is_empty() {
            self.deep_hidden.clone_from(&self.user_hidden);
        }
        self
    }

    /// Widths of the hidden layers that are computed for every item.
    pub fn item_layers(&self) -> &[usize] {
        match self.kind {
            ModelKind::DeepFm => &self.deep_hidden,
            _ => &self.item_hidden,
        }
    }

    /// A narrow model for demonstrations on two CPU cores.
    pub fn small() -> Self {
        Self { width: 32, output: 32, ..Self::default() }
    }

    /// Checks that every size is valid.
    ///
    /// # Errors
    /// If a size is zero or too large, or the margin is not a positive number.
    pub fn check(&self) -> Result<()> {
        let towers = self.user_hidden.iter().chain(&self.item_hidden).chain(&self.deep_hidden);
        let sizes = towers.chain([&self.width, &self.output]);
        if sizes.copied().any(|size| size == 0 || size > 65_536) {
            return Err(Error::Config("model: every layer must have between 1 and 65536 columns".into()));
        }
        if self.kind == ModelKind::DeepFm && self.deep_hidden.is_empty() {
            return Err(Error::Config("model: deep_hidden must name a hidden layer or more for DeepFM".into()));
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
