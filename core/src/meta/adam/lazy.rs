//! Adam for gradients that have only some rows of the item tables. Those rows
//! are updated as in a dense step, and the others wait. A dense step would
//! update these too, by their decaying moments and the weight decay. The missed
//! steps are made up for in closed form when a row is read next
//! ([`Adam::catch_up`]), and for all rows at the end of an epoch, so that no
//! row is behind in a checkpoint. With r = beta1 / sqrt(beta2), k steps without
//! a gradient amount to
//!
//! ```text
//! p -> (1 - rate decay)^k (p - rate m^ / (sqrt(v^) + eps) r (1 - r^k) / (1 - r))
//! m -> beta1^k m
//! v -> beta2^k v
//! ```
//!
//! with m^ and v^ corrected. This differs from k dense steps in three points:
//! rate and corrections are those of the last step, epsilon decays with v, and
//! the update by m is weight-decayed from the first step on. The rate hardly
//! changes within the few steps in which a moment decays. The cost of a step
//! therefore grows with the rows that it reads, and its bytes are a function of
//! the previous gradients and rates alone.

use super::{Adam, BETA1, EPSILON};
use crate::model::{Parameters, slice_mut, take};
use crate::tensor::{Tensor, from_vec, indices, on_cpu, put_rows};

/// The parameters and factors of lazy steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lazy<'a> {
    /// Indices of the parameters that have a row, or a value, for each item.
    pub(crate) parameters: &'a [usize],
    /// The number of items.
    pub(crate) items: usize,
    /// As for [`Adam::step`].
    pub(crate) rate: f32,
    /// As for [`Adam::step`].
    pub(crate) decay: f32,
}

/// The effect of some steps without a gradient on a row: factors of the
/// parameter and of both moments, and the step along its first moment.
#[derive(Debug, Clone, Copy)]
struct Waited {
    kept: f32,
    first: f32,
    second: f32,
    along: f32,
}

impl Adam {
    /// Applies the steps that rows missed since they were last read. Call it
    /// with the rows of the next step before they are read.
    pub(crate) fn catch_up(&mut self, parameters: &mut Parameters, lazy: Lazy<'_>, rows: &[u32]) {
        if self.had.is_empty() {
            self.had = vec![self.steps; lazy.items];
        }
        let late: Vec<(u32, u32)> = rows
            .iter()
            .map(|&row| (row, self.steps - self.had[row as usize]))
            .filter(|(_, missed)| *missed > 0)
            .collect();
        // They are about to have the next step as well.
        rows.iter().for_each(|&row| self.had[row as usize] = self.steps + 1);
        if late.is_empty() {
            return;
        }
        let (b1, b2) = (f64::from(BETA1), f64::from(self.beta2));
        let r = b1 / b2.sqrt();
        let kept = f64::from(1.0 - lazy.rate * lazy.decay);
        let most = late.iter().map(|(_, missed)| *missed).max().unwrap_or(0) as i32;
        let waited: Vec<Waited> = (0..=most)
            .map(|missed| Waited {
                kept: kept.powi(missed) as f32,
                first: b1.powi(missed) as f32,
                second: b2.powi(missed) as f32,
                along: (f64::from(lazy.rate) * r * (1.0 - r.powi(missed)) / (1.0 - r)) as f32,
            })
            .collect();
        let corrections = self.corrections();
        let tables = parameters.tables();
        for &number in lazy.parameters {
            let taken = [&mut *parameters, &mut self.first, &mut self.second].map(|of| {
                let tensor = &mut of.tensors_mut()[number];
                let empty = Tensor::<2>::empty([0, 0], &tensor.device());
                std::mem::replace(tensor, empty)
            });
            let row = |&(row, missed): &(u32, u32)| {
                let own = waited[missed as usize];
                (row, Waited { kept: if tables[number] { own.kept } else { 1.0 }, ..own })
            };
            let late: Vec<(u32, Waited)> = late.iter().map(row).collect();
            let moved = match on_cpu(&taken[0]) {
                true => fused_wait(taken, &late, lazy.items, corrections),
                false => composed_wait(taken, &late, corrections),
            };
            for (of, moved) in [&mut *parameters, &mut self.first, &mut self.second].into_iter().zip(moved) {
                of.tensors_mut()[number] = moved;
            }
        }
    }

    /// Applies the missed steps of all rows; to be called at the end of an
    /// epoch.
    pub(crate) fn settle(&mut self, parameters: &mut Parameters, lazy: Lazy<'_>) {
        if !self.had.is_empty() {
            let all: Vec<u32> = (0..lazy.items as u32).collect();
            self.catch_up(parameters, lazy, &all);
            self.had.clear();
        }
    }
}

/// Steps without a gradient at some rows; the other rows are not read.
fn fused_wait(taken: [Tensor<2>; 3], late: &[(u32, Waited)], items: usize, [c1, c2]: [f32; 2]) -> [Tensor<2>; 3] {
    let device = taken[0].device();
    let mut held = taken.map(take);
    {
        let [p, m, v] = &mut held;
        let [p, m, v] = [p, m, v].map(slice_mut);
        let width = p.len() / items.max(1);
        for (row, waited) in late {
            let at = *row as usize * width..(*row as usize + 1) * width;
            for ((p, m), v) in p[at.clone()].iter_mut().zip(&mut m[at.clone()]).zip(&mut v[at]) {
                *p = (*p - waited.along * (*m * c1) / ((*v * c2).sqrt() + EPSILON)) * waited.kept;
                *m *= waited.first;
                *v *= waited.second;
            }
        }
    }
    held.map(|data| Tensor::from_data(data, &device))
}

/// [`fused_wait`] on any device; at some columns of a vector, [1, n].
fn composed_wait(whole: [Tensor<2>; 3], late: &[(u32, Waited)], [c1, c2]: [f32; 2]) -> [Tensor<2>; 3] {
    let dimension = usize::from(whole[0].dims()[0] == 1);
    let device = whole[0].device();
    let rows = indices(late.iter().map(|(row, _)| *row), &device);
    let shape = if dimension == 0 { [late.len(), 1] } else { [1, late.len()] };
    let column = |of: fn(&Waited) -> f32| from_vec(late.iter().map(|(_, waited)| of(waited)).collect(), shape, &device);
    let [p, m, v] = whole.clone().map(|tensor| tensor.select(dimension, rows.clone()));
    let step = (m.clone() * c1) / ((v.clone() * c2).sqrt() + EPSILON) * column(|waited| waited.along);
    let moved = [
        (p - step) * column(|waited| waited.kept),
        m * column(|waited| waited.first),
        v * column(|waited| waited.second),
    ];
    let mut moved = moved.into_iter();
    whole.map(|tensor| match moved.next() {
        Some(moved) => put_rows(tensor, rows.clone(), moved),
        None => tensor,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fused;
    use super::*;
    use crate::tensor::Device;

    /// A row that caught up equals a row after dense steps without a gradient,
    /// late in training, when the corrections are constant.
    #[test]
    fn a_row_that_waited_is_where_dense_steps_bring_it() {
        let device = Device::Flex(Default::default());
        let data = |t: Tensor<2>| t.into_data().into_vec::<f32>().unwrap();
        let (items, width, rate, kept, beta2) = (3, 2, 0.01f32, 0.999f32, 0.99f32);
        let make = |values: [f32; 6]| from_vec(values.to_vec(), [items, width], &device);
        let start = || {
            [
                make([1.0, -0.5, 0.3, 0.2, -0.7, 0.9]),
                make([0.2, -0.1, 0.05, 0.4, 0.0, -0.3]),
                make([0.09, 0.04, 0.01, 0.25, 0.01, 0.16]),
            ]
        };
        for missed in [1i32, 2, 7, 40, 300] {
            let mut dense = start();
            for _ in 0..missed {
                dense = fused(dense, make([0.0; 6]), [kept, rate, beta2], [1.0, 1.0]);
            }
            let r = BETA1 / beta2.sqrt();
            let waited = Waited {
                kept: kept.powi(missed),
                first: BETA1.powi(missed),
                second: beta2.powi(missed),
                along: rate * r * (1.0 - r.powi(missed)) / (1.0 - r),
            };
            let late = [(0u32, waited), (2, waited)];
            let lazy = fused_wait(start(), &late, items, [1.0, 1.0]).map(data);
            let composed = composed_wait(start(), &late, [1.0, 1.0]).map(data);
            let (dense, before) = (dense.map(data), start().map(data));
            for (number, (lazy, composed)) in lazy.iter().zip(&composed).enumerate() {
                for place in 0..items * width {
                    let expected = if place / width == 1 { before[number][place] } else { dense[number][place] };
                    assert!((lazy[place] - expected).abs() < 2e-3, "{number} {place} after {missed}");
                    assert!((composed[place] - lazy[place]).abs() < 1e-5, "{number} {place} after {missed}");
                }
                assert_eq!(&lazy[width..2 * width], &before[number][width..2 * width], "a row that is not late");
            }
        }
    }
}
