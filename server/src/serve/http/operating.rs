//! Endpoints for operators and their machines: health, metrics, the operator's page,
//! the audit log.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eemu_core::api::{AuditLog, AuditPage, Deadline, DemoHousehold, Health, Operating, Problem, Queue, Whoami};

use super::App;
use super::caller::Caller;
use super::personal::blocking;
use super::problem::{Answer, Failure, Query};
use crate::clock::now_exactly;
use crate::serve::standing::standing;
use crate::serve::tokens::Scope;
use crate::store::Deferred;

/// The most deadlines that are listed.
const DEADLINES: usize = 1000;
/// The most entries on a page.
const LONGEST_PAGE: u64 = 1000;

fn health(app: &App) -> Health {
    let view = app.service.view();
    let status = match (app.service.is_stopping(), view.clean()) {
        (true, _) => "stopping",
        (false, 0) => "degraded",
        (false, _) => "ok",
    };
    Health { status: status.to_owned(), shards_clean: view.clean(), shards_total: view.shards.len() as u32 }
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
    let text = app.service.metrics().text(&app.service).map_err(|error| Failure::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Retrains now whatever waits, additions included.
#[utoipa::path(post, path = "/api/v1/retrain", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 202, body = Health), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn retrain(State(app): State<Arc<App>>, caller: Caller) -> Answer<Response> {
    caller.operates()?;
    app.service.retrain_now();
    Ok((StatusCode::ACCEPTED, Json(health(&app))).into_response())
}

/// The service as an operator sees it, in one answer: requests with their age
/// and deadline, shards, speed, quality, counts. Names shards, and nobody.
#[utoipa::path(get, path = "/api/v1/operate", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = Operating), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn operate(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Operating>> {
    caller.operates()?;
    Ok(Json(standing(&app.service)))
}

/// What waits and what trains. Names shards, and nobody.
#[utoipa::path(get, path = "/api/v1/queue", tag = "operating", security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = Queue), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn queue(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Queue>> {
    caller.operates()?;
    let (service, view, now) = (&app.service, app.service.view(), Instant::now());
    let waiting: Vec<u32> = view.schedule.waiting(now).into_iter().map(|(shard, _)| shard).collect();
    let time = now_exactly();
    let deadline = |request: &Deferred| Deadline {
        name_blake3: hex::encode(request.id_hash),
        asked: request.asked as u64,
        due: request.due as u64,
        late: request.due < time,
    };
    Ok(Json(Queue {
        shards: waiting.iter().map(|&shard| view.schedule.standing(shard, now)).collect(),
        changes: service.waiting() as u64,
        requests: view.requests.waiting() as u64,
        estimated_seconds: service.estimate(&waiting),
        accepted: view.requests.accepted() as u64,
        late: view.requests.late(time) as u64,
        deadlines: view.requests.all_deferred().take(DEADLINES).map(deadline).collect(),
    }))
}

/// Who asked what kind of thing, and when; newest first. Names no item and no
/// person. Questions for recommendations are not in it.
#[utoipa::path(get, path = "/api/v1/audit", tag = "operating", params(AuditPage),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = AuditLog), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(page): Query<AuditPage>,
) -> Answer<Json<AuditLog>> {
    caller.administers()?;
    let count = page.count.unwrap_or(100).clamp(1, LONGEST_PAGE);
    let service = app.service.clone();
    let read = tokio::task::spawn_blocking(move || service.audit_log(page.before.unwrap_or(u64::MAX), count)).await;
    let entries = read.map_err(anyhow::Error::from).and_then(|read| read).map_err(|error| Failure::of(&error))?;
    let next = entries.last().map(|entry| entry.number).filter(|_| entries.len() as u64 == count);
    Ok(Json(AuditLog { entries, next }))
}

/// Whose token this is.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "personal",
    security(("bearer" = ["admin", "operator", "subject"])),
    responses((status = 200, body = Whoami), (status = 401, body = Problem)))]
pub(super) async fn whoami(State(app): State<Arc<App>>, caller: Caller) -> Answer<Json<Whoami>> {
    let (role, user) = match caller.known()? {
        scope @ (Scope::Admin | Scope::Operator) => (scope.word(), None),
        Scope::Subject(_) => {
            let view = app.service.view();
            let own = caller.about(&view, None)?;
            ("subject", Some(view.dataset.catalog.users.ids[own as usize].clone()))
        }
    };
    Ok(Json(Whoami { role: role.to_owned(), user, demo: app.service.demo().is_on() }))
}

/// The demonstration's households, with tokens for everybody; empty unless the
/// server was started with --demo. One that was deleted or emptied makes room
/// for another.
#[utoipa::path(get, path = "/api/v1/demo", tag = "operating",
    responses((status = 200, body = Vec<DemoHousehold>), (status = 503, body = Problem)))]
pub(super) async fn demo(State(app): State<Arc<App>>) -> Answer<Json<Vec<DemoHousehold>>> {
    let service = app.service.clone();
    let offered = blocking(move || service.demo().households(&service)).await?;
    let view = app.service.view();
    let ids = &view.dataset.catalog.users.ids;
    let household = |(user, token): (u32, String)| Some(DemoHousehold { user: ids.get(user as usize)?.clone(), token });
    Ok(Json(offered.into_iter().filter_map(household).collect()))
}
