//! Reptile: every user takes several inner steps on all of D_s(u), and theta
//! moves towards the mean of where they went (algorithms.md E).

use crate::Result;
use crate::meta::Batch;
use crate::model::{Parameters, Task, TwoTower};

/// The mean move of one batch, and the mean loss before it. Apply it with
/// [`Parameters::moved`] and the outer step as the factor.
pub(crate) async fn reptile_step(model: &TwoTower, batch: Batch<'_>, inner_step: f32, inner_steps: usize) -> Result<(Parameters, f32)> {
    let (support, query) = batch.tasks();
    let whole: Vec<Task> = support
        .into_iter()
        .zip(query)
        .map(|(mut support, query)| {
            support.pairs.extend(query.pairs);
            support
        })
        .collect();
    let adapted = model.inner_steps(&whole, inner_step, inner_steps).await?;
    let loss = adapted.losses.iter().sum::<f32>() / adapted.losses.len().max(1) as f32;
    Ok((model.mean_move(&adapted), loss))
}
