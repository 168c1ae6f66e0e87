//! Checking what the server signs: the receipt of a deletion, and that its
//! log only ever grows. Everything is pure; a check that cannot be made here
//! says so.

use eemu_core::api::{ConsistencyProof, Manifest};
use eemu_core::receipt::{Checkpoint, Entry, Log, Receipt, ReceiptFile, commitment, current_key, verify_consistency};
use serde::{Deserialize, Serialize};

use super::protocol::{Checked, Outcome};
use crate::parts::shapes::label;
use crate::say::told;

/// A shard as it was before the deletion was sent.
pub type Before = (u32, u64, String);

/// What was asked for, as far as it has to be kept to hold a receipt to it. It
/// does not say which records: only who has them can open the commitment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sought {
    /// Commitment to what was asked, under the request's name, hex.
    pub committed: String,
    /// The shards where the records were.
    pub shards: Vec<u32>,
    /// How many records they were.
    pub count: u64,
    /// Entries of the log that were seen before it was asked for.
    pub log: u64,
    /// When the server says that it was asked, in seconds since 1970.
    pub asked: u64,
    /// Records that the server said it removed.
    pub removed: u64,
}

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
    /// Name of the request that it is to answer.
    pub name: &'a str,
    /// What was asked for; absent when nobody kept it.
    pub sought: Option<&'a Sought>,
}

/// Checks a receipt, step by step; the first failure ends it.
pub fn check(file: &ReceiptFile, evidence: &Evidence<'_>) -> Checked {
    let mut checked = Checked {
        id: evidence.name.to_owned(),
        account: false,
        times: (evidence.sought.map_or(0, |sought| sought.asked), 0),
        again: false,
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
    if step(told!("w-signed-by-this-servers").into(), signature(file, evidence.pin)) {
        return checked;
    }
    let place = told!("w-entry-is-in-the", index = (file.index + 1).to_string(), checkpoint = file.checkpoint.size);
    let receipt = match file.verify() {
        Ok(receipt) => receipt,
        Err(why) => {
            step(place, Outcome::Fails(told!("w-the-log-does-not", why)));
            return checked;
        }
    };
    step(place, Outcome::Holds);
    checked.removed = receipt.removed;
    checked.times.1 = receipt.times.map_or(0, |times| times.written);
    if step(told!("w-it-answers-what-you").into(), answers(file, &receipt, evidence)) {
        checked.shards = receipt.shards.iter().map(|s| (s.shard, None, s.version)).collect();
        return checked;
    }
    let known = |shard: u32| evidence.before.iter().find(|(index, ..)| *index == shard).map(|(_, version, _)| *version);
    let download = receipt.shards.iter().map(|statement| downloaded(statement, evidence)).collect();
    let named: Vec<u32> = receipt.shards.iter().map(|statement| statement.shard).collect();
    let untouched = others(&named, evidence);
    let all = named.len() as u64 >= u64::from(evidence.manifest.shards_total);
    if !step(told!("w-your-download-is-the").into(), worst(download)) {
        let name = if all { told!("w-every-shard-was-trained") } else { told!("w-the-other-shards-are") };
        step(name.into(), if all { Outcome::Holds } else { untouched });
    }
    checked.shards = receipt.shards.iter().map(|s| (s.shard, known(s.shard), s.version)).collect();
    checked.statement = receipt.statement;
    checked
}

fn signature(file: &ReceiptFile, pin: Option<&Checkpoint>) -> Outcome {
    if let Err(why) = file.checkpoint.verify() {
        return Outcome::Fails(told!("w-the-receipt-is-not", why));
    }
    match pin {
        None => Outcome::Open(told!("w-no-key-was-seen").into()),
        Some(pin) if pin.origin != file.checkpoint.origin => Outcome::Fails(told!("w-the-receipt-comes-from").into()),
        Some(pin) if pin.public_key != file.checkpoint.public_key => {
            Outcome::Fails(told!("w-the-receipt-is-signed").into())
        }
        Some(_) => Outcome::Holds,
    }
}

/// Whether the receipt is of this very deletion: at least as many records, the
/// shards where they were, not from before, and the commitment that only this
/// request's name and what it asked for open.
fn answers(file: &ReceiptFile, receipt: &Receipt, evidence: &Evidence<'_>) -> Outcome {
    let Some(sought) = evidence.sought else {
        return Outcome::Open(told!("w-what-was-asked-for").into());
    };
    let all = evidence.manifest.shards_total;
    let letters = |shards: &[u32]| shards.iter().map(|&shard| label(shard, all)).collect::<Vec<_>>().join(", ");
    if receipt.removed < sought.count {
        return Outcome::Fails(told!("r-fewer", n = receipt.removed, asked = sought.count));
    }
    let named: Vec<u32> = receipt.shards.iter().map(|statement| statement.shard).collect();
    if sought.shards.iter().any(|shard| !named.contains(shard)) {
        return Outcome::Fails(told!(
            "w-it-names-shard-and",
            letters = letters(&named),
            letters2 = letters(&sought.shards)
        ));
    }
    if file.index < sought.log {
        return Outcome::Fails(told!("w-it-stood-in-the").into());
    }
    let times = receipt.times.filter(|_| sought.asked > 0);
    if times.is_some_and(|times| times.written < sought.asked) {
        return Outcome::Fails(told!("w-it-was-written-before").into());
    }
    if times.is_some_and(|times| times.asked > sought.asked) {
        return Outcome::Fails(told!("w-it-answers-what-was").into());
    }
    if !receipt.answers(evidence.name) {
        return Outcome::Fails(told!("w-it-answers-another-reque").into());
    }
    if !commits(receipt, evidence.name, &sought.committed) {
        return Outcome::Fails(told!("w-it-answers-something-els").into());
    }
    Outcome::Holds
}

/// Whether a receipt holds this commitment for the request of a name.
fn commits(receipt: &Receipt, name: &str, committed: &str) -> bool {
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let place = receipt.requests.iter().position(|request| *request == hash.as_str());
    place.and_then(|place| receipt.asked.get(place)).is_some_and(|held| held == committed)
}

/// What there is to show when there should be a receipt and is none.
pub fn missing(name: &str, account: bool, sought: Option<&Sought>, why: &str) -> Checked {
    Checked {
        id: name.to_owned(),
        account,
        times: (sought.map_or(0, |sought| sought.asked), 0),
        again: false,
        index: 0,
        size: 0,
        removed: 0,
        shards: Vec::new(),
        statement: String::new(),
        steps: vec![(told!("w-there-is-a-receipt").into(), Outcome::Fails(why.to_owned()))],
        file: String::new(),
        key: String::new(),
    }
}

/// Whether a statement is about the model that was downloaded.
fn downloaded(statement: &eemu_core::receipt::ShardStatement, evidence: &Evidence<'_>) -> Outcome {
    let shard = statement.shard;
    let entry = evidence.manifest.shards.iter().find(|entry| entry.shard == shard);
    let Some(entry) = entry.filter(|entry| entry.version == Some(statement.version)) else {
        return Outcome::Open(told!("w-a-later-version-took").into());
    };
    let mut nonce = [0; 32];
    let opened = entry.nonce.as_ref().is_some_and(|nonce_hex| hex::decode_to_slice(nonce_hex, &mut nonce).is_ok());
    let Some(model) = entry.model_blake3.as_ref().filter(|_| opened) else {
        return Outcome::Fails(told!("w-the-manifest-does-not").into());
    };
    if commitment(&nonce, model.as_bytes()) != statement.model_commitment {
        return Outcome::Fails(told!("w-the-live-model-is").into());
    }
    match evidence.files.iter().find(|(index, _)| *index == shard) {
        None => Outcome::Open(told!("w-its-file-is-not").into()),
        Some((_, hash)) if entry.files.iter().any(|file| file.blake3 == *hash) => Outcome::Holds,
        Some(_) => Outcome::Fails(told!("w-the-downloaded-file-is").into()),
    }
}

/// Whether the shards that the receipt does not name still have the files they had.
fn others(named: &[u32], evidence: &Evidence<'_>) -> Outcome {
    if evidence.before.is_empty() {
        return Outcome::Open(told!("w-this-browser-did-not").into());
    }
    let rest: Vec<&Before> = evidence.before.iter().filter(|(shard, ..)| !named.contains(shard)).collect();
    for (shard, version, hash) in rest {
        let entry = evidence.manifest.shards.iter().find(|entry| entry.shard == *shard);
        let Some(entry) = entry else { return Outcome::Fails(told!("w-a-shard-is-gone").into()) };
        if entry.version == Some(*version) && !entry.files.iter().any(|file| file.blake3 == *hash) {
            return Outcome::Fails(told!("w-another-shards-model-cha").into());
        }
        if entry.version != Some(*version) {
            return Outcome::Open(told!("w-another-change-has-retra").into());
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
        return Err(told!("w-the-server-proves").into());
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
        return Err(told!("w-the-logs-entries-are").into());
    }
    if current_key(&now.origin, lines).map_err(|why| why.to_string())?.as_ref() != Some(&now.public_key) {
        return Err(told!("w-another-key-signs-than").into());
    }
    let keys = lines.iter().filter_map(|line| match Entry::from_line(line) {
        Ok(Entry::Key(entry)) => Some(entry.public_key),
        _ => None,
    });
    let mut keys = keys;
    if keys.any(|key| key == seen.public_key) { Ok(()) } else { Err(told!("w-the-key-seen-before").into()) }
}
