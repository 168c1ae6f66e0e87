//! The scores of all items for many users at their own theta_u.
//!
//! Layer 1, two thirds of the work, is shared: x W_1 is computed once for all
//! items, and a user adds a rank-n term whose coefficients are inner products
//! of the items' inputs. The small later layers are made for one tile of users
//! at a time, and the last is folded into the user's vector:
//! score = a . (W x_u) + b . x_u (low-rank-adaptation.md, step 5).

use crate::Result;
use crate::model::encoder::Encoder;
use crate::model::features::Row;
use crate::model::kernel::{add_bias, norm_gelu};
use crate::model::layout::Layout;
use crate::model::parameters::Parameters;
use crate::model::step::Step;
use crate::model::two_tower::{Adapted, TwoTower};
use crate::tensor::{Tensor, read};

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
        let vectors = self.item.forward(parameters, rows, &Layout::shared(self.items as usize), &[], false).output;
        ItemBase { embedded, first, vectors }
    }

    /// SF(u, i; theta_u) for every user and every item, one row of scores a user.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(&self, base: &ItemBase, users: &[Row], adapted: &Adapted) -> Result<Vec<Vec<f32>>> {
        let x = self.adapted_users(users, adapted);
        let width = x.dims()[1];
        let mut scores = vec![Vec::new(); users.len()];
        let mut first_task = 0;
        for (block, &tasks) in adapted.blocks.iter().enumerate() {
            // Towers of one layer need no tiles: a user costs little.
            let tile = if self.item.depth() == 1 { tasks.max(1) } else { TILE_USERS };
            for first in (0..tasks).step_by(tile) {
                let count = tile.min(tasks - first);
                let x = x.clone().narrow(0, first_task + first, count);
                let steps: Vec<Step> = adapted.item.iter().filter_map(|s| s.cut(block, first, count)).collect();
                let rows = if steps.is_empty() {
                    let all = read(x.matmul(base.vectors.clone().transpose())).await?;
                    all.chunks(self.items as usize).map(<[f32]>::to_vec).collect()
                } else {
                    let x = x.reshape([count, 1, width]);
                    match self.item.depth() {
                        1 => self.item.rank_linear(self.parameters(), &base.embedded, &steps, &x).await?,
                        _ => self.item.rank(self.parameters(), base, &steps, &x).await?,
                    }
                };
                for (&task, row) in adapted.order[first_task + first..].iter().zip(rows) {
                    scores[task] = row;
                }
            }
            first_task += tasks;
        }
        Ok(scores)
    }
}

impl Encoder {
    /// Scores of all items for a tile of users with vectors `x` [users, 1,
    /// output], by a tower of two layers or more.
    async fn rank(
        &self,
        parameters: &Parameters,
        base: &ItemBase,
        steps: &[Step],
        x: &Tensor<3>,
    ) -> Result<Vec<Vec<f32>>> {
        let users = x.dims()[0];
        let items = base.embedded.dims()[0];
        let last = self.depth() - 1;
        let own: Vec<Tensor<3>> = (1..last).map(|layer| self.own_weight(parameters, layer, steps)).collect();
        let norms = self.norms(parameters, steps);
        // The last layer folded into the user's vector: toward [users, h, 1], offset [users, 1].
        let toward = self.own_weight(parameters, last, steps).matmul(x.clone().transpose());
        let last_bias = self.bias_of(parameters, last, steps).reshape([users, 1, x.dims()[2]]);
        let offset = last_bias.matmul(x.clone().transpose()).reshape([users, 1]);
        let first = self.first_terms(parameters, steps);
        let overlaps = self.overlaps_with_all(steps, users, items);
        let mut scores = vec![Vec::with_capacity(items); users];
        for start in (0..items).step_by(TILE_ITEMS) {
            let count = TILE_ITEMS.min(items - start);
            let e = base.embedded.clone().narrow(0, start, count);
            let (coefficients, terms) = first.with(&e, &overlaps, start, count);
            let shared = base.first.clone().narrow(0, start, count);
            let layout = Layout::new([(users, count)]);
            let mut z = coefficients.matmul(terms);
            for (layer, norm) in norms.iter().enumerate() {
                let [users, items, width] = z.dims();
                let z_flat = z.reshape([users * items, width]);
                let shared = (layer == 0).then_some(&shared);
                let (a, _) = norm_gelu(z_flat, shared, norm, &layout, false);
                z = a.reshape([users, items, width]);
                if layer + 1 < norms.len() {
                    z = z.matmul(own[layer].clone());
                }
            }
            let tile = add_bias(z.matmul(toward.clone()).reshape([users * count, 1]), &offset, &layout);
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
            step.block(0).map_or(weight.clone(), |own| weight + own.inputs(layer).transpose().matmul(own.moves(layer)))
        })
    }

    /// The rank-n terms of the first layer. With X a step's inputs, D its
    /// moves and F_k its moves at feature k:
    ///
    /// z_1(i) = e(i) W_1 + b_u + (e(i) X^T) D + sum_k <f_k(i), f_k(j)> F_k W_1u
    fn first_terms(&self, parameters: &Parameters, steps: &[Step]) -> FirstTerms {
        let own: Vec<_> = steps.iter().filter_map(|step| step.block(0)).collect();
        let inputs: Vec<_> = own.iter().map(|own| own.inputs(0)).collect();
        let along: Vec<_> = own.iter().map(|own| own.moves(0)).collect();
        let features = own
            .iter()
            .map(|own| {
                (0..self.features().len())
                    .map(|place| {
                        let part = self.feature_weight(parameters, place);
                        let moves = own.feature_moves(place, &part);
                        let [users, n, width] = moves.dims();
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
            .map(|step| self.features().iter().map(|f| f.overlap_with_all(&step.rows, users, items)).collect())
            .collect()
    }
}

/// Inner products of one feature with all items.
// Few exist at a time.
#[allow(clippy::large_enum_variant)]
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
