//! Problem documents: what is wrong with a request, where, and what to do.
//!
//! A response goes to the client that sent the request, so it may name the field, the
//! item or the user that the client wrote. Log lines contain none of it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eemu_core::api::Problem;
use serde::de::DeserializeOwned;

use crate::reading::{without_place, wrong_kind};
use crate::store::StoreError;

/// An error response.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The message for an unknown thing and for another user's.
const NOT_FOUND: &str = "there is no such thing, or it is not yours";
/// A hint on how identifiers are written.
const AS_IMPORTED: &str = "check the identifier: it is written as in the imported data, byte for byte";
/// The message when the database does not answer.
pub(super) const DATABASE: &str = "the database does not answer; send it again in a while";

/// A handler's result.
pub(super) type Answer<T> = Result<T, Failure>;

impl Failure {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400: the request is malformed.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: there is no token.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs a token: send Authorization: Bearer eemu_...; `eemu token create` makes one",
        )
    }

    /// 401: the token is not valid.
    pub(super) fn unknown_token(why: &str) -> Self {
        let message = format!("{why}; send another one, or none at all where nobody's data is asked for");
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403: the token's role may not do this at all.
    pub(super) fn forbidden(holds: &str, needs: &str) -> Self {
        let message = format!("{holds} token may not do this; use {needs}");
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 403: the issuer's token names a person who has no account here.
    pub(super) fn no_account() -> Self {
        let message = "the person that this token names has no account here; an administrator makes one by adding the \
                       first record, unless the claim named by oidc-person is the wrong one";
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: it does not exist or belongs to another user; the answer does not say which.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", NOT_FOUND)
    }

    /// 404: it does not exist. For callers who may see everything of the kind.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 404: the user does not exist. For callers who may see every user.
    pub(super) fn no_user(id: &str) -> Self {
        Self::missing(format!("there is no user '{}'; {AS_IMPORTED}", short(id)))
    }

    /// The item is not in the catalogue.
    pub(super) fn no_item(field: &str, id: &str) -> Self {
        Self::bad(format!("{field}: item '{}' is not in the catalogue; {AS_IMPORTED}", short(id)))
    }

    /// 503: try again later.
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 429: too many requests.
    pub(super) fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many",
            "too many requests in a second; wait one and send it again",
        )
    }

    /// 500: a fault of the server. Its cause goes to the log, which names nobody.
    pub(super) fn internal(error: &anyhow::Error) -> Self {
        tracing::error!("a request failed: {error:#}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed; its log says why, so tell its operator when it was",
        )
    }

    /// The response to an internal error. A database that does not answer gives 503, since
    /// it may answer later.
    pub(super) fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref() {
            Some(StoreError::Database(_) | StoreError::BadDatabase(_)) => {
                tracing::error!("a request failed: {error:#}");
                Self::unavailable(DATABASE)
            }
            _ => Self::internal(error),
        }
    }

    /// The problem document that is sent.
    pub(super) fn problem(&self) -> Problem {
        Problem { code: self.code.to_owned(), message: self.message.clone() }
    }

    /// The error response for a bare status that a layer gave.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too_large", "the body is too large; send it in parts of at most 1 MB (a batch: 32 MB)")
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                ("timeout", "the request took too long; send it again, or less at once")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("bad_request", "the body is not marked as JSON; send Content-Type: application/json")
            }
            StatusCode::METHOD_NOT_ALLOWED => ("bad_request", "this address takes another method; /docs shows which"),
            StatusCode::INTERNAL_SERVER_ERROR => {
                ("internal", "the server failed; its log says why, so tell its operator when it was")
            }
            StatusCode::NOT_FOUND => ("not_found", NOT_FOUND),
            _ => ("bad_request", "the request cannot be understood; /docs shows what is expected"),
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

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        if !kind.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
            return Err(Failure::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection| Failure::of_status(rejection.status()))?;
        json(&bytes, "the body").map(Self)
    }
}

/// Parses JSON; an error names the field.
///
/// # Errors
/// 400 for text that is not JSON, 422 for JSON of another shape than expected.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Answer<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.into_inner());
        if why.is_data() {
            let place = if path == "." { what.to_owned() } else { format!("{what}, field {path}") };
            let message = format!("{place}: {}; /docs shows what is expected", short(&wrong_kind(&why)));
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", message)
        } else {
            not_json(what, &why)
        }
    })?;
    reader.end().map_err(|why| not_json(what, &why))?;
    Ok(read)
}

fn not_json(what: &str, why: &serde_json::Error) -> Failure {
    let (line, column, why) = (why.line(), why.column(), without_place(why));
    Failure::bad(format!("{what} is not JSON: line {line}, column {column}: {why}; send one JSON object"))
}

/// Text of a client, cut to a readable length.
fn short(text: &str) -> String {
    const MOST: usize = 160;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// The values of the query string.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let found: Result<axum::extract::Query<T>, QueryRejection> =
            axum::extract::Query::from_request_parts(parts, state).await;
        found.map(|q| Self(q.0)).map_err(|rejection| {
            let text = rejection.body_text();
            let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
            let why = short(why).replace("invalid digit found in string", "it must be a whole number, 0 or more");
            Failure::bad(format!("the query: {why}; /docs shows what is expected"))
        })
    }
}

/// The last part of the path, which names something.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let found: Result<axum::extract::Path<String>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        found.map(|name| Self(name.0)).map_err(|_| Failure::not_found())
    }
}
