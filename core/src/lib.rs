//! EEMU: exact machine unlearning for recommender systems.
//!
//! The science and nothing else: no sockets, no paths, no database, no clock.
//! The modules stand in the order in which data moves through them.
//!
//! | module | what it answers |
//! |---|---|
//! | [`dataset`] | what is known: the frozen catalogue, the interactions, the split |
//! | [`world`] | one system's knowledge, and all that is derived from it |
//! | [`shard`] | who trains on what: keyed assignment, support and query |
//! | [`episodes`] | what scores by default: items alone, trained by episodes in order |
//! | [`closed_form`] | what is computed from counts: EASE, ItemKNN, transitions |
//! | [`model`], [`meta`] | the paper's: towers and DeepFM, MAML and Reptile |
//! | [`shard_model`] | one shard's model, whatever its kind |
//! | [`train`] | one shard, start to end |
//! | [`adapt`] | the adaptation set of one person (Eq 7) |
//! | [`recommend`] | adapt every shard, average, mask, top k (Algorithm 2); similar items |
//! | [`rules`] | what may stand in a list, besides what the models say |
//! | [`popularity`] | how many people have each item, and since when |
//! | [`evaluate`] | HR@k and NDCG@k |
//! | [`aggregate`] | the paper's baselines: other ways to blend the shards |
//! | [`cluster`] | Algorithm 3: one adapted model for many people |
//! | [`cold_start`] | where an item stands in a model trained before it came |
//! | [`ensemble`] | learned state: what must be equal, in canonical form |
//! | [`unlearn`] | which shards retrain, and what is left |
//! | [`receipt`] | what a deletion leaves behind, and the log it stands in |
//! | [`client`] | what a browser gets of a model, and the model made of it |
//! | [`api`] | the wire types of the HTTP API |
//!
//! Beside them: [`flops`] (what things cost, as the paper counts and honestly),
//! [`fingerprint`] (what bytes depend on besides their input),
//! [`mistakes`] (how to get it wrong, for tests and lessons), [`config`] (what
//! a deployment decides), [`random`] (every draw is a named stream), [`tensor`]
//! (the tensor library behind one alias).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod adapt;
pub mod aggregate;
pub mod api;
pub mod client;
pub mod closed_form;
pub mod cluster;
pub mod cold_start;
pub mod config;
pub mod dataset;
#[cfg(feature = "linear-algebra")]
mod dense;
pub mod ensemble;
pub mod episodes;
mod error;
pub mod evaluate;
pub mod fingerprint;
pub mod flops;
pub mod meta;
pub mod mistakes;
pub mod model;
pub mod popularity;
pub mod random;
pub mod receipt;
pub mod recommend;
pub mod rules;
pub mod shard;
pub mod shard_model;
pub mod tensor;
pub mod train;
pub mod unlearn;
pub mod world;

pub use error::{DataError, Error, Result, counted, quote, shown};
