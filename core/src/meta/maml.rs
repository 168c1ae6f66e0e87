//! Algorithm 1 of the paper, first order: every user of the batch takes an
//! inner step on the support set, the query set evaluates the result, and theta
//! is updated by the mean of the query gradients.

use crate::Result;
use crate::config::TrainConfig;
use crate::meta::Batch;
use crate::model::{Parameters, Recommender};

/// The outer gradient of one batch, averaged over its users, and the mean query
/// loss. With a support weight, the plain support loss at theta is added:
/// queries of one record for each user use a twentieth of the data, and in the
/// published code the support gradient weighs far more than the query gradient.
pub(crate) async fn maml_step(model: &Recommender, batch: Batch<'_>, train: &TrainConfig) -> Result<(Parameters, f32)> {
    let (support, query) = batch.tasks();
    let adapted = model.inner_steps(&support, train.inner_step, train.inner_steps).await?;
    let share = 1.0 / query.len().max(1) as f32;
    let (gradient, losses) =
        model.meta_gradient((&query, share), (&support, train.support_weight), &adapted, train.inner_step).await?;
    Ok((gradient, losses.iter().sum::<f32>() * share))
}
