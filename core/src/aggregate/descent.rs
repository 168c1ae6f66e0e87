//! Adam for a few numbers: the optimiser of the small aggregators.

use crate::{Error, Result};

/// The state of Adam: first and second moments, from zero.
pub(super) struct Descent {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
    rate: f64,
}

impl Descent {
    pub(super) fn new(weights: usize, rate: f64) -> Self {
        Self { first: vec![0.0; weights], second: vec![0.0; weights], steps: 0, rate }
    }

    /// One step of gradient descent.
    pub(super) fn step(&mut self, weights: &mut [f64], gradient: &[f64]) {
        self.steps += 1;
        for (place, (weight, gradient)) in weights.iter_mut().zip(gradient).enumerate() {
            let (first, second) = (&mut self.first[place], &mut self.second[place]);
            *first = 0.9 * *first + 0.1 * gradient;
            *second = 0.999 * *second + 0.001 * gradient * gradient;
            let mean = *first / (1.0 - 0.9f64.powi(self.steps));
            let spread = *second / (1.0 - 0.999f64.powi(self.steps));
            *weight -= self.rate * mean / (spread.sqrt() + 1e-8);
        }
    }
}

/// The number of shards in the examples. Each example holds one number a shard.
///
/// # Errors
/// If there is no example, or a number is not finite.
pub(super) fn shards_of<'a>(mut examples: impl Iterator<Item = &'a Vec<f64>>) -> Result<usize> {
    let Some(first) = examples.next() else {
        return Err(Error::Config("aggregation: there is no pair to fit the weights on".into()));
    };
    if std::iter::once(first).chain(examples).flatten().any(|number| !number.is_finite()) {
        return Err(Error::NotANumber("a score".into()));
    }
    Ok(first.len())
}
