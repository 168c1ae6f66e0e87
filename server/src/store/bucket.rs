//! Stores model files in a bucket that speaks S3.
//!
//! In a bucket with versioning, deleting an object only hides it. So such buckets are
//! refused: before anything is written, and at any response that names a version.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::signer::Signer as _;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutPayload};
use tokio_stream::StreamExt as _;

use super::error::{Result, StoreError};
use crate::tls;

/// The longest wait for a response of the bucket.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the server says that there is no such bucket. The library has no error for that
/// when it lists, but repeats the answer.
fn is_no_bucket(error: &Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("NoSuchBucket") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A prefix of a bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    store: AmazonS3,
    prefix: Path,
    region: String,
    shown: String,
}

impl Bucket {
    /// Opens `s3://bucket/prefix` with the usual `AWS_*` environment.
    pub(super) fn open(place: &str) -> Result<Self> {
        tls::choose();
        let bad = |problem: String| StoreError::BadModels(format!("{place}: {problem}"));
        let rest = place.strip_prefix("s3://").unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("give s3://bucket/prefix".into()));
        }
        // Single deletions: not every server knows the bulk one.
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_disable_bulk_delete(true);
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        if endpoint.iter().any(|key| builder.get_config_value(key).is_some_and(|e| e.starts_with("http://"))) {
            // An operator who configures such an endpoint wants plain HTTP.
            builder = builder.with_allow_http(true);
        }
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".into());
        let store = builder.build().map_err(|e| bad(e.to_string()))?;
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|e| bad(e.to_string()))?;
        Ok(Self { store, prefix, region, shown: place.trim_end_matches('/').to_owned() })
    }

    pub(super) fn shown(&self) -> String {
        self.shown.clone()
    }

    fn failed(&self, doing: &'static str, problem: impl std::fmt::Display) -> StoreError {
        StoreError::Bucket { doing, place: self.shown(), problem: problem.to_string() }
    }

    fn at(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    pub(super) async fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let put = self.store.put(&self.at(name), PutPayload::from(bytes.to_vec())).await;
        let put = put.map_err(|e| self.failed("write to", e))?;
        match put.version.as_deref() {
            None | Some("null") => Ok(()),
            Some(_) => Err(self.versioned()),
        }
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.store.get(&self.at(name)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(|e| self.failed("read from", e))?.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read from", error)),
        }
    }

    /// The first bytes of an object, which must have as many.
    pub(super) async fn head(&self, name: &str, bytes: u64) -> Result<Option<Vec<u8>>> {
        match self.store.get_range(&self.at(name), 0..bytes).await {
            Ok(found) => Ok(Some(found.to_vec())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read from", error)),
        }
    }

    pub(super) async fn list(&self) -> Result<Vec<String>> {
        self.listed().await.map_err(|e| self.failed("list", e))
    }

    /// As [`Self::list`]; nothing where there is no such bucket.
    pub(super) async fn list_if_there(&self) -> Result<Vec<String>> {
        match self.listed().await {
            Err(error) if is_no_bucket(&error) => {
                tracing::warn!("{}: there is no such bucket any more, so nothing is in it", self.shown);
                Ok(Vec::new())
            }
            names => names.map_err(|e| self.failed("list", e)),
        }
    }

    async fn listed(&self) -> std::result::Result<Vec<String>, Error> {
        let mut objects = self.store.list(Some(&self.prefix));
        let mut names = Vec::new();
        while let Some(object) = objects.next().await {
            let object = object?;
            // Objects in deeper folders are not eemu's.
            let mut parts = object.location.prefix_match(&self.prefix).into_iter().flatten();
            if let (Some(name), None) = (parts.next(), parts.next()) {
                names.push(name.as_ref().to_owned());
            }
        }
        Ok(names)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.at(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete from", error)),
        }
    }

    fn versioned(&self) -> StoreError {
        StoreError::BadModels(format!(
            "{}: the bucket keeps earlier versions, so what is deleted there is not gone. Use a bucket that never had \
             versioning turned on",
            self.shown
        ))
    }

    /// Refuses a bucket that keeps, or may still hold, earlier versions.
    pub(super) async fn refuse_versions(&self) -> Result<()> {
        let asking = "ask about versioning of";
        // The library cannot ask this, but it can sign the bucket's address.
        let signed = self.store.signed_url(axum::http::Method::GET, &Path::default(), PATIENCE).await;
        let mut address = signed.map_err(|e| self.failed(asking, e))?;
        address.set_query(Some("versioning"));
        let request = HttpRequest::new(HttpRequestBody::empty());
        let (mut head, body) = request.into_parts();
        head.uri = address.as_str().parse().map_err(|e| self.failed(asking, e))?;
        let mut request = HttpRequest::from_parts(head, body);
        let credential = self.store.credentials().get_credential().await.map_err(|e| self.failed(asking, e))?;
        let signer = AwsAuthorizer::new(&credential, "s3", &self.region);
        signer.try_authorize(&mut request, None).map_err(|e| self.failed(asking, e))?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|e| self.failed(asking, e))?;
        let answer = HttpClient::new(client).execute(request).await.map_err(|e| self.failed(asking, e))?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(|e| self.failed(asking, e))?;
        let text = String::from_utf8_lossy(&body);
        match status.as_u16() {
            // S3's own name of the answer, and that of other servers; what does
            // not know the question may have answered another one.
            200 if !["<VersioningConfiguration", "<GetBucketVersioning"].iter().any(|name| text.contains(name)) => {
                Err(self.failed(asking, "the answer is none"))
            }
            // "Enabled", or "Suspended", which leaves the earlier ones.
            200 if text.contains("<Status>") => Err(self.versioned()),
            // Servers without versioning say so.
            200 | 501 => Ok(()),
            404 => Err(self.failed(asking, "there is no such bucket")),
            403 => Err(self.failed(asking, "not allowed; let this key do s3:GetBucketVersioning")),
            other => Err(self.failed(asking, format!("it answered {other}"))),
        }
    }
}
