//! Stores model files: in a folder, or in a bucket that speaks S3.
//!
//! A file's name is the hash of its bytes. So a reader can tell whether it is
//! undamaged, and writing a file twice is the same as writing it once.

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic_file::{self, TEMPORARY};
use super::bucket::Bucket;
use super::error::{IoContext, Result, StoreError, absent_is_fine};
use super::models::Accounted;

/// Name of the file that says which deployment a location outside the state directory
/// belongs to.
pub(super) const OWNER: &str = "eemu-deployment";
const ENDING: &str = ".safetensors";

/// The model files of a state.
#[derive(Debug)]
pub(super) enum Files {
    /// A folder; `own` when it is inside the state directory and no other state uses it.
    Folder { path: PathBuf, own: bool },
    /// A bucket.
    Bucket(Bucket),
}

/// The file name of a hash.
pub(super) fn named(hash: &str) -> String {
    format!("{hash}{ENDING}")
}

/// Whether a name is one that this program writes, final or temporary.
fn is_ours(name: &str) -> bool {
    let hash = name.get(..64).filter(|hash| hash.bytes().all(|b| b.is_ascii_hexdigit()));
    hash.is_some_and(|hash| name.starts_with(&named(hash)))
}

impl Files {
    /// The folder inside the state directory.
    pub(super) fn own(path: PathBuf) -> Self {
        Self::Folder { path, own: true }
    }

    /// Refuses text that cannot be a location. Creates nothing.
    pub(super) fn check(place: &str) -> Result<()> {
        match place.split_once("://") {
            Some(("s3", _)) => Bucket::open(place).map(drop),
            Some(_) => Err(StoreError::BadModels(format!("{place}: give a folder, or s3://bucket/prefix"))),
            None => Ok(()),
        }
    }

    /// Opens a location: `s3://bucket/prefix`, or a folder, which is created.
    pub(super) fn open(place: &str) -> Result<Self> {
        Self::check(place)?;
        if place.starts_with("s3://") {
            return Ok(Self::Bucket(Bucket::open(place)?));
        }
        let path = PathBuf::from(place);
        fs::create_dir_all(&path).context("create", &path)?;
        Ok(Self::Folder { path, own: false })
    }

    /// The location, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Bucket(bucket) => bucket.shown(),
        }
    }

    /// The path of a file, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.shown()).join(name)
    }

    /// Whether the files are in a bucket, which may keep deleted bytes.
    pub(super) fn is_bucket(&self) -> bool {
        matches!(self, Self::Bucket(_))
    }

    /// Checks that the location belongs to this deployment, and that it really deletes
    /// files.
    pub(super) async fn claim(&self, deployment: &str) -> Result<()> {
        match self {
            Self::Folder { own: true, .. } => return Ok(()),
            Self::Folder { .. } => {}
            Self::Bucket(bucket) => bucket.refuse_versions().await?,
        }
        match self.read(OWNER).await? {
            Some(owner) if owner == deployment.as_bytes() => Ok(()),
            Some(_) => Err(StoreError::BadModels(format!(
                "{} holds the models of another deployment; name a place of this one's own (or delete {OWNER} there, if \
                 it is what an import left that failed)",
                self.shown()
            ))),
            None => self.write(OWNER, deployment.as_bytes()).await,
        }
    }

    /// Writes a file, whole or not at all.
    pub(super) async fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Folder { path, .. } => atomic_file::write(&path.join(name), &[bytes]),
            Self::Bucket(bucket) => bucket.write(name, bytes).await,
        }
    }

    /// The bytes of a file; `None` when it does not exist.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Folder { path, .. } => {
                let path = path.join(name);
                match fs::read(&path) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error).context("read", &path),
                }
            }
            Self::Bucket(bucket) => bucket.read(name).await,
        }
    }

    /// The names of files that `kept` does not list. A temporary file of an announced name
    /// is left alone, and so is any file that this program did not write.
    pub(super) async fn unaccounted(&self, kept: &Accounted) -> Result<Vec<String>> {
        let (names, own) = match self {
            Self::Folder { path, own } => (atomic_file::list(path)?, *own),
            Self::Bucket(bucket) => (bucket.list().await?, false),
        };
        let accounted = |name: &String| match name.ends_with(TEMPORARY) {
            true => kept.half.iter().any(|half| name.starts_with(half)),
            false => kept.names.contains(name),
        };
        Ok(names.into_iter().filter(|name| !accounted(name) && (own || is_ours(name))).collect())
    }

    /// Deletes files. A file that does not exist is no error.
    pub(super) async fn delete(&self, names: &[String]) -> Result<()> {
        match self {
            Self::Folder { path, .. } => {
                for name in names {
                    let file = path.join(name);
                    absent_is_fine(fs::remove_file(&file)).context("delete", &file)?;
                }
                if names.is_empty() { Ok(()) } else { atomic_file::sync_folder(path) }
            }
            Self::Bucket(bucket) => {
                for name in names {
                    bucket.delete(name).await?;
                }
                Ok(())
            }
        }
    }
}
