//! The training of a shard by files: pack, train, adopt. The bytes equal those
//! of training in one process, whatever happened meanwhile.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eemu_core::shard::ShardBy;
use eemu_server::deployment::Deployment;
use eemu_server::store::Access;
use eemu_server::unit::{Input, Unit};
use eemu_tests::command::{done, hashes, refused, run, text};
use eemu_tests::program;
use eemu_tests::reading::{READERS, Shop, files, reader};
use serde_json::{Value, json};

fn info(state: &Path) -> Value {
    done(&["info", "--state", text(state), "--json"], &[])
}

fn pack(state: &Path, shard: u32, to: &Path) -> Value {
    done(&["shard", "pack", "--state", text(state), "--shard", &shard.to_string(), "--out", text(to), "--json"], &[])
}

fn train(input: &Path, out: &Path) -> Value {
    done(&["shard", "train", text(input), "--out", text(out), "--json", "--quiet"], &[])
}

fn adopt(state: &Path, models: &[&Path]) -> (Option<i32>, Value, String) {
    let models: Vec<&str> = models.iter().map(|path| text(path)).collect();
    let (code, out, err) = run(&[&["shard", "adopt", "--state", text(state), "--json"], &models[..]].concat(), &[]);
    (code, serde_json::from_str(&out).unwrap_or(Value::Null), err)
}

/// Packs, trains and adopts every shard that waits.
fn around(shop: &Shop, state: &Path, folder: &str) -> Value {
    let folder = shop.path(folder);
    let packed = done(&["shard", "pack", "--state", text(state), "--waiting", "--out", text(&folder), "--json"], &[]);
    let mut models = Vec::new();
    for input in packed["inputs"].as_array().unwrap() {
        let input = Path::new(input["file"].as_str().unwrap());
        let out = input.with_extension("model");
        train(input, &out);
        models.push(out);
    }
    let (code, adopted, err) = adopt(state, &models.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{err}");
    adopted
}

const KINDS: [(&str, &[&str]); 5] = [
    ("default", &["--shards", "3", "--epochs", "3"]),
    ("people", &["--shards", "3", "--epochs", "3", "--set", "episodes.people=true"]),
    ("kernel", &["--shards", "3", "--model", "kernel"]),
    ("paper", &["--shards", "3", "--epochs", "2", "--profile", "paper"]),
    ("deepfm", &["--shards", "3", "--epochs", "2", "--model", "deepfm"]),
];

#[test]
fn bytes_are_those_of_training_in_one_process() {
    let shop = Shop::new();
    for (kind, flags) in KINDS {
        let here = shop.trained(kind, flags);
        let there = shop.untrained(&here, &format!("{kind}-there"));
        let adopted = around(&shop, &there, &format!("{kind}-files"));
        assert_eq!(adopted["shards"].as_array().unwrap().len(), 3);
        assert_eq!(hashes(&info(&here)), hashes(&info(&there)), "{kind}");
        assert_eq!(files(&here), files(&there), "{kind}");
        done(&["verify", "--state", text(&there), "--quiet"], &[]);
        // A current shard keeps its version.
        let model = shop.path(&format!("{kind}-files")).join("shard-1.model");
        let (code, again, _) = adopt(&there, &[&model]);
        assert_eq!((code, &again["shards"][0]["adopted"]), (Some(0), &json!(false)));
    }
}

/// A model with user rows initialises and stores each by the user's index, so
/// the same records with other indices are another input.
#[test]
fn places_count_where_a_model_has_a_row_a_person() {
    let shop = Shop::new();
    for ((kind, flags), counts) in [(KINDS[0], false), (KINDS[2], false), (KINDS[3], true), (KINDS[4], true)] {
        let state = shop.trained(kind, flags);
        let dataset = Deployment::open(&state, Access::Read).unwrap().dataset;
        let mut here = Unit::of(&dataset, 0).unwrap();
        let packed = shop.path("packed.input");
        Input::write(&here, &packed).unwrap();
        assert_eq!(Input::read(&packed).unwrap().unit.input("here"), here.input("here"), "{kind}");
        here.catalog.users.columns = Arc::default();
        let mut there = here.clone();
        let (one, other) = (here.data.cells[0].user, here.data.cells[1].user);
        let mut ids: Vec<String> = here.catalog.users.ids.iter().cloned().collect();
        ids.swap(one as usize, other as usize);
        there.catalog.users.set_ids(ids, []).unwrap();
        (there.data.cells[0].user, there.data.cells[1].user) = (other, one);
        assert_eq!(here.input("here") != there.input("here"), counts, "{kind}");
    }
}

/// Deleted accounts and admitted users do not prevent training by files.
#[test]
fn a_deletion_is_answered_by_what_is_adopted() {
    let shop = Shop::new();
    for (kind, flags) in [KINDS[0], KINDS[3]] {
        let here = shop.trained(kind, flags);
        let (gone, less) = (reader(3), reader(7));
        done(&["forget", "--state", text(&here), "--user", &gone, "--all", "--later"], &[]);
        done(&["forget", "--state", text(&here), "--user", &less, "--before", "30", "--later"], &[]);
        let there = shop.copy(&here, &format!("{kind}-there"));
        // One shard after the other, as in adoption: versions are numbered in
        // order of publication.
        let trained = done(&["train", "--jobs", "1", "--state", text(&here), "--quiet", "--json"], &[]);
        let adopted = around(&shop, &there, &format!("{kind}-files"));
        assert_eq!(hashes(&info(&here)), hashes(&info(&there)), "{kind}");
        let fresh: Vec<&Value> = adopted["shards"].as_array().unwrap().iter().map(|s| &s["shard"]).collect();
        assert_eq!(trained["shards_trained"], json!(fresh), "{kind}");
        // The receipt is in the log and equals that of one process, except for
        // random values and times.
        let receipt = |state: &Path| {
            let file = shop.path("receipt.json");
            done(&["receipt", "export", "--state", text(state), "--to", text(&file)], &[]);
            let file: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            serde_json::from_str::<Value>(file["entry"].as_str().unwrap()).unwrap()
        };
        let (one, other) = (receipt(&here), receipt(&there));
        for receipt in [&one, &other] {
            assert!(receipt["removed"].as_u64().unwrap() > 2 && receipt["requests"].as_array().unwrap().len() == 2);
        }
        let of = |receipt: &Value, field: &str| -> Vec<Value> {
            receipt["shards"].as_array().unwrap().iter().map(|shard| shard[field].clone()).collect()
        };
        for field in ["shard", "version"] {
            assert_eq!(of(&one, field), of(&other, field), "{kind}: {field}");
        }
        assert_eq!((&one["removed"], &one["fingerprint"]), (&other["removed"], &other["fingerprint"]));
        assert_eq!(&adopted["receipt"], &other, "{kind}");
        done(&["verify", "--state", text(&there), "--quiet"], &[]);
    }
}

/// An input contains no data of users whose records are in other shards.
#[test]
fn an_input_holds_one_shard_alone() {
    let shop = Shop::new();
    for (kind, flags) in KINDS {
        let state = shop.trained(kind, flags);
        let deployment = Deployment::open(&state, Access::Read).unwrap();
        let by = deployment.dataset.config.shard.by;
        let (mut absent, mut present) = (0, 0);
        for data in deployment.dataset.shards() {
            let input = shop.path("one.input");
            let told = pack(&state, data.index, &input);
            let bytes = fs::read(&input).unwrap();
            let holds = |id: &str| bytes.windows(id.len()).any(|window| window == id.as_bytes());
            let own: BTreeSet<u32> = data.cells.iter().map(|cell| cell.user).collect();
            assert_eq!(told["inputs"][0]["people"], json!(own.len()));
            for (user, id) in (0..).zip(&deployment.dataset.catalog.users.ids) {
                assert_eq!(holds(id), own.contains(&user), "{kind}: shard {}, {id}", data.index);
                if own.contains(&user) { present += 1 } else { absent += 1 }
            }
            // Training does not need the names of items.
            assert_eq!(bytes[8..40], hex::decode(told["inputs"][0]["name"].as_str().unwrap()).unwrap());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                assert_eq!(fs::metadata(&input).unwrap().permissions().mode() & 0o777, 0o600);
            }
            // The same shard has the same name.
            assert_eq!(
                pack(&state, data.index, &shop.path("again.input"))["inputs"][0]["name"],
                told["inputs"][0]["name"]
            );
        }
        assert!(present >= READERS, "{kind}");
        assert!(absent > 0 || by == ShardBy::Record, "{kind}");
    }
}

/// A model of records that the shard has no more is refused, and the shard
/// keeps its model.
#[test]
fn a_shard_that_changed_keeps_what_it_had() {
    let shop = Shop::new();
    let state = shop.trained("state", KINDS[0].1);
    let deployment = Deployment::open(&state, Access::Read).unwrap();
    let user = deployment.dataset.shards()[1].cells[0].user;
    let reader = deployment.dataset.catalog.users.ids[user as usize].clone();
    drop(deployment);
    let before = info(&state);
    // An addition leaves the old model live until the shard is trained again.
    let (input, model) = (shop.path("shard-1.input"), shop.path("shard-1.model"));
    let records = shop.path("more.csv");
    let missing = (0..15).map(|n| format!("book-{n:02}"));
    let rows: Vec<String> = missing.map(|book| format!("{reader},{book},99")).collect();
    fs::write(&records, format!("user,item,time\n{}\n", rows.join("\n"))).unwrap();
    pack(&state, 1, &input);
    train(&input, &model);
    done(&["add", "--state", text(&state), "--heading", "--file", text(&records)], &[]);
    let (code, told, said) = adopt(&state, &[&model]);
    assert_eq!(code, Some(2));
    assert!(said.contains("other records") && said.contains("eemu shard pack"), "{said}");
    assert_eq!(told["shards"], json!([]));
    assert_eq!(hashes(&info(&state)), hashes(&before));
    // Packed again, it is accepted.
    pack(&state, 1, &input);
    train(&input, &model);
    let (code, told, said) = adopt(&state, &[&model]);
    assert_eq!((code, &told["shards"][0]["adopted"]), (Some(0), &json!(true)), "{said}");
    // After a deletion, the model that was trained on the record is refused.
    done(&["forget", "--state", text(&state), "--user", &reader, "--all", "--later"], &[]);
    let (code, _, said) = adopt(&state, &[&model]);
    assert_eq!(code, Some(2), "{said}");
    assert!(info(&state)["shards"][1]["model_blake3"].is_null());
    // It is refused too after the shard has a new model.
    done(&["train", "-q", "--state", text(&state)], &[]);
    let (code, _, said) = adopt(&state, &[&model]);
    assert!(code == Some(2) && said.contains("other records"), "{said}");
}

/// Every damage gives an error message, and changes nothing.
#[test]
fn damaged_files_are_refused() {
    let shop = Shop::new();
    let state = shop.trained("state", KINDS[0].1);
    let (input, model) = (shop.path("shard-0.input"), shop.path("shard-0.model"));
    pack(&state, 0, &input);
    train(&input, &model);
    let (good_input, good_model) = (fs::read(&input).unwrap(), fs::read(&model).unwrap());
    let (bad, out) = (shop.path("bad"), shop.path("out.model"));
    let damages = |good: &[u8]| -> Vec<(&'static str, Vec<u8>)> {
        let flipped = |at: usize| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        vec![
            ("empty", Vec::new()),
            ("text", b"{}\n".to_vec()),
            ("noise", (0..5000u32).map(|n| (n * n % 251) as u8).collect()),
            ("cut", good[..good.len() - 7].to_vec()),
            ("its kind", flipped(3)),
            ("its version", flipped(7)),
            ("its checksum", flipped(20)),
            ("its header", flipped(60)),
            ("its middle", flipped(good.len() / 2)),
            ("its end", flipped(good.len() - 1)),
        ]
    };
    let sentence = |said: &str| said.lines().count() == 1 && said.len() < 500 && said.contains("`eemu shard ");
    for (what, bytes) in damages(&good_input) {
        fs::write(&bad, bytes).unwrap();
        let said = refused(&["shard", "train", text(&bad), "--out", text(&out)], &[]);
        assert!(sentence(&said), "{what}: {said}");
        assert!(!out.exists(), "{what}");
    }
    // A valid checksum over nonsense, as another program could write it.
    for body in [&b"nonsense"[..], b"\x02\0\0\0\0\0\0\0{}"] {
        for (kind, adopts) in [(b"EEMUINP1", false), (b"EEMUMOD1", true)] {
            fs::write(&bad, [&kind[..], blake3::hash(body).as_bytes(), body].concat()).unwrap();
            let said = match adopts {
                true => adopt(&state, &[&bad]).2,
                false => refused(&["shard", "train", text(&bad), "--out", text(&out)], &[]),
            };
            assert!(sentence(&said), "{said}");
        }
    }
    let untrained = shop.untrained(&state, "untrained");
    for (what, bytes) in damages(&good_model) {
        fs::write(&bad, bytes).unwrap();
        let (code, _, said) = adopt(&untrained, &[&bad]);
        assert_eq!(code, Some(2), "{what}");
        assert!(said.starts_with("not adopted: ") && sentence(&said), "{what}: {said}");
    }
    // A model of another shard's input, and of another state's.
    let other = shop.trained("other", &["--shards", "2", "--epochs", "3", "--seed", "9"]);
    let foreign = (shop.path("foreign.input"), shop.path("foreign.model"));
    pack(&other, 0, &foreign.0);
    train(&foreign.0, &foreign.1);
    let (code, told, said) = adopt(&untrained, &[&foreign.1, &model]);
    assert_eq!(code, Some(2));
    assert!(said.contains("other records") && said.contains("foreign.model"), "{said}");
    // The valid model beside it is adopted.
    assert_eq!(told["shards"].as_array().unwrap().len(), 1, "{said}");
    let said = refused(&["shard", "pack", "--state", text(&state), "--shard", "3", "--out", text(&bad)], &[]);
    assert!(said.contains("from 0 to 2"), "{said}");
    let missing = shop.path("missing.input");
    let said = refused(&["shard", "train", text(&missing), "--out", text(&out)], &[]);
    assert!(sentence(&said), "{said}");
}

/// A state of one shard whose training takes a few seconds.
fn slow(shop: &Shop) -> (PathBuf, PathBuf) {
    let here = shop.trained("slow", &["--shards", "1", "--epochs", "400"]);
    let there = shop.untrained(&here, "slow-there");
    (here, there)
}

fn start(input: &Path, out: &Path, flags: &[&str]) -> Child {
    let mut command = Command::new(program().unwrap());
    command.args(["shard", "train", text(input), "--out", text(out)]).args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "no {what} came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn checkpoint(out: &Path) -> PathBuf {
    PathBuf::from(format!("{}.checkpoint", text(out)))
}

/// Killed at any moment, training continues and gives the same bytes.
#[test]
fn a_killed_training_goes_on() {
    let shop = Shop::new();
    let (here, there) = slow(&shop);
    let (input, out) = (shop.path("shard-0.input"), shop.path("shard-0.model"));
    pack(&there, 0, &input);
    let mut went_on = 0;
    for round in 0..4u64 {
        let mut child = start(&input, &out, &["--checkpoint-every", "0"]);
        wait_for("checkpoint", || checkpoint(&out).exists() || out.exists());
        std::thread::sleep(Duration::from_millis(30 * (round + 1)));
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!out.exists(), "it was too fast to be killed");
        went_on += usize::from(String::from_utf8_lossy(&output.stderr).contains("going on after epoch"));
    }
    assert!(went_on >= 2, "{went_on}");
    // A partial file of a process that died while it wrote.
    let half = shop.path("shard-0.model.checkpointAb12Cd.tmp");
    fs::write(&half, "half").unwrap();
    let last = start(&input, &out, &["--threads", "1"]).wait_with_output().unwrap();
    let said = String::from_utf8(last.stderr).unwrap();
    assert!(last.status.success() && said.contains("going on after epoch"), "{said}");
    assert!(!checkpoint(&out).exists() && !half.exists());
    let (code, _, said) = adopt(&there, &[&out]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(files(&here), files(&there));
    // A finished training is not repeated.
    assert_eq!(train(&input, &out)["trained"], json!(false));
}

/// Asked to stop, training keeps its progress, and its exit code says that it
/// may be tried again.
#[cfg(unix)]
#[test]
fn an_interrupted_training_may_be_tried_again() {
    let shop = Shop::new();
    let (here, there) = slow(&shop);
    let (input, out) = (shop.path("shard-0.input"), shop.path("shard-0.model"));
    pack(&there, 0, &input);
    for signal in ["-TERM", "-INT"] {
        let child = start(&input, &out, &["--checkpoint-every", "0"]);
        let before = fs::metadata(checkpoint(&out)).ok().and_then(|m| m.modified().ok());
        wait_for("checkpoint", || {
            fs::metadata(checkpoint(&out)).is_ok_and(|m| m.modified().ok() != before) || out.exists()
        });
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(said.contains("run it again to go on"), "{said}");
        assert!(checkpoint(&out).exists() && !out.exists());
    }
    train(&input, &out);
    assert_eq!(adopt(&there, &[&out]).0, Some(0));
    assert_eq!(files(&here), files(&there));
}

/// A state whose training does not end during a test.
fn endless(shop: &Shop) -> PathBuf {
    let state = shop.trained("state", &["--shards", "1", "--epochs", "1"]);
    lengthen(&state, 1_000_000);
    state
}

fn lengthen(state: &Path, epochs: u32) {
    let mut deployment = Deployment::open(state, Access::Write).unwrap();
    let mut config = deployment.settings.config.clone();
    config.train.epochs = epochs;
    assert!(deployment.configure(config).unwrap());
}

/// Exit code and error output, within a time limit.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The process may have ended already.
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Deleting the input ends the training early, and none of its files is left.
#[test]
fn a_withdrawn_input_leaves_nothing() {
    let shop = Shop::new();
    let state = endless(&shop);
    let folder = shop.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let (input, out) = (folder.join("shard-0.input"), folder.join("shard-0.model"));
    pack(&state, 0, &input);
    let child = start(&input, &out, &["--checkpoint-every", "0", "--quiet"]);
    wait_for("checkpoint", || checkpoint(&out).exists());
    fs::remove_file(&input).unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is not wanted any more"), "{said}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

/// A training whose input was replaced says so, and leaves files that may
/// belong to the other one.
#[test]
fn a_replaced_input_is_not_spoilt() {
    let shop = Shop::new();
    let state = endless(&shop);
    let (input, out) = (shop.path("shard-0.input"), shop.path("shard-0.model"));
    pack(&state, 0, &input);
    let child = start(&input, &out, &["--checkpoint-every", "0", "--quiet"]);
    wait_for("checkpoint", || checkpoint(&out).exists());
    lengthen(&state, 3);
    pack(&state, 0, &input);
    let (code, said) = ended(child);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("was replaced by another input"), "{said}");
    assert!(checkpoint(&out).exists() && !out.exists() && !shop.path("shard-0.model.refused").exists());
    train(&input, &out);
    assert_eq!(adopt(&state, &[&out]).0, Some(0));
}

/// A write error that can be foreseen is reported at the start, and nothing is
/// written.
#[test]
fn an_output_that_cannot_be_is_refused_at_once() {
    let shop = Shop::new();
    let state = endless(&shop);
    let folder = shop.path("inputs");
    fs::create_dir(&folder).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let open = || fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        open();
        done(&["shard", "pack", "--state", text(&state), "--all", "--out", text(&folder), "--json"], &[]);
        // The folder existed before, and is unchanged.
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
        fs::remove_file(folder.join("shard-0.input")).unwrap();
    }
    let input = folder.join("a.checkpoint");
    pack(&state, 0, &input);
    let bytes = fs::read(&input).unwrap();
    let slash = PathBuf::from(format!("{}/", text(&folder.join("new"))));
    let around = folder.join("../inputs/a.checkpoint");
    for out in [&input, &around, &folder, &slash, &folder.join("missing/a.model"), &folder.join("a")] {
        let said = refused(&["shard", "train", text(&input), "--out", text(out)], &[]);
        assert!(said.lines().count() == 1 && said.contains("--out") && said.contains("name "), "{said}");
        assert_eq!(fs::read(&input).unwrap(), bytes);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "{said}");
    }
}

/// A checkpoint of another input is not used.
#[test]
fn a_checkpoint_of_another_input_is_not_taken_up() {
    let shop = Shop::new();
    let (here, there) = slow(&shop);
    let (input, out) = (shop.path("shard-0.input"), shop.path("shard-0.model"));
    let twin = shop.copy(&there, "twin");
    done(&["forget", "--state", text(&twin), "--user", &reader(2), "--all", "--later"], &[]);
    pack(&twin, 0, &input);
    let mut child = start(&input, &out, &["--checkpoint-every", "0"]);
    wait_for("checkpoint", || checkpoint(&out).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    pack(&there, 0, &input);
    let output = start(&input, &out, &[]).wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(!String::from_utf8_lossy(&output.stderr).contains("going on"));
    assert_eq!(adopt(&there, &[&out]).0, Some(0));
    assert_eq!(files(&here), files(&there));
}

/// The help states the facts that scripts rely on.
#[test]
fn the_help_states_exit_codes_and_secrets() {
    let help = |command: &str| run(&["shard", command, "--help"], &[]).1;
    for code in ["  0 ", "  75 ", "  2 "] {
        assert!(help("train").contains(code), "{code}");
    }
    assert!(help("pack").contains("seed") && help("pack").contains("0600"));
}
