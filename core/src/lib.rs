//! EEMU: exact machine unlearning for recommender systems.
//!
//! The science and nothing else: no sockets, no paths, no database, no clock.
//! The modules stand in the order in which data moves through them.
//!
//! | module | what it answers |
//! |---|---|
//! | [`dataset`] | what is known: the frozen catalogue, the interactions, the split |
//! | [`shard`] | who trains on what: keyed assignment, support and query |

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod dataset;
mod error;
pub mod model;
pub mod random;
pub mod shard;
pub mod tensor;

pub use error::{DataError, Error, Result};
