//! The HTTP API, version 1.
//!
//! | file | what it answers |
//! |---|---|
//! | `published`, `log` | what everybody may read |
//! | `personal`, `unlearning` | a user's own data and deletions |
//! | `bulk` | many records, or items, in one request |
//! | `recommending` | recommendations computed on the server |
//! | `listing` | similar, popular and new items; hidden items |
//! | `operating` | health, metrics, the operator's page |
//! | `tokens` | tokens and backups |
//! | `caller` | who calls, and which users they may ask about |
//! | `problem` | the response to a request that fails |
//! | `layers` | limits, headers and log lines around every handler |
//! | `web` | the browser app's files |

mod bulk;
mod caller;
mod layers;
mod listing;
mod log;
mod operating;
mod personal;
mod problem;
mod published;
mod recommending;
mod tokens;
mod unlearning;
mod web;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

pub use layers::{Limits, Peer};

use super::handle::Handle;
use super::sign_in::{Oidc, SignIn};

/// The largest body of a batch, in bytes.
const BATCH_BYTES: usize = 32 << 20;
/// The largest body of any other request, in bytes.
const BODY_BYTES: usize = 1 << 20;

/// What all handlers share.
pub struct App {
    /// Reads the service, and asks it to change.
    pub service: Handle,
    /// Permits for computing recommendations.
    pub(crate) computing: Arc<Semaphore>,
    /// Verifies bearer tokens of an OpenID Connect issuer.
    pub(crate) sign_in: Option<SignIn>,
    limits: Limits,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("service", &self.service).finish_non_exhaustive()
    }
}

/// The options of the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// Requests per second of one caller, and as many at once; 0 means no limit.
    pub rate: u32,
    /// Seconds until the response to a request must begin.
    pub timeout: u64,
    /// Folder of the browser app.
    pub web: Option<PathBuf>,
    /// The OpenID Connect issuer whose tokens are accepted beside eemu's own.
    pub oidc: Option<Oidc>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { rate: 50, timeout: 60, web: None, oidc: None }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "eemu",
        description = "Exact machine unlearning for recommender systems. Identifiers of people travel in bodies only; \
                       an item's also in the query of lists about items."
    ),
    tags(
        (name = "published", description = "What everybody may read"),
        (name = "personal", description = "A person's own data and deletions"),
        (name = "recommendations", description = "Recommendations computed on the server"),
        (name = "log", description = "The append-only log of receipts"),
        (name = "operating", description = "For operators and their machines")
    )
)]
struct Document;

fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(published::manifest))
        .routes(routes!(published::catalog))
        .routes(routes!(published::catalog_items))
        .routes(routes!(published::catalog_dense))
        .routes(routes!(published::model))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::entries))
        .routes(routes!(log::inclusion))
        .routes(routes!(log::consistency))
        .routes(routes!(personal::list))
        .routes(routes!(personal::export))
        .routes(routes!(personal::add))
        .routes(routes!(personal::delete))
        .routes(routes!(personal::delete_account))
        .routes(routes!(personal::take_down))
        .routes(routes!(personal::rows))
        .routes(routes!(bulk::interactions).layer(DefaultBodyLimit::max(BATCH_BYTES)))
        .routes(routes!(bulk::items).layer(DefaultBodyLimit::max(BATCH_BYTES)))
        .routes(routes!(unlearning::status))
        .routes(routes!(unlearning::events))
        .routes(routes!(unlearning::receipt))
        .routes(routes!(recommending::one))
        .routes(routes!(recommending::batch).layer(DefaultBodyLimit::max(BATCH_BYTES)))
        .routes(routes!(listing::similar_items))
        .routes(routes!(listing::popular_items))
        .routes(routes!(listing::new_items))
        .routes(routes!(listing::hidden))
        .routes(routes!(listing::hide))
        .routes(routes!(listing::show))
        .routes(routes!(operating::whoami))
        .routes(routes!(operating::demo))
        .routes(routes!(operating::retrain))
        .routes(routes!(operating::operate))
        .routes(routes!(operating::queue))
        .routes(routes!(operating::audit))
        .routes(routes!(tokens::list))
        .routes(routes!(tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::backups))
        .routes(routes!(operating::metrics))
        .routes(routes!(operating::healthz))
        .routes(routes!(operating::readyz))
}

/// The OpenAPI document, as it is served and committed.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = api().split_for_parts();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of `eemu token create`, or of the issuer that `--oidc-issuer` names; the roles that may ask \
                           stand beside each route",
        ))
        .build();
    document
        .components
        .get_or_insert_with(Default::default)
        .add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for path in document.paths.paths.values_mut() {
        let all = [&mut path.get, &mut path.post];
        all.into_iter().flatten().for_each(document_layers);
    }
    // Paths are relative to the document's own path, two levels below the root.
    document.servers = Some(vec![utoipa::openapi::Server::new("../..")]);
    document
}

/// Adds the responses that any route may give, because of the layers around it.
fn document_layers(operation: &mut Operation) {
    let problem = |status: StatusCode, why: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(why).content("application/json", content).build();
        (status.as_str().to_owned(), RefOr::T(response))
    };
    let answers = &mut operation.responses.responses;
    let mut add = |status, why| {
        let (status, response) = problem(status, why);
        answers.entry(status).or_insert(response);
    };
    add(StatusCode::TOO_MANY_REQUESTS, "more requests in a second than one caller may send");
    add(StatusCode::SERVICE_UNAVAILABLE, "not now; send it again");
    if operation.request_body.is_some() {
        add(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        add(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is of another type");
        add(StatusCode::UNPROCESSABLE_ENTITY, "the body is JSON, and not what is asked for");
    }
}

/// The router with all layers around it.
///
/// # Errors
/// When the folder of the browser app has no page.
pub fn router(service: Handle, options: &HttpOptions) -> anyhow::Result<Router> {
    let app = Arc::new(App {
        computing: Arc::new(Semaphore::new(service.options().serve_jobs.max(1))),
        sign_in: options.oidc.clone().map(SignIn::new).transpose()?,
        limits: Limits::new(options.rate),
        service,
    });
    let (api, _) = api().split_for_parts();
    let document = openapi();
    // The page's own links are relative, so that it works below any path.
    let docs = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .url("/api/v1/openapi.json", document)
        .config(utoipa_swagger_ui::Config::new(["../api/v1/openapi.json"]));
    let docs = Router::from(docs).layer(axum::middleware::map_response(to_the_page));
    let router = api.merge(docs).method_not_allowed_fallback(wrong_method);
    let router = match &options.web {
        Some(folder) => router.fallback_service(web::files(folder)?),
        None => router.fallback(nowhere),
    };
    let scripts = web::inline_scripts(options.web.as_deref())?;
    Ok(layers::around(router.layer(DefaultBodyLimit::max(BODY_BYTES)), &app, options, &scripts).with_state(app))
}

/// Redirects `/docs` to `/docs/`, below whatever path it was requested.
async fn to_the_page(mut response: axum::response::Response) -> axum::response::Response {
    if let Some(to) = response.headers_mut().get_mut(axum::http::header::LOCATION) {
        *to = axum::http::HeaderValue::from_static("docs/");
    }
    response
}

async fn nowhere(uri: axum::http::Uri) -> axum::response::Response {
    if uri.path() == "/" {
        return "eemu: this server runs without the browser app (start it with --web DIR). The API: /docs\n"
            .into_response();
    }
    problem::Failure::not_found().into_response()
}

async fn wrong_method() -> problem::Failure {
    problem::Failure::of_status(StatusCode::METHOD_NOT_ALLOWED)
}
