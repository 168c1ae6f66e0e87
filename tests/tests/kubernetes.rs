//! Shards that Jobs of a Kubernetes cluster train: the bytes of training in one
//! process, whatever the cluster does meanwhile; nothing left in bucket or
//! cluster; no copy of what was deleted. The cluster is one of the tests, whose
//! pods are processes of the same program.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eemu_server::deployment::Deployment;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_tests::command::text;
use eemu_tests::kubernetes::{Fault, NAMESPACE, Place, Plan, objects_with, wait_for};
use eemu_tests::reading::{READERS, files, holders, reader};
use eemu_tests::service::{Process, token};
use k8s_openapi::api::rbac::v1::Role;
use serde_json::{Value, json};

/// The command with the launcher in it.
fn eemu() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_eemu-kubernetes"))
}

fn place(more: &str) -> Place {
    Place::new(eemu(), more)
}

#[test]
fn a_cluster_trains_the_same_bytes() {
    let place = place("parallel = 2\nnode-selector = {kind = 'm7i'}\nlabels = {team = 'shop'}");
    let (code, out, said) = place.train(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["shards_trained"], json!([0, 1, 2]));
    assert_eq!(files(&place.here), files(&place.there));
    // One Job for all of them, as the settings say.
    let created = place.cluster.created();
    assert_eq!(created.len(), 1);
    let spec = &created[0]["spec"];
    assert_eq!(
        (&spec["completionMode"], &spec["completions"], &spec["parallelism"]),
        (&json!("Indexed"), &json!(3), &json!(2))
    );
    assert_eq!((&spec["backoffLimitPerIndex"], &spec["backoffLimit"]), (&json!(2), &Value::Null));
    assert_eq!(spec["template"]["spec"]["nodeSelector"], json!({"kind": "m7i"}));
    assert_eq!(created[0]["metadata"]["labels"]["team"], "shop");
    assert!(created[0]["metadata"]["ownerReferences"].is_null(), "this is no pod");
    place.is_clean();
    // What is current is given to nobody again.
    assert_eq!(place.train(&[]).0, Some(0));
    assert_eq!(place.cluster.created().len(), 1);
    let (verify, state) = (["verify", "--quiet", "--state"], text(&place.there));
    place.done(&[&verify[..], &[state]].concat());
    // Records were in a bucket: nobody says that their bytes are gone from it.
    let info = place.done(&["info", "--json", "--state", state]);
    assert!(info.to_string().contains("logical"), "{info}");
}

/// One shard is a plain Job, owned by the pod that began it; the receipt is
/// that of one process, and nothing of what is gone is in its input.
#[test]
fn a_deletion_is_a_plain_job() {
    let place = place("gpus = 1\ndevice = 'cpu'\n[[tolerations]]\nkey = 'nvidia.com/gpu'\noperator = 'Exists'");
    let there = place.shop.copy(&place.here, "copy");
    let gone = reader(4);
    place.cluster.plan({
        let (bucket, gone) = (place.bucket.clone(), gone.clone());
        move |_, _, _| {
            let is_in = |person: &str| !objects_with(&bucket, person).is_empty();
            let others = (0..READERS).any(|n| is_in(&reader(n)));
            // One that sees who is gone, or nobody at all, fails for good.
            if others && !is_in(&gone) { Plan::Run } else { Plan::Code(2) }
        }
    });
    let how = place.how();
    let ask = |state: &Path, more: &[&str]| {
        let args = ["forget", "--state", text(state), "--user", &gone, "--all", "--quiet", "--json"];
        place.done(&[&args[..], more].concat())
    };
    let one = ask(&place.here, &[]);
    let mut command = Command::new(eemu());
    command.args(["forget", "--state", text(&there), "--user", &gone, "--all", "--quiet", "--json", "--launch", &how]);
    command.envs(place.environment());
    command.envs([("EEMU_POD_NAME", "eemu-7"), ("EEMU_POD_UID", "a-uid"), ("EEMU_POD_NAMESPACE", NAMESPACE)]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let other: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(one["shards_retrained"], other["shards_retrained"]);
    assert_eq!(files(&place.here), files(&there));
    assert_eq!(holders(&there, &gone), [""; 0].map(PathBuf::from));
    let created = place.cluster.created();
    assert_eq!(created.len(), 1);
    let spec = &created[0]["spec"];
    assert_eq!(
        (&spec["completionMode"], &spec["completions"], &spec["backoffLimit"]),
        (&Value::Null, &json!(1), &json!(2))
    );
    let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": "eemu-7", "uid": "a-uid"}]);
    assert_eq!(created[0]["metadata"]["ownerReferences"], owner);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"], "1");
    assert_eq!(pod["tolerations"], json!([{"key": "nvidia.com/gpu", "operator": "Exists"}]));
    place.is_clean();
}

/// A pod that is killed, exit code 75, answers that fail or get lost, watches
/// that end, and a server that has forgotten.
#[test]
fn trouble_that_passes_changes_no_byte() {
    let place = place("");
    place.cluster.plan(|_, index, start| match (index, start) {
        (0, _) => Plan::Hold,
        (1, 0) => Plan::Kill,
        (2, 0 | 1) => Plan::Code(75),
        _ => Plan::Run,
    });
    place.cluster.fail("create", &[Fault::Code(500), Fault::Lost]);
    place.cluster.fail("list", &[Fault::Code(500), Fault::Code(503)]);
    let watches = [Fault::Code(410), Fault::Silence, Fault::Gone, Fault::Code(500), Fault::Silence];
    place.cluster.fail("watch", &watches);
    place.cluster.fail("delete", &[Fault::Code(500)]);
    std::thread::scope(|scope| {
        let trained = scope.spawn(|| place.train(&[]));
        wait_for("all that is wrong with watches", || place.cluster.faults_of("watch") == 0);
        place.cluster.let_go();
        let (code, _, said) = trained.join().unwrap();
        assert_eq!(code, Some(0), "{said}");
    });
    assert_eq!(files(&place.here), files(&place.there));
    assert_eq!(place.cluster.created().len(), 1, "an answer that was lost makes no second Job");
    assert_eq!(place.cluster.started().len(), 6);
    place.is_clean();
    place.done(&["verify", "--quiet", "--state", text(&place.there)]);
}

/// What would fail again is not tried again, and the error says which shard,
/// and what its pod said; the other shards have their models.
#[test]
fn a_shard_that_fails_for_good_says_why() {
    let place = place("");
    let bucket = place.bucket.clone();
    place.cluster.plan(move |_, index, _| {
        if index == 1 {
            let input = bucket.names().into_iter().find(|name| name.contains("/1.")).unwrap();
            let mut bytes = bucket.get(&input).unwrap().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            bucket.put(&input, &bytes);
        }
        Plan::Run
    });
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("shard 1") && said.contains("code 2") && said.contains("is damaged"), "{said}");
    assert_eq!(place.cluster.started().iter().filter(|(_, index, _)| *index == 1).count(), 1, "{said}");
    let shards = place.done(&["info", "--json", "--state", text(&place.there)])["shards"].clone();
    let models: Vec<bool> = shards.as_array().unwrap().iter().map(|shard| shard["model_blake3"].is_string()).collect();
    assert_eq!(models, [true, false, true], "{shards}");
    place.is_clean();
    // So does one that may pass, and never does.
    place.cluster.plan(|_, _, _| Plan::Code(75));
    let (code, _, said) = place.train(&["--launch-tries", "2"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("shard 1") && said.contains("code 75") && said.contains("no room left"), "{said}");
    assert_eq!(place.cluster.started().iter().filter(|(_, index, _)| *index == 0).count(), 3);
    place.is_clean();
    // And a pod that can never start.
    place.cluster.plan(|_, _, _| Plan::CannotStart("CreateContainerConfigError"));
    let settings = fs::read_to_string(&place.settings).unwrap();
    fs::write(&place.settings, format!("{settings}start-within = '1s'\n")).unwrap();
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("shard 1") && said.contains("secret \"aws\" not found"), "{said}");
    place.is_clean();
    // What the cluster refuses is said with a way out.
    place.cluster.fail("create", &[Fault::Code(403)]);
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("forbidden") && said.contains("role.yaml"), "{said}");
    place.is_clean();
}

/// A process that dies leaves its Job; the next one waits for that, also when it
/// wants only some of its shards.
#[test]
fn a_job_that_runs_already_is_taken_over() {
    let place = place("");
    let watched = |more: usize| wait_for("a watch", || place.cluster.watches() >= more);
    for number in 1..=2 {
        let mut child = place.held(&[]);
        watched(number);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(place.cluster.created().len(), 1);
    let how = place.how();
    let one = ["train-shard", "--state", text(&place.there), "--shard", "1", "--quiet", "--launch", &how];
    std::thread::scope(|scope| {
        let trained = scope.spawn(|| place.done(&one));
        watched(3);
        place.cluster.let_go();
        trained.join().unwrap();
    });
    assert_eq!(place.cluster.created().len(), 1);
    assert_eq!(place.cluster.jobs(), [""; 0]);
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(files(&place.here), files(&place.there));
    assert_eq!(place.cluster.created().len(), 2);
    place.is_clean();
}

/// A Job of the same name is made anew when it has ended or is of other
/// settings, and left alone when it is somebody else's.
#[test]
fn a_name_that_is_taken() {
    let place = place("");
    let child = place.held(&[]);
    let made = place.cluster.created().pop().unwrap();
    place.stopped(child);
    place.is_clean();
    let name = made["metadata"]["name"].as_str().unwrap();
    // The same versions of all shards, and with them the same name, come back with it.
    let before = place.shop.copy(&place.there, "before");
    let put = |key: &str, value: Value| {
        let mut job = made.clone();
        *job.pointer_mut(key).unwrap() = value;
        place.cluster.put(job);
    };
    put("/metadata/labels/eemu~1state", json!("somebody"));
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("not of this state"), "{said}");
    assert_eq!(place.cluster.jobs(), [name]);
    assert_eq!(place.bucket.names(), [""; 0]);
    let failed = json!({"conditions": [{"type": "Failed", "status": "True"}], "failedIndexes": "0-2"});
    for (number, (key, value)) in
        [("/metadata/annotations/eemu~1settings", json!("others")), ("/status", failed)].into_iter().enumerate()
    {
        put(key, value);
        let (code, _, said) = place.train(&[]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(place.cluster.created().len(), number + 2);
        assert_eq!(place.cluster.created().pop().unwrap()["metadata"]["name"], name);
        assert_eq!(files(&place.here), files(&place.there));
        place.is_clean();
        fs::remove_dir_all(&place.there).unwrap();
        place.shop.copy(&before, "there");
    }
}

/// Asked to end, `train` deletes its Jobs and leaves no input.
#[test]
fn an_interrupted_launch_deletes_its_jobs() {
    let place = place("");
    let child = place.held(&[]);
    assert_eq!(place.bucket.names().len(), 3);
    place.stopped(child);
    place.is_clean();
    assert!(files(&place.there).is_empty());
}

/// Whoever dies leaves inputs; a deletion leaves none of what it deletes, and
/// pods that run on find that nobody wants them.
#[test]
fn a_deletion_leaves_no_copy_of_a_dead_launch() {
    let place = place("");
    let how = place.how();
    let there = text(&place.there);
    // So that a deletion knows that there were models.
    place.done(&["train", "--state", there, "--quiet"]);
    let gone = reader(4);
    let table = place.shop.path("more.csv");
    let rows: Vec<String> = (0..READERS).map(|n| format!("{},book-{:02},99", reader(n), (n * 5 + 1) % 15)).collect();
    fs::write(&table, rows.join("\n")).unwrap();
    place.done(&["add", "--state", there, "--file", text(&table)]);
    let mut child = place.held(&[]);
    assert_eq!(place.objects_with(&gone).len(), 1, "the input of the person's shard holds them");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = place.bucket.names().len();
    // A bucket that does not answer keeps nobody from the state.
    let mut command = Command::new(eemu());
    command.args(["info", "--json", "--state", there]).envs(place.environment());
    let output = command.env("AWS_ACCESS_KEY_ID", "another").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.bucket.names().len(), before);
    place.done(&["forget", "--state", there, "--user", &gone, "--all", "--later"]);
    assert_eq!(place.objects_with(&gone), [""; 0]);
    assert_eq!(place.bucket.names().len(), before - 1, "inputs of other shards stay");
    assert_eq!(holders(&place.there, &gone), [""; 0].map(PathBuf::from));
    // The Job goes on, and its pod of that shard ends without a model.
    place.cluster.let_go();
    wait_for("models", || place.bucket.names().iter().filter(|name| name.ends_with(".model")).count() == 2);
    let (code, _, said) = place.run(&["train", "--state", there, "--quiet", "--launch", &how]);
    assert_eq!(code, Some(0), "{said}");
    place.done(&["verify", "--state", there, "--quiet"]);
    assert_eq!(place.bucket.names(), [""; 0]);
}

/// A server whose shards a cluster trains.
fn serving(place: &Place) -> Process {
    let file = place.shop.path("eemu.toml");
    fs::write(&file, format!("settle = 0.05\nerase-within = \"0s\"\nlaunch = {}\n", json!(place.how()))).unwrap();
    let environment = place.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Process::start_program(eemu(), &place.here, &["--config", text(&file)], &environment).unwrap()
}

/// Deletes an account; the request's name.
fn delete(process: &Process, admin: &str, user: &str) -> String {
    let told = process.post("/api/v1/account/delete", admin, &json!({"user": user})).unwrap();
    assert_eq!(told.0, 202, "{}", told.1);
    told.1["id"].as_str().unwrap().to_owned()
}

/// A deletion that comes while a shard trains drops that Job, and its output is
/// never adopted.
#[test]
fn a_server_forgets_what_a_cluster_trains() {
    let place = place("");
    let state = &place.here;
    let (first, second) = people_of_one_shard(state);
    let admin = token(state, Scope::Admin).unwrap();
    place.cluster.plan(|_, _, _| Plan::Hold);
    let process = serving(&place);
    let one = delete(&process, &admin, &first);
    wait_for("the pod", || place.cluster.started().len() == 1);
    assert_eq!((place.objects_with(&second).len(), place.objects_with(&first).len()), (1, 0));
    let two = delete(&process, &admin, &second);
    // It is acknowledged: no object holds it, whatever runs.
    assert_eq!(place.objects_with(&second), [""; 0]);
    assert_eq!(holders(state, &second), [""; 0].map(PathBuf::from));
    wait_for("another pod", || place.cluster.started().len() == 2);
    assert_eq!(place.cluster.jobs().len(), 1, "the first Job was deleted");
    place.cluster.let_go();
    process.wait_clean().unwrap();
    for request in [&one, &two] {
        process.receipt(request, &admin).unwrap();
    }
    place.is_clean();
    drop(process.kill());
    place.done(&["verify", "--state", text(state), "--quiet"]);
}

/// A server that stops deletes its Job, keeps no records for it, and the next
/// one goes on.
#[test]
fn a_server_that_stops_deletes_its_jobs() {
    let place = place("");
    let (first, _) = people_of_one_shard(&place.here);
    let admin = token(&place.here, Scope::Admin).unwrap();
    place.cluster.plan(|_, _, _| Plan::Hold);
    let process = serving(&place);
    delete(&process, &admin, &first);
    wait_for("the pod", || place.cluster.started().len() == 1);
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap().success());
    let (code, log) = process.ended().unwrap();
    assert_eq!(code, Some(0), "{log}");
    place.is_clean();
    place.cluster.let_go();
    let process = serving(&place);
    process.wait_clean().unwrap();
    drop(process.kill());
    place.done(&["verify", "--state", text(&place.here), "--quiet"]);
}

fn people_of_one_shard(state: &Path) -> (String, String) {
    let dataset = Deployment::open(state, Access::Read).unwrap().dataset;
    let shards = dataset.shards();
    let cells = &shards.iter().find(|data| data.cells.len() > 2).unwrap().cells;
    let id = |place: usize| dataset.catalog.users.ids[cells[place].user as usize].clone();
    (id(0), id(1))
}

/// In PostgreSQL another process's deletion removes inputs that this one put
/// into the bucket, and this one's Job with them.
#[cfg(feature = "postgres")]
#[test]
fn another_process_deletes_what_a_launch_needs() {
    use eemu_tests::postgres::Setting;
    let setting = Setting::new().unwrap();
    let place = place("");
    let database = setting.database.as_str();
    let (one, other) = (setting.dir("one"), setting.dir("other"));
    let (models, data) = (setting.dir("models"), place.shop.path("data"));
    let import = ["import", "--data", text(&data), "--state", text(&one), "--database", database, "--seed", "5"];
    place.done(&[&import[..], &["--models", text(&models), "--user-features", "age"]].concat());
    let at = |state: &'static str| -> Vec<String> {
        let dir = if state == "one" { &one } else { &other };
        ["--state", text(dir), "--database", database].map(str::to_owned).to_vec()
    };
    let ask = |command: &[&str], state: &'static str, more: &[&str]| {
        let at = at(state);
        let at: Vec<&str> = at.iter().map(String::as_str).collect();
        place.run(&[command, &at, more].concat())
    };
    let well = |answer: (Option<i32>, String, String)| assert_eq!(answer.0, Some(0), "{}", answer.2);
    well(ask(&["train", "--shards", "3", "--epochs", "3"], "one", &[]));
    let table = place.shop.path("more.csv");
    let rows: Vec<String> = (0..READERS).map(|n| format!("{},book-{:02},99", reader(n), (n * 5 + 1) % 15)).collect();
    fs::write(&table, rows.join("\n")).unwrap();
    well(ask(&["add"], "one", &["--file", text(&table)]));
    place.cluster.plan(|_, _, _| Plan::Hold);
    let (how, gone) = (place.how(), reader(4));
    std::thread::scope(|scope| {
        let launched = scope.spawn(|| ask(&["train", "--launch", &how], "one", &[]));
        wait_for("every pod", || place.cluster.started().len() == 3);
        assert_eq!(objects_with(&place.bucket, &gone).len(), 1);
        well(ask(&["forget", "--user", &gone, "--all", "--later"], "other", &[]));
        assert_eq!(objects_with(&place.bucket, &gone), [""; 0]);
        place.cluster.let_go();
        let (code, _, said) = launched.join().unwrap();
        assert!(code == Some(0) || said.contains("changed while it was being trained"), "{code:?} {said}");
    });
    well(ask(&["train", "--launch", &how], "other", &[]));
    place.is_clean();
    well(ask(&["verify"], "other", &[]));
}

/// The Role of the manifests has the verbs that are used, and no others.
#[test]
fn the_role_is_what_is_used() {
    let place = place("");
    place.cluster.plan(|_, index, _| if index == 1 { Plan::Code(2) } else { Plan::Run });
    place.cluster.fail("create", &[Fault::Lost]);
    assert_eq!(place.train(&[]).0, Some(2));
    place.is_clean();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/kubernetes/launch/role.yaml");
    let role: Role = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut allowed = BTreeSet::new();
    for rule in role.rules.unwrap() {
        for resource in rule.resources.unwrap() {
            let groups = rule.api_groups.clone().unwrap();
            assert_eq!(groups, [if resource == "jobs" { "batch" } else { "" }]);
            allowed.extend(rule.verbs.iter().map(|verb| (resource.clone(), verb.clone())));
        }
    }
    assert_eq!(place.cluster.verbs(), allowed);
}
