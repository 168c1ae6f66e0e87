//! Algorithm 1 of the paper, first order: every user of the batch takes an
//! inner step on the support set, the query set judges the result, and theta
//! moves against the mean of the query gradients.

use crate::Result;
use crate::meta::Batch;
use crate::model::{Parameters, TwoTower};

/// The outer gradient of one batch, averaged over its users, and the mean
/// query loss.
pub(crate) async fn maml_step(model: &TwoTower, batch: Batch<'_>, inner_step: f32, inner_steps: usize) -> Result<(Parameters, f32)> {
    let (support, query) = batch.tasks();
    let adapted = model.inner_steps(&support, inner_step, inner_steps).await?;
    let share = 1.0 / query.len().max(1) as f32;
    let (gradient, losses) = model.outer_gradient(&query, &adapted, share).await?;
    Ok((gradient, losses.iter().sum::<f32>() * share))
}
