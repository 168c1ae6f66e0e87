//! The receipt log: entries, proofs, the signed checkpoint.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use eemu_core::api::{ConsistencyProof, InclusionProof, LogEntries, LogPage, Problem};
use eemu_core::receipt::Checkpoint;
use serde::Deserialize;

use super::App;
use super::problem::{Answer, Failure, Query};
use crate::serve::service::lock;

/// Entries of a page at most.
const LONGEST_PAGE: u64 = 1000;

/// The signed state of the log.
#[utoipa::path(get, path = "/api/v1/log/checkpoint", tag = "log", responses((status = 200, body = Checkpoint)))]
pub(super) async fn checkpoint(State(app): State<Arc<App>>) -> Json<Checkpoint> {
    Json(lock(&app.service.ledger).checkpoint().clone())
}

/// Entries of the log, as text: the leaves of the tree.
#[utoipa::path(get, path = "/api/v1/log/entries", tag = "log", params(LogPage),
    responses((status = 200, body = LogEntries), (status = 400, body = Problem)))]
pub(super) async fn entries(State(app): State<Arc<App>>, Query(page): Query<LogPage>) -> Json<LogEntries> {
    let ledger = lock(&app.service.ledger);
    let lines = ledger.log().lines();
    let from = usize::try_from(page.from).unwrap_or(usize::MAX).min(lines.len());
    let count = page.count.unwrap_or(100).min(LONGEST_PAGE) as usize;
    let entries = lines[from..].iter().take(count).cloned().collect();
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
    let ledger = lock(&app.service.ledger);
    let earlier = ask.size.filter(|size| *size != ledger.log().len());
    let Some(size) = earlier else {
        // As it stands the log is proved without a copy of it.
        let proof = ledger.log().inclusion(ask.index).ok_or_else(Failure::not_found)?;
        let entry = ledger.log().lines()[ask.index as usize].clone();
        return Ok(Json(InclusionProof { index: ask.index, entry, proof, checkpoint: ledger.checkpoint().clone() }));
    };
    let (log, checkpoint) = ledger.at(size).ok_or_else(Failure::not_found)?;
    drop(ledger);
    let proof = log.inclusion(ask.index).ok_or_else(Failure::not_found)?;
    let entry = log.lines()[ask.index as usize].clone();
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
    let ledger = lock(&app.service.ledger);
    let (_, earlier) = ledger.at(ask.from).ok_or_else(Failure::not_found)?;
    let Some(to) = ask.to.filter(|to| *to != ledger.log().len()) else {
        let proof = ledger.log().consistency(ask.from).ok_or_else(Failure::not_found)?;
        return Ok(Json(ConsistencyProof { earlier, later: ledger.checkpoint().clone(), proof }));
    };
    let (log, later) = ledger.at(to).ok_or_else(Failure::not_found)?;
    drop(ledger);
    let proof = log.consistency(ask.from).ok_or_else(Failure::not_found)?;
    Ok(Json(ConsistencyProof { earlier, later, proof }))
}
