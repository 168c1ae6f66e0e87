//! A user's own data: read, added to, deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eemu_core::api::{
    AccountRequest, AddRequest, Added, DeleteRequest, DryRun, ExportRequest, Kept, NewInteraction, OwnInteractions,
    OwnRow, OwnRows, Problem, TakeDownRequest, Unlearning, UserRequest,
};
use eemu_core::client::client_catalog;
use eemu_core::data::Role;
use eemu_core::dataset::Dataset;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::App;
use super::caller::Caller;
use super::problem::{Answer, Body, Failure, Query};
use super::unlearning::stands;
use crate::portability::{everything, records};
use crate::serve::command::{Add, Came, Change, Coming, Forget, Wanted};
use crate::serve::requests::owner_of;
use crate::serve::view::View;
use crate::store::NewAudit;

/// The most items in one request.
const MOST_ITEMS: usize = 10_000;

fn items_of<'a>(dataset: &Dataset, ids: impl ExactSizeIterator<Item = &'a String>) -> Answer<Vec<u32>> {
    if ids.len() > MOST_ITEMS {
        return Err(Failure::bad(format!("{} items; send at most {MOST_ITEMS} at once", ids.len())));
    }
    let found = |(place, id): (usize, &String)| {
        dataset.catalog.items.find(id).ok_or_else(|| Failure::no_item(&format!("place {place}, from 0"), id))
    };
    ids.enumerate().map(found).collect()
}

/// Everything that the server knows of what a person did.
#[utoipa::path(post, path = "/api/v1/interactions/list", tag = "personal", request_body = UserRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = OwnInteractions), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<UserRequest>,
) -> Answer<Json<OwnInteractions>> {
    let view = app.service.view();
    let user = caller.about(&view, ask.user.as_deref())?;
    let dataset = at_hand(&app, &view, user).await?;
    Ok(Json(OwnInteractions { interactions: records(&dataset, user) }))
}

/// Everything that is kept about a person, as one file: records with times,
/// features, dates of tokens, and the deletion requests whose names are given.
#[utoipa::path(post, path = "/api/v1/person/export", tag = "personal", request_body = ExportRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = Kept), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<ExportRequest>,
) -> Answer<Json<Kept>> {
    let view = app.service.view();
    let user = caller.about(&view, ask.user.as_deref())?;
    let id = &view.dataset.catalog.users.ids[user as usize];
    let requests: Vec<_> = {
        let known = &view.requests;
        // Another user's request is treated like an unknown one, so that the caller cannot
        // tell them apart.
        let own = |name: &&String| known.find(name).is_some_and(|found| found.owner == Some(owner_of(name, id)));
        ask.requests.iter().filter(own).filter_map(|name| known.find(name)).cloned().collect()
    };
    let dataset = at_hand(&app, &view, user).await?;
    let tokens = app.service.tokens().list().to_vec();
    Ok(Json(everything(&dataset, user, &tokens, &requests)))
}

/// Adds what a person did. Their shards retrain on the operator's schedule.
#[utoipa::path(post, path = "/api/v1/interactions/add", tag = "personal", request_body = AddRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = Added), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<AddRequest>,
) -> Answer<Json<Added>> {
    let view = app.service.view();
    let user = caller.adds_for(&view, ask.user.as_deref())?;
    let items = items_of(&view.dataset, ask.interactions.iter().map(|new| &new.item))?;
    if let Some(place) = items.iter().position(|item| view.dataset.down.binary_search(item).is_ok()) {
        let id = &ask.interactions[place].item;
        return Err(Failure::bad(format!(
            "interactions[{place}]: item '{id}' is taken down for everybody; leave it out"
        )));
    }
    let unbounded = |time: Option<f64>| time.is_some_and(|time| !time.is_finite());
    if let Some(place) = ask.interactions.iter().position(|new| unbounded(new.timestamp)) {
        return Err(Failure::bad(format!(
            "interactions[{place}].timestamp is not a finite number; leave it out if unknown"
        )));
    }
    let coming = |(item, new): (u32, &NewInteraction)| Coming { user: user.clone(), item, timestamp: new.timestamp };
    let records = items.into_iter().zip(&ask.interactions).map(coming).collect();
    let (reply, answer) = oneshot::channel();
    submit(&app, Change::Add(Add { records, by: caller.audit("add records", 200), reply }))?;
    let came = wait(answer).await?;
    if came.contains(&Came::Gone) {
        return Err(Failure::unavailable(
            "the account was deleted meanwhile; add its records again if the person is back",
        ));
    }
    Ok(Json(Added { added: came.iter().filter(|came| **came == Came::Added).count() as u64 }))
}

/// The dataset with this user's whole history in memory.
async fn at_hand(app: &App, view: &View, user: u32) -> Answer<Dataset> {
    let (service, dataset) = (app.service.clone(), view.dataset.clone());
    blocking(move || service.with_people(&dataset, &[user])).await
}

/// Runs a function that blocks, such as a query, on a thread for such work.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| Failure::internal(&panic.into()))?.map_err(|error| Failure::of(&error))
}

pub(super) fn submit(app: &App, change: Change) -> Answer<()> {
    app.service.submit(change).map_err(|error| Failure::unavailable(error.to_string()))
}

pub(super) async fn wait<T>(answer: oneshot::Receiver<anyhow::Result<T>>) -> Answer<T> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::unavailable(error.to_string())),
        Err(_) => Err(Failure::unavailable("the service is stopping; send it again when it is back")),
    }
}

/// Forgets some of what a person did, or all of it. When this answers, the
/// records are gone from disk and no model that saw them answers anybody;
/// unless the operator has deletions carried out together later: then the
/// phase is `accepted`, and `due` says until when.
#[utoipa::path(post, path = "/api/v1/interactions/delete", tag = "personal", request_body = DeleteRequest,
    params(("dry_run" = Option<bool>, Query, description = "say what it would do, and do nothing")),
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = DryRun), (status = 202, body = Unlearning), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(how): Query<How>,
    Body(ask): Body<DeleteRequest>,
) -> Answer<Response> {
    let view = app.service.view();
    let user = caller.about(&view, ask.user.as_deref())?;
    let ways = [ask.all, !ask.items.is_empty(), ask.before.is_some()];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Err(Failure::bad("name the items, or set all to true, or give before: one of the three"));
    }
    if ask.before.is_some_and(|time| !time.is_finite()) {
        return Err(Failure::bad("before is not a finite number; give a time in the data's own unit"));
    }
    let items = if ask.items.is_empty() { None } else { Some(items_of(&view.dataset, ask.items.iter())?) };
    let wanted = Wanted { user: Some(user), items, before: ask.before, account: false };
    if how.dry_run {
        return dry_run(&app, wanted).await;
    }
    forget(&app, wanted, caller.audit("delete records", ACCEPTED)).await
}

/// How a deletion is meant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Say what it would do, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Deletes a person's account: every record, every feature, the name, every
/// token. Cut by person, the one shard that held the account retrains; cut by
/// record usually all do, and until then answers are popularity.
#[utoipa::path(post, path = "/api/v1/account/delete", tag = "personal", request_body = AccountRequest,
    params(("dry_run" = Option<bool>, Query, description = "say what it would do, and do nothing")),
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = DryRun), (status = 202, body = Unlearning), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn delete_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(how): Query<How>,
    Body(ask): Body<AccountRequest>,
) -> Answer<Response> {
    let view = app.service.view();
    let user = caller.about(&view, ask.user.as_deref())?;
    let wanted = Wanted { user: Some(user), items: None, before: None, account: true };
    if how.dry_run {
        return dry_run(&app, wanted).await;
    }
    forget(&app, wanted, caller.audit("delete an account", ACCEPTED)).await
}

/// Takes an item down for everybody: it is in no list from then on, its records
/// go, and the shards that held them retrain. It does not come back.
#[utoipa::path(post, path = "/api/v1/items/take-down", tag = "operating", request_body = TakeDownRequest,
    params(("dry_run" = Option<bool>, Query, description = "say what it would do, and do nothing")),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = DryRun), (status = 202, body = Unlearning), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn take_down(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(how): Query<How>,
    Body(ask): Body<TakeDownRequest>,
) -> Answer<Response> {
    caller.administers()?;
    let view = app.service.view();
    let items = items_of(&view.dataset, std::iter::once(&ask.item))?;
    let wanted = Wanted { user: None, items: Some(items), before: None, account: false };
    if how.dry_run {
        return dry_run(&app, wanted).await;
    }
    forget(&app, wanted, caller.audit("take an item down", ACCEPTED)).await
}

async fn dry_run(app: &App, wanted: Wanted) -> Answer<Response> {
    let service = app.service.clone();
    Ok(Json(blocking(move || service.dry_run(&wanted)).await?).into_response())
}

/// The status of a deletion that is made or deferred.
const ACCEPTED: u16 = StatusCode::ACCEPTED.as_u16();

async fn forget(app: &App, wanted: Wanted, by: Option<NewAudit>) -> Answer<Response> {
    let (reply, answer) = oneshot::channel();
    submit(app, Change::Forget(Forget { wanted, by, reply }))?;
    let name = wait(answer).await?;
    let standing = stands(&app.service, &name).ok_or_else(Failure::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(standing)).into_response())
}

/// A person's own row of every live model, and their features: what a browser
/// needs beside the model files to compute as the server does.
#[utoipa::path(post, path = "/api/v1/rows", tag = "personal", request_body = UserRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 200, body = OwnRows), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn rows(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<UserRequest>,
) -> Answer<Json<OwnRows>> {
    let view = app.service.view();
    let user = caller.about(&view, ask.user.as_deref())?;
    let dataset = &at_hand(&app, &view, user).await?;
    let own: Vec<u32> = dataset.items(user, Role::Train).iter().map(|&item| dataset.shard_of(user, item)).collect();
    let rows = view
        .models()
        .map(|model| {
            Ok(OwnRow {
                shard: model.live.shard,
                version: model.live.version,
                known: own.contains(&model.live.shard),
                row: model.row(dataset, user)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()
        .map_err(|error| Failure::internal(&error))?;
    let users = client_catalog(&dataset.catalog, &dataset.config, &[user]).users;
    Ok(Json(OwnRows { dense: users.dense(), users, rows }))
}
