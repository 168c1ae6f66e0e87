//! One tower: features, then Linear, LayerNorm, GELU layers (algorithms.md B.1),
//! at the shared parameters theta or at a user's adapted theta_u.
//!
//! theta_u never exists. It is theta plus a stack of [`Step`]s: after a
//! gradient step every weight is "shared matrix minus a rank-n term", so a
//! forward or backward pass at theta_u is the shared pass plus thin products
//! (low-rank-adaptation.md). The same two functions serve the inner step, the
//! outer gradient, evaluation, serving and the browser.

use crate::dataset::Entities;
use crate::model::ModelConfig;
use crate::model::features::{self, Feature, Row};
use crate::model::kernel::{Saved, norm_gelu, norm_gelu_backward};
use crate::model::parameters::{Declared, Parameters, Start};
use crate::tensor::{Device, Tensor, indices};

#[derive(Debug, Clone)]
struct Layer {
    weight: usize,
    bias: usize,
    /// Scale of the norm; the shift follows. The output layer has none.
    norm: Option<usize>,
}

/// Features and tower of one side.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    features: Vec<Feature>,
    layers: Vec<Layer>,
    /// Columns a feature.
    width: usize,
}

/// A forward pass, kept for the backward pass. Rows stand in groups (tasks) of
/// equal length: every tensor is [groups, rows, columns].
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) rows: Vec<Row>,
    pub(crate) groups: usize,
    /// X_l: the input of each layer.
    inputs: Vec<Tensor<3>>,
    saved: Vec<Saved>,
    /// The norm's scale of each hidden layer, [groups or 1, h].
    scales: Vec<Tensor<2>>,
    pub(crate) output: Tensor<3>,
}

/// A backward pass: the gradient at every layer's pre-activation, one row a
/// row; no weight gradient is formed.
#[derive(Debug, Clone)]
pub(crate) struct Deltas {
    /// D_l, [groups, rows, out_l].
    layers: Vec<Tensor<3>>,
    /// Gradient of each norm's scale and shift, summed per group: [groups, h].
    norms: Vec<(Tensor<2>, Tensor<2>)>,
    /// F: gradient at the concatenated features, [groups, rows, width of all].
    features: Tensor<3>,
}

/// One inner step of every task in a batch: theta_u = theta - alpha * grad,
/// held as the rows it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    alpha: f32,
    rows: Vec<Row>,
    inputs: Vec<Tensor<3>>,
    deltas: Deltas,
    /// sum_j D_l[j], [groups, 1, out_l].
    bias: Vec<Tensor<3>>,
}

impl Step {
    pub(crate) fn new(alpha: f32, rows: Vec<Row>, inputs: Vec<Tensor<3>>, deltas: Deltas) -> Self {
        let bias = deltas.layers.iter().map(|d| d.clone().sum_dim(1)).collect();
        Self { alpha, rows, inputs, deltas, bias }
    }

    pub(crate) fn alpha(&self) -> f32 {
        self.alpha
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// X_l, D_l and sum_j D_l[j] of one layer.
    pub(crate) fn layer(&self, layer: usize) -> (Tensor<3>, Tensor<3>, Tensor<3>) {
        (self.inputs[layer].clone(), self.deltas.layers[layer].clone(), self.bias[layer].clone())
    }

    /// The step of `count` tasks from `start` on.
    pub(crate) fn narrowed(&self, start: usize, count: usize) -> Self {
        let groups = self.deltas.features.dims()[0];
        let n = self.rows.len() / groups;
        let cut = |tensors: &[Tensor<3>]| tensors.iter().map(|t| t.clone().narrow(0, start, count)).collect();
        let norm = |t: &Tensor<2>| t.clone().narrow(0, start, count);
        Self {
            alpha: self.alpha,
            rows: self.rows[start * n..(start + count) * n].to_vec(),
            inputs: cut(&self.inputs),
            deltas: Deltas {
                layers: cut(&self.deltas.layers),
                norms: self.deltas.norms.iter().map(|(scale, shift)| (norm(scale), norm(shift))).collect(),
                features: self.deltas.features.clone().narrow(0, start, count),
            },
            bias: cut(&self.bias),
        }
    }
}

impl Trace {
    /// Picks rows of an ungrouped trace into groups; `saved` stays shared and
    /// is addressed by row instead.
    pub(crate) fn picked_inputs(&self, picked: &[u32], groups: usize) -> Vec<Tensor<3>> {
        let device = self.output.device();
        let index = indices(picked.iter().copied(), &device);
        let n = picked.len() / groups;
        self.inputs
            .iter()
            .map(|x| {
                let [_, rows, columns] = x.dims();
                x.clone().reshape([rows, columns]).select(0, index.clone()).reshape([groups, n, columns])
            })
            .collect()
    }

    /// Picks rows of an ungrouped trace's output: [picked, out].
    pub(crate) fn picked_output(&self, picked: &[u32]) -> Tensor<2> {
        let [_, rows, columns] = self.output.dims();
        let index = indices(picked.iter().copied(), &self.output.device());
        self.output.clone().reshape([rows, columns]).select(0, index)
    }

    pub(crate) fn into_step(self, alpha: f32, deltas: Deltas) -> Step {
        Step::new(alpha, self.rows, self.inputs, deltas)
    }
}

fn flat(tensor: Tensor<3>) -> Tensor<2> {
    let [groups, rows, columns] = tensor.dims();
    tensor.reshape([groups * rows, columns])
}

impl Encoder {
    pub(crate) fn new(side: &str, entities: &Entities, config: &ModelConfig, first: usize, device: &Device) -> (Self, Vec<Declared>) {
        let (features, mut declared) = features::of(side, entities, config, first, device);
        let hidden = if side == "user" { &config.user_hidden } else { &config.item_hidden };
        let mut layers = Vec::new();
        let mut inputs = features.len() * config.width;
        for (number, &outputs) in hidden.iter().chain(std::iter::once(&config.output)).enumerate() {
            let bound = Start::Uniform(1.0 / (inputs as f64).sqrt());
            let at = first + declared.len();
            let mut declare = |name: &str, shape: Vec<usize>, start: Start| {
                declared.push(Declared {
                    name: format!("{side}.tower.{number}.{name}"),
                    shape,
                    start,
                    first_row_zero: false,
                });
            };
            declare("weight", vec![inputs, outputs], bound);
            declare("bias", vec![outputs], bound);
            let norm = (number < hidden.len()).then(|| {
                declare("norm_scale", vec![outputs], Start::Constant(1.0));
                declare("norm_shift", vec![outputs], Start::Constant(0.0));
                at + 2
            });
            layers.push(Layer { weight: at, bias: at + 1, norm });
            inputs = outputs;
        }
        (Self { features, layers, width: config.width }, declared)
    }

    pub(crate) fn features(&self) -> &[Feature] {
        &self.features
    }

    /// e: the concatenated embeddings of rows, [rows, features * width].
    pub(crate) fn embed(&self, parameters: &Parameters, rows: &[Row]) -> Tensor<2> {
        Tensor::cat(self.features.iter().map(|f| f.embed(parameters, rows)).collect(), 1)
    }

    /// What the steps change in the embeddings of rows:
    /// -alpha * sum_j <f(q), f(j)> F_j, [groups, rows, width of all].
    fn embedding_change(&self, rows: &[Row], groups: usize, step: &Step) -> Option<Tensor<3>> {
        let device = step.deltas.features.device();
        let overlaps: Vec<_> = self.features.iter().map(|f| f.overlap(rows, &step.rows, groups, &device)).collect();
        if overlaps.iter().all(Option::is_none) {
            return None;
        }
        let m = rows.len() / groups;
        let parts = overlaps
            .into_iter()
            .enumerate()
            .map(|(place, overlap)| match overlap {
                Some(overlap) => overlap.matmul(self.feature_deltas(step, place)),
                None => Tensor::zeros([groups, m, self.width], &device),
            })
            .collect();
        Some(Tensor::cat(parts, 2) * -step.alpha)
    }

    /// F_j of one feature: [groups, step rows, width].
    pub(crate) fn feature_deltas(&self, step: &Step, feature: usize) -> Tensor<3> {
        step.deltas.features.clone().narrow(2, feature * self.width, self.width)
    }

    /// How many layers the tower has.
    pub(crate) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// W [in, out] and b [1, out] of a layer at theta.
    pub(crate) fn weight_and_bias(&self, parameters: &Parameters, layer: usize) -> (Tensor<2>, Tensor<2>) {
        let layer = &self.layers[layer];
        (parameters.get(layer.weight).clone(), parameters.get(layer.bias).clone())
    }

    /// x W + b of a layer at theta.
    pub(crate) fn linear(&self, parameters: &Parameters, layer: usize, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias) = self.weight_and_bias(parameters, layer);
        x.matmul(weight) + bias
    }

    /// Scale and shift of a hidden layer's norm at theta_u, [groups or 1, h].
    pub(crate) fn norm_of(&self, parameters: &Parameters, layer: usize, steps: &[Step]) -> (Tensor<2>, Tensor<2>) {
        let index = self.layers[layer].norm.unwrap_or_default();
        self.norm_at(parameters, layer, index, steps)
    }

    fn norm_at(&self, parameters: &Parameters, layer: usize, index: usize, steps: &[Step]) -> (Tensor<2>, Tensor<2>) {
        let (mut scale, mut shift) = (parameters.get(index).clone(), parameters.get(index + 1).clone());
        for step in steps {
            let (scale_step, shift_step) = &step.deltas.norms[layer];
            scale = scale - scale_step.clone() * step.alpha;
            shift = shift - shift_step.clone() * step.alpha;
        }
        (scale, shift)
    }

    /// Forward at theta_u = theta plus `steps`, for `groups` groups of rows.
    pub(crate) fn forward(&self, parameters: &Parameters, rows: Vec<Row>, groups: usize, steps: &[Step], save: bool) -> Trace {
        let m = rows.len() / groups;
        let mut x = self.embed(parameters, &rows).reshape([groups, m, self.features.len() * self.width]);
        for step in steps {
            if let Some(change) = self.embedding_change(&rows, groups, step) {
                x = x + change;
            }
        }
        let mut trace =
            Trace { rows, groups, inputs: Vec::new(), saved: Vec::new(), scales: Vec::new(), output: x.clone() };
        for (number, layer) in self.layers.iter().enumerate() {
            let z = self.linear(parameters, number, flat(x.clone()));
            let outputs = z.dims()[1];
            let mut z = z.reshape([groups, m, outputs]);
            for step in steps {
                // x X_l^T D_l + sum_j D_l[j]: two thin products in place of a matrix per user.
                let along = x.clone().matmul(step.inputs[number].clone().transpose());
                let change = along.matmul(step.deltas.layers[number].clone()) + step.bias[number].clone();
                z = z - change * step.alpha;
            }
            if save {
                trace.inputs.push(x);
            }
            x = match layer.norm {
                None => z,
                Some(index) => {
                    let (scale, shift) = self.norm_at(parameters, number, index, steps);
                    let (activation, saved) = norm_gelu(flat(z), &scale, &shift, save);
                    if let Some(saved) = saved {
                        trace.saved.push(saved);
                        trace.scales.push(scale);
                    }
                    activation.reshape([groups, m, outputs])
                }
            };
        }
        trace.output = x;
        trace
    }

    /// Backward from the gradient at the output, [groups, rows, out], at the
    /// parameters the trace was made with. `picked` addresses rows of an
    /// ungrouped trace.
    pub(crate) fn backward(&self, parameters: &Parameters, trace: &Trace, picked: Option<&[u32]>, upstream: Tensor<3>, steps: &[Step]) -> Deltas {
        let [groups, rows, _] = upstream.dims();
        let mut layers = Vec::with_capacity(self.layers.len());
        let mut norms = Vec::with_capacity(trace.saved.len());
        let mut delta = upstream;
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let weight = parameters.get(layer.weight);
            let inputs = weight.dims()[0];
            let mut below = flat(delta.clone()).matmul(weight.clone().transpose()).reshape([groups, rows, inputs]);
            for step in steps {
                let along = delta.clone().matmul(step.deltas.layers[number].clone().transpose());
                below = below - along.matmul(step.inputs[number].clone()) * step.alpha;
            }
            layers.push(delta);
            delta = if number > 0 {
                let (saved, scale) = (&trace.saved[number - 1], &trace.scales[number - 1]);
                let pulled = norm_gelu_backward(flat(below), saved, picked, scale, groups);
                norms.push((pulled.scale, pulled.shift));
                pulled.delta.reshape([groups, rows, inputs])
            } else {
                below
            };
        }
        layers.reverse();
        norms.reverse();
        Deltas { layers, norms, features: delta }
    }

    /// Adds `factor` times the parameter gradient of a trace's rows: X^T D for
    /// every layer, summed over all groups.
    pub(crate) fn accumulate(&self, gradients: &mut Parameters, trace: &Trace, deltas: &Deltas, factor: f32) {
        self.accumulate_rows(gradients, &trace.rows, &trace.inputs, deltas, factor);
    }

    /// The move a step made, as a parameter gradient: what Reptile averages.
    pub(crate) fn accumulate_step(&self, gradients: &mut Parameters, step: &Step, factor: f32) {
        self.accumulate_rows(gradients, &step.rows, &step.inputs, &step.deltas, factor * -step.alpha);
    }

    fn accumulate_rows(&self, gradients: &mut Parameters, rows: &[Row], inputs: &[Tensor<3>], deltas: &Deltas, factor: f32) {
        for (number, layer) in self.layers.iter().enumerate() {
            let delta = flat(deltas.layers[number].clone()) * factor;
            gradients.add(layer.weight, flat(inputs[number].clone()).transpose().matmul(delta.clone()));
            gradients.add(layer.bias, delta.sum_dim(0));
            if let Some(index) = layer.norm {
                let (scale, shift) = &deltas.norms[number];
                gradients.add(index, scale.clone().sum_dim(0) * factor);
                gradients.add(index + 1, shift.clone().sum_dim(0) * factor);
            }
        }
        let features = flat(deltas.features.clone());
        for (place, feature) in self.features.iter().enumerate() {
            let part = features.clone().narrow(1, place * self.width, self.width);
            feature.accumulate(gradients, rows, part, factor);
        }
    }
}
