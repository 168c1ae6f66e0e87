//! An encoder of one side: features, then layers of Linear, LayerNorm and GELU,
//! at the shared parameters theta or at a user's adapted parameters theta_u.
//!
//! theta_u is never stored. It is theta plus a stack of [`LowRankStep`]s: after
//! a gradient step every weight is the shared matrix minus a rank-n term, so a
//! forward or backward pass at theta_u is the shared pass plus thin products.
//! The same two functions serve the inner step, the outer gradient, evaluation,
//! the server and the browser.

use crate::data::Entities;
use crate::model::ModelConfig;
use crate::model::features::{self, EntityRef, Feature};
use crate::model::kernel::{Norm, Saved, add_bias, norm_gelu, norm_gelu_backward};
use crate::model::layout::Layout;
use crate::model::parameters::{Declared, Gradient, Parameters, Start};
use crate::model::step::{Deltas, LowRankStep, StepBlock};
use crate::tensor::{Device, Product, Tensor, from_vec, indices};

#[derive(Debug, Clone)]
struct Layer {
    weight: usize,
    /// Absent if another tower's layer has it.
    bias: Option<usize>,
    /// Parameter index of the norm's gamma; beta follows. The output layer has
    /// none.
    norm: Option<usize>,
}

/// Features and tower of one side.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    features: Vec<Feature>,
    layers: Vec<Layer>,
    /// Columns of a feature's embedding.
    width: usize,
    /// Columns of a feature's embedding that the tower reads: the first ones.
    read: usize,
}

/// The layers above the features of one side.
pub(crate) struct Tower<'a> {
    /// Its part of the parameters' names.
    pub(crate) name: &'a str,
    /// Widths of the hidden layers.
    pub(crate) hidden: &'a [usize],
    /// Width of the last layer.
    pub(crate) output: usize,
    /// Columns of a feature that the tower does not read.
    pub(crate) unread: usize,
    /// Inputs of the first layer that belong to the other side's tower.
    pub(crate) elsewhere: usize,
    /// Whether the layers have biases of their own.
    pub(crate) biased: bool,
}

/// Input of the layers.
pub(crate) struct Input {
    /// The entity of each row.
    pub(crate) rows: Vec<EntityRef>,
    /// Input of the first layer, [rows, in].
    pub(crate) x: Tensor<2>,
    /// The addition of another tower to the first, hidden layer: [tasks, out].
    pub(crate) beside: Option<Tensor<2>>,
}

/// The saved values of a forward pass, for the backward pass: [rows, columns]
/// throughout.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    rows: Vec<EntityRef>,
    /// X_l: the input of each layer.
    pub(crate) inputs: Vec<Tensor<2>>,
    saved: Vec<Saved>,
    /// The norm's gamma of each hidden layer, [1 or tasks, h].
    scales: Vec<Tensor<2>>,
    pub(crate) output: Tensor<2>,
}

impl Trace {
    /// The inputs of every layer, for the picked rows.
    pub(crate) fn picked_inputs(&self, picked: &[u32]) -> Vec<Tensor<2>> {
        let index = indices(picked.iter().copied(), &self.output.device());
        self.inputs.iter().map(|x| x.clone().select(0, index.clone())).collect()
    }

    /// The outputs of the picked rows.
    pub(crate) fn picked_output(&self, picked: &[u32]) -> Tensor<2> {
        self.output.clone().select(0, indices(picked.iter().copied(), &self.output.device()))
    }

    pub(crate) fn into_step(self, layout: Layout, deltas: Deltas) -> LowRankStep {
        LowRankStep::new(self.rows, layout, self.inputs, deltas)
    }
}

impl Encoder {
    pub(crate) fn new(
        side: &str,
        entities: &Entities,
        config: &ModelConfig,
        tower: &Tower<'_>,
        first: usize,
        device: &Device,
    ) -> (Self, Vec<Declared>) {
        let width = config.width + tower.unread;
        let (features, mut declared) = features::of(side, entities, config, width, first, device);
        let mut layers = Vec::new();
        let mut inputs = features.len() * config.width;
        for (number, &outputs) in tower.hidden.iter().chain(std::iter::once(&tower.output)).enumerate() {
            let all = inputs + if number == 0 { tower.elsewhere } else { 0 };
            let bound = Start::Uniform(1.0 / (all as f64).sqrt());
            let at = first + declared.len();
            let mut declare = |name: &str, shape: Vec<usize>, start: Start| {
                declared.push(Declared {
                    name: format!("{side}.{}.{number}.{name}", tower.name),
                    shape,
                    start,
                    first_row_zero: false,
                });
            };
            declare("weight", vec![inputs, outputs], bound);
            let bias = tower.biased.then(|| {
                declare("bias", vec![outputs], bound);
                at + 1
            });
            let norm = (number < tower.hidden.len()).then(|| {
                declare("norm_scale", vec![outputs], Start::Constant(1.0));
                declare("norm_shift", vec![outputs], Start::Constant(0.0));
                bias.unwrap_or(at) + 1
            });
            layers.push(Layer { weight: at, bias, norm });
            inputs = outputs;
        }
        (Self { features, layers, width, read: config.width }, declared)
    }

    pub(crate) fn features(&self) -> &[Feature] {
        &self.features
    }

    /// e: the concatenated embeddings of rows, [rows, features * width].
    pub(crate) fn embed(&self, parameters: &Parameters, rows: &[EntityRef]) -> Tensor<2> {
        Tensor::cat(self.features.iter().map(|f| f.embed(parameters, rows)).collect(), 1)
    }

    /// The change of the rows' embeddings by a step: sum_j <f(q), f(j)> F_j,
    /// [rows, width of all].
    fn embedding_change(
        &self,
        parameters: &Parameters,
        rows: &[EntityRef],
        layout: &Layout,
        step: &LowRankStep,
    ) -> Option<Tensor<2>> {
        let device = parameters.device();
        let count = self.features.len();
        // One product a block for all features, then one a feature for all
        // blocks.
        let mut parts: Vec<Vec<Tensor<2>>> = vec![Vec::new(); count];
        let mut met = vec![false; count];
        for (number, block) in layout.blocks().iter().enumerate() {
            let (tasks, m) = (block.tasks, block.rows);
            let rows = &rows[block.first_row..][..tasks * m];
            // Not every device accepts a tensor without rows.
            if m == 0 {
                continue;
            }
            let Some(own) = step.block(number) else {
                let columns = step.change_columns(self.width);
                parts.iter_mut().for_each(|part| part.push(Tensor::zeros([tasks * m, columns], &device)));
                continue;
            };
            let n = own.rows().len() / tasks;
            let mut overlaps = vec![0.0; tasks * count * m * n];
            for (task, overlaps) in overlaps.chunks_mut(count * m * n).enumerate() {
                let (rows, steps) = (&rows[task * m..][..m], &own.rows()[task * n..][..n]);
                for (place, overlaps) in overlaps.chunks_mut(m * n).enumerate() {
                    met[place] |= self.features[place].overlap(rows, steps, overlaps);
                }
            }
            let overlaps = from_vec(overlaps, [tasks, count * m, n], &device);
            for (place, change) in own.changes(overlaps, count, self.width).into_iter().enumerate() {
                parts[place].push(change);
            }
        }
        if !met.contains(&true) {
            return None;
        }
        let columns = parts.into_iter().enumerate().map(|(place, part)| match (met[place], &step.moves.features) {
            (false, _) => Tensor::zeros([rows.len(), self.width], &device),
            (true, Some(_)) => Tensor::cat(part, 0),
            (true, None) => Tensor::cat(part, 0).product(self.feature_weight(parameters, place).transpose()),
        });
        Some(Tensor::cat(columns.collect(), 1))
    }

    /// (x A^T) B for every task with its own A and B: two thin products instead
    /// of a matrix for each task. `None` if no task has step rows.
    fn low_rank<'a>(
        x: &Tensor<2>,
        layout: &Layout,
        step: &'a LowRankStep,
        columns: usize,
        a: impl Fn(&StepBlock<'a>) -> Tensor<3>,
        b: impl Fn(&StepBlock<'a>) -> Tensor<3>,
    ) -> Option<Tensor<2>> {
        let mut any = false;
        let blocks = layout
            .blocks()
            .iter()
            .enumerate()
            .filter(|(_, block)| block.rows > 0)
            .map(|(number, block)| match step.block(number) {
                None => Tensor::zeros([block.tasks * block.rows, columns], &x.device()),
                Some(own) => {
                    any = true;
                    let along = block.of(x).product(a(&own).transpose());
                    along.product(b(&own)).reshape([block.tasks * block.rows, columns])
                }
            })
            .collect();
        any.then(|| Tensor::cat(blocks, 0))
    }

    /// The block of W_1 that reads one feature, [columns read, out].
    pub(crate) fn feature_weight(&self, parameters: &Parameters, feature: usize) -> Tensor<2> {
        self.weight(parameters, 0).narrow(0, feature * self.read, self.read)
    }

    /// Columns of a feature's embedding.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Index of the parameter that holds a layer's W.
    pub(crate) fn weight_parameter(&self, layer: usize) -> usize {
        self.layers[layer].weight
    }

    /// The number of layers.
    pub(crate) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// W of a layer at theta, [in, out].
    pub(crate) fn weight(&self, parameters: &Parameters, layer: usize) -> Tensor<2> {
        parameters.get(self.layers[layer].weight).clone()
    }

    /// b of a layer at theta_u, [1 or tasks, out]; zero if the layer has none.
    pub(crate) fn bias_of(&self, parameters: &Parameters, layer: usize, steps: &[LowRankStep]) -> Tensor<2> {
        let Some(index) = self.layers[layer].bias else {
            let columns = parameters.get(self.layers[layer].weight).dims()[1];
            return Tensor::zeros([1, columns], &parameters.device());
        };
        steps.iter().fold(parameters.get(index).clone(), |bias, step| bias + step.bias[layer].clone())
    }

    /// Bias, gamma and beta of a hidden layer at theta_u; `index` is the
    /// parameter index of gamma.
    fn norm_of(&self, parameters: &Parameters, layer: usize, index: usize, steps: &[LowRankStep]) -> Norm {
        let (scale, shift) = (parameters.get(index).clone(), parameters.get(index + 1).clone());
        let (scale, shift) = steps.iter().fold((scale, shift), |(scale, shift), step| {
            let (scale_move, shift_move) = &step.moves.norms[layer];
            (scale + scale_move.clone(), shift + shift_move.clone())
        });
        Norm { bias: self.bias_of(parameters, layer, steps), scale, shift }
    }

    /// Bias, gamma and beta of every hidden layer at theta_u.
    pub(crate) fn norms(&self, parameters: &Parameters, steps: &[LowRankStep]) -> Vec<Norm> {
        let hidden = self.layers.iter().enumerate().filter_map(|(layer, l)| Some((layer, l.norm?)));
        hidden.map(|(layer, index)| self.norm_of(parameters, layer, index, steps)).collect()
    }

    /// e at theta_u = theta plus `steps`, [rows, features * width].
    pub(crate) fn embed_at(
        &self,
        parameters: &Parameters,
        rows: &[EntityRef],
        layout: &Layout,
        steps: &[LowRankStep],
    ) -> Tensor<2> {
        let mut x = self.embed(parameters, rows);
        for step in steps {
            if let Some(change) = self.embedding_change(parameters, rows, layout, step) {
                x = x + change;
            }
        }
        x
    }

    /// Forward at theta_u = theta plus `steps`.
    pub(crate) fn forward(
        &self,
        parameters: &Parameters,
        rows: Vec<EntityRef>,
        layout: &Layout,
        steps: &[LowRankStep],
        save: bool,
    ) -> Trace {
        let x = self.embed_at(parameters, &rows, layout, steps);
        self.through(parameters, Input { rows, x, beside: None }, layout, steps, save)
    }

    /// Forward through the layers alone.
    pub(crate) fn through(
        &self,
        parameters: &Parameters,
        input: Input,
        layout: &Layout,
        steps: &[LowRankStep],
        save: bool,
    ) -> Trace {
        let Input { rows, mut x, beside } = input;
        let (mut inputs, mut all_saved, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        for (number, layer) in self.layers.iter().enumerate() {
            let weight = parameters.get(layer.weight).clone();
            let columns = weight.dims()[1];
            let mut z = x.clone().product(weight);
            for step in steps {
                let change = Self::low_rank(&x, layout, step, columns, |b| b.inputs(number), |b| b.moves(number));
                if let Some(change) = change {
                    z = z + change;
                }
            }
            if save {
                inputs.push(x);
            }
            let beside = beside.as_ref().filter(|_| number == 0);
            x = match layer.norm {
                None if layer.bias.is_none() => z,
                None => add_bias(z, &self.bias_of(parameters, number, steps), layout),
                Some(index) => {
                    let mut norm = self.norm_of(parameters, number, index, steps);
                    if let Some(beside) = beside {
                        norm.bias = norm.bias + beside.clone();
                    }
                    let (activation, saved) = norm_gelu(z, None, &norm, layout, save);
                    if let Some(saved) = saved {
                        all_saved.push(saved);
                        scales.push(norm.scale);
                    }
                    activation
                }
            };
        }
        Trace { rows, inputs, saved: all_saved, scales, output: x }
    }

    /// Backward pass from the gradient at the output, [rows, out], at the
    /// parameters of the trace. `picked` gives the trace's row of each row;
    /// without it they correspond one to one. At theta itself the gradient at
    /// the features (F) is left out.
    pub(crate) fn backward(
        &self,
        parameters: &Parameters,
        trace: &Trace,
        picked: Option<&[u32]>,
        upstream: Tensor<2>,
        layout: &Layout,
        steps: &[LowRankStep],
    ) -> Deltas {
        let mut layers = Vec::with_capacity(self.layers.len());
        let mut norms = Vec::with_capacity(trace.saved.len());
        let mut delta = upstream;
        for number in (1..self.layers.len()).rev() {
            let below = self.pull(parameters, number, &delta, layout, steps);
            layers.push(delta);
            let (saved, scale) = (&trace.saved[number - 1], &trace.scales[number - 1]);
            let pulled = norm_gelu_backward(below, saved, picked, scale, layout);
            norms.push((pulled.scale, pulled.shift));
            delta = pulled.delta;
        }
        let features = (!steps.is_empty()).then(|| self.pull(parameters, 0, &delta, layout, steps));
        layers.push(delta);
        layers.reverse();
        norms.reverse();
        Deltas { layers, norms, features }
    }

    /// D W_u^T: the gradient at the input of a layer.
    pub(crate) fn pull(
        &self,
        parameters: &Parameters,
        layer: usize,
        delta: &Tensor<2>,
        layout: &Layout,
        steps: &[LowRankStep],
    ) -> Tensor<2> {
        let weight = self.weight(parameters, layer);
        let columns = weight.dims()[0];
        let shared = delta.clone().product(weight.transpose());
        let changes = steps
            .iter()
            .filter_map(|step| Self::low_rank(delta, layout, step, columns, |b| b.moves(layer), |b| b.inputs(layer)));
        changes.fold(shared, |sum, change| sum + change)
    }

    /// The sum of the passes' parameter gradients, times `factor`: X^T D for
    /// every layer over all rows at once.
    pub(crate) fn accumulate(
        &self,
        parameters: &Parameters,
        gradients: &mut Gradient,
        parts: &[LowRankStep],
        factor: f32,
    ) {
        if parts.is_empty() {
            return;
        }
        let all = |of: &dyn Fn(&LowRankStep) -> Tensor<2>| match parts {
            [part] => of(part),
            parts => Tensor::cat(parts.iter().map(of).collect(), 0),
        };
        // Most callers want the plain sum, without a multiplication.
        let scaled = |t: Tensor<2>| if factor == 1.0 { t } else { t * factor };
        for (number, layer) in self.layers.iter().enumerate() {
            let inputs = all(&|p| p.inputs[number].clone());
            let moves = all(&|p| p.moves.layers[number].clone());
            gradients.put(layer.weight, scaled(inputs.transpose().product(moves)));
            if let Some(index) = layer.bias {
                gradients.put(index, scaled(all(&|p| p.bias[number].clone()).sum_dim(0)));
            }
            if let Some(index) = layer.norm {
                gradients.put(index, scaled(all(&|p| p.moves.norms[number].0.clone()).sum_dim(0)));
                gradients.put(index + 1, scaled(all(&|p| p.moves.norms[number].1.clone()).sum_dim(0)));
            }
        }
        let rows: Vec<EntityRef> = parts.iter().flat_map(|p| p.rows.iter().copied()).collect();
        let weight = self.weight(parameters, 0);
        let at_features = |p: &LowRankStep| match &p.moves.features {
            Some(features) => features.clone(),
            None => p.moves.layers[0].clone().product(weight.clone().transpose()),
        };
        let features = scaled(all(&at_features));
        for (place, feature) in self.features.iter().enumerate() {
            feature.accumulate(gradients, &rows, features.clone().narrow(1, place * self.width, self.width));
        }
    }
}
