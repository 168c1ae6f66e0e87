//! What the API server answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde_json::{Value, json};

use super::judged::judge;
use super::pods::{control, tail};
use super::typed::typed;
use super::{Fault, Inside, NAMESPACE, TOKEN};

const JOBS: &str = "/apis/batch/v1/namespaces/eemu/jobs";
const PODS: &str = "/api/v1/namespaces/eemu/pods";

pub(super) fn router(inside: Arc<Inside>) -> Router {
    Router::new().fallback(answer).with_state(inside)
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = failure(code, reason, message);
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, axum::Json(body)).into_response()
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
}

fn ok(code: StatusCode, body: Value) -> Response {
    (code, axum::Json(body)).into_response()
}

async fn answer(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    if !is_known(&head.headers) {
        return status(401, "Unauthorized", "Unauthorized");
    }
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path = head.uri.path().to_owned();
    let watches = query.get("watch").is_some_and(|value| value == "true" || value == "1");
    let (resource, name) = match (path.strip_prefix(JOBS), path.strip_prefix(PODS)) {
        (Some(rest), _) => ("jobs", rest.trim_start_matches('/')),
        (_, Some(rest)) => match rest.trim_start_matches('/').strip_suffix("/log") {
            Some(pod) => ("pods/log", pod),
            None => ("pods", rest.trim_start_matches('/')),
        },
        _ => return status(404, "NotFound", "the server could not find the requested resource"),
    };
    let verb = match (&head.method, name) {
        (&Method::POST, "") => "create",
        (&Method::GET, "") if watches => "watch",
        (&Method::GET, "") => "list",
        (&Method::GET, _) => "get",
        (&Method::DELETE, "") => "deletecollection",
        (&Method::DELETE, _) => "delete",
        (&Method::PATCH, _) => "patch",
        _ => "update",
    };
    let fault = {
        let mut table = inside.table();
        table.verbs.insert((resource.to_owned(), verb.to_owned()));
        table.watches += usize::from(verb == "watch");
        table.faults.get_mut(verb).filter(|faults| !faults.is_empty()).map(|faults| faults.remove(0))
    };
    if let Some(Fault::Code(code)) = fault {
        let (reason, message) = match code {
            403 => ("Forbidden", format!("{resource} is forbidden: user \"test\" cannot {verb} resource")),
            409 => ("Conflict", "the object has been modified".to_owned()),
            410 => ("Expired", "too old resource version".to_owned()),
            _ => ("InternalError", "etcdserver: request timed out".to_owned()),
        };
        return status(code, reason, &message);
    }
    let answer = match (resource, verb) {
        ("jobs", "create") => create(&inside, &body),
        ("jobs", "get") => match inside.table().jobs.get(name) {
            Some(job) => ok(StatusCode::OK, job.clone()),
            None => missing(name),
        },
        ("jobs", "list") => list(&inside, &query, "Job"),
        ("pods", "list") => list(&inside, &query, "Pod"),
        ("jobs", "watch") => watch(inside, &query, fault),
        ("jobs", "delete") => delete(&inside, name, &body),
        ("pods/log", "get") => {
            let lines = query.get("tailLines").and_then(|lines| lines.parse().ok()).unwrap_or(usize::MAX);
            match inside.table().pods.contains_key(name) {
                true => tail(&inside.log(name), lines).into_response(),
                false => missing(name),
            }
        }
        _ => status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
    };
    if fault == Some(Fault::Lost) { status(500, "InternalError", "etcdserver: leader changed") } else { answer }
}

fn is_known(headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given == Some(&format!("Bearer {TOKEN}"))
}

fn missing(name: &str) -> Response {
    status(404, "NotFound", &format!("\"{name}\" not found"))
}

fn create(inside: &Arc<Inside>, body: &Bytes) -> Response {
    let read = serde_json::from_slice::<Value>(body).map_err(|problem| problem.to_string());
    let read = read.and_then(|value| Ok((typed::<Job>(&value)?, value)));
    let (job, mut value) = match read {
        Ok(read) => read,
        Err(problem) => return status(400, "BadRequest", &format!("strict decoding error: {problem}")),
    };
    if let Err(rule) = judge(&job, NAMESPACE) {
        return status(422, "Invalid", &format!("Job is invalid: {rule}"));
    }
    let name = job.metadata.name.clone().unwrap_or_default();
    let now = inside.now();
    {
        let mut table = inside.table();
        if table.jobs.contains_key(&name) {
            return status(409, "AlreadyExists", &format!("jobs.batch \"{name}\" already exists"));
        }
        let version = table.version;
        for (key, text) in [
            ("namespace", NAMESPACE.to_owned()),
            ("uid", format!("uid-of-{name}-{version}")),
            ("creationTimestamp", now),
            ("resourceVersion", version.to_string()),
        ] {
            value["metadata"][key] = json!(text);
        }
        value["status"] = json!({});
        table.jobs.insert(name.clone(), value.clone());
        table.created.push(value.clone());
        table.events.push((version, "ADDED", value.clone()));
    }
    let inside = inside.clone();
    std::thread::spawn(move || control(inside, job));
    ok(StatusCode::CREATED, value)
}

/// Whether an object is chosen by label and field.
fn chosen(object: &Value, query: &BTreeMap<String, String>) -> bool {
    let pairs = |key: &str| -> Vec<(String, String)> {
        let text = query.get(key).map_or("", String::as_str);
        text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    pairs("labelSelector").iter().all(|(key, value)| object["metadata"]["labels"][key] == *value)
        && pairs("fieldSelector")
            .iter()
            .all(|(key, value)| key == "metadata.name" && object["metadata"]["name"] == *value)
}

fn list(inside: &Inside, query: &BTreeMap<String, String>, kind: &str) -> Response {
    let table = inside.table();
    let all = if kind == "Job" { &table.jobs } else { &table.pods };
    let items: Vec<&Value> = all.values().filter(|object| chosen(object, query)).collect();
    let group = if kind == "Job" { "batch/v1" } else { "v1" };
    ok(
        StatusCode::OK,
        json!({
            "kind": format!("{kind}List"), "apiVersion": group,
            "metadata": {"resourceVersion": table.version.to_string()}, "items": items,
        }),
    )
}

fn delete(inside: &Inside, name: &str, body: &Bytes) -> Response {
    let options = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice::<Value>(body) };
    let options = options.map_err(|problem| problem.to_string()).and_then(|value| typed::<DeleteOptions>(&value));
    let options = match options {
        Ok(options) => options,
        Err(problem) => return status(400, "BadRequest", &problem),
    };
    // Without it a Job's pods would stay, in this group's way of old.
    let policy = options.propagation_policy.unwrap_or_default();
    if !["Foreground", "Background"].contains(&policy.as_str()) {
        return status(422, "Invalid", "pods would be orphaned");
    }
    let Some(job) = inside.table().jobs.get(name).cloned() else { return missing(name) };
    let now = inside.now();
    let is_idle = inside.table().idle.remove(name);
    if is_idle {
        inside.remove(name);
    } else {
        inside.modify(name, |job| job["metadata"]["deletionTimestamp"] = json!(now));
    }
    ok(StatusCode::OK, job)
}

/// Where a watch stands.
struct Watching {
    inside: Arc<Inside>,
    query: BTreeMap<String, String>,
    version: u64,
    until: Instant,
    fault: Option<Fault>,
}

fn watch(inside: Arc<Inside>, query: &BTreeMap<String, String>, fault: Option<Fault>) -> Response {
    let number = |key: &str| query.get(key).and_then(|value| value.parse::<u64>().ok());
    let Some(version) = number("resourceVersion") else { return status(400, "BadRequest", "resourceVersion") };
    let until = Instant::now() + Duration::from_secs(number("timeoutSeconds").unwrap_or(60));
    let watching = Watching { inside, query: query.clone(), version, until, fault };
    let lines = stream::unfold(watching, |mut watching| async move {
        loop {
            if watching.fault == Some(Fault::Silence) || Instant::now() > watching.until {
                return None;
            }
            if watching.fault.take() == Some(Fault::Gone) {
                watching.fault = Some(Fault::Silence);
                return Some((line("ERROR", &failure(410, "Expired", "too old resource version")), watching));
            }
            let next = {
                let table = watching.inside.table();
                let mut later = table.events.iter().filter(|(version, ..)| *version > watching.version);
                later.find(|(_, _, job)| chosen(job, &watching.query)).cloned()
            };
            if let Some((version, kind, job)) = next {
                watching.version = version;
                return Some((line(kind, &job), watching));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

fn line(kind: &str, object: &Value) -> Result<Bytes, std::convert::Infallible> {
    Ok(Bytes::from(format!("{}\n", json!({"type": kind, "object": object}))))
}
