//! Softmax over rows, and the residual of cross-entropy. On the CPU both are
//! fused, so that a tile's logits are read while they are in the cache;
//! elsewhere they are tensor operations. A test compares the two.

use crate::Result;
use crate::model::{each, exp_negative, slice_mut, take};
use crate::tensor::{Tensor, from_vec, on_cpu, read};

const LANES: usize = 16;
/// Rows that one thread processes together.
const ROWS: usize = 16;

/// The largest value, in fixed lanes.
#[inline(always)]
fn highest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// Turns logits into exp(z - highest) and returns their sum, in fixed lanes.
#[inline(always)]
fn exponentials(row: &mut [f32], highest: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (whole, rest) = row.as_chunks_mut::<LANES>();
    for chunk in whole {
        for lane in 0..LANES {
            let value = exp_negative(chunk[lane] - highest);
            chunk[lane] = value;
            lanes[lane] += value;
        }
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    for value in rest {
        *value = exp_negative(*value - highest);
        total += *value;
    }
    total
}

struct Rows<'a> {
    width: usize,
    values: &'a mut [f32],
    /// Targets, smoothing, factor and losses for the residual of cross-entropy.
    judged: Option<(&'a [u32], f32, f32, &'a mut [f32])>,
}

impl pulp::NullaryFnOnce for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, values, judged } = self;
        let Some((targets, smoothing, factor, losses)) = judged else {
            for row in values.chunks_exact_mut(width) {
                let highest = highest(row);
                let scale = 1.0 / exponentials(row, highest);
                row.iter_mut().for_each(|v| *v *= scale);
            }
            return;
        };
        let even = smoothing / width as f32;
        for ((row, &target), loss) in values.chunks_exact_mut(width).zip(targets).zip(losses) {
            let highest = highest(row);
            let own = row[target as usize];
            let mean = if smoothing > 0.0 { row.iter().sum::<f32>() / width as f32 } else { own };
            let total = exponentials(row, highest);
            *loss = highest + total.ln() - (1.0 - smoothing) * own - smoothing * mean;
            let scale = factor / total;
            if smoothing > 0.0 {
                row.iter_mut().for_each(|v| *v = *v * scale - factor * even);
            } else {
                row.iter_mut().for_each(|v| *v *= scale);
            }
            row[target as usize] -= factor * (1.0 - smoothing);
        }
    }
}

/// Turns logits into exponentials e = exp(z - highest), and computes 1 / sum e
/// for each row.
#[cfg(feature = "linear-algebra")]
pub(super) struct Exponentials<'a> {
    /// Columns.
    pub(super) width: usize,
    /// [rows, width].
    pub(super) values: &'a mut [f32],
    /// 1 / sum e, by row.
    pub(super) factors: &'a mut [f32],
    /// Targets, smoothing, and the output for each row's cross-entropy.
    pub(super) judged: Option<(&'a [u32], f32, &'a mut [f32])>,
}

#[cfg(feature = "linear-algebra")]
impl pulp::NullaryFnOnce for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { width, values, factors, mut judged } = self;
        for (place, (row, factor)) in values.chunks_exact_mut(width).zip(factors).enumerate() {
            let highest = highest(row);
            let own = judged.as_ref().map(|(targets, smoothing, _)| {
                let mean = if *smoothing > 0.0 { row.iter().sum::<f32>() / width as f32 } else { 0.0 };
                (1.0 - smoothing) * row[targets[place] as usize] + smoothing * mean
            });
            let total = exponentials(row, highest);
            *factor = 1.0 / total;
            if let (Some((.., losses)), Some(own)) = (&mut judged, own) {
                losses[place] = highest + total.ln() - own;
            }
        }
    }
}

/// Adds the sum of rows, each times its factor, to `sums`.
#[cfg(feature = "linear-algebra")]
pub(super) struct Sums<'a> {
    /// [rows, width].
    pub(super) rows: &'a [f32],
    /// By row.
    pub(super) factors: &'a [f32],
    /// [width].
    pub(super) sums: &'a mut [f32],
}

#[cfg(feature = "linear-algebra")]
impl pulp::NullaryFnOnce for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { rows, factors, sums } = self;
        for (row, factor) in rows.chunks_exact(sums.len().max(1)).zip(factors) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
        }
    }
}

/// The mean row.
#[cfg(feature = "linear-algebra")]
pub(super) fn mean_of(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0f32; width];
    rows.chunks_exact(width).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m += v));
    let share = width as f32 / rows.len().max(1) as f32;
    mean.iter_mut().for_each(|m| *m *= share);
    mean
}

/// Softmax of every row.
pub(super) fn rows(logits: Tensor<2>) -> Tensor<2> {
    if !on_cpu(&logits) {
        return burn::tensor::activation::softmax(logits, 1);
    }
    let (device, width) = (logits.device(), logits.dims()[1]);
    let mut values = take(logits);
    let pieces = slice_mut(&mut values).chunks_mut(ROWS * width.max(1));
    let pieces = pieces.map(|values| Rows { width, values, judged: None }).collect();
    each(pieces, |rows| pulp::Arch::new().dispatch(rows));
    Tensor::from_data(values, &device)
}

/// p (a - p . a) of every row: the gradient through a softmax.
pub(super) fn centred(chances: Tensor<2>, along: Tensor<2>) -> Tensor<2> {
    let product = chances.clone() * along;
    let total = product.clone().sum_dim(1);
    product - chances * total
}

/// The gradient of the cross-entropy at the logits, `factor` times (softmax -
/// target), and each row's loss. With label smoothing the target distribution
/// has 1 - smoothing at the target, and smoothing spread over the row.
///
/// # Errors
/// When the device fails.
pub(super) async fn residual(
    logits: Tensor<2>,
    targets: &[u32],
    smoothing: f32,
    factor: f32,
) -> Result<(Tensor<2>, Vec<f32>)> {
    if !on_cpu(&logits) {
        return composed(logits, targets, smoothing, factor).await;
    }
    let (device, width) = (logits.device(), logits.dims()[1]);
    let mut losses = vec![0.0f32; targets.len()];
    let mut values = take(logits);
    let pieces = slice_mut(&mut values)
        .chunks_mut(ROWS * width.max(1))
        .zip(targets.chunks(ROWS).zip(losses.chunks_mut(ROWS)))
        .map(|(values, (targets, losses))| Rows { width, values, judged: Some((targets, smoothing, factor, losses)) })
        .collect();
    each(pieces, |rows| pulp::Arch::new().dispatch(rows));
    Ok((Tensor::from_data(values, &device), losses))
}

async fn composed(logits: Tensor<2>, targets: &[u32], smoothing: f32, factor: f32) -> Result<(Tensor<2>, Vec<f32>)> {
    let [places, width] = logits.dims();
    let device = logits.device();
    let logs = burn::tensor::activation::log_softmax(logits, 1);
    let mut wanted = vec![smoothing / width as f32; places * width];
    for (row, &target) in targets.iter().enumerate() {
        wanted[row * width + target as usize] += 1.0 - smoothing;
    }
    let wanted = from_vec(wanted, [places, width], &device);
    let losses = read((logs.clone() * wanted.clone()).sum_dim(1)).await?;
    Ok(((logs.exp() - wanted) * factor, losses.into_iter().map(|loss| -loss).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use crate::tensor::Device;

    #[test]
    fn fused_is_composed() {
        let device = Device::Flex(Default::default());
        let mut stream = Key::from_seed(8).stream("logits", &[]);
        let values: Vec<f32> = (0..5 * 37).map(|_| 4.0 * stream.normal() as f32).collect();
        let logits = || from_vec(values.clone(), [5, 37], &device);
        let data = |t: Tensor<2>| t.into_data().into_vec::<f32>().unwrap();
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close(&data(rows(logits())), &data(burn::tensor::activation::softmax(logits(), 1))));
        for smoothing in [0.0, 0.2] {
            let targets = [3, 36, 0, 12, 7];
            let (fused, losses) = pollster::block_on(residual(logits(), &targets, smoothing, 0.5)).unwrap();
            let (plain, expected) = pollster::block_on(composed(logits(), &targets, smoothing, 0.5)).unwrap();
            assert!(close(&data(fused), &data(plain)));
            assert!(close(&losses, &expected), "{losses:?} {expected:?}");
        }
    }
}
