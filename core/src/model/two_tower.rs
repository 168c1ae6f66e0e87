//! The two-tower model: SF(u, i) = x_u . y_i (algorithms.md B.1), its inner
//! step and its outer gradient for many users at once.

use crate::dataset::Catalog;
use crate::model::ModelConfig;
use crate::model::encoder::Encoder;
use crate::model::features::Row;
use crate::model::layout::{Layout, by_size};
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::Parameters;
use crate::model::step::Step;
use crate::random::Key;
use crate::tensor::{Device, Tensor, from_vec, read};
use crate::{Error, Result};

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
    /// Places in the batch, smallest task first.
    pub(super) order: Vec<usize>,
    /// How many tasks of that order stand in each block.
    pub(super) blocks: Vec<usize>,
    pub(super) user: Vec<Step>,
    pub(super) item: Vec<Step>,
    /// The loss of each task at the parameters before the first step.
    pub losses: Vec<f32>,
}

impl Adapted {
    /// No adaptation: theta_u = theta for every task.
    pub fn none(tasks: usize) -> Self {
        Self {
            order: (0..tasks).collect(),
            blocks: vec![tasks],
            user: Vec::new(),
            item: Vec::new(),
            losses: vec![0.0; tasks],
        }
    }

    /// One row a task.
    fn user_layout(&self) -> Layout {
        Layout::new([(self.order.len(), 1)])
    }

    /// Rows of every task padded to the longest of its block.
    fn padded<T: Copy>(&self, of: impl Fn(usize) -> Vec<T>, filler: T) -> (Vec<T>, Layout) {
        let (mut rows, mut blocks, mut first) = (Vec::new(), Vec::new(), 0);
        for &tasks in &self.blocks {
            let own: Vec<Vec<T>> = self.order[first..first + tasks].iter().map(|&task| of(task)).collect();
            let longest = own.iter().map(Vec::len).max().unwrap_or(0);
            for list in own {
                let missing = longest - list.len();
                rows.extend(list);
                rows.extend(std::iter::repeat_n(filler, missing));
            }
            blocks.push((tasks, longest));
            first += tasks;
        }
        (rows, Layout::new(blocks))
    }
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
        // A second tensor of a name would be lost when the model is saved.
        let mut names: Vec<&str> = declared.iter().map(|d| d.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            let problem = format!("model: two parameters would be called '{}'; rename the feature", twice[0]);
            return Err(Error::Config(problem));
        }
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
        let (order, blocks) = by_size(&items.iter().map(|t| t.items.len()).collect::<Vec<_>>());
        let mut adapted = Adapted { order, blocks, user: Vec::new(), item: Vec::new(), losses: vec![0.0; tasks.len()] };
        if steps == 0 || items.iter().all(|t| t.items.is_empty()) {
            return Ok(adapted);
        }
        self.first_step(tasks, &items, alpha, &mut adapted).await?;
        for _ in 1..steps {
            self.next_step(tasks, &items, alpha, &mut adapted).await?;
        }
        Ok(adapted)
    }

    /// The first step: every task stands at theta, so the towers run once on
    /// the distinct items of the batch and once per user.
    async fn first_step(&self, tasks: &[Task], items: &[TaskItems], alpha: f32, adapted: &mut Adapted) -> Result<()> {
        let (distinct, places) = distinct_items(items);
        let rows: Vec<Row> = distinct.iter().map(|&i| Row::Known(i)).collect();
        let item_trace = self.item.forward(&self.parameters, rows, &Layout::shared(distinct.len()), &[], true);
        let users: Vec<Row> = adapted.order.iter().map(|&t| tasks[t].user).collect();
        let user_layout = adapted.user_layout();
        let user_trace = self.user.forward(&self.parameters, users.clone(), &user_layout, &[], true);

        // Scores of each task's own items.
        let (mut user_of, mut item_of) = (Vec::new(), Vec::new());
        for (number, &task) in adapted.order.iter().enumerate() {
            user_of.extend(std::iter::repeat_n(number as u32, places[task].len()));
            item_of.extend_from_slice(&places[task]);
        }
        let x = user_trace.picked_output(&user_of);
        let scores = read((x * item_trace.picked_output(&item_of)).sum_dim(1)).await?;
        let mut start = 0;
        let mut live: Vec<Vec<(u32, f32)>> = vec![Vec::new(); tasks.len()];
        for &task in &adapted.order {
            let end = start + places[task].len();
            let (loss, gradient) = items[task].hinge(&scores[start..end], self.margin, -alpha)?;
            adapted.losses[task] = loss;
            // Rows on which the loss does not depend are dropped before the backward pass.
            live[task] = places[task].iter().copied().zip(gradient).filter(|(_, g)| *g != 0.0).collect();
            start = end;
        }
        let (rows, layout) = adapted.padded(|task| live[task].clone(), (0, 0.0));
        if rows.is_empty() {
            return Ok(());
        }
        let (picked, weights): (Vec<u32>, Vec<f32>) = rows.into_iter().unzip();
        let y = item_trace.picked_output(&picked);
        let (user_upstream, item_upstream) = coupled(&weights, &user_trace.output, &y, &layout);
        let deltas = self.item.backward(&self.parameters, &item_trace, Some(&picked), item_upstream, &layout, &[]);
        let rows = picked.iter().map(|&p| Row::Known(distinct[p as usize])).collect();
        let inputs = item_trace.picked_inputs(&picked);
        adapted.item.push(Step::new(rows, layout, inputs, deltas));
        let deltas = self.user.backward(&self.parameters, &user_trace, None, user_upstream, &user_layout, &[]);
        adapted.user.push(user_trace.into_step(user_layout, deltas));
        Ok(())
    }

    /// A later step: each task stands at its own theta_u.
    async fn next_step(&self, tasks: &[Task], items: &[TaskItems], alpha: f32, adapted: &mut Adapted) -> Result<()> {
        let Some((_, user, item)) = self.pass(tasks, items, adapted, -alpha).await? else { return Ok(()) };
        adapted.item.push(item);
        adapted.user.push(user);
        Ok(())
    }

    /// Forward and backward of all tasks at theta_u, with `weight` times the
    /// gradient of each task's mean loss: the losses and both towers' passes.
    async fn pass(
        &self,
        tasks: &[Task],
        items: &[TaskItems],
        adapted: &Adapted,
        weight: f32,
    ) -> Result<Option<(Vec<f32>, Step, Step)>> {
        let (rows, layout) = adapted.padded(|task| items[task].items.clone(), 0);
        if rows.is_empty() {
            return Ok(None);
        }
        let users = adapted.order.iter().map(|&t| tasks[t].user).collect();
        let user_layout = adapted.user_layout();
        let user = self.user.forward(&self.parameters, users, &user_layout, &adapted.user, true);
        let rows = rows.into_iter().map(Row::Known).collect();
        let item = self.item.forward(&self.parameters, rows, &layout, &adapted.item, true);
        let x = user.picked_output(&layout.task_of_rows());
        let scores = read((x * item.output.clone()).sum_dim(1)).await?;
        let mut losses = vec![0.0; tasks.len()];
        let mut weights = Vec::with_capacity(scores.len());
        for (&task, ends) in adapted.order.iter().zip(layout.segments().windows(2)) {
            let (loss, gradient) = items[task].hinge(&scores[ends[0]..ends[1]], self.margin, weight)?;
            losses[task] = loss;
            weights.extend(gradient);
        }
        let (user_upstream, item_upstream) = coupled(&weights, &user.output, &item.output, &layout);
        let deltas = self.item.backward(&self.parameters, &item, None, item_upstream, &layout, &adapted.item);
        let item = item.into_step(layout, deltas);
        let deltas = self.user.backward(&self.parameters, &user, None, user_upstream, &user_layout, &adapted.user);
        Ok(Some((losses, user.into_step(user_layout, deltas), item)))
    }

    /// The gradient of the tasks' losses at theta_u, summed over tasks with
    /// the given weight each, to be applied to theta (Algorithm 1 lines 8 and
    /// 10, first order). `adapted` must come from as many tasks.
    ///
    /// # Errors
    /// When a score is not a number or the device fails.
    pub async fn outer_gradient(
        &self,
        tasks: &[Task],
        adapted: &Adapted,
        weight: f32,
    ) -> Result<(Parameters, Vec<f32>)> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        Ok(match self.pass(tasks, &items, adapted, weight).await? {
            None => (self.parameters.zeros_like(), vec![0.0; tasks.len()]),
            Some((losses, user, item)) => (self.gradient_of(&[user], &[item], 1.0), losses),
        })
    }

    /// The parameter gradient that passes of both towers add up to.
    fn gradient_of(&self, user: &[Step], item: &[Step], factor: f32) -> Parameters {
        let mut gradients = self.parameters.zeros_like();
        self.user.accumulate(&self.parameters, &mut gradients, user, factor);
        self.item.accumulate(&self.parameters, &mut gradients, item, factor);
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
        if total == 0 {
            return Ok((self.parameters.zeros_like(), 0.0));
        }
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let (distinct, places) = distinct_items(&items);
        let rows: Vec<Row> = distinct.iter().map(|&i| Row::Known(i)).collect();
        let (user_layout, item_layout) = (Layout::shared(tasks.len()), Layout::shared(distinct.len()));
        let item_trace = self.item.forward(&self.parameters, rows, &item_layout, &[], true);
        let users = tasks.iter().map(|t| t.user).collect();
        let user_trace = self.user.forward(&self.parameters, users, &user_layout, &[], true);
        let scores = read(user_trace.output.clone().matmul(item_trace.output.clone().transpose())).await?;
        let mut weights = vec![0.0; tasks.len() * distinct.len()];
        let mut loss = 0.0;
        for (task, (items, places)) in items.iter().zip(&places).enumerate() {
            let from = task * distinct.len();
            let own: Vec<f32> = places.iter().map(|&p| scores[from + p as usize]).collect();
            let share = items.pairs.len() as f32 / total as f32;
            let (mean, gradient) = items.hinge(&own, self.margin, share)?;
            loss += mean * share;
            for (&place, g) in places.iter().zip(gradient) {
                weights[from + place as usize] = g;
            }
        }
        let weights = from_vec(weights, [tasks.len(), distinct.len()], &device);
        let item_upstream = weights.clone().transpose().matmul(user_trace.output.clone());
        let user_upstream = weights.matmul(item_trace.output.clone());
        let item = self.item.backward(&self.parameters, &item_trace, None, item_upstream, &item_layout, &[]);
        let user = self.user.backward(&self.parameters, &user_trace, None, user_upstream, &user_layout, &[]);
        let parts = (user_trace.into_step(user_layout, user), item_trace.into_step(item_layout, item));
        Ok((self.gradient_of(&[parts.0], &[parts.1], 1.0), loss))
    }

    /// The mean move of Reptile: (1/B) sum_u (phi_u - theta).
    pub fn mean_move(&self, adapted: &Adapted) -> Parameters {
        let share = 1.0 / adapted.losses.len().max(1) as f32;
        self.gradient_of(&adapted.user, &adapted.item, share)
    }

    /// x_u at theta_u for every task, [tasks, output], in the order of `adapted`.
    pub(super) fn adapted_users(&self, users: &[Row], adapted: &Adapted) -> Tensor<2> {
        let rows = adapted.order.iter().map(|&t| users[t]).collect();
        self.user.forward(&self.parameters, rows, &adapted.user_layout(), &adapted.user, false).output
    }

    /// x_u at theta_u for every task, in the tasks' order.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn user_vectors(&self, users: &[Row], adapted: &Adapted) -> Result<Vec<Vec<f32>>> {
        let output = self.adapted_users(users, adapted);
        let width = output.dims()[1];
        let mut vectors = vec![Vec::new(); users.len()];
        for (&task, vector) in adapted.order.iter().zip(read(output).await?.chunks(width)) {
            vectors[task] = vector.to_vec();
        }
        Ok(vectors)
    }
}

/// The distinct items of a batch, ascending, and each task's places among them.
fn distinct_items(items: &[TaskItems]) -> (Vec<u32>, Vec<Vec<u32>>) {
    let mut distinct: Vec<u32> = items.iter().flat_map(|t| t.items.iter().copied()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |item: u32| distinct.partition_point(|&d| d < item) as u32;
    let places = items.iter().map(|t| t.items.iter().map(|&i| place(i)).collect()).collect();
    (distinct, places)
}

/// The gradient at both towers' outputs of sum_j c_j (x . y_j), where every
/// task has its own x: sum_j c_j y_j for the user, c_j x for each item.
fn coupled(weights: &[f32], x: &Tensor<2>, y: &Tensor<2>, layout: &Layout) -> (Tensor<2>, Tensor<2>) {
    let [rows, width] = y.dims();
    let weights = from_vec(weights.to_vec(), [rows, 1], &y.device());
    let parts = layout.blocks().iter().map(|block| {
        let x = x.clone().narrow(0, block.first_task, block.tasks);
        if block.rows == 0 {
            return (x.zeros_like(), Tensor::zeros([0, width], &y.device()));
        }
        let own = block.of(&weights);
        let user = own.clone().transpose().matmul(block.of(y)).reshape([block.tasks, width]);
        let item = own.matmul(x.reshape([block.tasks, 1, width]));
        (user, item.reshape([block.tasks * block.rows, width]))
    });
    let (user, item): (Vec<_>, Vec<_>) = parts.unzip();
    (Tensor::cat(user, 0), Tensor::cat(item, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Column, Entities, Values};

    #[test]
    fn features_must_not_share_a_name() {
        let entities = |names: &[&str]| {
            let values = Values::Token { vocabulary: vec!["a".into()], rows: vec![0] };
            let columns = names.iter().map(|n| Column { name: (*n).into(), values: values.clone() }).collect();
            Entities::new(vec!["1".into()], Vec::new(), columns).unwrap()
        };
        let new = |users: &[&str], identifiers| {
            let catalog = Catalog { dataset: "x".into(), version: 1, users: entities(users), items: entities(&["b"]) };
            let config = ModelConfig { identifiers, ..ModelConfig::small() };
            TwoTower::new(&catalog, &config, &Key::from_seed(1), 0, &Device::Flex(Default::default()))
        };
        assert!(new(&["a", "b"], true).is_ok() && new(&["id"], false).is_ok());
        for found in [new(&["id"], true), new(&["a", "a"], false)] {
            assert!(found.unwrap_err().to_string().contains("rename the feature"));
        }
    }
}
