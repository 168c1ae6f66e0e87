//! The cluster's API server: what is asked of it, and asked again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams};
use kube::{Api, Client, Config, Error};

use super::batches::Outcome;
use super::job::{CONTAINER, Item, Maker, STATE, Standing, inputs};
use super::settings::Settings;
use crate::tls;

/// How long the API server may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// How long it is asked again when it does not answer, or fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a Job may take to go, with its pods.
const GRACE: Duration = Duration::from_secs(40);

/// Between two questions whether it has gone.
const PAUSE: Duration = Duration::from_millis(200);

/// Lines of a pod's words that a message repeats.
const LINES: i64 = 8;

/// Names of a pod's own that the downward API gives a process.
const POD: [&str; 3] = ["EEMU_POD_NAME", "EEMU_POD_UID", "EEMU_POD_NAMESPACE"];

/// A namespace of a cluster.
pub(super) struct Cluster {
    pub(super) jobs: Api<Job>,
    pods: Api<Pod>,
    pub(super) maker: Maker,
}

/// Whether the same may go well another time.
fn passes(error: &Error) -> bool {
    match error {
        Error::Api(status) => status.code == 429 || status.code >= 500,
        _ => true,
    }
}

/// Whether an answer's code is this.
fn is(error: &Error, code: u16) -> bool {
    matches!(error, Error::Api(status) if status.code == code)
}

/// What the API server said, and what to do.
fn told(doing: &str, error: &Error) -> String {
    let (said, way_out) = match error {
        Error::Api(status) => {
            let way_out = match status.code {
                401 | 403 => "Give this account the verbs of deploy/kubernetes/launch/role.yaml",
                404 => "See that the namespace is there",
                400 | 422 => "Correct the launcher's settings",
                409 => "Delete it, if it is of no use",
                _ => "Try again later",
            };
            (status.message.clone(), way_out)
        }
        other => (other.to_string(), "See that the cluster answers (kubectl get jobs)"),
    };
    format!("Kubernetes cannot {doing}: {}. {way_out}", eemu_core::shown(said.trim_end_matches('.')))
}

/// The pod that this process runs in, if Jobs go to its namespace: when it is
/// deleted, so are they.
fn own_pod(namespace: &str) -> Option<OwnerReference> {
    let [name, uid, place] = POD.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    (place.as_deref() == Some(namespace)).then_some(OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: name?,
        uid: uid?,
        ..OwnerReference::default()
    })
}

/// Asks until there is an answer, or patience ends.
async fn asked<T, F: Future<Output = kube::Result<T>>>(call: impl Fn() -> F) -> kube::Result<T> {
    let (began, mut pause) = (Instant::now(), Duration::from_millis(100));
    loop {
        match once(call()).await {
            Err(error) if passes(&error) && began.elapsed() < PATIENCE => {
                tracing::warn!("the cluster is asked again: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(10));
            }
            answer => return answer,
        }
    }
}

/// Asks once.
pub(super) async fn once<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let late = || Err(Error::Service("it does not answer".into()));
    tokio::time::timeout(ANSWER, call).await.unwrap_or_else(|_| late())
}

/// What becomes of an error while a Job is watched: nothing, or the end.
pub(super) fn fatal(error: &Error) -> Option<String> {
    (!passes(error) && !is(error, 410)).then(|| told("watch a Job", error))
}

/// What is said of a Job that does not go.
pub(super) fn still_there(name: &str) -> String {
    format!("the Job {name} is being deleted, and its pods are not gone after {} s", GRACE.as_secs())
}

impl Cluster {
    /// That of this pod, or of the kubeconfig.
    pub(super) async fn connect(settings: Settings, state: String, tries: usize) -> Result<Self> {
        tls::choose();
        let config = Config::infer().await.context(
            "no cluster is known here; run this in a pod with a service account, or name a kubeconfig in KUBECONFIG",
        )?;
        let namespace = settings.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("the cluster cannot be used; see its kubeconfig")?;
        let owner = own_pod(&namespace);
        Ok(Self {
            jobs: Api::namespaced(client.clone(), &namespace),
            pods: Api::namespaced(client, &namespace),
            maker: Maker { settings, state, owner, tries },
        })
    }

    /// Jobs of this state that somebody began and that may do for some of these
    /// shards, with the places of those among its indexes.
    pub(super) async fn running(&self, items: &[Item]) -> Result<Vec<(String, Vec<(usize, Item)>)>, String> {
        let ours = ListParams::default().labels(&format!("{STATE}={}", self.maker.state));
        let jobs = asked(|| self.jobs.list(&ours)).await.map_err(|e| told("list Jobs", &e))?;
        let mut found = Vec::new();
        for job in jobs.items {
            let standing = Standing::of(&job);
            if standing.over || job.metadata.deletion_timestamp.is_some() || !self.maker.is_as_set(&job) {
                continue;
            }
            let names = inputs(&job);
            let place = |item: &Item| {
                let index = names.iter().position(|name| *name == item.name)?;
                (!standing.done.contains(&index) && !standing.failed.contains(&index)).then(|| (index, item.clone()))
            };
            let places: Vec<(usize, Item)> = items.iter().filter_map(place).collect();
            if let (Some(name), false) = (&job.metadata.name, places.is_empty()) {
                found.push((name.clone(), places));
            }
        }
        Ok(found)
    }

    /// Begins a Job, or takes over one of the same inputs that runs. Its name.
    pub(super) async fn begin(&self, items: &[Item]) -> Result<String, Outcome> {
        let job = self.maker.job(items);
        let name = self.maker.name(items);
        let (began, params) = (Instant::now(), PostParams::default());
        loop {
            let made = asked(|| self.jobs.create(&params, &job)).await;
            match made {
                Ok(_) => return Ok(name),
                Err(error) if is(&error, 409) && began.elapsed() < PATIENCE => {}
                Err(error) => return Err(Outcome::Failed(told(&format!("begin the Job {name}"), &error))),
            }
            // One of that name is there: from before us, or of a request whose
            // answer was lost.
            let found = asked(|| self.jobs.get_opt(&name)).await;
            let Some(found) = found.map_err(|e| Outcome::Failed(told("look at a Job", &e)))? else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if !self.maker.is_own(&found) {
                return Err(Outcome::Failed(format!(
                    "a Job of the name {name} is there, which is not of this state. Delete it, or name another \
                     namespace in the launcher's settings"
                )));
            }
            let is_going = found.metadata.deletion_timestamp.is_some();
            let is_same = inputs(&found) == inputs(&job) && self.maker.is_as_set(&found);
            if is_same && !is_going && !Standing::of(&found).over {
                return Ok(name);
            }
            if !self.delete(&name).await.map_err(Outcome::Failed)? {
                return Err(Outcome::Again(still_there(&name)));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes a Job with its pods, and waits until they are gone. Whether they are.
    pub(super) async fn delete(&self, name: &str) -> Result<bool, String> {
        let params = DeleteParams::foreground();
        match asked(|| self.jobs.delete(name, &params)).await {
            Err(error) if !is(&error, 404) && !is(&error, 409) => return Err(told("delete a Job", &error)),
            _ => {}
        }
        let began = Instant::now();
        while began.elapsed() < GRACE {
            let found = asked(|| self.jobs.get_opt(name)).await;
            if found.map_err(|e| told("look at a Job", &e))?.is_none() {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    async fn pods_of(&self, job: &str, index: Option<usize>) -> kube::Result<Vec<Pod>> {
        let mut labels = format!("batch.kubernetes.io/job-name={job}");
        if let Some(index) = index {
            labels += &format!(",batch.kubernetes.io/job-completion-index={index}");
        }
        let chosen = ListParams::default().labels(&labels);
        Ok(once(self.pods.list(&chosen)).await?.items)
    }

    /// What the last pod of a Job, or of one of its indexes, said and how it
    /// ended.
    pub(super) async fn last_words(&self, job: &str, index: Option<usize>) -> String {
        let mut pods = match asked(|| self.pods_of(job, index)).await {
            Ok(pods) => pods,
            Err(error) => return format!("its pods cannot be listed ({error})"),
        };
        pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone().map(|time| time.0));
        let failed = |pod: &&Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Failed");
        let Some(pod) = pods.iter().rfind(failed).or(pods.last()) else { return "none of its pods is there".into() };
        let name = pod.metadata.name.clone().unwrap_or_default();
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let ended = statuses.into_iter().find(|status| status.name == CONTAINER);
        let ended = ended.and_then(|status| status.state.as_ref()?.terminated.clone());
        let how = ended.map_or_else(
            || format!("its pod {name} has not ended"),
            |ended| match ended.reason.as_deref() {
                Some(reason) if reason != "Error" => {
                    format!("its pod {name} ended with code {} ({reason})", ended.exit_code)
                }
                _ => format!("its pod {name} ended with code {}", ended.exit_code),
            },
        );
        let wanted = LogParams { container: Some(CONTAINER.into()), tail_lines: Some(LINES), ..LogParams::default() };
        match asked(|| self.pods.logs(&name, &wanted)).await {
            Ok(log) => {
                let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
                match lines.join(" / ") {
                    said if said.is_empty() => how,
                    said => format!("{how}, saying: {}", eemu_core::shown(&said)),
                }
            }
            Err(_) => how,
        }
    }

    /// Why pods of a Job cannot start, for those that wait for what will not
    /// come of itself; with their indexes.
    pub(super) async fn stuck(&self, job: &str) -> kube::Result<Vec<(usize, String)>> {
        let hopeless = [
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "CreateContainerConfigError",
            "CreateContainerError",
        ];
        let mut stuck = Vec::new();
        for pod in self.pods_of(job, None).await? {
            let index = pod.metadata.labels.as_ref().and_then(|labels| {
                labels.get("batch.kubernetes.io/job-completion-index").and_then(|index| index.parse().ok())
            });
            let name = pod.metadata.name.unwrap_or_default();
            for status in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
                let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
                let Some(reason) = waiting.and_then(|waiting| waiting.reason.as_deref()) else { continue };
                if hopeless.contains(&reason) {
                    let said = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
                    let said = format!("its pod {name} cannot start ({reason}: {said})");
                    stuck.push((index.unwrap_or(0), eemu_core::shown(&said).to_string()));
                }
            }
        }
        Ok(stuck)
    }
}
