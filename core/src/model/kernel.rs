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

use burn::tensor::IndexingUpdateOp;

use crate::model::lanes;
use crate::tensor::{Tensor, from_vec, indices, on_cpu};

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

/// a = GELU(LayerNorm(z + shared + bias)). `z` is [rows, h]; `bias`, `scale`
/// and `shift` are [groups, h], each serving rows/groups consecutive rows;
/// `shared` is [rows/groups, h], the same for every group.
pub(crate) fn norm_gelu(
    z: Tensor<2>,
    shared: Option<&Tensor<2>>,
    bias: &Tensor<2>,
    scale: &Tensor<2>,
    shift: &Tensor<2>,
    save: bool,
) -> (Tensor<2>, Option<Saved>) {
    if on_cpu(&z) {
        let (activation, kept) = lanes::norm_gelu(z, shared, bias, scale, shift, save);
        (activation, kept.map(|kept| Saved::Lanes(Arc::new(kept))))
    } else {
        composed(z, shared, bias, scale, shift, save)
    }
}

/// z + bias, `bias` [groups, h] serving rows/groups consecutive rows each.
pub(crate) fn add_bias(z: Tensor<2>, bias: &Tensor<2>) -> Tensor<2> {
    let rows = z.dims()[0];
    if on_cpu(&z) { lanes::add_bias(z, bias) } else { z + spread(bias, rows) }
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

/// The sum of the table's rows that each bag names: [bags, columns].
pub(crate) fn sum_rows(table: &Tensor<2>, bags: &[&[u32]]) -> Tensor<2> {
    if on_cpu(table) { lanes::sum_rows(table, bags) } else { composed_sum_rows(table, bags) }
}

/// A table of `size` rows in which row `to` sums the rows `from` of `values`,
/// for pairs (from, to). Every row is written in one place and in the pairs'
/// order, so the sums do not depend on threads.
pub(crate) fn scatter_rows(values: Tensor<2>, pairs: &[(u32, u32)], size: usize) -> Tensor<2> {
    if on_cpu(&values) { lanes::scatter_rows(values, pairs, size) } else { composed_scatter(values, pairs, size) }
}

fn composed_sum_rows(table: &Tensor<2>, bags: &[&[u32]]) -> Tensor<2> {
    let device = table.device();
    let longest = bags.iter().map(|bag| bag.len()).max().unwrap_or(0).max(1);
    let padded = |fill: &dyn Fn(Option<&u32>) -> u32| -> Vec<u32> {
        bags.iter().flat_map(|bag| (0..longest).map(|place| fill(bag.get(place)))).collect()
    };
    let mask = padded(&|token| u32::from(token.is_some())).into_iter().map(|m| m as f32).collect();
    let picked = table.clone().select(0, indices(padded(&|token| token.copied().unwrap_or(0)), &device));
    let width = table.dims()[1];
    let picked = picked.reshape([bags.len(), longest, width]) * from_vec(mask, [bags.len(), longest, 1], &device);
    picked.sum_dim(1).reshape([bags.len(), width])
}

fn composed_scatter(values: Tensor<2>, pairs: &[(u32, u32)], size: usize) -> Tensor<2> {
    let device = values.device();
    let zeros = Tensor::<2>::zeros([size, values.dims()[1]], &device);
    if pairs.is_empty() {
        return zeros;
    }
    let picked = values.select(0, indices(pairs.iter().map(|p| p.0), &device));
    zeros.select_assign(0, indices(pairs.iter().map(|p| p.1), &device), picked, IndexingUpdateOp::Add)
}

fn spread(per_group: &Tensor<2>, rows: usize) -> Tensor<2> {
    let [groups, h] = per_group.dims();
    if groups == 1 {
        return per_group.clone();
    }
    per_group.clone().reshape([groups, 1, h]).expand([groups, rows / groups, h]).reshape([rows, h])
}

fn composed(
    z: Tensor<2>,
    shared: Option<&Tensor<2>>,
    bias: &Tensor<2>,
    scale: &Tensor<2>,
    shift: &Tensor<2>,
    save: bool,
) -> (Tensor<2>, Option<Saved>) {
    let [rows, h] = z.dims();
    let mut z = z + spread(bias, rows);
    if let Some(shared) = shared {
        let groups = rows / shared.dims()[0];
        z = (z.reshape([groups, rows / groups, h]) + shared.clone().unsqueeze::<3>()).reshape([rows, h]);
    }
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
    use crate::tensor::Device;

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
    fn tables_are_read_and_written_alike() {
        let table = random(6, 5, "table");
        let bags: [&[u32]; 4] = [&[0, 3], &[], &[5], &[1, 2, 4]];
        close(lanes::sum_rows(&table, &bags), composed_sum_rows(&table, &bags), "bags");
        let values = random(3, 5, "values");
        let pairs = [(0, 4), (1, 1), (2, 4), (0, 0)];
        close(lanes::scatter_rows(values.clone(), &pairs, 6), composed_scatter(values, &pairs, 6), "scatter");
    }

    #[test]
    fn fused_equals_composed() {
        for (groups, n, h) in [(1, 7, 5), (3, 4, 64), (2, 9, 37), (4, 1, 256)] {
            let z = random(groups * n, h, "z");
            let (scale, shift) = (random(groups, h, "scale"), random(groups, h, "shift"));
            let (shared, bias) = (random(n, h, "shared"), random(groups, h, "bias"));
            let (a, saved) = lanes::norm_gelu(z.clone(), Some(&shared), &bias, &scale, &shift, true);
            let (b, composed_saved) = composed(z.clone(), Some(&shared), &bias, &scale, &shift, true);
            close(lanes::add_bias(z.clone(), &bias), z.clone() + spread(&bias, groups * n), "bias");
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
