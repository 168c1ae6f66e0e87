//! Where a unit reads and writes: files, or objects of a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::sweep_halves;
use crate::store::{Objects, write_whole};

/// A file, or an object of a bucket.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// An object under a prefix of a bucket.
    Object {
        /// The prefix.
        objects: Arc<Objects>,
        /// Its name there.
        name: String,
    },
}

impl Place {
    /// The place that an argument names: `s3://bucket/prefix/name`, or a file.
    ///
    /// # Errors
    /// When it is no address of an object.
    pub fn named(argument: &Path) -> Result<Self> {
        let text = argument.to_str().filter(|text| text.starts_with("s3://"));
        let Some(text) = text else { return Ok(Self::File(argument.to_owned())) };
        match text.rsplit_once('/') {
            Some((prefix, name)) if prefix.len() > "s3://".len() && !name.is_empty() => {
                Ok(Self::Object { objects: Arc::new(Objects::open(prefix)?), name: name.to_owned() })
            }
            _ => bail!("{text} names no object; give s3://bucket/name"),
        }
    }

    /// Whether it is in a bucket.
    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object { .. })
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Object { .. } => None,
        }
    }

    /// Whether both are the same object of a bucket, however it is spelled.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let parts = |place: &Self| -> Vec<String> {
            place.shown().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        self.is_object() && other.is_object() && parts(self) == parts(other)
    }

    /// The place of the same name with an ending more.
    #[must_use]
    pub fn beside(&self, ending: &str) -> Self {
        match self {
            Self::File(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                Self::File(name.into())
            }
            Self::Object { objects, name } => {
                Self::Object { objects: objects.clone(), name: format!("{name}{ending}") }
            }
        }
    }

    /// Where an input's model goes when nothing else is said: beside an input
    /// in a bucket, as `name.model`.
    #[must_use]
    pub fn of_model(&self) -> Option<Self> {
        let Self::Object { objects, name } = self else { return None };
        let stem = name.strip_suffix(".input").unwrap_or(name);
        Some(Self::Object { objects: objects.clone(), name: format!("{stem}.model") })
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Object { objects, name } => format!("{}/{name}", objects.shown()),
        }
    }

    /// Its bytes; none when it is not there.
    ///
    /// # Errors
    /// When the disk or the bucket refuses.
    pub fn read(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::File(path) => match std::fs::read(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                bytes => bytes.map(Some).with_context(|| format!("cannot read {}", path.display())),
            },
            Self::Object { objects, name } => Ok(objects.read(name)?),
        }
    }

    /// Its first bytes; none when it is not there, or has fewer.
    ///
    /// # Errors
    /// When a bucket refuses.
    pub fn head(&self, bytes: usize) -> Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        match self {
            Self::File(path) => {
                let mut head = vec![0; bytes];
                let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
                Ok(read.is_ok().then_some(head))
            }
            Self::Object { objects, name } => Ok(objects.head(name, bytes as u64)?),
        }
    }

    /// Writes it: there whole or not at all.
    ///
    /// # Errors
    /// When the disk or the bucket refuses.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::File(path) => Ok(write_whole(path, bytes)?),
            Self::Object { objects, name } => Ok(objects.write(name, bytes)?),
        }
    }

    /// Deletes it; one that is not there is fine.
    ///
    /// # Errors
    /// When the disk or the bucket refuses.
    pub fn delete(&self) -> Result<()> {
        match self {
            Self::File(path) => match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
            Self::Object { objects, name } => Ok(objects.delete(name)?),
        }
    }

    /// Deletes what a killed process left half written beside it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sweep_halves(&self) -> Result<()> {
        // An object is there whole or not at all.
        self.file().map_or(Ok(()), sweep_halves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_file_or_an_object() {
        let place = |text: &str| Place::named(Path::new(text));
        let input = place("s3://bucket/some/prefix/3.17.input").unwrap();
        assert_eq!(input.shown(), "s3://bucket/some/prefix/3.17.input");
        let model = input.of_model().unwrap();
        assert_eq!(model.shown(), "s3://bucket/some/prefix/3.17.model");
        assert_eq!(model.beside(".checkpoint").shown(), "s3://bucket/some/prefix/3.17.model.checkpoint");
        assert!(place("s3://bucket//some/prefix/3.17.input").unwrap().is(&input) && !model.is(&input));
        let file = place("shard-3.input").unwrap();
        assert!(file.file().is_some() && file.of_model().is_none());
        for wrong in ["s3://", "s3://bucket", "s3://bucket/"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
