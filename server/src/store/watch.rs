//! Polls the version of a shared state, beside other work.

use std::sync::{Mutex, PoisonError};

use super::database::{Head, head};
use super::error::Result;
use super::{Inner, Location};

/// A connection that only polls, and never blocks a change.
#[derive(Debug)]
pub struct Watch {
    inner: Mutex<Inner>,
}

impl Watch {
    pub(super) fn open(location: &Location) -> Result<Self> {
        Ok(Self { inner: Mutex::new(Inner::open(location, false)?) })
    }

    /// The version of the state; it counts every change that was acknowledged before this
    /// call. The call blocks: do not use it inside an async task.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn head(&self) -> Result<Head> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.run(head) {
            // A connection that broke while it was idle is opened again once.
            Err(error) if error.lost_connection() => inner.run(head),
            other => other,
        }
    }
}
