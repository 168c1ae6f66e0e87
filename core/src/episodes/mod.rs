//! The default model: item vectors that are meta-trained by episodes in order
//! to be adapted to one person, and nothing that belongs to people.
//!
//! An episode is what inference asks: given what somebody did so far, which
//! item comes next? The person's vector starts at x_0 and takes inner steps
//! down the cross-entropy of their own records, over the whole catalogue:
//!
//! ```text
//! CE(x; i) = -(y_i . x + b_i) + log sum_k exp(y_k . x + b_k)
//! x_n      = x_0 - alpha grad_x sum_j w_j CE(x_0; i_j) / sqrt(sum_j w_j)
//!          = x_0 + alpha sum_j w_j (y_{i_j} - mean item) / sqrt(sum_j w_j)
//! ```
//!
//! The outer loss is the mean of CE(x_n; i_n) over all places n of all
//! histories of the shard, and its gradient goes through the inner step.
//!
//! | file | idea |
//! |---|---|
//! | `config` | what a deployment decides |
//! | `support` | the faded sum over a history, forward and backward |
//! | `catalogue` | products of places with all items; cross-entropy and its gradient |
//! | `softmax` | softmax and residual of a tile, fused on the CPU |
//! | `map` | the tower's linear map of the item vectors, P = Y L |
//! | `model` | the parameters: items, start, step, fading |
//! | `reach` | the items that a batch reads, where places choose among a sample |
//! | `training` | one mini-batch: the inner step, the outer gradient through it |
//! | `batches` | pieces of histories, and the order of an epoch |
//! | `inference` | one person: adapt, score all items |

mod batches;
mod catalogue;
mod config;
mod inference;
mod map;
mod model;
mod reach;
mod softmax;
mod support;
mod training;

pub(crate) use batches::Epoch;
pub use config::{EpisodesConfig, Tower};
pub use inference::{Asking, ItemBase, support};
pub use model::EpisodeModel;
pub use training::{Chance, Outcome, Piece};
