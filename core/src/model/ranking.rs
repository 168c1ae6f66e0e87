//! Scores of all items for many users, each at their own theta_u.
//!
//! Layer 1, two thirds of the work, is shared: x W_1 is computed once for all
//! items, and a user adds a rank-n term whose coefficients are inner products
//! of the items' inputs. The small later layers are computed for one tile of
//! users at a time. The last layer is folded into the user's vector: score = a
//! . (W x_u) + b . x_u.

use crate::Result;
use crate::model::encoder::Encoder;
use crate::model::kernel::{add_bias, norm_gelu};
use crate::model::layout::Layout;
use crate::model::parameters::Parameters;
use crate::model::step::LowRankStep;
use crate::tensor::{Device, Product, Tensor, from_vec, is_wide, read};

/// The numbers of users and of items in a tile of the later layers. They are
/// small enough for a core's cache, or large enough to keep a GPU busy.
pub(super) fn tile_of(device: &Device) -> (usize, usize) {
    if is_wide(device) { (64, 4096) } else { (4, 512) }
}

/// The tensors of ranking that all users share, computed once for each model.
#[derive(Debug, Clone)]
pub struct ItemBase {
    /// The first layer's input of all items at theta, [items, columns].
    pub(super) embedded: Tensor<2>,
    /// The items' part of the first layer's pre-activations at theta, [items,
    /// h].
    pub(super) first: Tensor<2>,
    /// The items' vectors at theta for the dot product with a user's vector:
    /// y_i, or DeepFM's \[Q, s\]; [items, width].
    pub(super) vectors: Tensor<2>,
}

impl ItemBase {
    /// The items' vectors at theta, row-major [items, width]. If the model
    /// folds ([`super::Recommender::folds`]), their dot products with users'
    /// vectors are the scores; for DeepFM they are the scores without the deep
    /// part.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn vectors(&self) -> Result<Vec<f32>> {
        read(self.vectors.clone()).await
    }

    /// Components of the items' vectors.
    pub(crate) fn width(&self) -> usize {
        self.vectors.dims()[1]
    }
}

impl Encoder {
    /// Scores of all items for a tile of users with vectors `x` [users, 1,
    /// output], by a tower of two layers or more. `beside` [users, h] is added
    /// to the first layer.
    pub(super) async fn rank(
        &self,
        parameters: &Parameters,
        base: &ItemBase,
        steps: &[LowRankStep],
        overlaps: &[Vec<Overlap>],
        x: &Tensor<3>,
        beside: Option<&Tensor<2>>,
    ) -> Result<Vec<Vec<f32>>> {
        let users = x.dims()[0];
        let items = base.embedded.dims()[0];
        let last = self.depth() - 1;
        let own: Vec<Tensor<3>> = (1..last).map(|layer| self.own_weight(parameters, layer, steps)).collect();
        let mut norms = self.norms(parameters, steps);
        if let (Some(norm), Some(beside)) = (norms.first_mut(), beside) {
            norm.bias = norm.bias.clone() + beside.clone();
        }
        // Folds the last layer into the user's vector: `toward` [users, h, 1]
        // and `offset` [users, 1].
        let toward = self.own_weight(parameters, last, steps).product(x.clone().transpose());
        let last_bias = self.bias_of(parameters, last, steps).expand([users, x.dims()[2]]);
        let last_bias = last_bias.reshape([users, 1, x.dims()[2]]);
        let offset = last_bias.product(x.clone().transpose()).reshape([users, 1]);
        let first = self.first_terms(parameters, steps);
        let mut scores = vec![Vec::with_capacity(items); users];
        let (_, items_together) = tile_of(&x.device());
        for start in (0..items).step_by(items_together) {
            let count = items_together.min(items - start);
            let e = base.embedded.clone().narrow(0, start, count);
            let shared = base.first.clone().narrow(0, start, count);
            let layout = Layout::new([(users, count)]);
            let mut z = match first.with(&e, overlaps, start, count) {
                Some((coefficients, terms)) => coefficients.product(terms),
                None => Tensor::zeros([users, count, shared.dims()[1]], &e.device()),
            };
            for (layer, norm) in norms.iter().enumerate() {
                let [users, items, width] = z.dims();
                let z_flat = z.reshape([users * items, width]);
                let shared = (layer == 0).then_some(&shared);
                let (a, _) = norm_gelu(z_flat, shared, norm, &layout, false);
                z = a.reshape([users, items, width]);
                if layer + 1 < norms.len() {
                    z = z.product(own[layer].clone());
                }
            }
            let tile = add_bias(z.product(toward.clone()).reshape([users * count, 1]), &offset, &layout);
            for (row, tile) in scores.iter_mut().zip(read(tile).await?.chunks(count)) {
                row.extend_from_slice(tile);
            }
        }
        Ok(scores)
    }

    /// W_u of a later layer, [users, in, out]; it is small, and built for a
    /// tile of users only.
    fn own_weight(&self, parameters: &Parameters, layer: usize, steps: &[LowRankStep]) -> Tensor<3> {
        let shared = self.weight(parameters, layer).unsqueeze::<3>();
        steps.iter().fold(shared, |weight, step| {
            step.block(0).map_or(weight.clone(), |own| weight + own.inputs(layer).transpose().product(own.moves(layer)))
        })
    }

    /// The rank-n terms of the first layer. With X a step's inputs, D its
    /// deltas and F_k its deltas at feature k:
    ///
    /// z_1(i) = e(i) W_1 + b_u + (e(i) X^T) D + sum_k <f_k(i), f_k(j)> F_k W_1u
    fn first_terms(&self, parameters: &Parameters, steps: &[LowRankStep]) -> FirstTerms {
        let own: Vec<_> = steps.iter().filter_map(|step| step.block(0)).collect();
        let inputs: Vec<_> = own.iter().map(|own| own.inputs(0)).collect();
        let along: Vec<_> = own.iter().map(|own| own.moves(0)).collect();
        let features = own
            .iter()
            .map(|own| {
                (0..self.features().len())
                    .map(|place| {
                        let part = self.feature_weight(parameters, place);
                        let moves = own.feature_moves(place, self.width(), &part);
                        let [users, n, width] = moves.dims();
                        let outputs = part.dims()[1];
                        // F_k W_1u: the shared block, plus the change of each
                        // step.
                        let shared = moves.clone().reshape([users * n, width]).product(part);
                        inputs.iter().zip(&along).fold(
                            shared.reshape([users, n, outputs]),
                            |moved, (inputs, along): (&Tensor<3>, &Tensor<3>)| {
                                let block = inputs.clone().narrow(2, place * width, width);
                                moved + moves.clone().product(block.transpose()).product(along.clone())
                            },
                        )
                    })
                    .collect()
            })
            .collect();
        FirstTerms { inputs, along, features }
    }

    /// <f_k(i), f_k(j)> of every item with every step row, for each step and
    /// feature.
    pub(super) fn overlaps_with_all(&self, steps: &[LowRankStep], users: usize, items: usize) -> Vec<Vec<Overlap>> {
        steps
            .iter()
            .map(|step| self.features().iter().map(|f| f.overlap_with_all(&step.rows, users, items)).collect())
            .collect()
    }
}

/// Inner products of one feature's step rows with all items.
// Few of these exist at a time.
#[allow(clippy::large_enum_variant)]
pub(super) enum Overlap {
    /// Computed on the host: [users, items, step rows].
    Host { values: Vec<f32>, users: usize, rows: usize, items: usize },
    /// For a dense feature: all items' inputs [items, width] and the step rows'
    /// inputs [users, rows, width].
    Dense { table: Tensor<2>, rows: Tensor<3> },
}

struct FirstTerms {
    inputs: Vec<Tensor<3>>,
    along: Vec<Tensor<3>>,
    features: Vec<Vec<Tensor<3>>>,
}

impl FirstTerms {
    /// The coefficients [users, items of the tile, terms] and the terms [users,
    /// terms, h]; `None` without steps.
    fn with(
        &self,
        e: &Tensor<2>,
        overlaps: &[Vec<Overlap>],
        start: usize,
        count: usize,
    ) -> Option<(Tensor<3>, Tensor<3>)> {
        let device = e.device();
        let (mut coefficients, mut terms) = (Vec::new(), Vec::new());
        for (inputs, along) in self.inputs.iter().zip(&self.along) {
            coefficients.push(e.clone().unsqueeze::<3>().product(inputs.clone().transpose()));
            terms.push(along.clone());
        }
        for (overlaps, features) in overlaps.iter().zip(&self.features) {
            for (overlap, term) in overlaps.iter().zip(features) {
                if let Some(tile) = overlap.tile(start, count, &device) {
                    coefficients.push(tile);
                    terms.push(term.clone());
                }
            }
        }
        (!terms.is_empty()).then(|| (Tensor::cat(coefficients, 2), Tensor::cat(terms, 1)))
    }
}

impl Overlap {
    /// The inner products of a tile of items, [users, items of the tile, step
    /// rows]; `None` if all are zero.
    pub(super) fn tile(&self, start: usize, count: usize, device: &Device) -> Option<Tensor<3>> {
        match self {
            Self::Dense { table, rows } => {
                let part = table.clone().narrow(0, start, count).unsqueeze::<3>();
                Some(part.product(rows.clone().transpose()) + 1.0)
            }
            Self::Host { values, users, rows, items } => {
                let tile: Vec<f32> = values
                    .chunks(*items * *rows)
                    .flat_map(|own| own[start * rows..(start + count) * rows].iter().copied())
                    .collect();
                // An identifier overlaps with itself in one tile only; the
                // other tiles skip it.
                tile.iter().any(|v| *v != 0.0).then(|| from_vec(tile, [*users, count, *rows], device))
            }
        }
    }
}
