//! Deletions that are accepted now and carried out together later; the audit
//! log; a receipt as its requester reads it; many accounts in a row.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use eemu_core::receipt::{Asked, AskedPart, ReceiptFile};
use eemu_core::shard::ShardBy;
use eemu_server::deployment::Deployment;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::tokens::{Scope, Tokens};
use eemu_server::serve::{Policy, ServiceOptions};
use eemu_server::store::Access;
use eemu_tests::command::{done, text};
use eemu_tests::postgres::Setting;
use eemu_tests::program;
use eemu_tests::service::{PATIENCE, Place, Process, delete_items, make_state, patient, quick, token};
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

fn recipe() -> Recipe {
    Recipe { users: 12, shards: 4, ..Recipe::default() }
}

fn within(span: Duration) -> ServiceOptions {
    ServiceOptions { deletions: Policy::Within(span), ..quick() }
}

fn items(place: &Place, user: &str) -> Vec<String> {
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
    list["interactions"].as_array().unwrap().iter().map(|r| r["item"].as_str().unwrap().to_owned()).collect()
}

fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let found = |bytes: Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle);
        if path.is_dir() { holds(&path, needle) } else { std::fs::read(&path).is_ok_and(found) }
    })
}

/// Until they are due, accepted deletions are only stored and shown. Then they
/// are carried out together, and the receipt states the times.
fn accepted_is_kept_and_carried_out(place: Place) {
    let (first, second) = (items(&place, "user-1"), items(&place, "user-2"));
    let before = place.get("/api/v1/manifest", "").json();
    let ask = |body: &Value| {
        let reply = place.post("/api/v1/interactions/delete", &place.admin, body);
        assert_eq!(reply.status, 202, "{}", reply.json());
        reply.json()
    };
    let (one, two) = (ask(&delete_items("user-1", &[&first[0]])), ask(&json!({"user": "user-2", "all": true})));
    assert_eq!((&one["phase"], &one["removed"]), (&json!("accepted"), &json!(0)));
    let due = one["due"].as_u64().unwrap();
    assert_eq!(due, one["erasure"]["asked"].as_u64().unwrap() + 3600);
    // A repeated request is the same request.
    assert_eq!(ask(&delete_items("user-1", &[&first[0]]))["id"], one["id"]);
    assert_eq!((items(&place, "user-1"), items(&place, "user-2")), (first.clone(), second));
    let after = place.get("/api/v1/manifest", "").json();
    assert_eq!((&after["shards"], &after["degree_classes"]), (&before["shards"], &before["degree_classes"]));
    let queue = place.get("/api/v1/queue", &place.operator).json();
    assert_eq!((&queue["accepted"], &queue["late"]), (&json!(2), &json!(0)));
    let name = one["id"].as_str().unwrap().to_owned();
    let shown = &queue["deadlines"][0];
    assert_eq!(shown["name_blake3"], blake3::hash(name.as_bytes()).to_hex().as_str());
    assert_eq!((&shown["due"], &shown["late"]), (&json!(due), &json!(false)));
    assert_eq!((place.metric("eemu_deletions_accepted"), place.metric("eemu_deletions_late")), (2.0, 0.0));
    // The request is stored encrypted: not even its identifier can be read.
    assert!(!holds(&place.dir, name.as_bytes()));
    assert_eq!(place.state.deferred_secrets().unwrap().len(), 2);

    // The next service has another policy; open requests are carried out.
    let mut place = place.again(quick(), &http()).unwrap();
    let status = place.wait_done(&name).unwrap();
    assert_eq!((&status["removed"], status["receipt_index"].is_u64()), (&json!(1), true), "{status}");
    let other = place.wait_done(two["id"].as_str().unwrap()).unwrap();
    assert!(other["removed"].as_u64() > Some(0));
    assert!(!items(&place, "user-1").contains(&first[0]) && items(&place, "user-2").is_empty());
    let file = place.get(&format!("/api/v1/unlearning/{name}/receipt"), &place.admin).bytes;
    let receipt = serde_json::from_slice::<ReceiptFile>(&file).unwrap().verify().unwrap();
    let times = receipt.times.unwrap();
    assert!(times.asked <= times.carried_out.unwrap() && times.carried_out.unwrap() <= times.written);
    assert_eq!(times.asked, one["erasure"]["asked"].as_u64().unwrap());
    let part = AskedPart { user: Some("user-1".into()), item: Some(first[0].clone()), ..AskedPart::default() };
    assert!(receipt.answers_what(&name, &Asked { parts: vec![part.clone()] }));
    assert!(!receipt.answers_what(&name, &Asked { parts: vec![AskedPart { item: None, ..part }] }));
    assert_eq!((place.state.deferred().unwrap().len(), place.metric("eemu_deletions_accepted")), (0, 0.0));
    assert!(!holds(&place.dir, b"deferred-key"), "the key outlives what it sealed");
    place.stop();
}

#[test]
fn accepted_deletions_are_carried_out_together() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe(), true).unwrap();
    accepted_is_kept_and_carried_out(Place::open(&dir, within(Duration::from_secs(3600)), &http()).unwrap());
}

/// The same in PostgreSQL, with the audit log.
#[test]
fn accepted_deletions_and_the_audit_log_in_postgres() {
    let setting = Setting::new().unwrap();
    let here = setting.from("one");
    make_state(&here, &recipe(), true).unwrap();
    let mut place = Place::open(&here, within(Duration::from_secs(3600)), &http()).unwrap();
    let answer = place.post("/api/v1/account/delete", &place.admin, &json!({"user": "user-3"})).json();
    assert_eq!(answer["phase"], "accepted");
    let entries = audit_of(&place, 1);
    assert_eq!((&entries[0]["kind"], &entries[0]["status"]), (&json!("delete an account"), &json!(202)));
    place.stop();
    drop(place);
    let mut place = Place::open(&here, quick(), &http()).unwrap();
    place.wait_done(answer["id"].as_str().unwrap()).unwrap();
    assert!(place.dataset().catalog.users.find("user-3").is_none());
    assert_eq!(place.state.deferred().unwrap(), []);
    place.stop();
}

/// A backup contains accepted deletions, and they are carried out where it is
/// restored.
#[test]
fn a_backup_holds_accepted_deletions() {
    let kept = tempfile::tempdir().unwrap();
    let (dir, copy, back) = (kept.path().join("state"), kept.path().join("copy"), kept.path().join("back"));
    make_state(&dir, &recipe(), true).unwrap();
    let mut place = Place::open(&dir, within(Duration::from_secs(3600)), &http()).unwrap();
    let item = items(&place, "user-4").remove(0);
    let one = place.post("/api/v1/interactions/delete", &place.admin, &delete_items("user-4", &[&item])).json();
    let two = place.post("/api/v1/account/delete", &place.admin, &json!({"user": "user-5"})).json();
    assert_eq!((&one["phase"], &two["phase"]), (&json!("accepted"), &json!("accepted")));
    place.stop();
    drop(place);
    done(&["backup", "--state", text(&dir), "--to", text(&copy)], &[]);
    assert!(!holds(&copy, one["id"].as_str().unwrap().as_bytes()), "a request can be read in the backup");
    done(&["restore", "--backup", text(&copy), "--tombstones", text(&dir), "--state", text(&back)], &[]);
    done(&["train", "-q", "--state", text(&back)], &[]);
    let mut place = Place::open(&back, quick(), &http()).unwrap();
    for id in [&one["id"], &two["id"]] {
        assert!(place.wait_done(id.as_str().unwrap()).unwrap()["removed"].as_u64() > Some(0));
    }
    assert!(!items(&place, "user-4").contains(&item));
    assert!(place.dataset().catalog.users.find("user-5").is_none());
    place.stop();
}

/// A process that dies between accepting and carrying out loses no request: the
/// next one carries out those that are due.
#[test]
fn a_kill_loses_no_accepted_deletion() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe(), true).unwrap();
    let admin = token(&dir, Scope::Admin).unwrap();
    let dataset = Deployment::open(&dir, Access::Read).unwrap().dataset;
    let record = dataset.interactions.of(4)[0];
    let item = dataset.catalog.items.ids[record.item as usize].clone();
    drop(dataset);
    let args = ["--deletions", "within=2s", "--settle", "0"];
    let process = Process::start(&dir, &args, &[]).unwrap();
    let (status, one) = process.post("/api/v1/interactions/delete", &admin, &delete_items("user-4", &[&item])).unwrap();
    let (_, two) = process.post("/api/v1/account/delete", &admin, &json!({"user": "user-5"})).unwrap();
    assert_eq!((status, &one["phase"], &two["phase"]), (202, &json!("accepted"), &json!("accepted")));
    process.kill();
    let there = Deployment::open(&dir, Access::Read).unwrap().dataset;
    assert!(there.interactions.of(4).iter().any(|r| r.item == record.item), "carried out before it was due");
    drop(there);
    let process = Process::start(&dir, &args, &[]).unwrap();
    let start = Instant::now();
    for id in [&one["id"], &two["id"]] {
        let path = format!("/api/v1/unlearning/{}", id.as_str().unwrap());
        while process.json(&path, &admin).unwrap()["phase"] != "done" {
            assert!(start.elapsed() < PATIENCE, "never carried out");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    process.kill();
    let left = Deployment::open(&dir, Access::Read).unwrap().dataset;
    assert!(left.interactions.of(4).iter().all(|r| r.item != record.item));
    assert!(left.catalog.users.is_deleted(5) && left.interactions.of(5).is_empty());
}

fn audit_of(place: &Place, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let page = place.get("/api/v1/audit?count=1000", &place.admin).json();
        let entries = page["entries"].as_array().unwrap().clone();
        let entries: Vec<Value> = entries.into_iter().filter(|entry| entry["kind"] != "read the audit log").collect();
        if entries.len() >= count {
            return entries;
        }
        assert!(start.elapsed() < PATIENCE, "{page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The audit log contains the caller, the kind of request, the time and the
/// status, and neither item nor user.
#[test]
fn the_audit_log_says_who_asked_what_kind_of_thing() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe(), true).unwrap();
    let mut place = Place::open(&dir, quick(), &http()).unwrap();
    let subject = place.subject(6).unwrap();
    let item = items(&place, "user-6").remove(0);
    place.post("/api/v1/interactions/delete", &subject, &json!({"items": [item]}));
    place.post("/api/v1/interactions/add", &subject, &json!({"interactions": [{"item": item}]}));
    place.post("/api/v1/interactions/add", &subject, &json!({"interactions": [{"item": item}]}));
    place.post("/api/v1/interactions/delete?dry_run=true", &subject, &json!({"items": [item]}));
    place.post("/api/v1/items/take-down", &subject, &json!({"item": item}));
    place.post("/api/v1/retrain", &place.operator, &json!({}));
    place.post("/api/v1/interactions/list", "", &json!({"user": "user-6"}));
    let entries = audit_of(&place, 7);
    let told: Vec<(&str, &str, u64)> = entries
        .iter()
        .map(|e| (e["scope"].as_str().unwrap(), e["kind"].as_str().unwrap(), e["status"].as_u64().unwrap()))
        .collect();
    for expected in [
        ("admin", "read records", 200),
        ("subject", "delete records", 202),
        ("subject", "add records", 200),
        ("subject", "delete records", 200),
        ("subject", "take an item down", 403),
        ("operator", "retrain", 202),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
    assert_eq!(told.iter().filter(|entry| **entry == ("subject", "add records", 200)).count(), 2);
    assert_eq!(told.len(), 7, "{told:?}");
    let names: Vec<String> = Tokens::open(&dir).unwrap().list().iter().map(|token| token.id.clone()).collect();
    assert!(entries.iter().all(|entry| names.iter().any(|name| entry["token"] == name.as_str())));
    let text = json!(entries).to_string();
    assert!(!text.contains("user-") && !text.contains("item-"), "{text}");
    for token in [&place.operator, &subject] {
        assert_eq!(place.get("/api/v1/audit", token).status, 403);
    }
    assert_eq!(place.get("/api/v1/audit", "").status, 401);
    // Page by page the result is the same.
    let (mut paged, mut next) = (Vec::new(), None);
    loop {
        let before = next.map_or(String::new(), |next: u64| format!("&before={next}"));
        let page = place.get(&format!("/api/v1/audit?count=2{before}"), &place.admin).json();
        paged.extend(page["entries"].as_array().unwrap().iter().map(|e| e["number"].as_u64().unwrap()));
        next = page["next"].as_u64();
        if next.is_none() {
            break;
        }
    }
    assert!(paged.len() >= 7 && paged.windows(2).all(|pair| pair[0] > pair[1]), "{paged:?}");
    place.stop();
    drop(place);
    let run = |args: &[&str]| {
        let output = Command::new(program().unwrap()).args(args).arg("--state").arg(&dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["add", "--user", "user-7", "--item", "item-1"]);
    run(&["forget", "--later", "--user", "user-7", "--item", "item-1"]);
    let kept = Deployment::open(&dir, Access::Read).unwrap().state.audit(u64::MAX, 2).unwrap();
    assert_eq!((kept[0].kind.as_str(), kept[0].token.as_str()), ("forget", "command"));
}

/// `eemu forget` writes its receipt, and a holder of the request's name can
/// show which request it answers.
#[test]
fn a_receipt_of_the_command_line_opens_for_its_asker() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe(), true).unwrap();
    let item = {
        let dataset = Deployment::open(&dir, Access::Read).unwrap().dataset;
        dataset.catalog.items.ids[dataset.interactions.of(1)[0].item as usize].clone()
    };
    let run = |args: &[&str]| {
        let output = Command::new(program().unwrap()).args(args).output().unwrap();
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let state = dir.to_str().unwrap();
    let (code, told) = run(&["forget", "--state", state, "--user", "user-1", "--item", &item, "--quiet", "--json"]);
    assert_eq!(code, 0, "{told}");
    let (name, file) = (told["request"].as_str().unwrap(), told["receipt_file"].as_str().unwrap());
    assert!(Path::new(file).is_file());
    let open = |name: &str, asked: &[&str]| {
        run(&[&["receipt", "open", "--receipt", file, "--request", name, "--json"][..], asked].concat())
    };
    assert_eq!(open(name, &["--user", "user-1", "--item", &item]).0, 0);
    for (name, asked) in [
        (name, &["--user", "user-1", "--item", "item-99"][..]),
        (name, &["--user", "user-2", "--item", &item]),
        (name, &["--user", "user-1", "--all"]),
        ("0123", &["--user", "user-1", "--item", &item]),
    ] {
        assert_eq!(open(name, asked).0, 1, "{asked:?}");
    }
    assert_eq!(run(&["receipt", "verify", file, "--json"]).0, 0);
}

/// The number of answers by popularity, of 20, while 20 accounts are deleted in
/// turn and no shard is retrained.
fn degraded(by: ShardBy) -> usize {
    let recipe = Recipe { users: 40, items: 24, shards: 8, by, ..Recipe::default() };
    let place = Place::with(&recipe, patient(), &http()).unwrap();
    let ask = |user: u32| {
        let reply = place.post("/api/v1/account/delete", &place.admin, &json!({"user": format!("user-{user}")}));
        assert_eq!(reply.status, 202);
        place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json()["degraded"] == true
    };
    (0..20).filter(|user| ask(*user)).count()
}

/// With sharding by record the first account already leaves only popularity.
/// With sharding by user an account removes one shard of eight. Nothing is
/// retrained here, which is the worst case.
#[test]
fn twenty_accounts_in_a_row_rarely_leave_popularity() {
    let (of_people, of_records) = (degraded(ShardBy::Person), degraded(ShardBy::Record));
    println!("degraded of 20: {of_people} with shards of people, {of_records} with shards of records");
    assert!(of_records >= 18, "{of_records}");
    assert!(of_people <= 5, "{of_people}");
    // The same with retraining meanwhile.
    let recipe = Recipe { users: 40, items: 24, shards: 8, by: ShardBy::Person, ..Recipe::default() };
    let place = Place::with(&recipe, quick(), &http()).unwrap();
    let mut last = String::new();
    let mut degraded = 0;
    for user in 0..20 {
        let reply = place.post("/api/v1/account/delete", &place.admin, &json!({"user": format!("user-{user}")}));
        last = reply.json()["id"].as_str().unwrap().to_owned();
        let list = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
        degraded += usize::from(list["degraded"] == true);
    }
    println!("degraded of 20 beside retraining: {degraded}");
    assert!(degraded <= of_people, "{degraded}");
    place.wait_done(&last).unwrap();
}
