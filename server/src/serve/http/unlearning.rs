//! The progress of a deletion: status, events, receipt.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use eemu_core::api::{Erasure, Phase, Problem, Progress, Unlearning};
use eemu_core::receipt::ReceiptFile;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::App;
use super::caller::Caller;
use super::problem::{Answer, Failure, Name};
use crate::clock::now_exactly;
use crate::serve::handle::Handle;
use crate::serve::requests::owner_of;
use crate::serve::standing::{furthest, missing as missing_shards};
use crate::serve::tokens::Scope;

/// The time between events when nothing changes, so that clients see that the server is
/// alive.
const QUIET: Duration = Duration::from_secs(10);

/// The status of a request.
pub(super) fn stands(service: &Handle, name: &str) -> Option<Unlearning> {
    let view = service.view();
    if let Some(accepted) = view.requests.deferred(name) {
        return Some(Unlearning {
            id: name.to_owned(),
            phase: Phase::Accepted,
            due: Some(accepted.due as u64),
            removed: 0,
            shards: 0,
            shards_done: 0,
            progress: Vec::new(),
            estimated_seconds: (accepted.due - now_exactly()).max(0.0) as u64,
            receipt_index: None,
            erasure: Erasure { asked: accepted.asked as u64, ..Erasure::default() },
        });
    }
    let request = view.requests.find(name)?;
    let live = view.versions();
    let waiting: Vec<u32> = missing_shards(request, &live).collect();
    let now = Instant::now();
    let progress: Vec<Progress> = waiting.iter().map(|&shard| view.schedule.standing(shard, now)).collect();
    let answered = request.receipt.is_some() || request.removed == 0;
    let phase = if request.is_done(&live) || request.receipt.is_some() {
        if answered { Phase::Done } else { Phase::Publishing }
    } else {
        furthest(&waiting, &view.schedule, now)
    };
    let done = phase == Phase::Done;
    Some(Unlearning {
        id: name.to_owned(),
        phase,
        due: None,
        removed: request.removed,
        shards: request.shards.len() as u32,
        shards_done: (request.shards.len() - if done { 0 } else { waiting.len() }) as u32,
        estimated_seconds: if done { 0 } else { service.estimate(&waiting) },
        progress: if done { Vec::new() } else { progress },
        receipt_index: request.receipt.map(|id| id - 1),
        erasure: Erasure {
            asked: request.created as u64,
            overwritten: request.overwritten.map(|time| time as u64),
            compacted: request.compacted.map(|time| time as u64),
            compacted_by: request
                .overwritten
                .filter(|_| request.compacted.is_none())
                .map(|time| time as u64 + service.options().erase_within.as_secs()),
        },
    })
}

/// Checks that a caller may follow a request. A request without an owner belongs to a
/// deleted account, which has no tokens any more; whoever knows the request's name may
/// follow it.
fn check(app: &App, caller: &Caller, name: &str) -> Answer<()> {
    let view = app.service.view();
    let request = view.requests.find(name).map(|request| request.owner);
    // Of a deferred request nothing is known but its name.
    let accepted = view.requests.deferred(name).map(|_| None);
    let owner = request.or(accepted).ok_or_else(|| missing(caller))?;
    match (owner, caller.scope) {
        (None, _) | (Some(_), Some(Scope::Admin)) => Ok(()),
        (Some(_), None) => Err(Failure::unauthorized()),
        (Some(owner), Some(Scope::Subject(user))) => {
            let id = view.dataset.catalog.users.ids.get(user as usize);
            let own = id.is_some_and(|id| owner_of(name, id) == owner);
            if own { Ok(()) } else { Err(Failure::not_found()) }
        }
        (Some(_), Some(Scope::Operator)) => Err(not_an_operators()),
    }
}

/// Answers 404 both for an unknown request and for another user's, so that the caller
/// cannot tell them apart.
fn missing(caller: &Caller) -> Failure {
    match caller.scope {
        None => Failure::unauthorized(),
        Some(Scope::Operator) => not_an_operators(),
        Some(Scope::Subject(_)) => Failure::not_found(),
        Some(Scope::Admin) => Failure::missing(
            "there is no deletion request of this name: check it; one is forgotten 30 days after its receipt",
        ),
    }
}

fn not_an_operators() -> Failure {
    Failure::forbidden("an operator's", "an administrator's or the person's own")
}

/// Where a deletion stands.
#[utoipa::path(get, path = "/api/v1/unlearning/{id}", tag = "personal",
    params(("id" = String, Path, description = "the request's name, as it was answered")),
    // A deleted account has no token, so the request's name is enough.
    security((), ("bearer" = ["admin", "subject"])),
    responses((status = 200, body = Unlearning), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn status(State(app): State<Arc<App>>, caller: Caller, Name(name): Name) -> Answer<Json<Unlearning>> {
    check(&app, &caller, &name)?;
    stands(&app.service, &name).map(Json).ok_or_else(Failure::not_found)
}

/// A deletion's progress as server-sent events: the event is the phase, its
/// data what the status says. Ends after `done`.
#[utoipa::path(get, path = "/api/v1/unlearning/{id}/events", tag = "personal",
    params(("id" = String, Path, description = "the request's name, as it was answered")),
    // A deleted account has no token, so the request's name is enough.
    security((), ("bearer" = ["admin", "subject"])),
    responses((status = 200, content_type = "text/event-stream"), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    check(&app, &caller, &name)?;
    let (send, receive) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut ticks = app.service.ticks();
        let mut last: Option<Unlearning> = None;
        while let Some(now) = stands(&app.service, &name) {
            let seen = |u: &Unlearning| (u.phase, u.shards_done, u.progress.clone(), u.erasure);
            if last.as_ref().map(seen) != Some(seen(&now)) {
                let event = Event::default().event(word(now.phase));
                let Ok(event) = event.json_data(&now) else { break };
                if send.send(Ok(event)).await.is_err() {
                    break;
                }
            }
            if now.phase == Phase::Done || app.service.is_stopping() {
                break;
            }
            last = Some(now);
            tokio::select! {
                moved = ticks.changed() => if moved.is_err() { break },
                () = tokio::time::sleep(QUIET) => {}
                () = send.closed() => break,
            }
        }
    });
    Ok(Sse::new(ReceiverStream::new(receive)).keep_alive(KeepAlive::new().interval(QUIET)))
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "accepted",
        Phase::Queued => "queued",
        Phase::Settling => "settling",
        Phase::Retraining => "retraining",
        Phase::Publishing => "publishing",
        Phase::Done => "done",
    }
}

/// The receipt of a deletion that is done: a file that proves itself.
#[utoipa::path(get, path = "/api/v1/unlearning/{id}/receipt", tag = "personal",
    params(("id" = String, Path, description = "the request's name, as it was answered")),
    // A deleted account has no token, so the request's name is enough.
    security((), ("bearer" = ["admin", "subject"])),
    responses((status = 200, body = ReceiptFile), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn receipt(
    State(app): State<Arc<App>>,
    caller: Caller,
    Name(name): Name,
) -> Answer<Json<ReceiptFile>> {
    check(&app, &caller, &name)?;
    let view = app.service.view();
    let receipt = view.requests.find(&name).and_then(|request| request.receipt);
    let index = receipt.ok_or_else(|| {
        Failure::missing("there is no receipt yet; ask for the request's status until its phase is done")
    })? - 1;
    view.log.file(index).map(Json).ok_or_else(Failure::not_found)
}
