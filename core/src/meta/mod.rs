//! Meta-learning: tasks, the inner step, the outer step.
//!
//! | file | content |
//! |---|---|
//! | `tasks` | turns a mini-batch of users into tasks, with shard-local negatives |
//! | `maml` | one outer step: adapt every user, evaluate, update theta (Algorithm 1) |
//! | `reptile` | one outer step: adapt every user, move theta towards the results |
//! | `standard` | ordinary training on pairs, for the baselines |
//! | `second_order` | MAML with the inner step's derivative, for an ablation |
//! | `adam` | the outer optimiser |
//!
//! The inner step itself is [`crate::model::Recommender::inner_steps`]: the one
//! implementation for training, evaluation, the server and the browser.

mod adam;
mod maml;
mod reptile;
mod second_order;
mod standard;
mod tasks;

pub use adam::Adam;
pub(crate) use adam::Lazy;
pub(crate) use maml::maml_step;
pub(crate) use reptile::reptile_step;
pub use second_order::SecondOrder;
pub(crate) use standard::standard_step;
pub(crate) use tasks::{Batch, Exclusions};
