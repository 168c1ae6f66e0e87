//! The hidden items, as a service sees them: read again when they may have
//! changed, by whichever process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use eemu_core::api::HiddenItems;

use super::view::View;
use crate::hidden;
use crate::store::State;

/// Which items are in no list.
#[derive(Debug)]
pub(super) struct Hiding {
    state: Arc<State>,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    names: BTreeSet<String>,
    /// Rises with each change.
    revision: u64,
    /// Their places, and of which view.
    places: Option<(u64, Arc<Vec<u32>>)>,
}

impl Hiding {
    /// As the state has it.
    ///
    /// # Errors
    /// When the database refuses, or the list is damaged.
    pub(super) fn open(state: &Arc<State>) -> Result<Self> {
        let now = Now { names: hidden::names(state)?, ..Now::default() };
        Ok(Self { state: state.clone(), now: Mutex::new(now) })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Whole between any two statements that may panic.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the list again.
    ///
    /// # Errors
    /// When the database refuses, or the list is damaged.
    pub(super) fn reread(&self) -> Result<()> {
        let names = hidden::names(&self.state)?;
        let mut now = self.now();
        if now.names != names {
            *now = Now { names, revision: now.revision + 1, places: None };
        }
        Ok(())
    }

    /// Hides items, or shows them again: when this returns, no list that is
    /// begun later has a hidden one.
    ///
    /// # Errors
    /// When the database refuses, or the list is damaged.
    pub(super) fn change(&self, view: &View, hide: bool, items: &[String]) -> Result<HiddenItems> {
        let answer = hidden::change(&self.state, &view.dataset.catalog, hide, items)?;
        self.reread()?;
        Ok(answer)
    }

    /// The names of all.
    pub(super) fn names(&self) -> Vec<String> {
        self.now().names.iter().cloned().collect()
    }

    /// Rises with each change.
    pub(super) fn revision(&self) -> u64 {
        self.now().revision
    }

    /// The places of what is in no list, ascending: hidden, or down.
    pub(super) fn closed(&self, view: &View) -> Arc<Vec<u32>> {
        let mut now = self.now();
        if let Some((generation, places)) = &now.places
            && *generation == view.generation
        {
            return places.clone();
        }
        let dataset = &view.dataset;
        let places = Arc::new(hidden::closed(&dataset.catalog, &dataset.down, &now.names));
        now.places = Some((view.generation, places.clone()));
        places
    }
}
