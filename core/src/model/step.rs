//! Represents theta_u without storing it: the rows of which an inner step was
//! made.

use crate::model::features::EntityRef;
use crate::model::layout::{Block, Layout};
use crate::tensor::{Product, Tensor, from_vec};

/// The result of a backward pass: the gradient at every layer's pre-activation
/// for each row. No weight gradient is built.
#[derive(Debug, Clone)]
pub(crate) struct Deltas {
    /// D_l, [rows, out_l].
    pub(crate) layers: Vec<Tensor<2>>,
    /// Gradients of each norm's gamma and beta, summed by task: [tasks, h].
    pub(crate) norms: Vec<(Tensor<2>, Tensor<2>)>,
    /// F: the gradient at the concatenated features, [rows, width of all]. It
    /// is omitted for a first step, where it equals D_1 W_1^T and is seldom
    /// needed row by row.
    pub(crate) features: Option<Tensor<2>>,
}

/// A pass of every task of a batch, as the rows of which it was made. With an
/// upstream gradient scaled by -alpha it is an inner step: theta_u = theta -
/// alpha * grad is theta plus these rows, and every use of them is a plain sum.
#[derive(Debug, Clone)]
pub(crate) struct LowRankStep {
    pub(crate) rows: Vec<EntityRef>,
    layout: Layout,
    /// X_l, [rows, in_l].
    pub(crate) inputs: Vec<Tensor<2>>,
    /// D_l and the other gradients of the pass.
    pub(crate) moves: Deltas,
    /// sum_j D_l[j], [tasks, out_l].
    pub(crate) bias: Vec<Tensor<2>>,
}

/// One block of a step, for a batched product.
pub(crate) struct StepBlock<'a> {
    step: &'a LowRankStep,
    block: Block,
}

impl LowRankStep {
    pub(crate) fn new(rows: Vec<EntityRef>, layout: Layout, inputs: Vec<Tensor<2>>, moves: Deltas) -> Self {
        let bias = moves.layers.iter().map(|d| layout.sum_by_task(d)).collect();
        Self { rows, layout, inputs, moves, bias }
    }

    /// The same pass with each task's upstream gradient multiplied by its own
    /// factor.
    pub(crate) fn scaled(&self, factors: &[f32]) -> Self {
        let device = self.inputs[0].device();
        let column = |of: Vec<f32>| -> Tensor<2> {
            let rows = of.len();
            from_vec(of, [rows, 1], &device)
        };
        let by_task = column(factors.to_vec());
        let by_row = column(self.layout.task_of_rows().iter().map(|&task| factors[task as usize]).collect());
        let rows = |t: &Tensor<2>| t.clone() * by_row.clone();
        let tasks = |t: &Tensor<2>| t.clone() * by_task.clone();
        Self {
            rows: self.rows.clone(),
            layout: self.layout.clone(),
            inputs: self.inputs.clone(),
            moves: Deltas {
                layers: self.moves.layers.iter().map(rows).collect(),
                norms: self.moves.norms.iter().map(|(scale, shift)| (tasks(scale), tasks(shift))).collect(),
                features: self.moves.features.as_ref().map(rows),
            },
            bias: self.bias.iter().map(tasks).collect(),
        }
    }

    /// `count` tasks of one block, from its task `first` on, as a separate
    /// step. `None` if the block has no rows, and so no update.
    pub(crate) fn cut(&self, block: usize, first: usize, count: usize) -> Option<Self> {
        let block = self.layout.blocks()[block];
        let (task, row, rows) = (block.first_task + first, block.first_row + first * block.rows, count * block.rows);
        let tasks = |t: &Tensor<2>| t.clone().narrow(0, task, count);
        let cut = |t: &Tensor<2>| t.clone().narrow(0, row, rows);
        (rows > 0).then(|| Self {
            rows: self.rows[row..row + rows].to_vec(),
            layout: Layout::new([(count, block.rows)]),
            inputs: self.inputs.iter().map(cut).collect(),
            moves: Deltas {
                layers: self.moves.layers.iter().map(cut).collect(),
                norms: self.moves.norms.iter().map(|(scale, shift)| (tasks(scale), tasks(shift))).collect(),
                features: self.moves.features.as_ref().map(cut),
            },
            bias: self.bias.iter().map(tasks).collect(),
        })
    }

    /// The number of columns of [`StepBlock::changes`].
    pub(crate) fn change_columns(&self, width: usize) -> usize {
        if self.moves.features.is_some() { width } else { self.moves.layers[0].dims()[1] }
    }

    /// A block, if it has rows.
    pub(crate) fn block(&self, number: usize) -> Option<StepBlock<'_>> {
        let block = self.layout.blocks()[number];
        (block.rows > 0).then_some(StepBlock { step: self, block })
    }
}

impl StepBlock<'_> {
    pub(crate) fn rows(&self) -> &[EntityRef] {
        &self.step.rows[self.block.first_row..][..self.block.tasks * self.block.rows]
    }

    /// X_l, [tasks, rows, in_l].
    pub(crate) fn inputs(&self, layer: usize) -> Tensor<3> {
        self.block.of(&self.step.inputs[layer])
    }

    /// D_l, [tasks, rows, out_l].
    pub(crate) fn moves(&self, layer: usize) -> Tensor<3> {
        self.block.of(&self.step.moves.layers[layer])
    }

    /// F_j of one feature of `width` columns, [tasks, rows, columns read];
    /// `weight` is that feature's block of W_1, [columns read, out].
    pub(crate) fn feature_moves(&self, feature: usize, width: usize, weight: &Tensor<2>) -> Tensor<3> {
        match &self.step.moves.features {
            Some(features) => self.block.of(features).narrow(2, feature * width, weight.dims()[0]),
            None => self.moves(0).product(weight.clone().transpose().unsqueeze()),
        }
    }

    /// F_j of one feature with all its columns, [tasks, rows, width]; `None` if
    /// F was omitted.
    pub(crate) fn kept_moves(&self, feature: usize, width: usize) -> Option<Tensor<3>> {
        Some(self.block.of(self.step.moves.features.as_ref()?).narrow(2, feature * width, width))
    }

    /// sum_j <f(q), f(j)> F_j for each feature, given the inner products
    /// [tasks, features * q, rows]: [tasks * q, width]. If F was omitted, the
    /// result is sum_j <f(q), f(j)> D_1[j], [tasks * q, out_1], which is
    /// cheaper; multiplied by W_1^T it is the same.
    pub(crate) fn changes(&self, overlaps: Tensor<3>, features: usize, width: usize) -> Vec<Tensor<2>> {
        let tasks = self.block.tasks;
        let q = overlaps.dims()[1] / features;
        let flat = |change: Tensor<3>| -> Tensor<2> {
            let columns = change.dims()[2];
            change.reshape([tasks * q, columns])
        };
        match &self.step.moves.features {
            None => {
                let along = overlaps.product(self.moves(0));
                (0..features).map(|place| flat(along.clone().narrow(1, place * q, q))).collect()
            }
            Some(all) => {
                let all = self.block.of(all);
                (0..features)
                    .map(|place| {
                        let overlap = overlaps.clone().narrow(1, place * q, q);
                        flat(overlap.product(all.clone().narrow(2, place * width, width)))
                    })
                    .collect()
            }
        }
    }
}
