//! Recommending by cluster: one adapted model for each cluster and shard.

use super::{KMeans, Labels, coassociation, kmeans};
use crate::adapt::{UserContext, adaptation_pairs};
use crate::aggregate::Vectors;
use crate::config::AdaptConfig;
use crate::dataset::Dataset;
use crate::model::{AdaptedParams, EntityRef, Parameters, Task};
use crate::shard_model::ShardModel;
use crate::{Error, Result};

/// The final clusters, and the clusters of each shard from which they were
/// computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// C_s of each shard: the users' clusters in the shard.
    pub shards: Vec<Labels>,
    /// C_final: the users' final clusters.
    pub users: Labels,
}

/// Algorithm 3 lines 1 to 6: k-means in each shard on the users' embeddings at
/// theta, then on their co-association. The result is a function of models and
/// seed alone: after a deletion it equals the result of a system that never had
/// the record.
///
/// # Errors
/// If there are no users or an embedding is not finite.
pub fn cluster_users(dataset: &Dataset, vectors: &Vectors, config: KMeans) -> Result<Clusters> {
    let shards = (0u32..)
        .zip(&vectors.shards)
        .map(|(shard, own)| {
            let rows: Vec<f64> = own.users.iter().map(|&value| f64::from(value)).collect();
            kmeans(&rows, vectors.width, config, &dataset.key, &shard.to_le_bytes())
        })
        .collect::<Result<Vec<Labels>>>()?;
    let (rows, rank) = coassociation(&shards);
    let users = kmeans(&rows, rank, config, &dataset.key, b"final")?;
    Ok(Clusters { shards, users })
}

/// Scores of all items for `people`, who are members of one cluster. Every
/// shard's model is adapted on the adaptation pairs of all `members` (each step
/// on the mean loss) and then scores for `people`. Adapted models exist only
/// within this function.
///
/// # Errors
/// If a model lacks a row, a score is NaN or the device fails.
pub async fn scores_by_cluster(
    dataset: &Dataset,
    models: &[ShardModel],
    adapt: &AdaptConfig,
    members: &[UserContext],
    people: &[UserContext],
) -> Result<Vec<Vec<f32>>> {
    let items = dataset.catalog.items.len();
    let mut mean = vec![vec![0.0f32; items]; people.len()];
    let pairs: Vec<_> =
        members.iter().map(|person| adaptation_pairs(&dataset.key, person, &dataset.degrees, adapt, 0)).collect();
    for (shard, model) in models.iter().enumerate() {
        let tasks: Vec<Task> = members
            .iter()
            .zip(&pairs)
            .map(|(person, pairs)| Task { user: person.rows[shard], pairs: pairs.clone() })
            .collect();
        let mut own = model.low_rank()?.clone();
        if adapt.size > 0 {
            let mut before: Option<(f32, Parameters)> = None;
            for _ in 0..adapt.steps {
                let (gradient, loss) = own.joint_gradient(&tasks).await?;
                // The same early stop as in `Recommender::inner_steps`.
                if let Some((_, earlier)) = before.take_if(|(before, _)| own.ran_away(*before, loss)) {
                    *own.parameters_mut() = earlier;
                    break;
                }
                before = Some((loss, own.parameters().clone()));
                *own.parameters_mut() = own.parameters().moved(&gradient, -adapt.step);
            }
        }
        let base = own.item_base();
        for (tile, people) in mean.chunks_mut(256).zip(people.chunks(256)) {
            let rows: Vec<EntityRef> = people.iter().map(|person| person.rows[shard]).collect();
            let scored = own.scores(&base, &rows, &AdaptedParams::none(rows.len())).await?;
            for (mean, scores) in tile.iter_mut().zip(scored) {
                mean.iter_mut().zip(&scores).for_each(|(mean, score)| *mean += score / models.len() as f32);
            }
        }
    }
    if mean.iter().flatten().any(|score| score.is_nan()) {
        return Err(Error::NotANumber("a score".into()));
    }
    Ok(mean)
}
