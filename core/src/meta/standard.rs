//! Ordinary training on pairs, without tasks, for the baselines. A mini-batch
//! is a set of users with all their records, so that each tower runs once on
//! the distinct users and items of a batch.

use crate::Result;
use crate::meta::Batch;
use crate::model::{Parameters, Recommender};

/// The gradient of the mean loss over all pairs of the batch's users.
pub(crate) async fn standard_step(model: &Recommender, batch: Batch<'_>) -> Result<(Parameters, f32)> {
    model.joint_gradient(&batch.whole_tasks()).await
}
