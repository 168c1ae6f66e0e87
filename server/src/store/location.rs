//! The location of a state.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// Address of a database. It may hold a password, so `Debug` does not print it.
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

/// The location of a state: its directory, and the parts that are elsewhere.
#[derive(Debug, Clone)]
pub struct Location {
    /// The directory. Only one process at a time writes to it.
    pub dir: PathBuf,
    /// PostgreSQL in place of `eemu.sqlite` in the directory.
    pub database: Option<DatabaseUrl>,
    /// Folder or `s3://bucket/prefix` of the models, instead of the location that the state
    /// stores.
    pub models: Option<String>,
}

impl Location {
    /// Refuses addresses that cannot be valid, and opens nothing.
    ///
    /// # Errors
    /// When the address of the database or of the models is malformed.
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
