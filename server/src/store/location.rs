//! Where a state is kept.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// Address of a database. It may hold a password, so it is not printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct DatabaseUrl(pub String);

impl FromStr for DatabaseUrl {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// A state: its directory, and what of it is kept elsewhere.
#[derive(Debug, Clone)]
pub struct Location {
    /// The directory. Of one process alone while it writes.
    pub dir: PathBuf,
    /// PostgreSQL in place of `eemu.sqlite` in the directory.
    pub database: Option<DatabaseUrl>,
    /// Folder or `s3://bucket/prefix` of the models, in place of what the
    /// state remembers.
    pub models: Option<String>,
}

impl Location {
    /// Refuses addresses that can be none, and opens nothing.
    ///
    /// # Errors
    /// When the database or the place of the models is no address.
    pub fn check(&self) -> super::Result<()> {
        self.database.as_ref().map_or(Ok(()), |url| super::schema::address(url).map(drop))?;
        self.models.as_deref().map_or(Ok(()), super::files::Files::check)
    }
}

impl From<&Path> for Location {
    fn from(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), database: None, models: None }
    }
}

impl From<&PathBuf> for Location {
    fn from(dir: &PathBuf) -> Self {
        dir.as_path().into()
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}
