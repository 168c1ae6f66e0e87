//! Recommendations over HTTP: for one user, or for a batch of many.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use eemu_core::api::{Problem, RecommendRequest, Recommendations};
use eemu_core::rules::picked;
use futures_util::StreamExt;

use super::App;
use super::caller::{Caller, NAME_THE_USER};
use super::problem::{Answer, Body, Failure, json};
use crate::serve::recommending::{Asked, Who, recommend};
use crate::serve::tokens::Scope;
use crate::serve::traces::work;
use crate::serve::view::View;
use crate::store::Head;

/// The most recommended items in a list.
const MOST: u32 = 1000;
/// The most items that a visitor may pick.
const MOST_PICKS: usize = 1000;
/// Users computed together; memory grows with this number.
const TILE: usize = 32;

pub(super) fn counted(top: Option<u32>) -> Answer<usize> {
    match top.unwrap_or(10) {
        top @ 1..=MOST => Ok(top as usize),
        top => Err(Failure::bad(format!("top is {top}; give 1 to {MOST}"))),
    }
}

/// The error response for invalid rules or picks.
pub(super) fn refused(error: eemu_core::Error) -> Failure {
    match error {
        eemu_core::Error::Rule(message) => Failure::bad(message),
        other => Failure::internal(&other.into()),
    }
}

/// Validates a request, and checks that the caller may make it.
fn understand(view: &View, caller: &Caller, ask: &RecommendRequest) -> Answer<Asked> {
    let dataset = &view.dataset;
    let top = counted(ask.top)?;
    let rules = ask.rules();
    rules.check(&dataset.catalog).map_err(refused)?;
    let (who, unknown) = match &ask.items {
        None => (Who::User(user_of(view, caller, ask.user.as_deref())?), Vec::new()),
        Some(_) if ask.user.is_some() => {
            return Err(Failure::bad("user and items are both given; name a user, or a visitor's items"));
        }
        Some(picks) if picks.len() > MOST_PICKS => {
            return Err(Failure::bad(format!("{} items; a visitor picks {MOST_PICKS} at most", picks.len())));
        }
        Some(_) if !dataset.config.model.unknown_rows => {
            return Err(Failure::bad(
                "this model was trained without unknown rows, so it knows only its own users; name one of them",
            ));
        }
        Some(picks) => {
            let (history, unknown) = picked(&dataset.catalog, picks).map_err(refused)?;
            (Who::Visitor(history), unknown)
        }
    };
    if ask.explain && caller.scope == Some(Scope::Operator) && matches!(who, Who::User(_)) {
        return Err(Failure::bad("explain names records of the user, which an operator may not see; leave it out"));
    }
    Ok(Asked { who, top, rules, unknown, explain: ask.explain })
}

/// Computes something while holding one of the permits.
pub(super) async fn computed<T: Send + 'static>(
    app: Arc<App>,
    compute: impl FnOnce(&App) -> anyhow::Result<T> + Send + 'static,
) -> Answer<T> {
    let place = app.computing.clone().acquire_owned().await;
    let place = place.map_err(|_| Failure::unavailable("the service is stopping; send it again when it is back"))?;
    let span = work!("rank");
    let computed = tokio::task::spawn_blocking(move || {
        let (_place, _span) = (place, span.entered());
        compute(&app)
    });
    computed.await.map_err(anyhow::Error::from).and_then(|answer| answer).map_err(|error| Failure::of(&error))
}

/// Recommendations for a user (with a token), or for a visitor's picks.
#[utoipa::path(post, path = "/api/v1/recommendations", tag = "recommendations", request_body = RecommendRequest,
    security((), ("bearer" = ["admin", "operator", "subject"])),
    responses((status = 200, body = Recommendations), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<RecommendRequest>,
) -> Answer<Json<Recommendations>> {
    let asked = understand(&app.service.view(), &caller, &ask)?;
    let mut answers = computed(app, move |app| recommend(&app.service, &[asked])).await?;
    answers.people.pop().map(Json).ok_or_else(Failure::not_found)
}

/// The user of a request. Operators may ask for any user's recommendations, which are
/// not that user's records.
fn user_of(view: &View, caller: &Caller, user: Option<&str>) -> Answer<u32> {
    match (caller.scope, user) {
        (Some(Scope::Operator), Some(id)) => {
            let users = &view.dataset.catalog.users;
            users.find(id).filter(|user| !users.is_deleted(*user)).ok_or_else(|| Failure::no_user(id))
        }
        (Some(Scope::Operator), None) => Err(Failure::bad(NAME_THE_USER)),
        _ => caller.about(view, user),
    }
}

/// Recommendations for many: one request a line, one answer a line, in order.
/// A line that is wrong gets a problem, and the others their answers.
#[utoipa::path(post, path = "/api/v1/recommendations/batch", tag = "recommendations",
    request_body(content = String, content_type = "application/x-ndjson", description = "RecommendRequest a line"),
    security(("bearer" = ["admin", "operator"])),
    responses((status = 200, body = String, content_type = "application/x-ndjson",
        description = "Recommendations or Problem a line"),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem)))]
pub(super) async fn batch(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Answer<Response> {
    caller.operates()?;
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
    // Slices of the body, so that it is kept only once.
    let lines: Vec<Bytes> = lines.map(|line| body.slice_ref(line)).collect();
    let batch = Batch { app, caller, lines, next: 0, ready: VecDeque::new(), head: Head::default() };
    // Fused, since the compression layer may poll again after the end.
    let stream = futures_util::stream::unfold(batch, Batch::line).fuse();
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(stream)).into_response())
}

/// The responses of a batch, computed a few at a time. Each is checked once more when
/// it is sent, so that a slow reader gets nothing that was computed before a deletion
/// that has been acknowledged since.
struct Batch {
    app: Arc<App>,
    caller: Caller,
    lines: Vec<Bytes>,
    /// The index of the line whose response is sent next.
    next: usize,
    /// Responses that are computed.
    ready: VecDeque<Bytes>,
    /// The version of the state that they were computed from.
    head: Head,
}

impl Batch {
    /// The next response, and the rest of the batch; `None` at the end.
    async fn line(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        if self.next >= self.lines.len() || self.app.service.is_stopping() {
            return None;
        }
        if !self.ready.is_empty() && !self.still_good().await {
            self.app.service.metrics().overtaken.inc();
            self.ready.clear();
        }
        if self.ready.is_empty() {
            let last = (self.next + TILE).min(self.lines.len());
            let (app, caller, lines) = (self.app.clone(), self.caller.clone(), self.lines[self.next..last].to_vec());
            let place = self.app.computing.clone().acquire_owned().await.ok()?;
            let computed = tokio::task::spawn_blocking(move || {
                let _place = place;
                answer_tile(&app, &caller, &lines)
            });
            (self.ready, self.head) = computed.await.ok()?;
        }
        let line = self.ready.pop_front()?;
        self.next += 1;
        Some((Ok(line), self))
    }

    async fn still_good(&self) -> bool {
        let (service, head) = (self.app.service.clone(), self.head);
        if !service.is_shared() {
            return service.is_overtaken(head).is_ok_and(|overtaken| !overtaken);
        }
        let looked = tokio::task::spawn_blocking(move || service.is_overtaken(head)).await;
        matches!(looked, Ok(Ok(false)))
    }
}

/// One response per line, and the version of the state that they were computed from.
fn answer_tile(app: &App, caller: &Caller, lines: &[Bytes]) -> (VecDeque<Bytes>, Head) {
    let view = app.service.view();
    let asked: Vec<Answer<Asked>> = lines
        .iter()
        .map(|line| {
            let ask: RecommendRequest = json(line, "the line")?;
            understand(&view, caller, &ask)
        })
        .collect();
    let people: Vec<Asked> = asked.iter().filter_map(|ask| ask.as_ref().ok()).cloned().collect();
    let (mut answers, head, failure) = match recommend(&app.service, &people) {
        Ok(answers) => (answers.people.into_iter(), answers.head, None),
        Err(error) => (Vec::new().into_iter(), view.head, Some(Failure::of(&error).problem())),
    };
    let line = |ask: &Answer<Asked>| {
        let written = match (ask, &failure) {
            (Err(wrong), _) => serde_json::to_vec(&wrong.problem()),
            (Ok(_), Some(failure)) => serde_json::to_vec(failure),
            (Ok(_), None) => serde_json::to_vec(&answers.next()),
        };
        let mut line = written.unwrap_or_default();
        line.push(b'\n');
        Bytes::from(line)
    };
    (asked.iter().map(line).collect(), head)
}
