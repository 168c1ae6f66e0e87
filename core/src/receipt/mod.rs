//! The receipt of a deletion: a statement that names no record and no model
//! hash.
//!
//! With exact training a plain model hash is a membership oracle: whoever knows
//! the rest of the data can train with and without a guessed record and
//! compare. So a receipt holds only keyed commitments. Their nonce and salt are
//! destroyed together with the model version (exactness rule 11).
//!
//! | file | idea |
//! |---|---|
//! | `log` | the append-only log: entries, signed checkpoints |
//! | `tree` | the Merkle tree over the log, and its proofs |
//! | `asked` | proves to the requester which request a receipt answers |
//! | `file` | a receipt as a file that can be checked without a server |

mod asked;
mod file;
mod log;
mod tree;

pub use asked::{Asked, AskedPart};
pub use file::ReceiptFile;
pub use log::{
    Checkpoint, Entry, KeyEntry, Published, Rotation, current_key, public_key, verify_consistency, verify_inclusion,
};
pub use tree::Log;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

/// A statement that a deletion was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// Format of the receipt.
    pub format: u32,
    /// How many records were removed.
    pub removed: u64,
    /// The shards that were trained anew from scratch.
    pub shards: Vec<ShardStatement>,
    /// BLAKE3 of the configuration.
    pub config_blake3: String,
    /// What trained the shards.
    pub fingerprint: Fingerprint,
    /// What else did, where they were not all trained by one build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_fingerprints: Vec<Fingerprint>,
    /// What the statement covers.
    pub statement: String,
    /// BLAKE3 of the name of each request that this answers, hex: whoever
    /// holds a name can show that it is the answer, and nobody else can tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
    /// What each of these requests asked for, in the same order, as a
    /// commitment that only its name opens: see [`Asked`]. Absent in receipts
    /// of earlier programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// When what happened; absent in receipts of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

/// When a deletion went through its stages, in seconds since 1970. Of several
/// requests that one receipt answers, the earliest asking and the latest of
/// everything else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Times {
    /// It was asked for.
    pub asked: u64,
    /// It was carried out: the records were removed. Absent in receipts of
    /// earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried_out: Option<u64>,
    /// Its records were overwritten on disk; absent where erasure is logical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwritten: Option<u64>,
    /// The database was cleared of stale copies of them; absent when that was
    /// still to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacted: Option<u64>,
    /// The receipt was written: every shard was trained without them.
    pub written: u64,
}

/// One retrained shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShardStatement {
    /// Which shard.
    pub shard: u32,
    /// Its new version.
    pub version: u64,
    /// BLAKE3 of `model_blake3`, keyed by the version's nonce.
    pub model_commitment: String,
    /// BLAKE3 of the training input's hash, keyed by the version's salt.
    pub data_commitment: String,
    /// Version of the catalogue that it was trained with; absent where an
    /// earlier program trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_version: Option<u32>,
}

impl ShardStatement {
    /// Commits to a model and its training input with the secret keys of its
    /// version.
    pub fn new(
        shard: u32,
        version: u64,
        model_blake3: &str,
        input: &[u8; 32],
        nonce: &[u8; 32],
        salt: &[u8; 32],
    ) -> Self {
        Self {
            shard,
            version,
            model_commitment: commitment(nonce, model_blake3.as_bytes()),
            data_commitment: commitment(salt, input),
            catalog_version: None,
        }
    }

    /// The same statement with the version of the catalogue used in training.
    #[must_use]
    pub fn of_catalog(self, catalog_version: Option<u32>) -> Self {
        Self { catalog_version, ..self }
    }
}

/// A keyed commitment: it reveals nothing without the key.
pub fn commitment(key: &[u8; 32], value: &[u8]) -> String {
    blake3::keyed_hash(key, value).to_hex().to_string()
}

/// BLAKE3 of a configuration, in its stored form.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn config_blake3(config: &crate::config::Config) -> crate::Result<String> {
    let text = serde_json::to_string(config)
        .map_err(|e| crate::Error::Config(format!("cannot be written: {e}; report it")))?;
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}
