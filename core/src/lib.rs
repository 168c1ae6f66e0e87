//! EEMU: exact machine unlearning for recommender systems.
//!
//! The science and nothing else: no sockets, no paths, no database, no clock.
//!
//! ```
//! use eemu_core::{Dataset, Ensemble, dataset::History, tensor::Device};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
//! let shop = "user,item,time\nann,tea,2026-01-01\nann,cup,2026-01-02\nbo,tea,2026-01-03\nbo,pot,2026-01-04\n";
//! let mut ensemble = Ensemble::train(Dataset::read("shop.csv", shop.as_bytes())?, &Device::default()).await?;
//! let ann = ensemble.dataset().catalog.users.find("ann").ok_or("nobody")?;
//! let tea = ensemble.dataset().catalog.items.find("tea").ok_or("no tea")?;
//! let list = ensemble.recommend(&ensemble.dataset().person(ann, History::All), 10).await?;
//! assert_eq!(list.len(), 1); // the pot
//!
//! let retrained = ensemble.forget(&[(ann, tea)]).await?;
//! assert_eq!(retrained.len(), 1); // of eight shards
//! let never = shop.replace("ann,tea,2026-01-01\n", "");
//! let twin = Ensemble::train(Dataset::read("shop.csv", never.as_bytes())?, &Device::default()).await?;
//! assert_eq!(ensemble.learned_state().await?, twin.learned_state().await?); // byte for byte
//! # Ok(()) }) }
//! ```
//!
//! The modules stand in the order in which data moves through them.
//!
//! | module | what it answers |
//! |---|---|
//! | [`data`] | the catalogue and the interactions, and the files that they are read from |
//! | [`dataset`] | one system's knowledge, and all that is derived from it |
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
//! | [`ensemble`] | a trained system: train, recommend, forget |
//! | [`learned_state`] | what must be equal, in canonical form |
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
pub mod data;
pub mod dataset;
#[cfg(feature = "linear-algebra")]
mod dense;
pub mod ensemble;
pub mod episodes;
mod error;
pub mod evaluate;
pub mod fingerprint;
pub mod flops;
pub mod learned_state;
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
pub mod user_rows;

pub use dataset::Dataset;
pub use ensemble::Ensemble;
pub use error::{DataError, Error, Result, counted, quote, shown};
