//! Algorithm 3: users are clustered, and each cluster has one adapted model.
//!
//! Each shard clusters the users by their embeddings. The similarity of two
//! users is the share of shards that put them into one cluster (Eq 9). This
//! co-association is clustered once more. Its N x N matrix is never built: its
//! rows lie in a space of at most S K dimensions, and [`coassociation()`] maps
//! them into it without changing any distance, so k-means takes the same steps.
//!
//! Labels are learned from records. They are recomputed after every deletion,
//! from starts that depend on no data. The labels of unchanged shards are then
//! the same, and nothing else is carried over.

mod batch;
mod coassociation;
mod kmeans;

pub use batch::{Clusters, cluster_users, scores_by_cluster};
pub use coassociation::coassociation;
pub use kmeans::{KMeans, Labels, kmeans, lloyd};
