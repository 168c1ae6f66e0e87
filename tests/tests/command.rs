//! The `eemu` command as users run it: its text, JSON output and exit codes,
//! twins imported from other files, and a crash at any moment.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::{TensorMap, model_blake3};
use eemu_core::train::Trainer;
use eemu_server::deployment::{Deployment, model_files};
use eemu_server::device::cpu;
use eemu_server::store::{Access, Change, Publication, STEPS};
use eemu_server::training::input_of;
use eemu_tests::{copy, program};
use serde_json::Value;
use tempfile::TempDir;

/// A model of a few dozen numbers.
const TINY: [&str; 19] = [
    "--set",
    "model.width=4",
    "--set",
    "model.user_hidden=[6]",
    "--set",
    "model.item_hidden=[6]",
    "--set",
    "model.output=4",
    "--set",
    "model.table_scale=0.5",
    "--set",
    "train.epochs=2",
    "--set",
    "train.outer_step=0.02",
    "--set",
    "train.users_per_batch=4",
    "--shards",
    "3",
    "--quiet",
];
const COMMANDS: [&str; 29] = [
    "demo",
    "import",
    "train",
    "train-shard",
    "shard",
    "evaluate",
    "frontier",
    "recommend",
    "similar",
    "popular",
    "new",
    "items",
    "add",
    "forget",
    "verify",
    "retrain",
    "admit",
    "tune",
    "person",
    "info",
    "export",
    "serve",
    "token",
    "receipt",
    "backup",
    "restore",
    "config",
    "data",
    "reproduce",
];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program().unwrap());
    command.args(args).env_remove("EEMU_STATE").env_remove("EEMU_FAIL_AT").stdin(Stdio::null());
    command
}

/// The result of a run.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn finish(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn eemu(args: &[&str]) -> Run {
    finish(spawn(&mut command(args)))
}

/// Runs a command that must succeed.
fn done(args: &[&str]) -> Run {
    let run = eemu(args);
    assert_eq!(run.code, Some(0), "eemu {args:?}: {}", run.err);
    run
}

/// Runs a command that must be refused, and returns its message.
fn refused(args: &[&str]) -> String {
    let run = eemu(args);
    assert_eq!(run.code, Some(2), "eemu {args:?}: {}{}", run.out, run.err);
    assert_eq!(run.out, "", "eemu {args:?}");
    run.err
}

/// Runs a command with `--json`; it must print one object and nothing else.
fn json(args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    one_object(&done(&args).out)
}

fn one_object(out: &str) -> Value {
    assert_eq!(out.trim_end().lines().count(), 1, "{out}");
    let value: Value = serde_json::from_str(out).unwrap();
    assert!(value.is_object());
    value
}

/// A dataset of twelve users, written as files, and a folder for states.
struct Place {
    dir: TempDir,
}

/// A record: the identifiers of its user and its item.
type Record = (String, String);

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.write("data", &[]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes the dataset without the records in `gone`.
    fn write(&self, folder: &str, gone: &[Record]) {
        let folder = self.path(folder);
        fs::create_dir_all(&folder).unwrap();
        let mut users = "user_id:token\tage:token\n".to_owned();
        (0..12).for_each(|u| users += &format!("reader-{u}\t{}\n", ["", "young", "old"][u % 3]));
        let mut items = "item_id:token\ttitle:token_seq\tprice:float\tlook:float_seq\n".to_owned();
        for i in 0..14 {
            let look = format!("{} {}", f64::from(i) / 10.0, f64::from(i % 4) - 1.5);
            items += &format!("book-{i}\tVolume {} of {}\t{}\t{look}\n", i % 5, i / 5, 3 + i % 4);
        }
        let mut inter = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
        for (record, time) in records() {
            if !gone.contains(&record) {
                inter += &format!("{}\t{}\t{time}\n", record.0, record.1);
            }
        }
        for (end, text) in [("user", users), ("item", items), ("inter", inter)] {
            fs::write(folder.join(format!("shop.{end}")), text).unwrap();
        }
    }

    /// An imported state.
    fn imported(&self, name: &str, holdout: &str) -> String {
        let state = self.text(name);
        done(&["import", "--data", &self.text("data"), "--state", &state, "--holdout", holdout, "--seed", "5"]);
        state
    }

    /// A trained state.
    fn trained(&self, name: &str, holdout: &str) -> String {
        let state = self.imported(name, holdout);
        train(&state);
        state
    }

    fn copy(&self, from: &str, name: &str) -> String {
        let to = self.path(name);
        if to.exists() {
            fs::remove_dir_all(&to).unwrap();
        }
        copy(Path::new(from), &to).unwrap();
        to.to_str().unwrap().to_owned()
    }
}

/// The records of all users with their timestamps, some of which are equal.
fn records() -> Vec<(Record, u32)> {
    let mut all = Vec::new();
    for u in 0..12u32 {
        for n in 0..=(u * 5) % 8 {
            all.push(((format!("reader-{u}"), format!("book-{}", (u * 3 + n * n) % 14)), 100 + (u * 7 + n * 3) % 9));
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|(record, _)| seen.insert(record.clone()));
    all
}

fn train(state: &str) {
    done(&[&["train", "--state", state], &TINY[..]].concat());
}

fn info(state: &str) -> Value {
    json(&["info", "--state", state])
}

/// `model_blake3` of every shard.
fn hashes(state: &str) -> Vec<String> {
    let info = info(state);
    let shards = info["shards"].as_array().unwrap();
    shards.iter().map(|s| s["model_blake3"].as_str().unwrap_or("none").to_owned()).collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

/// The user with the most records, and their items, the earliest first.
fn reader() -> (&'static str, Vec<String>) {
    let mut own: Vec<(u32, String)> =
        records().into_iter().filter(|(r, _)| r.0 == "reader-11").map(|(r, t)| (t, r.1)).collect();
    own.sort();
    ("reader-11", own.into_iter().map(|(_, item)| item).collect())
}

#[test]
fn the_whole_story() {
    story("two-tower");
}

#[test]
fn the_whole_story_of_deep_fm() {
    story("deepfm");
}

fn story(model: &str) {
    let place = Place::new();
    let state = place.imported("run", "leave-one-out");
    let trained = json(&[&["train", "--state", &state, "--model", model], &TINY[..]].concat());
    assert_eq!(numbers(&trained["shards_trained"]), [0, 1, 2]);
    let again = json(&["train", "--state", &state]);
    assert_eq!(numbers(&again["shards_trained"]), [0u64; 0], "a trained state has nothing to do");
    assert!(done(&["train-shard", "--state", &state, "--shard", "1"]).out.contains("1 were current"));

    let before = info(&state);
    assert_eq!((&before["dataset"], &before["users"], &before["items"]), (&"shop".into(), &12.into(), &14.into()));
    assert_eq!(before["interactions"], records().len());
    assert_eq!(before["config"]["model"]["kind"], model);
    let shown = done(&["info", "--state", &state]).out;
    assert!(shown.contains(&format!("model.kind=\"{model}\"")) && shown.contains("model.deep_hidden=["), "{shown}");
    let shards = before["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 3);
    for (number, shard) in (0u64..).zip(shards) {
        assert_eq!(shard["index"], number);
        assert!(shard["records"].is_u64() && shard["fingerprint"].is_object());
        assert_eq!(shard["model_blake3"].as_str().unwrap().len(), 64);
    }
    assert!(done(&["info", "--state", &state]).out.contains("shop: 12 users, 14 items"));

    let test = json(&["evaluate", "--state", &state, "--quiet"]);
    for name in ["hr@10", "ndcg@10", "hr@20", "ndcg@20"] {
        assert!((0.0..=1.0).contains(&test[name].as_f64().unwrap()), "{name}");
    }
    assert_eq!(test["hr@20"], 1.0, "14 items have no rank beyond 20");
    let held_out =
        (0..12).filter(|u| records().iter().filter(|(r, _)| r.0 == format!("reader-{u}")).count() >= 3).count();
    assert_eq!(test["users"], held_out);
    let plain = json(&["evaluate", "--state", &state, "--quiet", "--no-adapt", "--split", "validation", "--only", "1"]);
    assert_eq!((&plain["split"], &plain["adapted"]), (&"validation".into(), &false.into()));
    assert!(refused(&["evaluate", "--state", &state, "--only", "3"]).contains("no shard 3"));

    let (user, items) = reader();
    let list = json(&["recommend", "--state", &state, "--user", user, "--top", "4", "--explain"]);
    check_list(&list, 4, &items);
    assert_eq!(list["items"][0]["shards"].as_array().unwrap().len(), 3);
    // The user has fewer records than the adaptation set may hold, so drawing
    // without replacement takes all of them.
    assert_eq!(list["adaptation_set"].as_array().unwrap().len(), items.len());
    assert_eq!(done(&["recommend", "--state", &state, "--user", user]).out.lines().count(), 14 - items.len());

    // Deleting a held-out record removes only that record, and the split moves
    // to an earlier one.
    let forgot = json(&["forget", "--state", &state, "--user", user, "--item", items.last().unwrap(), "--quiet"]);
    assert_eq!(forgot["removed"], 1);
    assert!(forgot["seconds"].as_f64().unwrap() > 0.0);
    let retrained = numbers(&forgot["shards_retrained"]);
    let receipt = &forgot["receipt"];
    assert_eq!(receipt["removed"], 1);
    let named: Vec<u64> = receipt["shards"].as_array().unwrap().iter().map(|s| s["shard"].as_u64().unwrap()).collect();
    assert_eq!(named, retrained);
    let after = info(&state);
    for shard in 0..3 {
        let same = before["shards"][shard]["model_blake3"] == after["shards"][shard]["model_blake3"];
        assert_eq!(same, !retrained.contains(&(shard as u64)));
    }
    // The log also contains its key and versions.
    assert_eq!((&after["receipts"], &after["log_entries"]), (&1.into(), &3.into()));
    assert_eq!(after["interactions"], records().len() - 1);
    let nothing = json(&["forget", "--state", &state, "--user", user, "--item", items.last().unwrap(), "--quiet"]);
    assert_eq!((&nothing["removed"], &nothing["receipt"]), (&0.into(), &Value::Null));
    assert_eq!(numbers(&nothing["shards_retrained"]), [0u64; 0]);
    assert_eq!(info(&state), after, "forgetting again changed something");

    let verdict = json(&["verify", "--state", &state, "--quiet"]);
    assert_eq!(verdict["equal"], true);
    assert_eq!((&verdict["differences"], &verdict["not_comparable"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert!(done(&["verify", "--state", &state, "--quiet"]).out.starts_with("equal"));

    // Deletes the whole account by its name. A second request finds no such
    // user, and says so.
    let forgot = json(&["forget", "--state", &state, "--user", user, "--all", "--quiet"]);
    assert_eq!(forgot["removed"], items.len() - 1);
    let catalog = fs::read_to_string(Path::new(&state).join("catalog.json")).unwrap();
    assert!(!catalog.contains(&format!("{user}\"")));
    done(&["verify", "--state", &state, "--quiet"]);
    let after = info(&state);
    for ask in [&["--all"][..], &["--item", "book-1"]] {
        let nothing = eemu(&[&["forget", "--state", &state, "--user", user, "--quiet", "--json"], ask].concat());
        assert_eq!(nothing.code, Some(3), "{}", nothing.err);
        let said = one_object(&nothing.out);
        assert_eq!((&said["removed"], &said["unknown"][0]["id"]), (&0.into(), &user.into()));
        assert!(nothing.err.contains(&format!("not known: user '{user}'")), "{}", nothing.err);
    }
    assert_eq!(info(&state), after);
}

fn check_list(list: &Value, count: usize, known: &[String]) {
    let listed = list["items"].as_array().unwrap();
    assert_eq!(listed.len(), count);
    let mut last = f64::INFINITY;
    for (rank, item) in (1u64..).zip(listed) {
        assert_eq!(item["rank"], rank);
        let score = item["score"].as_f64().unwrap();
        assert!(score <= last);
        last = score;
        let id = item["item_id"].as_str().unwrap();
        assert!(id.starts_with("book-") && !known.iter().any(|k| k == id), "{id} is known already");
        assert!(item["name"].as_str().unwrap().starts_with("Volume"));
    }
}

/// Files that never had a record, read with the same catalogue or beside the
/// same `.user` and `.item` files, give the models that the deletion gives.
#[test]
fn a_twin_from_other_files() {
    let place = Place::new();
    let (user, items) = reader();
    for (holdout, item) in
        [("none", &items[1]), ("leave-one-out", &items[0]), ("leave-one-out", &items[items.len() - 1])]
    {
        let record = (user.to_owned(), item.clone());
        let state = place.trained(&format!("{holdout}-{item}"), holdout);
        place.write("fewer", std::slice::from_ref(&record));
        let lines = |folder: &str| fs::read_to_string(place.path(folder).join("shop.inter")).unwrap().lines().count();
        assert_eq!(lines("data"), lines("fewer") + 1);
        let catalog = Path::new(&state).join("catalog.json");
        let mut twins = Vec::new();
        for (name, frozen) in [("same-files", None), ("same-catalogue", Some(catalog.to_str().unwrap()))] {
            let twin = place.text(&format!("{name}-{holdout}-{item}"));
            let mut args = vec!["import", "--state", &twin, "--holdout", holdout, "--seed", "5", "--data"];
            let data = place.text("fewer");
            args.push(&data);
            args.extend(frozen.into_iter().flat_map(|path| ["--catalog", path]));
            done(&args);
            train(&twin);
            twins.push(hashes(&twin));
        }
        let before = hashes(&state);
        done(&["forget", "--state", &state, "--user", user, "--item", item, "--quiet"]);
        let after = hashes(&state);
        assert_eq!(twins, [after.clone(), after.clone()], "{holdout} {item}");
        if holdout == "none" {
            assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 1, "one shard retrains");
        }
    }
}

/// Publishes another model for a shard, as a faulty program would.
fn publish(state: &str, shard: u32, fingerprint: Option<&str>, change: impl FnOnce(&mut TensorMap)) {
    let deployment = Deployment::open(Path::new(state), Access::Write).unwrap();
    let live = deployment.state.live(shard).unwrap().unwrap();
    let mut tensors = deployment.tensors(shard, &cpu()).unwrap();
    change(&mut tensors);
    let model = model_blake3(&tensors);
    let (shared, user_rows) = model_files(tensors).unwrap();
    let publication = Publication {
        model_blake3: &model,
        fingerprint: fingerprint.unwrap_or(&live.fingerprint),
        shared: &shared,
        user_rows: &user_rows,
        input_hash: live.input_hash,
        seconds: live.seconds,
        epochs: live.epochs,
        losses: &live.losses,
        catalog: 1,
    };
    deployment.state.publish(deployment.state.ticket(shard).unwrap(), &publication, |_| Ok(None)).unwrap();
}

fn verdict(state: &str, code: i32) -> Value {
    let run = eemu(&["verify", "--state", state, "--json", "--quiet"]);
    assert_eq!(run.code, Some(code), "{}{}", run.out, run.err);
    one_object(&run.out)
}

#[test]
fn verify_tells_different_from_not_comparable() {
    let place = Place::new();
    let state = place.trained("run", "none");
    let right = hashes(&state);
    assert_eq!(verdict(&state, 0)["equal"], true);

    // A model that training does not give, with correct hashes of its own.
    publish(&state, 1, None, |tensors| tensors.get_mut("item.id.table").unwrap().1[4] += 1e-6);
    let found = verdict(&state, 1);
    assert_eq!((&found["equal"], &found["not_comparable"]), (&false.into(), &Value::Array(vec![])));
    let different = found["differences"].as_array().unwrap();
    assert_eq!(different.len(), 1, "{different:?}");
    assert!(different[0].as_str().unwrap().starts_with("shard 1: item.id.table (1 of "));
    assert!(eemu(&["verify", "--state", &state, "-q"]).out.starts_with("different: shard 1"));

    // Correct bytes with the fingerprint of another machine are not compared.
    let state = place.trained("elsewhere", "none");
    let there = info(&state)["shards"][2]["fingerprint"].to_string().replace("cpu", "abacus");
    publish(&state, 2, Some(&there), |_| ());
    let found = verdict(&state, 3);
    assert_eq!((&found["equal"], &found["differences"]), (&false.into(), &Value::Array(vec![])));
    let named = found["not_comparable"].as_array().unwrap();
    assert!(named.len() == 1 && named[0].as_str().unwrap().starts_with("shard 2: trained by another build"));
    assert_eq!(numbers(&json(&["retrain", "--state", &state, "--stale", "-q"])["shards_trained"]), [2]);
    assert_eq!(numbers(&json(&["retrain", "--state", &state, "--stale", "-q"])["shards_trained"]), [0u64; 0]);
    assert_eq!(hashes(&state), right);
    verdict(&state, 0);

    // A shard that waits for training is not compared either.
    let (user, items) = reader();
    let later = json(&["forget", "--state", &state, "--user", user, "--item", &items[0], "--later", "-q"]);
    assert_eq!((&later["removed"], &later["receipt"]), (&1.into(), &Value::Null));
    let waiting = numbers(&later["shards_waiting"]);
    assert_eq!(waiting.len(), 1);
    let found = verdict(&state, 3);
    assert!(found["not_comparable"][0].as_str().unwrap().starts_with(&format!("shard {}", waiting[0])));
    // Lists are made from the other shards, and the output says so.
    let others = done(&["recommend", "--state", &state, "--user", user]);
    assert!(others.err.contains("eemu train") && others.err.contains(&waiting[0].to_string()), "{}", others.err);
    assert_eq!(numbers(&json(&["train", "--state", &state, "-q"])["shards_trained"]), waiting);
    verdict(&state, 0);

    // A damaged file is refused before anything is compared.
    let models = Path::new(&state).join("models");
    let file = fs::read_dir(models).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(refused(&["verify", "--state", &state, "-q"]).contains("damaged"));
}

fn forget_list(state: &str, list: &str) -> Run {
    let mut child = spawn(command(&["forget", "--state", state, "--file", "-", "--json", "-q"]).stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    finish(child)
}

#[test]
fn lists_of_requests() {
    let place = Place::new();
    let state = place.trained("run", "none");
    let (user, items) = reader();
    let before = info(&state);
    let good = format!("{user},{}\n", items[0]);
    for (list, message) in [
        (format!("{good}{user} {}\n", items[1]), "standard input, line 2"),
        (format!("{good}{user},,some\n"), "line 2, column 3: 'some'"),
        (format!("{good}{user},{},all\n", items[1]), "line 2"),
    ] {
        let run = forget_list(&state, &list);
        assert_eq!(run.code, Some(2), "{list}");
        assert!(run.err.contains(message) && run.err.contains("Nothing was removed"), "{}", run.err);
        assert_eq!(info(&state), before, "a bad list removed something");
    }
    assert!(refused(&["forget", "--state", &state, "--file", "nowhere.csv"]).contains("nowhere.csv"));

    // A record, the same record again, a record that does not exist, an
    // account, and unknown names. An undeclared header is such a line, and so
    // are a star and an identifier with a space before it.
    let account = records().iter().filter(|(r, _)| r.0 == "reader-3").count();
    let list = format!(
        "user,item\n{good}\"{user}\",{}\r\nreader-0,book-13\nreader-3,,all\nreader-1,*\n reader-1,book-1\n",
        items[0]
    );
    let run = forget_list(&state, &list);
    assert_eq!(run.code, Some(3), "{}", run.err);
    let said = one_object(&run.out);
    assert_eq!(said["removed"], 1 + account);
    let unknown: Vec<(u64, &str)> = said["unknown"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["id"].as_str().unwrap()))
        .collect();
    assert_eq!(unknown, [(1, "user"), (1, "item"), (6, "*"), (7, " reader-1")]);
    assert!(run.err.contains("not known: line 6: item '*'"), "{}", run.err);
    verdict(&state, 0);
    let run = forget_list(&state, &format!("{user},{}\n", items[0]));
    assert_eq!((run.code, &one_object(&run.out)["removed"]), (Some(0), &0.into()), "{}", run.err);

    // Separate requests end in the same models as one request.
    let apart = place.trained("apart", "none");
    done(&["forget", "--state", &apart, "--user", "reader-3", "--all", "-q"]);
    done(&["forget", "--state", &apart, "--user", user, "--item", &items[0], "-q"]);
    assert_eq!(hashes(&apart), hashes(&state));
}

#[test]
fn visitors_and_newcomers() {
    let place = Place::new();
    let state = place.trained("run", "none");
    let known = ["book-2".to_owned(), "book-9".to_owned()];
    check_list(&json(&["recommend", "--state", &state, "--items", "book-9,book-2", "--top", "5"]), 5, &known);
    let one_way = done(&["recommend", "--state", &state, "--items", "book-9,book-2"]).out;
    assert_eq!(one_way, done(&["recommend", "--state", &state, "--items", "book-2,book-9"]).out);
    let found = refused(&["recommend", "--state", &state, "--user", "nobody"]);
    assert!(found.contains("user 'nobody' is not in the catalogue"), "{found}");
    let skipped = done(&["recommend", "--state", &state, "--items", "book-9,book-77,book-2"]);
    assert_eq!(skipped.out, one_way, "an unknown pick is as none");
    assert!(skipped.err.contains("skipped: 'book-77'"), "{}", skipped.err);
    let nobody = eemu(&["forget", "--state", &state, "--user", "nobody", "--all"]);
    assert_eq!(nobody.code, Some(3));
    assert!(nobody.err.contains("user 'nobody'"), "{}", nobody.err);
    assert!(refused(&["evaluate", "--state", &state]).contains("nothing out"));

    let trained = hashes(&state);
    let (_, items) = reader();
    let people = place.path("new.user");
    fs::write(&people, "user_id:token\tage:token\nlate-1\tyoung\nlate-2\tancient\n").unwrap();
    let people = people.to_str().unwrap();
    let admitted = json(&["admit", "--state", &state, "--user-file", people]);
    assert_eq!((&admitted["admitted"], &admitted["users"]), (&2.into(), &14.into()));
    assert_eq!(hashes(&state), trained, "admission retrains nothing");
    assert_eq!(numbers(&json(&["train", "--state", &state, "-q"])["shards_trained"]), [0u64; 0]);
    for person in ["late-1", "late-2"] {
        check_list(&json(&["recommend", "--state", &state, "--user", person, "--top", "3"]), 3, &[]);
    }
    verdict(&state, 0);
    let again = refused(&["admit", "--state", &state, "--user-file", people]);
    assert!(again.contains("line 2, column 1") && again.contains("late-1"), "{again}");
    assert_eq!(info(&state)["users"], 14);
    done(&["forget", "--state", &state, "--user", "reader-11", "--item", &items[0], "-q"]);
    verdict(&state, 0);
}

/// Training continues from a checkpoint of the same input, and ends where an
/// uninterrupted run ends.
#[test]
fn training_goes_on_from_a_checkpoint() {
    let place = Place::new();
    let straight = place.trained("straight", "none");
    let state = place.trained("run", "none");
    {
        let deployment = Deployment::open(Path::new(&state), Access::Write).unwrap();
        let settings = deployment.state.settings().unwrap();
        let done = deployment.state.apply(&Change::Reset(&settings, 3), deployment.head).unwrap();
        deployment.state.finish(&done).unwrap();
        let shard = &deployment.dataset.shards()[1];
        let (catalog, config) = (&deployment.dataset.catalog, &deployment.dataset.config);
        let fingerprint = serde_json::to_string(&Fingerprint::of(&cpu())).unwrap();
        let input = input_of(&deployment.dataset, shard, &fingerprint);
        let mut trainer = Trainer::new(catalog, config, shard, &cpu()).unwrap();
        pollster::block_on(trainer.epoch(|_| ())).unwrap();
        let bytes = pollster::block_on(trainer.checkpoint()).unwrap();
        let ticket = deployment.state.ticket(1).unwrap();
        deployment.state.save_checkpoint(ticket, &input, &bytes).unwrap();
    }
    let run = done(&["train", "--state", &state]);
    assert!(run.err.contains("shard 1: going on after epoch 1"), "{}", run.err);
    assert_eq!(hashes(&state), hashes(&straight));
    assert_eq!(fs::read_dir(Path::new(&state).join("checkpoints")).unwrap().count(), 0);
}

#[test]
fn one_writer_at_a_time() {
    let place = Place::new();
    let state = place.trained("run", "none");
    let before = info(&state);
    let holder = Deployment::open(Path::new(&state), Access::Write).unwrap();
    let message = format!("is in use by process {}", std::process::id());
    let (user, items) = reader();
    for args in [
        &["train", "--set", "train.epochs=3"][..],
        &["forget", "--user", user, "--item", &items[0]],
        &["retrain", "--stale"],
        &["import", "--data", &place.text("data"), "--replace"],
    ] {
        let found = refused(&[args, &["--state", &state]].concat());
        assert!(found.contains(&message), "{found}");
    }
    assert_eq!(info(&state), before, "readers read beside the writer");
    drop(holder);
    done(&["train", "--state", &state, "-q"]);
}

/// Runs a command that aborts at a named step. Returns whether it reached that
/// step.
fn dies_at(step: &str, args: &[&str]) -> bool {
    let run = finish(spawn(command(args).env("EEMU_FAIL_AT", step)));
    match run.code {
        None => true,
        Some(0) => false,
        code => panic!("eemu {args:?} at {step}: {code:?} {}", run.err),
    }
}

/// Aborts at every step of `work`; after each, `again` must lead to `expected`.
/// Returns the steps that were reached.
fn every_death<'a>(
    steps: &[&'a str],
    mut fresh: impl FnMut() -> String,
    work: &[&str],
    again: &[&str],
    expected: &[String],
) -> Vec<&'a str> {
    let mut struck = Vec::new();
    for &step in steps {
        let state = fresh();
        if dies_at(step, &[work, &["--state", &state]].concat()) {
            struck.push(step);
            let run = eemu(&[again, &["--state", &state]].concat());
            // The account's name may be deleted already, and the command then
            // says so.
            assert!(matches!(run.code, Some(0 | 3)), "after death at {step}: {}", run.err);
        }
        assert_eq!(hashes(&state), expected, "after death at {step}");
    }
    struck
}

/// The steps with one of these prefixes.
fn steps(prefixes: &[&str]) -> Vec<&'static str> {
    STEPS.iter().copied().filter(|step| prefixes.iter().any(|p| step.starts_with(p))).collect()
}

#[test]
fn forgetting_survives_death_at_every_step() {
    let place = Place::new();
    let base = place.trained("base", "leave-one-out");
    let (user, items) = reader();
    let one = ["forget", "--user", user, "--item", &items[0], "-q"];
    let all = ["forget", "--user", user, "--all", "-q"];
    for (work, name) in [(&one[..], "one"), (&all[..], "all")] {
        let undisturbed = place.copy(&base, "undisturbed");
        done(&[work, &["--state", &undisturbed]].concat());
        let expected = hashes(&undisturbed);
        let wanted = steps(&["remove", "publish", "erase"]);
        let mut tried = wanted.clone();
        tried.extend(["publish.committed:2", "erase.swept:2", "erase.vacuumed:2"]);
        let struck = every_death(&tried, || place.copy(&base, "dying"), work, work, &expected);
        assert!(wanted.iter().all(|step| struck.contains(step)), "{name} never passed some of {wanted:?}: {struck:?}");
        // The state after the last abort is checked closely.
        let last = place.path("dying").to_str().unwrap().to_owned();
        verdict(&last, 0);
        assert_eq!(info(&last)["interactions"], info(&undisturbed)["interactions"]);
        if name == "all" {
            let catalog = fs::read_to_string(place.path("dying").join("catalog.json")).unwrap();
            assert!(!catalog.contains(&format!("{user}\"")));
        }
    }
}

#[test]
fn training_survives_death_at_every_step() {
    let place = Place::new();
    let base = place.imported("base", "none");
    let expected = hashes(&place.trained("undisturbed", "none"));
    let work = [&["train"], &TINY[..]].concat();
    let mut tried = steps(&["publish"]);
    tried.extend(["publish.committed:3", "publish.one-file:2"]);
    let struck = every_death(&tried, || place.copy(&base, "dying"), &work, &work, &expected);
    assert_eq!(struck, tried);

    // A trained state that is trained again with another configuration.
    let base = place.path("undisturbed").to_str().unwrap().to_owned();
    let work = ["train", "--set", "train.epochs=3", "-q"];
    let other = place.copy(&base, "other");
    done(&[&work[..], &["--state", &other]].concat());
    let expected = hashes(&other);
    let mut tried = steps(&["publish", "erase"]);
    let struck = every_death(&tried, || place.copy(&base, "dying"), &work, &work, &expected);
    tried.retain(|step| !struck.contains(step));
    assert_eq!(tried, [""; 0], "steps never passed");
}

/// An import that dies leaves nothing, or a state that can be trained.
#[test]
fn imports_survive_death_at_every_step() {
    let place = Place::new();
    let expected = hashes(&place.trained("undisturbed", "none"));
    let data = place.text("data");
    let import = |state: &str| {
        ["import", "--holdout", "none", "--seed", "5", "--data", &data, "--state", state].map(str::to_owned)
    };
    let mut struck = Vec::new();
    for (number, step) in steps(&["create", "catalog"]).into_iter().enumerate() {
        let state = place.text(&format!("run-{number}"));
        let args = import(&state);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if dies_at(step, &args) {
            struck.push(step);
            let run = eemu(&args);
            assert!(run.code == Some(0) || run.err.contains("holds a state already"), "after {step}: {}", run.err);
        }
        train(&state);
        assert_eq!(hashes(&state), expected, "after death at {step}");
        // Under the name of the state stands either the earlier state or the
        // new one.
        if step.starts_with("create") {
            dies_at(step, &[&args[..], &["--replace"]].concat());
            assert_eq!(info(&state)["interactions"], records().len(), "after death at {step}");
            train(&state);
            assert_eq!(hashes(&state), expected, "after death at {step}");
        }
    }
    assert!(steps(&["create"]).iter().all(|step| struck.contains(step)), "{struck:?}");
    let beside = fs::read_dir(place.dir.path()).unwrap().filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(beside.count(), 0, "half-made states were left behind");
}

/// `kill -9` at moments spread over the whole run.
#[test]
fn killed_at_any_moment() {
    let kills = if std::env::var_os("EEMU_LONG").is_some() { 40 } else { 4 };
    let place = Place::new();
    let imported = place.imported("imported", "none");
    let (user, _) = reader();
    let slow = [&["train"], &TINY[..], &["--set", "train.epochs=25"]].concat();
    let trained = place.copy(&imported, "trained");
    let start = Instant::now();
    done(&[&slow[..], &["--state", &trained]].concat());
    let train_time = start.elapsed();
    let forgotten = place.copy(&trained, "forgotten");
    let forget = ["forget", "--user", user, "--all", "-q"];
    let start = Instant::now();
    done(&[&forget[..], &["--state", &forgotten]].concat());
    let forget_time = start.elapsed();
    let jobs = [
        (&imported, &slow[..], train_time, hashes(&trained)),
        (&trained, &forget[..], forget_time, hashes(&forgotten)),
    ];
    for (base, work, time, expected) in jobs {
        let mut hit = 0;
        for number in 0..kills {
            let state = place.copy(base, "dying");
            let work = [work, &["--state", &state]].concat();
            let mut child = spawn(&mut command(&work));
            // Multiples of the golden ratio spread evenly; starting takes part
            // of the time.
            let share = (f64::from(number) * 0.618_034 + 0.3).fract();
            std::thread::sleep(Duration::from_secs_f64(time.as_secs_f64() * share));
            child.kill().unwrap();
            hit += u32::from(finish(child).code.is_none());
            // The account's name may be deleted already, and the command then
            // says so.
            let run = eemu(&work);
            assert!(matches!(run.code, Some(0 | 3)), "{}", run.err);
            assert_eq!(hashes(&state), expected, "{work:?} killed at {share:.2} of {time:?}");
            if number == 0 {
                verdict(&state, 0);
            }
        }
        assert!(hit > 0, "no kill struck {work:?}");
    }
}

#[test]
fn help_and_bad_arguments() {
    let all = done(&["--help"]).out;
    for name in COMMANDS {
        assert!(all.contains(&format!("  {name} ")), "{name} is not in the help");
        assert!(done(&[name, "--help"]).out.contains("Usage"), "{name}");
    }
    let listed = all.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    assert_eq!(
        listed.filter(|l| !l.trim_start().starts_with("help ")).count(),
        COMMANDS.len(),
        "a command is not tested"
    );
    let place = Place::new();
    let state = place.imported("run", "none");
    for args in [
        &["nosuch"][..],
        &[],
        &["train"],
        &["train", "--state", &place.text("nowhere")],
        &["train", "--state", &place.text("data")],
        &["train", "--state", &state, "--shards", "0"],
        &["train", "--state", &state, "--set", "train.epochs=0"],
        &["train", "--state", &state, "--set", "train.epoch=1"],
        &["train-shard", "--state", &state, "--shard", "99"],
        &["recommend", "--state", &state],
        &["recommend", "--state", &state, "--user", "a", "--items", "b"],
        &["recommend", "--state", &state, "--user", "reader-1"],
        &["forget", "--state", &state],
        &["forget", "--state", &state, "--user", "reader-1"],
        &["forget", "--state", &state, "--user", "reader-1", "--item", "book-1", "--all"],
        &["retrain", "--state", &state],
        &["import", "--data", &place.text("data"), "--state", &state],
        &["import", "--data", &place.text("nowhere"), "--state", &place.text("new")],
        &["verify", "--state", &state, "--device", "abacus"],
    ] {
        assert!(refused(args).contains("rror") || args.is_empty(), "{args:?}");
    }
    assert!(!place.path("new").exists());
    assert!(hashes(&state).iter().all(|hash| hash == "none"));
}

/// Records are exported user by user in their stored order, with the role and
/// the shard, to a file that only its owner can read.
#[test]
fn records_are_exported() {
    let place = Place::new();
    let state = place.imported("run", "leave-one-out");
    let out = place.text("records.csv");
    let said = json(&["export", "--state", &state, "--out", &out]);
    assert_eq!(said["records"], records().len());
    let text = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines.len()), ("user,item,time,shard,role", records().len() + 1));
    let of = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut last: Option<Vec<String>> = None;
    for line in lines[1..].iter().map(|line| of(line)) {
        let time = |line: &[String]| line[2].parse::<f64>().unwrap();
        let same = last.as_ref().is_some_and(|last| last[0] == line[0]);
        assert!(!same || time(last.as_ref().unwrap()) <= time(&line), "{line:?}");
        assert!(line[3].parse::<u32>().unwrap() < 8 && ["train", "validation", "test"].contains(&line[4].as_str()));
        last = Some(line);
    }
    let records_of = |user: &str| records().iter().filter(|((who, _), _)| who == user).count();
    let measured = (0..12).filter(|user| records_of(&format!("reader-{user}")) >= 3).count();
    assert_eq!(lines.iter().filter(|line| line.ends_with(",test")).count(), measured);
    assert!(measured > 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // JSON Lines, also on standard output, contain the same records.
    let shown = done(&["export", "--state", &state, "--out", "-", "--format", "jsonl"]).out;
    let objects: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), records().len());
    let (first, csv) = (&objects[0], of(lines[1]));
    assert_eq!((first["user"].as_str(), first["item"].as_str()), (Some(csv[0].as_str()), Some(csv[1].as_str())));
    let nowhere = refused(&["export", "--state", &state, "--out", &place.text("no/such/records.csv")]);
    assert!(nowhere.contains("give --out a folder that exists"), "{nowhere}");
}
