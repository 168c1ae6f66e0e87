//! Algorithm 3: people in clusters, one adapted model a cluster.
//!
//! Users are clustered in each shard by their vectors; two users are alike in
//! the share of shards that put them together (Eq 9); that co-association is
//! clustered once more. Its N x N matrix is never made: its rows lie in a space
//! of at most S K dimensions, into which [`coassociation`] maps them without
//! changing any distance, so k-means takes the same course.
//!
//! Labels are learned from records. They are made anew after every deletion,
//! from starts that no data decides: labels of shards that did not change are
//! the same then, and nothing else is carried over.

mod batch;
mod coassociation;
mod kmeans;

pub use batch::{Clusters, cluster_users, scores_by_cluster};
pub use coassociation::coassociation;
pub use kmeans::{KMeans, Labels, kmeans, lloyd};
