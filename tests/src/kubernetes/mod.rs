//! A small API server of Kubernetes with as much of a cluster behind it as
//! training needs: Jobs whose pods are local processes. It reads every object
//! strictly, refuses what a real one refuses, fails when it is told to, and
//! remembers which verbs it was asked for.

mod answers;
mod judged;
mod place;
mod pods;
mod typed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use place::{Place, objects_with, wait_for};
pub use typed::typed;

/// The namespace that there is.
pub const NAMESPACE: &str = "eemu";
/// What whoever asks must say.
const TOKEN: &str = "test-token";

/// What a pod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// What it is told.
    Run,
    /// It is killed as soon as it runs (137).
    Kill,
    /// It ends with this code, having said something.
    Code(i32),
    /// It waits until it is let go.
    Hold,
    /// It never starts, for this reason.
    CannotStart(&'static str),
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this code, and nothing is done.
    Code(u16),
    /// It is done, and answered with 500.
    Lost,
    /// A watch ends without a word.
    Silence,
    /// A watch says within its stream that it begins too long ago (410).
    Gone,
}

/// What is decided for a pod: by Job, index, and how many times it was started.
type Planner = Box<dyn Fn(&str, usize, usize) -> Plan + Send>;

#[derive(Default)]
struct Table {
    version: u64,
    jobs: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    events: Vec<(u64, &'static str, Value)>,
    /// Resource and verb of every request.
    verbs: BTreeSet<(String, String)>,
    faults: BTreeMap<String, Vec<Fault>>,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    planner: Option<Planner>,
    let_go: bool,
    /// Job, index and number of every start.
    started: Vec<(String, usize, usize)>,
    created: Vec<Value>,
    watches: usize,
    /// Jobs that nothing runs.
    idle: BTreeSet<String>,
}

struct Inside {
    table: Mutex<Table>,
    program: PathBuf,
    place: tempfile::TempDir,
}

impl Inside {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, pod: &str) -> PathBuf {
        self.place.path().join(pod)
    }

    fn secret(&self, name: &str) -> BTreeMap<String, String> {
        self.table().secrets.get(name).cloned().unwrap_or_default()
    }

    fn plan(&self, job: &str, index: usize, start: usize) -> Plan {
        let mut table = self.table();
        table.started.push((job.to_owned(), index, start));
        table.planner.as_ref().map_or(Plan::Run, |planner| planner(job, index, start))
    }

    /// A time that rises with every change.
    fn now(&self) -> String {
        let mut table = self.table();
        table.version += 1;
        format!("2026-12-01T{:02}:{:02}:{:02}Z", table.version / 3600, table.version / 60 % 60, table.version % 60)
    }

    /// Changes a Job, and tells whoever watches.
    fn modify(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut table = self.table();
        table.version += 1;
        let version = table.version;
        let Some(job) = table.jobs.get_mut(name) else { return };
        change(job);
        job["metadata"]["resourceVersion"] = json!(version.to_string());
        let job = job.clone();
        table.events.push((version, "MODIFIED", job));
    }

    /// A Job is gone, and its pods.
    fn remove(&self, name: &str) {
        let mut table = self.table();
        table.version += 1;
        let version = table.version;
        if let Some(job) = table.jobs.remove(name) {
            table.events.push((version, "DELETED", job));
        }
        table.pods.retain(|_, pod| pod["metadata"]["labels"]["job-name"] != name);
    }
}

/// A cluster over loopback.
pub struct Cluster {
    inside: Arc<Inside>,
    kubeconfig: PathBuf,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    /// Starts one whose pods are processes of this program.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(program: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", listener.local_addr().context("no address")?);
        let place = tempfile::tempdir()?;
        let kubeconfig = place.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": address}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
        });
        std::fs::write(&kubeconfig, config.to_string())?;
        let inside = Arc::new(Inside { table: Mutex::default(), program: program.to_owned(), place });
        let router = answers::router(inside.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { inside, kubeconfig, _runtime: runtime })
    }

    /// How to get there.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Makes a Secret.
    pub fn secret(&self, name: &str, values: impl IntoIterator<Item = (&'static str, String)>) {
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.inside.table().secrets.insert(name.to_owned(), values);
    }

    /// Decides what pods do: by Job, index, and how many times it was started.
    pub fn plan(&self, planner: impl Fn(&str, usize, usize) -> Plan + Send + 'static) {
        self.inside.table().planner = Some(Box::new(planner));
    }

    /// Pods that are held go on.
    pub fn let_go(&self) {
        self.inside.table().let_go = true;
    }

    /// The next requests of this verb go wrong so, one after the other.
    pub fn fail(&self, verb: &str, faults: &[Fault]) {
        self.inside.table().faults.entry(verb.to_owned()).or_default().extend(faults);
    }

    /// Faults that nobody met.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.inside.table().faults.values().map(Vec::len).sum()
    }

    /// Faults of a verb that nobody met.
    #[must_use]
    pub fn faults_of(&self, verb: &str) -> usize {
        self.inside.table().faults.get(verb).map_or(0, Vec::len)
    }

    /// How often Jobs were watched.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.inside.table().watches
    }

    /// Puts a Job there as somebody else would, which nothing runs.
    pub fn put(&self, mut job: Value) {
        let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        job["metadata"]["uid"] = json!(format!("uid-of-{name}"));
        {
            let mut table = self.inside.table();
            table.idle.insert(name.clone());
            table.jobs.insert(name.clone(), job);
        }
        self.inside.modify(&name, |_| {});
    }

    /// Names of the Jobs.
    #[must_use]
    pub fn jobs(&self) -> Vec<String> {
        self.inside.table().jobs.keys().cloned().collect()
    }

    /// Names of the pods.
    #[must_use]
    pub fn pods(&self) -> Vec<String> {
        self.inside.table().pods.keys().cloned().collect()
    }

    /// Every Job that was made.
    #[must_use]
    pub fn created(&self) -> Vec<Value> {
        self.inside.table().created.clone()
    }

    /// How often pods were started: Job, index, and the number of the start.
    #[must_use]
    pub fn started(&self) -> Vec<(String, usize, usize)> {
        self.inside.table().started.clone()
    }

    /// Resources and verbs that were asked for.
    #[must_use]
    pub fn verbs(&self) -> BTreeSet<(String, String)> {
        self.inside.table().verbs.clone()
    }
}
