//! Every manifest under `deploy/kubernetes`, parsed into the types of
//! Kubernetes: an unknown field, or one of another type, is refused. Compiled
//! with the feature `kubernetes`, because these types take a minute to compile.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PodSpec, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/kubernetes")
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(folder().join(file)).unwrap()).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Collects the fields of `written` that `read` lacks.
fn lost(written: &Value, read: &Value, at: &str, found: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(other) => lost(value, other, &format!("{at}.{key}"), found),
                    None => found.push(format!("{at}.{key}")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            written.iter().zip(read).for_each(|(a, b)| lost(a, b, &format!("{at}[]"), found));
        }
        (written, read) if written == read => {}
        _ => found.push(at.to_owned()),
    }
}

/// Reads a manifest into its type. Types ignore unknown fields, so the parsed
/// value is written again and compared.
fn typed<T: DeserializeOwned + Serialize>(value: &Value, file: &str) -> T {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{file}: {e}"));
    let mut gone = Vec::new();
    lost(value, &serde_json::to_value(&read).unwrap(), "", &mut gone);
    assert!(gone.is_empty(), "{file} has fields that Kubernetes does not know: {gone:?}");
    read
}

#[test]
fn every_manifest_is_of_its_type() {
    let files: BTreeSet<String> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.len() >= 9, "{files:?}");
    for file in &files {
        let value = yaml(file);
        let kind = value["kind"].as_str().unwrap();
        let namespace = value["metadata"]["namespace"].as_str();
        match kind {
            "Namespace" => drop(typed::<Namespace>(&value, file)),
            "ServiceAccount" => drop(typed::<ServiceAccount>(&value, file)),
            "ConfigMap" => drop(typed::<ConfigMap>(&value, file)),
            "Secret" => drop(typed::<Secret>(&value, file)),
            "Deployment" => drop(typed::<Deployment>(&value, file)),
            "Service" => drop(typed::<Service>(&value, file)),
            "PodDisruptionBudget" => drop(typed::<PodDisruptionBudget>(&value, file)),
            "NetworkPolicy" => drop(typed::<NetworkPolicy>(&value, file)),
            "Job" => drop(typed::<Job>(&value, file)),
            "Kustomization" => {
                for resource in value["resources"].as_array().unwrap() {
                    assert!(files.contains(resource.as_str().unwrap()), "{resource} is not there");
                }
            }
            other => panic!("{file}: no type for {other}"),
        }
        if !["Namespace", "Kustomization"].contains(&kind) {
            assert_eq!(namespace, Some("eemu"), "{file}");
        }
    }
    // An unknown field is detected.
    let mut wrong = yaml("deployment.yaml");
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = serde_json::json!({});
    assert!(std::panic::catch_unwind(|| typed::<Deployment>(&wrong, "wrong")).is_err());
}

fn hardened(pod: &PodSpec) {
    let security = pod.security_context.as_ref().unwrap();
    assert!(security.run_as_non_root == Some(true) && security.run_as_user == Some(10001));
    assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault");
    assert_eq!(pod.automount_service_account_token, Some(false));
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        let security = container.security_context.as_ref().unwrap();
        assert_eq!(
            (security.read_only_root_filesystem, security.allow_privilege_escalation),
            (Some(true), Some(false))
        );
        assert_eq!(security.capabilities.as_ref().unwrap().drop, Some(vec!["ALL".to_owned()]));
        assert!(container.resources.as_ref().unwrap().limits.as_ref().unwrap().contains_key("memory"));
        // The command accepts its arguments.
        let arguments = std::iter::once("eemu".to_owned()).chain(container.args.clone().unwrap());
        eemu_server::cli::command().try_get_matches_from(arguments).unwrap();
    }
}

#[test]
fn the_parts_fit_each_other() {
    let deployment: Deployment = typed(&yaml("deployment.yaml"), "deployment");
    let spec = deployment.spec.unwrap();
    let pod = spec.template.spec.unwrap();
    hardened(&pod);
    let job: Job = typed(&yaml("job-import.yaml"), "job");
    hardened(&job.spec.unwrap().template.spec.unwrap());
    let labels = spec.template.metadata.unwrap().labels.unwrap();
    let chosen =
        |wanted: std::collections::BTreeMap<String, String>| wanted.iter().all(|(k, v)| labels.get(k) == Some(v));
    assert!(chosen(spec.selector.match_labels.unwrap()));
    let service: Service = typed(&yaml("service.yaml"), "service");
    assert!(chosen(service.spec.unwrap().selector.unwrap()));
    let budget: PodDisruptionBudget = typed(&yaml("poddisruptionbudget.yaml"), "budget");
    assert!(chosen(budget.spec.unwrap().selector.unwrap().match_labels.unwrap()));
    let policy: NetworkPolicy = typed(&yaml("networkpolicy.yaml"), "policy");
    assert!(chosen(policy.spec.unwrap().pod_selector.unwrap().match_labels.unwrap()));
    // Probes request routes that exist.
    let container = &pod.containers[0];
    let document = serde_json::to_value(eemu_server::serve::http::openapi()).unwrap();
    for probe in [&container.startup_probe, &container.liveness_probe, &container.readiness_probe] {
        let path = probe.as_ref().unwrap().http_get.as_ref().unwrap().path.clone().unwrap();
        assert!(document["paths"][&path].is_object(), "{path}");
    }
    // The settings are valid, and contain no secrets.
    let settings: ConfigMap = typed(&yaml("configmap.yaml"), "settings");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("eemu.toml");
    fs::write(&file, &settings.data.unwrap()["eemu.toml"]).unwrap();
    let given = eemu_server::serve::settings::read(&file).unwrap();
    eemu_server::serve::settings::settle(&Default::default(), &given).unwrap();
    assert!(given.database.is_none());
}
