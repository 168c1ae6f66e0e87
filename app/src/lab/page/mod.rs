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
//! | `controls` | which controls a step has, running and stopping |
//! | `opening` | the world, or a file of the reader's own |
//! | `knobs` | shards, what cuts them, the seed, the dot |
//! | `predict` | a question before each result, and the answer to it |
//! | `whys` | why a mistake breaks what it breaks; the four side by side |
//! | `attack`, `cuts` | second halves of steps 6 and 8 |
//! | `downloads`, `numbers` | each figure as a picture and as CSV |
//! | `grid`, `figures`, `chart` | how worlds, hashes and costs are drawn |
//! | `early`, `listing`, `twins`, `mistakes`, `costs` | the steps' figures |

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

mod attack;
mod chart;
mod client;
mod controls;
mod costs;
mod cuts;
mod downloads;
mod early;
mod figures;
mod frame;
mod grid;
mod knobs;
mod listing;
mod location;
mod mistakes;
mod numbers;
mod opening;
mod predict;
mod state;
mod twins;
mod whys;
mod words;

pub(crate) use frame::{Frame, focus, toggle_help};
pub use state::{Example, example};
