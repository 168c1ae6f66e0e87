//! Traces: sent to the configured address, without identifiers.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use eemu_server::serve::tokens::Scope;
use eemu_tests::service::{PATIENCE, Process, make_state, token};
use eemu_tests::worlds::Recipe;
use serde_json::json;

type Sent = Arc<Mutex<Vec<u8>>>;

/// A collector of OTLP over HTTP, and the messages that it received.
fn collector() -> (String, Sent) {
    let sent = Sent::default();
    let take = |State(sent): State<Sent>, body: Bytes| async move { sent.lock().unwrap().extend_from_slice(&body) };
    let router = Router::new().route("/v1/traces", post(take)).with_state(sent.clone());
    (eemu_tests::loopback::serve(router).unwrap(), sent)
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

#[test]
fn spans_name_routes_and_nobody() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let (admin, (address, sent)) = (token(&dir, Scope::Admin).unwrap(), collector());
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let server = Process::start(&dir, &["--settle", "0"], &environment).unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let ask = server.client.post(format!("{}/api/v1/recommendations", server.address)).bearer_auth(&admin);
    let ask = ask.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(ask.json(&json!({"user": "user-3"})).send().unwrap().status(), 200);
    let (status, gone) =
        server.post("/api/v1/interactions/delete", &admin, &json!({"user": "user-3", "all": true})).unwrap();
    assert_eq!(status, 202);
    let request = gone["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/v1/unlearning/{request}"), &admin).unwrap().0, 200);
    assert_eq!(server.post("/api/v1/interactions/list", &admin, &json!({"user": "nobody-77"})).unwrap().0, 404);
    server.get("/somewhere/user-3?item=item-1", "").unwrap();
    server.wait_clean().unwrap();
    let wanted: [&[u8]; 6] = [
        b"POST /api/v1/recommendations",
        b"GET /api/v1/unlearning/{id}",
        b"http.response.status_code",
        b"service.name",
        b"rank",
        &hex::decode(trace).unwrap(),
    ];
    let start = Instant::now();
    while !wanted.iter().all(|text| holds(&sent.lock().unwrap(), text)) {
        let shown = String::from_utf8_lossy(&sent.lock().unwrap()).into_owned();
        assert!(start.elapsed() < PATIENCE, "not all was sent: {shown}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let sent = sent.lock().unwrap().clone();
    for secret in ["user-3", "item-", "nobody-77", admin.as_str(), request.as_str(), "somewhere", "SELECT", "INSERT"] {
        assert!(!holds(&sent, secret.as_bytes()), "a trace holds {secret}");
    }
}

#[test]
fn nothing_is_sent_unasked_and_a_collector_may_be_away() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let (address, sent) = collector();
    for more in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10"), more];
        let server = Process::start(&dir, &[], &environment).unwrap();
        assert_eq!(server.get("/readyz", "").unwrap().0, 200);
        drop(server);
        assert!(sent.lock().unwrap().is_empty(), "{more:?}");
    }
    let away = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let server = Process::start(&dir, &[], &away).unwrap();
    for _ in 0..20 {
        assert_eq!(server.get("/readyz", "").unwrap().0, 200);
    }
    let wrong = [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    drop(server);
    let refused = Process::start(&dir, &[], &wrong).err().unwrap().to_string();
    assert!(refused.contains("'grpc'; give http/protobuf"), "{refused}");
}
