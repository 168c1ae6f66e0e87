//! A state that a cluster trains, beside one that was trained here.

// This is a test's body: it stops where something is wrong.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Cluster, Plan};
use crate::bucket::{BUCKET, Bucket, Versions};
use crate::command::{run_program, text};
use crate::reading::Shop;

/// A state that was trained here, its copy without models, a bucket and a
/// cluster.
pub struct Place {
    /// People and books.
    pub shop: Shop,
    /// The state that was trained.
    pub here: PathBuf,
    /// The copy.
    pub there: PathBuf,
    /// Where inputs are.
    pub bucket: Arc<Bucket>,
    /// Where they are trained.
    pub cluster: Cluster,
    /// The launcher's settings.
    pub settings: PathBuf,
    program: PathBuf,
}

impl Place {
    /// Makes one of three shards, with more settings for the launcher.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn new(program: &Path, more: &str) -> Self {
        let shop = Shop::new();
        let here = shop.trained("here", &["--shards", "3", "--epochs", "3"]);
        let there = shop.untrained(&here, "there");
        let bucket = Arc::new(Bucket::start(Versions::Never).unwrap());
        let cluster = Cluster::start(program).unwrap();
        cluster.secret("aws", bucket.environment());
        let settings = shop.path("kubernetes.toml");
        let own = format!("image = 'eemu@sha256:00'\nbucket = 's3://{BUCKET}/launch'\nsecrets = ['aws']\n{more}");
        fs::write(&settings, own).unwrap();
        Self { shop, here, there, bucket, cluster, settings, program: program.to_owned() }
    }

    /// `--launch`.
    #[must_use]
    pub fn how(&self) -> String {
        format!("kubernetes={}", text(&self.settings))
    }

    /// What leads to bucket and cluster.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.bucket.environment();
        environment.push(("KUBECONFIG", text(self.cluster.kubeconfig()).to_owned()));
        environment
    }

    /// Runs the command: exit code, what it wrote, what it said.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let environment = self.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run_program(&self.program, args, &environment)
    }

    /// Runs what must succeed; its JSON, or null.
    ///
    /// # Panics
    /// When it does not.
    pub fn done(&self, args: &[&str]) -> Value {
        let (code, out, said) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        serde_json::from_str(&out).unwrap_or(Value::Null)
    }

    /// `train` by the cluster.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn train(&self, more: &[&str]) -> (Option<i32>, String, String) {
        let how = self.how();
        self.run(&[&["train", "--state", text(&self.there), "--quiet", "--json", "--launch", &how], more].concat())
    }

    /// `train` that goes on while pods are held.
    ///
    /// # Panics
    /// When it never gets as far.
    #[must_use]
    pub fn held(&self, more: &[&str]) -> Child {
        self.cluster.plan(|_, _, _| Plan::Hold);
        let mut command = Command::new(&self.program);
        command.args(["train", "--state", text(&self.there), "--quiet", "--launch", &self.how()]).args(more);
        command.envs(self.environment()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait_for("every pod", || self.cluster.started().len() == 3);
        child
    }

    /// Asks it to end, which is no success; later pods run.
    ///
    /// # Panics
    /// When it does not, or leaves a Job.
    pub fn stopped(&self, child: Child) {
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(self.cluster.jobs(), [""; 0]);
        self.cluster.plan(|_, _, _| Plan::Run);
    }

    /// Objects of the bucket that hold these bytes.
    #[must_use]
    pub fn objects_with(&self, needle: &str) -> Vec<String> {
        objects_with(&self.bucket, needle)
    }

    /// Nothing is left, in bucket or cluster.
    ///
    /// # Panics
    /// When something is.
    pub fn is_clean(&self) {
        assert_eq!(self.bucket.names(), [""; 0]);
        assert_eq!(self.cluster.jobs(), [""; 0]);
        assert_eq!(self.cluster.pods(), [""; 0]);
        assert_eq!(self.cluster.faults_left(), 0);
    }
}

/// Objects of a bucket that hold these bytes.
#[must_use]
pub fn objects_with(bucket: &Bucket, needle: &str) -> Vec<String> {
    let holds = |name: &String| {
        let bytes = bucket.get(name).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    bucket.names().into_iter().filter(holds).collect()
}

/// Waits, a minute at most.
///
/// # Panics
/// When it never comes.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}
