//! What an API server refuses of a Job that is well typed, as far as it matters
//! here: the rules of the documentation, and the `restricted` pod security.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodSpec;

fn need(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn is_label(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || (text.len() <= 63
            && text.starts_with(letter)
            && text.ends_with(letter)
            && text.chars().all(|c| letter(c) || "-_.".contains(c)))
}

fn labels(labels: Option<&BTreeMap<String, String>>) -> Result<(), String> {
    for (key, value) in labels.into_iter().flatten() {
        let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
        need(!name.is_empty() && is_label(name) && is_label(value), &format!("label {key}={value}"))?;
    }
    Ok(())
}

/// Whether a Job may be made.
///
/// # Errors
/// With the rule that it breaks.
pub(super) fn judge(job: &Job, namespace: &str) -> Result<(), String> {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.len() <= 63 && name.starts_with(letter) && name.ends_with(letter);
    need(fits && name.chars().all(|c| letter(c) || c == '-'), "metadata.name must be a label of DNS")?;
    need(job.metadata.namespace.as_deref().is_none_or(|own| own == namespace), "metadata.namespace")?;
    need(job.status.is_none(), "status must not be given")?;
    labels(job.metadata.labels.as_ref())?;
    for owner in job.metadata.owner_references.iter().flatten() {
        let whole = [&owner.api_version, &owner.kind, &owner.name, &owner.uid].iter().all(|text| !text.is_empty());
        need(whole, "an owner needs apiVersion, kind, name and uid")?;
    }
    let spec = job.spec.as_ref().ok_or("spec is missing")?;
    labels(spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref()))?;
    let pod = spec.template.spec.as_ref().ok_or("spec.template.spec is missing")?;
    policy(spec, pod)?;
    hardened(pod)
}

fn policy(spec: &JobSpec, pod: &PodSpec) -> Result<(), String> {
    let indexed = spec.completion_mode.as_deref() == Some("Indexed");
    need(
        spec.completion_mode.as_deref().is_none_or(|mode| ["Indexed", "NonIndexed"].contains(&mode)),
        "completionMode",
    )?;
    need(!indexed || spec.completions.is_some(), "completions are needed when completionMode is Indexed")?;
    need(spec.backoff_limit_per_index.is_none() || indexed, "backoffLimitPerIndex needs completionMode Indexed")?;
    for number in [spec.parallelism, spec.completions, spec.backoff_limit, spec.backoff_limit_per_index] {
        need(number.is_none_or(|number| number >= 0), "numbers must be 0 or more")?;
    }
    let restart = pod.restart_policy.as_deref();
    need(restart.is_some_and(|policy| ["Never", "OnFailure"].contains(&policy)), "restartPolicy")?;
    let Some(policy) = &spec.pod_failure_policy else { return Ok(()) };
    need(restart == Some("Never"), "a podFailurePolicy needs restartPolicy Never")?;
    need(policy.rules.len() <= 20, "rules are 20 at most")?;
    for rule in &policy.rules {
        let known = ["FailJob", "FailIndex", "Ignore", "Count"].contains(&rule.action.as_str());
        need(known, "action")?;
        let per_index = spec.backoff_limit_per_index.is_some();
        need(rule.action != "FailIndex" || per_index, "FailIndex needs backoffLimitPerIndex")?;
        let (codes, conditions) = (&rule.on_exit_codes, &rule.on_pod_conditions);
        need(codes.is_some() != conditions.is_some(), "a rule is of exit codes or of conditions")?;
        if let Some(codes) = codes {
            need(["In", "NotIn"].contains(&codes.operator.as_str()), "operator")?;
            need(!codes.values.is_empty() && codes.values.len() <= 255, "values are 1 to 255")?;
            need(codes.values.is_sorted_by(|a, b| a < b), "values must be in order, each once")?;
            need(codes.operator != "In" || !codes.values.contains(&0), "0 cannot be used with In")?;
            let named = codes.container_name.as_ref();
            need(named.is_none_or(|name| pod.containers.iter().any(|c| c.name == *name)), "containerName")?;
        }
    }
    Ok(())
}

fn hardened(pod: &PodSpec) -> Result<(), String> {
    let security = pod.security_context.as_ref().ok_or("restricted: securityContext is missing")?;
    need(security.run_as_non_root == Some(true), "restricted: runAsNonRoot")?;
    let profile = security.seccomp_profile.as_ref().map(|profile| profile.type_.as_str());
    need(profile == Some("RuntimeDefault"), "restricted: seccompProfile")?;
    let volumes: Vec<&str> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    need(!pod.containers.is_empty(), "containers are needed")?;
    for container in &pod.containers {
        need(container.image.as_deref().is_some_and(|image| !image.is_empty()), "image")?;
        let security = container.security_context.as_ref().ok_or("restricted: a container's securityContext")?;
        need(security.allow_privilege_escalation == Some(false), "restricted: allowPrivilegeEscalation")?;
        let dropped = security.capabilities.as_ref().and_then(|capabilities| capabilities.drop.clone());
        need(dropped == Some(vec!["ALL".to_owned()]), "restricted: capabilities")?;
        for mount in container.volume_mounts.iter().flatten() {
            need(volumes.contains(&mount.name.as_str()), "volumeMounts name a volume")?;
        }
        let resources = container.resources.as_ref().ok_or("resources")?;
        for (name, limit) in resources.limits.iter().flatten().filter(|(name, _)| name.contains('/')) {
            let request = resources.requests.as_ref().and_then(|requests| requests.get(name));
            need(request.is_none_or(|request| request == limit), "an extended resource is requested as it is limited")?;
        }
    }
    Ok(())
}
