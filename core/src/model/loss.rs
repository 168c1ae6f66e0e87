//! The margin loss on pairs.

use crate::model::EntityRef;
use crate::{Error, Result};

/// A positive item paired with a negative one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// An item of the user.
    pub positive: u32,
    /// An item that the user does not have.
    pub negative: u32,
}

/// One user with pairs, from which a step or a gradient is computed. A task
/// without pairs is allowed: it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The entity whose features the user tower reads.
    pub user: EntityRef,
    /// The loss is the mean over these.
    pub pairs: Vec<Pair>,
}

/// The distinct items of a task, and its pairs as indices into them.
pub(crate) struct TaskItems {
    pub(crate) items: Vec<u32>,
    pub(crate) pairs: Vec<(u32, u32)>,
}

impl TaskItems {
    pub(crate) fn new(task: &Task) -> Self {
        let mut items: Vec<u32> = task.pairs.iter().flat_map(|p| [p.positive, p.negative]).collect();
        items.sort_unstable();
        items.dedup();
        let place = |item: u32| items.partition_point(|&i| i < item) as u32;
        let pairs = task.pairs.iter().map(|p| (place(p.positive), place(p.negative))).collect();
        Self { items, pairs }
    }

    /// The mean hinge loss max(0, s- - s+ + margin), and its gradient at the
    /// score of each item, times `weight`. A pair that reaches the margin has a
    /// gradient of zero. `scores` may be longer than the items (padding).
    pub(crate) fn hinge(&self, scores: &[f32], margin: f32, weight: f32) -> Result<(f32, Vec<f32>)> {
        let mut gradient = vec![0.0; scores.len()];
        let share = weight / self.pairs.len().max(1) as f32;
        let mut loss = 0.0f64;
        for &(positive, negative) in &self.pairs {
            let violation = scores[negative as usize] - scores[positive as usize] + margin;
            if violation.is_nan() {
                return Err(Error::NotANumber("a training score".into()));
            }
            if violation > 0.0 {
                loss += f64::from(violation);
                gradient[positive as usize] -= share;
                gradient[negative as usize] += share;
            }
        }
        Ok(((loss / self.pairs.len().max(1) as f64) as f32, gradient))
    }
}
