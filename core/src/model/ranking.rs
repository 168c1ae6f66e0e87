//! The scores of all items for many users at their own theta_u.
//!
//! Layer 1, two thirds of the work, is shared: x W_1 is computed once for all
//! items, and a user adds a rank-n term whose coefficients are inner products
//! of the items' inputs. The small later layers are made for one tile of users
//! at a time, and the last is folded into the user's vector:
//! score = a . (W x_u) + b . x_u (low-rank-adaptation.md, step 5).

use crate::model::encoder::{Encoder, Step};
use crate::model::features::Row;
use crate::model::kernel::norm_gelu;
use crate::model::parameters::Parameters;
use crate::model::two_tower::{Adapted, TwoTower};
use crate::tensor::{Tensor, read};
use crate::Result;

/// Users and items of a tile: small enough for a core's cache.
const TILE_USERS: usize = 4;
const TILE_ITEMS: usize = 512;

/// What ranking shares between users: made once a model.
#[derive(Debug, Clone)]
pub struct ItemBase {
    /// Concatenated embeddings of all items at theta, [items, columns].
    embedded: Tensor<2>,
    /// First layer's pre-activations at theta, [items, h].
    first: Tensor<2>,
    /// y_i at theta, [items, output].
    vectors: Tensor<2>,
}

impl ItemBase {
    /// y_i at theta for all items, row-major [items, output].
    ///
    /// # Errors
    /// When the device fails.
    pub async fn vectors(&self) -> Result<Vec<f32>> {
        read(self.vectors.clone()).await
    }
}

impl TwoTower {
    /// Runs the item tower once over the catalogue.
    pub fn item_base(&self) -> ItemBase {
        let parameters = self.parameters();
        let rows: Vec<Row> = (0..self.items).map(Row::Known).collect();
        let embedded = self.item.embed(parameters, &rows);
        let first = self.item.linear(parameters, 0, embedded.clone());
        let trace = self.item.forward(parameters, rows, 1, &[], false);
        let [_, items, width] = trace.output.dims();
        ItemBase { embedded, first, vectors: trace.output.reshape([items, width]) }
    }

    /// SF(u, i; theta_u) for every user and every item, one row of scores a user.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(&self, base: &ItemBase, users: &[Row], adapted: &Adapted) -> Result<Vec<Vec<f32>>> {
        let mut scores = vec![Vec::new(); users.len()];
        for group in &adapted.groups {
            let rows: Vec<Row> = group.tasks.iter().map(|&t| users[t]).collect();
            let trace = self.user.forward(self.parameters(), rows, group.tasks.len(), &group.user, false);
            if group.item.is_empty() {
                let [count, _, width] = trace.output.dims();
                let all = trace.output.reshape([count, width]).matmul(base.vectors.clone().transpose());
                for (&task, row) in group.tasks.iter().zip(read(all).await?.chunks(self.items as usize)) {
                    scores[task] = row.to_vec();
                }
                continue;
            }
            for start in (0..group.tasks.len()).step_by(TILE_USERS) {
                let count = TILE_USERS.min(group.tasks.len() - start);
                let x = trace.output.clone().narrow(0, start, count);
                let steps: Vec<Step> = group.item.iter().map(|s| s.narrowed(start, count)).collect();
                let rows = self.item.rank(self.parameters(), base, &steps, &x).await?;
                for (&task, row) in group.tasks[start..start + count].iter().zip(rows) {
                    scores[task] = row;
                }
            }
        }
        Ok(scores)
    }
}

/// A tile's own parameters after the first layer, [users, in, out] and [users, 1, out].
struct OwnLayer {
    weight: Tensor<3>,
    bias: Tensor<3>,
}

impl Encoder {
    /// Scores of all items for a tile of users with vectors `x` [users, 1, output].
    async fn rank(&self, parameters: &Parameters, base: &ItemBase, steps: &[Step], x: &Tensor<3>) -> Result<Vec<Vec<f32>>> {
        let users = x.dims()[0];
        let items = base.embedded.dims()[0];
        let own: Vec<OwnLayer> = (1..self.depth()).map(|layer| self.own_layer(parameters, layer, steps)).collect();
        let folded = own.last().map(|last| {
            let toward = last.weight.clone().matmul(x.clone().transpose());
            let offset = last.bias.clone().matmul(x.clone().transpose());
            (toward, offset)
        });
        let first = self.first_terms(parameters, steps);
        let overlaps = self.overlaps_with_all(steps, users, items);
        let mut scores = vec![Vec::with_capacity(items); users];
        for start in (0..items).step_by(TILE_ITEMS) {
            let count = TILE_ITEMS.min(items - start);
            let e = base.embedded.clone().narrow(0, start, count);
            let (coefficients, terms) = first.with(&e, &overlaps, start, count);
            let shared = base.first.clone().narrow(0, start, count).unsqueeze::<3>();
            let mut z = coefficients.matmul(terms) + shared + first.bias.clone();
            let tile = match &folded {
                None => z.matmul(x.clone().transpose()),
                Some((toward, offset)) => {
                    for layer in 0..self.depth() - 1 {
                        let [users, items, width] = z.dims();
                        let (scale, shift) = self.norm_of(parameters, layer, steps);
                        let (a, _) = norm_gelu(z.reshape([users * items, width]), &scale, &shift, false);
                        z = a.reshape([users, items, width]);
                        if layer + 2 < self.depth() {
                            z = z.matmul(own[layer].weight.clone()) + own[layer].bias.clone();
                        }
                    }
                    z.matmul(toward.clone()) + offset.clone()
                }
            };
            for (row, tile) in scores.iter_mut().zip(read(tile).await?.chunks(count)) {
                row.extend_from_slice(tile);
            }
        }
        Ok(scores)
    }

    /// W_u and b_u of a later layer.
    fn own_layer(&self, parameters: &Parameters, layer: usize, steps: &[Step]) -> OwnLayer {
        let (weight, bias) = self.weight_and_bias(parameters, layer);
        let mut own = OwnLayer { weight: weight.unsqueeze(), bias: bias.unsqueeze() };
        for step in steps {
            let (inputs, deltas, sum) = step.layer(layer);
            own.weight = own.weight - inputs.transpose().matmul(deltas) * step.alpha();
            own.bias = own.bias - sum * step.alpha();
        }
        own
    }

    /// The rank-n terms of the first layer. With X the steps' inputs, D their
    /// deltas and F_k their gradients at feature k:
    ///
    /// z_1(i) = e(i) W_1 + b - alpha [ (e(i) X^T) D + sum_j D_j ]
    ///          - alpha sum_k <f_k(i), f_k(j)> F_k W_1u
    fn first_terms(&self, parameters: &Parameters, steps: &[Step]) -> FirstTerms {
        let (weight, _) = self.weight_and_bias(parameters, 0);
        let mut terms = FirstTerms { inputs: Vec::new(), along: Vec::new(), features: Vec::new(), bias: Tensor::zeros([1, 1, 1], &weight.device()) };
        for step in steps {
            let (inputs, deltas, sum) = step.layer(0);
            terms.bias = terms.bias - sum * step.alpha();
            terms.inputs.push(inputs);
            terms.along.push(deltas * -step.alpha());
        }
        for step in steps {
            let mut own = Vec::new();
            for place in 0..self.features().len() {
                let gradient = self.feature_deltas(step, place);
                let [users, n, width] = gradient.dims();
                let part = weight.clone().narrow(0, place * width, width);
                let outputs = part.dims()[1];
                // F_k W_1u: the shared block, and what every step changed in it.
                let mut moved =
                    gradient.clone().reshape([users * n, width]).matmul(part).reshape([users, n, outputs]);
                for (inputs, along) in terms.inputs.iter().zip(&terms.along) {
                    let block = inputs.clone().narrow(2, place * width, width);
                    moved = moved + gradient.clone().matmul(block.transpose()).matmul(along.clone());
                }
                own.push(moved * -step.alpha());
            }
            terms.features.push(own);
        }
        terms
    }

    /// <f_k(i), f_k(j)> of every item with every step row, a step and feature.
    fn overlaps_with_all(&self, steps: &[Step], users: usize, items: usize) -> Vec<Vec<Overlap>> {
        steps
            .iter()
            .map(|step| self.features().iter().map(|f| f.overlap_with_all(step.rows(), users, items)).collect())
            .collect()
    }
}

/// Inner products of one feature with all items.
pub(super) enum Overlap {
    /// Known on the host: [users, step rows, items].
    Host { values: Vec<f32>, users: usize, rows: usize, items: usize },
    /// A dense feature: all items' inputs [items, width] and the rows' [users, rows, width].
    Dense { table: Tensor<2>, rows: Tensor<3> },
}

struct FirstTerms {
    inputs: Vec<Tensor<3>>,
    along: Vec<Tensor<3>>,
    features: Vec<Vec<Tensor<3>>>,
    bias: Tensor<3>,
}

impl FirstTerms {
    /// Coefficients [users, items of the tile, terms] and terms [users, terms, h].
    fn with(&self, e: &Tensor<2>, overlaps: &[Vec<Overlap>], start: usize, count: usize) -> (Tensor<3>, Tensor<3>) {
        let device = e.device();
        let (mut coefficients, mut terms) = (Vec::new(), Vec::new());
        for (inputs, along) in self.inputs.iter().zip(&self.along) {
            coefficients.push(e.clone().unsqueeze::<3>().matmul(inputs.clone().transpose()));
            terms.push(along.clone());
        }
        for (overlaps, features) in overlaps.iter().zip(&self.features) {
            for (overlap, term) in overlaps.iter().zip(features) {
                let tile = match overlap {
                    Overlap::Dense { table, rows } => {
                        let part = table.clone().narrow(0, start, count).unsqueeze::<3>();
                        Some(part.matmul(rows.clone().transpose()) + 1.0)
                    }
                    Overlap::Host { values, users, rows, items } => {
                        let tile: Vec<f32> = values
                            .chunks(*items)
                            .flat_map(|row| row[start..start + count].iter().copied())
                            .collect();
                        // An identifier meets itself in one tile only; the others skip it.
                        tile.iter().any(|v| *v != 0.0).then(|| {
                            crate::tensor::from_vec(tile, [*users, *rows, count], &device).swap_dims(1, 2)
                        })
                    }
                };
                if let Some(tile) = tile {
                    coefficients.push(tile);
                    terms.push(term.clone());
                }
            }
        }
        (Tensor::cat(coefficients, 2), Tensor::cat(terms, 1))
    }
}
