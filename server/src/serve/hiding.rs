//! The hidden items as a service sees them: read again when any process may have
//! changed them.

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
    /// The items' indices, with the generation of the view that they were computed for.
    places: Option<(u64, Arc<Vec<u32>>)>,
}

impl Hiding {
    /// Reads the list from the state.
    ///
    /// # Errors
    /// When the database refuses, or the list is damaged.
    pub(super) fn open(state: &Arc<State>) -> Result<Self> {
        let now = Now { names: hidden::names(state)?, ..Now::default() };
        Ok(Self { state: state.clone(), now: Mutex::new(now) })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Every change leaves the value consistent, so a panic of another thread does no harm.
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

    /// Hides items, or shows them again. No list that is started after this returns has a
    /// hidden item.
    ///
    /// # Errors
    /// When the database refuses, or the list is damaged.
    pub(super) fn change(&self, view: &View, hide: bool, items: &[String]) -> Result<HiddenItems> {
        let answer = hidden::change(&self.state, &view.dataset.catalog, hide, items)?;
        self.reread()?;
        Ok(answer)
    }

    /// The names of all hidden items.
    pub(super) fn names(&self) -> Vec<String> {
        self.now().names.iter().cloned().collect()
    }

    /// Rises with each change.
    pub(super) fn revision(&self) -> u64 {
        self.now().revision
    }

    /// The indices of items that are in no list, ascending: hidden items, and items that
    /// were taken down.
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
