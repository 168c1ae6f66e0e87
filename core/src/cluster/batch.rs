//! Serving by cluster: one adapted model a cluster and shard.

use super::{KMeans, Labels, coassociation, kmeans};
use crate::adapt::{UserContext, adaptation_pairs};
use crate::aggregate::Vectors;
use crate::config::AdaptConfig;
use crate::dataset::Dataset;
use crate::model::{AdaptedParams, EntityRef, Parameters, Task};
use crate::shard_model::ShardModel;
use crate::{Error, Result};

/// The final clusters, and those of each shard that they came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// C_s of each shard.
    pub shards: Vec<Labels>,
    /// C_final.
    pub users: Labels,
}

/// Algorithm 3 lines 1 to 6: k-means in each shard on the users' vectors at
/// theta, then on their co-association. A pure function of models and seed:
/// after a deletion it gives what a system that never had the record would have.
///
/// # Errors
/// When there are no users or a vector is not a number.
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

/// Scores of all items for people of one cluster: every shard's model takes
/// the step on the union of all `members`' adaptation pairs (one step on the
/// mean loss), and serves `people`, who are members. Adapted models exist only
/// in here.
///
/// # Errors
/// When a row is unknown to a model, a score is not a number or the device fails.
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
                // As in `Recommender::inner_steps`.
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
