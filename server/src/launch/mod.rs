//! Where the training of a shard runs: here, by a command of the operator's, or
//! in Jobs of a Kubernetes cluster.
//!
//! | file | what it does |
//! |---|---|
//! | `choice` | what an operator chooses |
//! | `command` | shards as files, trained by a command and tried again |
//! | `batches` | which shards one run of the command is for |
//! | `running` | one run of the command: started, waited for, ended |
//! | `wanted` | whether a model is wanted still |
//! | `kubernetes` | shards as objects of a bucket, trained by Jobs (feature `kubernetes`) |

mod batches;
mod choice;
mod command;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod running;
mod wanted;

use anyhow::Result;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::tensor::Device;

use crate::store::{State, Ticket};
use crate::unit::{Follower, Keeper, Made, Unit};

pub use choice::{Launch, LaunchOptions};
pub use command::Commands;
#[cfg(feature = "kubernetes")]
pub use kubernetes::check as check_kubernetes;

/// The right to train a shard on its present records, and to store checkpoints.
pub struct Right<'a> {
    /// The state that has the shard.
    pub state: &'a State,
    /// The ticket; it was taken before the shard's records were read.
    pub ticket: Ticket,
}

impl Right<'_> {
    /// Whether the shard's records are still those of the ticket.
    fn stands(&self) -> bool {
        // If the store does not answer now, the records count as unchanged.
        self.state.ticket(self.ticket.shard()).map_or(true, |now| now == self.ticket)
    }
}

impl Keeper for Right<'_> {
    fn load(&self, input: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        Ok(self.state.load_checkpoint(self.ticket, input)?)
    }

    fn save(&self, input: &[u8; 32], bytes: &[u8]) -> Result<()> {
        Ok(self.state.save_checkpoint(self.ticket, input, bytes)?)
    }
}

/// Runs units. The caller publishes the models.
pub trait Launcher: Send + Sync {
    /// Trains a unit; `None` when the observer stopped it.
    ///
    /// # Errors
    /// When training fails for good, or the ticket became invalid.
    fn train(&self, unit: Unit, right: &Right<'_>, follower: &dyn Follower) -> Result<Option<Made>>;

    /// The fingerprint (JSON) that the models will have; `None` when it is known only after
    /// training.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn fingerprint(&self) -> Result<Option<String>>;

    /// Whether no training may start any more.
    fn is_ending(&self) -> bool {
        false
    }
}

/// Training in the calling thread.
#[derive(Debug, Clone)]
pub struct Threads {
    device: Device,
}

impl Threads {
    /// On a device.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone() }
    }
}

impl Launcher for Threads {
    fn train(&self, unit: Unit, right: &Right<'_>, follower: &dyn Follower) -> Result<Option<Made>> {
        unit.train(&self.device, right, follower)
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        Ok(Some(serde_json::to_string(&Fingerprint::of(&self.device))?))
    }
}
