//! One shard's low-rank model of either kind: the interface for training,
//! adaptation, ranking, evaluation and files. Code outside this folder does not
//! depend on the kind, except for the configuration and for the aggregators
//! ([`Recommender::folds`]).

use crate::data::Catalog;
use crate::model::adapted::{AdaptedParams, LowRankUpdate};
use crate::model::encoder::Encoder;
use crate::model::features::EntityRef;
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::{Gradient, Parameters};
use crate::model::ranking::{ItemBase, tile_of};
use crate::model::step::LowRankStep;
use crate::model::{ModelConfig, ModelKind, deep_fm, linear, two_tower};
use crate::random::Key;
use crate::tensor::{Device, Tensor, read};
use crate::{Error, Result};

/// One shard's model.
#[derive(Debug, Clone)]
pub struct Recommender {
    pub(super) user: Encoder,
    pub(super) item: Encoder,
    pub(super) items: u32,
    pub(super) margin: f32,
    parameters: Parameters,
    form: Form,
}

/// How a model is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Two towers, with a hidden layer in the item tower.
    Towers,
    /// Two towers, with an item tower of one layer.
    Linear,
    DeepFm,
}

/// The result of a forward and backward pass of all tasks: each task's loss and
/// the update, which is empty if no score affects the loss.
pub(super) struct Pass {
    pub(super) losses: Vec<f32>,
    pub(super) moves: LowRankUpdate,
}

/// The users' part of ranking at their theta_u, in the order of an
/// [`AdaptedParams`].
pub(super) struct UserSide {
    /// The users' vectors for the dot product with the items' vectors, [tasks,
    /// width].
    pub(super) vectors: Tensor<2>,
    /// The addition to the items' first layer, [tasks, out].
    pub(super) beside: Option<Tensor<2>>,
}

impl Recommender {
    /// An untrained model: every initial value is a function of (seed, shard,
    /// tensor, row).
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(catalog: &Catalog, config: &ModelConfig, key: &Key, shard: u32, device: &Device) -> Result<Self> {
        config.check()?;
        let (user, item, declared) = match config.kind {
            ModelKind::TwoTower => two_tower::encoders(catalog, config, device),
            ModelKind::DeepFm => deep_fm::encoders(catalog, config, device),
            ModelKind::Episodes | ModelKind::Kernel | ModelKind::Ease => {
                return Err(Error::Config("model: this is for towers and DeepFM only; see --model".into()));
            }
        };
        // Of two tensors with one name, one would be lost when the model is
        // saved.
        let mut names: Vec<&str> = declared.iter().map(|d| d.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            let problem = format!("model: two parameters would be called '{}'; rename the feature", twice[0]);
            return Err(Error::Config(problem));
        }
        let parameters = Parameters::initial(declared, key, shard, device);
        let form = match config.kind {
            ModelKind::DeepFm => Form::DeepFm,
            _ if item.depth() == 1 => Form::Linear,
            _ => Form::Towers,
        };
        Ok(Self { user, item, items: catalog.items.len() as u32, parameters, margin: config.margin, form })
    }

    /// The shared parameters theta.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The shared parameters, for an optimiser or a loader.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Checks that this model can read a user row.
    ///
    /// # Errors
    /// If the row has an unknown value and the model has no rows for unknown
    /// values.
    pub fn check_row(&self, row: EntityRef) -> Result<()> {
        if self.user.features().iter().all(|feature| feature.takes(row)) {
            Ok(())
        } else {
            Err(Error::Config(
                "this model was trained without unknown rows, so it knows only its own users; name one of them".into(),
            ))
        }
    }

    /// `steps` inner steps of every task: theta_u <- theta_u - alpha * grad of
    /// the mean hinge loss over the task's pairs (Eq 1, Algorithm 1 line 6).
    ///
    /// Scores are products of updated factors, so a step that is too long for a
    /// task makes the next one longer, and soon exceeds f32. A step is taken
    /// back if the loss after it is greater than twice the loss before plus the
    /// margin. The next step detects this, and the task stays where it was.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn inner_steps(&self, tasks: &[Task], alpha: f32, steps: usize) -> Result<AdaptedParams> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let mut adapted = self.standing(&items);
        if steps == 0 || items.iter().all(|t| t.items.is_empty()) {
            return Ok(adapted);
        }
        let mut weights = vec![-alpha; tasks.len()];
        // With a dot product the whole first step can be shared between tasks.
        if self.form == Form::Towers {
            two_tower::first_step(self, tasks, &items, alpha, &mut adapted).await?;
        } else {
            let pass = self.pass(tasks, &items, &adapted, &weights).await?;
            (adapted.losses, adapted.moves) = (pass.losses, pass.moves);
        }
        adapted.first = adapted.moves.clone();
        let mut before = adapted.losses.clone();
        for _ in 1..steps {
            let mut pass = self.pass(tasks, &items, &adapted, &weights).await?;
            let mut back = false;
            for (weight, (before, after)) in weights.iter_mut().zip(before.iter().zip(&pass.losses)) {
                if self.ran_away(*before, *after) {
                    (*weight, back) = (0.0, true);
                }
            }
            if back {
                let going: Vec<f32> =
                    adapted.order.iter().map(|&t| if weights[t] == 0.0 { 0.0 } else { 1.0 }).collect();
                let last = adapted.moves.pop();
                adapted.moves.extend(last.scaled(&going));
                pass.moves = pass.moves.scaled(&going);
            }
            adapted.moves.extend(pass.moves);
            before = pass.losses;
        }
        Ok(adapted)
    }

    /// Whether a step diverged, by a task's loss before and after it: the loss
    /// is greater than twice the loss before plus the margin. Long steps that
    /// oscillate around their goal stay below that.
    pub(crate) fn ran_away(&self, before: f32, after: f32) -> bool {
        after > 2.0 * before + self.margin
    }

    /// Unadapted parameters of the tasks. They are sorted into blocks by size
    /// only if rows are computed.
    fn standing(&self, items: &[TaskItems]) -> AdaptedParams {
        if self.form == Form::Linear { AdaptedParams::none(items.len()) } else { AdaptedParams::at_theta(items) }
    }

    /// Forward and backward pass of all tasks at theta_u. The gradient of each
    /// task's mean loss is multiplied by the task's weight.
    async fn pass(
        &self,
        tasks: &[Task],
        items: &[TaskItems],
        adapted: &AdaptedParams,
        weights: &[f32],
    ) -> Result<Pass> {
        match self.form {
            Form::Towers => two_tower::pass(self, tasks, items, adapted, weights).await,
            Form::Linear => linear::pass(self, tasks, items, adapted, weights).await,
            Form::DeepFm => deep_fm::pass(self, tasks, items, adapted, weights).await,
        }
    }

    /// The gradient of the tasks' losses at theta_u, summed over the tasks with
    /// the given weight for each, to be applied to theta (Algorithm 1 lines 8
    /// and 10, first order). `adapted` must come from the same number of tasks.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn outer_gradient(
        &self,
        tasks: &[Task],
        adapted: &AdaptedParams,
        weight: f32,
    ) -> Result<(Parameters, Vec<f32>)> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        let pass = self.pass(tasks, &items, adapted, &vec![weight; tasks.len()]).await?;
        Ok((self.gradient_of(&pass.moves, 1.0), pass.losses))
    }

    /// [`Recommender::outer_gradient`] of the query tasks, each with `weight`,
    /// plus `support_weight` times [`Recommender::joint_gradient`] of the
    /// support tasks, which were `adapted` with step `alpha`. The first inner
    /// step holds that gradient, so it is not computed again.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn meta_gradient(
        &self,
        (query, weight): (&[Task], f32),
        (support, support_weight): (&[Task], f32),
        adapted: &AdaptedParams,
        alpha: f32,
    ) -> Result<(Parameters, Vec<f32>)> {
        let items: Vec<TaskItems> = query.iter().map(TaskItems::new).collect();
        let mut pass = self.pass(query, &items, adapted, &vec![weight; query.len()]).await?;
        if support_weight > 0.0 {
            let total = support.iter().map(|t| t.pairs.len()).sum::<usize>().max(1) as f32;
            let shares = adapted.order.iter().map(|&task| support[task].pairs.len() as f32 / total);
            let factors: Vec<f32> = shares.map(|share| share * support_weight / -alpha).collect();
            pass.moves.extend(adapted.first.scaled(&factors));
        }
        Ok((self.gradient_of(&pass.moves, 1.0), pass.losses))
    }

    /// The gradient of the mean loss over all pairs of all tasks at theta
    /// itself, for ordinary training.
    ///
    /// # Errors
    /// If a score is NaN or the device fails.
    pub async fn joint_gradient(&self, tasks: &[Task]) -> Result<(Parameters, f32)> {
        let items: Vec<TaskItems> = tasks.iter().map(TaskItems::new).collect();
        if self.form == Form::Towers {
            let (moves, loss) = two_tower::joint_pass(self, tasks, &items).await?;
            return Ok((self.gradient_of(&moves, 1.0), loss));
        }
        let total = tasks.iter().map(|t| t.pairs.len()).sum::<usize>().max(1) as f32;
        let shares: Vec<f32> = tasks.iter().map(|t| t.pairs.len() as f32 / total).collect();
        let pass = self.pass(tasks, &items, &self.standing(&items), &shares).await?;
        let loss = pass.losses.iter().zip(&shares).map(|(loss, share)| loss * share).sum();
        Ok((self.gradient_of(&pass.moves, 1.0), loss))
    }

    /// The parameter gradient that is the sum of both sides' passes.
    fn gradient_of(&self, moves: &LowRankUpdate, factor: f32) -> Parameters {
        let mut gradient = Gradient::of(&self.parameters);
        self.user.accumulate(&self.parameters, &mut gradient, &moves.user, factor);
        self.item.accumulate(&self.parameters, &mut gradient, &moves.item, factor);
        linear::accumulate(self, &mut gradient, &moves.folds, factor);
        self.parameters.filled(gradient)
    }

    /// The mean update of Reptile: (1/B) sum_u (phi_u - theta).
    pub fn mean_move(&self, adapted: &AdaptedParams) -> Parameters {
        self.gradient_of(&adapted.moves, 1.0 / adapted.losses.len().max(1) as f32)
    }

    fn user_side(&self, users: &[EntityRef], adapted: &AdaptedParams) -> UserSide {
        let rows = adapted.order.iter().map(|&t| users[t]).collect();
        let trace =
            self.user.forward(&self.parameters, rows, &adapted.user_layout(), &adapted.moves.user, !self.folds());
        match self.form {
            Form::Towers | Form::Linear => UserSide { vectors: trace.output, beside: None },
            Form::DeepFm => deep_fm::user_side(&self.user, trace),
        }
    }

    /// Each user's vector at theta_u, in the order of `users`: the one for the
    /// dot product with the items' vectors ([`ItemBase::vectors`]).
    ///
    /// # Errors
    /// When the device fails.
    pub async fn user_vectors(&self, users: &[EntityRef], adapted: &AdaptedParams) -> Result<Vec<Vec<f32>>> {
        let output = self.user_side(users, adapted).vectors;
        let width = output.dims()[1];
        let mut vectors = vec![Vec::new(); users.len()];
        for (&task, vector) in adapted.order.iter().zip(read(output).await?.chunks(width)) {
            vectors[task] = vector.to_vec();
        }
        Ok(vectors)
    }

    /// Whether a score is exactly the dot product of the user's and the item's
    /// vectors.
    pub fn folds(&self) -> bool {
        self.form != Form::DeepFm
    }

    /// The tensors of ranking that all users share, over the whole catalogue.
    pub fn item_base(&self) -> ItemBase {
        match self.form {
            Form::Towers | Form::Linear => two_tower::item_base(self),
            Form::DeepFm => deep_fm::item_base(self),
        }
    }

    /// SF(u, i; theta_u) for every user and every item: one list of scores for
    /// each user.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(&self, base: &ItemBase, users: &[EntityRef], adapted: &AdaptedParams) -> Result<Vec<Vec<f32>>> {
        let side = self.user_side(users, adapted);
        if self.form == Form::Linear {
            return linear::rank(self, base, &adapted.moves.folds, side.vectors).await;
        }
        let mut scores = vec![Vec::new(); users.len()];
        let (users_together, _) = tile_of(&self.parameters.device());
        let mut first_task = 0;
        for (block, &tasks) in adapted.blocks.iter().enumerate() {
            for first in (0..tasks).step_by(users_together) {
                let count = users_together.min(tasks - first);
                let cut = |rows: &Tensor<2>| rows.clone().narrow(0, first_task + first, count);
                let steps: Vec<LowRankStep> =
                    adapted.moves.item.iter().filter_map(|s| s.cut(block, first, count)).collect();
                let own = UserSide { vectors: cut(&side.vectors), beside: side.beside.as_ref().map(cut) };
                let rows = if self.folds() {
                    two_tower::tile(self, base, &steps, own.vectors).await?
                } else {
                    deep_fm::tile(self, base, &steps, own).await?
                };
                for (&task, row) in adapted.order[first_task + first..].iter().zip(rows) {
                    scores[task] = row;
                }
            }
            first_task += tasks;
        }
        Ok(scores)
    }

    /// SF(u, i; theta) of some items for one user.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores_of(&self, user: EntityRef, items: &[u32]) -> Result<Vec<f32>> {
        if self.folds() {
            two_tower::scores_of(self, user, items).await
        } else {
            deep_fm::scores_of(self, user, items).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Column, Entities, Values};

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
            Recommender::new(&catalog, &config, &Key::from_seed(1), 0, &Device::Flex(Default::default()))
        };
        assert!(new(&["a", "b"], true).is_ok() && new(&["id"], false).is_ok());
        for found in [new(&["id"], true), new(&["a", "a"], false)] {
            assert!(found.unwrap_err().to_string().contains("rename the feature"));
        }
    }
}
