//! CPU kernels: fused loops over plain slices in sixteen lanes, with rows
//! divided among threads.

// Indices keep several slices in step, which the compiler can vectorise.
#![allow(clippy::needless_range_loop)]

use burn::tensor::TensorData;

use crate::model::kernel::{EPSILON, Norm, NormGradients, Share};
use crate::model::layout::Layout;
use crate::tensor::{Device, Tensor, from_vec};

const LANES: usize = 16;
/// 1 / sqrt(2 pi).
pub(crate) const INV_SQRT_TAU: f32 = 0.398_942_3;
/// The number of elements below which a second thread does not pay.
const BLOCK: usize = 16 * 1024;

/// The values of a CPU tensor; no copy is made if the tensor has no other
/// owner.
pub(crate) fn take<const D: usize>(tensor: Tensor<D>) -> TensorData {
    tensor.into_data()
}

/// The values as a slice. The CPU backend holds f32 throughout.
#[allow(clippy::expect_used)]
pub(crate) fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().expect("f32 tensor")
}

#[allow(clippy::expect_used)]
pub(crate) fn slice_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("f32 tensor")
}

/// Runs independent pieces of work, on several threads if threads are
/// available.
pub(crate) fn each<T: Send>(pieces: Vec<T>, work: impl Fn(T) + Sync + Send) {
    #[cfg(feature = "threads")]
    if pieces.len() > 1 {
        use rayon::prelude::*;
        pieces.into_par_iter().for_each(work);
        return;
    }
    pieces.into_iter().for_each(work);
}

#[inline(always)]
fn sum(values: &[f32], mut term: impl FnMut(usize, f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = values.len() / LANES * LANES;
    let mut start = 0;
    while start < whole {
        for lane in 0..LANES {
            lanes[lane] += term(start + lane, values[start + lane]);
        }
        start += LANES;
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    for (place, &value) in values.iter().enumerate().skip(whole) {
        total += term(place, value);
    }
    total
}

/// The inner product of two vectors of equal length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, |place, value| value * b[place])
}

/// exp(x) for x <= 0, to 2 ulp: range reduction and a polynomial, without a
/// branch.
#[inline(always)]
pub(crate) fn exp_negative(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let x = x.max(-87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = (x - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let value = p * r * r + r + 1.0;
    // The integer is in the low bits of the shifted sum.
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    value * f32::from_bits(exponent)
}

/// Standard normal distribution and density at x (Abramowitz and Stegun
/// 7.1.26 for erf: absolute error below 1.5e-7), sharing one exponential.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let exponential = exp_negative(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let tail = 0.5
        * exponential
        * t
        * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    (if x >= 0.0 { 1.0 - tail } else { tail }, exponential * INV_SQRT_TAU)
}

/// Saved values of a hidden layer on the CPU.
#[derive(Debug)]
pub(crate) struct Kept {
    /// z-hat, [rows, h].
    pub(crate) normal: Vec<f32>,
    /// 1 / sigma, [rows].
    pub(crate) inverse: Vec<f32>,
    /// The derivative of GELU, [rows, h].
    pub(crate) slope: Vec<f32>,
}

struct ForwardRow<'a> {
    /// In: pre-activations. Out: the activation.
    z: &'a mut [f32],
    normal: &'a mut [f32],
    slope: &'a mut [f32],
    inverse: &'a mut f32,
}

#[inline(always)]
fn forward_row(row: &mut ForwardRow<'_>, bias: &[f32], scale: &[f32], shift: &[f32], save: bool) {
    let h = row.z.len();
    let (bias, scale, shift) = (&bias[..h], &scale[..h], &shift[..h]);
    for c in 0..h {
        row.z[c] += bias[c];
    }
    let mean = sum(row.z, |_, z| z) / h as f32;
    let variance = sum(row.z, |_, z| (z - mean) * (z - mean)) / h as f32;
    let inverse = 1.0 / (variance + EPSILON).sqrt();
    if save {
        *row.inverse = inverse;
        let (normals, slopes) = (&mut row.normal[..h], &mut row.slope[..h]);
        for c in 0..h {
            let value = (row.z[c] - mean) * inverse;
            let n = value * scale[c] + shift[c];
            let (distribution, density) = normal(n);
            normals[c] = value;
            slopes[c] = distribution + n * density;
            row.z[c] = n * distribution;
        }
    } else {
        for c in 0..h {
            let n = (row.z[c] - mean) * inverse * scale[c] + shift[c];
            row.z[c] = n * normal(n).0;
        }
    }
}

/// Consecutive rows of the forward pass.
struct ForwardRows<'a> {
    first: usize,
    h: usize,
    save: bool,
    z: &'a mut [f32],
    normals: &'a mut [f32],
    slopes: &'a mut [f32],
    inverses: &'a mut [f32],
    shared: Option<&'a [f32]>,
    /// The first row of every task, and the end.
    segments: &'a [usize],
    bias: PerTask<'a>,
    scale: PerTask<'a>,
    shift: PerTask<'a>,
}

/// Vectors of h values: one for all tasks, or one for each task.
#[derive(Clone, Copy)]
struct PerTask<'a> {
    values: &'a [f32],
    h: usize,
}

impl<'a> PerTask<'a> {
    fn new(data: &'a TensorData, h: usize) -> Self {
        Self { values: slice(data), h }
    }

    #[inline(always)]
    fn of(self, task: usize) -> &'a [f32] {
        let at = if self.values.len() == self.h { 0 } else { task * self.h };
        &self.values[at..at + self.h]
    }
}

// This is a type instead of a closure, because only an `inline(always)` body is
// compiled for the widest registers of the processor.
impl pulp::NullaryFnOnce for ForwardRows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { first, h, save, z, normals, slopes, inverses, shared, segments, bias, scale, shift } = self;
        let (mut unused, mut none): (f32, [f32; 0]) = (0.0, []);
        let mut task = segments.partition_point(|&start| start <= first).saturating_sub(1);
        for (place, z) in z.chunks_exact_mut(h).enumerate() {
            while segments[task + 1] <= first + place {
                task += 1;
            }
            if let Some(shared) = shared {
                let within = first + place - segments[task];
                let shared = &shared[within * h..(within + 1) * h];
                for c in 0..h {
                    z[c] += shared[c];
                }
            }
            let (normal, slope, inverse) = if save {
                let from = place * h;
                (&mut normals[from..from + h], &mut slopes[from..from + h], &mut inverses[place])
            } else {
                let (left, right) = none.split_at_mut(0);
                (left, right, &mut unused)
            };
            let mut row = ForwardRow { z, normal, slope, inverse };
            forward_row(&mut row, bias.of(task), scale.of(task), shift.of(task), save);
        }
    }
}

pub(crate) fn norm_gelu(
    z: Tensor<2>,
    shared: Option<&Tensor<2>>,
    norm: &Norm,
    layout: &Layout,
    save: bool,
) -> (Tensor<2>, Option<Kept>) {
    let device = z.device();
    let [rows, h] = z.dims();
    let segments = layout.segments();
    let [bias, scale, shift] = [&norm.bias, &norm.scale, &norm.shift].map(|t| take(t.clone()));
    let shared = shared.map(|t| take(t.clone()));
    let mut activation = take(z);
    let kept = if save { rows * h } else { 0 };
    let (mut normals, mut slopes) = (vec![0.0f32; kept], vec![0.0f32; kept]);
    let mut inverses = vec![0.0f32; if save { rows } else { 0 }];

    let block = (BLOCK / h.max(1)).max(1);
    let mut pieces = Vec::new();
    {
        let (mut n, mut s, mut i) = (normals.as_mut_slice(), slopes.as_mut_slice(), inverses.as_mut_slice());
        for (number, z) in slice_mut(&mut activation).chunks_mut((block * h).max(1)).enumerate() {
            let count = if save { z.len() / h } else { 0 };
            let (normals, rest) = n.split_at_mut(count * h);
            n = rest;
            let (slopes, rest) = s.split_at_mut(count * h);
            s = rest;
            let (inverses, rest) = i.split_at_mut(count);
            i = rest;
            pieces.push(ForwardRows {
                first: number * block,
                h,
                save,
                z,
                normals,
                slopes,
                inverses,
                shared: shared.as_ref().map(slice),
                segments: &segments,
                bias: PerTask::new(&bias, h),
                scale: PerTask::new(&scale, h),
                shift: PerTask::new(&shift, h),
            });
        }
    }
    each(pieces, |rows| pulp::Arch::new().dispatch(rows));
    let kept = save.then_some(Kept { normal: normals, inverse: inverses, slope: slopes });
    (Tensor::from_data(activation, &device), kept)
}

/// One task of the backward pass.
struct BackwardTask<'a> {
    h: usize,
    first: usize,
    picked: Option<&'a [u32]>,
    kept: &'a Kept,
    scale: &'a [f32],
    delta: &'a mut [f32],
    scale_gradient: &'a mut [f32],
    shift_gradient: &'a mut [f32],
}

impl pulp::NullaryFnOnce for BackwardTask<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { h, first, picked, kept, scale, delta, scale_gradient, shift_gradient } = self;
        let (scale_gradient, shift_gradient) = (&mut scale_gradient[..h], &mut shift_gradient[..h]);
        for (place, row) in delta.chunks_exact_mut(h).enumerate() {
            let source = picked.map_or(first + place, |rows| rows[first + place] as usize);
            let normal = &kept.normal[source * h..(source + 1) * h];
            let slope = &kept.slope[source * h..(source + 1) * h];
            for c in 0..h {
                let normed = row[c] * slope[c];
                shift_gradient[c] += normed;
                scale_gradient[c] += normed * normal[c];
                row[c] = normed * scale[c];
            }
            let mean = sum(row, |_, g| g) / h as f32;
            let along = sum(row, |c, g| g * normal[c]) / h as f32;
            let inverse = kept.inverse[source];
            for c in 0..h {
                row[c] = inverse * (row[c] - mean - normal[c] * along);
            }
        }
    }
}

pub(crate) fn norm_gelu_backward(
    upstream: Tensor<2>,
    kept: &Kept,
    picked: Option<&[u32]>,
    scale: &Tensor<2>,
    layout: &Layout,
) -> NormGradients {
    let device: Device = upstream.device();
    let h = upstream.dims()[1];
    let tasks = layout.tasks();
    let segments = layout.segments();
    let scale = take(scale.clone());
    let scale = PerTask::new(&scale, h);
    let mut delta = take(upstream);
    let (mut scale_gradient, mut shift_gradient) = (vec![0.0f32; tasks * h], vec![0.0f32; tasks * h]);
    let mut pieces = Vec::with_capacity(tasks);
    {
        let mut rest = slice_mut(&mut delta);
        let sums = scale_gradient.chunks_mut(h.max(1)).zip(shift_gradient.chunks_mut(h.max(1)));
        for (task, (scale_gradient, shift_gradient)) in sums.enumerate() {
            let (own, others) = rest.split_at_mut((segments[task + 1] - segments[task]) * h);
            rest = others;
            let first = segments[task];
            let scale = scale.of(task);
            pieces.push(BackwardTask { h, first, picked, kept, scale, delta: own, scale_gradient, shift_gradient });
        }
    }
    each(pieces, |task| pulp::Arch::new().dispatch(task));
    NormGradients {
        delta: Tensor::from_data(delta, &device),
        scale: from_vec(scale_gradient, [tasks, h], &device),
        shift: from_vec(shift_gradient, [tasks, h], &device),
    }
}

pub(crate) fn add_bias(z: Tensor<2>, bias: &Tensor<2>, layout: &Layout) -> Tensor<2> {
    let device = z.device();
    let h = z.dims()[1];
    let bias = take(bias.clone());
    let bias = PerTask::new(&bias, h);
    let mut z = take(z);
    let mut rest = slice_mut(&mut z);
    for (task, ends) in layout.segments().windows(2).enumerate() {
        let (own, others) = rest.split_at_mut((ends[1] - ends[0]) * h);
        rest = others;
        own.chunks_exact_mut(h).for_each(|row| add(row, bias.of(task)));
    }
    Tensor::from_data(z, &device)
}

pub(crate) fn scatter_rows(values: Tensor<2>, shares: &[Share], size: usize) -> Tensor<2> {
    let width = values.dims()[1];
    let device = values.device();
    let values = take(values);
    blend(slice(&values), width, shares, size, &device)
}

/// Row `to` of the result is the sum of the rows `from` of `table`, each times
/// its factor: [size, width].
pub(crate) fn blend(table: &[f32], width: usize, shares: &[Share], size: usize, device: &Device) -> Tensor<2> {
    // Uses memory of the tensor library: a vector would be copied for its
    // alignment.
    let mut blended = take(Tensor::<2>::zeros([size, width], device));
    let sums = slice_mut(&mut blended);
    for &Share { from, to, factor } in shares {
        let row = &table[from as usize * width..][..width];
        for (sum, value) in sums[to as usize * width..][..width].iter_mut().zip(row) {
            *sum += factor * value;
        }
    }
    Tensor::from_data(blended, device)
}

/// The inner product of row `row` of `table` with vector `task`, for every
/// (task, row): [reads, 1].
pub(crate) fn dots(table: &[f32], reads: &[(u32, u32)], vectors: Tensor<2>) -> Tensor<2> {
    let device = vectors.device();
    let width = vectors.dims()[1];
    let vectors = take(vectors);
    let vectors = slice(&vectors);
    let row = |of: u32| of as usize * width..(of as usize + 1) * width;
    let dots = reads.iter().map(|&(task, own)| dot(&table[row(own)], &vectors[row(task)])).collect();
    from_vec(dots, [reads.len(), 1], &device)
}

fn add(sum: &mut [f32], row: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_accurate() {
        for step in -600..=600 {
            let x = step as f32 / 100.0;
            let (distribution, density) = normal(x);
            let exact_density = (-0.5 * f64::from(x) * f64::from(x)).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(density) - exact_density).abs() < 1e-6, "{x}");
            // The distribution's slope must be the density.
            let ahead = normal(x + 0.01).0;
            let slope = f64::from(ahead - distribution) / 0.01;
            assert!((slope - exact_density).abs() < 3e-3, "{x}: {slope} {exact_density}");
        }
        assert!((normal(0.0).0 - 0.5).abs() < 2e-7);
        assert!((normal(1.0).0 - 0.841_344_7).abs() < 3e-7);
        assert!((normal(-2.0).0 - 0.022_750_13).abs() < 3e-7);
    }
}
