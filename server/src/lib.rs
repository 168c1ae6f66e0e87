//! The server: imports data, keeps it, trains shards, forgets exactly, and
//! proves it.
//!
//! | module | what it knows |
//! |---|---|
//! | [`import`] | files of all kinds into a catalogue and records |
//! | [`fetch`] | public data sets, resumed and checked |
//! | [`store`] | a state: whole changes, erasure down to the bytes |
//! | [`deployment`] | a state directory opened for work |
//! | `replacing` | other data in the place of a state's |
//! | [`mod@unit`] | one shard's training as a function, from file to file |
//! | [`launch`] | where units run: here, or by an operator's command |
//! | [`training`] | shards trained where a launcher runs them, and published |
//! | `deleting`, `adding` | what a change of the records changes, worked out |
//! | [`forgetting`] | a deletion from request to receipt, and the proof |
//! | `hidden` | items that an operator hides from every list |
//! | [`measuring`] | quality of an ensemble and of what it is compared with |
//! | [`tuning`] | a search for hyper-parameters on validation, resumable |
//! | [`serve`] | the HTTP service: deletions as a promise, receipts, models |
//! | [`reproduce`] | the paper's tables and figures, from rows that resume |
//! | [`cli`], `commands` | the `eemu` command: its arguments, and what it does |
//! | `remote` | a running server, asked by the command |
//! | [`device`], [`pool`], [`progress`] | where, how many at once, how far |
//! | [`stopwatch`] | what work took: the clock, and the processor |
//! | `clock`, [`tls`] | time and chance, and whose TLS |
//! | `faults`, `reading` | what is said when the program itself fails, or a value cannot be read |

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
