//! Jobs as they are given to the cluster, and as they are found there.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::batch::v1::{
    Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext,
    PodSpec, PodTemplateSpec, ResourceRequirements, SeccompProfile, SecretEnvSource, SecurityContext, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::settings::Settings;
use crate::unit::TRY_AGAIN;

/// The container that trains.
pub(super) const CONTAINER: &str = "train";
/// Whose Jobs they are.
pub(super) const STATE: &str = "eemu/state";
/// Names of the inputs, in the order of the indexes.
const INPUTS: &str = "eemu/inputs";
/// Hash of the settings that a Job was made with.
const SETTINGS: &str = "eemu/settings";
/// The user of the image.
const USER: i64 = 10001;

/// A shard whose input is in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) shard: u32,
    /// The input's name (BLAKE3, hex), and the version of its shard.
    pub(super) name: String,
    /// `s3://…` of the input, and where its model goes.
    pub(super) input: String,
    pub(super) output: String,
}

/// What all Jobs of this launcher have in common.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) settings: Settings,
    /// Whose the shards are: 16 digits.
    pub(super) state: String,
    /// The pod that this process runs in, whose end ends its Jobs.
    pub(super) owner: Option<OwnerReference>,
    pub(super) tries: usize,
}

fn some<T>(all: Vec<T>) -> Option<Vec<T>> {
    Some(all).filter(|all| !all.is_empty())
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Maker {
    /// What tells Jobs of other settings apart.
    fn settings_hash(&self) -> String {
        let told = serde_json::to_string(&(&self.settings, self.tries)).unwrap_or_default();
        blake3::hash(told.as_bytes()).to_hex()[..16].to_owned()
    }

    /// The name of a Job for these inputs, the same whenever it is asked for.
    pub(super) fn name(&self, items: &[Item]) -> String {
        let mut hasher = blake3::Hasher::new();
        for item in items {
            hasher.update(item.name.as_bytes());
        }
        format!("eemu-{}-{}", &self.state[..8.min(self.state.len())], &hasher.finalize().to_hex()[..16])
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let own = [
            // Not that of the servers, which a Service selects.
            ("app.kubernetes.io/name", "eemu-train"),
            ("app.kubernetes.io/managed-by", "eemu"),
            (STATE, &self.state),
        ];
        self.settings.labels.clone().into_iter().chain(texts(&own)).collect()
    }

    /// A Job: of one shard a plain one, of several an indexed one.
    pub(super) fn job(&self, items: &[Item]) -> Job {
        let inputs: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        let hash = self.settings_hash();
        let annotations = texts(&[(INPUTS, &inputs.join(",")), (SETTINGS, &hash)]);
        let many = items.len() > 1;
        let (count, limit) = (items.len() as i32, (self.tries.saturating_sub(1)).min(1000) as i32);
        let parallel = self.settings.parallel.map_or(count, |most| count.min(most as i32));
        Job {
            metadata: ObjectMeta {
                name: Some(self.name(items)),
                labels: Some(self.labels()),
                annotations: Some(annotations),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(JobSpec {
                completion_mode: many.then(|| "Indexed".to_owned()),
                completions: Some(count),
                parallelism: Some(parallel),
                backoff_limit: (!many).then_some(limit),
                backoff_limit_per_index: many.then_some(limit),
                pod_failure_policy: Some(policy(many)),
                active_deadline_seconds: self.settings.deadline.map(|time| time.as_secs() as i64),
                ttl_seconds_after_finished: Some(self.settings.keep.as_secs() as i32),
                template: self.pod(items),
                ..JobSpec::default()
            }),
            status: None,
        }
    }

    fn pod(&self, items: &[Item]) -> PodTemplateSpec {
        let settings = &self.settings;
        let names = |names: &[String]| names.iter().map(|name| LocalObjectReference { name: name.clone() }).collect();
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(self.labels()),
                annotations: Some(settings.annotations.clone()).filter(|all| !all.is_empty()),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                // A failed pod stays, with its words, until its Job goes.
                restart_policy: Some("Never".into()),
                service_account_name: settings.service_account.clone(),
                automount_service_account_token: Some(false),
                enable_service_links: Some(false),
                image_pull_secrets: some(names(&settings.pull_secrets)),
                node_selector: Some(settings.node_selector.clone()).filter(|all| !all.is_empty()),
                tolerations: some(settings.tolerations.clone()),
                security_context: Some(PodSecurityContext {
                    run_as_non_root: Some(true),
                    run_as_user: Some(USER),
                    run_as_group: Some(USER),
                    seccomp_profile: Some(SeccompProfile {
                        type_: "RuntimeDefault".into(),
                        ..SeccompProfile::default()
                    }),
                    ..PodSecurityContext::default()
                }),
                containers: vec![self.container(items)],
                volumes: Some(vec![Volume {
                    name: "tmp".into(),
                    empty_dir: Some(EmptyDirVolumeSource::default()),
                    ..Volume::default()
                }]),
                ..PodSpec::default()
            }),
        }
    }

    fn container(&self, items: &[Item]) -> Container {
        let settings = &self.settings;
        let mut args = vec!["shard".to_owned(), "train".to_owned()];
        args.extend(items.iter().map(|item| item.input.clone()));
        match items {
            [only] => args.extend(["--out".to_owned(), only.output.clone()]),
            // The cluster tells each pod which one it is.
            _ => args.extend(["--index".to_owned(), "$(JOB_COMPLETION_INDEX)".to_owned()]),
        }
        args.extend(["--quiet", "--device", settings.device()].map(str::to_owned));
        let amount = |text: &str| Quantity(text.to_owned());
        let mut limits = BTreeMap::from([("memory".to_owned(), amount(&settings.memory))]);
        if settings.gpus > 0 {
            limits.insert("nvidia.com/gpu".to_owned(), amount(&settings.gpus.to_string()));
        }
        let mut requests = limits.clone();
        requests.insert("cpu".to_owned(), amount(&settings.cpu));
        let env = |(name, value): (&String, &String)| EnvVar {
            name: name.clone(),
            value: Some(value.clone()),
            ..EnvVar::default()
        };
        let secret = |name: &String| EnvFromSource {
            secret_ref: Some(SecretEnvSource { name: name.clone(), optional: None }),
            ..EnvFromSource::default()
        };
        Container {
            name: CONTAINER.into(),
            image: Some(settings.image.clone()),
            args: Some(args),
            env: some(settings.env.iter().map(env).collect()),
            env_from: some(settings.secrets.iter().map(secret).collect()),
            resources: Some(ResourceRequirements {
                limits: Some(limits),
                requests: Some(requests),
                ..ResourceRequirements::default()
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
                ..SecurityContext::default()
            }),
            volume_mounts: Some(vec![VolumeMount {
                name: "tmp".into(),
                mount_path: "/tmp".into(),
                ..VolumeMount::default()
            }]),
            ..Container::default()
        }
    }

    /// Whether a Job is of this state.
    pub(super) fn is_own(&self, job: &Job) -> bool {
        job.metadata.labels.as_ref().and_then(|labels| labels.get(STATE)) == Some(&self.state)
    }

    /// Whether a Job was made with these settings.
    pub(super) fn is_as_set(&self, job: &Job) -> bool {
        annotation(job, SETTINGS) == Some(&self.settings_hash())
    }
}

/// What is not worth another try, and what does not count as one. Exit codes
/// say the same as to a launcher's command: 75 and a signal are tried again.
fn policy(many: bool) -> PodFailurePolicy {
    let evicted = PodFailurePolicyOnPodConditionsPattern { type_: "DisruptionTarget".into(), status: "True".into() };
    let again: Vec<i32> = std::iter::once(i32::from(TRY_AGAIN)).chain(129..=192).collect();
    let codes = PodFailurePolicyOnExitCodesRequirement {
        container_name: Some(CONTAINER.into()),
        operator: "NotIn".into(),
        values: again,
    };
    let rule = |action: &str| PodFailurePolicyRule { action: action.into(), ..PodFailurePolicyRule::default() };
    PodFailurePolicy {
        rules: vec![
            PodFailurePolicyRule { on_pod_conditions: Some(vec![evicted]), ..rule("Ignore") },
            PodFailurePolicyRule { on_exit_codes: Some(codes), ..rule(if many { "FailIndex" } else { "FailJob" }) },
        ],
    }
}

fn annotation<'a>(job: &'a Job, key: &str) -> Option<&'a String> {
    job.metadata.annotations.as_ref()?.get(key)
}

/// Names of a Job's inputs, in the order of its indexes.
pub(super) fn inputs(job: &Job) -> Vec<&str> {
    annotation(job, INPUTS).map_or_else(Vec::new, |names| names.split(',').collect())
}

/// How far a Job is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) done: BTreeSet<usize>,
    pub(super) failed: BTreeSet<usize>,
    /// Nothing more comes of it.
    pub(super) over: bool,
    /// Why it failed as a whole.
    pub(super) why: Option<String>,
}

/// Indexes as a Job's status lists them: `1,3-5,7`.
fn indexes(text: Option<&String>) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for part in text.into_iter().flat_map(|text| text.split(',')) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse()) {
            all.extend(first..=last);
        }
    }
    all
}

impl Standing {
    pub(super) fn of(job: &Job) -> Self {
        let Some(status) = &job.status else { return Self::default() };
        let (mut done, mut failed) =
            (indexes(status.completed_indexes.as_ref()), indexes(status.failed_indexes.as_ref()));
        let all = 0..inputs(job).len();
        let is = |kind: &str| {
            let conditions = status.conditions.iter().flatten();
            conditions.into_iter().find(|condition| condition.type_ == kind && condition.status == "True")
        };
        let (complete, broken) = (is("Complete"), is("Failed"));
        if complete.is_some() {
            done.extend(all.clone().filter(|index| !failed.contains(index)));
        }
        if broken.is_some() {
            failed.extend(all.filter(|index| !done.contains(index)));
        }
        let why = broken.map(|condition| {
            let said = [&condition.reason, &condition.message].map(|text| text.as_deref().unwrap_or_default());
            said.join(": ")
        });
        Self { done, failed, over: complete.is_some() || broken.is_some(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::batch::v1::{JobCondition, JobStatus};

    fn maker(more: &str) -> Maker {
        let settings = toml::from_str(&format!("image = 'eemu'\n{more}")).unwrap();
        Maker { settings, state: "0123456789abcdef".into(), owner: None, tries: 3 }
    }

    fn items(count: u32) -> Vec<Item> {
        let item = |shard| Item {
            shard,
            name: format!("{shard:064}-1"),
            input: format!("s3://b/{shard}.1.input"),
            output: format!("s3://b/{shard}.1.model"),
        };
        (0..count).map(item).collect()
    }

    #[test]
    fn a_name_is_of_its_inputs_alone() {
        let (one, other) = (maker(""), maker("cpu = '2'"));
        assert_eq!(one.name(&items(3)), other.name(&items(3)));
        assert_ne!(one.name(&items(3)), one.name(&items(2)));
        assert!(one.name(&items(3)).len() < 40);
        let job = one.job(&items(3));
        assert!(one.is_own(&job) && one.is_as_set(&job) && !other.is_as_set(&job));
        assert_eq!(inputs(&job).len(), 3);
    }

    #[test]
    fn one_shard_is_a_plain_job() {
        let spec = maker("").job(&items(1)).spec.unwrap();
        assert_eq!((spec.completion_mode, spec.backoff_limit, spec.backoff_limit_per_index), (None, Some(2), None));
        let spec = maker("parallel = 2").job(&items(3)).spec.unwrap();
        assert_eq!((spec.completion_mode.as_deref(), spec.parallelism), (Some("Indexed"), Some(2)));
        assert_eq!((spec.backoff_limit, spec.backoff_limit_per_index), (None, Some(2)));
    }

    #[test]
    fn settings_reach_the_pod() {
        let more = "gpus = 2\nlabels = {team = 'shop', 'eemu/state' = 'other'}\nnode-selector = {kind = 'h200'}";
        let job = maker(more).job(&items(1));
        let labels = job.metadata.labels.clone().unwrap();
        assert_eq!((labels["team"].as_str(), labels[STATE].as_str()), ("shop", "0123456789abcdef"));
        let pod = job.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.node_selector.unwrap()["kind"], "h200");
        let limits = pod.containers[0].resources.clone().unwrap().limits.unwrap();
        assert_eq!(limits["nvidia.com/gpu"].0, "2");
        assert!(pod.containers[0].args.clone().unwrap().ends_with(&["--device".to_owned(), "cuda".to_owned()]));
    }

    #[test]
    fn a_status_says_what_became_of_each() {
        let mut job = maker("").job(&items(6));
        assert_eq!(Standing::of(&job), Standing::default());
        let mut status = JobStatus {
            completed_indexes: Some("0,2-3".into()),
            failed_indexes: Some("1".into()),
            ..JobStatus::default()
        };
        job.status = Some(status.clone());
        let standing = Standing::of(&job);
        assert_eq!((standing.done, standing.over), (BTreeSet::from([0, 2, 3]), false));
        assert_eq!(standing.failed, BTreeSet::from([1]));
        let condition =
            |kind: &str| JobCondition { type_: kind.into(), status: "True".into(), ..JobCondition::default() };
        // What comes before the end is not the end.
        status.conditions = Some(vec![condition("FailureTarget")]);
        job.status = Some(status.clone());
        assert!(!Standing::of(&job).over);
        status.conditions = Some(vec![condition("FailureTarget"), condition("Failed")]);
        job.status = Some(status);
        let standing = Standing::of(&job);
        assert!(standing.over && standing.why.is_some());
        assert_eq!(standing.failed, BTreeSet::from([1, 4, 5]));
    }
}
