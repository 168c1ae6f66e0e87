//! The part of a cluster that runs Jobs: pods are local processes, counted and
//! tried again as a Job's failure policy says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use serde_json::{Value, json};

use super::{Inside, Plan};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

struct Running {
    name: String,
    index: usize,
    plan: Plan,
    child: Option<Child>,
}

/// A Job that is being run.
struct Controller {
    inside: Arc<Inside>,
    job: String,
    spec: JobSpec,
    many: bool,
    waiting: VecDeque<usize>,
    active: Vec<Running>,
    failures: BTreeMap<usize, i32>,
    starts: BTreeMap<usize, usize>,
    done: BTreeSet<usize>,
    failed: BTreeSet<usize>,
}

/// What becomes of a pod that failed.
enum Fate {
    Ignored,
    Counted,
    Final,
}

fn listed(all: &BTreeSet<usize>) -> String {
    all.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Runs a Job until it is deleted.
pub(super) fn control(inside: Arc<Inside>, job: Job) {
    let (name, spec) = (job.metadata.name.unwrap_or_default(), job.spec.unwrap_or_default());
    let count = spec.completions.unwrap_or(1) as usize;
    let many = spec.completion_mode.as_deref() == Some("Indexed");
    Controller {
        inside,
        job: name,
        spec,
        many,
        waiting: (0..count).collect(),
        active: Vec::new(),
        failures: BTreeMap::new(),
        starts: BTreeMap::new(),
        done: BTreeSet::new(),
        failed: BTreeSet::new(),
    }
    .run(count);
}

impl Controller {
    fn run(mut self, count: usize) {
        let mut told = false;
        loop {
            let job = self.inside.table().jobs.get(&self.job).cloned();
            if job.is_none_or(|job| !job["metadata"]["deletionTimestamp"].is_null()) {
                self.end();
                return self.inside.remove(&self.job);
            }
            let over = self.done.len() + self.failed.len() == count;
            if !over {
                let parallel = self.spec.parallelism.unwrap_or(1) as usize;
                while self.active.len() < parallel
                    && let Some(index) = self.waiting.pop_front()
                {
                    self.start(index);
                }
                self.look();
            } else if !told {
                told = true;
                self.tell(true);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn start(&mut self, index: usize) {
        let start = self.starts.entry(index).or_default();
        let plan = self.inside.plan(&self.job, index, *start);
        *start += 1;
        let end = if self.many { format!("{index}-{start}") } else { format!("{start}") };
        let name = format!("{}-{end}", self.job);
        let mut labels = json!({"batch.kubernetes.io/job-name": self.job, "job-name": self.job});
        if self.many {
            labels["batch.kubernetes.io/job-completion-index"] = json!(index.to_string());
        }
        let meta = self.spec.template.metadata.as_ref().and_then(|meta| meta.labels.clone());
        for (key, value) in meta.into_iter().flatten() {
            labels[key] = json!(value);
        }
        let state = match plan {
            Plan::CannotStart(reason) => json!({"waiting": {"reason": reason, "message": "secret \"aws\" not found"}}),
            _ => json!({"running": {}}),
        };
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "creationTimestamp": self.inside.now()},
            "status": {"phase": "Pending"},
        });
        pod["status"]["containerStatuses"] = json!([self.status(&state)]);
        self.inside.table().pods.insert(name.clone(), pod);
        let mut running = Running { name, index, plan, child: None };
        self.spawn(&mut running);
        self.active.push(running);
        self.tell(false);
    }

    fn status(&self, state: &Value) -> Value {
        let pod = self.spec.template.spec.as_ref();
        let container = pod.and_then(|pod| pod.containers.first());
        json!({
            "name": container.map(|c| c.name.clone()), "image": container.and_then(|c| c.image.clone()),
            "imageID": "", "ready": false, "restartCount": 0, "state": state,
        })
    }

    /// Starts the process of a pod whose time has come.
    fn spawn(&self, pod: &mut Running) {
        let goes = match pod.plan {
            Plan::Run | Plan::Kill | Plan::Code(_) => true,
            Plan::Hold => self.inside.table().let_go,
            Plan::CannotStart(_) => false,
        };
        if pod.child.is_none() && goes {
            pod.child = self.process(pod).ok();
        }
    }

    fn process(&self, pod: &Running) -> std::io::Result<Child> {
        let spec = self.spec.template.spec.as_ref();
        let container = spec.and_then(|spec| spec.containers.first()).cloned().unwrap_or_default();
        let mut environment = BTreeMap::new();
        for source in container.env_from.into_iter().flatten() {
            let name = source.secret_ref.map(|secret| secret.name).unwrap_or_default();
            environment.extend(self.inside.secret(&name));
        }
        for variable in container.env.into_iter().flatten() {
            environment.insert(variable.name, variable.value.unwrap_or_default());
        }
        if self.many {
            environment.insert("JOB_COMPLETION_INDEX".into(), pod.index.to_string());
        }
        let expanded = |arg: &String| {
            environment.iter().fold(arg.clone(), |arg, (name, value)| arg.replace(&format!("$({name})"), value))
        };
        let args: Vec<String> = container.args.iter().flatten().map(expanded).collect();
        let words = File::create(self.inside.log(&pod.name))?;
        let mut command = match pod.plan {
            Plan::Code(code) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("echo no room left >&2; exit {code}")]);
                shell
            }
            _ => {
                let mut own = Command::new(&self.inside.program);
                own.args(args);
                own
            }
        };
        // A pod has what it is given, and nothing else.
        command.env_clear().envs(&environment).stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words);
        let mut child = command.spawn()?;
        if matches!(pod.plan, Plan::Kill) {
            child.kill()?;
        }
        Ok(child)
    }

    fn look(&mut self) {
        let mut going = Vec::new();
        for mut pod in std::mem::take(&mut self.active) {
            self.spawn(&mut pod);
            let ended = pod.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            match ended {
                None => going.push(pod),
                Some(status) => {
                    use std::os::unix::process::ExitStatusExt as _;
                    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
                    self.ended(&pod, code);
                }
            }
        }
        going.append(&mut self.active);
        self.active = going;
    }

    fn ended(&mut self, pod: &Running, code: i32) {
        let state = json!({"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }}});
        let status = self.status(&state);
        if let Some(found) = self.inside.table().pods.get_mut(&pod.name) {
            found["status"]["phase"] = json!(if code == 0 { "Succeeded" } else { "Failed" });
            found["status"]["containerStatuses"] = json!([status]);
        }
        if code == 0 {
            self.done.insert(pod.index);
        } else {
            let limit = if self.many { self.spec.backoff_limit_per_index } else { self.spec.backoff_limit };
            let failures = self.failures.entry(pod.index).or_default();
            match fate(&self.spec, code) {
                Fate::Ignored => self.waiting.push_back(pod.index),
                Fate::Counted if *failures < limit.unwrap_or(6) => {
                    *failures += 1;
                    self.waiting.push_back(pod.index);
                }
                Fate::Counted | Fate::Final => {
                    self.failed.insert(pod.index);
                }
            }
        }
        self.tell(false);
    }

    /// Writes the Job's status, as its controller does.
    fn tell(&self, over: bool) {
        let mut status = json!({
            "active": self.active.len(), "succeeded": self.done.len(),
            "failed": self.failures.values().sum::<i32>() + self.failed.len() as i32,
        });
        if self.many {
            status["completedIndexes"] = json!(listed(&self.done));
            status["failedIndexes"] = json!(listed(&self.failed));
        }
        let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason});
        let (early, end, reason) = match (self.failed.is_empty(), self.many) {
            (true, _) => ("SuccessCriteriaMet", "Complete", "CompletionsReached"),
            (false, true) => ("FailureTarget", "Failed", "FailedIndexes"),
            (false, false) => ("FailureTarget", "Failed", "PodFailurePolicy"),
        };
        if over {
            status["conditions"] = json!([condition(early, reason)]);
            self.inside.modify(&self.job, |job| job["status"] = status.clone());
            status["conditions"] = json!([condition(early, reason), condition(end, reason)]);
        }
        self.inside.modify(&self.job, |job| job["status"] = status.clone());
    }

    /// Ends what runs: asked first, then at once.
    fn end(&mut self) {
        for pod in &mut self.active {
            let Some(child) = &mut pod.child else { continue };
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let asked = Instant::now();
            while asked.elapsed() < Duration::from_secs(25) && child.try_wait().is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(LOOK);
            }
            // What ended already need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.active.clear();
    }
}

/// What the first rule that fits says of an exit code.
fn fate(spec: &JobSpec, code: i32) -> Fate {
    for rule in spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules) {
        let Some(codes) = &rule.on_exit_codes else { continue };
        if (codes.operator == "In") == codes.values.contains(&code) {
            return match rule.action.as_str() {
                "Ignore" => Fate::Ignored,
                "Count" => Fate::Counted,
                _ => Fate::Final,
            };
        }
    }
    Fate::Counted
}

/// The last lines of a pod's words.
pub(super) fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
