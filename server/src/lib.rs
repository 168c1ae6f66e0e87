//! The server: it imports data, stores them, trains shards, deletes records exactly,
//! and proves it.
//!
//! | module | what it does |
//! |---|---|
//! | [`import`] | reads files of all kinds into a catalogue and records |
//! | [`fetch`] | downloads public data sets, resumes, and checks them |
//! | [`store`] | stores a state: transactions, and erasure down to the bytes |
//! | [`deployment`] | opens a state directory for work |
//! | `replacing` | replaces a state's data by other data |
//! | [`mod@unit`] | trains one shard as a function from file to file |
//! | [`launch`] | runs such units in this process or by an operator's command |
//! | [`training`] | trains shards and publishes their models |
//! | `deleting`, `adding` | works out what a change of the records changes |
//! | [`forgetting`] | carries a deletion from request to receipt, and verifies it |
//! | `hidden` | hides items from every list |
//! | [`measuring`] | measures an ensemble and its baselines |
//! | [`tuning`] | searches hyper-parameters on validation items, resumable |
//! | [`serve`] | the HTTP service: recommendations, deletions, receipts, models |
//! | [`reproduce`] | makes the paper's tables and figures from resumable rows |
//! | [`cli`], `commands` | the `eemu` command: its arguments, and what it does |
//! | `remote` | asks a running server on behalf of the command |
//! | [`device`], [`pool`], [`progress`] | devices, threads, progress bars |
//! | [`stopwatch`] | measures wall-clock and processor time |
//! | `clock`, [`tls`] | system time and random bytes, and the TLS library |
//! | `faults`, `reading` | messages for a panic, and for a value that cannot be parsed |

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adding;
pub mod cli;
mod clock;
mod commands;
mod deleting;
pub mod deployment;
pub mod device;
mod faults;
pub mod fetch;
pub mod forgetting;
mod hidden;
pub mod identifier;
pub mod import;
pub mod launch;
pub mod measuring;
pub mod pool;
pub mod portability;
pub mod progress;
mod reading;
mod remote;
mod replacing;
pub mod reproduce;
pub mod serve;
mod signals;
pub mod stopwatch;
pub mod store;
pub mod tls;
pub mod training;
pub mod tuning;
pub mod unit;

pub use commands::configuring::set_all;
pub use commands::main;
