//! The Lab's page: a rail of eight steps, words on the left, a figure on the
//! right.
//!
//! | module | idea |
//! |---|---|
//! | `state` | what is shown: one set of signals |
//! | `client` | the page's end of the worker |
//! | `location` | the address bar, forwards and back |
//! | `frame` | header, rail, keys, the live region |
//! | `words` | what each step says |
//! | `controls` | world, shards, seed, the dot, running and stopping |
//! | `grid`, `figures`, `chart` | how worlds, hashes and costs are drawn |
//! | `early`, `listing`, `twins`, `mistakes`, `costs` | the steps' figures |

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

mod chart;
mod client;
mod controls;
mod costs;
mod early;
mod figures;
mod frame;
mod grid;
mod listing;
mod location;
mod mistakes;
mod state;
mod twins;
mod words;

pub(crate) use frame::{Frame, focus, toggle_help};
pub use state::{Example, example};
