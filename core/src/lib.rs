//! EEMU: exact machine unlearning for recommender systems.
//!
//! This crate holds the algorithms only: no sockets, no paths, no database, no
//! clock.
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
//! The modules are listed in the order in which data moves through them.
//!
//! | module | content |
//! |---|---|
//! | [`data`] | the catalogue, the interactions, and the readers of files |
//! | [`dataset`] | the data set of one system, and all values derived from it |
//! | [`shard`] | sharding: keyed assignment of records, support and query |
//! | [`episodes`] | the default model: items alone, trained by episodes in order of time |
//! | [`closed_form`] | models computed from counts: EASE, ItemKNN, transitions |
//! | [`model`], [`meta`] | the paper's models (two-tower, DeepFM) and training (MAML, Reptile) |
//! | [`shard_model`] | one shard's model of any kind |
//! | [`train`] | the training of one shard, start to end |
//! | [`adapt`] | the adaptation set of one user (Eq 7) |
//! | [`recommend`] | adapt every shard, average, mask, top k (Algorithm 2); similar items |
//! | [`rules`] | rules that restrict a list, besides the models' scores |
//! | [`popularity`] | for each item, how many users have it, and since when |
//! | [`evaluate`] | HR@k and NDCG@k |
//! | [`aggregate`] | the paper's baselines: other ways to combine the shards' scores |
//! | [`cluster`] | Algorithm 3: one adapted model for a cluster of users |
//! | [`cold_start`] | parameters for items that are newer than a model |
//! | [`ensemble`] | a trained system: train, recommend, forget |
//! | [`learned_state`] | the learned state, in canonical form |
//! | [`unlearn`] | which shards a deletion retrains, and the records that remain |
//! | [`receipt`] | the receipt of a deletion, and the log that holds it |
//! | [`client`] | the part of a model that a browser gets, and the model built from it |
//! | [`api`] | the wire types of the HTTP API |
//!
//! Helpers: [`flops`] (computing costs, by the paper's convention and realistic),
//! [`fingerprint`] (the environment on which a model's bytes depend),
//! [`mistakes`] (deliberate mistakes, for tests and lessons), [`config`] (the
//! configuration of a deployment), [`random`] (every random draw comes from a
//! named stream), [`user_rows`] (rows of the user table), [`tensor`] (the
//! tensor library behind one alias).
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
