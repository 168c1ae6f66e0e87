//! DeepFM for a batch of adapted users.
//!
//! With fields v_f (embeddings) of the user and of the item, w_g the items'
//! first-order terms and MLP the deep part over all fields side by side,
//!
//! SF(u, i) = sum_g w_g + 1/2 (|sum_f v_f|^2 - sum_f |v_f|^2) + MLP(v)
//! Write P for the sum of the user's fields and Q for that of the item's
//! fields. Cut the deep part's first matrix into the rows that read the user
//! and those that read the item, W_1 = [A; B]. Then
//! that read the item, W_1 = [A; B]. Then
//!
//! SF(u, i) = s(i) + P . Q(i) + upper(A^T e(u) + B^T e(i) + b_1)
//! s(i)     = sum_g w_g(i) + 1/2 (|Q(i)|^2 - sum_g |v_g(i)|^2)
//!
//! except for the constant, the user's first-order terms and the user's own
//! second-order term. These add one number to all scores of a user. They change
//! no pair's difference, no gradient and no ranking, so this model omits them.
//! A first-order term is one more column of its item feature's table, which the
//! deep part does not read.
//!
//! To the items, a user therefore consists of two vectors: P, and A^T e(u),
//! which acts as a bias of the first deep layer. The user encoder has one
//! layer, A; the layers of the item encoder are the deep part.
//!
//! # The inner step
//!
//! Let c_j be the gradient of the loss at the score of row j of a task, and D_l
//! the rows of gradients at the deep part's pre-activations, which the ordinary
//! backward pass gives from c. The score is linear in w_g. Outside of the deep
//! part dSF/dv_g(i) = P + Q(i) - v_g(i) (a field interacts with all fields but
//! itself) and dSF/dP = Q(i). Hence the gradients are
//!
//! * at item field g of row j:  c_j (P + Q_j - v_g(j)) + D_1\[j\] B_g^T, and c_j
//!   in the first-order column;
//! * at user field f:           sum_j c_j Q_j + (sum_j D_1\[j\]) A_f^T;
//! * at B: sum_j e(j)^T D_1\[j\];  at A: e(u)^T sum_j D_1\[j\], of rank one;
//! * at the later layers: X_l^T D_l, as in any tower.
//!
//! All of these are kept as rows; no weight gradient is built. They are the
//! same [`LowRankStep`]s as those of the towers, and the same code reads them.
//! At theta_u an item's fields are e(i) + sum_j <f(i), f(j)> F_j. The formulas
//! above hold again with P, Q, A and B at theta_u, so several steps can be
//! stacked.
//!
//! # Ranking all items
//!
//! e(i) B, Q(i) and s(i) are computed once for the catalogue. A user adds the
//! terms of [`Encoder::rank`] to the first layer. With d_g(i) = sum_j <f_g(i),
//! f_g(j)> F_g(j) (d in the embedding's columns, d' in the first-order column)
//! and d(i) = sum_g d_g(i), expanding the squares of s and P . Q gives
//!
//! P . Q(i) + s(i) + sum_g \[ d'_g + d_g . (P + Q(i) - v_g(i)) - 1/2 |d_g|^2 \] + 1/2 |d(i)|^2
//!
//! in which only fields appear whose overlap with a step's rows is not zero.

use crate::Result;
use crate::data::Catalog;
use crate::model::ModelConfig;
use crate::model::adapted::{AdaptedParams, LowRankUpdate};
use crate::model::encoder::{Encoder, Input, Tower, Trace};
use crate::model::features::EntityRef;
use crate::model::layout::Layout;
use crate::model::loss::{Task, TaskItems};
use crate::model::parameters::Declared;
use crate::model::ranking::{ItemBase, Overlap, tile_of};
use crate::model::recommender::{Pass, Recommender, UserSide};
use crate::model::step::{Deltas, LowRankStep};
use crate::tensor::{Device, Product, Tensor, from_vec, indices, read};

/// The encoders of both sides for a catalogue, and their parameters.
pub(super) fn encoders(catalog: &Catalog, config: &ModelConfig, device: &Device) -> (Encoder, Encoder, Vec<Declared>) {
    let inputs = |columns: usize| (columns + usize::from(config.identifiers)) * config.width;
    let hidden = &config.deep_hidden;
    let half = Tower {
        name: "deep",
        hidden: &[],
        output: hidden.first().copied().unwrap_or(1),
        unread: 0,
        elsewhere: inputs(catalog.items.columns.len()),
        biased: false,
    };
    let (user, mut declared) = Encoder::new("user", &catalog.users, config, &half, 0, device);
    let elsewhere = inputs(catalog.users.columns.len());
    let deep = Tower { name: "deep", hidden, output: 1, unread: 1, elsewhere, biased: true };
    let (item, more) = Encoder::new("item", &catalog.items, config, &deep, declared.len(), device);
    declared.extend(more);
    (user, item, declared)
}

/// Parts of the embeddings of items.
struct Fields {
    /// v_g concatenated, [rows, fields * width]: the input of the deep part.
    read: Tensor<2>,
    /// Q, [rows, width].
    sum: Tensor<2>,
    /// s, [rows, 1].
    own: Tensor<2>,
}

impl Fields {
    fn of(item: &Encoder, embedded: Tensor<2>) -> Self {
        let (fields, width) = (item.features().len(), item.width() - 1);
        let rows = embedded.dims()[0];
        let embedded = embedded.reshape([rows, fields, width + 1]);
        let first_order = embedded.clone().narrow(2, width, 1).sum_dim(1).reshape([rows, 1]);
        let read = embedded.narrow(2, 0, width).reshape([rows, fields * width]);
        let sum = field_sum(&read, width);
        let squares = (sum.clone() * sum.clone()).sum_dim(1) - (read.clone() * read.clone()).sum_dim(1);
        Self { own: first_order + squares * 0.5, read, sum }
    }
}

/// The sum of the concatenated fields of width `width`.
fn field_sum(fields: &Tensor<2>, width: usize) -> Tensor<2> {
    let [rows, columns] = fields.dims();
    fields.clone().reshape([rows, columns / width, width]).sum_dim(1).reshape([rows, width])
}

/// A forward pass of item rows, each with the user of its task.
struct Forward {
    user: Trace,
    /// P, [tasks, width].
    p: Tensor<2>,
    fields: Fields,
    deep: Trace,
    /// SF, [rows, 1].
    scores: Tensor<2>,
}

fn forward(
    model: &Recommender,
    users: Vec<EntityRef>,
    rows: Vec<EntityRef>,
    layout: &Layout,
    adapted: &AdaptedParams,
) -> Forward {
    let parameters = model.parameters();
    let user = model.user.forward(parameters, users, &adapted.user_layout(), &adapted.moves.user, true);
    let p = field_sum(&user.inputs[0], model.user.width());
    let embedded = model.item.embed_at(parameters, &rows, layout, &adapted.moves.item);
    let fields = Fields::of(&model.item, embedded);
    let input = Input { rows, x: fields.read.clone(), beside: Some(user.output.clone()) };
    let deep = model.item.through(parameters, input, layout, &adapted.moves.item, true);
    let p_of_rows = p.clone().select(0, indices(layout.task_of_rows(), &p.device()));
    let scores = fields.own.clone() + (p_of_rows * fields.sum.clone()).sum_dim(1) + deep.output.clone();
    Forward { user, p, fields, deep, scores }
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
    let mut losses = vec![0.0; tasks.len()];
    let (rows, layout) = adapted.padded(|task| items[task].items.clone(), 0);
    if rows.is_empty() {
        return Ok(Pass { losses, moves: LowRankUpdate::default() });
    }
    let users = adapted.order.iter().map(|&t| tasks[t].user).collect();
    let rows: Vec<EntityRef> = rows.into_iter().map(EntityRef::Known).collect();
    let forward = forward(model, users, rows.clone(), &layout, adapted);
    let scores = read(forward.scores.clone()).await?;
    // Rows on which the loss does not depend are dropped before the backward pass.
    let mut live: Vec<Vec<(u32, f32)>> = vec![Vec::new(); tasks.len()];
    for (&task, ends) in adapted.order.iter().zip(layout.segments().windows(2)) {
        let (loss, gradient) = items[task].hinge(&scores[ends[0]..ends[1]], model.margin, weights[task])?;
        losses[task] = loss;
        live[task] = (ends[0] as u32..).zip(gradient).filter(|(_, c)| *c != 0.0).collect();
    }
    let (live, layout) = adapted.padded(|task| live[task].clone(), (0, 0.0));
    if live.is_empty() {
        return Ok(Pass { losses, moves: LowRankUpdate::default() });
    }
    let (picked, c): (Vec<u32>, Vec<f32>) = live.into_iter().unzip();
    let rows = picked.iter().map(|&row| rows[row as usize]).collect();
    Ok(Pass { losses, moves: backward(model, forward, rows, &picked, c, layout, adapted) })
}

/// The backward pass of both sides from c, the gradient at the scores of the
/// `picked` rows of a forward pass.
fn backward(
    model: &Recommender,
    forward: Forward,
    rows: Vec<EntityRef>,
    picked: &[u32],
    c: Vec<f32>,
    layout: Layout,
    adapted: &AdaptedParams,
) -> LowRankUpdate {
    let Forward { user, p, fields, deep, .. } = forward;
    let (parameters, device) = (model.parameters(), p.device());
    let (count, width, own) = (rows.len(), model.user.width(), model.item.features().len());
    let c = from_vec(c, [count, 1], &device);
    let mut deltas = model.item.backward(parameters, &deep, Some(picked), c.clone(), &layout, &adapted.moves.item);
    let index = indices(picked.iter().copied(), &device);
    let q = fields.sum.select(0, index.clone());
    let v = fields.read.select(0, index).reshape([count, own, width]);
    let p = p.select(0, indices(layout.task_of_rows(), &device));
    let pulled = deltas.features.take();
    let pulled =
        pulled.unwrap_or_else(|| model.item.pull(parameters, 0, &deltas.layers[0], &layout, &adapted.moves.item));
    let others = (p + q.clone()).reshape([count, 1, width]) - v;
    let each = c.clone().reshape([count, 1, 1]);
    let at_fields = others * each.clone() + pulled.reshape([count, own, width]);
    let moves = Tensor::cat(vec![at_fields, each.repeat_dim(1, own)], 2);
    deltas.features = Some(moves.reshape([count, own * (width + 1)]));

    let user_layout = adapted.user_layout();
    let share = layout.sum_by_task(&deltas.layers[0]);
    let met = layout.sum_by_task(&(q * c));
    let pulled = model.user.pull(parameters, 0, &share, &user_layout, &adapted.moves.user);
    let at_fields = pulled + met.repeat_dim(1, model.user.features().len());
    let user_deltas = Deltas { layers: vec![share], norms: Vec::new(), features: Some(at_fields) };

    let inputs = deep.picked_inputs(picked);
    let (user, item) = (user.into_step(user_layout, user_deltas), LowRankStep::new(rows, layout, inputs, deltas));
    LowRankUpdate { user: vec![user], item: vec![item], folds: Vec::new() }
}

/// P with a one appended for s, and A^T e(u), from the forward pass of the
/// users' side.
pub(super) fn user_side(user: &Encoder, trace: Trace) -> UserSide {
    let p = field_sum(&trace.inputs[0], user.width());
    let one = Tensor::ones([p.dims()[0], 1], &p.device());
    UserSide { vectors: Tensor::cat(vec![p, one], 1), beside: Some(trace.output) }
}

/// The parts that all users share: e(i), e(i) B, and \[Q(i), s(i)\].
pub(super) fn item_base(model: &Recommender) -> ItemBase {
    let rows: Vec<EntityRef> = (0..model.items).map(EntityRef::Known).collect();
    let fields = Fields::of(&model.item, model.item.embed(model.parameters(), &rows));
    let first = fields.read.clone().product(model.item.weight(model.parameters(), 0));
    ItemBase { embedded: fields.read, first, vectors: Tensor::cat(vec![fields.sum, fields.own], 1) }
}

/// Scores of all items for a tile of users.
pub(super) async fn tile(
    model: &Recommender,
    base: &ItemBase,
    steps: &[LowRankStep],
    own: UserSide,
) -> Result<Vec<Vec<f32>>> {
    let users = own.vectors.dims()[0];
    let overlaps = model.item.overlaps_with_all(steps, users, model.items as usize);
    // The deep part ends in one number, so no vector is folded into it.
    let ones = Tensor::ones([users, 1, 1], &own.vectors.device());
    let mut scores = model.item.rank(model.parameters(), base, steps, &overlaps, &ones, own.beside.as_ref()).await?;
    let shared = own.vectors.clone().product(base.vectors.clone().transpose());
    let p = own.vectors.clone().narrow(1, 0, model.user.width());
    let shallow = read(shared + changes(model, base, steps, &overlaps, &p)).await?;
    for (row, shallow) in scores.iter_mut().zip(shallow.chunks(model.items as usize)) {
        row.iter_mut().zip(shallow).for_each(|(score, shallow)| *score += shallow);
    }
    Ok(scores)
}

/// The change of P . Q(i) + s(i) by the users' steps, with P at theta_u:
/// [users, items].
fn changes(
    model: &Recommender,
    base: &ItemBase,
    steps: &[LowRankStep],
    overlaps: &[Vec<Overlap>],
    p: &Tensor<2>,
) -> Tensor<2> {
    let ([users, width], items) = (p.dims(), model.items as usize);
    let device = p.device();
    let own: Vec<_> = steps.iter().filter_map(|step| step.block(0)).collect();
    let mut tiles = Vec::new();
    let (_, items_together) = tile_of(&device);
    for start in (0..items).step_by(items_together) {
        let count = items_together.min(items - start);
        let q = base.vectors.clone().narrow(0, start, count).narrow(1, 0, width);
        let mut change: Tensor<3> = Tensor::zeros([users, count, 1], &device);
        let mut all: Option<Tensor<3>> = None;
        for field in 0..model.item.features().len() {
            let parts = own.iter().zip(overlaps).filter_map(|(own, overlaps)| {
                let moves = own.kept_moves(field, width + 1)?;
                Some(overlaps[field].tile(start, count, &device)?.product(moves))
            });
            let Some(moved) = parts.reduce(|sum, part| sum + part) else { continue };
            let v = base.embedded.clone().narrow(0, start, count).narrow(1, field * width, width);
            let others = (q.clone() - v).unsqueeze::<3>() + p.clone().reshape([users, 1, width]);
            let (d, first_order) = (moved.clone().narrow(2, 0, width), moved.narrow(2, width, 1));
            change = change + first_order + (d.clone() * (others - d.clone() * 0.5)).sum_dim(2);
            all = Some(all.map_or(d.clone(), |all| all + d));
        }
        if let Some(all) = all {
            change = change + (all.clone() * all).sum_dim(2) * 0.5;
        }
        tiles.push(change.reshape([users, count]));
    }
    Tensor::cat(tiles, 1)
}

/// The scores of some items for one user at theta.
pub(super) async fn scores_of(model: &Recommender, user: EntityRef, items: &[u32]) -> Result<Vec<f32>> {
    let rows = items.iter().copied().map(EntityRef::Known).collect();
    let layout = Layout::new([(1, items.len())]);
    read(forward(model, vec![user], rows, &layout, &AdaptedParams::none(1)).scores).await
}
