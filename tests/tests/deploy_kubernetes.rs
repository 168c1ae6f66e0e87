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
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/kubernetes")
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(folder().join(file)).unwrap()).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Reads a manifest into its type.
fn typed<T: DeserializeOwned + Serialize>(value: &Value, file: &str) -> T {
    eemu_tests::kubernetes::typed(value).unwrap_or_else(|problem| panic!("{file}: {problem}"))
}

#[test]
fn every_manifest_is_of_its_type() {
    let mut files = BTreeSet::new();
    for part in ["", "launch/"] {
        let entries = fs::read_dir(folder().join(part)).unwrap().map(Result::unwrap);
        let names =
            entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name().into_string().unwrap());
        files.extend(names.map(|name| format!("{part}{name}")));
    }
    assert!(files.len() >= 15, "{files:?}");
    for file in &files {
        let part = if file.starts_with("launch/") { "launch/" } else { "" };
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
            "Role" => drop(typed::<Role>(&value, file)),
            "RoleBinding" => drop(typed::<RoleBinding>(&value, file)),
            "Kustomization" | "Component" => {
                for resource in value["resources"].as_array().unwrap() {
                    let name = format!("{part}{}", resource.as_str().unwrap());
                    assert!(files.contains(&name), "{name} is not there");
                }
            }
            other => panic!("{file}: no type for {other}"),
        }
        if !["Namespace", "Kustomization", "Component"].contains(&kind) {
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

/// A list of JSON patches, as kustomize applies them.
fn patched(mut value: Value, patch: &str) -> Value {
    let operations: Value = serde_saphyr::from_str(patch).unwrap();
    for operation in operations.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        let new = operation["value"].clone();
        match (operation["op"].as_str().unwrap(), path.strip_suffix("/-")) {
            ("add", Some(list)) => value.pointer_mut(list).unwrap().as_array_mut().unwrap().push(new),
            ("replace", None) => *value.pointer_mut(path).unwrap() = new,
            other => panic!("{other:?} is not known here"),
        }
    }
    value
}

/// With the component `launch` the servers begin Jobs, by an account of their
/// own and with settings that can be used.
#[test]
fn the_component_that_launches_fits() {
    let component = yaml("launch/kustomization.yaml");
    let patch = component["patches"][0]["patch"].as_str().unwrap();
    let deployment: Deployment = typed(&patched(yaml("deployment.yaml"), patch), "patched");
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name.as_deref(), Some("eemu-launch"));
    assert_eq!(pod.automount_service_account_token, Some(true));
    let binding: RoleBinding = typed(&yaml("launch/rolebinding.yaml"), "binding");
    let role: Role = typed(&yaml("launch/role.yaml"), "role");
    let account: ServiceAccount = typed(&yaml("launch/serviceaccount.yaml"), "account");
    assert_eq!(Some(binding.role_ref.name), role.metadata.name);
    let subjects = binding.subjects.unwrap();
    assert_eq!((subjects.len(), Some(subjects[0].name.clone())), (1, account.metadata.name));
    let names: BTreeSet<String> = pod.volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    let container = &pod.containers[0];
    let mounts = container.volume_mounts.clone().unwrap();
    assert!(mounts.iter().all(|mount| names.contains(&mount.name)));
    // What is launched with is a file that is there.
    let environment = container.env.clone().unwrap();
    let launch = environment.iter().find(|variable| variable.name == "EEMU_LAUNCH").unwrap().value.clone().unwrap();
    let settings: ConfigMap = typed(&yaml("launch/configmap.yaml"), "settings");
    let (folder, file) = launch.strip_prefix("kubernetes=").unwrap().rsplit_once('/').unwrap();
    assert!(mounts.iter().any(|mount| mount.mount_path == folder));
    let text = &settings.data.unwrap()[file];
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join(file), text).unwrap();
    eemu_server::launch::check_kubernetes(&place.path().join(file)).unwrap();
    let secrets: Secret = typed(&yaml("launch/secret.example.yaml"), "secret");
    assert!(text.contains(&secrets.metadata.name.unwrap()));
    // Pods that train get no password of the database.
    assert!(!secrets.string_data.unwrap().contains_key("EEMU_DATABASE"));
    for name in ["EEMU_POD_NAME", "EEMU_POD_UID", "EEMU_POD_NAMESPACE"] {
        assert!(environment.iter().any(|variable| variable.name == name && variable.value_from.is_some()), "{name}");
    }
}
