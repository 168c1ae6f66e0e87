//! Adam with betas 0.9 and 0.999 (unless set otherwise) and epsilon 1e-8. It
//! runs over every parameter, or at the rows that a gradient has (`lazy`).

mod lazy;
mod packed;

use crate::Result;
use crate::model::{BatchGradient, Parameters, TensorMap, each, slice, slice_mut, take};
use crate::tensor::{Device, Tensor, indices, on_cpu, put_rows};

pub(crate) use lazy::Lazy;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The outer optimiser's state. It is discarded when the shard is trained.
#[derive(Debug, Clone)]
pub struct Adam {
    first: Parameters,
    second: Parameters,
    steps: u32,
    /// Decay rate of the second moment.
    beta2: f32,
    /// Factor of the learning rate for scalars.
    scalars: f32,
    /// For each row of the lazy parameters, how many steps it has had; empty if
    /// no row is behind. It is never stored: see [`Adam::settle`].
    had: Vec<u32>,
    /// On a GPU: the moments of small parameters, concatenated. They are then not
    /// in `first` and `second`.
    packed: Option<packed::Packed>,
}

impl Adam {
    /// Moments of zero.
    pub fn new(parameters: &Parameters) -> Self {
        Self::with(parameters, BETA2, 1.0)
    }

    /// Moments of zero. `beta2` is the decay rate of the second one; `scalars`
    /// is the factor of the learning rate for scalars (a step size, a decay).
    pub(crate) fn with(parameters: &Parameters, beta2: f32, scalars: f32) -> Self {
        Self {
            first: parameters.zeros_like(),
            second: parameters.zeros_like(),
            steps: 0,
            beta2,
            scalars,
            had: Vec::new(),
            packed: None,
        }
    }

    /// Updates `parameters` by one step down the gradient. `decay` shrinks
    /// every table towards zero (decoupled weight decay); other parameters do
    /// not decay.
    pub fn step(&mut self, parameters: &mut Parameters, gradient: impl Into<BatchGradient>, rate: f32, decay: f32) {
        let pack = !matches!(parameters.device(), Device::Flex(_));
        self.step_by(parameters, &mut gradient.into(), rate, decay, pack);
    }

    /// [`Adam::step`], small parameters one by one or packed.
    fn step_by(
        &mut self,
        parameters: &mut Parameters,
        gradient: &mut BatchGradient,
        rate: f32,
        decay: f32,
        pack: bool,
    ) {
        self.steps += 1;
        let corrections = self.corrections();
        let done = if pack { self.step_packed(parameters, gradient, rate, corrections) } else { Vec::new() };
        let kinds: Vec<(bool, bool)> = parameters.tables().into_iter().zip(parameters.scalars()).collect();
        let (beta2, faster) = (self.beta2, self.scalars);
        let zipped = parameters
            .tensors_mut()
            .iter_mut()
            .zip(gradient.by_parameter())
            .zip(self.first.tensors_mut().iter_mut().zip(self.second.tensors_mut()))
            .zip(kinds)
            .enumerate()
            .filter(|(number, _)| !done.contains(number));
        for (_, (((parameter, (gradient, rows)), (first, second)), (table, scalar))) in zipped {
            let rate = if scalar { rate * faster } else { rate };
            let kept = if table { 1.0 - rate * decay } else { 1.0 };
            // Taken out so that the buffers are moved and not copied.
            let empty = || Tensor::<2>::empty([0, 0], &gradient.device());
            let taken = [
                std::mem::replace(parameter, empty()),
                std::mem::replace(first, empty()),
                std::mem::replace(second, empty()),
            ];
            let gradient = std::mem::replace(gradient, empty());
            let factors = [kept, rate, beta2];
            [*parameter, *first, *second] = match (rows, on_cpu(&gradient)) {
                (None, true) => fused(taken, gradient, factors, corrections),
                (None, false) => composed(taken, gradient, factors, corrections, None),
                (Some(rows), true) => fused_rows(taken, gradient, rows, factors, corrections),
                (Some(rows), false) => composed_rows(taken, gradient, rows, factors, corrections),
            };
        }
    }

    fn corrections(&self) -> [f32; 2] {
        let steps = f64::from(self.steps);
        [(1.0 / (1.0 - f64::from(BETA1).powf(steps))) as f32, (1.0 / (1.0 - f64::from(self.beta2).powf(steps))) as f32]
    }

    /// The state for a checkpoint, under `first/` and `second/`.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn values(&self) -> Result<(u32, TensorMap)> {
        let mut values = TensorMap::new();
        for (name, moments) in ["first", "second"].into_iter().zip(self.moments()) {
            for (tensor, value) in moments.values().await? {
                values.insert(format!("{name}/{tensor}"), value);
            }
        }
        Ok((self.steps, values))
    }

    /// Sets the state from a checkpoint.
    ///
    /// # Errors
    /// If it belongs to another model.
    pub fn set(&mut self, steps: u32, values: &TensorMap) -> Result<()> {
        for (name, moments) in [("first/", &mut self.first), ("second/", &mut self.second)] {
            let own = values.iter().filter_map(|(k, v)| Some((k.strip_prefix(name)?.to_owned(), v.clone()))).collect();
            moments.set(&own)?;
        }
        (self.steps, self.packed) = (steps, None);
        Ok(())
    }
}

/// One pass over memory for all three tensors.
fn fused(taken: [Tensor<2>; 3], gradient: Tensor<2>, factors: [f32; 3], corrections: [f32; 2]) -> [Tensor<2>; 3] {
    const CHUNK: usize = 1 << 16;
    let device = gradient.device();
    let gradient = take(gradient);
    let gradient = slice(&gradient);
    let mut held = taken.map(take);
    {
        let [p, m, v] = &mut held;
        let pieces: Vec<_> = slice_mut(p)
            .chunks_mut(CHUNK)
            .zip(slice_mut(m).chunks_mut(CHUNK).zip(slice_mut(v).chunks_mut(CHUNK)))
            .zip(gradient.chunks(CHUNK))
            .collect();
        each(pieces, |((p, (m, v)), g)| update([p, m, v], g, factors, corrections));
    }
    held.map(|data| Tensor::from_data(data, &device))
}

#[inline(always)]
fn update([p, m, v]: [&mut [f32]; 3], g: &[f32], [kept, rate, beta2]: [f32; 3], [c1, c2]: [f32; 2]) {
    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
        *m = BETA1 * *m + (1.0 - BETA1) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        *p = *p * kept - rate * (*m * c1) / ((*v * c2).sqrt() + EPSILON);
    }
}

/// [`fused`] at some rows; the other rows are not read.
fn fused_rows(
    taken: [Tensor<2>; 3],
    gradient: Tensor<2>,
    rows: &[u32],
    factors: [f32; 3],
    corrections: [f32; 2],
) -> [Tensor<2>; 3] {
    let device = gradient.device();
    let gradient = take(gradient);
    let gradient = slice(&gradient);
    let width = (gradient.len() / rows.len().max(1)).max(1);
    let mut held = taken.map(take);
    {
        let [p, m, v] = &mut held;
        let [p, m, v] = [p, m, v].map(slice_mut);
        for (&row, own) in rows.iter().zip(gradient.chunks_exact(width)) {
            let at = row as usize * width..(row as usize + 1) * width;
            update([&mut p[at.clone()], &mut m[at.clone()], &mut v[at]], own, factors, corrections);
        }
    }
    held.map(|data| Tensor::from_data(data, &device))
}

/// [`fused`] on any device; some numbers may move `faster`, [1, numbers].
fn composed(
    [p, m, v]: [Tensor<2>; 3],
    g: Tensor<2>,
    [kept, rate, beta2]: [f32; 3],
    [c1, c2]: [f32; 2],
    faster: Option<&Tensor<2>>,
) -> [Tensor<2>; 3] {
    let v = v * beta2 + g.clone() * g.clone() * (1.0 - beta2);
    let m = m * BETA1 + g * (1.0 - BETA1);
    // Corrections go to the factors: each operation is a program of its own.
    let root = c2.sqrt();
    let step = m.clone() / (v.clone().sqrt() + EPSILON / root) * (rate * c1 / root);
    let step = match faster {
        Some(faster) => step * faster.clone(),
        None => step,
    };
    let p = if kept == 1.0 { p - step } else { p * kept - step };
    [p, m, v]
}

/// [`composed`] at some rows, or at some columns of a vector, [1, n].
fn composed_rows(
    whole: [Tensor<2>; 3],
    gradient: Tensor<2>,
    rows: &[u32],
    factors: [f32; 3],
    corrections: [f32; 2],
) -> [Tensor<2>; 3] {
    let dimension = usize::from(whole[0].dims()[0] == 1);
    let rows = indices(rows.iter().copied(), &gradient.device());
    let own = whole.clone().map(|tensor| tensor.select(dimension, rows.clone()));
    let mut moved = composed(own, gradient, factors, corrections, None).into_iter();
    whole.map(|tensor| match moved.next() {
        Some(moved) => put_rows(tensor, rows.clone(), moved),
        None => tensor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Declared, Start};
    use crate::random::Key;
    use crate::tensor::from_vec;

    /// Packed or one by one, also over a checkpoint.
    #[test]
    fn packed_is_one_by_one() {
        let device = Device::Flex(Default::default());
        let declare = |name: &str, shape: &[usize]| Declared {
            name: name.into(),
            shape: shape.to_vec(),
            start: Start::Normal(0.3),
            first_row_zero: false,
        };
        let all = || {
            let declared =
                [("item.id.table", &[5, 2][..]), ("item.bias", &[5]), ("log_step", &[1]), ("tower.map", &[2, 2])];
            let declared = declared.map(|(name, shape)| declare(name, shape)).to_vec();
            Parameters::initial(declared, &Key::from_seed(1), 0, &device)
        };
        let run = |pack: bool| {
            let mut parameters = all();
            let mut adam = Adam::with(&parameters, 0.99, 5.0);
            for turn in 0..6 {
                // Some gradient that changes its sign.
                let gradient = parameters.moved(&parameters.signs(), 0.1 - 0.2 * (turn % 3) as f32);
                adam.step_by(&mut parameters, &mut gradient.into(), 0.01, 0.1, pack);
                if turn == 3 {
                    let (steps, values) = pollster::block_on(adam.values()).unwrap();
                    adam = Adam::with(&parameters, 0.99, 5.0);
                    adam.set(steps, &values).unwrap();
                }
            }
            let (_, moments) = pollster::block_on(adam.values()).unwrap();
            (pollster::block_on(parameters.values()).unwrap(), moments)
        };
        let ((packed, moments), (single, others)) = (run(true), run(false));
        for (packed, single) in [(packed, single), (moments, others)] {
            assert_eq!(packed.len(), single.len());
            for (name, (_, values)) in &packed {
                let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6;
                assert!(values.iter().zip(&single[name].1).all(close), "{name}: {values:?} {:?}", single[name].1);
            }
        }
    }

    /// A lazy step updates its rows as the dense step does; the other rows do
    /// not change.
    #[test]
    fn a_lazy_step_is_the_dense_one_at_its_rows() {
        let device = Device::Flex(Default::default());
        let make = |scale: f32, shape: [usize; 2]| {
            let count = (shape[0] * shape[1]) as i32;
            from_vec((0..count).map(|i| (i as f32 - 5.5) * scale).collect(), shape, &device)
        };
        let data = |t: Tensor<2>| t.into_data().into_vec::<f32>().unwrap();
        let factors = [0.9, 0.01, BETA2];
        for (shape, width) in [([4, 3], 3), ([1, 4], 1)] {
            let state = || [make(1.0, shape), make(0.1, shape), make(0.1, shape).powi_scalar(2)];
            let dense = fused(state(), make(0.5, shape), factors, [2.0, 3.0]).map(data);
            let rows = [1u32, 3];
            let dimension = usize::from(shape[0] == 1);
            let own = || make(0.5, shape).select(dimension, indices(rows, &device));
            let lazy = fused_rows(state(), own(), &rows, factors, [2.0, 3.0]).map(data);
            let composed = composed_rows(state(), own(), &rows, factors, [2.0, 3.0]).map(data);
            let before = state().map(data);
            for (((lazy, composed), dense), before) in lazy.iter().zip(&composed).zip(&dense).zip(&before) {
                for place in 0..lazy.len() {
                    let touched = rows.contains(&((place / width) as u32));
                    assert_eq!(lazy[place], if touched { dense[place] } else { before[place] }, "{place}");
                    assert!((composed[place] - lazy[place]).abs() < 1e-6, "{place}");
                }
            }
        }
    }

    #[test]
    fn fused_equals_composed_equals_by_hand() {
        let device = Device::Flex(Default::default());
        let make = |scale: f32| from_vec((0..6).map(|i| (i as f32 - 2.0) * scale).collect(), [2, 3], &device);
        let state = || [make(1.0), make(0.1), make(0.1).powi_scalar(2)];
        let a = fused(state(), make(0.5), [0.9, 0.01, BETA2], [2.0, 3.0]);
        let b = composed(state(), make(0.5), [0.9, 0.01, BETA2], [2.0, 3.0], None);
        for (a, b) in a.into_iter().zip(b) {
            let (a, b) = (a.into_data().into_vec::<f32>().unwrap(), b.into_data().into_vec::<f32>().unwrap());
            assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-6), "{a:?} {b:?}");
        }
        // The first step of Adam from zero moments: the rate times the sign of
        // the gradient.
        let zero = from_vec(vec![0.0; 6], [2, 3], &device);
        let [p, _, _] = fused(
            [zero.clone(), zero.clone(), zero],
            make(3.0),
            [1.0, 0.01, BETA2],
            [1.0 / (1.0 - BETA1), 1.0 / (1.0 - BETA2)],
        );
        let p = p.into_data().into_vec::<f32>().unwrap();
        assert!(p.iter().zip([0.01, 0.01, 0.0, -0.01, -0.01, -0.01]).all(|(p, e)| (p - e).abs() < 1e-5), "{p:?}");
    }
}
