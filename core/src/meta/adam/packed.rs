//! Adam over many small parameters at once, for devices that pay for each
//! program that they launch: those with no rows of their own and no decay
//! stand side by side in one vector, and so do their moments.

use super::{Adam, composed};
use crate::model::{BatchGradient, Parameters};
use crate::tensor::{Tensor, from_vec};

/// The moments of parameters that move together.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    /// Which parameters.
    numbers: Vec<usize>,
    first: Tensor<2>,
    second: Tensor<2>,
    /// How much faster each number moves, [1, numbers].
    faster: Tensor<2>,
}

/// Some tensors side by side, [1, numbers].
fn packed(tensors: &[Tensor<2>], numbers: &[usize]) -> Tensor<2> {
    let flat = |&number: &usize| {
        let [rows, columns] = tensors[number].dims();
        tensors[number].clone().reshape([1, rows * columns])
    };
    Tensor::cat(numbers.iter().map(flat).collect(), 1)
}

/// Puts them back.
fn unpack(whole: &Tensor<2>, tensors: &mut [Tensor<2>], numbers: &[usize]) {
    let mut from = 0;
    for &number in numbers {
        let [rows, columns] = tensors[number].dims();
        tensors[number] = whole.clone().narrow(1, from, rows * columns).reshape([rows, columns]);
        from += rows * columns;
    }
}

impl Adam {
    /// Moves the parameters that can be packed; says which.
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
                // Others than before: what was packed goes back first.
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

    /// Both moments, each where it belongs.
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
