//! UltraRE's combination as the paper describes it: a logistic regression on
//! the shards' scores, with one set of weights for all users.

use super::descent::{Descent, shards_of};
use super::vectors::{SampledPairs, Vectors};
use super::{Aggregator, Refit, weighted};
use crate::Result;

/// How the regression is fitted. The published code has no regression, so these
/// defaults are our own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogisticConfig {
    /// Learning rate of Adam.
    pub rate: f64,
    /// Steps over all examples.
    pub steps: i32,
    /// Inverse C of the penalty ||w||^2 / (2 C).
    pub penalty: f64,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { rate: 1e-2, steps: 100, penalty: 1.0 }
    }
}

/// Weights of the standardised shard scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// w_s divided by the standard deviation of shard s's scores: the weight of
    /// the raw score.
    weights: Vec<f64>,
}

impl Logistic {
    /// Fits on (positive, negative) pairs: label 1 for the positive, 0 for the
    /// negative.
    ///
    /// # Errors
    /// If there is no pair, a score is not finite or the device fails.
    pub async fn fit(vectors: &Vectors, sample: &SampledPairs, config: &LogisticConfig) -> Result<Self> {
        let mut examples = Vec::with_capacity(2 * sample.pairs.len());
        for [positive, negative] in sample.scores(vectors).await? {
            examples.extend([(positive, 1.0), (negative, 0.0)]);
        }
        Self::fit_on(examples, config)
    }

    fn fit_on(mut examples: Vec<(Vec<f64>, f64)>, config: &LogisticConfig) -> Result<Self> {
        let shards = shards_of(examples.iter().map(|(scores, _)| scores))?;
        let count = examples.len() as f64;
        let mut spreads = Vec::with_capacity(shards);
        for shard in 0..shards {
            let mean = examples.iter().map(|(s, _)| s[shard]).sum::<f64>() / count;
            let variance = examples.iter().map(|(s, _)| (s[shard] - mean).powi(2)).sum::<f64>() / count;
            let spread = variance.sqrt().max(1e-12);
            examples.iter_mut().for_each(|(s, _)| s[shard] = (s[shard] - mean) / spread);
            spreads.push(spread);
        }
        // The last weight is the bias. The penalty leaves it out.
        let mut weights = vec![0.0; shards + 1];
        let mut descent = Descent::new(shards + 1, config.rate);
        for _ in 0..config.steps {
            let mut gradient: Vec<f64> = weights.iter().map(|w| config.penalty * w / count).collect();
            gradient[shards] = 0.0;
            for (scores, label) in &examples {
                let z = weights[shards] + scores.iter().zip(&weights).map(|(s, w)| s * w).sum::<f64>();
                let error = (1.0 / (1.0 + (-z).exp()) - label) / count;
                gradient.iter_mut().zip(scores).for_each(|(g, s)| *g += error * s);
                gradient[shards] += error;
            }
            descent.step(&mut weights, &gradient);
        }
        // Means and bias shift all of a user's scores by the same amount, so
        // they do not change the ranking.
        Ok(Self { weights: weights.iter().zip(&spreads).map(|(w, spread)| w / spread).collect() })
    }

    /// One weight a shard.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

impl Aggregator for Logistic {
    fn name(&self) -> &'static str {
        "UltraRE"
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

    #[test]
    fn the_shard_that_tells_counts_and_the_one_that_does_not_does_not() {
        let examples = (0..200)
            .map(|n| {
                let label = f64::from(n % 2);
                (vec![4.0 * label + f64::from(n % 5), f64::from(n % 3)], label)
            })
            .collect();
        let fitted = Logistic::fit_on(examples, &LogisticConfig { steps: 400, ..LogisticConfig::default() }).unwrap();
        assert!(fitted.weights()[0] > 0.5 && fitted.weights()[1].abs() < 0.2, "{fitted:?}");
        assert!(Logistic::fit_on(vec![], &LogisticConfig::default()).is_err());
        assert!(Logistic::fit_on(vec![(vec![f64::NAN], 1.0)], &LogisticConfig::default()).is_err());
    }
}
