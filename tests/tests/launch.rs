//! Shards that an external command trains: failed runs are tried again or not,
//! a deletion meanwhile drops them, the bytes equal training in one process,
//! and no copy of deleted records remains.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use eemu_server::deployment::Deployment;
use eemu_server::launch::{Commands, Launcher, Right};
use eemu_server::serve::tokens::Scope;
use eemu_server::store::{Access, Change, StoreError};
use eemu_server::unit::{Follower, Unit};
use eemu_tests::command::{done, refused, run, text};
use eemu_tests::program;
use eemu_tests::reading::{Shop, files, holders, reader};
use eemu_tests::service::{Process, token};
use serde_json::{Value, json};

const FLAGS: &[&str] = &["--shards", "3", "--epochs", "3"];

/// A script that takes the arguments {input}, {output}, {shard} and {name}.
fn script(shop: &Shop, name: &str, body: &str) -> String {
    let path = shop.path(name);
    let head = format!("here={}\neemu={}\n", text(&shop.path("")), text(&program().unwrap()));
    fs::write(&path, format!("{head}{body}\n")).unwrap();
    format!("command=sh {} {{input}} {{output}} {{shard}} {{name}}", text(&path))
}

const TRAIN: &str = r#"exec $eemu shard train "$1" --out "$2" --quiet"#;

fn launch(state: &Path, how: &str, more: &[&str]) -> Value {
    done(&[&["train", "--state", text(state), "--quiet", "--json", "--launch", how], more].concat(), &[])
}

fn empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_command_trains_the_same_bytes() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let there = shop.untrained(&here, "it's there");
    let how = script(&shop, "job", &format!("echo \"$3 $4\" >> $here/ran\n{TRAIN}"));
    let told = launch(&there, &how, &["--jobs", "2"]);
    assert_eq!(told["shards_trained"], json!([0, 1, 2]));
    assert_eq!(files(&here), files(&there));
    let mut ran: Vec<String> = fs::read_to_string(shop.path("ran")).unwrap().lines().map(str::to_owned).collect();
    ran.sort();
    assert_eq!(ran, ["0 eemu-shard-0", "1 eemu-shard-1", "2 eemu-shard-2"]);
    assert!(empty(&there.join("launch")));
    // A current shard is not given to a command again.
    assert_eq!(launch(&there, &how, &[])["shards_trained"], json!([]));
    assert_eq!(lines(&shop.path("ran")), 3);
    done(&["verify", "--state", text(&there), "--quiet"], &[]);
    // One shard by its own subcommand, and one whose model is requested again.
    let again = ["train-shard", "--state", text(&there), "--shard", "1", "--quiet", "--json", "--launch", &how];
    assert_eq!(done(&again, &[])["shards_trained"], json!([]));
}

/// Exit code 75 and a signal are tried again, up to the limit. A model is
/// accepted whatever came before it.
#[test]
fn what_may_go_well_another_time_is_tried_again() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let first = |end: &str| format!("echo x >> $here/ran-$3\n[ $(wc -l < $here/ran-$3) = 1 ] && {end}\n{TRAIN}");
    for (name, end) in [("75", "exit 75"), ("killed", "kill -9 $$"), ("terminated", "kill -TERM $$")] {
        let there = shop.untrained(&here, name);
        launch(&there, &script(&shop, &format!("{name}.sh"), &first(end)), &["--jobs", "3"]);
        assert_eq!(files(&here), files(&there), "{name}");
        for shard in 0..3 {
            assert_eq!(lines(&shop.path(&format!("ran-{shard}"))), 2, "{name}");
            fs::remove_file(shop.path(&format!("ran-{shard}"))).unwrap();
        }
    }
    let there = shop.untrained(&here, "never");
    let how = script(&shop, "never.sh", "echo x >> $here/ran-$3\necho no room >&2\nexit 75");
    let args = ["train-shard", "--state", text(&there), "--shard", "0", "--quiet", "--launch", &how];
    let said = refused(&[&args[..], &["--launch-tries", "2"]].concat(), &[]);
    assert!(said.contains("no room") && said.contains("run 2 times"), "{said}");
    assert_eq!(lines(&shop.path("ran-0")), 2);
    assert!(empty(&there.join("launch")));
}

#[test]
fn what_would_fail_again_is_not_tried_again() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let there = shop.untrained(&here, "there");
    let fails = [
        ("echo x >> $here/ran\necho the partition is unknown >&2\nexit 1", "code 1, saying: the partition is unknown"),
        ("echo x >> $here/ran\nexit 0", "wrote no model"),
    ];
    for (body, what) in fails {
        let how = script(&shop, "job", body);
        let args = ["train-shard", "--state", text(&there), "--shard", "0", "--quiet", "--launch", &how];
        let said = refused(&args, &[]);
        assert!(said.contains(what), "{said}");
        assert_eq!(lines(&shop.path("ran")), 1);
        fs::remove_file(shop.path("ran")).unwrap();
        assert!(empty(&there.join("launch")));
    }
    // A file that is no model is refused, and nothing is published.
    let how = script(&shop, "job", "echo x >> $here/ran\necho nonsense > \"$2\"");
    let args = ["train-shard", "--state", text(&there), "--shard", "0", "--quiet", "--launch", &how];
    let said = refused(&[&args[..], &["--launch-tries", "1"]].concat(), &[]);
    assert!(said.contains("cannot be used"), "{said}");
    assert!(files(&there).is_empty());
    for wrong in ["command=true", "command=train {input}", "slurm", "kubernetes"] {
        let (code, _, said) = run(&["train", "--state", text(&there), "--launch", wrong], &[]);
        assert_eq!(code, Some(2), "{wrong}");
        let says = ["{input} and {output}", "write threads", "write kubernetes=FILE"];
        assert!(says.iter().any(|hint| said.contains(hint)), "{said}");
    }
    // An ordinary build has no cluster; one that has wants its settings.
    let said = refused(&["train", "--state", text(&there), "--launch", "kubernetes=none.toml"], &[]);
    assert!(said.contains("built without Kubernetes") || said.contains("the launcher's settings"), "{said}");
}

/// One run may serve all shards, and another those that the first left out.
#[test]
fn one_run_may_be_for_all_shards() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let there = shop.untrained(&here, "there");
    let elsewhere = shop.path("shared folder");
    let body = r#"echo "$2" >> $here/ran
for shard in $(echo "$2" | tr , ' '); do
    [ $shard = 1 ] && [ $(wc -l < $here/ran) = 1 ] && continue
    $eemu shard train "$1/$shard/input" --out "$1/$shard/model" --quiet || exit
done
[ $(wc -l < $here/ran) = 1 ] && exit 75
exit 0"#;
    let path = shop.path("array");
    let head = format!("here={}\neemu={}\n", text(&shop.path("")), text(&program().unwrap()));
    fs::write(&path, format!("{head}{body}\n")).unwrap();
    let how = format!("command=sh {} {{dir}} {{indices}}", text(&path));
    launch(&there, &how, &["--launch-dir", text(&elsewhere)]);
    assert_eq!(files(&here), files(&there));
    assert_eq!(fs::read_to_string(shop.path("ran")).unwrap(), "0,1,2\n1\n");
    let own = fs::read_dir(&elsewhere).unwrap().next().unwrap().unwrap().path();
    assert!(empty(&own));
}

/// A command that reports that it started, then waits until it is released.
const HELD: &str = r#"echo "$3" >> $here/held
while [ ! -e $here/go ]; do sleep 0.05; done
"#;

fn held(shop: &Shop, state: &Path, how: &str, more: &[&str]) -> Child {
    held_at_once(3, shop, state, how, more)
}

fn held_at_once(jobs: usize, shop: &Shop, state: &Path, how: &str, more: &[&str]) -> Child {
    let args = ["train", "--state", text(state), "--quiet", "--launch", how, "--jobs", &jobs.to_string()];
    let mut command = Command::new(program().unwrap());
    command.args(args).args(more).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for("every shard's command", || lines(&shop.path("held")) == jobs);
    child
}

/// A process that dies leaves inputs behind. A deletion removes the deleted
/// records from all of them, and the output of commands that still run is
/// refused.
#[test]
fn a_deletion_leaves_no_copy_of_a_dead_launch() {
    for place in [None, Some("elsewhere")] {
        let shop = Shop::new();
        let here = shop.trained("here", FLAGS);
        let there = shop.untrained(&here, "there");
        // The deletion then knows that models existed.
        done(&["train-shard", "--state", text(&there), "--shard", "0", "--quiet"], &[]);
        done(&["train-shard", "--state", text(&there), "--shard", "1", "--quiet"], &[]);
        done(&["train-shard", "--state", text(&there), "--shard", "2", "--quiet"], &[]);
        let gone = reader(4);
        let how = script(&shop, "job", &format!("{HELD}echo $$ >> $here/went\n{TRAIN}"));
        let elsewhere = shop.path(place.unwrap_or("unused"));
        let more: &[&str] = if place.is_some() { &["--launch-dir", text(&elsewhere)] } else { &[] };
        let work = if place.is_some() { elsewhere.clone() } else { there.join("launch") };
        done(&["add", "--state", text(&there), "--file", text(&everybody(&shop))], &[]);
        let mut child = held(&shop, &there, &how, more);
        assert_eq!(holders(&work, &gone).len(), 1, "the input of the person's shard holds them");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holders(&work, &gone).len(), 1);
        done(&["forget", "--state", text(&there), "--user", &gone, "--all", "--later"], &[]);
        assert_eq!(holders(&work, &gone), [""; 0].map(PathBuf::from));
        assert_eq!(holders(&there, &gone), [""; 0].map(PathBuf::from));
        fs::write(shop.path("go"), "").unwrap();
        wait_for("every command", || lines(&shop.path("went")) == 3);
        done(&["train", "--state", text(&there), "--quiet"], &[]);
        done(&["verify", "--state", text(&there), "--quiet"], &[]);
    }
}

/// The same of other data that replace those of a dead launch, wherever its
/// folders are.
#[test]
fn other_data_leave_no_copy_of_a_dead_launch() {
    for elsewhere in [false, true] {
        let shop = Shop::new();
        let here = shop.trained("here", FLAGS);
        let there = shop.untrained(&here, "there");
        let how = script(&shop, "job", &format!("{HELD}echo $$ >> $here/went\n{TRAIN}"));
        let folder = if elsewhere { shop.path("elsewhere") } else { there.join("launch") };
        let more: &[&str] = if elsewhere { &["--launch-dir", text(&folder)] } else { &[] };
        let mut child = held(&shop, &there, &how, more);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(holders(&folder, &reader(4)).len(), 1);
        let data = shop.path("data");
        let import = ["import", "--replace", "--data", text(&data), "--state", text(&there)];
        let features = ["--user-features", "age,years", "--user-range", "years=0:10:5"];
        done(&[&import[..], &features].concat(), &[]);
        assert!(!folder.exists() || holders(&folder, &reader(4)).is_empty());
        fs::write(shop.path("go"), "").unwrap();
        wait_for("every command", || lines(&shop.path("went")) == 3);
    }
}

/// One more book for every user, so that every shard waits for training.
fn everybody(shop: &Shop) -> PathBuf {
    let table = shop.path("more.csv");
    let rows: Vec<String> = (0..24).map(|n| format!("{},book-{:02},99", reader(n), (n * 5 + 1) % 15)).collect();
    fs::write(&table, rows.join("\n")).unwrap();
    table
}

/// `forget` with a training command: the receipt equals that of one process,
/// and no input contains deleted records.
#[test]
fn a_deletion_is_trained_by_a_command() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let there = shop.copy(&here, "there");
    let gone = reader(4);
    let body = format!("grep -c {gone} \"$1\" >> $here/seen\ngrep -c {} \"$1\" >> $here/own\n{TRAIN}", reader(5));
    let how = script(&shop, "job", &body);
    let ask = |state: &Path, more: &[&str]| {
        let args = ["forget", "--state", text(state), "--user", &gone, "--all", "--quiet", "--json"];
        done(&[&args[..], more].concat(), &[])
    };
    let (one, other) = (ask(&here, &[]), ask(&there, &["--launch", &how]));
    assert_eq!(one["shards_retrained"], other["shards_retrained"]);
    assert_eq!(one["removed"], other["removed"]);
    let versions = |told: &Value| told["receipt"]["shards"][0]["version"].clone();
    assert_eq!(versions(&one), versions(&other));
    assert!(versions(&one).is_u64());
    assert_eq!(files(&here), files(&there));
    assert_eq!(fs::read_to_string(shop.path("seen")).unwrap().trim(), "0");
    assert!(empty(&there.join("launch")));
    assert_eq!(holders(&there, &gone), [""; 0].map(PathBuf::from));
    done(&["receipt", "verify", other["receipt_file"].as_str().unwrap()], &[]);
}

/// `train` stops its commands when interrupted, and leaves no input.
#[test]
fn an_interrupted_launch_ends_its_commands() {
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let there = shop.untrained(&here, "there");
    let how = script(&shop, "job", &format!("trap 'echo x >> $here/ended; exit 75' TERM\n{HELD}"));
    for jobs in [3, 1] {
        let child = held_at_once(jobs, &shop, &there, &how, &[]);
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(lines(&shop.path("ended")), jobs);
        // Jobs in the queue were not started.
        assert_eq!(lines(&shop.path("held")), jobs);
        assert!(empty(&there.join("launch")), "{}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(shop.path("ended")).unwrap();
        fs::remove_file(shop.path("held")).unwrap();
    }
}

/// A process that loses the claim on a shard learns that the records changed,
/// and can train it again. A stopped process does not begin.
#[test]
fn a_right_that_is_lost_is_no_stop() {
    struct Patient;
    impl Follower for Patient {}
    static NEVER: AtomicBool = AtomicBool::new(false);
    static ASKED: AtomicBool = AtomicBool::new(true);
    let shop = Shop::new();
    let here = shop.trained("here", FLAGS);
    let state = shop.untrained(&here, "there");
    let deployment = Deployment::open(&state, Access::Write).unwrap();
    let root = deployment.state.launch_from(None).unwrap();
    let right = Right { state: &deployment.state, ticket: deployment.ticket(0).unwrap() };
    let unit = Unit::of(&deployment.dataset, 0).unwrap();
    let train = |asked| {
        let commands = Commands::new("sleep 60 # {input} {output}", &root, 1, asked);
        commands.train(unit.clone(), &right, &Patient)
    };
    assert!(train(&ASKED).unwrap().is_none() && empty(&root));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let trained = scope.spawn(|| train(&NEVER));
        wait_for("the input", || root.join("0/input").exists());
        let settings = serde_json::to_string(&deployment.settings).unwrap();
        let changed = deployment.state.apply(&Change::Reset(&settings, 3), deployment.head).unwrap();
        deployment.state.finish(&changed).unwrap();
        let lost = |made: anyhow::Result<_>| {
            matches!(made.unwrap_err().downcast_ref(), Some(StoreError::Outdated { shard: 0 }))
        };
        assert!(lost(trained.join().unwrap().map(drop)));
        assert!(lost(train(&NEVER).map(drop)));
    });
    assert!(began.elapsed() < Duration::from_secs(20) && empty(&root));
}

/// A state to be served. Its shards are trained by a command that waits at
/// first and records when it is asked to stop.
struct Served {
    shop: Shop,
    state: PathBuf,
    /// Two users of one shard.
    first: String,
    second: String,
    admin: String,
    how: String,
}

impl Served {
    fn new() -> Self {
        let shop = Shop::new();
        let state = shop.trained("state", FLAGS);
        let (first, second) = people_of_one_shard(&state);
        let admin = token(&state, Scope::Admin).unwrap();
        let how = script(&shop, "job", &format!("trap 'echo x >> $here/ended; exit 75' TERM\n{HELD}{TRAIN}"));
        Self { shop, state, first, second, admin, how }
    }
}

/// A server whose shards a command trains. A deletion while a shard trains
/// drops that job, and its output is never used.
#[test]
fn a_server_forgets_what_a_command_trains() {
    let Served { shop, state, first, second, admin, how } = Served::new();
    let (work, args) = (state.join("launch"), ["--settle", "0.05", "--erase-within", "0s", "--launch", &how]);
    let process = Process::start(&state, &args, &[]).unwrap();
    let delete = |user: &str| -> String {
        let told = process.post("/api/v1/account/delete", &admin, &json!({"user": user})).unwrap();
        assert_eq!(told.0, 202, "{}", told.1);
        told.1["id"].as_str().unwrap().to_owned()
    };
    let one = delete(&first);
    wait_for("the command", || lines(&shop.path("held")) == 1);
    assert_eq!(holders(&work, &second).len(), 1, "who is left is in the input");
    assert_eq!(holders(&work, &first).len(), 0);
    let two = delete(&second);
    // The deletion is acknowledged: no file contains the record, whatever still
    // runs.
    assert_eq!(holders(&state, &second), [""; 0].map(PathBuf::from));
    wait_for("the end of the job", || lines(&shop.path("ended")) == 1);
    wait_for("another job", || lines(&shop.path("held")) == 2);
    fs::write(shop.path("go"), "").unwrap();
    process.wait_clean().unwrap();
    for request in [&one, &two] {
        let receipt = process.receipt(request, &admin).unwrap();
        assert_eq!(receipt.shards.len(), 1);
    }
    assert!(empty(&work));
    drop(process.kill());
    done(&["verify", "--state", text(&state), "--quiet"], &[]);
    for gone in [&first, &second] {
        assert_eq!(holders(&state, gone), [""; 0].map(PathBuf::from));
    }
}

fn people_of_one_shard(state: &Path) -> (String, String) {
    let dataset = Deployment::open(state, Access::Read).unwrap().dataset;
    let shards = dataset.shards();
    let cells = &shards.iter().find(|data| data.cells.len() > 2).unwrap().cells;
    let id = |place: usize| dataset.catalog.users.ids[cells[place].user as usize].clone();
    (id(0), id(1))
}

/// A server that stops ends its commands and keeps no records for them; the
/// next server continues.
#[test]
fn a_server_that_stops_ends_its_commands() {
    let Served { shop, state, first, second, admin, how } = Served::new();
    let file = shop.path("eemu.toml");
    let settings = format!("settle = 0.05\nlaunch = {}\n", toml_text(&how));
    fs::write(&file, settings).unwrap();
    let args = ["--config", text(&file)];
    let process = Process::start(&state, &args, &[]).unwrap();
    let told = process.post("/api/v1/account/delete", &admin, &json!({"user": first})).unwrap();
    assert_eq!(told.0, 202);
    wait_for("the command", || lines(&shop.path("held")) == 1);
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let (code, log) = process.ended().unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&shop.path("ended")), 1);
    assert_eq!(holders(&state.join("launch"), &second), [""; 0].map(PathBuf::from));
    fs::write(shop.path("go"), "").unwrap();
    let process = Process::start(&state, &args, &[]).unwrap();
    process.wait_clean().unwrap();
    drop(process.kill());
    done(&["verify", "--state", text(&state), "--quiet"], &[]);
}

fn toml_text(text: &str) -> String {
    json!(text).to_string()
}
