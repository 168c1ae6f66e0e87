//! A receipt as one file, which can be checked without any server.

use serde::{Deserialize, Serialize};

use super::Receipt;
use super::log::{Checkpoint, Entry, verify_inclusion};
use crate::{Error, Result};

/// A log entry with the proof that it stands in a signed log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiptFile {
    /// Format of the file: 1.
    pub format: u32,
    /// The log entry: the exact text of its line, a [`Receipt`] as JSON.
    pub entry: String,
    /// Its place in the log, from 0.
    pub index: u64,
    /// Inclusion proof, hashes in hex.
    pub proof: Vec<String>,
    /// The signed state of the log.
    pub checkpoint: Checkpoint,
}

impl ReceiptFile {
    /// Checks the whole file and returns the receipt. It cannot check that the
    /// key is the server's: for that the caller must know the server's key.
    ///
    /// # Errors
    /// If anything was changed.
    pub fn verify(&self) -> Result<Receipt> {
        if self.format != 1 {
            return Err(Error::Log(format!("format {} is not known: use the eemu that wrote it", self.format)));
        }
        verify_inclusion(&self.entry, self.index, &self.proof, &self.checkpoint)?;
        match Entry::from_line(&self.entry)? {
            Entry::Deletion(receipt) => Ok(receipt),
            Entry::Published(_) | Entry::Key(_) => Err(Error::Log("the entry is no deletion".into())),
        }
    }
}
