//! The layers around every handler: rate limits, time limits, security headers,
//! compression, counters and one log line.
//!
//! A log line has the method, the route as declared (never the requested path), the
//! status and the time. It has no body, no token and no request's name.

use std::any::Any;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use governor::clock::DefaultClock;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::timeout::TimeoutLayer;
use tracing::{Instrument as _, info};

use super::caller::{Caller, bearer};
use super::problem::{DATABASE, Failure};
use super::{App, HttpOptions};
use crate::serve::traces;

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Counts the requests of each caller: of one token, or of one address.
pub struct Limits(Option<RateLimiter<[u8; 32], DashMapStateStore<[u8; 32]>, DefaultClock>>);

impl Limits {
    /// Allows this many requests per second, and as many at once; 0 means no limit.
    pub fn new(rate: u32) -> Self {
        Self(NonZeroU32::new(rate).map(|rate| RateLimiter::keyed(Quota::per_second(rate))))
    }

    /// Whether the caller may make one more request now. Only a token for which `known` is
    /// true has a rate of its own; invented tokens share their address's rate.
    fn allow(&self, request: &Request, known: impl Fn(&str) -> bool) -> bool {
        let Some(limiter) = &self.0 else { return true };
        let mut hasher = blake3::Hasher::new();
        let token = request.headers().get(header::AUTHORIZATION).and_then(bearer).filter(|token| known(token));
        match (token, request.extensions().get::<Peer>()) {
            (Some(token), _) => hasher.update(b"token").update(token.as_bytes()),
            (None, Some(Peer(address))) => hasher.update(b"address").update(address.to_string().as_bytes()),
            (None, None) => hasher.update(b"nobody"),
        };
        if limiter.len() > 100_000 {
            limiter.retain_recent();
        }
        limiter.check_key(hasher.finalize().as_bytes()).is_ok()
    }
}

pub(super) fn around(
    router: Router<Arc<App>>,
    app: &Arc<App>,
    options: &HttpOptions,
    scripts: &[String],
) -> Router<Arc<App>> {
    let policies = Arc::new(Policies::new(scripts));
    // Compression gains nothing for model files, and range requests would lose by it.
    let worth = DefaultPredicate::new().and(NotForContentType::const_new("application/octet-stream"));
    router
        .layer(from_fn_with_state(app.clone(), fresh))
        .layer(from_fn_with_state(app.clone(), audit))
        .layer(CompressionLayer::new().compress_when(worth))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_secs(options.timeout.max(1))))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), limit))
        .layer(from_fn(move |request: Request, next: Next| {
            let policies = policies.clone();
            async move { policies.dress(request, next).await }
        }))
        .layer(from_fn_with_state(app.clone(), count))
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Failure::internal(&anyhow::anyhow!("a handler panicked")).into_response()
}

async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let known = |token: &str| {
        let mut tokens = app.service.tokens();
        // If the tokens cannot be read, no token is known; the handler reports the error.
        app.sign_in.as_ref().is_some_and(|issuer| issuer.knows(token))
            || tokens.find(token).is_some()
            || (tokens.refresh().is_ok() && tokens.find(token).is_some())
    };
    // Health checks are never refused.
    if ["/healthz", "/readyz"].contains(&request.uri().path()) || app.limits.allow(&request, known) {
        next.run(request).await
    } else {
        Failure::too_many().into_response()
    }
}

/// Where several servers share a database, waits until the view is no older than the
/// request.
async fn fresh(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.service.is_shared() && request.uri().path() != "/healthz" {
        let service = app.service.clone();
        let looked = tokio::task::spawn_blocking(move || service.freshen()).await;
        if let Err(error) = looked.map_err(anyhow::Error::from).and_then(|looked| looked) {
            tracing::error!("the database does not say how far it is: {error:#}");
            return Failure::unavailable(DATABASE).into_response();
        }
    }
    next.run(request).await
}

/// The requests that are audited, by route. The status is the one with which the run
/// loop writes the entry itself, together with the change.
const AUDITED: [(&str, &str, Option<u16>); 12] = [
    ("/api/v1/interactions/list", "read records", None),
    ("/api/v1/person/export", "export a person", None),
    ("/api/v1/rows", "read rows of models", None),
    ("/api/v1/interactions/add", "add records", Some(200)),
    ("/api/v1/interactions/delete", "delete records", Some(202)),
    ("/api/v1/account/delete", "delete an account", Some(202)),
    ("/api/v1/items/take-down", "take an item down", Some(202)),
    ("/api/v1/retrain", "retrain", None),
    ("/api/v1/audit", "read the audit log", None),
    ("/api/v1/tokens", "make a token", None),
    ("/api/v1/tokens/list", "list tokens", None),
    ("/api/v1/tokens/revoke", "revoke a token", None),
];

/// Writes who made what kind of request to the audit log. A caller without a known
/// token is anonymous and gets no entry.
async fn audit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let Some(&(_, kind, noted)) = AUDITED.iter().find(|(path, ..)| *path == route) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await.ok();
    let response = next.run(Request::from_parts(parts, body)).await;
    let status = response.status().as_u16();
    if noted != Some(status)
        && let Some(entry) = caller.and_then(|caller| caller.audit(kind, status))
    {
        app.service.audit(entry);
    }
    response
}

async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(files)".to_owned(), |path| path.as_str().to_owned());
    let span = traces::request(method.as_str(), &route, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    traces::answered(&span, response.status().as_u16());
    let (status, seconds) = (response.status(), start.elapsed().as_secs_f64());
    app.service.metrics().answered(&route, status.as_u16(), seconds);
    info!(%method, route, status = status.as_u16(), milliseconds = (seconds * 1e3) as u64, "answered");
    // Layers that respond themselves give a bare status, without a problem document.
    let bare = response.status().is_client_error() || response.status().is_server_error();
    if bare && !response.headers().contains_key(header::CONTENT_TYPE) && status != StatusCode::RANGE_NOT_SATISFIABLE {
        return with_headers(Failure::of_status(status).into_response(), response.headers());
    }
    response
}

fn with_headers(mut response: Response, headers: &header::HeaderMap) -> Response {
    for (name, value) in headers {
        if name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name.clone(), value.clone());
        }
    }
    response
}

/// Security headers.
struct Policies {
    app: HeaderValue,
    docs: HeaderValue,
}

impl Policies {
    fn new(scripts: &[String]) -> Self {
        let hashes: String = scripts.iter().map(|hash| format!(" 'sha256-{hash}'")).collect();
        let app = format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{hashes}; worker-src 'self'; style-src 'self'; \
             img-src 'self' data:; font-src 'self'; manifest-src 'self'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        );
        let docs = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        Self {
            // The hashes are base64, so this cannot fail. If it did, no script would run.
            app: HeaderValue::from_str(&app).unwrap_or(HeaderValue::from_static("default-src 'none'")),
            docs: HeaderValue::from_static(docs),
        }
    }

    async fn dress(&self, request: Request, next: Next) -> Response {
        let path = request.uri().path();
        let policy = if path.starts_with("/docs") { &self.docs } else { &self.app };
        let secret = path.starts_with("/api") || path == "/metrics";
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if secret {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}
