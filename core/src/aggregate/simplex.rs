//! GraphEraser's learned aggregator, for ranking: one weight a shard on the
//! probability simplex, fitted on training pairs of all shards.
//!
//! The weights depend on every shard's data. Weights that are kept after a
//! deletion still depend on the deleted records, although every shard's model
//! has unlearned them.

use super::descent::{Descent, shards_of};
use super::{Aggregator, Refit, weighted};
use crate::Result;
use crate::random::Key;

/// How the weights are fitted; the defaults are GraphEraser's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitConfig {
    /// Share of the training records whose pairs are used, chosen by keyed
    /// random draws.
    pub share: f64,
    /// Learning rate of Adam.
    pub rate: f64,
    /// Passes over the pairs.
    pub epochs: u32,
    /// Pairs in a step.
    pub batch: usize,
    /// Weight lambda of the norm of the weights in the loss.
    pub penalty: f64,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self { share: 0.1, rate: 1e-3, epochs: 50, batch: 32, penalty: 1.0 }
    }
}

/// For each sampled pair ([`super::SampledPairs::margins`]), every shard's
/// score of the positive minus its score of the negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Margins(Vec<Vec<f64>>);

impl Margins {
    /// Takes one list of S numbers for each pair.
    #[must_use]
    pub fn new(margins: Vec<Vec<f64>>) -> Self {
        Self(margins)
    }
}

/// Weights on the probability simplex.
#[derive(Debug, Clone, PartialEq)]
pub struct Simplex {
    weights: Vec<f64>,
}

impl Simplex {
    /// Fits the weights with Adam, from equal ones. The loss is mean max(0,
    /// Delta - sum_s a_s margin_s) + lambda ||a||. Negative weights are clamped
    /// to zero after every step. The epoch with the least total loss is kept
    /// and scaled to sum to one. Each fit starts from scratch: the same input
    /// gives the same bytes.
    ///
    /// # Errors
    /// If there is no pair, or a margin is not finite.
    pub fn fit(margins: &Margins, delta: f64, key: &Key, config: &FitConfig) -> Result<Self> {
        let shards = shards_of(margins.0.iter())?;
        let mut weights = vec![1.0 / shards as f64; shards];
        let mut descent = Descent::new(shards, config.rate);
        let (mut best, mut kept) = (f64::INFINITY, weights.clone());
        let mut order: Vec<usize> = (0..margins.0.len()).collect();
        for epoch in 0..config.epochs {
            key.stream("aggregator batches", &[&epoch.to_le_bytes()]).shuffle(&mut order);
            let mut total = 0.0;
            for batch in order.chunks(config.batch.max(1)) {
                let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
                let mut gradient: Vec<f64> = weights.iter().map(|w| config.penalty * w / norm.max(1e-12)).collect();
                let mut loss = 0.0;
                for &pair in batch {
                    let own = &margins.0[pair];
                    let gap = delta - own.iter().zip(&weights).map(|(m, w)| m * w).sum::<f64>();
                    if gap > 0.0 {
                        loss += gap / batch.len() as f64;
                        gradient.iter_mut().zip(own).for_each(|(g, m)| *g -= m / batch.len() as f64);
                    }
                }
                total += loss + config.penalty * norm;
                descent.step(&mut weights, &gradient);
                weights.iter_mut().for_each(|weight| *weight = weight.max(0.0));
            }
            if total < best {
                best = total;
                kept.clone_from(&weights);
            }
        }
        let sum: f64 = kept.iter().sum();
        // If all weights are zero, no shard is preferred.
        let scaled = |w: f64| if sum > 0.0 { w / sum } else { 1.0 / shards as f64 };
        Ok(Self { weights: kept.into_iter().map(scaled).collect() })
    }

    /// One weight a shard; they sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// BLAKE3 of the weights' bytes.
    pub fn hash(&self) -> String {
        let bytes: Vec<u8> = self.weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        blake3::hash(&bytes).to_hex().to_string()
    }
}

impl Aggregator for Simplex {
    fn name(&self) -> &'static str {
        "GraphEraser"
    }

    fn after_deletion(&self) -> Refit {
        Refit::Everything
    }

    fn combine(&self, per_shard: &[Vec<f32>]) -> Result<Vec<f32>> {
        weighted(per_shard, &self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Mean;

    fn fit(margins: &[[f64; 3]]) -> Simplex {
        let margins = Margins::new(margins.iter().map(|m| m.to_vec()).collect());
        Simplex::fit(&margins, 1.0, &Key::from_seed(3), &FitConfig { rate: 0.02, ..FitConfig::default() }).unwrap()
    }

    #[test]
    fn weights_lie_on_the_simplex_and_prefer_the_shard_that_ranks_well() {
        let fitted = fit(&[[2.0, 0.0, -2.0]; 40]);
        assert!((fitted.weights().iter().sum::<f64>() - 1.0).abs() < 1e-12, "{fitted:?}");
        assert!(fitted.weights().iter().all(|w| *w >= 0.0));
        // The penalty takes a weight to zero if its shard helps no pair.
        assert!(fitted.weights()[0] > 0.9, "{fitted:?}");
    }

    #[test]
    fn fitting_anew_gives_the_same_bytes_and_one_pair_more_does_not() {
        // Every shard ranks well on average; otherwise the penalty takes all
        // weights to zero.
        let pair = |n: i32| [2.0 + f64::from(n).sin(), 2.0 + f64::from(n).cos(), 1.5];
        let mut margins: Vec<[f64; 3]> = (0..50).map(pair).collect();
        let fitted = fit(&margins);
        assert_eq!(fitted.hash(), fit(&margins).hash());
        margins.pop();
        assert_ne!(fitted.hash(), fit(&margins).hash());
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let refused = |margins| Simplex::fit(&Margins::new(margins), 1.0, &Key::from_seed(1), &FitConfig::default());
        assert!(refused(vec![]).unwrap_err().to_string().contains("no pair"));
        assert!(refused(vec![vec![f64::NAN]]).is_err());
    }

    #[test]
    fn combining_is_a_weighted_mean() {
        let scores = [vec![1.0, 4.0], vec![3.0, 0.0], vec![2.0, 2.0]];
        assert_eq!(Mean.combine(&scores).unwrap(), [2.0, 2.0]);
        let weights = Simplex { weights: vec![0.5, 0.25, 0.25] };
        assert_eq!(weights.combine(&scores).unwrap(), [1.75, 2.5]);
        assert!(weights.combine(&scores[..2]).is_err());
        assert_eq!((Mean.after_deletion(), weights.after_deletion()), (Refit::Nothing, Refit::Everything));
    }
}
