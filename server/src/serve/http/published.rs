//! What everybody may read: manifest, catalogue, model files.

use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::Range;
use axum_extra::typed_header::TypedHeaderRejection;
use eemu_core::api::{CatalogItem, CatalogPage, Manifest, Problem, ShardEntry};
use serde::Deserialize;

use super::App;
use super::problem::{Answer, Failure, Name, Query};
use crate::clock::now;
use crate::serve::handle::Handle;

/// Seconds that a client may use a manifest.
const VALID: u64 = 24 * 3600;
/// The most items on a page.
const LONGEST_PAGE: u32 = 1000;

/// The manifest of the ensemble as it is now.
fn describe(service: &Handle) -> Manifest {
    let view = service.view();
    let dataset = &view.dataset;
    let mut config = dataset.config.clone();
    // Whoever knows the seed can compute which shard holds a record, so it is not
    // published.
    config.train.seed = 0;
    let shards = view
        .shards
        .iter()
        .map(|view| {
            let live = view.model.as_ref().map(|model| &model.live);
            ShardEntry {
                shard: view.shard.index,
                version: live.map(|l| l.version),
                in_mean: live.is_some_and(|live| dataset.has_voice(live.shard)),
                stale: view.shard.stale,
                model_blake3: live.map(|l| l.model_blake3.clone()),
                nonce: live.map(|l| hex::encode(l.nonce.0)),
                salt: live.map(|l| hex::encode(l.salt.0)),
                fingerprint: live.and_then(|l| serde_json::from_str(&l.fingerprint).ok()),
                files: view.model.iter().flat_map(|m| &m.files).map(|(file, _)| file.clone()).collect(),
            }
        })
        .collect();
    Manifest {
        format: 1,
        // Both only rise, so their sum does.
        generation: view.generation + service.hiding().revision(),
        dataset: dataset.catalog.dataset.clone(),
        catalog_version: dataset.catalog.version,
        catalog_blake3: view.public.json_blake3.clone(),
        dense_blake3: view.public.dense_blake3.clone(),
        degree_classes: view.classes.to_vec(),
        items_down: service.hiding().closed(&view).to_vec(),
        shards_total: dataset.config.train.shards,
        config,
        adaptation_key: hex::encode(view.adaptation_key.to_bytes()),
        valid_until: now() + VALID,
        degraded: view.voices().next().is_none(),
        shards,
        checkpoint: view.log.checkpoint().clone(),
    }
}

/// The ensemble as it is now: shards, versions, client files, degree classes.
#[utoipa::path(get, path = "/api/v1/manifest", tag = "published",
    responses((status = 200, body = Manifest)))]
pub(super) async fn manifest(State(app): State<Arc<App>>) -> Json<Manifest> {
    Json(describe(&app.service))
}

/// The whole catalogue: items with names and features, and people's columns
/// and vocabularies without people.
#[utoipa::path(get, path = "/api/v1/catalog", tag = "published",
    responses((status = 200, body = Object, content_type = "application/json")))]
pub(super) async fn catalog(State(app): State<Arc<App>>) -> Response {
    let json = app.service.view().public.json.clone();
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Which items.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// First item, from 0.
    #[serde(default)]
    offset: u32,
    /// How many; 100 when left out, 1000 at most.
    limit: Option<u32>,
}

/// A page of the catalogue's items.
#[utoipa::path(get, path = "/api/v1/catalog/items", tag = "published", params(Page),
    responses((status = 200, body = CatalogPage), (status = 400, body = Problem)))]
pub(super) async fn catalog_items(State(app): State<Arc<App>>, Query(page): Query<Page>) -> Json<CatalogPage> {
    let view = app.service.view();
    let items = &view.dataset.catalog.items;
    let total = items.len() as u32;
    let first = page.offset.min(total);
    let last = first.saturating_add(page.limit.unwrap_or(100).min(LONGEST_PAGE)).min(total);
    let item =
        |index: u32| CatalogItem { index, id: items.ids[index as usize].clone(), name: items.name(index).to_owned() };
    Json(CatalogPage { total, offset: page.offset, items: (first..last).map(item).collect() })
}

/// The catalogue's dense features, as safetensors.
#[utoipa::path(get, path = "/api/v1/catalog/dense", tag = "published",
    responses((status = 200, content_type = "application/octet-stream")))]
pub(super) async fn catalog_dense(State(app): State<Arc<App>>) -> Response {
    let dense = app.service.view().public.dense.clone();
    ([(header::CONTENT_TYPE, "application/octet-stream")], dense).into_response()
}

/// A client file that the manifest lists, whole or in ranges. Never stored by
/// caches: the client alone keeps it, until the manifest no longer lists it.
#[utoipa::path(get, path = "/api/v1/models/{blake3}", tag = "published",
    params(("blake3" = String, Path, description = "BLAKE3 of the file, hex"),
        ("Range" = Option<String>, Header, description = "one range of bytes")),
    responses((status = 200, content_type = "application/octet-stream"),
        (status = 206, content_type = "application/octet-stream"),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 416)))]
pub(super) async fn model(
    State(app): State<Arc<App>>,
    Name(blake3): Name,
    // A range that cannot be parsed is ignored (RFC 9110, 14.2).
    range: Result<TypedHeader<Range>, TypedHeaderRejection>,
    headers: HeaderMap,
) -> Answer<Response> {
    let bytes = app.service.view().file(&blake3).ok_or_else(Failure::not_found)?;
    let etag = format!("\"{blake3}\"");
    // A range of another version of the file is of no use.
    let same = headers.get(header::IF_RANGE).is_none_or(|wanted| wanted.as_bytes() == etag.as_bytes());
    let mut response = match range.ok().filter(|_| same) {
        Some(TypedHeader(range)) => part(&bytes, &range),
        None => bytes.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

fn part(bytes: &Bytes, range: &Range) -> Response {
    let total = bytes.len() as u64;
    let mut wanted = range.satisfiable_ranges(total);
    let (first, more) = (wanted.next(), wanted.next());
    let ends = |from: Bound<u64>, to: Bound<u64>| {
        let from = match from {
            Bound::Included(n) => n,
            Bound::Excluded(n) => n.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let to = match to {
            Bound::Included(n) => n.checked_add(1)?,
            Bound::Excluded(n) => n,
            Bound::Unbounded => total,
        };
        (from < to.min(total)).then_some((from, to.min(total)))
    };
    match first.and_then(|(from, to)| ends(from, to)) {
        // A request for several ranges gets the whole file.
        Some(_) if more.is_some() => bytes.clone().into_response(),
        Some((from, to)) => {
            let described = format!("bytes {from}-{}/{total}", to - 1);
            let body = bytes.slice(from as usize..to as usize);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, described)], body).into_response()
        }
        None => {
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{total}"))]).into_response()
        }
    }
}
