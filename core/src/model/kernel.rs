//! LayerNorm followed by GELU, forward and backward, fused for the CPU.
//!
//! On the CPU a chain of tensor operations would cross memory a dozen times
//! and call a scalar erf for every element, which costs as much as the matrix
//! products. The fused loops cross it once. Every other device runs the same
//! formulas as tensor operations; a test holds the two together.
//!
//! Sums over a row run in sixteen fixed lanes, so that neither the width of
//! the processor's registers nor the number of threads changes a byte.

use std::sync::Arc;

use crate::model::lanes;
use crate::tensor::{Tensor, indices, on_cpu};

/// LayerNorm's epsilon.
pub(crate) const EPSILON: f32 = 1e-5;

/// What the backward pass of one hidden layer needs, rows flattened:
/// normalised values z-hat [rows, h], 1 / sigma [rows, 1], and GELU's slope at
/// the normed value [rows, h].
#[derive(Debug, Clone)]
pub(crate) enum Saved {
    /// On the CPU: plain values, shared without copying.
    Lanes(Arc<lanes::Kept>),
    /// On any other device.
    Tensors { normal: Tensor<2>, inverse: Tensor<2>, slope: Tensor<2> },
}

/// The result of a backward pass through one hidden layer.
pub(crate) struct Pulled {
    /// Gradient at the pre-activation, [groups * rows, h].
    pub(crate) delta: Tensor<2>,
    /// Per group: gradient of the norm's scale, [groups, h].
    pub(crate) scale: Tensor<2>,
    /// Per group: gradient of the norm's shift, [groups, h].
    pub(crate) shift: Tensor<2>,
}

/// a = GELU(scale * z-hat + shift). `z` is [rows, h]; `scale` and `shift` are
/// [groups, h], each serving rows/groups consecutive rows.
pub(crate) fn norm_gelu(z: Tensor<2>, scale: &Tensor<2>, shift: &Tensor<2>, save: bool) -> (Tensor<2>, Option<Saved>) {
    if on_cpu(&z) {
        let (activation, kept) = lanes::norm_gelu(z, scale, shift, save);
        (activation, kept.map(|kept| Saved::Lanes(Arc::new(kept))))
    } else {
        composed(z, scale, shift, save)
    }
}

/// The gradient through [`norm_gelu`]. `upstream` is [groups * n, h]; row r
/// uses row `rows[r]` of `saved` (row r itself when `rows` is `None`).
pub(crate) fn norm_gelu_backward(upstream: Tensor<2>, saved: &Saved, rows: Option<&[u32]>, scale: &Tensor<2>, groups: usize) -> Pulled {
    match saved {
        Saved::Lanes(kept) => lanes::norm_gelu_backward(upstream, kept, rows, scale, groups),
        Saved::Tensors { normal, inverse, slope } => {
            let index = rows.map(|rows| indices(rows.iter().copied(), &upstream.device()));
            let pick = |saved: &Tensor<2>| match &index {
                None => saved.clone(),
                Some(index) => saved.clone().select(0, index.clone()),
            };
            composed_backward(upstream, pick(normal), pick(inverse), pick(slope), scale, groups)
        }
    }
}

fn spread(per_group: &Tensor<2>, rows: usize) -> Tensor<2> {
    let [groups, h] = per_group.dims();
    if groups == 1 {
        return per_group.clone();
    }
    per_group.clone().reshape([groups, 1, h]).expand([groups, rows / groups, h]).reshape([rows, h])
}

fn composed(z: Tensor<2>, scale: &Tensor<2>, shift: &Tensor<2>, save: bool) -> (Tensor<2>, Option<Saved>) {
    let rows = z.dims()[0];
    let centred = z.clone() - z.mean_dim(1);
    let inverse = ((centred.clone() * centred.clone()).mean_dim(1) + EPSILON).sqrt().recip();
    let normal = centred * inverse.clone();
    let normed = normal.clone() * spread(scale, rows) + spread(shift, rows);
    let cdf = ((normed.clone() * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    let activation = normed.clone() * cdf.clone();
    let saved = save.then(|| {
        let density = (normed.clone() * normed.clone() * -0.5).exp() * lanes::INV_SQRT_TAU;
        Saved::Tensors { normal, inverse, slope: cdf + normed * density }
    });
    (activation, saved)
}

fn composed_backward(
    upstream: Tensor<2>,
    normal: Tensor<2>,
    inverse: Tensor<2>,
    slope: Tensor<2>,
    scale: &Tensor<2>,
    groups: usize,
) -> Pulled {
    let [count, h] = upstream.dims();
    let per_group =
        |t: Tensor<2>| -> Tensor<2> { t.reshape([groups, count / groups, h]).sum_dim(1).reshape([groups, h]) };
    let normed = upstream * slope;
    let scale_gradient = per_group(normed.clone() * normal.clone());
    let shift_gradient = per_group(normed.clone());
    let scaled = normed * spread(scale, count);
    let along = (scaled.clone() * normal.clone()).mean_dim(1);
    let delta = (scaled.clone() - scaled.mean_dim(1) - normal * along) * inverse;
    Pulled { delta, scale: scale_gradient, shift: shift_gradient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use crate::tensor::{Device, from_vec};

    fn random(rows: usize, h: usize, name: &str) -> Tensor<2> {
        let mut stream = Key::from_seed(5).stream(name, &[]);
        from_vec((0..rows * h).map(|_| stream.normal() as f32 * 2.0).collect(), [rows, h], &Device::Flex(Default::default()))
    }

    fn close(a: Tensor<2>, b: Tensor<2>, what: &str) {
        let a = a.into_data().into_vec::<f32>().unwrap();
        let b = b.into_data().into_vec::<f32>().unwrap();
        for (x, y) in a.iter().zip(&b) {
            assert!((x - y).abs() < 2e-5 * (1.0 + y.abs()), "{what}: {x} {y}");
        }
    }

    #[test]
    fn fused_equals_composed() {
        for (groups, n, h) in [(1, 7, 5), (3, 4, 64), (2, 9, 37), (4, 1, 256)] {
            let z = random(groups * n, h, "z");
            let (scale, shift) = (random(groups, h, "scale"), random(groups, h, "shift"));
            let (a, saved) = lanes::norm_gelu(z.clone(), &scale, &shift, true);
            let (b, composed_saved) = composed(z, &scale, &shift, true);
            let kept = saved.unwrap();
            let Some(Saved::Tensors { normal, inverse, slope }) = composed_saved else { panic!("tensors") };
            let device = Device::Flex(Default::default());
            close(from_vec(kept.slope.clone(), [groups * n, h], &device), slope.clone(), "slope");
            close(from_vec(kept.normal.clone(), [groups * n, h], &device), normal.clone(), "normal");
            let upstream = random(groups * n, h, "upstream");
            let rows: Vec<u32> = (0..groups * n).map(|r| ((r * 5) % (groups * n)) as u32).collect();
            let fused = lanes::norm_gelu_backward(upstream.clone(), &kept, Some(&rows), &scale, groups);
            let index = indices(rows, &device);
            let pick = |t: Tensor<2>| t.select(0, index.clone());
            let slow = composed_backward(upstream, pick(normal), pick(inverse), pick(slope), &scale, groups);
            close(fused.delta, slow.delta, "delta");
            close(fused.scale, slow.scale, "scale");
            close(fused.shift, slow.shift, "shift");
        }
    }
}
