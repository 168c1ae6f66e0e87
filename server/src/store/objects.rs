//! Objects of a bucket for whoever is no state: a shard's training far away.

use tokio::runtime::Runtime;

use super::bucket::Bucket;
use super::connection::runtime;
use super::error::Result;

/// A prefix of a bucket, asked on the calling thread. Not to be called inside
/// an async task.
#[derive(Debug)]
pub struct Objects {
    runtime: Runtime,
    bucket: Bucket,
}

impl Objects {
    /// Those under `s3://bucket/prefix`, with the usual `AWS_*` environment.
    ///
    /// # Errors
    /// When it is no such address. Nothing is asked of the bucket yet.
    pub fn open(place: &str) -> Result<Self> {
        Ok(Self { bucket: Bucket::open(place)?, runtime: runtime()? })
    }

    /// Where they are, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        self.bucket.shown()
    }

    /// An object's bytes; none when it is not there.
    ///
    /// # Errors
    /// When the bucket refuses.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.runtime.block_on(self.bucket.read(name))
    }

    /// Its first bytes; none when it is not there.
    ///
    /// # Errors
    /// When the bucket refuses.
    pub fn head(&self, name: &str, bytes: u64) -> Result<Option<Vec<u8>>> {
        self.runtime.block_on(self.bucket.head(name, bytes))
    }

    /// Writes an object.
    ///
    /// # Errors
    /// When the bucket refuses, or says that it keeps earlier versions.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.runtime.block_on(self.bucket.write(name, bytes))
    }

    /// Deletes an object; one that is not there is fine.
    ///
    /// # Errors
    /// When the bucket refuses.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.runtime.block_on(self.bucket.delete(name))
    }
}
