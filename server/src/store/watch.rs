//! Looking how far a shared state has come, beside whatever else goes on.

use std::sync::{Mutex, PoisonError};

use super::database::{Head, head};
use super::error::Result;
use super::{Inner, Location};

/// A connection for looking only: never in the way of a change.
#[derive(Debug)]
pub struct Watch {
    inner: Mutex<Inner>,
}

impl Watch {
    pub(super) fn open(location: &Location) -> Result<Self> {
        Ok(Self { inner: Mutex::new(Inner::open(location, false)?) })
    }

    /// How far the state has come: every change that was acknowledged before
    /// this call is counted. Blocking: not to be called inside an async task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn head(&self) -> Result<Head> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.run(head) {
            // A connection that broke while it was idle is made again once.
            Err(error) if error.lost_connection() => inner.run(head),
            other => other,
        }
    }
}
