//! The Lab: exact unlearning as something you see, with no server.
//!
//! | module | idea |
//! |---|---|
//! | `table`, `setup` | a small world: built in, or the reader's own CSV |
//! | `foreign` | a table as other programs write it |
//! | `system` | every shard trained side by side, compared byte for byte |
//! | `engine` | what each of the eight steps computes |
//! | `lesson` | the mistakes of real systems, made on purpose |
//! | `cost` | time and quality for 1 to 32 shards, and for both ways of cutting |
//! | `attack` | whether somebody can tell that a dot was there |
//! | `guess` | what the learner predicts, beside what came out |
//! | `watch` | who hears how far it is, and may stop it |
//! | `protocol` | what page and worker say to each other |
//! | `address` | the state in the link's fragment |
//! | `worker`, `page` | the two programs: one computes, one shows |

pub mod address;
pub mod attack;
pub mod cost;
pub mod engine;
pub mod foreign;
pub mod guess;
mod lesson;
pub mod page;
pub mod protocol;
pub mod setup;
pub mod system;
pub mod table;
pub mod watch;
pub mod worker;
