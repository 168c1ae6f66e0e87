//! A part of the scores that is computed and not learned: the shard's own
//! EASE kernel in low-rank form ([`crate::closed_form`]), a function of the
//! shard's records and so as exact as the rest.

use crate::adapt::Past;
use crate::closed_form::Factors;
use crate::config::AdaptConfig;
use crate::episodes::EpisodesConfig;
use crate::episodes::inference::support;
use crate::episodes::support::{add, root};
use crate::model::TensorMap;
use crate::tensor::{Device, Product, Tensor, from_vec, read};
use crate::{Error, Result};

const VECTORS: &str = "kernel.vectors";
const SCALES: &str = "kernel.scales";

/// The closed-form part of a shard.
#[derive(Debug, Clone)]
pub(super) struct Kernel(Factors);

/// The part ready to rank.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    vectors: Vec<f32>,
    width: usize,
    /// z_i times its scale, [items, width].
    targets: Tensor<2>,
}

impl Kernel {
    /// A part that says nothing, in the shape of one that does.
    pub(super) fn empty(items: usize, width: usize) -> Self {
        Self(Factors { width, vectors: vec![0.0; items * width], scales: vec![0.0; items] })
    }

    pub(super) fn new(factors: Factors) -> Self {
        Self(factors)
    }

    pub(super) fn values(&self) -> TensorMap {
        let Factors { width, vectors, scales } = &self.0;
        [
            (VECTORS.to_owned(), (vec![scales.len(), *width], vectors.clone())),
            (SCALES.to_owned(), (vec![scales.len()], scales.clone())),
        ]
        .into()
    }

    /// Takes its tensors out of a model's.
    pub(super) fn take(values: &mut TensorMap, items: usize, width: usize) -> Result<Self> {
        let mut tensor = |name: &str, shape: &[usize]| match values.remove(name) {
            Some((found, numbers)) if found == shape && numbers.len() == shape.iter().product::<usize>() => Ok(numbers),
            Some((found, _)) => {
                Err(Error::Model(format!("tensor '{name}' has shape {found:?}, expected {shape:?}")))
            }
            None => Err(Error::Model(format!("tensor '{name}' is missing"))),
        };
        let (vectors, scales) = (tensor(VECTORS, &[items, width])?, tensor(SCALES, &[items])?);
        Ok(Self(Factors { width, vectors, scales }))
    }

    pub(super) fn prepare(&self, device: &Device) -> Prepared {
        let Factors { width, vectors, scales } = &self.0;
        let rows = vectors.chunks_exact(*width).zip(scales);
        let scaled: Vec<f32> = rows.flat_map(|(row, scale)| row.iter().map(move |v| v * scale)).collect();
        let targets = from_vec(scaled, [scales.len(), *width], device);
        Prepared { vectors: vectors.clone(), width: *width, targets }
    }
}

impl Prepared {
    /// Adds the part to the learned scores, both standardised over the catalogue.
    pub(super) async fn blend(
        &self,
        scores: &mut [Vec<f32>],
        people: &[&Past],
        adapt: &AdaptConfig,
        config: &EpisodesConfig,
    ) -> Result<()> {
        let timed = config.timed && config.kernel_fading > 0.0;
        let mut vectors = Vec::with_capacity(people.len() * self.width);
        for past in people {
            let (mut sum, mut total) = (vec![0.0f32; self.width], 0.0f32);
            for (item, weight) in support(past, adapt, timed, config.kernel_fading) {
                add(&mut sum, &self.vectors[item as usize * self.width..][..self.width], weight);
                total += weight;
            }
            let scale = root(total);
            vectors.extend(sum.into_iter().map(|v| v * scale));
        }
        let vectors = from_vec(vectors, [people.len(), self.width], &self.targets.device());
        let kernel = read(vectors.product(self.targets.clone().transpose())).await?;
        for (scores, kernel) in scores.iter_mut().zip(kernel.chunks_exact(self.targets.dims()[0].max(1))) {
            let ([mean, scale], [kernel_mean, kernel_scale]) = (moments(scores), moments(kernel));
            let weight = config.kernel_weight * kernel_scale;
            for (score, kernel) in scores.iter_mut().zip(kernel) {
                *score = (*score - mean) * scale + (kernel - kernel_mean) * weight;
            }
        }
        Ok(())
    }
}

/// Mean and 1 / standard deviation over the catalogue; 0 where all are equal.
fn moments(values: &[f32]) -> [f32; 2] {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / count;
    [mean, root(variance)]
}
