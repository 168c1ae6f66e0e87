//! The receipt log: entries, proofs, the signed checkpoint.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use eemu_core::api::{ConsistencyProof, InclusionProof, LogEntries, LogPage, Problem};
use eemu_core::receipt::Checkpoint;
use serde::Deserialize;

use super::App;
use super::problem::{Answer, Failure, Query};

/// The most entries on a page.
const LONGEST_PAGE: u64 = 1000;

/// The signed state of the log.
#[utoipa::path(get, path = "/api/v1/log/checkpoint", tag = "log", responses((status = 200, body = Checkpoint)))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Json<Checkpoint> {
    Json(app.service.view().log.checkpoint().clone())
}

/// Entries of the log, as text: the leaves of the tree.
#[utoipa::path(get, path = "/api/v1/log/entries", tag = "log", params(LogPage),
    responses((status = 200, body = LogEntries), (status = 400, body = Problem)))]
pub(super) async fn entries(State(app): State<Arc<App>>, Query(page): Query<LogPage>) -> Json<LogEntries> {
    let ledger = &app.service.view().log;
    let count = page.count.unwrap_or(100).min(LONGEST_PAGE);
    let entries = ledger.log().lines(page.from, count).map(str::to_owned).collect();
    Json(LogEntries { from: page.from, entries, checkpoint: ledger.checkpoint().clone() })
}

/// Which entry, in a log of which size.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Inclusion {
    /// Place of the entry, from 0.
    index: u64,
    /// Size of the log; its size now when left out.
    size: Option<u64>,
}

/// Proof that an entry is in the log.
#[utoipa::path(get, path = "/api/v1/log/inclusion", tag = "log", params(Inclusion),
    responses((status = 200, body = InclusionProof), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn inclusion(
    State(app): State<Arc<App>>,
    Query(ask): Query<Inclusion>,
) -> Answer<Json<InclusionProof>> {
    let ledger = &app.service.view().log;
    let now = ledger.log().len();
    let size = ask.size.unwrap_or(now);
    let missing = || {
        let index = ask.index;
        Failure::missing(format!("no log of {size} has an entry {index}; give an index below a size of at most {now}"))
    };
    let proof = ledger.log().inclusion(ask.index, size).ok_or_else(missing)?;
    let entry = ledger.log().line(ask.index).ok_or_else(missing)?.to_owned();
    let checkpoint = ledger.signed(size).ok_or_else(missing)?;
    Ok(Json(InclusionProof { index: ask.index, entry, proof, checkpoint }))
}

/// Between which sizes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// The smaller size, 1 or more.
    from: u64,
    /// The greater size; the log's size now when left out.
    to: Option<u64>,
}

/// Proof that the log only grew between two sizes.
#[utoipa::path(get, path = "/api/v1/log/consistency", tag = "log", params(Sizes),
    responses((status = 200, body = ConsistencyProof), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    Query(ask): Query<Sizes>,
) -> Answer<Json<ConsistencyProof>> {
    let ledger = &app.service.view().log;
    let now = ledger.log().len();
    let to = ask.to.unwrap_or(now);
    let missing = || {
        let from = ask.from;
        Failure::missing(format!(
            "the log did not grow from {from} to {to}; give sizes from 1 to {now}, the smaller first"
        ))
    };
    let proof = ledger.log().consistency(ask.from, to).ok_or_else(missing)?;
    let signed = |size| ledger.signed(size).ok_or_else(missing);
    Ok(Json(ConsistencyProof { earlier: signed(ask.from)?, later: signed(to)?, proof }))
}
