//! The append-only log of publications and deletions: its entries, and
//! checkpoints that sign the tree of [`super::tree`] with ed25519.
//!
//! All functions here are pure, so that a browser checks the server's answers
//! with the same code.

use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Receipt, ShardStatement};
use crate::{Error, Result};

/// The greatest size of a log; it bounds the work for a malicious proof.
const LONGEST: u64 = 1 << 40;

/// One line of the log. The bytes of the line are the leaf of the tree: they
/// are stored and sent as text and never serialised again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
// Entries are read and written one at a time.
#[allow(clippy::large_enum_variant)]
pub enum Entry {
    /// A deletion was carried out.
    Deletion(Receipt),
    /// Model versions were published.
    Published(Published),
    /// Another key signs from this entry on.
    Key(KeyEntry),
}

/// Model versions that went live, without a deletion being their reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Published {
    /// Format of the entry.
    pub format: u32,
    /// The versions.
    pub published: Vec<ShardStatement>,
}

/// The key that signs checkpoints from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyEntry {
    /// Format of the entry.
    pub format: u32,
    /// The key, ed25519, hex.
    pub public_key: String,
    /// The key before, and its consent; absent for the first.
    pub rotation: Option<Rotation>,
}

/// A key hands over to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rotation {
    /// The key before, hex.
    pub previous: String,
    /// Its signature over origin and new key, hex.
    pub signature: String,
}

impl Entry {
    /// The line of the entry.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_line(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| wrong(format!("cannot be written: {e}")))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// If it is not an entry.
    pub fn from_line(line: &str) -> Result<Self> {
        serde_json::from_str(line).map_err(|_| wrong("a line is no entry that this program knows".into()))
    }

    /// The model versions that the entry commits to.
    pub fn statements(&self) -> &[ShardStatement] {
        match self {
            Self::Deletion(receipt) => &receipt.shards,
            Self::Published(entry) => &entry.published,
            Self::Key(_) => &[],
        }
    }
}

impl KeyEntry {
    /// The first key of a log.
    pub fn first(key: &[u8; 32]) -> Self {
        Self { format: 1, public_key: public_key(key), rotation: None }
    }

    /// The entry by which key `next` replaces key `previous` (secret keys),
    /// with the consent of `previous`.
    pub fn rotated(origin: &str, previous: &[u8; 32], next: &[u8; 32]) -> Self {
        let new = public_key(next);
        let signature = sign(previous, &handover(origin, &new));
        Self { format: 1, public_key: new, rotation: Some(Rotation { previous: public_key(previous), signature }) }
    }
}

fn handover(origin: &str, key: &str) -> String {
    format!("eemu log key\n{origin}\n{key}\n")
}

/// The public half of a secret key, hex.
pub fn public_key(secret: &[u8; 32]) -> String {
    hex::encode(SigningKey::from_bytes(secret).verifying_key().as_bytes())
}

fn sign(secret: &[u8; 32], message: &str) -> String {
    hex::encode(SigningKey::from_bytes(secret).sign(message.as_bytes()).to_bytes())
}

fn check_signature(key: &str, message: &str, signature: &str) -> Result<()> {
    let key = VerifyingKey::from_bytes(&bytes::<32>("public key", key)?);
    let key = key.map_err(|_| wrong("the public key is no ed25519 key".into()))?;
    let signature = Signature::from_bytes(&bytes::<64>("signature", signature)?);
    // Strict: a signature has only one valid form, so that none of its bytes
    // can be changed.
    key.verify_strict(message.as_bytes(), &signature)
        .map_err(|_| wrong("the signature is not the key's, or what it signs was changed".into()))
}

/// Parses exactly `N` bytes of lower-case hexadecimal.
fn bytes<const N: usize>(name: &str, text: &str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let fits = hex::decode_to_slice(text, &mut bytes).is_ok() && !text.bytes().any(|b| b.is_ascii_uppercase());
    fits.then_some(bytes).ok_or_else(|| wrong(format!("the {name} is not {N} bytes of lower-case hexadecimal")))
}

fn wrong(problem: String) -> Error {
    Error::Log(problem)
}

/// The log's state, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Which log: a random name given at its beginning.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// Root of the Merkle tree over them (RFC 6962, SHA-256), hex.
    pub root: String,
    /// The key that signs, ed25519, hex.
    pub public_key: String,
    /// Its signature over origin, size and root, hex.
    pub signature: String,
}

impl Checkpoint {
    /// Signs the state of a log.
    pub fn sign(origin: &str, size: u64, root: &str, secret: &[u8; 32]) -> Self {
        let mut checkpoint = Self {
            origin: origin.to_owned(),
            size,
            root: root.to_owned(),
            public_key: public_key(secret),
            signature: String::new(),
        };
        checkpoint.signature = sign(secret, &checkpoint.message());
        checkpoint
    }

    fn message(&self) -> String {
        format!("eemu log checkpoint\n{}\n{}\n{}\n{}\n", self.origin, self.size, self.root, self.public_key)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// If the signature is not valid for the key.
    pub fn verify(&self) -> Result<()> {
        if self.size > LONGEST || self.origin.contains('\n') {
            return Err(wrong("the checkpoint is no checkpoint of a log".into()));
        }
        bytes::<32>("root", &self.root)?;
        check_signature(&self.public_key, &self.message(), &self.signature)
    }

    fn root_hash(&self) -> Result<RootHash<Sha256>> {
        Ok(RootHash::new(bytes::<32>("root", &self.root)?.into(), self.size))
    }
}

fn joined(proof: &[String]) -> Result<Vec<u8>> {
    let hashes = proof.iter().map(|hash| bytes::<32>("proof", hash)).collect::<Result<Vec<_>>>()?;
    Ok(hashes.concat())
}

/// Checks that a line is entry `index` of the log that the checkpoint signs.
///
/// # Errors
/// If the line, the proof or the checkpoint does not match.
pub fn verify_inclusion(line: &str, index: u64, proof: &[String], checkpoint: &Checkpoint) -> Result<()> {
    checkpoint.verify()?;
    let malformed = || wrong("the inclusion proof does not lead from the entry to the signed root".into());
    let proof = InclusionProof::try_from_bytes(joined(proof)?).map_err(|_| malformed())?;
    checkpoint.root_hash()?.verify_inclusion(&line, index, &proof).map_err(|_| malformed())
}

/// Checks that the later checkpoint's log begins with the earlier one's log.
/// Both must have the same origin; keys may differ if the log holds the
/// rotation.
///
/// # Errors
/// If the log was rewritten, or a checkpoint or the proof does not match.
pub fn verify_consistency(earlier: &Checkpoint, later: &Checkpoint, proof: &[String]) -> Result<()> {
    earlier.verify()?;
    later.verify()?;
    let rewritten = || wrong("the later log does not go on from the earlier one: it was rewritten".into());
    if earlier.origin != later.origin {
        return Err(wrong("the checkpoints are of two logs".into()));
    }
    if earlier.size == 0 || earlier.size > later.size {
        return Err(rewritten());
    }
    let proof = ConsistencyProof::try_from_bytes(joined(proof)?).map_err(|_| rewritten())?;
    later.root_hash()?.verify_consistency(&earlier.root_hash()?, &proof).map_err(|_| rewritten())
}

/// The signing key after these lines, after checking that each key consented to
/// the next; `None` if the lines hold no key.
///
/// # Errors
/// If a rotation lacks the consent of the previous key.
pub fn current_key<L: AsRef<str>>(origin: &str, lines: impl IntoIterator<Item = L>) -> Result<Option<String>> {
    let mut current: Option<String> = None;
    for line in lines {
        let Entry::Key(entry) = Entry::from_line(line.as_ref())? else { continue };
        match (&current, &entry.rotation) {
            (None, None) => {}
            (Some(key), Some(rotation)) if *key == rotation.previous => {
                check_signature(key, &handover(origin, &entry.public_key), &rotation.signature)?;
            }
            _ => return Err(wrong("a key took over without the consent of the one before".into())),
        }
        current = Some(entry.public_key);
    }
    Ok(current)
}

#[cfg(test)]
mod tests {
    use super::super::Log;
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn log(size: u64) -> Log {
        Log::new((0..size).map(|n| format!("line {n}")))
    }

    fn checkpoint(log: &Log) -> Checkpoint {
        Checkpoint::sign("here", log.len(), &log.root(), &KEY)
    }

    #[test]
    fn every_entry_of_every_size_is_proved_and_no_other() {
        for size in 1..12 {
            let log = log(size);
            let signed = checkpoint(&log);
            for index in 0..size {
                let proof = log.inclusion(index, size).unwrap();
                let line = format!("line {index}");
                verify_inclusion(&line, index, &proof, &signed).unwrap();
                assert!(verify_inclusion("line x", index, &proof, &signed).is_err());
                assert!(verify_inclusion(&line, index + 1, &proof, &signed).is_err() || size == 1);
            }
            assert!(log.inclusion(size, size).is_none());
        }
    }

    #[test]
    fn a_rewritten_log_is_caught() {
        for (from, to) in (1..9).flat_map(|from| (from..9).map(move |to| (from, to))) {
            let (earlier, later) = (log(from), log(to));
            let proof = later.consistency(from, to).unwrap();
            verify_consistency(&checkpoint(&earlier), &checkpoint(&later), &proof).unwrap();
            let mut lines: Vec<String> = later.lines(0, u64::MAX).map(str::to_owned).collect();
            lines[0] = "another".into();
            let rewritten = Log::new(lines);
            let proof = rewritten.consistency(from, to).unwrap();
            assert!(verify_consistency(&checkpoint(&earlier), &checkpoint(&rewritten), &proof).is_err());
        }
        let (one, two) = (checkpoint(&log(3)), checkpoint(&log(2)));
        assert!(verify_consistency(&one, &two, &[]).is_err());
    }

    #[test]
    fn keys_hand_over_with_consent() {
        let (first, second, thief) = ([1; 32], [2; 32], [3; 32]);
        let line = |entry: KeyEntry| Entry::Key(entry).to_line().unwrap();
        let start = line(KeyEntry::first(&first));
        let good = vec![start.clone(), line(KeyEntry::rotated("here", &first, &second))];
        assert_eq!(current_key("here", &good).unwrap(), Some(public_key(&second)));
        assert!(current_key("elsewhere", &good).is_err());
        assert!(current_key("here", &[start.clone(), line(KeyEntry::rotated("here", &thief, &second))]).is_err());
        assert!(current_key("here", &[start.clone(), start]).is_err());
        assert_eq!(current_key("here", [""; 0]).unwrap(), None);
    }
}
