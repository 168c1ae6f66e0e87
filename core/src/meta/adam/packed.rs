//! Adam over many small parameters at once, for devices where every kernel
//! launch costs time. Parameters without lazy rows and without weight decay are
//! concatenated to one vector, and so are their moments.

use super::{Adam, composed};
use crate::model::{BatchGradient, Parameters};
use crate::tensor::{Tensor, from_vec};

/// The concatenated moments of parameters that are updated together.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// The indices of these parameters.
    numbers: Vec<usize>,
    first: Tensor<2>,
    second: Tensor<2>,
    /// The factor of the learning rate for each value, [1, values].
    faster: Tensor<2>,
}

/// Some tensors concatenated, [1, values].
fn packed(tensors: &[Tensor<2>], numbers: &[usize]) -> Tensor<2> {
    let flat = |&number: &usize| {
        let [rows, columns] = tensors[number].dims();
        tensors[number].clone().reshape([1, rows * columns])
    };
    Tensor::cat(numbers.iter().map(flat).collect(), 1)
}

/// Splits a concatenation back into its tensors.
fn unpack(whole: &Tensor<2>, tensors: &mut [Tensor<2>], numbers: &[usize]) {
    let mut from = 0;
    for &number in numbers {
        let [rows, columns] = tensors[number].dims();
        tensors[number] = whole.clone().narrow(1, from, rows * columns).reshape([rows, columns]);
        from += rows * columns;
    }
}

impl Adam {
    /// Updates the parameters that can be concatenated, and returns which these
    /// are.
    pub(super) fn step_packed(
        &mut self,
        parameters: &mut Parameters,
        gradient: &mut BatchGradient,
        rate: f32,
        corrections: [f32; 2],
    ) -> Vec<usize> {
        let tables = parameters.tables();
        let whole: Vec<bool> = gradient.by_parameter().map(|(_, rows)| rows.is_none()).collect();
        let numbers: Vec<usize> = (0..tables.len()).filter(|&number| whole[number] && !tables[number]).collect();
        if numbers.is_empty() {
            return numbers;
        }
        let held = match self.packed.take() {
            Some(held) if held.numbers == numbers => held,
            other => {
                // Other parameters than before: the earlier concatenation is
                // split first.
                self.packed = other;
                [self.first, self.second] = self.moments();
                self.pack(parameters, &numbers)
            }
        };
        let own: Vec<Tensor<2>> = gradient.by_parameter().map(|(tensor, _)| tensor.clone()).collect();
        let state = [packed(parameters.tensors(), &numbers), held.first, held.second];
        let factors = [1.0, rate, self.beta2];
        let [moved, first, second] = composed(state, packed(&own, &numbers), factors, corrections, Some(&held.faster));
        unpack(&moved, parameters.tensors_mut(), &numbers);
        self.packed = Some(Packed { numbers: numbers.clone(), first, second, faster: held.faster });
        numbers
    }

    fn pack(&self, parameters: &Parameters, numbers: &[usize]) -> Packed {
        let scalars = parameters.scalars();
        let mut faster = Vec::new();
        for &number in numbers {
            let own = if scalars[number] { self.scalars } else { 1.0 };
            faster.resize(faster.len() + parameters.get(number).dims().iter().product::<usize>(), own);
        }
        let shape = [1, faster.len()];
        Packed {
            first: packed(self.first.tensors(), numbers),
            second: packed(self.second.tensors(), numbers),
            faster: from_vec(faster, shape, &parameters.device()),
            numbers: numbers.to_vec(),
        }
    }

    /// Both moments, one tensor for each parameter.
    pub(super) fn moments(&self) -> [Parameters; 2] {
        let mut moments = [self.first.clone(), self.second.clone()];
        if let Some(held) = &self.packed {
            for (of, whole) in moments.iter_mut().zip([&held.first, &held.second]) {
                unpack(whole, of.tensors_mut(), &held.numbers);
            }
        }
        moments
    }
}
