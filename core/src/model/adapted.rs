//! theta_u, which never exists: a batch's adapted parameters as the low-rank
//! steps that lead there from theta.

use crate::model::layout::{Layout, by_size};
use crate::model::linear::FoldedUpdate;
use crate::model::loss::TaskItems;
use crate::model::step::LowRankStep;

/// The low-rank update of one or several passes, as the rows of which they were
/// made: theta_u is theta plus these, and a gradient is their sum.
#[derive(Debug, Clone, Default)]
pub(super) struct LowRankUpdate {
    pub(super) user: Vec<LowRankStep>,
    pub(super) item: Vec<LowRankStep>,
    /// Used instead of `item` if the item tower has one layer.
    pub(super) folds: Vec<FoldedUpdate>,
}

impl LowRankUpdate {
    /// Every step with each task's upstream gradient multiplied by its own
    /// factor.
    pub(super) fn scaled(&self, factors: &[f32]) -> Self {
        Self {
            user: self.user.iter().map(|step| step.scaled(factors)).collect(),
            item: self.item.iter().map(|step| step.scaled(factors)).collect(),
            folds: self.folds.iter().map(|fold| fold.scaled(factors)).collect(),
        }
    }

    /// Removes and returns the last step.
    pub(super) fn pop(&mut self) -> Self {
        let last = |steps: &mut Vec<LowRankStep>| steps.pop().into_iter().collect();
        Self { user: last(&mut self.user), item: last(&mut self.item), folds: self.folds.pop().into_iter().collect() }
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.user.extend(other.user);
        self.item.extend(other.item);
        self.folds.extend(other.folds);
    }
}

/// Adapted parameters of a batch of tasks, stored as low-rank steps on the
/// shared ones. They exist only between a request and its answer (exactness
/// rule 8).
#[derive(Debug, Clone)]
pub struct AdaptedParams {
    /// Indices of the batch's tasks, smallest task first.
    pub(super) order: Vec<usize>,
    /// The number of tasks of that order in each block.
    pub(super) blocks: Vec<usize>,
    pub(super) moves: LowRankUpdate,
    /// The first step, before any step was taken back.
    pub(super) first: LowRankUpdate,
    /// The loss of each task at the parameters before the first step.
    pub losses: Vec<f32>,
}

impl AdaptedParams {
    /// No adaptation: theta_u = theta for every task.
    pub fn none(tasks: usize) -> Self {
        Self::standing((0..tasks).collect(), vec![tasks])
    }

    /// No adaptation yet, with the tasks sorted by size.
    pub(super) fn at_theta(items: &[TaskItems]) -> Self {
        let (order, blocks) = by_size(&items.iter().map(|t| t.items.len()).collect::<Vec<_>>());
        Self::standing(order, blocks)
    }

    pub(super) fn standing(order: Vec<usize>, blocks: Vec<usize>) -> Self {
        let losses = vec![0.0; order.len()];
        Self { order, blocks, moves: LowRankUpdate::default(), first: LowRankUpdate::default(), losses }
    }

    /// A layout of one row for each task.
    pub(super) fn user_layout(&self) -> Layout {
        Layout::new([(self.order.len(), 1)])
    }

    /// The rows of every task, padded to the longest task of its block.
    pub(super) fn padded<T: Copy>(&self, of: impl Fn(usize) -> Vec<T>, filler: T) -> (Vec<T>, Layout) {
        let (mut rows, mut blocks, mut first) = (Vec::new(), Vec::new(), 0);
        for &tasks in &self.blocks {
            let own: Vec<Vec<T>> = self.order[first..first + tasks].iter().map(|&task| of(task)).collect();
            let longest = own.iter().map(Vec::len).max().unwrap_or(0);
            for list in own {
                let missing = longest - list.len();
                rows.extend(list);
                rows.extend(std::iter::repeat_n(filler, missing));
            }
            blocks.push((tasks, longest));
            first += tasks;
        }
        (rows, Layout::new(blocks))
    }
}
