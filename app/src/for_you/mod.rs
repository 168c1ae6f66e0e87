//! For you: a person's own list, computed in their own browser; forgetting,
//! with its receipt checked here.
//!
//! | module | idea |
//! |---|---|
//! | `protocol`, `wish` | what page and worker say to each other |
//! | `ensemble` | verified files, and a person's rows where models have any, as models that rank |
//! | `receipt` | what is checked of a receipt and of its log |
//! | `visitor` | what only this browser knows: that file, and why an item stands in a list |
//! | `opened`, `titles` | a visitor's own file: its columns, its times, its names in the catalogue |
//! | `keep` | what the browser keeps between visits |
//! | `together`, `session` | all tabs as one; what outlives a visit |
//! | `desk`, `sync`, `files`, `watch`, `log` | the worker: jobs, the server's state, models, what is new, the log's pin |
//! | `adding` | a record that comes |
//! | `forgetting`, `follow`, `receipts` | deletions as they are sent, on their way, and their receipts |
//! | `device`, `ranker` | which device makes the lists; the program that makes them on WebGPU |
//! | `telling` | what the worker tells the page |
//! | `worker`, `page` | the two programs: one computes and asks, one shows |

mod adding;
mod desk;
mod device;
pub mod ensemble;
mod files;
mod follow;
mod forgetting;
mod keep;
mod log;
pub mod opened;
pub mod page;
pub mod protocol;
pub mod ranker;
pub mod receipt;
mod receipts;
mod session;
mod sync;
mod telling;
pub mod titles;
mod together;
mod visitor;
mod watch;
mod wish;
pub mod worker;
