//! The server: imports data, keeps it, trains shards, forgets exactly.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod import;
pub mod store;
