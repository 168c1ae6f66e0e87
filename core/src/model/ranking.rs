//! The scores of all items for many users at their own theta_u.
//!
//! Layer 1, two thirds of the work, is shared: x W_1 is computed once for all
//! items, and a user adds a rank-n term whose coefficients are inner products
//! of the items' inputs. The small later layers are made for one tile of users
//! at a time, and the last is folded into the user's vector:
//! score = a . (W x_u) + b . x_u (low-rank-adaptation.md, step 5).

use crate::model::encoder::{Encoder, Step};
use crate::model::features::Row;
use crate::model::kernel::{add_bias, norm_gelu};
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
        let first = embedded.clone().matmul(self.item.weight(parameters, 0));
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

impl Encoder {
    /// Scores of all items for a tile of users with vectors `x` [users, 1, output].
    async fn rank(&self, parameters: &Parameters, base: &ItemBase, steps: &[Step], x: &Tensor<3>) -> Result<Vec<Vec<f32>>> {
        let users = x.dims()[0];
        let items = base.embedded.dims()[0];
        let own: Vec<Tensor<3>> = (1..self.depth()).map(|layer| self.own_weight(parameters, layer, steps)).collect();
        let biases: Vec<Tensor<2>> = (0..self.depth()).map(|layer| self.bias_of(parameters, layer, steps)).collect();
        let norms: Vec<_> = (0..self.depth() - 1).map(|layer| self.norm_of(parameters, layer, steps)).collect();
        // The last layer folded into the user's vector: toward [users, h, 1], offset [users, 1].
        let toward = own.last().map(|last| last.clone().matmul(x.clone().transpose()));
        let last_bias = biases[self.depth() - 1].clone().reshape([users, 1, x.dims()[2]]);
        let offset = last_bias.matmul(x.clone().transpose()).reshape([users, 1]);
        let first = self.first_terms(parameters, steps);
        let overlaps = self.overlaps_with_all(steps, users, items);
        let mut scores = vec![Vec::with_capacity(items); users];
        for start in (0..items).step_by(TILE_ITEMS) {
            let count = TILE_ITEMS.min(items - start);
            let e = base.embedded.clone().narrow(0, start, count);
            let (coefficients, terms) = first.with(&e, &overlaps, start, count);
            let shared = base.first.clone().narrow(0, start, count);
            let mut z = coefficients.matmul(terms);
            let tile = match &toward {
                None => (z + shared.unsqueeze::<3>()).matmul(x.clone().transpose()),
                Some(toward) => {
                    for (layer, (scale, shift)) in norms.iter().enumerate() {
                        let [users, items, width] = z.dims();
                        let z_flat = z.reshape([users * items, width]);
                        let shared = (layer == 0).then_some(&shared);
                        let (a, _) = norm_gelu(z_flat, shared, &biases[layer], scale, shift, false);
                        z = a.reshape([users, items, width]);
                        if layer + 1 < norms.len() {
                            z = z.matmul(own[layer].clone());
                        }
                    }
                    z.matmul(toward.clone())
                }
            };
            let tile = add_bias(tile.reshape([users * count, 1]), &offset);
            for (row, tile) in scores.iter_mut().zip(read(tile).await?.chunks(count)) {
                row.extend_from_slice(tile);
            }
        }
        Ok(scores)
    }

    /// W_u of a later layer, [users, in, out]: small, and only for a tile of users.
    fn own_weight(&self, parameters: &Parameters, layer: usize, steps: &[Step]) -> Tensor<3> {
        let shared = self.weight(parameters, layer).unsqueeze::<3>();
        steps.iter().fold(shared, |weight, step| {
            let (inputs, moves) = step.layer(layer);
            weight + inputs.transpose().matmul(moves)
        })
    }

    /// The rank-n terms of the first layer. With X a step's inputs, D its
    /// deltas and F_k its gradients at feature k, both times -alpha:
    ///
    /// z_1(i) = e(i) W_1 + b_u + (e(i) X^T) D + sum_k <f_k(i), f_k(j)> F_k W_1u
    fn first_terms(&self, parameters: &Parameters, steps: &[Step]) -> FirstTerms {
        let weight = self.weight(parameters, 0);
        let (inputs, along): (Vec<_>, Vec<_>) = steps.iter().map(|step| step.layer(0)).unzip();
        let features = steps
            .iter()
            .map(|step| {
                (0..self.features().len())
                    .map(|place| {
                        let moves = self.feature_moves(step, place);
                        let [users, n, width] = moves.dims();
                        let part = weight.clone().narrow(0, place * width, width);
                        let outputs = part.dims()[1];
                        // F_k W_1u: the shared block, and what every step changed in it.
                        let shared = moves.clone().reshape([users * n, width]).matmul(part);
                        inputs.iter().zip(&along).fold(
                            shared.reshape([users, n, outputs]),
                            |moved, (inputs, along): (&Tensor<3>, &Tensor<3>)| {
                                let block = inputs.clone().narrow(2, place * width, width);
                                moved + moves.clone().matmul(block.transpose()).matmul(along.clone())
                            },
                        )
                    })
                    .collect()
            })
            .collect();
        FirstTerms { inputs, along, features }
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
    /// Known on the host: [users, items, step rows].
    Host { values: Vec<f32>, users: usize, rows: usize, items: usize },
    /// A dense feature: all items' inputs [items, width] and the rows' [users, rows, width].
    Dense { table: Tensor<2>, rows: Tensor<3> },
}

struct FirstTerms {
    inputs: Vec<Tensor<3>>,
    along: Vec<Tensor<3>>,
    features: Vec<Vec<Tensor<3>>>,
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
                            .chunks(*items * *rows)
                            .flat_map(|own| own[start * rows..(start + count) * rows].iter().copied())
                            .collect();
                        // An identifier meets itself in one tile only; the others skip it.
                        tile.iter()
                            .any(|v| *v != 0.0)
                            .then(|| crate::tensor::from_vec(tile, [*users, count, *rows], &device))
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
