//! Reptile: every user takes several inner steps on all of D_s(u), and theta
//! moves towards the mean of the resulting parameters.

use crate::Result;
use crate::config::TrainConfig;
use crate::meta::Batch;
use crate::model::{Parameters, Recommender};

/// The mean update of one batch, and the mean loss before it. Apply it with
/// [`Parameters::moved`] and the outer step as the factor.
pub(crate) async fn reptile_step(
    model: &Recommender,
    batch: Batch<'_>,
    train: &TrainConfig,
) -> Result<(Parameters, f32)> {
    let adapted = model.inner_steps(&batch.whole_tasks(), train.inner_step, train.inner_steps).await?;
    let loss = adapted.losses.iter().sum::<f32>() / adapted.losses.len().max(1) as f32;
    Ok((model.mean_move(&adapted), loss))
}
