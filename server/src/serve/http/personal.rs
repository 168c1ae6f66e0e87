//! A person's own data: seen, added to, deleted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eemu_core::api::{
    AccountRequest, AddRequest, Added, DeleteRequest, OwnInteraction, OwnInteractions, OwnRow, OwnRows, Problem,
    Unlearning, UserRequest,
};
use eemu_core::client::client_catalog;
use eemu_core::dataset::Role;
use eemu_core::world::World;
use tokio::sync::oneshot;

use super::App;
use super::caller::Caller;
use super::problem::{Answer, Body, Failure};
use super::unlearning::stands;
use crate::serve::writer::{Add, Change, Forget};

/// Items of one request at most.
const MOST_ITEMS: usize = 10_000;

fn items_of<'a>(world: &World, ids: impl ExactSizeIterator<Item = &'a String>) -> Answer<Vec<u32>> {
    if ids.len() > MOST_ITEMS {
        return Err(Failure::bad(format!("at most {MOST_ITEMS} items at once")));
    }
    // The item is not named: messages reach logs.
    let unknown = || Failure::bad("an item is not in the catalogue");
    ids.map(|id| world.catalog.items.find(id).ok_or_else(unknown)).collect()
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
    let snapshot = app.service.snapshot();
    let user = caller.about(&snapshot, ask.user.as_deref())?;
    let (records, items) = (&snapshot.world.interactions, &snapshot.world.catalog.items);
    let trained = snapshot.world.items(user, Role::Train);
    let interactions = records
        .of(user)
        .iter()
        .map(|r| OwnInteraction {
            item: items.ids[r.item as usize].clone(),
            name: items.name(r.item).to_owned(),
            timestamp: r.timestamp,
            shard: trained.contains(&r.item).then(|| snapshot.world.shard_of(user, r.item)),
        })
        .collect();
    Ok(Json(OwnInteractions { interactions }))
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
    let snapshot = app.service.snapshot();
    let user = caller.about(&snapshot, ask.user.as_deref())?;
    let items = items_of(&snapshot.world, ask.interactions.iter().map(|new| &new.item))?;
    if ask.interactions.iter().any(|new| new.timestamp.is_some_and(|time| !time.is_finite())) {
        return Err(Failure::bad("a timestamp is not a finite number"));
    }
    let records = items.into_iter().zip(ask.interactions.iter().map(|new| new.timestamp)).collect();
    let (reply, answer) = oneshot::channel();
    submit(&app, Change::Add(Add { user, records, reply }))?;
    Ok(Json(Added { added: wait(answer).await? }))
}

fn submit(app: &App, change: Change) -> Answer<()> {
    app.service.submit(change).map_err(|error| Failure::unavailable(error.to_string()))
}

async fn wait<T>(answer: oneshot::Receiver<anyhow::Result<T>>) -> Answer<T> {
    match answer.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::unavailable(error.to_string())),
        Err(_) => Err(Failure::unavailable("the service is stopping")),
    }
}

/// Forgets some of what a person did, or all of it. When this answers, the
/// records are gone from disk and no model that saw them answers anybody.
#[utoipa::path(post, path = "/api/v1/interactions/delete", tag = "personal", request_body = DeleteRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 202, body = Unlearning), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<DeleteRequest>,
) -> Answer<Response> {
    let snapshot = app.service.snapshot();
    let user = caller.about(&snapshot, ask.user.as_deref())?;
    if ask.all != ask.items.is_empty() {
        return Err(Failure::bad("name the items, or set all to true: one of both"));
    }
    let items = if ask.all { None } else { Some(items_of(&snapshot.world, ask.items.iter())?) };
    let user_id = snapshot.world.catalog.users.ids[user as usize].clone();
    drop(snapshot);
    forget(&app, user, user_id, items, false).await
}

/// Deletes a person's account: every record, every feature, the name, every
/// token. Cut by person, the one shard that held the account retrains; cut by
/// record usually all do, and until then answers are popularity.
#[utoipa::path(post, path = "/api/v1/account/delete", tag = "personal", request_body = AccountRequest,
    security(("bearer" = ["admin", "subject"])),
    responses((status = 202, body = Unlearning), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn delete_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(ask): Body<AccountRequest>,
) -> Answer<Response> {
    let snapshot = app.service.snapshot();
    let user = caller.about(&snapshot, ask.user.as_deref())?;
    let user_id = snapshot.world.catalog.users.ids[user as usize].clone();
    drop(snapshot);
    forget(&app, user, user_id, None, true).await
}

async fn forget(app: &App, user: u32, user_id: String, items: Option<Vec<u32>>, account: bool) -> Answer<Response> {
    let (reply, answer) = oneshot::channel();
    submit(app, Change::Forget(Forget { user, user_id, items, account, reply }))?;
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
    let snapshot = app.service.snapshot();
    let world = &snapshot.world;
    let user = caller.about(&snapshot, ask.user.as_deref())?;
    let own: Vec<u32> = world.items(user, Role::Train).iter().map(|&item| world.shard_of(user, item)).collect();
    let rows = snapshot
        .models()
        .map(|model| {
            Ok(OwnRow {
                shard: model.live.shard,
                version: model.live.version,
                known: own.contains(&model.live.shard),
                row: model.row(world, user)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()
        .map_err(|error| Failure::internal(&error))?;
    let users = client_catalog(&world.catalog, &world.config, &[user]).users;
    Ok(Json(OwnRows { dense: users.dense(), users, rows }))
}
