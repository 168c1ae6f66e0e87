//! What is answered when something is wrong.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eemu_core::api::Problem;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// A handler's result.
pub(super) type Answer<T> = Result<T, Failure>;

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The request cannot be understood.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// No token, or none that is known.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send a token: Authorization: Bearer eemu_...; `eemu token create` makes one",
        )
    }

    /// The token's role may not do this at all.
    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this token's role may not do this")
    }

    /// Not there, or somebody else's: one answer for both.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing, or it is not yours")
    }

    /// Try again later.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Too many requests.
    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "too many requests; wait a second")
    }

    /// A fault of the server; the cause goes to the log, which names nobody.
    pub(super) fn internal(error: &anyhow::Error) -> Self {
        tracing::error!("a request failed: {error:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says more")
    }

    /// What went wrong inside, told apart: a database that does not answer will
    /// again.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref() {
            Some(StoreError::Database(_) | StoreError::BadDatabase(_)) => {
                tracing::error!("a request failed: {error:#}");
                Self::unavailable("the database does not answer")
            }
            _ => Self::internal(error),
        }
    }

    /// The same as what goes over the wire.
    pub(super) fn problem(&self) -> Problem {
        Problem { code: self.code.to_owned(), message: self.message.clone() }
    }

    /// For statuses that layers give.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the body is too large"),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => ("timeout", "the request took too long"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("bad_request", "send Content-Type: application/json"),
            StatusCode::METHOD_NOT_ALLOWED => ("bad_request", "this address takes another method"),
            StatusCode::INTERNAL_SERVER_ERROR => ("internal", "the server failed; its log says more"),
            StatusCode::NOT_FOUND => ("not_found", "there is no such thing, or it is not yours"),
            _ => ("bad_request", "the request cannot be understood"),
        };
        Self::new(status, code, message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// A JSON body. What is wrong with it is said without quoting it: bodies hold
/// identifiers, and messages reach logs.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::JsonDataError(_)) => Err(Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_request",
                "the body has a field too many, \
                     one too few, or one of the wrong type; /docs shows what is expected",
            )),
            Err(JsonRejection::JsonSyntaxError(_)) => Err(Failure::bad("the body is not JSON")),
            Err(other) => Err(Failure::of_status(other.status())),
        }
    }
}

/// Values of the query.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let found: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        found.map(|q| Self(q.0)).map_err(|_| Failure::bad("the query has a value of the wrong kind"))
    }
}

/// The part of the path that names something.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let found: Result<axum::extract::Path<String>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        found.map(|name| Self(name.0)).map_err(|_| Failure::not_found())
    }
}
