//! Where the training of a shard runs: here, or by a command of the operator's.
//!
//! | file | what it knows |
//! |---|---|
//! | `choice` | what an operator chooses |
//! | `command` | shards as files, trained by a command and tried again |
//! | `batches` | which shards one run of the command is for |
//! | `running` | one run of the command: started, waited for, ended |

mod batches;
mod choice;
mod command;
mod running;

use anyhow::Result;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::tensor::Device;

use crate::store::{State, Ticket};
use crate::unit::{Follower, Keeper, Made, Unit};

pub use choice::{Launch, LaunchOptions};
pub use command::Commands;

/// The right to train a shard as its records are now, and to keep what is done.
pub struct Right<'a> {
    /// Where the shard is.
    pub state: &'a State,
    /// Taken before its records were read.
    pub ticket: Ticket,
}

impl Right<'_> {
    /// Whether the shard's records are still those of the ticket.
    fn stands(&self) -> bool {
        // A store that does not answer now has not said that they changed.
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

/// Where units run. What they make is published by whoever launched them.
pub trait Launcher: Send + Sync {
    /// Trains a unit; `None` when the follower stopped it.
    ///
    /// # Errors
    /// When training fails for good, or the right to it was lost.
    fn train(&self, unit: Unit, right: &Right<'_>, follower: &dyn Follower) -> Result<Option<Made>>;

    /// The fingerprint (JSON) that its models will have; `None` when only they
    /// can say.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn fingerprint(&self) -> Result<Option<String>>;

    /// Whether nothing may be begun any more.
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
