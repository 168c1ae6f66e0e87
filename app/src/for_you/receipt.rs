//! Checking what the server signs: the receipt of a deletion, and that its
//! log only ever grows. Everything is pure; a check that cannot be made here
//! says so.

use eemu_core::api::{ConsistencyProof, Manifest};
use eemu_core::receipt::{Checkpoint, Entry, Log, ReceiptFile, commitment, current_key, verify_consistency};

use super::protocol::{Checked, Outcome};

/// A shard as it was before the deletion was sent.
pub type Before = (u32, u64, String);

/// What this browser holds against a receipt.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The log as it was seen before: its key is the one to trust.
    pub pin: Option<&'a Checkpoint>,
    /// The ensemble now.
    pub manifest: &'a Manifest,
    /// Hash of each shard's file as it was downloaded and verified.
    pub files: &'a [(u32, String)],
    /// Every shard before the deletion: version, and hash of its file.
    pub before: &'a [Before],
}

/// Checks a receipt, step by step; the first failure ends it.
pub fn check(file: &ReceiptFile, evidence: &Evidence<'_>) -> Checked {
    let mut checked = Checked {
        index: file.index,
        size: file.checkpoint.size,
        removed: 0,
        shards: Vec::new(),
        statement: String::new(),
        steps: Vec::new(),
        file: serde_json::to_string_pretty(file).unwrap_or_default(),
        key: file.checkpoint.public_key.clone(),
    };
    let mut step = |name: String, outcome: Outcome| {
        let failed = matches!(outcome, Outcome::Fails(_));
        checked.steps.push((name, outcome));
        failed
    };
    if step("Signed by this server’s key".into(), signature(file, evidence.pin)) {
        return checked;
    }
    let place = format!("Entry {} is in the log of {}", file.index + 1, file.checkpoint.size);
    let receipt = match file.verify() {
        Ok(receipt) => receipt,
        Err(why) => {
            step(place, Outcome::Fails(format!("The log does not contain this receipt: {why}.")));
            return checked;
        }
    };
    step(place, Outcome::Holds);
    let known = |shard: u32| evidence.before.iter().find(|(index, ..)| *index == shard).map(|(_, version, _)| *version);
    let download = receipt.shards.iter().map(|statement| downloaded(statement, evidence)).collect();
    let untouched = others(&receipt.shards.iter().map(|s| s.shard).collect::<Vec<_>>(), evidence);
    if !step("Your download is the model it speaks of".into(), worst(download)) {
        step("The other shards are unchanged".into(), untouched);
    }
    checked.removed = receipt.removed;
    checked.shards = receipt.shards.iter().map(|s| (s.shard, known(s.shard), s.version)).collect();
    checked.statement = receipt.statement;
    checked
}

fn signature(file: &ReceiptFile, pin: Option<&Checkpoint>) -> Outcome {
    if let Err(why) = file.checkpoint.verify() {
        return Outcome::Fails(format!("The receipt is not signed as it says: {why}."));
    }
    match pin {
        None => Outcome::Open("No key was seen before this visit.".into()),
        Some(pin) if pin.origin != file.checkpoint.origin => {
            Outcome::Fails("The receipt comes from another log than the one seen at the first visit.".into())
        }
        Some(pin) if pin.public_key != file.checkpoint.public_key => {
            Outcome::Fails("The receipt is signed by another key than the one seen at the first visit.".into())
        }
        Some(_) => Outcome::Holds,
    }
}

/// Whether a statement is about the model that was downloaded.
fn downloaded(statement: &eemu_core::receipt::ShardStatement, evidence: &Evidence<'_>) -> Outcome {
    let shard = statement.shard;
    let entry = evidence.manifest.shards.iter().find(|entry| entry.shard == shard);
    let Some(entry) = entry.filter(|entry| entry.version == Some(statement.version)) else {
        return Outcome::Open("A later version took its place; its secrets went with it.".into());
    };
    let mut nonce = [0; 32];
    let opened = entry.nonce.as_ref().is_some_and(|nonce_hex| hex::decode_to_slice(nonce_hex, &mut nonce).is_ok());
    let Some(model) = entry.model_blake3.as_ref().filter(|_| opened) else {
        return Outcome::Fails("The manifest does not open the receipt’s commitment.".into());
    };
    if commitment(&nonce, model.as_bytes()) != statement.model_commitment {
        return Outcome::Fails("The live model is not the one that the receipt speaks of.".into());
    }
    match evidence.files.iter().find(|(index, _)| *index == shard) {
        None => Outcome::Open("Its file is not here.".into()),
        Some((_, hash)) if entry.files.iter().any(|file| file.blake3 == *hash) => Outcome::Holds,
        Some(_) => Outcome::Fails("The downloaded file is not the one that the manifest lists.".into()),
    }
}

/// Whether the shards that the receipt does not name still have the files they had.
fn others(named: &[u32], evidence: &Evidence<'_>) -> Outcome {
    if evidence.before.is_empty() {
        return Outcome::Open("This browser did not see them before.".into());
    }
    let rest = evidence.before.iter().filter(|(shard, ..)| !named.contains(shard));
    for (shard, version, hash) in rest {
        let entry = evidence.manifest.shards.iter().find(|entry| entry.shard == *shard);
        let Some(entry) = entry else { return Outcome::Fails("A shard is gone from the manifest.".into()) };
        if entry.version == Some(*version) && !entry.files.iter().any(|file| file.blake3 == *hash) {
            return Outcome::Fails("Another shard’s model changed under the same version.".into());
        }
        if entry.version != Some(*version) {
            return Outcome::Open("Another change has retrained more shards meanwhile.".into());
        }
    }
    Outcome::Holds
}

/// The outcome that counts: a failure before an open question before none.
fn worst(outcomes: Vec<Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Fails(_) => 2,
        Outcome::Open(_) => 1,
        Outcome::Holds => 0,
    };
    outcomes.into_iter().max_by_key(rank).unwrap_or(Outcome::Holds)
}

/// Checks that a log goes on from what was seen of it.
///
/// # Errors
/// A sentence when it does not.
pub fn goes_on(seen: &Checkpoint, now: &Checkpoint, proof: &ConsistencyProof) -> Result<(), String> {
    let same = proof.earlier.root == seen.root && proof.earlier.size == seen.size && proof.later == *now;
    if !same {
        return Err("the server proves another log than the one it signed".into());
    }
    seen.verify().map_err(|why| why.to_string())?;
    verify_consistency(&proof.earlier, &proof.later, &proof.proof).map_err(|why| why.to_string())
}

/// Checks that the key seen before handed over to the one that signs now.
/// `lines` is the whole log.
///
/// # Errors
/// A sentence when it did not.
pub fn handed_over(seen: &Checkpoint, now: &Checkpoint, lines: &[String]) -> Result<(), String> {
    if Log::new(lines.iter().cloned()).root() != now.root {
        return Err("the log’s entries are not those that it signed".into());
    }
    if current_key(&now.origin, lines).map_err(|why| why.to_string())?.as_ref() != Some(&now.public_key) {
        return Err("another key signs than the one that the log names".into());
    }
    let keys = lines.iter().filter_map(|line| match Entry::from_line(line) {
        Ok(Entry::Key(entry)) => Some(entry.public_key),
        _ => None,
    });
    let mut keys = keys;
    if keys.any(|key| key == seen.public_key) { Ok(()) } else { Err("the key seen before is not in the log".into()) }
}
