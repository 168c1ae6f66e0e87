//! The guarantees of the service on PostgreSQL, and with several processes on
//! one state.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use eemu_core::data::Interaction;
use eemu_core::learned_state::LearnedState;
use eemu_server::deployment::Deployment;
use eemu_server::forgetting::{Request, forget, verify};
use eemu_server::launch::Threads;
use eemu_server::progress::Progress;
use eemu_server::serve::ServiceOptions;
use eemu_server::serve::http::HttpOptions;
use eemu_server::store::{Access, Change, Deletion, Erasure, Location, StoreError};
use eemu_server::training::{Follower, train_unit};
use eemu_server::unit::Unit;
use eemu_tests::killing::{Extent, kill_in_a_loop};
use eemu_tests::postgres::{Setting, located};
use eemu_tests::program;
use eemu_tests::service::{Place, delete_items, learned, make_state, quick};
use eemu_tests::worlds::{Recipe, cpu, train_all};
use serde_json::{Value, json};

static RECIPE: LazyLock<Recipe> = LazyLock::new(|| Recipe { users: 12, items: 18, epochs: 6, ..Recipe::default() });

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

fn hashes(location: impl Into<Location>) -> Vec<Option<String>> {
    let state = Deployment::open(location, Access::Read).unwrap().state;
    state.shards().unwrap().into_iter().map(|shard| shard.live.map(|live| live.model_blake3)).collect()
}

fn record(location: impl Into<Location>) -> (u32, u32) {
    let record = Deployment::open(location, Access::Read).unwrap().dataset.interactions.all()[7];
    (record.user, record.item)
}

/// After the deletion of a record and of an account, the models equal those of
/// the twin on SQLite, and of training from scratch on the remaining records.
#[test]
fn forgetting_leaves_what_it_leaves_on_sqlite() {
    let setting = Setting::new().unwrap();
    let (here, twin) = (setting.from("run"), Location::from(&setting.dir("twin")));
    for place in [&here, &twin] {
        make_state(place, &RECIPE, true).unwrap();
    }
    assert_eq!(hashes(&here), hashes(&twin));
    let gone = record(&here);
    for place in [&here, &twin] {
        let mut deployment = Deployment::open(place, Access::Write).unwrap();
        let done = forget(&mut deployment, &Request::of(&[gone]), &cpu(), 1, &Progress::new(true)).unwrap();
        assert_eq!(done.removed, 1);
        let logical = deployment.state.erasure() == Erasure::Logical;
        assert_eq!(logical, place.database.is_some());
        assert_eq!(done.receipt.unwrap().statement.contains("Erasure is logical"), logical);
    }
    assert_eq!(hashes(&here), hashes(&twin));
    assert!(hashes(&here).iter().all(Option::is_some));
    let deployment = Deployment::open(&here, Access::Read).unwrap();
    let verdict = verify(&deployment, &cpu(), 1, &Progress::new(true)).unwrap();
    assert!(verdict.differences.is_empty() && verdict.not_comparable.is_empty(), "{verdict:?}");
    assert!(deployment.dataset.interactions.all().iter().all(|r| (r.user, r.item) != gone));
    drop(deployment);

    let mut deployment = Deployment::open(&here, Access::Write).unwrap();
    let all = eemu_core::unlearn::everything_of(&deployment.dataset, 2);
    forget(&mut deployment, &Request { accounts: vec![2], ..Request::of(&all) }, &cpu(), 1, &Progress::new(true))
        .unwrap();
    let dataset = Deployment::open(&here, Access::Read).unwrap().dataset;
    assert!(dataset.catalog.users.ids[2].starts_with("deleted-") && dataset.interactions.of(2).is_empty());
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(&here).unwrap().differences(&twin), [""; 0]);
}

/// Without --database a directory says what is missing. An address that is no
/// database and a database with a state are refused; the password is never
/// shown.
#[test]
fn databases_are_refused_with_a_reason() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("run"), &RECIPE, false).unwrap();
    let said = |location: Location| Deployment::open(location, Access::Read).unwrap_err().to_string();
    assert!(said(Location::from(&setting.dir("run"))).contains("--database"));
    let again = make_state(setting.from("other"), &RECIPE, false).unwrap_err().to_string();
    assert!(again.contains("a state already"), "{again}");
    for wrong in ["mysql://me:hush@localhost/x", "postgres://me:hush@127.0.0.1:1/x"] {
        let text = said(located(&setting.dir("x"), wrong));
        assert!(text.contains("--database") && !text.contains("hush"), "{text}");
    }
    make_state(&setting.dir("sqlite"), &RECIPE, false).unwrap();
    assert!(said(setting.from("sqlite")).contains("holds a state of its own"));
}

/// Removes records, given the version that a deployment has read.
fn remove(from: &Deployment, records: &[(u32, u32)], stale: &[u32]) -> Result<u64, StoreError> {
    let deletion = Deletion { records, stale, ..Deletion::default() };
    let done = from.state.apply(&Change::Delete(deletion), from.head)?;
    from.state.finish(&done)?;
    Ok(done.count)
}

/// A change planned on records that another process changed is refused whole.
#[test]
fn a_plan_on_old_records_is_refused() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("a"), &RECIPE, false).unwrap();
    let one = Deployment::open(setting.from("a"), Access::Write).unwrap();
    let other = Deployment::open(setting.from("b"), Access::Write).unwrap();
    let all = one.dataset.interactions.all();
    let key = |r: &Interaction| (r.user, r.item);
    let shard = |r: &Interaction| one.dataset.shard_of(r.user, r.item);
    let remove = |from: &Deployment, record: &Interaction| remove(from, &[key(record)], &[shard(record)]);
    assert_eq!(remove(&one, &all[0]).unwrap(), 1);
    let late = remove(&other, &all[1]);
    assert!(matches!(late, Err(StoreError::Moved)), "{late:?}");
    assert_eq!(other.state.record_count().unwrap(), all.len() as u64 - 1);
    // The command plans again.
    let mut other = other;
    let done = forget(&mut other, &Request::of(&[key(&all[1])]), &cpu(), 1, &Progress::new(true)).unwrap();
    assert_eq!(done.removed, 1);
}

/// Another process that changes the records at the last moment.
struct Overtaker<'a>(&'a Deployment, (u32, u32));

impl Follower for Overtaker<'_> {
    fn publishing(&self, shard: u32) {
        assert_eq!(remove(self.0, &[self.1], &[shard]).unwrap(), 1);
    }
}

/// A model whose records another process changed during training is not
/// published, and leaves no file.
#[test]
fn a_model_of_old_records_is_not_published() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("a"), &RECIPE, false).unwrap();
    let one = Deployment::open(setting.from("a"), Access::Write).unwrap();
    let other = Deployment::open(setting.from("b"), Access::Write).unwrap();
    let unit = Unit::of(&one.dataset, 0).unwrap();
    let gone = one.dataset.interactions.iter().find(|r| one.dataset.shard_of(r.user, r.item) == 0).unwrap();
    let (ticket, overtaker) = (one.ticket(0).unwrap(), Overtaker(&other, (gone.user, gone.item)));
    let trained = train_unit(&one.state, unit, ticket, &Threads::new(&cpu()), &overtaker, false);
    let outdated = trained.unwrap_err();
    assert!(matches!(outdated.downcast_ref(), Some(StoreError::Outdated { shard: 0 })), "{outdated:#}");
    assert!(hashes(setting.from("a")).iter().all(Option::is_none), "a model that saw the record is live");
    assert_eq!(model_files(&setting.dir("a")), 0);
}

/// A half-written file is deleted after a crash, even when the same model is
/// written again, as exact training does.
#[test]
fn a_half_written_file_does_not_outlive_its_model() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("a"), &RECIPE, true).unwrap();
    let folder = setting.dir("a").join("models");
    let live = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let mut live = live;
    let live = live.find(|name| name.ends_with(".safetensors")).unwrap();
    let half = folder.join(format!("{live}Xy12.tmp"));
    std::fs::write(&half, "half").unwrap();
    drop(Deployment::open(setting.from("b"), Access::Write).unwrap());
    assert!(!half.exists() && folder.join(live).exists());
}

fn model_files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir.join("models")).unwrap().flatten();
    entries.filter(|entry| Path::new(&entry.file_name()).extension().is_some()).count()
}

fn someone(place: &Place) -> (String, String, u32) {
    let dataset = place.dataset().clone();
    let r = dataset.interactions.all()[3];
    let names = (&dataset.catalog.users.ids[r.user as usize], &dataset.catalog.items.ids[r.item as usize]);
    (names.0.clone(), names.1.clone(), dataset.shard_of(r.user, r.item))
}

/// Two servers on one database. The second applies at once every deletion that
/// the first acknowledges. Each shard is retrained once; tokens, requests and
/// receipts are shared.
#[test]
fn a_second_server_knows_at_once() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("import"), &RECIPE, true).unwrap();
    let slow = ServiceOptions { settle: Duration::from_secs(2), ..quick() };
    let mut first = Place::open(setting.from("first"), slow.clone(), &http()).unwrap();
    let mut second = Place::open(setting.from("second"), slow, &http()).unwrap();
    for round in 0..3 {
        let (user, item, shard) = someone(&first);
        let body = json!({"user": user, "top": 3});
        assert!(second.post("/api/v1/recommendations", &first.admin, &body).status == 200, "tokens are shared");
        let reply = first.post("/api/v1/interactions/delete", &first.admin, &delete_items(&user, &[&item]));
        assert_eq!(reply.status, 202, "round {round}: {}", reply.json());
        // From here on, no answer of the other server uses the record or its
        // model.
        let answer = second.post("/api/v1/recommendations", &second.admin, &body).json();
        let used = answer["shards"].as_array().unwrap().iter().any(|s| s[0] == shard);
        assert!(!used, "round {round}: the second server answered with a model that saw the record");
        let list = second.post("/api/v1/interactions/list", &second.admin, &json!({"user": user})).json();
        assert!(list["interactions"].as_array().unwrap().iter().all(|r| r["item"] != item.as_str()));
        let manifest = second.get("/api/v1/manifest", "").json();
        assert_eq!(manifest["shards"][shard as usize]["in_mean"], false);
        let id = reply.json()["id"].as_str().unwrap().to_owned();
        second.wait_done(&id).unwrap();
        let receipts = [&first, &second].map(|place| {
            first.wait_done(&id).unwrap();
            place.get(&format!("/api/v1/unlearning/{id}/receipt"), &place.admin).json()
        });
        assert_eq!(receipts[0]["entry"], receipts[1]["entry"]);
        let trained = [&first, &second].map(|place| place.metric("eemu_shards_trained_total"));
        assert_eq!(trained[0] + trained[1], f64::from(round + 1), "a shard was trained twice");
    }
    let log = second.get("/api/v1/log/entries?count=1000", "").json()["entries"].to_string();
    assert_eq!(log.matches("\\\"removed\\\":1").count(), 3, "each deletion has one receipt: {log}");
    first.stop();
    second.stop();
    let dataset = Deployment::open(setting.from("import"), Access::Read).unwrap().dataset;
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(setting.from("import")).unwrap().differences(&twin), [""; 0]);
}

/// An item hidden by one server, or by the command, is in no list of the other
/// from the next answer on. A server that starts later hides it too, and so
/// does a backup that is restored to a folder.
#[test]
fn a_hidden_item_is_hidden_by_every_server() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("import"), &RECIPE, true).unwrap();
    let first = Place::open(setting.from("first"), quick(), &http()).unwrap();
    let second = Place::open(setting.from("second"), quick(), &http()).unwrap();
    let lists = |place: &Place| -> Vec<BTreeSet<String>> {
        let names = |reply: Value| -> BTreeSet<String> {
            let items = reply["items"].as_array().unwrap_or_else(|| panic!("{reply}"));
            items.iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
        };
        let ask = json!({"user": "user-1", "top": 1000, "include_seen": true});
        let mut lists = vec![names(place.post("/api/v1/recommendations", &place.admin, &ask).json())];
        for path in ["similar?item=item-1&top=1000", "popular?top=1000", "new?top=1000"] {
            lists.push(names(place.get(&format!("/api/v1/{path}"), &place.operator).json()));
        }
        lists
    };
    let whole = lists(&second);
    assert!(whole.iter().all(|list| list.contains("item-2") && list.contains("item-3")), "{whole:?}");
    let without = |gone: &[&str]| -> Vec<BTreeSet<String>> {
        whole.iter().map(|list| list.iter().filter(|item| !gone.contains(&item.as_str())).cloned().collect()).collect()
    };
    let ask = |how: &str, items: Value| {
        let reply = first.post(&format!("/api/v1/items/{how}"), &first.operator, &json!({"items": items}));
        assert_eq!(reply.status, 200, "{}", reply.json());
        reply.json()
    };
    assert_eq!(ask("hide", json!(["item-2", "nothing"]))["unknown"], json!(["nothing"]));
    assert_eq!((lists(&second), lists(&first)), (without(&["item-2"]), without(&["item-2"])));
    // The command beside the servers.
    let at = |args: &[&str], name: &str, database: Option<&str>| {
        let mut command = Command::new(program().unwrap());
        command.args(args).arg("--state").arg(setting.dir(name)).env_remove("EEMU_DATABASE");
        command.envs(database.map(|address| ("EEMU_DATABASE", address)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let eemu = |args: &[&str]| at(args, "first", Some(&setting.database));
    eemu(&["items", "hide", "item-3"]);
    assert_eq!(lists(&second), without(&["item-2", "item-3"]));
    assert_eq!(eemu(&["items", "hidden"]), "item-2\nitem-3\n");
    let third = Place::open(setting.from("third"), quick(), &http()).unwrap();
    assert_eq!(lists(&third), without(&["item-2", "item-3"]));
    let backup = setting.dir("backup");
    eemu(&["backup", "--to", backup.to_str().unwrap()]);
    assert_eq!(ask("show", json!(["item-2", "item-3", "item-4"]))["unknown"], json!(["item-4"]));
    assert_eq!((lists(&second), lists(&third)), (whole.clone(), whole.clone()));
    at(&["restore", "--without-tombstones", "--backup", backup.to_str().unwrap()], "restored", None);
    assert_eq!(at(&["items", "hidden"], "restored", None), "item-2\nitem-3\n");
}

/// An answer of the second server is computed again if the first acknowledges a
/// deletion meanwhile. This is likely but not certain, so the test repeats
/// until it happens.
#[test]
fn an_answer_is_overtaken_by_another_server() {
    let setting = Setting::new().unwrap();
    let recipe = Recipe { users: 40, items: 60, shards: 6, ..Recipe::default() };
    make_state(setting.from("import"), &recipe, true).unwrap();
    let first = Place::open(setting.from("first"), quick(), &http()).unwrap();
    let second = Place::open(setting.from("second"), ServiceOptions { train_jobs: 1, ..quick() }, &http()).unwrap();
    let dataset = first.dataset().clone();
    let lines: String = (0..600).map(|n| format!("{{\"user\":\"user-{}\"}}\n", n % 40)).collect();
    let start = Instant::now();
    for r in dataset.interactions.all() {
        let batch = axum::http::Request::post("/api/v1/recommendations/batch")
            .header("authorization", format!("Bearer {}", second.operator))
            .body(lines.clone().into())
            .unwrap();
        let answering = second.begin(batch);
        let names = (&dataset.catalog.users.ids[r.user as usize], &dataset.catalog.items.ids[r.item as usize]);
        let reply = first.post("/api/v1/interactions/delete", &first.admin, &delete_items(names.0, &[names.1]));
        assert_eq!(reply.status, 202);
        let reply = second.block_on(answering).unwrap();
        assert_eq!(String::from_utf8(reply.bytes).unwrap().lines().count(), 600);
        if second.metric("eemu_answers_overtaken_total") > 0.0 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "no answer was ever overtaken");
    }
    panic!("no answer was ever overtaken");
}

fn train(setting: &Setting, name: &str) -> std::process::Child {
    let mut command = Command::new(program().unwrap());
    command.args(["train", "--json", "-q", "--jobs", "1", "--state"]).arg(setting.dir(name));
    command.env("EEMU_DATABASE", &setting.database).stdout(std::process::Stdio::piped());
    command.spawn().unwrap()
}

/// One trainer at a time holds a shard, in this process or another, until it is
/// released or its holder dies.
#[test]
fn a_shard_is_one_trainers_at_a_time() {
    let setting = Setting::new().unwrap();
    make_state(setting.from("a"), &RECIPE, false).unwrap();
    let one = Deployment::open(setting.from("a"), Access::Write).unwrap();
    let other = Deployment::open(setting.from("b"), Access::Write).unwrap();
    let claim = one.state.claim(0).unwrap().unwrap();
    assert!(one.state.claim(0).unwrap().is_none() && other.state.claim(0).unwrap().is_none());
    assert!(other.state.claim(1).unwrap().is_some(), "another shard is free");
    drop(claim);
    let claim = other.state.claim(0).unwrap().unwrap();
    assert!(one.state.claim(0).unwrap().is_none());
    // Like a crash: the connection closes without a release.
    std::mem::forget(claim);
    drop(other);
    let start = Instant::now();
    while one.state.claim(0).unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "a dead trainer keeps its shard");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Two trainers share the work: no shard is trained by both.
#[test]
fn two_trainers_train_no_shard_twice() {
    let setting = Setting::new().unwrap();
    let recipe = Recipe { users: 60, items: 60, shards: 6, epochs: 60, ..Recipe::default() };
    make_state(setting.from("import"), &recipe, false).unwrap();
    let trainers = ["one", "two"].map(|name| train(&setting, name));
    let outputs = trainers.map(|child| child.wait_with_output().unwrap());
    let shards: Vec<Vec<u64>> = outputs
        .iter()
        .map(|output| {
            assert!(output.status.success());
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            said["shards_trained"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect()
        })
        .collect();
    let all: BTreeSet<u64> = shards.iter().flatten().copied().collect();
    assert_eq!(all.len(), 6, "{shards:?}");
    assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), 6, "trained twice: {shards:?}");
    assert!(hashes(setting.from("import")).iter().all(Option::is_some));
    assert_eq!(model_files(&setting.dir("import")), 12);
}

/// Repeated kills, on PostgreSQL.
#[test]
fn kill_nine_in_a_loop_on_postgres() {
    let extent = Extent::of_environment();
    Extent { rounds: extent.rounds.min(10), ..extent }.play(|round| {
        let setting = Setting::new().unwrap();
        kill_in_a_loop(&setting.from("run"), &[("EEMU_DATABASE", &setting.database)], round)
    });
}
