//! States over time: backups whose restore repeats later deletions, and a state
//! of an earlier version.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use eemu_core::data::Interaction;
use eemu_core::learned_state::LearnedState;
use eemu_server::deployment::Deployment;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_tests::command::{self, refused, text};
use eemu_tests::copy;
use eemu_tests::service::{Place, Process, delete_items, learned, make_state, quick, token};
use eemu_tests::worlds::{Recipe, train_all};
use serde_json::{Value, json};

/// The lifetime of a backup here: long enough for a deletion within it.
const KEPT: Duration = Duration::from_secs(4);

fn done(args: &[&str]) -> Value {
    command::done(args, &[])
}

fn records(dir: &Path) -> Vec<Interaction> {
    Deployment::open(dir, Access::Read).unwrap().dataset.interactions.all().to_vec()
}

/// A backup beside a running server; a record and an account are deleted after
/// it. The restore deletes both again, and its models equal those of a system
/// that never had them.
#[test]
fn a_restore_deletes_again() {
    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name);
    let state = at("state");
    make_state(&state, &Recipe::default(), true).unwrap();
    let admin = token(&state, Scope::Admin).unwrap();
    let process = Process::start(&state, &["--settle", "0.05"], &[]).unwrap();
    let before = records(&state);
    let made = done(&["backup", "--state", text(&state), "--to", text(&at("backup")), "--json"]);
    assert_eq!(made["records"], before.len());
    let catalog = Deployment::open(&state, Access::Read).unwrap().dataset.catalog;
    let gone = before.iter().find(|r| r.user != 3).unwrap();
    let ids = (&catalog.users.ids[gone.user as usize], &catalog.items.ids[gone.item as usize]);
    assert_eq!(process.post("/api/v1/interactions/delete", &admin, &delete_items(ids.0, &[ids.1])).unwrap().0, 202);
    assert_eq!(process.post("/api/v1/account/delete", &admin, &json!({"user": "user-3"})).unwrap().0, 202);
    done(&["backup", "--state", text(&state), "--tombstones", text(&at("tombstones.json"))]);
    process.wait_clean().unwrap();
    drop(process.kill());

    let without = refused(&["restore", "--backup", text(&at("backup")), "--state", text(&at("a"))], &[]);
    assert!(without.contains("--tombstones"), "{without}");
    let target = at("a");
    let args = ["restore", "--backup", text(&state), "--state", text(&target), "--without-tombstones"];
    let not_one = refused(&args, &[]);
    assert!(not_one.contains("no backup"), "{not_one}");
    for (name, tombstones) in [("from-state", state.clone()), ("from-file", at("tombstones.json"))] {
        let (restored, backup) = (at(name), at("backup"));
        let args = ["restore", "--backup", text(&backup), "--state", text(&restored), "--json", "--tombstones"];
        let said = done(&[&args[..], &[text(&tombstones)]].concat());
        assert_eq!(said["accounts_deleted_again"], 1);
        assert_eq!(records(&restored), records(&state));
        assert!(!std::fs::read_to_string(restored.join("catalog.json")).unwrap().contains("user-3\""));
        done(&["train", "--state", text(&restored), "-q"]);
        let dataset = Deployment::open(&restored, Access::Read).unwrap().dataset;
        let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
        assert_eq!(learned(&restored).unwrap().differences(&twin), [""; 0]);
    }
    let (backup, all) = (at("backup"), at("all"));
    done(&["restore", "--backup", text(&backup), "--state", text(&all), "--without-tombstones", "--json"]);
    assert_eq!(records(&all).len(), before.len());
}

/// The backup still exists after a restore: deletions before and after the
/// restore are repeated when the same backup is restored from the restored
/// state.
#[test]
fn a_second_restore_deletes_everything_again() {
    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name);
    let (state, backup) = (at("state"), at("backup"));
    make_state(&state, &Recipe::default(), false).unwrap();
    done(&["backup", "--state", text(&state), "--to", text(&backup), "--json"]);
    let catalog = Deployment::open(&state, Access::Read).unwrap().dataset.catalog;
    let forget = |dir: &Path| {
        let gone = records(dir)[0];
        let ids = (&catalog.users.ids[gone.user as usize], &catalog.items.ids[gone.item as usize]);
        done(&["forget", "--state", text(dir), "--user", ids.0, "--item", ids.1, "-q", "--later"]);
    };
    let out = |dir: &Path| Deployment::open(dir, Access::Read).unwrap().state.backups().unwrap();
    forget(&state);
    for (name, from) in [("by-state", state.clone()), ("by-file", at("tombstones.json"))] {
        if name == "by-file" {
            done(&["backup", "--state", text(&state), "--tombstones", text(&from)]);
        }
        let (once, twice) = (at(&format!("{name}-1")), at(&format!("{name}-2")));
        let restore = |to: &Path, from: &Path| {
            let args =
                ["restore", "--backup", text(&backup), "--state", text(to), "--json", "--tombstones", text(from)];
            done(&args)
        };
        assert_eq!(restore(&once, &from)["deleted_again"], 1);
        assert_eq!(out(&once), out(&state), "the backup is still out, with its own end");
        forget(&once);
        assert_eq!(restore(&twice, &once)["deleted_again"], 2, "a deletion came back");
        assert_eq!(records(&twice), records(&once));
        assert_eq!(out(&twice), out(&state));
    }
}

/// Without a backup there is no tombstone. When the last backup expires,
/// tombstones and their key are deleted, down to the bytes.
#[test]
fn tombstones_end_with_the_last_older_backup() {
    let kept = tempfile::tempdir().unwrap();
    let state = kept.path().join("state");
    make_state(&state, &Recipe::default(), true).unwrap();
    let forget = |n: usize| {
        let all = records(&state);
        let catalog = Deployment::open(&state, Access::Read).unwrap().dataset.catalog;
        let (user, item) = (&catalog.users.ids[all[n].user as usize], &catalog.items.ids[all[n].item as usize]);
        done(&["forget", "--state", text(&state), "--user", user, "--item", item, "-q", "--later"]);
    };
    let tombstones = || Deployment::open(&state, Access::Read).unwrap().state.tombstones().unwrap();
    forget(0);
    assert!(tombstones().hashes.is_empty());
    let keep = (KEPT.as_secs_f64() / 86_400.0).to_string();
    done(&["backup", "--state", text(&state), "--to", text(&kept.path().join("short")), "--keep", &keep]);
    forget(1);
    let found = tombstones();
    assert_eq!(found.hashes.len(), 1);
    let info = done(&["info", "--state", text(&state), "--json"]);
    assert_eq!(info["backups"].as_array().unwrap().len(), 1);
    std::thread::sleep(KEPT + Duration::from_millis(200));
    forget(2);
    assert!(tombstones().hashes.is_empty() && tombstones().key.is_none());
    let database = std::fs::read(state.join("eemu.sqlite")).unwrap();
    let hash = hex::decode(found.hashes.first().unwrap()).unwrap();
    assert!(!database.windows(32).any(|w| w == hash), "an expired tombstone is still on disk");
    let key = found.key.unwrap().into_bytes();
    assert!(!database.windows(key.len()).any(|w| w == key), "the key of the tombstones is still on disk");
}

/// Tombstones that do not cover the backup (another state's, or destroyed when
/// it expired) are refused, because deleted records would return.
#[test]
fn tombstones_of_another_time_or_place_are_refused() {
    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name);
    let (state, other, backup, file) = (at("state"), at("other"), at("backup"), at("early.json"));
    make_state(&state, &Recipe::default(), false).unwrap();
    make_state(&other, &Recipe::default(), false).unwrap();
    done(&["backup", "--state", text(&state), "--tombstones", text(&file)]);
    let keep = (KEPT.as_secs_f64() / 86_400.0).to_string();
    done(&["backup", "--state", text(&state), "--to", text(&backup), "--keep", &keep]);
    let forget = |n: usize| {
        let record = records(&state)[n];
        let catalog = Deployment::open(&state, Access::Read).unwrap().dataset.catalog;
        let (user, item) = (&catalog.users.ids[record.user as usize], &catalog.items.ids[record.item as usize]);
        done(&["forget", "--state", text(&state), "--user", user, "--item", item, "-q", "--later"]);
    };
    forget(0);
    let restore = |from: &Path| {
        refused(&["restore", "--backup", text(&backup), "--state", text(&at("new")), "--tombstones", text(from)], &[])
    };
    for from in [&other, &file] {
        let said = restore(from);
        assert!(said.contains("knows nothing of this backup"), "{said}");
    }
    std::thread::sleep(KEPT + Duration::from_millis(200));
    forget(1);
    let said = restore(&state);
    assert!(said.contains("knows nothing of this backup") && !at("new").exists(), "{said}");
}

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/state-format-1")
}

/// A state written before eemu had a server opens, serves, and continues; a
/// read-only command says what to do.
#[test]
fn a_state_of_format_1_opens() {
    let kept = tempfile::tempdir().unwrap();
    let state = kept.path().join("state");
    copy(&fixture(), &state).unwrap();
    let (code, _, said) = command::run(&["info", "--state", text(&state)], &[]);
    assert!(code == Some(2) && said.contains("format 1") && said.contains("eemu train"), "{said}");
    let place = Place::open(&state, quick(), &HttpOptions { rate: 0, ..HttpOptions::default() }).unwrap();
    let manifest = place.get("/api/v1/manifest", "").json();
    assert!(manifest["shards"].as_array().unwrap().iter().all(|s| s["in_mean"] == true));
    let log = place.get("/api/v1/log/entries", "").json();
    assert!(log["entries"][0].as_str().unwrap().contains("\"removed\""), "its receipts are the log's first entries");
    let user = place.dataset().interactions.all()[0].user;
    let token = place.subject(user).unwrap();
    let all = place.post("/api/v1/interactions/delete", &token, &json!({"all": true})).json();
    place.wait_done(all["id"].as_str().unwrap()).unwrap();
    drop(place);
}
