//! Ranking on WebGPU, in a program of its own that only those download whose
//! browser has an adapter.
//!
//! It keeps a copy of what the desk holds and nothing else, so that losing it
//! loses nothing: the desk has everything on the CPU. The desk says what
//! changed before each question ([`Say`]), and at once what is to go.

pub(super) mod client;
#[cfg(all(feature = "gpu", target_family = "wasm"))]
pub(crate) mod program;

use eemu_core::api::Manifest;
use serde::{Deserialize, Serialize};

use super::ensemble::Own;
use super::protocol::{Ask, List};

/// What the desk says. Bytes come beside the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Say {
    /// The ensemble as it is now; beside it catalogue and dense features.
    Public(Box<Manifest>),
    /// Who is here.
    Own(Option<Box<Own>>),
    /// A shard's model anew; beside it its file.
    Model {
        /// Which shard.
        shard: u32,
        /// Hash of the file that it was made of.
        file: String,
    },
    /// Everything else goes, now.
    Keep {
        /// Shards that stay.
        shards: Vec<u32>,
        /// Whether the person stays.
        own: bool,
    },
    /// Make a list.
    List {
        /// Names the question.
        id: u32,
        /// How.
        ask: Ask,
        /// Language of its words.
        language: String,
        /// What the person did: items by index, with their times.
        records: Vec<(u32, Option<f64>)>,
    },
}

/// What the program answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The device is open.
    Open,
    /// A list, or why there is none.
    List(u32, Result<Box<List>, String>),
    /// The shards whose models are on the device, after each [`Say::Keep`].
    Holds(Vec<u32>),
    /// The device is gone.
    Lost,
}
