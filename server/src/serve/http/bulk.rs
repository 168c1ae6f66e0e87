//! Endpoints that take many lines in one request: records of many users, and items of
//! the catalogue.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use eemu_core::api::{BulkInteraction, ItemRow, JSON_LINES, LineAnswer, LineStatus, MOST_LINES, Problem};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::App;
use super::caller::Caller;
use super::personal::{submit, wait};
use super::problem::{Answer, Failure};
use crate::identifier::check;
use crate::serve::command::{Add, AddItems, Came, Change, Coming, Whose};
use crate::serve::view::View;

/// A line's number, and its value or what is wrong with it. The message quotes nothing
/// of the line, since bodies hold identifiers and answers are logged.
type Read<T> = (u64, Result<T, &'static str>);

/// The lines of a body that are not blank.
fn lines<T: DeserializeOwned>(body: &Bytes, shape: &'static str) -> Answer<Vec<Read<T>>> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Failure::bad("the body is no UTF-8 text; send JSON Lines as UTF-8. Nothing was taken in"))?;
    let mut read = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        if read.len() >= MOST_LINES {
            return Err(Failure::bad(format!(
                "more than {MOST_LINES} lines; send at most so many at once. Nothing was taken in"
            )));
        }
        read.push((number, serde_json::from_str(line).map_err(|_| shape)));
    }
    Ok(read)
}

fn told(answers: &[LineAnswer]) -> Answer<Response> {
    let mut text = Vec::with_capacity(answers.len() * 32);
    for answer in answers {
        serde_json::to_writer(&mut text, answer).map_err(|error| Failure::internal(&error.into()))?;
        text.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, JSON_LINES)], Body::from(text)).into_response())
}

/// The record of a line, or why it cannot be added.
fn coming(view: &View, record: BulkInteraction) -> Result<Coming, &'static str> {
    let dataset = &view.dataset;
    if record.timestamp.is_some_and(|time| !time.is_finite()) {
        return Err("the timestamp is not a finite number; leave it out if unknown");
    }
    let item = dataset
        .catalog
        .items
        .find(&record.item)
        .ok_or("the item is not in the catalogue; add it first (POST /api/v1/items)")?;
    if dataset.down.binary_search(&item).is_ok() {
        return Err("the item is taken down for everybody; leave it out");
    }
    let user = match dataset.catalog.users.find(&record.user).filter(|user| !dataset.catalog.users.is_deleted(*user)) {
        Some(user) => Whose::Known(user),
        None if !dataset.config.model.kind.is_of_items() => {
            return Err("there is no such user, and this model has a table of people; admit them first (`eemu admit`)");
        }
        None => {
            check(&record.user)?;
            Whose::New(record.user)
        }
    };
    Ok(Coming { user, item, timestamp: record.timestamp })
}

/// Adds records of many people: JSON Lines, at most 100,000 of them and 32 MiB.
/// Each line is answered by one, in the same order; a line that is refused
/// keeps none of the others out, and sending the same again changes nothing.
#[utoipa::path(post, path = "/api/v1/interactions/bulk", tag = "operating",
    request_body(content = BulkInteraction, content_type = "application/x-ndjson", description = "one a line"),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = LineAnswer, content_type = "application/x-ndjson", description = "one a line"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn interactions(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Answer<Response> {
    caller.administers()?;
    let read = lines::<BulkInteraction>(&body, "not an object of user, item and perhaps timestamp")?;
    let view = app.service.view();
    let mut answers = Vec::with_capacity(read.len());
    let (mut records, mut places) = (Vec::new(), Vec::new());
    for (line, record) in read {
        match record.and_then(|record| coming(&view, record)) {
            Ok(record) => {
                places.push(answers.len());
                records.push(record);
                answers.push(LineAnswer::new(line, LineStatus::Known));
            }
            Err(problem) => answers.push(LineAnswer::refused(line, problem)),
        }
    }
    if !records.is_empty() {
        let (reply, answer) = oneshot::channel();
        submit(&app, Change::Add(Add { records, by: caller.audit("add records in bulk", 200), reply }))?;
        for (place, came) in places.into_iter().zip(wait(answer).await?) {
            let line = answers[place].line;
            answers[place] = match came {
                Came::Added => LineAnswer::new(line, LineStatus::Added),
                Came::Known => LineAnswer::new(line, LineStatus::Known),
                Came::Gone => {
                    LineAnswer::refused(line, "the account was deleted meanwhile; add it again if the person is back")
                }
            };
        }
    }
    told(&answers)
}

/// Takes items into the catalogue: JSON Lines, at most 100,000 of them and 32
/// MiB. They are in lists at once, beside the items most like them by their
/// features, or else at the end; every shard is trained with them at its next
/// retraining. The catalogue gets a new version. Each line is answered by one,
/// in the same order; an item that is there stays as it is.
#[utoipa::path(post, path = "/api/v1/items", tag = "operating",
    request_body(content = ItemRow, content_type = "application/x-ndjson", description = "one a line"),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = LineAnswer, content_type = "application/x-ndjson", description = "one a line"),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn items(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Answer<Response> {
    caller.administers()?;
    let read = lines::<ItemRow>(&body, "not an object of item and perhaps name and features")?;
    let mut answers = Vec::with_capacity(read.len());
    let (mut items, mut places) = (Vec::new(), Vec::new());
    for (line, item) in read {
        match item {
            Ok(item) => {
                places.push(answers.len());
                items.push(item);
                answers.push(LineAnswer::new(line, LineStatus::Known));
            }
            Err(problem) => answers.push(LineAnswer::refused(line, problem)),
        }
    }
    if !items.is_empty() {
        let (reply, outcomes) = oneshot::channel();
        submit(&app, Change::AddItems(AddItems { items, by: caller.audit("add items", 200), reply }))?;
        for (place, outcome) in places.into_iter().zip(wait(outcomes).await?) {
            answers[place] = LineAnswer::of_item(answers[place].line, outcome);
        }
    }
    told(&answers)
}
