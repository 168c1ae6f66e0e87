//! Shards that Jobs of a Kubernetes cluster train: the bytes of training in one
//! process, whatever the cluster does meanwhile; nothing left in bucket or
//! cluster; no copy of what was deleted. The cluster is one of the tests, whose
//! pods are processes of the same program.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eemu_core::receipt::ReceiptFile;
use eemu_server::deployment::Deployment;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_tests::bucket::{BUCKET, Bucket, Versions};
use eemu_tests::command::{run_program, text};
use eemu_tests::kubernetes::{Cluster, Fault, NAMESPACE, Plan};
use eemu_tests::reading::{READERS, Shop, files, holders, reader};
use eemu_tests::service::{Process, token};
use k8s_openapi::api::rbac::v1::Role;
use serde_json::{Value, json};

const FLAGS: &[&str] = &["--shards", "3", "--epochs", "3"];

/// The command with the launcher in it.
fn eemu() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_eemu-kubernetes"))
}

/// A state that was trained here, its copy without models, a bucket and a
/// cluster.
struct Place {
    shop: Shop,
    here: PathBuf,
    there: PathBuf,
    bucket: Arc<Bucket>,
    cluster: Cluster,
    settings: PathBuf,
}

impl Place {
    fn new(more: &str) -> Self {
        let shop = Shop::new();
        let here = shop.trained("here", FLAGS);
        let there = shop.untrained(&here, "there");
        let bucket = Arc::new(Bucket::start(Versions::Never).unwrap());
        let cluster = Cluster::start(eemu()).unwrap();
        cluster.secret("aws", bucket.environment());
        let settings = shop.path("kubernetes.toml");
        let own = format!("image = 'eemu@sha256:00'\nbucket = 's3://{BUCKET}/launch'\nsecrets = ['aws']\n{more}");
        fs::write(&settings, own).unwrap();
        Self { shop, here, there, bucket, cluster, settings }
    }

    fn how(&self) -> String {
        format!("kubernetes={}", text(&self.settings))
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.bucket.environment();
        environment.push(("KUBECONFIG", text(self.cluster.kubeconfig()).to_owned()));
        environment
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run_program(eemu(), args, &environment)
    }

    fn done(&self, args: &[&str]) -> Value {
        let (code, out, said) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }

    fn train(&self, more: &[&str]) -> (Option<i32>, String, String) {
        let how = self.how();
        self.run(&[&["train", "--state", text(&self.there), "--quiet", "--json", "--launch", &how], more].concat())
    }

    /// `train` that goes on while pods are held.
    fn held(&self) -> Child {
        self.cluster.plan(|_, _, _| Plan::Hold);
        let mut command = Command::new(eemu());
        command.args(["train", "--state", text(&self.there), "--quiet", "--launch", &self.how()]);
        command.envs(self.environment()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_for("every pod", || self.cluster.started().len() == 3);
        child
    }

    /// Objects of the bucket that hold these bytes.
    fn objects_with(&self, needle: &str) -> Vec<String> {
        let holds = |name: &String| {
            let bytes = self.bucket.get(name).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        };
        self.bucket.names().into_iter().filter(holds).collect()
    }

    /// Nothing is left, in bucket or cluster.
    fn is_clean(&self) {
        assert_eq!(self.bucket.names(), [""; 0]);
        assert_eq!(self.cluster.jobs(), [""; 0]);
        assert_eq!(self.cluster.pods(), [""; 0]);
        assert_eq!(self.cluster.faults_left(), 0);
    }
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_cluster_trains_the_same_bytes() {
    let place = Place::new("parallel = 2\nnode-selector = {kind = 'm7i'}\nlabels = {team = 'shop'}");
    let (code, out, said) = place.train(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["shards_trained"], json!([0, 1, 2]));
    assert_eq!(files(&place.here), files(&place.there));
    // One Job for all of them, as the settings say.
    let created = place.cluster.created();
    assert_eq!(created.len(), 1);
    let spec = &created[0]["spec"];
    assert_eq!((&spec["completionMode"], &spec["completions"], &spec["parallelism"]), (&json!("Indexed"), &json!(3), &json!(2)));
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
    let place = Place::new("gpus = 1\ndevice = 'cpu'\n[[tolerations]]\nkey = 'nvidia.com/gpu'\noperator = 'Exists'");
    let there = place.shop.copy(&place.here, "copy");
    let gone = reader(4);
    place.cluster.plan({
        let (bucket, gone) = (place.bucket.clone(), gone.clone());
        move |_, _, _| {
            let held = |needle: &str| {
                bucket.names().iter().any(|name| {
                    bucket.get(name).is_some_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle.as_bytes()))
                })
            };
            assert!(!held(&gone));
            if held(&reader(5)) || held(&reader(3)) { Plan::Run } else { Plan::Code(2) }
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
    assert_eq!((&spec["completionMode"], &spec["completions"], &spec["backoffLimit"]), (&Value::Null, &json!(1), &json!(2)));
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
    let place = Place::new("");
    place.cluster.plan(|_, index, start| match (index, start) {
        (1, 0) => Plan::Kill,
        (2, 0 | 1) => Plan::Code(75),
        _ => Plan::Run,
    });
    place.cluster.fail("create", &[Fault::Code(500), Fault::Lost]);
    place.cluster.fail("list", &[Fault::Code(500), Fault::Code(503)]);
    let watches = [Fault::Code(410), Fault::Silence, Fault::Gone, Fault::Code(500), Fault::Silence];
    place.cluster.fail("watch", &watches);
    place.cluster.fail("delete", &[Fault::Code(500)]);
    let (code, _, said) = place.train(&[]);
    assert_eq!(code, Some(0), "{said}");
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
    let place = Place::new("");
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
    let place = Place::new("");
    for _ in 0..2 {
        let mut child = place.held();
        assert_eq!(place.cluster.jobs().len(), 1);
        // Time to begin another, if it would.
        std::thread::sleep(Duration::from_millis(1500));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(place.cluster.created().len(), 1);
    place.cluster.let_go();
    let how = place.how();
    place.done(&["train-shard", "--state", text(&place.there), "--shard", "1", "--quiet", "--launch", &how]);
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
    let place = Place::new("");
    let child = place.held();
    let made = place.cluster.created().pop().unwrap();
    place.stopped(child);
    place.is_clean();
    let name = made["metadata"]["name"].as_str().unwrap();
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
        place.reset();
    }
}

/// Asked to end, `train` deletes its Jobs and leaves no input.
#[test]
fn an_interrupted_launch_deletes_its_jobs() {
    let place = Place::new("");
    let child = place.held();
    assert_eq!(place.bucket.names().len(), 3);
    place.stopped(child);
    place.is_clean();
    assert!(files(&place.there).is_empty());
}

/// Whoever dies leaves inputs; a deletion leaves none of what it deletes, and
/// pods that run on find that nobody wants them.
#[test]
fn a_deletion_leaves_no_copy_of_a_dead_launch() {
    let place = Place::new("");
    let how = place.how();
    let there = text(&place.there);
    // So that a deletion knows that there were models.
    place.done(&["train", "--state", there, "--quiet"]);
    let gone = reader(4);
    let table = place.shop.path("more.csv");
    let rows: Vec<String> = (0..READERS).map(|n| format!("{},book-{:02},99", reader(n), (n * 5 + 1) % 15)).collect();
    fs::write(&table, rows.join("\n")).unwrap();
    place.done(&["add", "--state", there, "--file", text(&table)]);
    let mut child = place.held();
    assert_eq!(place.objects_with(&gone).len(), 1, "the input of the person's shard holds them");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = place.bucket.names().len();
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

/// A server whose shards a cluster trains: a deletion that comes while a shard
/// trains drops that Job, and its output is never adopted.
#[test]
fn a_server_forgets_what_a_cluster_trains() {
    let place = Place::new("");
    let state = &place.here;
    let (first, second) = people_of_one_shard(state);
    let admin = token(state, Scope::Admin).unwrap();
    place.cluster.plan(|_, _, _| Plan::Hold);
    let file = place.shop.path("eemu.toml");
    fs::write(&file, format!("settle = 0.05\nerase-within = \"0s\"\nlaunch = {}\n", json!(place.how()))).unwrap();
    let environment = place.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start_program(eemu(), state, &["--config", text(&file)], &environment).unwrap();
    let delete = |user: &str| -> String {
        let told = process.post("/api/v1/account/delete", &admin, &json!({"user": user})).unwrap();
        assert_eq!(told.0, 202, "{}", told.1);
        told.1["id"].as_str().unwrap().to_owned()
    };
    let one = delete(&first);
    wait_for("the pod", || place.cluster.started().len() == 1);
    assert_eq!((place.objects_with(&second).len(), place.objects_with(&first).len()), (1, 0));
    let two = delete(&second);
    // It is acknowledged: no object holds it, whatever runs.
    assert_eq!(place.objects_with(&second), [""; 0]);
    assert_eq!(holders(state, &second), [""; 0].map(PathBuf::from));
    wait_for("another pod", || place.cluster.started().len() == 2);
    assert_eq!(place.cluster.jobs().len(), 1, "the first Job was deleted");
    place.cluster.let_go();
    process.wait_clean().unwrap();
    for request in [&one, &two] {
        wait_for("a receipt", || {
            process.json(&format!("/api/v1/unlearning/{request}"), &admin).unwrap()["phase"] == "done"
        });
        let file = process.get(&format!("/api/v1/unlearning/{request}/receipt"), &admin).unwrap();
        let receipt = serde_json::from_slice::<ReceiptFile>(&file.1).unwrap().verify().unwrap();
        assert!(receipt.answers(request));
    }
    place.is_clean();
    // A server that stops deletes its Job, and the next one goes on.
    drop(process.kill());
    place.done(&["verify", "--state", text(state), "--quiet"]);
}

fn people_of_one_shard(state: &Path) -> (String, String) {
    let world = Deployment::open(state, Access::Read).unwrap().world;
    let shards = world.shards();
    let cells = &shards.iter().find(|data| data.cells.len() > 2).unwrap().cells;
    let id = |place: usize| world.catalog.users.ids[cells[place].user as usize].clone();
    (id(0), id(1))
}

impl Place {
    /// Asks it to end, which is no success; pods go on to run after that.
    fn stopped(&self, child: Child) {
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(self.cluster.jobs(), [""; 0]);
        self.cluster.plan(|_, _, _| Plan::Run);
    }

    /// Takes the models away again.
    fn reset(&self) {
        let deployment = Deployment::open(&self.there, Access::Write).unwrap();
        let settings = serde_json::to_string(&deployment.settings).unwrap();
        let reset = eemu_server::store::Change::Reset(&settings, deployment.world.config.train.shards);
        let done = deployment.state.apply(&reset, deployment.head).unwrap();
        deployment.state.finish(&done).unwrap();
    }
}

/// The Role of the manifests has the verbs that are used, and no others.
#[test]
fn the_role_is_what_is_used() {
    let place = Place::new("");
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
