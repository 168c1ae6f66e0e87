//! A small server that implements the part of S3 that models need: objects in
//! memory, listing, and the bucket's versioning status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The bucket's name.
pub const BUCKET: &str = "models";
/// The access key that a request must name.
const KEY: &str = "test-key";
/// The greatest size of a body.
const LARGEST: usize = 64 << 20;

/// How the bucket answers a request for its versioning status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Versioning was never on.
    Never,
    /// Versioning is on.
    Enabled,
    /// Versioning was on and is suspended.
    Suspended,
    /// The server does not implement versioning.
    Unknown,
    /// The key may not ask for it.
    Forbidden,
    /// It answers that versioning was never on, but gives objects versions.
    Secretly,
}

struct Inside {
    versions: Versions,
    objects: BTreeMap<String, Bytes>,
    unsigned: usize,
}

/// A bucket server on loopback.
pub struct Bucket {
    inside: Arc<Mutex<Inside>>,
    address: String,
    _runtime: tokio::runtime::Runtime,
}

fn open(inside: &Mutex<Inside>) -> std::sync::MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bucket {
    /// Starts a server.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(versions: Versions) -> Result<Self> {
        let inside = Arc::new(Mutex::new(Inside { versions, objects: BTreeMap::new(), unsigned: 0 }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = format!("http://{}", listener.local_addr().context("no address")?);
        let router = Router::new().fallback(answer).with_state(inside.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { inside, address, _runtime: runtime })
    }

    /// The environment variables that point to it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT", self.address.clone()),
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret".into()),
            ("AWS_REGION", "us-east-1".into()),
        ]
    }

    /// The names of the objects.
    pub fn names(&self) -> Vec<String> {
        open(&self.inside).objects.keys().cloned().collect()
    }

    /// Stores an object, as another client would.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        open(&self.inside).objects.insert(name.into(), Bytes::copy_from_slice(bytes));
    }

    /// An object's bytes.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        open(&self.inside).objects.get(name).cloned()
    }

    /// The number of unsigned requests.
    pub fn unsigned(&self) -> usize {
        open(&self.inside).unsigned
    }
}

fn xml(body: &str) -> Response {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    ([(header::CONTENT_TYPE, "application/xml")], text).into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, xml(&format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))).into_response()
}

async fn answer(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return error(StatusCode::BAD_REQUEST, "IncompleteBody");
    };
    let mut inside = open(&inside);
    let signed = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let signed = signed.is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256") && text.contains(KEY));
    if !signed {
        inside.unsigned += 1;
        return error(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let (bucket, name) = path.split_once('/').unwrap_or((&path, ""));
    if bucket != BUCKET {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    match (head.method, name) {
        (Method::GET, "") if query.contains_key("versioning") => versioning(inside.versions),
        (Method::GET, "") => list(&inside.objects, query.get("prefix").map_or("", String::as_str)),
        (Method::GET, name) => match inside.objects.get(name) {
            Some(bytes) if head.headers.contains_key(header::RANGE) => {
                part(bytes, head.headers.get(header::RANGE).and_then(|value| value.to_str().ok()))
            }
            Some(bytes) => {
                let tag = format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32]);
                let modified = "Tue, 24 Nov 2026 00:00:00 GMT".to_owned();
                ([(header::ETAG, tag), (header::LAST_MODIFIED, modified)], bytes.clone()).into_response()
            }
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        },
        (Method::PUT, name) => {
            let tag = format!("\"{}\"", &blake3::hash(&body).to_hex()[..32]);
            inside.objects.insert(name.to_owned(), body);
            let mut response = [(header::ETAG, tag)].into_response();
            if inside.versions == Versions::Secretly {
                response.headers_mut().insert("x-amz-version-id", header::HeaderValue::from_static("3sL4kqt"));
            }
            response
        }
        (Method::DELETE, name) => {
            inside.objects.remove(name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

/// `bytes=FIRST-LAST` of an object.
fn part(bytes: &Bytes, range: Option<&str>) -> Response {
    let ends = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let Some((first, last)) = ends.filter(|(first, _)| *first < bytes.len()) else {
        return error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
    };
    let last = last.min(bytes.len() - 1);
    let head = [
        (header::ETAG, format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])),
        (header::LAST_MODIFIED, "Tue, 24 Nov 2026 00:00:00 GMT".to_owned()),
        (header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", bytes.len())),
    ];
    (StatusCode::PARTIAL_CONTENT, head, bytes.slice(first..=last)).into_response()
}

fn versioning(versions: Versions) -> Response {
    let status = match versions {
        Versions::Never | Versions::Secretly => "",
        Versions::Enabled => "<Status>Enabled</Status>",
        Versions::Suspended => "<Status>Suspended</Status>",
        Versions::Unknown => return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        Versions::Forbidden => return error(StatusCode::FORBIDDEN, "AccessDenied"),
    };
    xml(&format!(
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{status}</VersioningConfiguration>"
    ))
}

fn list(objects: &BTreeMap<String, Bytes>, prefix: &str) -> Response {
    let entries: String = objects
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, bytes)| {
            format!(
                "<Contents><Key>{name}</Key><LastModified>2026-11-24T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                bytes.len()
            )
        })
        .collect();
    xml(&format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>\
         <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    ))
}
