//! The two-tower model: SF(u, i) = x_u . y_i (algorithms.md B.1), its inner
//! step and its outer gradient for many users at once.

use crate::dataset::Catalog;
use crate::model::encoder::{Encoder, Step, Trace};
use crate::model::features::Row;
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::Parameters;
use crate::model::ModelConfig;
use crate::random::Key;
use crate::tensor::{Device, Tensor, from_vec, read};
use crate::{Error, Result};

/// Tasks whose numbers of items differ by no more than this factor share a
/// group, so that padding costs little and a long history costs its own rows.
const GROUP_RATIO: f64 = 1.5;

/// One shard's model.
#[derive(Debug, Clone)]
pub struct TwoTower {
    pub(super) user: Encoder,
    pub(super) item: Encoder,
    pub(super) items: u32,
    parameters: Parameters,
    margin: f32,
}

/// Adapted parameters of a batch of tasks, held as low-rank steps on the
/// shared ones. Exists only between a request and its answer (rule 8).
#[derive(Debug, Clone)]
pub struct Adapted {
    pub(super) groups: Vec<Group>,
    /// The loss of each task at the parameters before the first step.
    pub losses: Vec<f32>,
}

/// Tasks of similar size, computed together.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Places in the batch.
    pub(super) tasks: Vec<usize>,
    pub(super) user: Vec<Step>,
    pub(super) item: Vec<Step>,
}

impl Adapted {
    /// No adaptation: theta_u = theta for every task.
    pub fn none(tasks: usize) -> Self {
        let group = Group { tasks: (0..tasks).collect(), user: Vec::new(), item: Vec::new() };
        Self { groups: vec![group], losses: vec![0.0; tasks] }
    }
}

/// Groups tasks by number of items, smallest first.
fn group(items: &[TaskItems]) -> Vec<Group> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&task| (items[task].items.len(), task));
    let mut groups: Vec<Group> = Vec::new();
    let mut limit = 0;
    for task in order {
        let count = items[task].items.len();
        if groups.is_empty() || count > limit {
            limit = (count as f64 * GROUP_RATIO) as usize;
            groups.push(Group { tasks: Vec::new(), user: Vec::new(), item: Vec::new() });
        }
        if let Some(group) = groups.last_mut() {
            group.tasks.push(task);
        }
    }
    groups
}

/// Rows of a group padded to the longest: the first item again, which weighs nothing.
fn padded(items: &[TaskItems], tasks: &[usize]) -> (Vec<Row>, usize) {
    let longest = tasks.iter().map(|&t| items[t].items.len()).max().unwrap_or(0);
    let mut rows = Vec::with_capacity(tasks.len() * longest);
    for &task in tasks {
        let own = &items[task].items;
        rows.extend((0..longest).map(|place| Row::Known(own.get(place).or(own.first()).copied().unwrap_or(0))));
    }
    (rows, longest)
}

impl TwoTower {
    /// A model at its start: every value a function of (seed, shard, tensor, row).
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(catalog: &Catalog, config: &ModelConfig, key: &Key, shard: u32, device: &Device) -> Result<Self> {
        config.check()?;
        let (user, mut declared) = Encoder::new("user", &catalog.users, config, 0, device);
        let (item, more) = Encoder::new("item", &catalog.items, config, declared.len(), device);
        declared.extend(more);
        let parameters = Parameters::initial(declared, key, shard, device);
        Ok(Self { user, item, items: catalog.items.len() as u32, parameters, margin: config.margin })
    }

    /// The shared parameters theta.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The shared parameters, for an optimiser or a loader.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Whether a user row can be read by this model.
    ///
    /// # Errors
    /// When it has an unknown value and the model has no unknown rows.
    pub fn check_row(&self, row: Row) -> Result<()> {
        if self.user.features().iter().all(|feature| feature.takes(row)) {
            Ok(())
        } else {
            Err(Error::Config("this model was trained without unknown rows, so it knows only its own users".into()))
        }
    }

    /// `steps` inner steps of every task: theta_u <- theta_u - alpha * grad of
    /// the mean hinge loss over the task's pairs (Eq 1, Algorithm 1 line 6).
    ///
    /// # Errors
    /// When a score is not a number or the device fails.
    pub async fn inner_steps(&self, tasks: &[Task], alpha: f32, steps: usize) -> Result<Adapted> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let mut adapted = Adapted { groups: group(&items), losses: vec![0.0; tasks.len()] };
        if steps == 0 || items.iter().all(|t| t.items.is_empty()) {
            return Ok(adapted);
        }
        self.first_step(tasks, &items, alpha, &mut adapted).await?;
        for _ in 1..steps {
            for group in &mut adapted.groups {
                self.next_step(tasks, &items, alpha, group).await?;
            }
        }
        Ok(adapted)
    }

    /// The first step: every task stands at theta, so the towers run once on
    /// the distinct items of the batch and once per user.
    async fn first_step(&self, tasks: &[Task], items: &[TaskItems], alpha: f32, adapted: &mut Adapted) -> Result<()> {
        let device = self.parameters.device();
        let mut distinct: Vec<u32> = items.iter().flat_map(|t| t.items.iter().copied()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let place = |item: u32| distinct.partition_point(|&i| i < item) as u32;
        let item_trace =
            self.item.forward(&self.parameters, distinct.iter().map(|&i| Row::Known(i)).collect(), 1, &[], true);
        let user_trace = self.user.forward(&self.parameters, tasks.iter().map(|t| t.user).collect(), 1, &[], true);

        let places: Vec<Vec<u32>> = items.iter().map(|t| t.items.iter().map(|&i| place(i)).collect()).collect();
        let pairs_of_rows: Vec<(u32, u32)> = places
            .iter()
            .enumerate()
            .flat_map(|(task, places)| places.iter().map(move |&place| (task as u32, place)))
            .collect();
        let x = user_trace.picked_output(&pairs_of_rows.iter().map(|r| r.0).collect::<Vec<_>>());
        let y = item_trace.picked_output(&pairs_of_rows.iter().map(|r| r.1).collect::<Vec<_>>());
        let scores = read((x * y).sum_dim(1)).await?;

        let mut gradients = Vec::with_capacity(tasks.len());
        let mut start = 0;
        for (task, items) in items.iter().enumerate() {
            let end = start + items.items.len();
            let (loss, gradient) = items.hinge(&scores[start..end], self.margin, 1.0)?;
            adapted.losses[task] = loss;
            gradients.push(gradient);
            start = end;
        }
        for group in &mut adapted.groups {
            // Rows on which the loss does not depend are dropped before the backward pass.
            let live: Vec<Vec<usize>> = group
                .tasks
                .iter()
                .map(|&t| (0..gradients[t].len()).filter(|&p| gradients[t][p] != 0.0).collect())
                .collect();
            let n = live.iter().map(Vec::len).max().unwrap_or(0);
            if n == 0 {
                continue;
            }
            let count = group.tasks.len();
            let (mut picked, mut weights) = (Vec::with_capacity(count * n), Vec::with_capacity(count * n));
            for (&task, live) in group.tasks.iter().zip(&live) {
                for place in 0..n {
                    match live.get(place) {
                        Some(&row) => {
                            picked.push(places[task][row]);
                            weights.push(-alpha * gradients[task][row]);
                        }
                        None => {
                            picked.push(places[task].first().copied().unwrap_or(0));
                            weights.push(0.0);
                        }
                    }
                }
            }
            let users: Vec<u32> = group.tasks.iter().map(|&t| t as u32).collect();
            let width = item_trace.output.dims()[2];
            let weights = from_vec(weights, [count, n, 1], &device);
            let x = user_trace.picked_output(&users).reshape([count, 1, width]);
            let y = item_trace.picked_output(&picked).reshape([count, n, width]);
            let (user_upstream, item_upstream) = coupled(&weights, &x, &y);

            let deltas = self.item.backward(&self.parameters, &item_trace, Some(&picked), item_upstream, &[]);
            let rows = picked.iter().map(|&p| Row::Known(distinct[p as usize])).collect();
            group.item.push(Step::new(rows, item_trace.picked_inputs(&picked, count), deltas));

            let deltas = self.user.backward(&self.parameters, &user_trace, Some(&users), user_upstream, &[]);
            let rows = group.tasks.iter().map(|&t| tasks[t].user).collect();
            group.user.push(Step::new(rows, user_trace.picked_inputs(&users, count), deltas));
        }
        Ok(())
    }

    /// A later step: each task stands at its own theta_u.
    async fn next_step(&self, tasks: &[Task], items: &[TaskItems], alpha: f32, group: &mut Group) -> Result<()> {
        let Some(pass) = self.pass(tasks, items, group, -alpha).await? else { return Ok(()) };
        let (user_upstream, item_upstream) = coupled(&pass.weights, &pass.user.output, &pass.item.output);
        let deltas = self.item.backward(&self.parameters, &pass.item, None, item_upstream, &group.item);
        group.item.push(pass.item.into_step(deltas));
        let deltas = self.user.backward(&self.parameters, &pass.user, None, user_upstream, &group.user);
        group.user.push(pass.user.into_step(deltas));
        Ok(())
    }

    /// A forward pass of one group's tasks at theta_u, and the loss gradient
    /// at their scores.
    async fn pass(&self, tasks: &[Task], items: &[TaskItems], group: &Group, weight: f32) -> Result<Option<Pass>> {
        let (rows, n) = padded(items, &group.tasks);
        if n == 0 {
            return Ok(None);
        }
        let count = group.tasks.len();
        let users = group.tasks.iter().map(|&t| tasks[t].user).collect();
        let user = self.user.forward(&self.parameters, users, count, &group.user, true);
        let item = self.item.forward(&self.parameters, rows, count, &group.item, true);
        let scores = read(item.output.clone().matmul(user.output.clone().transpose())).await?;
        let mut losses = Vec::with_capacity(count);
        let mut weights = Vec::with_capacity(count * n);
        for (&task, scores) in group.tasks.iter().zip(scores.chunks(n)) {
            let (loss, gradient) = items[task].hinge(scores, self.margin, weight)?;
            losses.push(loss);
            weights.extend(gradient);
        }
        let weights = from_vec(weights, [count, n, 1], &self.parameters.device());
        Ok(Some(Pass { user, item, weights, losses }))
    }

    /// The gradient of the tasks' losses at theta_u, summed over tasks with
    /// the given weight each, to be applied to theta (Algorithm 1 lines 8 and
    /// 10, first order). `adapted` must come from as many tasks.
    ///
    /// # Errors
    /// When a score is not a number or the device fails.
    pub async fn outer_gradient(&self, tasks: &[Task], adapted: &Adapted, weight: f32) -> Result<(Parameters, Vec<f32>)> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let mut losses = vec![0.0; tasks.len()];
        let (mut user_parts, mut item_parts) = (Vec::new(), Vec::new());
        for group in &adapted.groups {
            let Some(pass) = self.pass(tasks, &items, group, weight).await? else { continue };
            for (&task, loss) in group.tasks.iter().zip(&pass.losses) {
                losses[task] = *loss;
            }
            let (user_upstream, item_upstream) = coupled(&pass.weights, &pass.user.output, &pass.item.output);
            let deltas = self.item.backward(&self.parameters, &pass.item, None, item_upstream, &group.item);
            item_parts.push(pass.item.into_step(deltas));
            let deltas = self.user.backward(&self.parameters, &pass.user, None, user_upstream, &group.user);
            user_parts.push(pass.user.into_step(deltas));
        }
        Ok((self.gradient_of(&user_parts.iter().collect::<Vec<_>>(), &item_parts.iter().collect::<Vec<_>>(), 1.0), losses))
    }

    /// The parameter gradient that passes of both towers add up to.
    fn gradient_of(&self, user: &[&Step], item: &[&Step], factor: f32) -> Parameters {
        let mut gradients = self.parameters.zeros_like();
        self.user.accumulate(&mut gradients, user, factor);
        self.item.accumulate(&mut gradients, item, factor);
        gradients
    }

    /// The gradient of the mean loss over all pairs of all tasks at theta
    /// itself: ordinary training, in which the towers run once on the distinct
    /// items of the batch.
    ///
    /// # Errors
    /// When a score is not a number or the device fails.
    pub async fn joint_gradient(&self, tasks: &[Task]) -> Result<(Parameters, f32)> {
        let device = self.parameters.device();
        let total: usize = tasks.iter().map(|t| t.pairs.len()).sum();
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let mut distinct: Vec<u32> = items.iter().flat_map(|t| t.items.iter().copied()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        if total == 0 {
            return Ok((self.parameters.zeros_like(), 0.0));
        }
        let rows = distinct.iter().map(|&i| Row::Known(i)).collect();
        let item_trace = self.item.forward(&self.parameters, rows, 1, &[], true);
        let user_trace = self.user.forward(&self.parameters, tasks.iter().map(|t| t.user).collect(), 1, &[], true);
        let scores = read(user_trace.output.clone().matmul(item_trace.output.clone().transpose())).await?;
        let mut weights = vec![0.0; tasks.len() * distinct.len()];
        let mut loss = 0.0;
        for (task, items) in items.iter().enumerate() {
            let places: Vec<usize> = items.items.iter().map(|&i| distinct.partition_point(|&d| d < i)).collect();
            let from = task * distinct.len();
            let own: Vec<f32> = places.iter().map(|&p| scores[from + p]).collect();
            let share = items.pairs.len() as f32 / total as f32;
            let (mean, gradient) = items.hinge(&own, self.margin, share)?;
            loss += mean * share;
            for (&place, g) in places.iter().zip(gradient) {
                weights[from + place] = g;
            }
        }
        let weights = from_vec(weights, [1, tasks.len(), distinct.len()], &device);
        let item_upstream = weights.clone().transpose().matmul(user_trace.output.clone());
        let user_upstream = weights.matmul(item_trace.output.clone());
        let item = self.item.backward(&self.parameters, &item_trace, None, item_upstream, &[]);
        let user = self.user.backward(&self.parameters, &user_trace, None, user_upstream, &[]);
        Ok((self.gradient_of(&[&user_trace.into_step(user)], &[&item_trace.into_step(item)], 1.0), loss))
    }

    /// The mean move of Reptile: (1/B) sum_u (phi_u - theta).
    pub fn mean_move(&self, adapted: &Adapted) -> Parameters {
        let share = 1.0 / adapted.losses.len().max(1) as f32;
        let user: Vec<&Step> = adapted.groups.iter().flat_map(|group| &group.user).collect();
        let item: Vec<&Step> = adapted.groups.iter().flat_map(|group| &group.item).collect();
        self.gradient_of(&user, &item, share)
    }

    /// x_u at theta_u for every task, [tasks, output], in the tasks' order.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn user_vectors(&self, users: &[Row], adapted: &Adapted) -> Result<Vec<Vec<f32>>> {
        let mut vectors = vec![Vec::new(); users.len()];
        for group in &adapted.groups {
            let rows = group.tasks.iter().map(|&t| users[t]).collect();
            let trace = self.user.forward(&self.parameters, rows, group.tasks.len(), &group.user, false);
            let width = trace.output.dims()[2];
            for (&task, vector) in group.tasks.iter().zip(read(trace.output).await?.chunks(width)) {
                vectors[task] = vector.to_vec();
            }
        }
        Ok(vectors)
    }
}

struct Pass {
    user: Trace,
    item: Trace,
    weights: Tensor<3>,
    losses: Vec<f32>,
}

/// The gradient at both towers' outputs of sum_j c_j (x . y_j):
/// sum_j c_j y_j for the user, c_j x for each item.
fn coupled(weights: &Tensor<3>, x: &Tensor<3>, y: &Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    (weights.clone().transpose().matmul(y.clone()), weights.clone().matmul(x.clone()))
}
