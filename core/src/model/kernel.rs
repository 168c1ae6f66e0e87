//! LayerNorm followed by GELU, forward and backward, fused for the CPU.
//!
//! On the CPU a chain of tensor operations would pass through memory a dozen
//! times and call a scalar erf for every element, which costs as much as the
//! matrix products. The fused loops pass through memory once. Other devices
//! compute the same formulas as tensor operations; a test compares the two.
//!
//! Sums over a row use sixteen fixed lanes, so that neither the width of the
//! processor's registers nor the number of threads changes a byte.

use std::sync::Arc;

use crate::model::lanes;
use crate::model::layout::Layout;
use crate::model::segments::Segments;
use crate::tensor::{Tensor, from_vec, indices, on_cpu};

/// LayerNorm's epsilon.
pub(crate) const EPSILON: f32 = 1e-5;

/// The values that the backward pass of a hidden layer needs, rows flattened:
/// normalised values z-hat [rows, h], 1 / sigma [rows, 1], and the derivative
/// of GELU at the normed value [rows, h].
#[derive(Debug, Clone)]
// Few of these exist at a time, and boxing would cost an allocation for each
// layer.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Saved {
    /// On the CPU: plain values, shared without copying.
    Lanes(Arc<lanes::Kept>),
    /// On any other device.
    Tensors { normal: Tensor<2>, inverse: Tensor<2>, slope: Tensor<2> },
}

/// The result of a backward pass through one hidden layer.
pub(crate) struct NormGradients {
    /// Gradient at the pre-activation, [rows, h].
    pub(crate) delta: Tensor<2>,
    /// For each task, the gradient of the norm's gamma, [tasks, h].
    pub(crate) scale: Tensor<2>,
    /// For each task, the gradient of the norm's beta, [tasks, h].
    pub(crate) shift: Tensor<2>,
}

/// A hidden layer's own vectors: [1, h] for all tasks, or [tasks, h].
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// Added to the pre-activation.
    pub(crate) bias: Tensor<2>,
    /// LayerNorm's gamma.
    pub(crate) scale: Tensor<2>,
    /// LayerNorm's beta.
    pub(crate) shift: Tensor<2>,
}

/// a = GELU(LayerNorm(z + shared + bias)), with `z` [rows, h]. `shared` [rows
/// of a task, h] is the same for every task of a one-block layout.
pub(crate) fn norm_gelu(
    z: Tensor<2>,
    shared: Option<&Tensor<2>>,
    norm: &Norm,
    layout: &Layout,
    save: bool,
) -> (Tensor<2>, Option<Saved>) {
    if on_cpu(&z) {
        let (activation, kept) = lanes::norm_gelu(z, shared, norm, layout, save);
        (activation, kept.map(|kept| Saved::Lanes(Arc::new(kept))))
    } else {
        composed(z, shared, norm, layout, save)
    }
}

/// z + bias, `bias` [1, h] or [tasks, h].
pub(crate) fn add_bias(z: Tensor<2>, bias: &Tensor<2>, layout: &Layout) -> Tensor<2> {
    if on_cpu(&z) { lanes::add_bias(z, bias, layout) } else { z + spread(bias, layout) }
}

/// The gradient through [`norm_gelu`]. `upstream` is [rows, h]; row r uses row
/// `picked[r]` of `saved` (row r itself if `picked` is `None`).
pub(crate) fn norm_gelu_backward(
    upstream: Tensor<2>,
    saved: &Saved,
    picked: Option<&[u32]>,
    scale: &Tensor<2>,
    layout: &Layout,
) -> NormGradients {
    match saved {
        Saved::Lanes(kept) => lanes::norm_gelu_backward(upstream, kept, picked, scale, layout),
        Saved::Tensors { normal, inverse, slope } => {
            let index = picked.map(|rows| indices(rows.iter().copied(), &upstream.device()));
            let pick = |saved: &Tensor<2>| match &index {
                None => saved.clone(),
                Some(index) => saved.clone().select(0, index.clone()),
            };
            composed_backward(upstream, pick(normal), pick(inverse), pick(slope), scale, layout)
        }
    }
}

/// Adds row `from`, times a factor, to row `to`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) factor: f32,
}

/// A table of `size` rows: row `to` is the sum of the rows `from` of `values`,
/// each times its factor. One thread sums each row in the order of the shares,
/// so the sums do not depend on the number of threads.
pub(crate) fn scatter_rows(values: Tensor<2>, shares: &[Share], size: usize) -> Tensor<2> {
    if on_cpu(&values) { lanes::scatter_rows(values, shares, size) } else { composed_scatter(values, shares, size) }
}

/// A table of rows of which each task reads a few: parameters, or inputs of a
/// feature.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    /// [rows, columns].
    pub(crate) values: &'a Tensor<2>,
    /// The same values on the host, if they are there (the last rows may be
    /// absent).
    pub(crate) host: Option<&'a [f32]>,
}

impl Table<'_> {
    fn picked(&self, rows: impl Iterator<Item = u32>) -> Tensor<2> {
        self.values.clone().select(0, indices(rows, &self.values.device()))
    }

    /// The inner product of each row in `reads` with the vector of its task,
    /// [reads, 1]. `reads` holds (task, row), `vectors` is [tasks, columns].
    pub(crate) fn dots(&self, reads: &[(u32, u32)], vectors: Tensor<2>) -> Tensor<2> {
        if !on_cpu(&vectors) {
            let own = vectors.clone().select(0, indices(reads.iter().map(|r| r.0), &vectors.device()));
            return (self.picked(reads.iter().map(|r| r.1)) * own).sum_dim(1);
        }
        match self.host {
            Some(host) => lanes::dots(host, reads, vectors),
            None => {
                // This copies only the rows that are read; taking the table
                // would copy all of it.
                let picked = lanes::take(self.picked(reads.iter().map(|r| r.1)));
                let reads: Vec<_> = (0..).zip(reads).map(|(row, read)| (read.0, row)).collect();
                lanes::dots(lanes::slice(&picked), &reads, vectors)
            }
        }
    }

    /// [`scatter_rows`] of the table's rows into one row for each task.
    pub(crate) fn blend(&self, shares: &[Share], tasks: usize) -> Tensor<2> {
        if !on_cpu(self.values) {
            return composed_scatter(self.values.clone(), shares, tasks);
        }
        let (columns, device) = (self.values.dims()[1], self.values.device());
        match self.host {
            Some(host) => lanes::blend(host, columns, shares, tasks, &device),
            None => {
                let picked = lanes::take(self.picked(shares.iter().map(|s| s.from)));
                let shares: Vec<_> = (0..).zip(shares).map(|(from, share)| Share { from, ..*share }).collect();
                lanes::blend(lanes::slice(&picked), columns, &shares, tasks, &device)
            }
        }
    }
}

fn composed_scatter(values: Tensor<2>, shares: &[Share], size: usize) -> Tensor<2> {
    let device = values.device();
    let zeros = Tensor::<2>::zeros([size, values.dims()[1]], &device);
    if shares.is_empty() {
        return zeros;
    }
    // One row more, which the factor of zero empties.
    let from = shares.iter().map(|s| s.from).chain([shares[0].from]);
    let factors = shares.iter().map(|s| s.factor).chain([0.0]).collect();
    let picked = values.select(0, indices(from, &device)) * from_vec(factors, [shares.len() + 1, 1], &device);
    Segments::new(shares.iter().map(|s| Some(s.to)), size, shares.len() as u32).sums(picked)
}

/// Expands one vector for each task (or one for all) to one for each row.
fn spread(vectors: &Tensor<2>, layout: &Layout) -> Tensor<2> {
    if vectors.dims()[0] == 1 {
        return vectors.clone();
    }
    vectors.clone().select(0, indices(layout.task_of_rows(), &vectors.device()))
}

fn composed(
    z: Tensor<2>,
    shared: Option<&Tensor<2>>,
    norm: &Norm,
    layout: &Layout,
    save: bool,
) -> (Tensor<2>, Option<Saved>) {
    let [rows, h] = z.dims();
    let mut z = z + spread(&norm.bias, layout);
    if let Some(shared) = shared {
        let each = shared.dims()[0];
        z = (z.reshape([rows / each, each, h]) + shared.clone().unsqueeze::<3>()).reshape([rows, h]);
    }
    let centred = z.clone() - z.mean_dim(1);
    let inverse = ((centred.clone() * centred.clone()).mean_dim(1) + EPSILON).sqrt().recip();
    let normal = centred * inverse.clone();
    let normed = normal.clone() * spread(&norm.scale, layout) + spread(&norm.shift, layout);
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
    layout: &Layout,
) -> NormGradients {
    let normed = upstream * slope;
    let scale_gradient = layout.sum_by_task(&(normed.clone() * normal.clone()));
    let shift_gradient = layout.sum_by_task(&normed);
    let scaled = normed * spread(scale, layout);
    let along = (scaled.clone() * normal.clone()).mean_dim(1);
    let delta = (scaled.clone() - scaled.mean_dim(1) - normal * along) * inverse;
    NormGradients { delta, scale: scale_gradient, shift: shift_gradient }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use crate::tensor::Device;

    fn random(rows: usize, h: usize, name: &str) -> Tensor<2> {
        let mut stream = Key::from_seed(5).stream(name, &[]);
        from_vec(
            (0..rows * h).map(|_| stream.normal() as f32 * 2.0).collect(),
            [rows, h],
            &Device::Flex(Default::default()),
        )
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
        let values = random(3, 5, "values");
        let shares = [(0, 4, 1.0), (1, 1, -0.5), (2, 4, 2.0), (0, 0, 0.25)];
        let shares = shares.map(|(from, to, factor)| Share { from, to, factor });
        close(lanes::scatter_rows(values.clone(), &shares, 6), composed_scatter(values.clone(), &shares, 6), "scatter");

        let device = table.device();
        let held = table.clone().into_data().into_vec::<f32>().unwrap();
        let (picked, hosted) = (Table { values: &table, host: None }, Table { values: &table, host: Some(&held) });
        let reads = [(2, 5), (0, 3), (0, 3), (1, 0)];
        let own = values.clone().select(0, indices(reads.map(|r| r.0), &device));
        let dots = (table.clone().select(0, indices(reads.map(|r| r.1), &device)) * own).sum_dim(1);
        close(picked.dots(&reads, values.clone()), dots.clone(), "dots of picked rows");
        close(hosted.dots(&reads, values), dots, "dots of rows on the host");
        let shares = [(5, 0, 1.0), (3, 0, -0.5), (3, 2, 2.0)].map(|(from, to, factor)| Share { from, to, factor });
        close(picked.blend(&shares, 3), composed_scatter(table.clone(), &shares, 3), "blend of picked rows");
        close(hosted.blend(&shares, 3), composed_scatter(table.clone(), &shares, 3), "blend of rows on the host");
    }

    #[test]
    fn fused_equals_composed() {
        for (blocks, h) in
            [(vec![(1, 7)], 5), (vec![(3, 4)], 64), (vec![(2, 9), (1, 3), (2, 0)], 37), (vec![(4, 1)], 256)]
        {
            let layout = Layout::new(blocks);
            let (rows, tasks) = (layout.rows(), layout.tasks());
            let z = random(rows, h, "z");
            let norm =
                Norm { bias: random(tasks, h, "bias"), scale: random(tasks, h, "scale"), shift: random(1, h, "shift") };
            let shared = (layout.blocks().len() == 1).then(|| random(layout.blocks()[0].rows, h, "shared"));
            let (a, kept) = lanes::norm_gelu(z.clone(), shared.as_ref(), &norm, &layout, true);
            let (b, saved) = composed(z.clone(), shared.as_ref(), &norm, &layout, true);
            close(a, b, "activation");
            let spread_bias = z.clone() + spread(&norm.bias, &layout);
            close(lanes::add_bias(z.clone(), &norm.bias, &layout), spread_bias, "bias");
            let kept = kept.unwrap();
            let Some(Saved::Tensors { normal, inverse, slope }) = saved else { panic!("tensors") };
            let device = Device::Flex(Default::default());
            close(from_vec(kept.slope.clone(), [rows, h], &device), slope.clone(), "slope");
            close(from_vec(kept.normal.clone(), [rows, h], &device), normal.clone(), "normal");
            let upstream = random(rows, h, "upstream");
            let picked: Vec<u32> = (0..rows).map(|r| ((r * 5) % rows) as u32).collect();
            let fused = lanes::norm_gelu_backward(upstream.clone(), &kept, Some(&picked), &norm.scale, &layout);
            let index = indices(picked, &device);
            let pick = |t: Tensor<2>| t.select(0, index.clone());
            let slow = composed_backward(upstream, pick(normal), pick(inverse), pick(slope), &norm.scale, &layout);
            close(fused.delta, slow.delta, "delta");
            close(fused.scale, slow.scale, "scale");
            close(fused.shift, slow.shift, "shift");
        }
    }
}
