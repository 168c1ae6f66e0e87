//! States over time: commitments of searches, receipts after crashes, pruning,
//! and slow readers.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use eemu_core::data::Holdout;
use eemu_server::deployment::Deployment;
use eemu_server::serve::ServiceOptions;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::{Access, Backup, Change, Deletion, NewRequest, State};
use eemu_tests::command::{TINY, books, done, run, text};
use eemu_tests::service::{PATIENCE, Place, Process, delete_items, make_state, patient, quick, token};
use eemu_tests::worlds::Recipe;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// The search continues after a divergence, reports and records it. If no other
/// setting was tried, it says what to do.
#[test]
fn a_setting_that_diverges_does_not_end_the_search() {
    let kept = tempfile::tempdir().unwrap();
    let (file, state, out) = (books(kept.path()), kept.path().join("run"), kept.path().join("tuned.json"));
    done(&["import", "--data", text(&file), "--state", text(&state)], &[]);
    done(&[&["train", "-q", "--state", text(&state)], &TINY[..]].concat(), &[]);
    let tune = |steps: &'static str| {
        vec!["tune", "-q", "--state", text(&state), "--out", text(&out), "--grid", steps, "--grid", "train.epochs=2"]
    };
    let both = tune("episodes.rate=1e38,0.01");
    for _ in 0..2 {
        let found = done(&[&both[..], &["--json"]].concat(), &[]);
        assert_eq!(found["best"], "episodes.rate=0.01 train.epochs=2");
        let diverged = found["trials"][0]["diverged"].as_str().unwrap();
        assert!(diverged.contains("lower the step sizes"), "{diverged}");
        assert!(found["trials"][1]["validation"]["hr@10"].is_number(), "{found}");
    }
    let journal = std::fs::read_to_string(out.with_extension("journal.jsonl")).unwrap();
    assert_eq!(journal.lines().count(), 2, "the second search tried again");
    let (_, said, _) = run(&both, &[]);
    assert!(said.lines().next().unwrap().contains("HR@10") && said.contains("has diverged"), "{said}");

    let (code, _, said) = run(&tune("episodes.rate=1e38"), &[]);
    assert!(code == Some(2) && said.contains("diverged with every setting"), "{said}");
}

/// A configuration names, by a keyed hash, the data on which it was tuned.
/// Receipts of states that use it and of the data's own state say so. The key
/// is deleted with the first deleted record.
#[test]
fn a_tuned_configuration_names_its_data() {
    let kept = tempfile::tempdir().unwrap();
    let (file, state, out) = (books(kept.path()), kept.path().join("run"), kept.path().join("tuned.json"));
    let import = |state: &Path| {
        done(&["import", "--data", text(&file), "--seed", "5", "--state", text(state)], &[]);
        done(&[&["train", "-q", "--state", text(state)], &TINY[..]].concat(), &[]);
    };
    import(&state);
    let args = ["tune", "-q", "--json", "--state", text(&state), "--grid", "adapt.step=0.5,1", "--out", text(&out)];
    let (_, first, quiet) = run(&args, &[]);
    assert!(!quiet.contains("serves people"), "{quiet}");
    let named = serde_json::from_str::<Value>(&first).unwrap()["tuned_on"].as_str().unwrap().to_owned();
    assert_eq!(named.len(), 64);
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(written["tuned_on"], named.as_str());
    assert_eq!(done(&args, &[])["tuned_on"], named.as_str(), "the same search commits to the same");

    // Another state that uses the configuration.
    let other = kept.path().join("other");
    import(&other);
    done(&["train", "-q", "--state", text(&other), "--config", text(&out)], &[]);
    let gone = ["--user", "reader-3", "--item", "book-8"];
    let forget = |state: &Path| done(&[&["forget", "-q", "--json", "--state", text(state)], &gone[..]].concat(), &[]);
    let there = forget(&other);
    let said = there["receipt"]["statement"].as_str().unwrap();
    assert!(said.contains(&format!("Configuration tuned on data {named}")), "{said}");
    assert!(!said.contains("of this state") && there["residual"].is_null(), "it is not that state's data: {said}");
    done(&["train", "-q", "--state", text(&other), "--profile", "small"], &[]);
    assert!(done(&["info", "--json", "--state", text(&other)], &[])["tuned_on"].is_null(), "a profile sets all anew");

    // The state of the data itself, now with a server.
    let admin = token(&state, Scope::Admin).unwrap();
    let process = Process::start(&state, &["--settle", "0.05"], &[]).unwrap();
    assert_eq!(process.get("/api/v1/whoami", &admin).unwrap().0, 200);
    let (code, _, warned) = run(&args, &[]);
    assert!(code == Some(0) && warned.contains("this state serves people"), "{warned}");
    drop(process.kill());
    let key = Deployment::open(&state, Access::Read).unwrap().state.tuning_key().unwrap().unwrap();
    let holds = || {
        let database = std::fs::read(state.join("eemu.sqlite")).unwrap();
        database.windows(key.len()).any(|bytes| bytes == key.as_bytes())
    };
    assert!(holds());
    let here = forget(&state);
    let expected = format!("configuration tuned on data {named} of this state");
    assert!(here["receipt"]["statement"].as_str().unwrap().contains(&expected), "{here}");
    assert!(here["residual"].as_str().unwrap().contains(&named), "{here}");
    assert!(!holds(), "the commitment can still be opened after a deletion");
}

/// Without --seed a deployment draws a secret seed, and a measurement uses 1.
#[test]
fn a_deployments_seed_is_drawn() {
    let kept = tempfile::tempdir().unwrap();
    let file = books(kept.path());
    let seed = |name: &str, more: &[&str]| {
        let state = kept.path().join(name);
        let (code, out, err) = run(&[&["import", "--data", text(&file), "--state", text(&state)], more].concat(), &[]);
        assert_eq!(code, Some(0), "{err}");
        (Deployment::open(&state, Access::Read).unwrap().dataset.config.train.seed, out)
    };
    let ((a, said), (b, _)) = (seed("a", &["--holdout", "none"]), seed("b", &["--holdout", "none"]));
    assert!(a != b && a > 1000 && said.contains("seed: random"), "{a} {b} {said}");
    assert_eq!(seed("c", &["--holdout", "none", "--seed", "9"]).0, 9);
    assert_eq!(seed("d", &[]).0, 1);
}

/// The newest entry of the log that is a receipt.
fn last_receipt(state: &Path) -> Value {
    let receipts = Deployment::open(state, Access::Read).unwrap().state.receipts().unwrap();
    let entries = receipts.iter().rev().map(|receipt| serde_json::from_str::<Value>(&receipt.json).unwrap());
    entries.into_iter().find(|entry| entry["removed"].is_u64()).unwrap_or(Value::Null)
}

fn recipe() -> Recipe {
    Recipe { users: 10, ..Recipe::default() }
}

/// After a kill between removal and receipt, the receipt still states the
/// number of deleted records, and the build that trained the shards.
#[test]
fn a_receipt_counts_what_a_killed_command_removed() {
    for (step, by_train) in [("remove.committed", true), ("publish.committed", true), ("receipt.written", false)] {
        let kept = tempfile::tempdir().unwrap();
        let state = kept.path().join("run");
        make_state(&state, &recipe(), true).unwrap();
        let request = kept.path().join("list.csv");
        let dataset = Deployment::open(&state, Access::Read).unwrap().dataset;
        let two: String = dataset.interactions.all()[..2]
            .iter()
            .map(|r| {
                format!(
                    "{},{}\n",
                    dataset.catalog.users.ids[r.user as usize], dataset.catalog.items.ids[r.item as usize]
                )
            })
            .collect();
        std::fs::write(&request, two).unwrap();
        let forget = ["forget", "-q", "--json", "--state", text(&state), "--file", text(&request)];
        assert_eq!(run(&forget, &[("EEMU_FAIL_AT", step)]).0, None, "it did not die at {step}");
        assert_eq!(last_receipt(&state), Value::Null);
        if by_train {
            done(&["train", "-q", "--state", text(&state)], &[]);
        } else {
            // An older build trained the shard, and this one writes the
            // receipt.
            let database = format!("sqlite://{}", state.join("eemu.sqlite").display());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                use sqlx::Connection;
                let mut connection = sqlx::SqliteConnection::connect(&database).await.unwrap();
                let sql =
                    "UPDATE models SET fingerprint = replace(fingerprint, '\"build\":\"eemu', '\"build\":\"old eemu')";
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
            assert_eq!(done(&forget, &[])["removed"], 0);
        }
        let receipt = last_receipt(&state);
        assert_eq!(receipt["removed"], 2, "{step}: {receipt}");
        let build = receipt["fingerprint"]["build"].as_str().unwrap();
        assert_eq!(build.starts_with("old"), !by_train, "{build}");
    }
}

/// A restore that dies leaves no state, or one that knows the existing backups
/// and the later deletions.
#[test]
fn a_restore_that_dies_forgets_no_tombstone() {
    let kept = tempfile::tempdir().unwrap();
    let (state, backup) = (kept.path().join("state"), kept.path().join("backup"));
    make_state(&state, &recipe(), false).unwrap();
    done(&["backup", "--state", text(&state), "--to", text(&backup)], &[]);
    let dataset = Deployment::open(&state, Access::Read).unwrap().dataset;
    let r = dataset.interactions.all()[0];
    let (user, item) = (&dataset.catalog.users.ids[r.user as usize], &dataset.catalog.items.ids[r.item as usize]);
    done(&["forget", "-q", "--later", "--state", text(&state), "--user", user, "--item", item], &[]);
    let mut there = 0;
    for (number, step) in ["create.records", "create.built", "create.moved-old", "create.moved-new"].iter().enumerate()
    {
        let to = kept.path().join(format!("restored-{number}"));
        let args = ["restore", "--backup", text(&backup), "--state", text(&to), "--tombstones", text(&state)];
        assert_eq!(run(&args, &[("EEMU_FAIL_AT", step)]).0, None, "it did not die at {step}");
        if let Ok(restored) = State::open(&to, Access::Write) {
            there += 1;
            assert_eq!((restored.backups().unwrap().len(), restored.tombstones().unwrap().hashes.len()), (1, 1));
            assert_eq!(restored.record_count().unwrap(), dataset.interactions.len() as u64 - 1);
        }
    }
    assert_eq!(there, 1);
}

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Backups and answered requests expire with time alone, without a deletion or
/// a restart.
#[test]
fn what_is_over_is_pruned_while_serving() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("run");
    make_state(&dir, &recipe(), true).unwrap();
    let options = ServiceOptions { housekeeping: Duration::from_millis(100), ..quick() };
    let place = Place::open(&dir, options, &http()).unwrap();
    let state = &place.state;
    let backup = Backup { id: "b".into(), created: 1.0, expires: 2.0 };
    State::register_backup(&dir, &backup).unwrap();
    let old = NewRequest { id_hash: [9; 32], owner: None, removed: 0, shards: Vec::new(), created: 5.0 };
    let change = Change::Delete(Deletion { requests: &[old], ..Deletion::default() });
    state.apply(&change, state.moment().unwrap().0).unwrap();
    wait("the backup is forgotten", || state.backups().unwrap().is_empty());
    // This query prunes nothing itself.
    wait("the request is forgotten", || state.requests(0.0).unwrap().is_empty());
}

/// A stored deletion whose erasure fails is not answered with "try again"; the
/// erasure is completed as soon as possible.
#[test]
fn a_deletion_that_is_made_is_not_asked_for_again() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("run");
    make_state(&dir, &recipe(), true).unwrap();
    let options = ServiceOptions { housekeeping: Duration::from_millis(100), ..quick() };
    let place = Place::open(&dir, options, &http()).unwrap();
    let dataset = place.dataset().clone();
    let r = dataset.interactions.all()[0];
    let (user, item) = (&dataset.catalog.users.ids[r.user as usize], &dataset.catalog.items.ids[r.item as usize]);
    // The cleaning of the directory fails at this file.
    let folder = dir.join("checkpoints");
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let reply = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(user, &[item]));
    let said = reply.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(reply.status, 503);
    assert!(!said.contains("try again") && said.contains("do not send this again"), "{said}");
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
    assert!(!list.to_string().contains(&format!("\"{item}\"")), "the record answers: {list}");
    let id = said.rsplit(' ').next().unwrap().to_owned();
    let key = Deployment::keyed_id(&dataset, &r);
    let holds = || {
        let files = ["eemu.sqlite", "eemu.sqlite-wal"].map(|name| std::fs::read(dir.join(name)).unwrap_or_default());
        files.iter().any(|bytes| bytes.windows(key.len()).any(|w| w == key))
    };
    // All bytes that can be overwritten are, whatever else fails.
    assert!(!holds(), "bytes are left");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    wait("the erasure is finished", || !holds());
    place.wait_done(&id).unwrap();
}

/// An empty batch gets an empty answer, compressed or not.
#[test]
fn an_empty_batch_has_an_empty_answer() {
    let place = Place::new(&recipe()).unwrap();
    for encoding in ["identity", "gzip", "br"] {
        let batch = Request::post("/api/v1/recommendations/batch")
            .header("authorization", format!("Bearer {}", place.operator))
            .header("accept-encoding", encoding);
        let response = place.block_on(place.router().oneshot(batch.body(Body::empty()).unwrap())).unwrap();
        assert_eq!(response.status(), 200);
        let bytes = place.block_on(axum::body::to_bytes(response.into_body(), 1 << 20));
        assert!(bytes.is_ok_and(|bytes| encoding != "identity" || bytes.is_empty()), "{encoding}");
    }
}

/// A slow reader of a batch gets no line that was computed before a deletion
/// acknowledged meanwhile.
#[test]
fn a_slow_reader_gets_nothing_overtaken() {
    let recipe = Recipe { users: 10, shards: 4, holdout: Holdout::None, ..Recipe::default() };
    let place = Place::with(&recipe, patient(), &http()).unwrap();
    let dataset = place.dataset().clone();
    let r = dataset.interactions.all()[0];
    let shard = u64::from(dataset.shard_of(r.user, r.item));
    let (user, item) = (&dataset.catalog.users.ids[r.user as usize], &dataset.catalog.items.ids[r.item as usize]);
    let lines: String = (0..64).map(|n| format!("{{\"user\":\"user-{}\"}}\n", n % 10)).collect();
    let batch =
        Request::post("/api/v1/recommendations/batch").header("authorization", format!("Bearer {}", place.operator));
    let response = place.block_on(place.router().oneshot(batch.body(Body::from(lines)).unwrap())).unwrap();
    let mut frames = response.into_body().into_data_stream();
    let read = |frames: &mut axum::body::BodyDataStream| -> Option<Vec<Value>> {
        let bytes = place.block_on(frames.next())?.unwrap();
        Some(
            bytes
                .split(|b| *b == b'\n')
                .filter(|l| !l.is_empty())
                .map(|l| serde_json::from_slice(l).unwrap())
                .collect(),
        )
    };
    let uses = |line: &Value| line["shards"].as_array().unwrap().iter().any(|s| s[0].as_u64() == Some(shard));
    let first = read(&mut frames).unwrap();
    assert!(first.iter().all(uses), "the test needs a shard that answers");
    let reply = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(user, &[item]));
    assert_eq!(reply.status, 202);
    let mut count = first.len();
    while let Some(lines) = read(&mut frames) {
        assert!(!lines.iter().any(uses), "line {count} is of a model that saw the record");
        count += lines.len();
    }
    assert_eq!(count, 64);
}
