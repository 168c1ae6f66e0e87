//! A blocking connection to the database.

use tokio::runtime::{Builder, Runtime};

use super::Location;
use super::database::Db;
use super::error::{Result, StoreError};
use super::schema;

/// A connection that is opened again when it was lost.
#[derive(Debug)]
pub(super) struct Inner {
    runtime: Runtime,
    location: Location,
    write: bool,
    db: Option<Db>,
}

impl Inner {
    pub(super) fn open(location: &Location, write: bool) -> Result<Self> {
        let mut inner = Self { runtime: runtime()?, location: location.clone(), write, db: None };
        inner.run(async |_| Ok(()))?;
        Ok(inner)
    }

    pub(super) fn run<T>(&mut self, work: impl AsyncFnOnce(&mut Db) -> Result<T>) -> Result<T> {
        let db = match &mut self.db {
            Some(db) => db,
            empty => {
                let Location { dir, database, .. } = &self.location;
                empty.insert(self.runtime.block_on(schema::connect(dir, database.as_ref(), self.write))?)
            }
        };
        let result = self.runtime.block_on(async {
            db.settle().await?;
            work(db).await
        });
        if result.as_ref().is_err_and(StoreError::lost_connection) && self.location.database.is_some() {
            self.db = None;
        }
        result
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            // A failure to close loses nothing: committed changes are durable.
            let _ = self.runtime.block_on(db.close());
        }
    }
}

/// A runtime that runs futures on the calling thread.
pub(super) fn runtime() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|reason| StoreError::Io { doing: "start the input and output of", path: "eemu".into(), reason })
}
