//! EASE: the score of an item is the sum of one weight for each item in the
//! user's history.
//!
//! The weights are B = I - P / diag(P) with P = (G + lambda I)^-1 and G the
//! co-occurrence counts of users (Steck 2019). To retrain EASE is to compute
//! this again.

use crate::adapt::UserHistory;
use crate::config::AdaptConfig;
use crate::data::Catalog;
use crate::episodes::support;
use crate::model::TensorMap;
use crate::shard::ShardData;
use crate::{Error, Result};

use serde::{Deserialize, Serialize};

const WEIGHTS: &str = "ease.weights";

/// The greatest number of items for EASE: the number of its weights is the
/// square of it.
const MOST_ITEMS: usize = 20_000;

/// Settings of EASE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EaseConfig {
    /// Ridge parameter lambda.
    pub ridge: f64,
    /// Whether records have an order in time.
    pub timed: bool,
    /// Decay: a record with n newer ones has weight exp(-n / fading); 0 gives
    /// all records the same weight.
    pub fading: f32,
}

impl Default for EaseConfig {
    fn default() -> Self {
        Self { ridge: 500.0, timed: true, fading: 20.0 }
    }
}

impl EaseConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// The first value that cannot be used, and which values are allowed.
    pub fn check(&self) -> Result<()> {
        if !(self.ridge > 0.0 && self.ridge.is_finite()) {
            return Err(Error::Config("ease: ridge must be a positive number".into()));
        }
        if !(self.fading >= 0.0 && self.fading.is_finite()) {
            return Err(Error::Config("ease: fading must be 0 or more: 0 for all ages alike".into()));
        }
        Ok(())
    }
}

/// One shard's item-to-item weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Ease {
    config: EaseConfig,
    items: usize,
    /// B, row-major [items, items]: the row is the item of the history, the
    /// column the item that is scored.
    weights: Vec<f32>,
}

impl Ease {
    /// An untrained model: all weights are zero.
    ///
    /// # Errors
    /// If a setting is invalid or the catalogue has too many items.
    pub fn new(catalog: &Catalog, config: &EaseConfig) -> Result<Self> {
        config.check()?;
        let items = catalog.items.len();
        if items > MOST_ITEMS {
            return Err(Error::Config(format!(
                "EASE keeps a weight for every two items and takes catalogues of at most {MOST_ITEMS} items; \
                 this one has {items}. Use --model episodes"
            )));
        }
        Ok(Self { config: config.clone(), items, weights: vec![0.0; items * items] })
    }

    /// Computes the weights of a shard.
    ///
    /// # Errors
    /// If the matrix of counts cannot be inverted.
    #[cfg(feature = "linear-algebra")]
    pub fn fit(&mut self, shard: &ShardData) -> Result<()> {
        use faer::{Mat, Side, linalg::solvers::DenseSolveCore};
        let items = self.items;
        if shard.is_empty() {
            self.weights.fill(0.0);
            return Ok(());
        }
        let histories: Vec<&[u32]> = shard.cells.iter().map(|cell| cell.support.as_slice()).collect();
        let counts = super::counts::together(&histories, items);
        let gram = Mat::from_fn(items, items, |i, j| {
            f64::from(counts[i * items + j]) + if i == j { self.config.ridge } else { 0.0 }
        });
        let solved = gram.llt(Side::Lower).map_err(|why| Error::Model(format!("EASE could not be solved: {why:?}")))?;
        let inverse = solved.inverse();
        for (j, diagonal) in (0..items).map(|j| (j, inverse[(j, j)])) {
            for i in 0..items {
                self.weights[i * items + j] = if i == j { 0.0 } else { (-inverse[(i, j)] / diagonal) as f32 };
            }
        }
        Ok(())
    }

    /// A build without the linear algebra, such as a browser's, cannot solve
    /// for the weights.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "linear-algebra"))]
    pub fn fit(&mut self, _: &ShardData) -> Result<()> {
        Err(Error::Config("this program cannot train EASE; train it with eemu".into()))
    }

    /// Its weights as a tensor map.
    #[must_use]
    pub fn values(&self) -> TensorMap {
        [(WEIGHTS.to_owned(), (vec![self.items, self.items], self.weights.clone()))].into()
    }

    /// Sets its weights from a tensor map.
    ///
    /// # Errors
    /// If there is another tensor, or the shape differs.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        match values.get(WEIGHTS) {
            Some((shape, numbers))
                if values.len() == 1 && *shape == [self.items, self.items] && numbers.len() == self.weights.len() =>
            {
                self.weights.clone_from(numbers);
                Ok(())
            }
            _ => Err(Error::Model(format!("expected one tensor '{WEIGHTS}' of {0} by {0} numbers", self.items))),
        }
    }

    /// The records of a user that the score reads, newest first, with their
    /// weights.
    #[must_use]
    pub fn support(&self, past: &UserHistory, adapt: &AdaptConfig) -> Vec<(u32, f32)> {
        let timed = self.config.timed && self.config.fading > 0.0;
        support(past, adapt, timed, self.config.fading)
    }

    /// The score of every item for one user.
    #[must_use]
    pub fn scores(&self, past: &UserHistory, adapt: &AdaptConfig) -> Vec<f32> {
        self.sum(self.support(past, adapt))
    }

    /// [`Ease::scores`] of a whole history, with another decay than the
    /// configuration's.
    #[must_use]
    pub fn scores_fading(&self, past: &UserHistory, fading: f32) -> Vec<f32> {
        self.sum(support(past, &AdaptConfig::whole_history(), fading > 0.0, fading))
    }

    /// The weights from one item to every item.
    pub(crate) fn weights_of(&self, item: u32) -> &[f32] {
        &self.weights[item as usize * self.items..][..self.items]
    }

    fn sum(&self, support: Vec<(u32, f32)>) -> Vec<f32> {
        let mut scores = vec![0.0f32; self.items];
        for (item, weight) in support {
            scores.iter_mut().zip(self.weights_of(item)).for_each(|(score, own)| *score += weight * own);
        }
        scores
    }
}
