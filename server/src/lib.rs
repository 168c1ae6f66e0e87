//! The server: imports data, keeps it, trains shards, forgets exactly.

pub mod import;
pub mod store;
