//! The slow reference implementation: one user at a time, a copy of every
//! parameter for each, and reverse-mode differentiation of the plain network.
//! It uses no optimisation, so that the fast code can be tested against it.
//!
//! It shares with the core the catalogue, the configuration and the names of
//! the parameters. The way from features to inputs is implemented here again.

pub mod episodes;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use burn::tensor::activation::relu;
use eemu_core::data::{Catalog, Entities, UNKNOWN, Values};
use eemu_core::model::{EntityRef, ModelConfig, ModelKind, Pair, Task, TensorMap};
use eemu_core::tensor::{Device, Tensor, from_vec, indices};

/// LayerNorm's epsilon.
const EPSILON: f32 = 1e-5;

/// Lets one thread at a time build a graph: a backward pass of Burn 0.21 drops
/// steps of graphs that other threads are building, and so their gradients
/// (tracel-ai/burn#5573).
static GRAPH: Mutex<()> = Mutex::new(());

/// The plain network for one catalogue: two towers, or DeepFM.
pub struct Slow {
    device: Device,
    tracking: Device,
    margin: f32,
    kind: ModelKind,
    width: usize,
    users: Side,
    items: Side,
}

/// One side's features as the raw inputs of linear layers.
struct Side {
    name: &'static str,
    count: u32,
    features: Vec<Feature>,
}

struct Feature {
    name: String,
    input: Input,
}

enum Input {
    /// One category for each row. `personal` marks the identifier, which an
    /// unnamed row lacks.
    Category { rows: Vec<Option<u32>>, size: usize, personal: bool },
    /// Numbers for each row, and a last row of zeros for `Nobody`.
    Numbers { matrix: Tensor<2>, weight: &'static str, biased: bool },
}

/// A user's own copy of every parameter.
pub struct Theta(BTreeMap<String, Tensor<2>>);

/// A gradient; parameters that do not affect the loss are absent.
pub type Gradient = BTreeMap<String, Tensor<2>>;

/// The loss of one task and its gradient.
pub struct Judged {
    /// Mean hinge loss; zero without pairs.
    pub loss: f32,
    /// Its gradient at the parameters it was taken at.
    pub gradient: Gradient,
    /// The smallest distance of a pair from the hinge, where the gradient
    /// jumps.
    pub nearest: f32,
}

/// One user's parameters after the inner steps.
pub struct Adapted {
    /// theta_u.
    pub theta: Theta,
    /// The loss and gradient of each step that was kept.
    pub steps: Vec<Judged>,
    /// Whether the step after those diverged and was taken back.
    pub taken_back: bool,
    /// The smallest distance from a discontinuity: of a pair from the hinge, or
    /// of a loss from the limit of divergence.
    pub nearest: f32,
}

impl Side {
    fn new(name: &'static str, entities: &Entities, config: &ModelConfig, device: &Device) -> Self {
        let mut features = Vec::new();
        if config.identifiers {
            let rows = (0..entities.len() as u32).map(Some).collect();
            let input = Input::Category { rows, size: entities.len(), personal: true };
            features.push(Feature { name: "id".into(), input });
        }
        for column in entities.columns.iter() {
            let input = match &column.values {
                Values::Token { vocabulary, rows } => Input::Category {
                    rows: rows.iter().map(|&value| (value != UNKNOWN).then_some(value)).collect(),
                    size: vocabulary.len(),
                    personal: false,
                },
                Values::TokenSeq { .. } | Values::Buckets { .. } => {
                    let (size, rows) = match &column.values {
                        Values::TokenSeq { vocabulary, rows } => (vocabulary.len(), rows),
                        Values::Buckets { count, rows, .. } => (*count as usize, rows),
                        Values::Token { .. } | Values::Dense { .. } => continue,
                    };
                    let mut marks = vec![0.0; (rows.len() + 1) * size];
                    for (row, tokens) in rows.iter().enumerate() {
                        tokens.iter().for_each(|&token| marks[row * size + token as usize] = 1.0);
                    }
                    let matrix = from_vec(marks, [rows.len() + 1, size], device);
                    Input::Numbers { matrix, weight: "table", biased: false }
                }
                Values::Dense { width, rows } => {
                    let mut numbers = rows.clone();
                    numbers.resize(rows.len() + width, 0.0);
                    let matrix = from_vec(numbers, [entities.len() + 1, *width], device);
                    Input::Numbers { matrix, weight: "weight", biased: true }
                }
            };
            features.push(Feature { name: column.name.clone(), input });
        }
        Self { name, count: entities.len() as u32, features }
    }
}

impl Theta {
    fn get(&self, name: &str) -> Result<Tensor<2>> {
        self.0.get(name).cloned().with_context(|| format!("no parameter '{name}'"))
    }

    /// The same values outside any graph.
    fn plain(&self) -> Self {
        Self(self.0.iter().map(|(name, value)| (name.clone(), value.clone().inner())).collect())
    }

    /// theta - rate * gradient, for every parameter.
    fn stepped(&self, gradient: &Gradient, rate: f32) -> Self {
        let moved = self.0.iter().map(|(name, value)| {
            let value = match gradient.get(name) {
                Some(gradient) => value.clone().inner() - gradient.clone() * rate,
                None => value.clone().inner(),
            };
            (name.clone(), Tensor::from_inner(value).require_grad())
        });
        Self(moved.collect())
    }
}

impl Slow {
    /// The network over a catalogue, computing on `device`.
    pub fn new(catalog: &Catalog, config: &ModelConfig, device: &Device) -> Self {
        Self {
            device: device.clone(),
            tracking: Device::autodiff(device.clone()),
            margin: config.margin,
            kind: config.kind,
            width: config.width,
            users: Side::new("user", &catalog.users, config, device),
            items: Side::new("item", &catalog.items, config, device),
        }
    }

    /// Copies all parameters for a user.
    pub fn copy(&self, values: &TensorMap) -> Theta {
        let copies = values.iter().map(|(name, (shape, numbers))| {
            let columns = shape.last().copied().unwrap_or(1).max(1);
            let rows = numbers.len() / columns;
            (name.clone(), from_vec(numbers.clone(), [rows, columns], &self.tracking).require_grad())
        });
        Theta(copies.collect())
    }

    /// The embeddings of rows, one tensor for each feature. `tracked` says
    /// whether theta is part of a graph.
    fn embed(&self, side: &Side, theta: &Theta, rows: &[EntityRef], tracked: bool) -> Result<Vec<Tensor<2>>> {
        let mut parts = Vec::with_capacity(side.features.len());
        for feature in &side.features {
            let parameter = |what: &str| theta.get(&format!("{}.{}.{what}", side.name, feature.name));
            parts.push(match &feature.input {
                Input::Category { rows: known, size, personal } => {
                    let table = parameter("table")?;
                    // A table that is longer than its vocabulary begins with
                    // the row for unknown values.
                    let extra = table.dims()[0] - size;
                    let places = rows
                        .iter()
                        .map(|row| {
                            let value = match *row {
                                EntityRef::Known(row) => known[row as usize],
                                EntityRef::Unnamed(row) if !personal => known[row as usize],
                                EntityRef::Unnamed(_) | EntityRef::Nobody => None,
                            };
                            ensure!(value.is_some() || extra == 1, "'{}' has no row for the unknown", feature.name);
                            Ok(value.map_or(0, |value| value + extra as u32))
                        })
                        .collect::<Result<Vec<u32>>>()?;
                    table.select(0, indices(places, &self.device))
                }
                Input::Numbers { matrix, weight, biased } => {
                    let places = rows.iter().map(|row| match *row {
                        EntityRef::Known(row) | EntityRef::Unnamed(row) => row,
                        EntityRef::Nobody => side.count,
                    });
                    let numbers = matrix.clone().select(0, indices(places, &self.device));
                    let numbers = if tracked { Tensor::from_inner(numbers) } else { numbers };
                    let embedded = numbers.matmul(parameter(weight)?);
                    if *biased { embedded + parameter("bias")? } else { embedded }
                }
            });
        }
        Ok(parts)
    }

    /// The layers from number `first` on; `name` is the prefix of their
    /// parameters.
    fn layers(theta: &Theta, name: &str, first: usize, mut x: Tensor<2>) -> Result<Tensor<2>> {
        for layer in first.. {
            let parameter = |what: &str| theta.get(&format!("{name}.{layer}.{what}"));
            x = x.matmul(parameter("weight")?) + parameter("bias")?;
            let (Ok(scale), Ok(shift)) = (parameter("norm_scale"), parameter("norm_shift")) else { break };
            x = normed_gelu(x, scale, shift);
        }
        Ok(x)
    }

    /// The outputs of a tower for rows.
    fn tower(&self, side: &Side, theta: &Theta, rows: &[EntityRef], tracked: bool) -> Result<Tensor<2>> {
        let x = Tensor::cat(self.embed(side, theta, rows, tracked)?, 1);
        Self::layers(theta, &format!("{}.tower", side.name), 0, x)
    }

    /// The scores of item rows for one user, [rows, 1].
    fn score(&self, theta: &Theta, user: EntityRef, rows: &[EntityRef], tracked: bool) -> Result<Tensor<2>> {
        match self.kind {
            ModelKind::TwoTower => {
                let x = self.tower(&self.users, theta, &[user], tracked)?;
                Ok(self.tower(&self.items, theta, rows, tracked)?.matmul(x.transpose()))
            }
            _ => self.deep_fm(theta, user, rows, tracked),
        }
    }

    /// DeepFM by its definition: every row is a user and an item with all their
    /// fields, including the user's own second-order term.
    fn deep_fm(&self, theta: &Theta, user: EntityRef, rows: &[EntityRef], tracked: bool) -> Result<Tensor<2>> {
        let mut fields = self.embed(&self.users, theta, &vec![user; rows.len()], tracked)?;
        let mut first_order = fields[0].clone().narrow(1, 0, 1) * 0.0;
        for table in self.embed(&self.items, theta, rows, tracked)? {
            first_order = first_order + table.clone().narrow(1, self.width, 1);
            fields.push(table.narrow(1, 0, self.width));
        }
        let mut sum = fields[0].clone() * 0.0;
        let mut squares = sum.clone();
        for field in &fields {
            sum = sum + field.clone();
            squares = squares + field.clone().powi_scalar(2);
        }
        let second_order = (sum.powi_scalar(2) - squares).sum_dim(1) * 0.5;
        let halves = vec![theta.get("user.deep.0.weight")?, theta.get("item.deep.0.weight")?];
        let z = Tensor::cat(fields, 1).matmul(Tensor::cat(halves, 0)) + theta.get("item.deep.0.bias")?;
        let (scale, shift) = (theta.get("item.deep.0.norm_scale")?, theta.get("item.deep.0.norm_shift")?);
        let deep = Self::layers(theta, "item.deep", 1, normed_gelu(z, scale, shift))?;
        Ok(first_order + second_order + deep)
    }

    /// The mean hinge loss of a task's pairs, and its gradient at theta.
    ///
    /// # Errors
    /// If theta lacks a parameter, or the task names a value without a row.
    pub fn judge(&self, theta: &Theta, task: &Task) -> Result<Judged> {
        let count = task.pairs.len();
        if count == 0 {
            return Ok(Judged { loss: 0.0, gradient: Gradient::new(), nearest: f32::INFINITY });
        }
        let _alone = GRAPH.lock().unwrap_or_else(PoisonError::into_inner);
        let side = |of: fn(&Pair) -> u32| task.pairs.iter().map(move |pair| EntityRef::Known(of(pair)));
        let rows: Vec<EntityRef> = side(|p| p.positive).chain(side(|p| p.negative)).collect();
        let scores = self.score(theta, task.user, &rows, true)?;
        let violations = scores.clone().narrow(0, count, count) - scores.narrow(0, 0, count) + self.margin;
        let loss = relu(violations.clone()).mean();
        let mut gradients = loss.backward();
        let gradient = theta.0.iter().filter_map(|(name, value)| {
            let gradient = value.grad_remove(&mut gradients)?;
            Some((name.clone(), gradient))
        });
        let gradient = gradient.collect();
        let nearest = read(violations.inner())?.into_iter().map(f32::abs).fold(f32::INFINITY, f32::min);
        Ok(Judged { loss: read(loss.inner())?[0], gradient, nearest })
    }

    /// Copies theta for one user and takes plain gradient steps on the task. A
    /// step that diverges is taken back, and no other follows.
    ///
    /// # Errors
    /// As [`Slow::judge`].
    pub fn adapt(&self, values: &TensorMap, task: &Task, alpha: f32, steps: usize) -> Result<Adapted> {
        let theta = self.copy(values);
        let mut before = None;
        let mut adapted =
            Adapted { theta, steps: Vec::with_capacity(steps), taken_back: false, nearest: f32::INFINITY };
        for _ in 0..steps {
            let step = self.judge(&adapted.theta, task)?;
            adapted.nearest = adapted.nearest.min(step.nearest);
            if let (Some(before), Some(last)) = (before.take(), adapted.steps.last()) {
                let limit = 2.0 * last.loss + self.margin;
                adapted.nearest = adapted.nearest.min((step.loss - limit).abs() / limit);
                if step.loss > limit {
                    adapted.steps.pop();
                    return Ok(Adapted { theta: before, taken_back: true, ..adapted });
                }
            }
            let next = adapted.theta.stepped(&step.gradient, alpha);
            before = Some(std::mem::replace(&mut adapted.theta, next));
            adapted.steps.push(step);
        }
        Ok(adapted)
    }

    /// x_u at theta; for DeepFM the sum of the user's fields, with a one
    /// appended.
    ///
    /// # Errors
    /// As [`Slow::judge`].
    pub fn user_vector(&self, theta: &Theta, user: EntityRef) -> Result<Vec<f32>> {
        let theta = theta.plain();
        if self.kind == ModelKind::TwoTower {
            return read(self.tower(&self.users, &theta, &[user], false)?);
        }
        let mut sum = vec![0.0; self.width];
        for field in self.embed(&self.users, &theta, &[user], false)? {
            sum.iter_mut().zip(read(field)?).for_each(|(sum, value)| *sum += value);
        }
        sum.push(1.0);
        Ok(sum)
    }

    /// The scores of all items for one user at theta.
    ///
    /// # Errors
    /// As [`Slow::judge`].
    pub fn scores(&self, theta: &Theta, user: EntityRef) -> Result<Vec<f32>> {
        let theta = theta.plain();
        let rows: Vec<EntityRef> = (0..self.items.count).map(EntityRef::Known).collect();
        read(self.score(&theta, user, &rows, false)?)
    }
}

/// GELU(LayerNorm(x)).
fn normed_gelu(x: Tensor<2>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    let normed = centred / (variance + EPSILON).sqrt() * scale + shift;
    // Burn's own GELU is not used, because its derivative is that of an
    // approximation.
    normed.clone() * ((normed / std::f32::consts::SQRT_2).erf() + 1.0) * 0.5
}

/// Reads a tensor's values. This blocks the thread, which is not possible in a
/// browser.
///
/// # Errors
/// When the device fails.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    Ok(pollster::block_on(eemu_core::tensor::read(tensor))?)
}
