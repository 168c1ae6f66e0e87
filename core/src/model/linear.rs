//! Two towers whose item tower has one layer. The score is then linear in an
//! item's features, so the layer can be folded into the user's vector.
//!
//! With x the user's vector and q = W x, cut by feature into q_k,
//!
//! score(i) = sum_k e_k(i) . q_k + b . x
//!
//! so the outputs of a task's items are never computed. The update of a pass
//! folds as well: with c_j the gradient at the score of item j, the update of W
//! is (sum_j c_j e(j)) x^T and that of feature k's table is (sum_j c_j f_k(j))
//! q_k^T: one row a task, however many pairs it has. A task's coefficients c_j
//! sum to zero, so b and the dense features' biases, which all items share,
//! have a gradient of zero. They are left out of passes, so that no rounding
//! error stands in for this gradient.

use crate::Result;
use crate::model::adapted::{AdaptedParams, LowRankUpdate};
use crate::model::encoder::Encoder;
use crate::model::features::{EntityRef, Feature};
use crate::model::kernel::{Share, scatter_rows};
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::{Gradient, Parameters};
use crate::model::ranking::ItemBase;
use crate::model::recommender::{Pass, Recommender};
use crate::tensor::{Product, Tensor, from_vec, read};

/// The items j of one task with their coefficients c_j.
type Weighted = Vec<(u32, f32)>;

/// The item side of a pass of every task, as a low-rank update. With an
/// upstream gradient scaled by -alpha it is an inner step, as a
/// [`super::step::LowRankStep`] is.
#[derive(Debug, Clone)]
pub(crate) struct FoldedUpdate {
    /// The items of each task on which the loss depends, with their
    /// coefficients.
    rows: Vec<Weighted>,
    /// sum_j c_j e(j), [tasks, columns].
    inputs: Tensor<2>,
    /// x, [tasks, output].
    vectors: Tensor<2>,
    /// q, [tasks, columns].
    pulled: Tensor<2>,
    /// sum_j c_j f_k(j) for each dense feature, [tasks, inputs].
    dense: Vec<Option<Tensor<2>>>,
}

impl FoldedUpdate {
    /// The same pass with each task's upstream gradient multiplied by its own
    /// factor.
    pub(super) fn scaled(&self, factors: &[f32]) -> Self {
        let by_task: Tensor<2> = from_vec(factors.to_vec(), [factors.len(), 1], &self.inputs.device());
        let scaled = |t: &Tensor<2>| t.clone() * by_task.clone();
        let rows = self.rows.iter().zip(factors);
        Self {
            rows: rows.map(|(rows, factor)| rows.iter().map(|&(item, c)| (item, c * factor)).collect()).collect(),
            inputs: scaled(&self.inputs),
            vectors: self.vectors.clone(),
            pulled: self.pulled.clone(),
            dense: self.dense.iter().map(|dense| dense.as_ref().map(scaled)).collect(),
        }
    }
}

/// Scores items for users' vectors at theta_u = theta plus `folds`.
struct FoldedScorer<'a> {
    item: &'a Encoder,
    parameters: &'a Parameters,
    folds: &'a [FoldedUpdate],
    x: Tensor<2>,
    q: Tensor<2>,
    /// For each fold, the inner product of its q_k with the q_k of this scorer,
    /// [tasks, features].
    along: Vec<Tensor<2>>,
}

/// Inner products of corresponding rows, [rows, 1].
fn along(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    (a.clone() * b.clone()).sum_dim(1)
}

impl<'a> FoldedScorer<'a> {
    fn new(item: &'a Encoder, parameters: &'a Parameters, folds: &'a [FoldedUpdate], x: Tensor<2>) -> Self {
        let shared = x.clone().product(item.weight(parameters, 0).transpose());
        let q = folds.iter().fold(shared, |q, fold| q + along(&x, &fold.vectors) * fold.inputs.clone());
        let [tasks, _] = x.dims();
        let features = item.features().len();
        let by_feature = |t: &Tensor<2>| t.clone().reshape([tasks, features, item.width()]);
        let met =
            |fold: &FoldedUpdate| (by_feature(&q) * by_feature(&fold.pulled)).sum_dim(2).reshape([tasks, features]);
        Self { along: folds.iter().map(met).collect(), item, parameters, folds, x, q }
    }

    fn features(&self) -> impl Iterator<Item = (usize, &'a Feature)> {
        self.item.features().iter().enumerate()
    }

    /// The columns of one feature.
    fn of(&self, columns: &Tensor<2>, place: usize) -> Tensor<2> {
        columns.clone().narrow(1, place * self.item.width(), self.item.width())
    }

    /// The vector whose inner product with an item's dense inputs gives the
    /// score of the feature: W_k q_k plus the changes of W_k by the folds,
    /// [tasks, inputs].
    fn toward(&self, place: usize, weight: &Tensor<2>) -> Tensor<2> {
        let shared = self.of(&self.q, place).product(weight.clone().transpose());
        self.folds.iter().zip(&self.along).fold(shared, |sum, (fold, along)| match &fold.dense[place] {
            Some(dense) => sum + dense.clone() * along.clone().narrow(1, place, 1),
            None => sum,
        })
    }

    /// The values of `along` for one fold and task, from values on the host:
    /// [folds][tasks][features].
    fn along_of<'v>(&self, values: &'v [f32], fold: usize, task: usize) -> &'v [f32] {
        let features = self.item.features().len();
        &values[(fold * self.x.dims()[0] + task) * features..][..features]
    }

    /// All folds' inner products as one column.
    fn flat(&self) -> Option<Tensor<2>> {
        let flat = |t: &Tensor<2>| t.clone().reshape([t.dims()[0] * t.dims()[1], 1]);
        (!self.along.is_empty()).then(|| Tensor::cat(self.along.iter().map(flat).collect(), 0))
    }

    /// The scores of every task's own items, without the terms that all items
    /// share.
    async fn scores(&self, items: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let mut places: Vec<Vec<(u32, u32)>> = Vec::new();
        let mut parts = Vec::new();
        for (place, feature) in self.features() {
            let (mut reads, mut own) = (Vec::new(), Vec::new());
            for (task, items) in (0..).zip(items) {
                for (at, &item) in (0..).zip(*items) {
                    feature.each_read(EntityRef::Known(item), |row| {
                        reads.push((task, row));
                        own.push((task, at));
                    });
                }
            }
            if !reads.is_empty() {
                let vectors = match feature.dense_weight(self.parameters) {
                    Some(weight) => self.toward(place, weight),
                    None => self.of(&self.q, place),
                };
                parts.push(feature.table(self.parameters).dots(&reads, vectors));
                places.push(own);
            }
        }
        let mut scores: Vec<Vec<f32>> = items.iter().map(|items| vec![0.0; items.len()]).collect();
        parts.extend(self.flat());
        if parts.is_empty() {
            return Ok(scores);
        }
        let values = read(Tensor::cat(parts, 0)).await?;
        let mut values = values.as_slice();
        for own in places {
            for ((task, at), value) in own.iter().zip(values) {
                scores[*task as usize][*at as usize] += value;
            }
            values = &values[own.len()..];
        }
        for (place, feature) in self.features().filter(|(_, f)| f.dense_weight(self.parameters).is_none()) {
            let mut tally = TokenAccumulator::new(feature);
            for (task, (items, scores)) in items.iter().zip(&mut scores).enumerate() {
                for (number, fold) in self.folds.iter().enumerate() {
                    tally.add(&fold.rows[task], self.along_of(values, number, task)[place]);
                }
                for (score, &item) in scores.iter_mut().zip(*items) {
                    *score += tally.of(item);
                }
                tally.clear();
            }
        }
        Ok(scores)
    }

    /// The update for the given coefficients, and the gradient at the users'
    /// vectors.
    fn fold(self, rows: Vec<Weighted>) -> (FoldedUpdate, Tensor<2>) {
        let (tasks, device) = (rows.len(), self.x.device());
        let (mut columns, mut kept) = (Vec::new(), Vec::new());
        for (place, feature) in self.features() {
            let blended = feature.table(self.parameters).blend(&reads(feature, &rows), tasks);
            let weight = feature.dense_weight(self.parameters);
            let mut own = weight.map_or(blended.clone(), |weight| blended.clone().product(weight.clone()));
            for fold in self.folds {
                let overlap = match &fold.dense[place] {
                    Some(dense) => along(&blended, dense),
                    None => from_vec(overlaps(feature, &rows, &fold.rows), [tasks, 1], &device),
                };
                own = own + overlap * self.of(&fold.pulled, place);
            }
            columns.push(own);
            kept.push(weight.map(|_| blended));
        }
        let inputs = Tensor::cat(columns, 1);
        let shared = inputs.clone().product(self.item.weight(self.parameters, 0));
        let upstream =
            self.folds.iter().fold(shared, |sum, fold| sum + along(&inputs, &fold.inputs) * fold.vectors.clone());
        (FoldedUpdate { rows, inputs, vectors: self.x, pulled: self.q, dense: kept }, upstream)
    }
}

/// The table rows that each task reads for a feature, with the coefficients as
/// factors.
fn reads(feature: &Feature, rows: &[Weighted]) -> Vec<Share> {
    let mut shares = Vec::new();
    for (to, rows) in (0..).zip(rows) {
        for &(item, factor) in rows {
            feature.each_read(EntityRef::Known(item), |from| shares.push(Share { from, to, factor }));
        }
    }
    shares
}

/// <sum_i c_i f(i), sum_j c_j f(j)> of a token feature, for each task.
fn overlaps(feature: &Feature, rows: &[Weighted], others: &[Weighted]) -> Vec<f32> {
    let mut tally = TokenAccumulator::new(feature);
    let overlap = |(rows, others): (&Weighted, &Weighted)| {
        tally.add(others, 1.0);
        let overlap = rows.iter().map(|&(item, c)| c * tally.of(item)).sum();
        tally.clear();
        overlap
    };
    rows.iter().zip(others).map(overlap).collect()
}

/// Accumulates sum_j c_j f(j) over the tokens of one feature.
struct TokenAccumulator<'a> {
    feature: &'a Feature,
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl<'a> TokenAccumulator<'a> {
    fn new(feature: &'a Feature) -> Self {
        Self { feature, sums: vec![0.0; feature.tokens()], touched: Vec::new() }
    }

    fn add(&mut self, rows: &[(u32, f32)], factor: f32) {
        for &(item, c) in rows {
            self.feature.each_read(EntityRef::Known(item), |token| {
                self.sums[token as usize] += factor * c;
                self.touched.push(token);
            });
        }
    }

    /// <f(i), sum>: the inner product of an item's tokens with the accumulated
    /// sum.
    fn of(&self, item: u32) -> f32 {
        let mut sum = 0.0;
        self.feature.each_read(EntityRef::Known(item), |token| sum += self.sums[token as usize]);
        sum
    }

    fn clear(&mut self) {
        self.touched.drain(..).for_each(|token| self.sums[token as usize] = 0.0);
    }
}

/// Forward and backward pass of all tasks at theta_u. The gradient of each
/// task's mean loss is multiplied by the task's weight.
pub(super) async fn pass(
    model: &Recommender,
    tasks: &[Task],
    items: &[TaskItems],
    adapted: &AdaptedParams,
    weights: &[f32],
) -> Result<Pass> {
    let parameters = model.parameters();
    let mut losses = vec![0.0; tasks.len()];
    if items.iter().all(|own| own.items.is_empty()) {
        return Ok(Pass { losses, moves: LowRankUpdate::default() });
    }
    let (order, steps) = (&adapted.order, &adapted.moves);
    let users = order.iter().map(|&task| tasks[task].user).collect();
    let layout = adapted.user_layout();
    let user = model.user.forward(parameters, users, &layout, &steps.user, true);
    let meeting = FoldedScorer::new(&model.item, parameters, &steps.folds, user.output.clone());
    let own: Vec<&[u32]> = order.iter().map(|&task| items[task].items.as_slice()).collect();
    let scores = meeting.scores(&own).await?;
    let mut rows = Vec::with_capacity(order.len());
    for (&task, scores) in order.iter().zip(&scores) {
        let (loss, gradient) = items[task].hinge(scores, model.margin, weights[task])?;
        losses[task] = loss;
        let live = items[task].items.iter().copied().zip(gradient).filter(|(_, c)| *c != 0.0);
        rows.push(live.collect::<Vec<_>>());
    }
    if rows.iter().all(Vec::is_empty) {
        return Ok(Pass { losses, moves: LowRankUpdate::default() });
    }
    let (fold, upstream) = meeting.fold(rows);
    let deltas = model.user.backward(parameters, &user, None, upstream, &layout, &steps.user);
    let user = user.into_step(layout, deltas);
    Ok(Pass { losses, moves: LowRankUpdate { user: vec![user], item: Vec::new(), folds: vec![fold] } })
}

/// The sum of the folds' gradients of the item side, times `factor`.
pub(super) fn accumulate(model: &Recommender, gradient: &mut Gradient, folds: &[FoldedUpdate], factor: f32) {
    let item = &model.item;
    let all = |of: &dyn Fn(&FoldedUpdate) -> Tensor<2>| match folds {
        [fold] => of(fold),
        folds => Tensor::cat(folds.iter().map(of).collect(), 0),
    };
    if folds.is_empty() {
        return;
    }
    let (inputs, vectors) = (all(&|f| f.inputs.clone()), all(&|f| f.vectors.clone()));
    gradient.put(item.weight_parameter(0), inputs.transpose().product(vectors) * factor);
    let pulled = all(&|f| f.pulled.clone());
    for (place, feature) in item.features().iter().enumerate() {
        let own = pulled.clone().narrow(1, place * item.width(), item.width());
        let dense: Option<Vec<Tensor<2>>> = folds.iter().map(|fold| fold.dense[place].clone()).collect();
        let moved = if let Some(dense) = dense {
            Tensor::cat(dense, 0).transpose().product(own) * factor
        } else {
            let mut shares = Vec::new();
            let mut first = 0;
            for fold in folds {
                shares.extend(reads(feature, &fold.rows).into_iter().map(|share| Share {
                    from: first + share.to,
                    to: share.from,
                    factor: factor * share.factor,
                }));
                first += fold.rows.len() as u32;
            }
            scatter_rows(own, &shares, feature.tokens())
        };
        gradient.put(feature.parameter(), moved);
    }
}

/// Scores of all items for users with vectors `x` [users, output]. A user costs
/// one row of a product with the items' embeddings and one with each dense
/// feature, whatever the number of adaptation pairs.
pub(super) async fn rank(
    model: &Recommender,
    base: &ItemBase,
    folds: &[FoldedUpdate],
    x: Tensor<2>,
) -> Result<Vec<Vec<f32>>> {
    let (item, parameters, items) = (&model.item, model.parameters(), model.items as usize);
    let meeting = FoldedScorer::new(item, parameters, folds, x.clone());
    let offset = x.clone().product(item.bias_of(parameters, 0, &[]).transpose());
    let mut scores = meeting.q.clone().product(base.embedded.clone().transpose()) + offset;
    for (place, feature) in meeting.features() {
        let changes = folds
            .iter()
            .zip(&meeting.along)
            .filter_map(|(fold, along)| Some(fold.dense[place].clone()? * along.clone().narrow(1, place, 1)));
        if let Some(change) = changes.reduce(|sum, change| sum + change) {
            let inputs = feature.table(parameters).values.clone().narrow(0, 0, items);
            scores = scores + change.product(inputs.transpose());
        }
    }
    let mut scores: Vec<Vec<f32>> = read(scores).await?.chunks(items).map(<[f32]>::to_vec).collect();
    let Some(along) = meeting.flat() else { return Ok(scores) };
    let along = read(along).await?;
    for (place, feature) in meeting.features().filter(|(_, f)| f.dense_weight(parameters).is_none()) {
        let mut tally = TokenAccumulator::new(feature);
        for (user, scores) in scores.iter_mut().enumerate() {
            for (number, fold) in folds.iter().enumerate() {
                tally.add(&fold.rows[user], meeting.along_of(&along, number, user)[place]);
            }
            for (item, score) in (0..).zip(scores) {
                *score += tally.of(item);
            }
            tally.clear();
        }
    }
    Ok(scores)
}
