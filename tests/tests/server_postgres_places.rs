//! A state in PostgreSQL with other parts elsewhere: backups in folders, models
//! in a bucket, a database behind TLS.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use eemu_core::data::Interaction;
use eemu_core::learned_state::LearnedState;
use eemu_server::deployment::Deployment;
use eemu_server::store::{Access, Location};
use eemu_tests::bucket::{Bucket, Versions};
use eemu_tests::command::{TINY, books, done, hashes, refused, text};
use eemu_tests::postgres::{Postgres, Setting, located};
use eemu_tests::service::{Process, delete_items, learned, make_state};
use eemu_tests::worlds::{Recipe, train_all};
use serde_json::{Value, json};

fn records(location: impl Into<Location>) -> Vec<Interaction> {
    Deployment::open(location, Access::Read).unwrap().dataset.interactions.all().to_vec()
}

/// Deletes the first record of a state, and user 3's account, by the command.
fn forget(state: &[&str], location: &Location) {
    let dataset = Deployment::open(location, Access::Read).unwrap().dataset;
    let gone = dataset.interactions.iter().find(|r| r.user != 3).unwrap();
    let (user, item) = (&dataset.catalog.users.ids[gone.user as usize], &dataset.catalog.items.ids[gone.item as usize]);
    let how = ["forget", "-q", "--later"];
    done(&[&how[..], state, &["--user", user, "--item", item]].concat(), &[]);
    if dataset.catalog.users.ids[3] == "user-3" {
        done(&[&how[..], state, &["--user", "user-3", "--all"]].concat(), &[]);
    }
}

/// Backups of a state in PostgreSQL and of one in a folder, each restored into
/// both. Later deletions are repeated from the old state, from the file that it
/// wrote, and from a restored state.
#[test]
fn backups_go_between_folders_and_databases() {
    let setting = Setting::new().unwrap();
    let at = |name: &str| setting.dir(name);
    let (folder, here) = (at("folder"), at("here"));
    make_state(&folder, &Recipe::default(), false).unwrap();
    make_state(setting.from("here"), &Recipe::default(), false).unwrap();
    let database = setting.database.as_str();
    for (name, state, location, old) in [
        ("sqlite", &["--state", text(&folder)][..], Location::from(&folder), text(&folder)),
        ("postgres", &["--state", text(&here), "--database", database][..], setting.from("here"), database),
    ] {
        let (backup, file) = (at(&format!("{name}-backup")), at(&format!("{name}.json")));
        let made = done(&[&["backup", "--json", "--to", text(&backup)], state].concat(), &[]);
        assert_eq!(made["records"], records(&location).len());
        forget(state, &location);
        done(&[&["backup", "--tombstones", text(&file)], state].concat(), &[]);
        let left = records(&location);
        let restore = |to: &Location, tombstones: &str| -> Value {
            let mut args = vec![
                "restore",
                "--json",
                "--backup",
                text(&backup),
                "--state",
                text(&to.dir),
                "--tombstones",
                tombstones,
            ];
            args.extend(to.database.iter().flat_map(|database| ["--database", database.0.as_str()]));
            done(&args, &[])
        };
        for (number, from) in [old, text(&file)].into_iter().enumerate() {
            let into = setting.server.database().unwrap();
            for to in [
                Location::from(&at(&format!("{name}-{number}-folder"))),
                located(&at(&format!("{name}-{number}-database")), &into),
            ] {
                let said = restore(&to, from);
                assert_eq!(said["accounts_deleted_again"], 1, "{name} by {number}: {said}");
                assert_eq!(records(&to), left, "{name} by {number}");
                let restored = Deployment::open(&to, Access::Read).unwrap();
                assert!(restored.dataset.catalog.users.ids[3].starts_with("deleted-"));
                assert_eq!(restored.state.backups().unwrap().len(), 1, "the backup is still out");
            }
            if number == 0 {
                // The restored database can itself list the deletions.
                let again = located(&at(&format!("{name}-worker")), &into);
                forget(&["--state", text(&again.dir), "--database", &into], &again);
                let twice = Location::from(&at(&format!("{name}-twice")));
                restore(&twice, &into);
                assert_eq!(records(&twice), records(&again));
                assert_eq!(records(&twice).len(), left.len() - 1);
            }
        }
    }
    // The restored state, after training, equals one that never had the
    // records.
    let restored = located(&at("last"), &setting.server.database().unwrap());
    let backup = at("postgres-backup");
    let to = ["--state", text(&restored.dir), "--database", &restored.database.as_ref().unwrap().0.clone()];
    let from = ["restore", "--backup", text(&backup), "--tombstones", database];
    done(&[&from[..], &to].concat(), &[]);
    done(&[&["train", "-q"][..], &to].concat(), &[]);
    let dataset = Deployment::open(&restored, Access::Read).unwrap().dataset;
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(&restored).unwrap().differences(&twin), [""; 0]);

    // A directory names its tombstones. An empty database, and the state of
    // another service, are not read as "no deletions".
    let empty = setting.server.database().unwrap();
    let fresh = at("fresh");
    let said = |tombstones: &str| {
        let args = ["restore", "--backup", text(&backup), "--state", text(&fresh), "--tombstones", tombstones];
        refused(&args, &[])
    };
    assert!(said(text(&here)).contains("--tombstones postgres://"), "{}", said(text(&here)));
    assert!(said(&empty).contains("holds no state"), "{}", said(&empty));
    assert!(said(text(&folder)).contains("knows nothing of this backup"), "{}", said(text(&folder)));
    let again = refused(&[&from[..], &to].concat(), &[]);
    assert!(again.contains("holds a state already") && again.contains("name an empty one"), "{again}");
}

/// Records in PostgreSQL and models in a bucket, with two servers: one applies
/// at once what the other acknowledged, each model is in the bucket once, and
/// everything equals training from scratch.
#[test]
fn a_database_and_a_bucket_together() {
    let setting = Setting::new().unwrap();
    let bucket = Bucket::start(Versions::Never).unwrap();
    bucket.put("shop/notes.txt", b"somebody else's");
    let owned = bucket.environment();
    let mut environment: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.push(("EEMU_DATABASE", &setting.database));
    let file = books(setting.kept.path());
    let (first, second, twin) = (setting.dir("first"), setting.dir("second"), setting.dir("twin"));
    let import = ["import", "--data", text(&file), "--holdout", "none", "--seed", "5", "--state"];
    done(&[&import[..], &[text(&first), "--models", "s3://models/shop"]].concat(), &environment);
    done(&[&["train", "-q", "--state", text(&second)], &TINY[..]].concat(), &environment);
    done(&[&import[..], &[text(&twin)]].concat(), &[]);
    done(&[&["train", "-q", "--state", text(&twin)], &TINY[..]].concat(), &[]);
    let info = |state: &Path| done(&["info", "--json", "--state", text(state)], &environment);
    assert_eq!(hashes(&info(&first)), hashes(&done(&["info", "--json", "--state", text(&twin)], &[])));
    assert_eq!((&info(&second)["models"], &info(&second)["erasure"]), (&json!("s3://models/shop"), &json!("logical")));
    let models =
        || -> BTreeSet<String> { bucket.names().into_iter().filter(|name| name.ends_with(".safetensors")).collect() };
    let before = models();
    // Three models, and one file for all initial rows of users.
    assert_eq!(before.len(), 4);

    let made = done(&["token", "create", "--scope", "admin", "--json", "--state", text(&first)], &environment);
    let admin = made["token"].as_str().unwrap().to_owned();
    let servers = [&first, &second].map(|dir| Process::start(dir, &["--settle", "0.3"], &environment).unwrap());
    let body = delete_items("reader-3", &["book-8"]);
    let (status, request) = servers[0].post("/api/v1/interactions/delete", &admin, &body).unwrap();
    assert_eq!((status, &request["removed"]), (202, &json!(1)));
    let manifest = servers[1].json("/api/v1/manifest", "").unwrap();
    let masked = manifest["shards"].as_array().unwrap().iter().filter(|s| s["in_mean"] == false).count();
    assert_eq!(masked, 1, "the other server answers with a model that saw the record: {manifest}");
    let kept: BTreeSet<String> = models().intersection(&before).cloned().collect();
    assert_eq!(kept.len(), 3, "the model that saw the record is still in the bucket");
    for server in &servers {
        let manifest = server.wait_clean().unwrap();
        for shard in manifest["shards"].as_array().unwrap() {
            for file in shard["files"].as_array().unwrap() {
                let (status, bytes) = server.get(file["address"].as_str().unwrap(), "").unwrap();
                assert_eq!((status, blake3::hash(&bytes).to_hex().as_str()), (200, file["blake3"].as_str().unwrap()));
            }
        }
    }
    servers.into_iter().for_each(|server| drop(server.kill()));
    let after = models();
    assert_eq!((after.len(), after.intersection(&before).count()), (4, 3));
    assert!(bucket.get("shop/notes.txt").is_some() && bucket.unsigned() == 0);
    done(&["forget", "-q", "--state", text(&twin), "--user", "reader-3", "--item", "book-8"], &[]);
    assert_eq!(hashes(&info(&second)), hashes(&done(&["info", "--json", "--state", text(&twin)], &[])));
    assert_eq!(done(&["verify", "-q", "--json", "--state", text(&first)], &environment)["equal"], true);
    assert!(!setting.dir("first").join("models").exists(), "a model lies beside the bucket");
}

/// A root certificate is used to check the database's certificate. Without it,
/// for another name, or without encryption, nothing is sent.
#[test]
fn the_database_is_known_by_its_certificate() {
    let server = Postgres::start_with_tls().unwrap();
    let database = server.database().unwrap();
    // The password is neither requested nor printed.
    let database = database.replace("eemu@", "eemu:hush@");
    let certificate = server.certificate().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let file = books(kept.path());
    let at = |dir: &str, address: &str| -> Vec<String> {
        let state = kept.path().join(dir);
        ["import", "--data", text(&file), "--state", text(&state), "--database", address].map(str::to_owned).to_vec()
    };
    let verified = format!("{database}?sslmode=verify-full&sslrootcert={}", text(&certificate));
    let wrong = [
        ("without a root", format!("{database}?sslmode=verify-full")),
        ("another name", verified.replace("127.0.0.1", "localhost")),
        ("in the clear", format!("{database}?sslmode=disable")),
    ];
    for (what, address) in &wrong {
        let args = at("refused", address);
        let said = refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        assert!(said.contains("--database") && !said.contains("hush"), "{what}: {said}");
        let reason = if *what == "in the clear" { "encryption" } else { "certificate" };
        assert!(said.contains(reason), "{what}: {said}");
    }
    let args = at("run", &verified);
    done(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let state = kept.path().join("run");
    let info = done(&["info", "--json", "--state", text(&state), "--database", &verified], &[]);
    assert_eq!(info["erasure"], "logical");
    // A server without TLS is refused if TLS is required.
    let plain = Postgres::start().unwrap();
    let args = at("plain", &format!("{}?sslmode=require", plain.database().unwrap()));
    let said = refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    assert!(said.contains("TLS"), "{said}");
}

/// Other data replace those of a database: deleted records stay out, records
/// added again stay in, and the log, tokens and settings stay. New items are as
/// if they had always been there.
#[test]
fn data_are_replaced_and_items_come_in_a_database() {
    let setting = Setting::new().unwrap();
    let at = |name: &str| setting.dir(name);
    let (here, database) = (at("here"), setting.database.as_str());
    let state = ["--state", text(&here), "--database", database];
    let table: String = (0..60).map(|n| format!("p{},i{},{}\n", n % 8, n % 11, 1_600_000_000 + n)).collect();
    let file = |name: &str, body: String| {
        let path = at(name);
        std::fs::write(&path, body).unwrap();
        path
    };
    let data = file("a.csv", format!("user,item,time\n{table}"));
    let items: String = (0..11).map(|n| format!("i{n},kind{}\n", n % 3)).collect();
    let items = file("items.csv", format!("item_id,category\n{items}"));
    let import = ["import", "--json", "--holdout", "none", "--data", text(&data), "--items", text(&items)];
    let run = |args: &[&str]| done(&[args, &state[..]].concat(), &[]);
    done(&[&import[..], &state[..], &["--seed", "5"]].concat(), &[]);
    let small = ["--shards", "2", "--model", "kernel", "--set", "kernel.width=4"];
    run(&[&["train", "-q"][..], &small].concat());
    let before = run(&["info", "--json"]);
    run(&["forget", "-q", "--user", "p1", "--all"]);
    run(&["forget", "-q", "--user", "p2", "--item", "i2"]);
    run(&["forget", "-q", "--user", "p3", "--item", "i3"]);
    assert_eq!(run(&["add", "--json", "--user", "p3", "--item", "i3", "--time", "1600000900"])["added"], 1);
    let receipts = run(&["info", "--json"])["receipts"].clone();
    assert!(receipts.as_u64() > Some(0));

    let said = run(&[&import[..], &["--replace"]].concat());
    assert_eq!((&said["replaced"], &said["users"]), (&json!(true), &json!(7)), "{said}");
    assert_eq!(said["forgotten_left_out"]["users"], 1, "{said}");
    let info = run(&["info", "--json"]);
    assert_eq!((&info["receipts"], &info["catalog_version"]), (&receipts, &json!(2)), "{info}");
    assert_eq!(info["config"]["train"], before["config"]["train"], "shards, seed");
    let has = |user: &str, item: &str| {
        let kept = run(&["person", "export", "--user", user]);
        kept["records"].as_array().unwrap().iter().any(|record| record["item"] == item)
    };
    assert!(!has("p2", "i2") && has("p3", "i3"));

    // New items are added, and used in training.
    run(&["train", "-q"]);
    let new = file("new.csv", "item_id,category\nnew1,kind1\nnew2,unheard of\n".into());
    let said = run(&["items", "add", "--json", text(&new)]);
    assert_eq!((&said["added"], &said["catalog_version"]), (&json!(2), &json!(3)), "{said}");
    let list = run(&["recommend", "--json", "--user", "p4", "--top", "100"]);
    let listed = |list: &Value| list["items"].as_array().unwrap().iter().any(|item| item["item_id"] == "new1");
    assert!(listed(&list), "{list}");
    run(&["add", "--json", "--user", "p4", "--item", "new1"]);
    run(&["train", "-q"]);
    let verified = run(&["verify", "--json"]);
    assert_eq!((&verified["equal"], &verified["catalog_version"]), (&json!(true), &json!(3)), "{verified}");
}
