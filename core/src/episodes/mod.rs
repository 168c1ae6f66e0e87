//! The default model: item embeddings that are meta-trained by episodes, in
//! order of time, to be adapted to one user. It has no parameters of users.
//!
//! An episode is the task of inference: given a user's records so far, which
//! item comes next? The user's vector starts at x_0 and takes inner steps down
//! the cross-entropy of the user's own records, over the whole catalogue:
//!
//! ```text
//! CE(x; i) = -(y_i . x + b_i) + log sum_k exp(y_k . x + b_k)
//! x_n      = x_0 - alpha grad_x sum_j w_j CE(x_0; i_j) / sqrt(sum_j w_j)
//!          = x_0 + alpha sum_j w_j (y_{i_j} - mean item) / sqrt(sum_j w_j)
//! ```
//!
//! The outer loss is the mean of CE(x_n; i_n) over all positions n of all
//! histories of the shard. Its gradient goes through the inner step.
//!
//! | file | idea |
//! |---|---|
//! | `config` | settings of the model |
//! | `support` | the decayed sum over a history, forward and backward |
//! | `catalogue` | products of queries with all items; cross-entropy and its gradient |
//! | `softmax` | softmax and residual of a tile, fused on the CPU |
//! | `map` | the tower's linear map of the item embeddings, P = Y L |
//! | `model` | the parameters: items, start, step size, decay |
//! | `reach` | the items that a batch reads, if it samples the catalogue |
//! | `training` | one mini-batch: the inner step, the outer gradient through it |
//! | `on_device` | the same batch as tensor operations alone, for a GPU |
//! | `batches` | pieces of histories, and the order of an epoch |
//! | `inference` | one user: adapt, score all items |

mod batches;
mod catalogue;
mod config;
mod inference;
mod map;
mod model;
mod on_device;
mod reach;
mod softmax;
mod support;
mod training;

pub(crate) use batches::Epoch;
pub use config::{EpisodesConfig, Tower};
pub use inference::{Asking, ItemBase, support};
pub use model::EpisodeModel;
pub use training::{Chance, Outcome, Piece};
