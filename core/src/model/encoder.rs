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
use crate::model::kernel::{Saved, add_bias, norm_gelu, norm_gelu_backward};
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

/// A pass of every task of a group, as the rows it was made of. With an
/// upstream scaled by -alpha it is an inner step: theta_u = theta - alpha * grad
/// is theta plus these rows, and every use of them is a plain sum.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    rows: Vec<Row>,
    /// X_l, [groups, rows, in_l].
    inputs: Vec<Tensor<3>>,
    /// D_l and what belongs to it.
    moves: Deltas,
    /// sum_j D_l[j], [groups, out_l].
    bias: Vec<Tensor<2>>,
}

impl Step {
    pub(crate) fn new(rows: Vec<Row>, inputs: Vec<Tensor<3>>, moves: Deltas) -> Self {
        let bias = moves
            .layers
            .iter()
            .map(|d| {
                let [groups, _, outputs] = d.dims();
                d.clone().sum_dim(1).reshape([groups, outputs])
            })
            .collect();
        Self { rows, inputs, moves, bias }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// X_l and D_l of one layer.
    pub(crate) fn layer(&self, layer: usize) -> (Tensor<3>, Tensor<3>) {
        (self.inputs[layer].clone(), self.moves.layers[layer].clone())
    }

    /// The step of `count` tasks from `start` on.
    pub(crate) fn narrowed(&self, start: usize, count: usize) -> Self {
        let groups = self.moves.features.dims()[0];
        let n = self.rows.len() / groups;
        let cut = |tensors: &[Tensor<3>]| tensors.iter().map(|t| t.clone().narrow(0, start, count)).collect();
        let norm = |t: &Tensor<2>| t.clone().narrow(0, start, count);
        Self {
            rows: self.rows[start * n..(start + count) * n].to_vec(),
            inputs: cut(&self.inputs),
            moves: Deltas {
                layers: cut(&self.moves.layers),
                norms: self.moves.norms.iter().map(|(scale, shift)| (norm(scale), norm(shift))).collect(),
                features: self.moves.features.clone().narrow(0, start, count),
            },
            bias: self.bias.iter().map(norm).collect(),
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

    pub(crate) fn into_step(self, deltas: Deltas) -> Step {
        Step::new(self.rows, self.inputs, deltas)
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

    /// What a step changes in the embeddings of rows:
    /// sum_j <f(q), f(j)> F_j, [groups, rows, width of all].
    fn embedding_change(&self, rows: &[Row], groups: usize, step: &Step) -> Option<Tensor<3>> {
        let device = step.moves.features.device();
        let overlaps: Vec<_> = self.features.iter().map(|f| f.overlap(rows, &step.rows, groups, &device)).collect();
        if overlaps.iter().all(Option::is_none) {
            return None;
        }
        let m = rows.len() / groups;
        let parts = overlaps
            .into_iter()
            .enumerate()
            .map(|(place, overlap)| match overlap {
                Some(overlap) => overlap.matmul(self.feature_moves(step, place)),
                None => Tensor::zeros([groups, m, self.width], &device),
            })
            .collect();
        Some(Tensor::cat(parts, 2))
    }

    /// F_j of one feature: [groups, step rows, width].
    pub(crate) fn feature_moves(&self, step: &Step, feature: usize) -> Tensor<3> {
        step.moves.features.clone().narrow(2, feature * self.width, self.width)
    }

    /// How many layers the tower has.
    pub(crate) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// W of a layer at theta, [in, out].
    pub(crate) fn weight(&self, parameters: &Parameters, layer: usize) -> Tensor<2> {
        parameters.get(self.layers[layer].weight).clone()
    }

    /// b of a layer at theta_u, [groups or 1, out].
    pub(crate) fn bias_of(&self, parameters: &Parameters, layer: usize, steps: &[Step]) -> Tensor<2> {
        let shared = parameters.get(self.layers[layer].bias).clone();
        steps.iter().fold(shared, |bias, step| bias + step.bias[layer].clone())
    }

    /// Scale and shift of a hidden layer's norm at theta_u, [groups or 1, h].
    pub(crate) fn norm_of(&self, parameters: &Parameters, layer: usize, steps: &[Step]) -> (Tensor<2>, Tensor<2>) {
        let index = self.layers[layer].norm.unwrap_or_default();
        let shared = (parameters.get(index).clone(), parameters.get(index + 1).clone());
        steps.iter().fold(shared, |(scale, shift), step| {
            let (scale_move, shift_move) = &step.moves.norms[layer];
            (scale + scale_move.clone(), shift + shift_move.clone())
        })
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
            Trace { rows, inputs: Vec::new(), saved: Vec::new(), scales: Vec::new(), output: x.clone() };
        for (number, layer) in self.layers.iter().enumerate() {
            let weight = parameters.get(layer.weight).clone();
            let outputs = weight.dims()[1];
            let mut z = flat(x.clone()).matmul(weight);
            for step in steps {
                // (x X_l^T) D_l: two thin products in place of a matrix per user.
                let along = x.clone().matmul(step.inputs[number].clone().transpose());
                z = z + flat(along.matmul(step.moves.layers[number].clone()));
            }
            if save {
                trace.inputs.push(x);
            }
            let bias = self.bias_of(parameters, number, steps);
            let z = match layer.norm {
                None => add_bias(z, &bias),
                Some(_) => {
                    let (scale, shift) = self.norm_of(parameters, number, steps);
                    let (activation, saved) = norm_gelu(z, None, &bias, &scale, &shift, save);
                    if let Some(saved) = saved {
                        trace.saved.push(saved);
                        trace.scales.push(scale);
                    }
                    activation
                }
            };
            x = z.reshape([groups, m, outputs]);
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
                let along = delta.clone().matmul(step.moves.layers[number].clone().transpose());
                below = below + along.matmul(step.inputs[number].clone());
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

    /// The parameter gradient that passes add up to, times `factor`: X^T D for
    /// every layer over all rows at once.
    pub(crate) fn accumulate(&self, gradients: &mut Parameters, parts: &[&Step], factor: f32) {
        if parts.is_empty() {
            return;
        }
        let all = |of: &dyn Fn(&Step) -> Tensor<2>| Tensor::cat(parts.iter().map(|p| of(p)).collect(), 0);
        for (number, layer) in self.layers.iter().enumerate() {
            let inputs = all(&|p| flat(p.inputs[number].clone()));
            let deltas = all(&|p| flat(p.moves.layers[number].clone()));
            gradients.put(layer.weight, inputs.transpose().matmul(deltas) * factor);
            gradients.put(layer.bias, all(&|p| p.bias[number].clone()).sum_dim(0) * factor);
            if let Some(index) = layer.norm {
                gradients.put(index, all(&|p| p.moves.norms[number].0.clone()).sum_dim(0) * factor);
                gradients.put(index + 1, all(&|p| p.moves.norms[number].1.clone()).sum_dim(0) * factor);
            }
        }
        let rows: Vec<Row> = parts.iter().flat_map(|p| p.rows.iter().copied()).collect();
        let features = all(&|p| flat(p.moves.features.clone())) * factor;
        for (place, feature) in self.features.iter().enumerate() {
            feature.accumulate(gradients, &rows, features.clone().narrow(1, place * self.width, self.width));
        }
    }
}
