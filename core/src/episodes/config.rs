//! Settings of the default model.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The history tower: the second way in which a user's records change the
/// user's vector. It adds a decayed sum of item vectors that serve the history
/// only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tower {
    /// No history tower: the inner step alone.
    None,
    /// A second table of item vectors P. Suits dense data.
    Table,
    /// A linear map of the item vectors, P = Y L: few parameters.
    Map,
}

/// Settings of a shard's model that is trained by episodes in order of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpisodesConfig {
    /// Components of an item's embedding.
    pub width: usize,
    /// Whether an item's embedding is the sum of its own embedding and those of
    /// its features: categories, words, numbers such as a title's embedding.
    /// Otherwise it is its own alone.
    pub features: bool,
    /// Whether a user's vector starts at x_0 plus the embeddings of the buckets
    /// of the user's features, if the data has such features.
    pub people: bool,
    /// Whether records have an order in time. If so, the support of a query is
    /// the records before it, decayed by age. Otherwise it is all other
    /// records, without decay.
    pub timed: bool,
    /// The history tower.
    pub tower: Tower,
    /// Inner steps in training; 0 for the history tower alone.
    pub steps: usize,
    /// Whether the outer gradient includes the derivative of the inner step.
    pub second_order: bool,
    /// Initial value of the step size alpha, which is learned.
    pub step: f32,
    /// Initial value of the decay time tau, in records, which is learned.
    pub fading: f32,
    /// Standard deviation of the item embeddings' initial values.
    pub table_scale: f64,
    /// Adam's initial learning rate; it falls to zero along a cosine.
    pub rate: f32,
    /// Decoupled weight decay of every matrix.
    pub weight_decay: f32,
    /// Probability that dropout removes a component of a support record's
    /// embedding.
    pub dropout: f32,
    /// Label smoothing of the outer loss.
    pub smoothing: f32,
    /// Query positions of one user in one piece.
    pub piece: usize,
    /// Pieces of histories in a mini-batch.
    pub pieces_per_batch: usize,
    /// Catalogues with more items than this use sampled shared negatives in
    /// training.
    pub whole_catalogue: usize,
    /// The number of shared negatives that a mini-batch then draws.
    pub negatives: usize,
    /// Item embeddings start at the vectors of the shard's own kernel
    /// ([`crate::closed_form::Kernel`]) times this; 0 starts them at random.
    pub kernel_start: f32,
}

impl Default for EpisodesConfig {
    fn default() -> Self {
        Self {
            width: 64,
            features: false,
            people: false,
            timed: true,
            tower: Tower::Map,
            steps: 1,
            second_order: true,
            step: 0.5,
            fading: 10.0,
            table_scale: 0.1,
            rate: 5e-3,
            weight_decay: 0.02,
            dropout: 0.2,
            smoothing: 0.0,
            piece: 50,
            pieces_per_batch: 16,
            whole_catalogue: 10_000,
            negatives: 2_000,
            kernel_start: 5.0,
        }
    }
}

impl EpisodesConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that cannot be used, and which values are allowed.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: &str| Err(Error::Config(format!("episodes: {text}")));
        let positive = |v: f32| v > 0.0 && v.is_finite();
        if self.width == 0 || self.width > 4096 {
            return refuse("width must lie between 1 and 4096");
        }
        if self.steps > 16 {
            return refuse("steps must lie between 0 and 16");
        }
        if self.steps == 0 && self.tower == Tower::None {
            return refuse("steps must be 1 or more without a history tower, or nothing would move a person's vector");
        }
        if !positive(self.step) || !positive(self.fading) || !positive(self.rate) {
            return refuse("step, fading and rate must be positive numbers");
        }
        if !(self.table_scale >= 0.0 && self.table_scale.is_finite()) {
            return refuse("table_scale must be a number, 0 or more");
        }
        if ![self.dropout, self.smoothing].iter().all(|share| (0.0..1.0).contains(share)) {
            return refuse("dropout and smoothing must lie in 0..1, 1 excluded");
        }
        if ![self.weight_decay, self.kernel_start].iter().all(|v| *v >= 0.0 && v.is_finite()) {
            return refuse("weight_decay and kernel_start must be 0 or more");
        }
        if self.piece == 0 || self.pieces_per_batch == 0 {
            return refuse("piece and pieces_per_batch must be 1 or more");
        }
        if self.negatives == 0 || self.whole_catalogue == 0 {
            return refuse("negatives and whole_catalogue must be 1 or more");
        }
        Ok(())
    }
}
