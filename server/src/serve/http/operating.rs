//! For operators and their machines: health, metrics, tokens' own names.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eemu_core::api::{DemoHousehold, Health, Problem, Progress, Queue, Whoami};

use super::App;
use super::caller::Caller;
use super::problem::{Answer, Failure};
use crate::serve::service::lock;
use crate::serve::tokens::Scope;

fn health(app: &App) -> Health {
    let snapshot = app.service.snapshot();
    let status = match (app.service.is_stopping(), snapshot.clean()) {
        (true, _) => "stopping",
        (false, 0) => "degraded",
        (false, _) => "ok",
    };
    Health { status: status.to_owned(), shards_clean: snapshot.clean(), shards_total: snapshot.shards.len() as u32 }
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operating", responses((status = 200, body = Health)))]
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Json<Health> {
    Json(health(&app))
}

/// Whether requests should be sent here. Degraded answers are answers.
#[utoipa::path(get, path = "/readyz", tag = "operating",
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let status = if app.service.is_stopping() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(health(&app))).into_response()
}

/// Counters for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn metrics(State(app): State<Arc<App>>, caller: Caller) -> Answer<Response> {
    caller.operates()?;
    let text = app.service.metrics.text(&app.service).map_err(|error| Failure::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Retrains now whatever waits, additions included.
#[utoipa::path(post, path = "/api/v1/retrain", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 202, body = Health), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn retrain(State(app): State<Arc<App>>, caller: Caller) -> Answer<Response> {
    caller.operates()?;
    app.service.schedule.hurry();
    Ok((StatusCode::ACCEPTED, Json(health(&app))).into_response())
}

/// What waits and what trains. Names shards, and nobody.
#[utoipa::path(get, path = "/api/v1/queue", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = Queue), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn queue(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Queue>> {
    caller.operates()?;
    let service = &app.service;
    let waiting: Vec<u32> = service.schedule.waiting().into_iter().map(|(shard, _)| shard).collect();
    let standing = |&shard: &u32| {
        let at = service.schedule.standing(shard);
        Progress { shard, phase: at.phase, epoch: at.epoch, epochs: at.epochs }
    };
    Ok(Json(Queue {
        shards: waiting.iter().map(standing).collect(),
        changes: service.writer.waiting() as u64,
        requests: lock(&service.requests).waiting() as u64,
        estimated_seconds: service.estimate(&waiting),
    }))
}

/// Whose token this is.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "personal",
    security(("bearer" = ["admin", "operator", "subject"])),
    responses((status = 200, body = Whoami), (status = 401, body = Problem)))]
pub(super) async fn whoami(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Whoami>> {
    let (role, user) = match caller.known()? {
        Scope::Admin => ("admin", None),
        Scope::Operator => ("operator", None),
        Scope::Subject(_) => {
            let snapshot = app.service.snapshot();
            let own = caller.about(&snapshot, None)?;
            ("subject", Some(snapshot.world.catalog.users.ids[own as usize].clone()))
        }
    };
    Ok(Json(Whoami { role: role.to_owned(), user, demo: !app.service.demo.is_empty() }))
}

/// The demonstration's households, with tokens for everybody; empty unless the
/// server was started with --demo.
#[utoipa::path(get, path = "/api/v1/demo", tag = "operating", responses((status = 200, body = Vec<DemoHousehold>)))]
pub(super) async fn demo(State(app): State<Arc<App>>) -> Json<Vec<DemoHousehold>> {
    let snapshot = app.service.snapshot();
    let ids = &snapshot.world.catalog.users.ids;
    let alive = app.service.demo.iter().filter(|(user, _)| !snapshot.world.catalog.users.is_deleted(*user));
    let household =
        |(user, token): &(u32, String)| DemoHousehold { user: ids[*user as usize].clone(), token: token.clone() };
    Json(alive.map(household).collect())
}
