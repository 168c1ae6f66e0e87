//! Receipts: verified from the file alone, every changed field detected; an
//! append-only log; a new key signed by the old one.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use eemu_core::receipt::{Checkpoint, ReceiptFile, current_key, verify_consistency, verify_inclusion};
use eemu_tests::killing::{assert_logged, whole_log};
use eemu_tests::program;
use eemu_tests::service::Place;
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn receipt(place: &Place) -> Value {
    let all = json!({"user": "user-1", "all": true});
    let request = place.post("/api/v1/interactions/delete", &place.admin, &all).json();
    let name = request["id"].as_str().unwrap();
    place.wait_done(name).unwrap();
    place.get(&format!("/api/v1/unlearning/{name}/receipt"), &place.admin).json()
}

fn verify(file: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(program().unwrap());
    let run = command.args(["receipt", "verify"]).arg(file).args(more).stdin(Stdio::null()).output().unwrap();
    (run.status.code().unwrap(), String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned())
}

/// The path of every value inside a JSON value.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| leaves(v, &format!("{path}/{k}"), found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(k, v)| leaves(v, &format!("{path}/{k}"), found)),
        _ => found.push(path.to_owned()),
    }
}

/// Values that differ from a value a little, or wholly.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(n) => {
            vec![json!(n.as_f64().unwrap() + 1.0), json!(n.as_u64().unwrap_or(0) + 1), json!(0), json!(7)]
        }
        Value::String(text) => {
            let mut all = vec![json!(""), json!(format!("{text}0")), json!(text.to_uppercase())];
            // One digit at each of several positions.
            for place in [0, text.len() / 2, text.len() - 1] {
                let mut bytes = text.clone().into_bytes();
                bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
                all.push(json!(String::from_utf8_lossy(&bytes)));
            }
            all.retain(|other| other != value);
            all
        }
        _ => vec![json!("x")],
    }
}

/// Every version of the manifest is in the log at every moment, during
/// continuous additions and deletions, which publish versions too.
#[test]
fn no_version_is_served_before_its_line_is_in_the_log() {
    let recipe = Recipe { users: 30, shards: 6, epochs: 1, ..Recipe::default() };
    let place = Place::new(&recipe).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for record in recipe.records().iter().take(300) {
                let (user, item) = (format!("user-{}", record.user), format!("item-{}", record.item));
                let body = json!({"user": user, "items": [item]});
                assert_eq!(place.post("/api/v1/interactions/delete", &place.admin, &body).status, 202);
                let body = json!({"user": user, "interactions": [{"item": item}]});
                assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &body).status, 200);
            }
            done.store(true, Ordering::SeqCst);
        });
        let (mut looks, mut seen) = (0, BTreeSet::new());
        while !done.load(Ordering::SeqCst) {
            let manifest = place.get("/api/v1/manifest", "").json();
            let log = whole_log(|path| Some(place.get(path, "").json())).unwrap();
            looks += assert_logged(&manifest, &log);
            let versions = manifest["shards"].as_array().unwrap().iter().filter_map(|shard| shard["nonce"].as_str());
            seen.extend(versions.map(str::to_owned));
        }
        assert!(looks > 100 && seen.len() > 20, "{looks} looks at {} versions", seen.len());
    });
}

/// The test polls without a pause, deletion after deletion.
#[test]
fn a_receipt_is_there_as_soon_as_its_request_names_it() {
    let recipe = Recipe { users: 30, shards: 4, epochs: 1, ..Recipe::default() };
    let place = Place::new(&recipe).unwrap();
    let mut seen = 0;
    for record in recipe.records().iter().take(60) {
        let body = json!({"user": format!("user-{}", record.user), "items": [format!("item-{}", record.item)]});
        let request = place.post("/api/v1/interactions/delete", &place.admin, &body).json();
        let path = format!("/api/v1/unlearning/{}", request["id"].as_str().unwrap());
        loop {
            let status = place.get(&path, &place.admin).json();
            if let Some(index) = status["receipt_index"].as_u64() {
                let reply = place.get(&format!("{path}/receipt"), &place.admin);
                assert_eq!(reply.status, 200, "receipt {index} of {path} after {seen} others");
                assert_eq!(reply.json()["index"], index);
                seen += 1;
                break;
            }
            if status["phase"] == "done" {
                break;
            }
        }
    }
    assert!(seen > 40, "{seen} receipts");
}

#[test]
fn a_receipt_proves_itself_and_tampering_shows() {
    let place = Place::new(&Recipe::default()).unwrap();
    let good = receipt(&place);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipt.json");
    std::fs::write(&path, good.to_string()).unwrap();
    let (code, said) = verify(&path, &[]);
    assert!(code == 0 && said.contains("valid:"), "{said}");
    let key = good["checkpoint"]["public_key"].as_str().unwrap();
    assert_eq!(verify(&path, &["--key", key]).0, 0);
    assert_eq!(verify(&path, &["--key", &"0".repeat(64)]).0, 2);

    // Changes every field of the file, and every field of its entry.
    let mut tampered = 0;
    let mut paths = Vec::new();
    leaves(&good, "", &mut paths);
    for place in &paths {
        for other in others(good.pointer(place).unwrap()) {
            let mut file = good.clone();
            *file.pointer_mut(place).unwrap() = other.clone();
            if file == good {
                continue;
            }
            let read = serde_json::from_value::<ReceiptFile>(file);
            assert!(read.is_err() || read.unwrap().verify().is_err(), "{place} as {other} went unnoticed");
            tampered += 1;
        }
    }
    let entry: Value = serde_json::from_str(good["entry"].as_str().unwrap()).unwrap();
    let mut inner = Vec::new();
    leaves(&entry, "", &mut inner);
    assert!(inner.iter().any(|p| p == "/removed") && inner.iter().any(|p| p == "/shards/0/model_commitment"));
    for place in &inner {
        for other in others(entry.pointer(place).unwrap()) {
            let mut changed = entry.clone();
            *changed.pointer_mut(place).unwrap() = other;
            if changed == entry {
                continue;
            }
            let mut file = good.clone();
            file["entry"] = changed.to_string().into();
            let read: ReceiptFile = serde_json::from_value(file).unwrap();
            assert!(read.verify().is_err(), "entry{place} went unnoticed");
            tampered += 1;
        }
    }
    assert!(tampered > 80, "{tampered}");
    // The same by the command.
    let mut file = good.clone();
    file["entry"] = good["entry"].as_str().unwrap().replace("\"removed\":", "\"removed\":1").into();
    std::fs::write(&path, file.to_string()).unwrap();
    let (code, said) = verify(&path, &[]);
    assert!(code == 2 && said.contains("not to be trusted"), "{said}");
    std::fs::write(&path, "{").unwrap();
    assert_eq!(verify(&path, &[]).0, 2);
    assert_eq!(verify(&folder.path().join("missing"), &[]).0, 2);
    // Another entry of the log is no receipt, even with a valid proof.
    let first = place.get("/api/v1/log/inclusion?index=0", "").json();
    let first = json!({"format": 1, "entry": first["entry"], "index": 0, "proof": first["proof"], "checkpoint": first["checkpoint"]});
    assert!(serde_json::from_value::<ReceiptFile>(first).unwrap().verify().is_err());
}

fn checkpoint(value: &Value) -> Checkpoint {
    serde_json::from_value(value.clone()).unwrap()
}

fn hashes(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_log_only_grows() {
    let place = Place::new(&Recipe::default()).unwrap();
    let mut seen = vec![checkpoint(&place.get("/api/v1/log/checkpoint", "").json())];
    for user in 0..3 {
        let all = json!({"user": format!("user-{user}"), "all": true});
        let request = place.post("/api/v1/interactions/delete", &place.admin, &all).json();
        place.wait_done(request["id"].as_str().unwrap()).unwrap();
        seen.push(checkpoint(&place.get("/api/v1/log/checkpoint", "").json()));
    }
    assert!(seen.windows(2).all(|w| w[0].size < w[1].size));
    for (a, earlier) in seen.iter().enumerate() {
        for later in &seen[a..] {
            let answer =
                place.get(&format!("/api/v1/log/consistency?from={}&to={}", earlier.size, later.size), "").json();
            verify_consistency(earlier, later, &hashes(&answer["proof"])).unwrap();
            assert_eq!(
                (&checkpoint(&answer["earlier"]).root, &checkpoint(&answer["later"]).root),
                (&earlier.root, &later.root)
            );
        }
    }
    let size = seen.last().unwrap().size;
    let entries = place.get("/api/v1/log/entries?count=1000", "").json();
    let lines: Vec<String> = serde_json::from_value(entries["entries"].clone()).unwrap();
    assert_eq!(lines.len() as u64, size);
    assert_eq!(current_key(&seen[0].origin, &lines).unwrap().as_deref(), Some(seen[0].public_key.as_str()));
    for (index, line) in lines.iter().enumerate() {
        for size in [index as u64 + 1, size] {
            let answer = place.get(&format!("/api/v1/log/inclusion?index={index}&size={size}"), "").json();
            verify_inclusion(line, index as u64, &hashes(&answer["proof"]), &checkpoint(&answer["checkpoint"]))
                .unwrap();
        }
    }
    for beyond in [
        format!("/api/v1/log/inclusion?index={size}"),
        format!("/api/v1/log/inclusion?index=0&size={}", size + 1),
        "/api/v1/log/consistency?from=0".to_owned(),
        format!("/api/v1/log/consistency?from=1&to={}", u64::MAX),
        "/api/v1/log/consistency?from=3&to=2".to_owned(),
    ] {
        assert_eq!(place.get(&beyond, "").status, 404, "{beyond}");
    }
    assert_eq!(place.get("/api/v1/log/inclusion?index=x", "").status, 400);
}

/// The log commits to every live version, with the nonce and salt of the
/// manifest; the secrets of earlier versions are gone.
#[test]
fn every_live_version_is_in_the_log() {
    let place = Place::new(&Recipe::default()).unwrap();
    let old = place.get("/api/v1/manifest", "").json();
    receipt(&place);
    // An addition has no receipt, but its version is in the log.
    let (has, items) = {
        let dataset = &place.dataset();
        let has: Vec<u32> = dataset.interactions.of(2).iter().map(|r| r.item).collect();
        (has, dataset.catalog.items.ids.clone())
    };
    let new = (0..16).find(|item| !has.contains(item)).unwrap();
    let add = json!({"user": "user-2", "interactions": [{"item": items[new as usize]}]});
    assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &add).json(), json!({"added": 1}));
    place.post("/api/v1/retrain", &place.operator, &json!({}));
    let start = std::time::Instant::now();
    while place.get("/api/v1/manifest", "").json()["shards"].as_array().unwrap().iter().any(|s| s["stale"] == true) {
        assert!(start.elapsed() < eemu_tests::service::PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let manifest = place.get("/api/v1/manifest", "").json();
    let log = whole_log(|path| Some(place.get(path, "").json())).unwrap();
    assert_eq!(assert_logged(&manifest, &log), manifest["shards"].as_array().unwrap().len());
    let mut changed = 0;
    for (shard, before) in manifest["shards"].as_array().unwrap().iter().zip(old["shards"].as_array().unwrap()) {
        let model = shard["model_blake3"].as_str().unwrap();
        assert!(!log.concat().contains(model), "the log holds a plain model hash");
        if shard["version"] != before["version"] {
            changed += 1;
            assert_ne!(shard["nonce"], before["nonce"]);
            let database = std::fs::read(place.dir.join("eemu.sqlite")).unwrap();
            for key in ["nonce", "salt"] {
                let secret = hex::decode(before[key].as_str().unwrap()).unwrap();
                assert!(!database.windows(32).any(|w| w == secret), "an old {key} is still on disk");
            }
        }
    }
    assert!(changed > 0);
}

#[test]
fn a_new_key_takes_over() {
    let mut place = Place::new(&Recipe::default()).unwrap();
    let before = checkpoint(&place.get("/api/v1/log/checkpoint", "").json());
    let old = receipt(&place);
    place.stop();
    let dir = place.dir.clone();
    let busy = Command::new(program().unwrap()).args(["receipt", "rotate-key", "--state"]).arg(&dir).output().unwrap();
    assert_eq!(busy.status.code(), Some(2), "the state is in use, so the key cannot change");
    let copy = tempfile::tempdir().unwrap();
    for entry in ["eemu.sqlite", "catalog.json", "catalog.safetensors", "log.key"] {
        let _ = std::fs::copy(dir.join(entry), copy.path().join(entry));
    }
    std::fs::create_dir(copy.path().join("models")).unwrap();
    for entry in std::fs::read_dir(dir.join("models")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join("models").join(entry.file_name())).unwrap();
    }
    let log = ["eemu.sqlite-wal", "eemu.sqlite-shm"];
    log.iter().for_each(|name| {
        let _ = std::fs::copy(dir.join(name), copy.path().join(name));
    });
    let run =
        Command::new(program().unwrap()).args(["receipt", "rotate-key", "--state"]).arg(copy.path()).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let place =
        Place::open(copy.path(), eemu_tests::service::quick(), &eemu_server::serve::http::HttpOptions::default())
            .unwrap();
    let after = checkpoint(&place.get("/api/v1/log/checkpoint", "").json());
    assert_ne!(before.public_key, after.public_key);
    let proof = place.get(&format!("/api/v1/log/consistency?from={}", before.size), "").json();
    verify_consistency(&before, &after, &hashes(&proof["proof"])).unwrap();
    let lines: Vec<String> =
        serde_json::from_value(place.get("/api/v1/log/entries?count=1000", "").json()["entries"].clone()).unwrap();
    assert_eq!(current_key(&after.origin, &lines).unwrap(), Some(after.public_key));
    // Signatures of the old key stay valid.
    serde_json::from_value::<ReceiptFile>(old).unwrap().verify().unwrap();
}
