//! The browser's checks of a receipt, tested natively: all hold for a genuine
//! receipt, and each fails when the checked value is changed.

#![allow(clippy::unwrap_used)]

use eemu_app::for_you::protocol::{Checked, Outcome};
use eemu_app::for_you::receipt::{Before, Evidence, Sought, check, goes_on, handed_over};
use eemu_core::api::{ConsistencyProof, LogEntries, Manifest};
use eemu_core::receipt::{Asked, AskedPart, Checkpoint, ReceiptFile};
use eemu_tests::service::{Place, delete_items};
use eemu_tests::worlds::Recipe;

struct Told {
    file: ReceiptFile,
    pin: Checkpoint,
    manifest: Manifest,
    files: Vec<(u32, String)>,
    before: Vec<Before>,
    name: String,
    sought: Sought,
}

impl Told {
    fn check(&self) -> Checked {
        let evidence = Evidence {
            pin: Some(&self.pin),
            manifest: &self.manifest,
            files: &self.files,
            before: &self.before,
            name: &self.name,
            sought: Some(&self.sought),
        };
        check(&self.file, &evidence)
    }

    /// The number of the step that fails after a change.
    fn fails_at(mut self, change: impl FnOnce(&mut Self)) -> usize {
        change(&mut self);
        let checked = self.check();
        assert!(checked.failed().is_some(), "{:?}", checked.steps);
        assert!(matches!(checked.steps.last().unwrap().1, Outcome::Fails(_)) || checked.steps.len() == 5);
        checked.steps.iter().position(|(_, outcome)| matches!(outcome, Outcome::Fails(_))).unwrap()
    }
}

fn manifest(place: &Place) -> Manifest {
    serde_json::from_slice(&place.get("/api/v1/manifest", "").bytes).unwrap()
}

fn files(manifest: &Manifest) -> Vec<(u32, String)> {
    manifest.shards.iter().map(|entry| (entry.shard, entry.files[0].blake3.clone())).collect()
}

/// The manifest before a deletion, the request, and the answer.
fn deletion(place: &Place, user: &str, token: &str) -> (Manifest, (String, Sought), ReceiptFile) {
    let earlier = manifest(place);
    let list = place.post("/api/v1/interactions/list", token, &serde_json::json!({ "user": user })).json();
    let item = list["interactions"][0]["item"].as_str().unwrap().to_owned();
    let shards = list["interactions"][0]["shard"].as_u64().map(|shard| shard as u32).into_iter().collect();
    let standing = place.post("/api/v1/interactions/delete", token, &delete_items(user, &[&item])).json();
    let id = standing["id"].as_str().unwrap();
    let part = AskedPart { user: Some(user.into()), item: Some(item), ..AskedPart::default() };
    let sought = Sought {
        committed: Asked { parts: vec![part] }.committed(id),
        shards,
        count: 1,
        log: earlier.checkpoint.size,
        asked: standing["erasure"]["asked"].as_u64().unwrap(),
        removed: 1,
    };
    place.wait_done(id).unwrap();
    let reply = place.get(&format!("/api/v1/unlearning/{id}/receipt"), token);
    (earlier, (id.to_owned(), sought), serde_json::from_slice(&reply.bytes).unwrap())
}

fn told(place: &Place) -> Told {
    let (earlier, (name, sought), file) = deletion(place, "user-0", &place.admin);
    let now = manifest(place);
    let before = earlier.shards.iter().map(|e| (e.shard, e.version.unwrap(), e.files[0].blake3.clone())).collect();
    Told { file, pin: earlier.checkpoint, files: files(&now), manifest: now, before, name, sought }
}

#[test]
fn a_true_receipt_holds_and_a_changed_one_does_not() {
    let place = Place::new(&Recipe::default()).unwrap();
    let truth = told(&place);
    let checked = truth.check();
    assert_eq!(checked.steps.len(), 5);
    assert!(checked.steps.iter().all(|(_, outcome)| *outcome == Outcome::Holds), "{:?}", checked.steps);
    assert_eq!((checked.removed, checked.shards.len()), (1, 1));
    let (shard, was, now) = checked.shards[0];
    assert!(was.unwrap() < now);
    let of = || Told {
        file: truth.file.clone(),
        pin: truth.pin.clone(),
        manifest: truth.manifest.clone(),
        files: truth.files.clone(),
        before: truth.before.clone(),
        name: truth.name.clone(),
        sought: truth.sought.clone(),
    };
    let other = (0..3).find(|index| *index != shard).unwrap() as usize;
    let place_of = shard as usize;
    assert_eq!(of().fails_at(|t| t.pin.public_key = "00".repeat(32)), 0);
    assert_eq!(of().fails_at(|t| t.pin.origin = "elsewhere".into()), 0);
    assert_eq!(of().fails_at(|t| t.file.checkpoint.size += 1), 0, "what is signed was changed");
    assert_eq!(of().fails_at(|t| t.file.entry = t.file.entry.replace("\"removed\":1", "\"removed\":2")), 1);
    assert_eq!(of().fails_at(|t| t.file.index += 1), 1);
    assert_eq!(of().fails_at(|t| t.manifest.shards[place_of].model_blake3 = Some("00".repeat(32))), 3);
    assert_eq!(of().fails_at(|t| t.manifest.shards[place_of].nonce = None), 3);
    assert_eq!(of().fails_at(|t| t.files[place_of].1 = "00".repeat(32)), 3);
    assert_eq!(of().fails_at(|t| t.before[other].2 = "00".repeat(32)), 4, "another model under the same version");
    // The request: another request, another intent, more records, another
    // shard, a log that contained it before, a time before the log entry.
    assert_eq!(of().fails_at(|t| t.name = "another".into()), 2);
    assert_eq!(of().fails_at(|t| t.sought.committed = "00".repeat(32)), 2);
    assert_eq!(of().fails_at(|t| t.sought.count = 2), 2);
    assert_eq!(of().fails_at(|t| t.sought.shards = vec![other as u32]), 2);
    assert_eq!(of().fails_at(|t| t.sought.log = t.file.index + 1), 2);
    assert_eq!(of().fails_at(|t| t.sought.asked += 1_000_000), 2);
    assert_eq!(of().fails_at(|t| t.sought.asked = 1), 2, "it answers what was asked later");
    // A value that cannot be checked is not reported.
    let mut later = of();
    later.manifest.shards[place_of].version = Some(99);
    later.before.clear();
    let open = later.check().steps.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Open(_))).count();
    assert_eq!(open, 2);
}

#[test]
fn a_log_that_was_rewritten_is_noticed() {
    let place = Place::new(&Recipe::default()).unwrap();
    let seen = manifest(&place).checkpoint;
    deletion(&place, "user-1", &place.admin);
    let now = manifest(&place).checkpoint;
    let path = format!("/api/v1/log/consistency?from={}&to={}", seen.size, now.size);
    let proof: ConsistencyProof = serde_json::from_slice(&place.get(&path, "").bytes).unwrap();
    goes_on(&seen, &now, &proof).unwrap();
    let rewritten = Checkpoint { root: "00".repeat(32), ..seen.clone() };
    assert!(goes_on(&rewritten, &now, &proof).is_err(), "another log than was seen");
    assert!(goes_on(&seen, &seen, &proof).is_err(), "another log than is signed now");

    let entries: LogEntries = serde_json::from_slice(&place.get("/api/v1/log/entries?from=0", "").bytes).unwrap();
    handed_over(&seen, &now, &entries.entries).unwrap();
    let stranger = Checkpoint { public_key: "00".repeat(32), ..seen.clone() };
    assert!(handed_over(&stranger, &now, &entries.entries).is_err(), "a key that never was in the log");
    assert!(handed_over(&seen, &now, &entries.entries[1..]).is_err(), "an entry is missing");
}
