//! The two-tower model: SF(u, i) = x_u . y_i, with its inner step and its outer
//! gradient for a batch of users.

use crate::Result;
use crate::data::Catalog;
use crate::model::ModelConfig;
use crate::model::adapted::{AdaptedParams, LowRankUpdate};
use crate::model::encoder::{Encoder, Input, Tower};
use crate::model::features::EntityRef;
use crate::model::layout::Layout;
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::Declared;
use crate::model::ranking::ItemBase;
use crate::model::recommender::{Pass, Recommender};
use crate::model::step::LowRankStep;
use crate::tensor::{Device, Product, Tensor, from_vec, read};

/// Both towers for a catalogue, and their parameters.
pub(super) fn encoders(catalog: &Catalog, config: &ModelConfig, device: &Device) -> (Encoder, Encoder, Vec<Declared>) {
    let tower = |hidden| Tower { name: "tower", hidden, output: config.output, unread: 0, elsewhere: 0, biased: true };
    let (user, mut declared) = Encoder::new("user", &catalog.users, config, &tower(&config.user_hidden), 0, device);
    let (item, more) =
        Encoder::new("item", &catalog.items, config, &tower(&config.item_hidden), declared.len(), device);
    declared.extend(more);
    (user, item, declared)
}

/// The first inner step. Every task starts at theta, so the item tower runs
/// once on the distinct items of the batch, and the user tower once for each
/// user.
pub(super) async fn first_step(
    model: &Recommender,
    tasks: &[Task],
    items: &[TaskItems],
    alpha: f32,
    adapted: &mut AdaptedParams,
) -> Result<()> {
    let parameters = model.parameters();
    let (distinct, places) = distinct_items(items);
    let rows: Vec<EntityRef> = distinct.iter().map(|&i| EntityRef::Known(i)).collect();
    let item_trace = model.item.forward(parameters, rows, &Layout::shared(distinct.len()), &[], true);
    let users: Vec<EntityRef> = adapted.order.iter().map(|&t| tasks[t].user).collect();
    let user_layout = adapted.user_layout();
    let user_trace = model.user.forward(parameters, users.clone(), &user_layout, &[], true);

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
        let (loss, gradient) = items[task].hinge(&scores[start..end], model.margin, -alpha)?;
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
    let deltas = model.item.backward(parameters, &item_trace, Some(&picked), item_upstream, &layout, &[]);
    let rows = picked.iter().map(|&p| EntityRef::Known(distinct[p as usize])).collect();
    let inputs = item_trace.picked_inputs(&picked);
    adapted.moves.item.push(LowRankStep::new(rows, layout, inputs, deltas));
    let deltas = model.user.backward(parameters, &user_trace, None, user_upstream, &user_layout, &[]);
    adapted.moves.user.push(user_trace.into_step(user_layout, deltas));
    Ok(())
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
    let (rows, layout) = adapted.padded(|task| items[task].items.clone(), 0);
    if rows.is_empty() {
        return Ok(Pass { losses, moves: LowRankUpdate::default() });
    }
    let users = adapted.order.iter().map(|&t| tasks[t].user).collect();
    let user_layout = adapted.user_layout();
    let user = model.user.forward(parameters, users, &user_layout, &adapted.moves.user, true);
    let rows = rows.into_iter().map(EntityRef::Known).collect();
    let item = model.item.forward(parameters, rows, &layout, &adapted.moves.item, true);
    let x = user.picked_output(&layout.task_of_rows());
    let scores = read((x * item.output.clone()).sum_dim(1)).await?;
    let mut gradients = Vec::with_capacity(scores.len());
    for (&task, ends) in adapted.order.iter().zip(layout.segments().windows(2)) {
        let (loss, gradient) = items[task].hinge(&scores[ends[0]..ends[1]], model.margin, weights[task])?;
        losses[task] = loss;
        gradients.extend(gradient);
    }
    let (user_upstream, item_upstream) = coupled(&gradients, &user.output, &item.output, &layout);
    let deltas = model.item.backward(parameters, &item, None, item_upstream, &layout, &adapted.moves.item);
    let item = item.into_step(layout, deltas);
    let deltas = model.user.backward(parameters, &user, None, user_upstream, &user_layout, &adapted.moves.user);
    let user = user.into_step(user_layout, deltas);
    Ok(Pass { losses, moves: LowRankUpdate { user: vec![user], item: vec![item], folds: Vec::new() } })
}

/// The mean loss over all pairs of all tasks at theta itself, and the update.
/// The item tower runs once on the distinct items of the batch.
pub(super) async fn joint_pass(
    model: &Recommender,
    tasks: &[Task],
    items: &[TaskItems],
) -> Result<(LowRankUpdate, f32)> {
    let parameters = model.parameters();
    let device = parameters.device();
    let total: usize = tasks.iter().map(|t| t.pairs.len()).sum();
    if total == 0 {
        return Ok((LowRankUpdate::default(), 0.0));
    }
    let (distinct, places) = distinct_items(items);
    let rows: Vec<EntityRef> = distinct.iter().map(|&i| EntityRef::Known(i)).collect();
    let (user_layout, item_layout) = (Layout::shared(tasks.len()), Layout::shared(distinct.len()));
    let item_trace = model.item.forward(parameters, rows, &item_layout, &[], true);
    let users = tasks.iter().map(|t| t.user).collect();
    let user_trace = model.user.forward(parameters, users, &user_layout, &[], true);
    let scores = read(user_trace.output.clone().product(item_trace.output.clone().transpose())).await?;
    let mut weights = vec![0.0; tasks.len() * distinct.len()];
    let mut loss = 0.0;
    for (task, (items, places)) in items.iter().zip(&places).enumerate() {
        let from = task * distinct.len();
        let own: Vec<f32> = places.iter().map(|&p| scores[from + p as usize]).collect();
        let share = items.pairs.len() as f32 / total as f32;
        let (mean, gradient) = items.hinge(&own, model.margin, share)?;
        loss += mean * share;
        for (&place, g) in places.iter().zip(gradient) {
            weights[from + place as usize] = g;
        }
    }
    let weights = from_vec(weights, [tasks.len(), distinct.len()], &device);
    let item_upstream = weights.clone().transpose().product(user_trace.output.clone());
    let user_upstream = weights.product(item_trace.output.clone());
    let item = model.item.backward(parameters, &item_trace, None, item_upstream, &item_layout, &[]);
    let user = model.user.backward(parameters, &user_trace, None, user_upstream, &user_layout, &[]);
    let (user, item) = (user_trace.into_step(user_layout, user), item_trace.into_step(item_layout, item));
    Ok((LowRankUpdate { user: vec![user], item: vec![item], folds: Vec::new() }, loss))
}

/// Runs the item tower once over the catalogue.
pub(super) fn item_base(model: &Recommender) -> ItemBase {
    let parameters = model.parameters();
    let rows: Vec<EntityRef> = (0..model.items).map(EntityRef::Known).collect();
    let embedded = model.item.embed(parameters, &rows);
    let first = embedded.clone().product(model.item.weight(parameters, 0));
    let input = Input { rows, x: embedded.clone(), beside: None };
    let vectors = model.item.through(parameters, input, &Layout::shared(model.items as usize), &[], false).output;
    ItemBase { embedded, first, vectors }
}

/// Scores of all items for a tile of users with vectors `x` [users, output].
pub(super) async fn tile(
    model: &Recommender,
    base: &ItemBase,
    steps: &[LowRankStep],
    x: Tensor<2>,
) -> Result<Vec<Vec<f32>>> {
    if steps.is_empty() {
        let all = read(x.product(base.vectors.clone().transpose())).await?;
        return Ok(all.chunks(model.items as usize).map(<[f32]>::to_vec).collect());
    }
    let [users, width] = x.dims();
    let x = x.reshape([users, 1, width]);
    let parameters = model.parameters();
    let overlaps = model.item.overlaps_with_all(steps, users, model.items as usize);
    model.item.rank(parameters, base, steps, &overlaps, &x, None).await
}

/// The scores of some items for one user at theta.
pub(super) async fn scores_of(model: &Recommender, user: EntityRef, items: &[u32]) -> Result<Vec<f32>> {
    let parameters = model.parameters();
    let layout = Layout::shared(items.len());
    let rows = items.iter().copied().map(EntityRef::Known).collect();
    let y = model.item.forward(parameters, rows, &layout, &[], false).output;
    let x = model.user.forward(parameters, vec![user], &Layout::new([(1, 1)]), &[], false).output;
    read(y.product(x.transpose())).await
}

/// The distinct items of a batch, ascending, and the indices of each task's
/// items among them.
fn distinct_items(items: &[TaskItems]) -> (Vec<u32>, Vec<Vec<u32>>) {
    let mut distinct: Vec<u32> = items.iter().flat_map(|t| t.items.iter().copied()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let place = |item: u32| distinct.partition_point(|&d| d < item) as u32;
    let places = items.iter().map(|t| t.items.iter().map(|&i| place(i)).collect()).collect();
    (distinct, places)
}

/// The gradient of sum_j c_j (x . y_j) at both towers' outputs, with x the
/// vector of each task's user: sum_j c_j y_j for the user, c_j x for each item.
fn coupled(weights: &[f32], x: &Tensor<2>, y: &Tensor<2>, layout: &Layout) -> (Tensor<2>, Tensor<2>) {
    let [rows, width] = y.dims();
    let weights = from_vec(weights.to_vec(), [rows, 1], &y.device());
    let (mut user, mut item) = (Vec::new(), Vec::new());
    for block in layout.blocks() {
        let x = x.clone().narrow(0, block.first_task, block.tasks);
        if block.rows == 0 {
            user.push(x.zeros_like());
            continue;
        }
        let own = block.of(&weights);
        user.push(own.clone().transpose().product(block.of(y)).reshape([block.tasks, width]));
        item.push(own.product(x.reshape([block.tasks, 1, width])).reshape([block.tasks * block.rows, width]));
    }
    (Tensor::cat(user, 0), Tensor::cat(item, 0))
}
