//! Data deleted through the API are in no file and no log line, and later
//! publications and logs do not reveal them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use eemu_core::client::{Precision, client_file, client_tensors};
use eemu_core::data::{ImportReport, Imported, Interaction};
use eemu_core::model::model_blake3;
use eemu_core::receipt::commitment;
use eemu_core::train::input_hash;
use eemu_server::deployment::Deployment;
use eemu_server::progress::Progress;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_server::training::train_shards;
use eemu_tests::service::{Place, Process, delete_items, token};
use eemu_tests::worlds::{Recipe, cpu, train_one};
use serde_json::{Value, json};

/// The bytes of every file under a folder.
fn contents(dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn holds(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    contents(dir, &mut all);
    let hit = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    all.into_iter().filter(|(_, bytes)| hit(bytes)).map(|(name, _)| name).collect()
}

const PERSON: &str = "canary-person-5f3a9c1e7b2d4680";
const THING: &str = "canary-thing-91d27ac05be8f364";
/// A timestamp that occurs only once.
const TIME: f64 = 1_234_567.890_123_4;

/// A state with a user and a record of that user that can be searched for.
fn planted(dir: &Path) -> [u8; 16] {
    let recipe = Recipe { users: 9, ..Recipe::default() };
    let mut catalog = recipe.catalog().unwrap();
    // Renames one user and one item.
    let rename = |entities: &eemu_core::data::Entities, row: usize, name: &str| {
        let mut ids: Vec<String> = entities.ids.iter().cloned().collect();
        ids[row] = name.to_owned();
        eemu_core::data::Entities::new(ids, Vec::new(), entities.columns.to_vec()).unwrap()
    };
    catalog.users = rename(&catalog.users, 4, PERSON);
    catalog.items = rename(&catalog.items, 7, THING);
    let mut records: Vec<Interaction> = recipe.records().into_iter().filter(|r| (r.user, r.item) != (4, 7)).collect();
    records.push(Interaction { user: 4, item: 7, timestamp: Some(TIME) });
    let imported = Imported { catalog, records, report: ImportReport::default() };
    let deployment = Deployment::create(dir, &imported, &recipe.config(), false).unwrap();
    train_shards(&deployment, &[0, 1, 2], &cpu(), 1, &Progress::new(true), false).unwrap();
    Deployment::keyed_id(&deployment.dataset, &Interaction { user: 4, item: 7, timestamp: None })
}

fn wait(process: &Process, name: &str) {
    for _ in 0..3000 {
        if process.json(&format!("/api/v1/unlearning/{name}"), "").is_ok_and(|s| s["phase"] == "done") {
            return;
        }
        let admin = process.json("/api/v1/manifest", "").unwrap();
        let clean = admin["shards"].as_array().unwrap().iter().all(|s| s["in_mean"] == true);
        if clean {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never done");
}

/// The erasure test through the API, logs included: at the acknowledgement, and
/// again after retraining.
#[test]
fn no_file_and_no_log_line_holds_it() {
    for format in ["text", "json"] {
        let kept = tempfile::tempdir().unwrap();
        let dir = kept.path().join("state");
        let keyed = planted(&dir);
        let admin = token(&dir, Scope::Admin).unwrap();
        let subject = token(&dir, Scope::Subject(4)).unwrap();
        let other = token(&dir, Scope::Subject(0)).unwrap();
        let has: BTreeSet<(u32, u32)> = {
            let dataset = Deployment::open(&dir, Access::Read).unwrap().dataset;
            dataset.interactions.all().iter().map(|r| (r.user, r.item)).collect()
        };
        let process = Process::start(&dir, &["--settle", "0.3", "--log-format", format], &[]).unwrap();
        let needles: [(&str, &[u8]); 2] = [("time", &TIME.to_be_bytes()), ("keyed id", &keyed)];
        for (what, needle) in needles {
            assert!(!holds(&dir, needle).is_empty(), "the {what} was never there: the search is blind");
        }
        assert!(!holds(&dir, PERSON.as_bytes()).is_empty());
        // Every request that a user may send, so that all of them are logged.
        process.post("/api/v1/recommendations", &subject, &json!({"top": 3})).unwrap();
        process.post("/api/v1/recommendations", &admin, &json!({"user": PERSON, "items": [THING]})).unwrap();
        process.post("/api/v1/interactions/list", &subject, &json!({"user": PERSON})).unwrap();
        process.post("/api/v1/interactions/list", &subject, &json!({"nonsense": THING})).unwrap();
        // An addition without a timestamp copies none from another record: the
        // searched record has the latest one, and its owner and another user
        // add items that they lack.
        for (user, bearer) in [(4, &subject), (0, &other)] {
            let new = (0..16).filter(|n| *n != 7).find(|n| !has.contains(&(user, *n))).unwrap();
            let add = json!({"interactions": [{"item": format!("item-{new}")}]});
            let (status, added) = process.post("/api/v1/interactions/add", bearer, &add).unwrap();
            assert_eq!((status, &added["added"]), (200, &json!(1)));
        }
        let (status, answer) =
            process.post("/api/v1/interactions/delete", &subject, &delete_items(PERSON, &[THING])).unwrap();
        assert_eq!((status, &answer["removed"]), (202, &json!(1)));
        for (what, needle) in needles {
            assert_eq!(holds(&dir, needle), [""; 0], "the {what} is on disk after the acknowledgement");
        }
        wait(&process, answer["id"].as_str().unwrap());
        let (status, answer) = process.post("/api/v1/account/delete", &subject, &json!({})).unwrap();
        assert_eq!(status, 202);
        assert_eq!(holds(&dir, PERSON.as_bytes()), [""; 0], "the account's name is on disk");
        wait(&process, answer["id"].as_str().unwrap());
        for (what, needle) in needles {
            assert_eq!(holds(&dir, needle), [""; 0], "the {what} came back");
        }
        assert_eq!(holds(&dir, PERSON.as_bytes()), [""; 0]);
        let log = process.kill();
        assert!(log.contains("deletions carried out") && log.contains("/api/v1/interactions/delete"), "{log}");
        for secret in [PERSON, THING, &subject, &admin, answer["id"].as_str().unwrap()] {
            assert!(!log.contains(secret), "the log holds {secret}");
        }
        let lines = log.lines().filter(|line| !line.is_empty());
        if format == "json" {
            lines.for_each(|line| assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}"));
        }
    }
}

/// Everything of a service that callers can read, and that it stores.
fn published(place: &Place, name: &str) -> String {
    let mut all = String::new();
    for path in ["/api/v1/manifest", "/api/v1/log/entries?count=1000", "/api/v1/log/checkpoint", "/api/v1/catalog"] {
        all += &String::from_utf8(place.get(path, "").bytes).unwrap();
    }
    for part in ["", "/receipt"] {
        let reply = place.get(&format!("/api/v1/unlearning/{name}{part}"), &place.admin);
        assert_eq!(reply.status, 200);
        all += &String::from_utf8(reply.bytes).unwrap();
    }
    let mut files = Vec::new();
    contents(&place.dir, &mut files);
    files.into_iter().for_each(|(name, bytes)| all += &(name + &String::from_utf8_lossy(&bytes)));
    all
}

/// The attack on exact training: an attacker who knows all other records trains
/// with and without the guess and compares. Before the deletion this finds the
/// record; afterwards no published, logged or stored value matches "with".
#[test]
fn retraining_with_the_true_candidate_finds_nothing() {
    let place = Place::new(&Recipe::default()).unwrap();
    let dataset = place.dataset().clone();
    let record = *dataset.interactions.all().iter().find(|r| dataset.shard_of(r.user, r.item) == 1).unwrap();
    let data = &dataset.shards()[1];
    // With the candidate: the value that the attacker can compute.
    let with = train_one(&dataset, data).unwrap();
    let hash = model_blake3(&with);
    let shared = client_tensors(&with, &dataset.config.model);
    let mut guesses = vec![hash.clone()];
    for precision in [Precision::F32, Precision::F16] {
        guesses.push(blake3::hash(&client_file(&shared, precision).unwrap()).to_hex().to_string());
    }
    let input = input_hash(&dataset.catalog, &dataset.config, data);
    guesses.push(hex::encode(input));
    let before = place.get("/api/v1/manifest", "").json();
    let text = before.to_string();
    assert!(guesses[..3].iter().all(|guess| text.contains(guess)), "the attack has no power: it misses a live record");
    let stored = place.state.live(1).unwrap().unwrap();

    let ids = (&dataset.catalog.users.ids[record.user as usize], &dataset.catalog.items.ids[record.item as usize]);
    let request = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(ids.0, &[ids.1])).json();
    let name = request["id"].as_str().unwrap().to_owned();
    place.wait_done(&name).unwrap();
    let all = published(&place, &name);
    guesses.extend([stored.shared_file.clone(), stored.user_rows_file.clone(), hex::encode(stored.input_hash)]);
    for guess in &guesses {
        assert!(!all.contains(guess.as_str()), "{guess} tells that the record was there");
    }
    // Commitments use deleted keys: no key that can still be read opens one.
    let manifest = place.get("/api/v1/manifest", "").json();
    let log = place.get("/api/v1/log/entries?count=1000", "").json()["entries"].to_string();
    for shard in manifest["shards"].as_array().unwrap() {
        for key in ["nonce", "salt"] {
            let key: [u8; 32] = hex::decode(shard[key].as_str().unwrap()).unwrap().try_into().unwrap();
            assert!(!log.contains(&commitment(&key, hash.as_bytes())));
            assert!(!log.contains(&commitment(&key, &stored.input_hash)));
        }
    }
    // The key of its time opens the commitment that is in the log.
    assert!(log.contains(&commitment(&stored.nonce.0, hash.as_bytes())));
    for secret in [stored.nonce.0, stored.salt.0] {
        assert_eq!(holds(&place.dir, &secret), [""; 0], "a destroyed secret is on disk");
        assert!(!all.contains(&hex::encode(secret)));
    }
}

fn classes(place: &Place) -> Vec<u64> {
    let manifest = place.get("/api/v1/manifest", "").json();
    manifest["degree_classes"].as_array().unwrap().iter().map(|c| c.as_u64().unwrap()).collect()
}

/// Between two readings about half of all classes change, whatever was deleted.
/// Without a change of records none changes, so that repeated reading reveals
/// nothing.
#[test]
fn two_manifests_around_a_deletion_do_not_name_the_item() {
    let place = Place::new(&Recipe { users: 12, items: 60, ..Recipe::default() }).unwrap();
    assert_eq!(classes(&place), classes(&place));
    let mut named = 0;
    let deletions = 12;
    for user in 0..deletions {
        let dataset = place.dataset().clone();
        let Some(record) = dataset.interactions.of(user).first().copied() else { continue };
        let ids = (&dataset.catalog.users.ids[user as usize], &dataset.catalog.items.ids[record.item as usize]);
        let before = classes(&place);
        place.post("/api/v1/interactions/delete", &place.admin, &delete_items(ids.0, &[ids.1]));
        let after = classes(&place);
        let moved: BTreeSet<usize> = (0..60).filter(|&item| before[item] != after[item]).collect();
        assert!(moved.len() >= 12, "only {} of 60 classes moved", moved.len());
        named += usize::from(moved.contains(&(record.item as usize)));
        assert_eq!(classes(&place), after, "a retraining alone must not draw anew");
    }
    // The class of the deleted item changes about as often as any other, not
    // always.
    assert!(named < deletions as usize, "the deleted item always moved");
    let state = Deployment::open(&place.dir, Access::Read);
    assert!(state.is_ok());
}
