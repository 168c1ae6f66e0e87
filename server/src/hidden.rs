//! Items that an operator hides from every list, and shows again.
//!
//! Unlike an item that is taken down a hidden one keeps its records, and models
//! go on learning from them. The flag is kept by name as one value of the
//! database, so that it can be set beside a running server, goes on when data
//! are replaced, and goes into backups.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use eemu_core::api::HiddenItems;
use eemu_core::data::Catalog;

use crate::store::State;

/// Its name in the database.
pub(crate) const NOTE: &str = "hidden";

/// The names of the hidden items.
///
/// # Errors
/// When the database refuses, or the list is damaged.
pub(crate) fn names(state: &State) -> Result<BTreeSet<String>> {
    state.note(NOTE)?.map_or_else(|| Ok(BTreeSet::new()), |text| parse(&text))
}

fn parse(text: &str) -> Result<BTreeSet<String>> {
    serde_json::from_str(text).context("the state's list of hidden items is damaged")
}

/// Hides items, or shows them again. Names that the catalogue does not hold
/// cannot be hidden, and only hidden ones can be shown: the others are named
/// in the answer.
///
/// # Errors
/// When the database refuses, or the list is damaged.
pub(crate) fn change(state: &State, catalog: &Catalog, hide: bool, items: &[String]) -> Result<HiddenItems> {
    let mut answer = HiddenItems::default();
    let mut damaged = None;
    state.change_note(NOTE, |text| {
        let mut names = match text.map_or_else(|| Ok(BTreeSet::new()), |text| parse(&text)) {
            Ok(names) => names,
            Err(error) => {
                damaged = Some(error);
                return None;
            }
        };
        let before = names.clone();
        for item in items {
            // What is twice in the request is one item.
            let is_known = if hide { catalog.items.find(item).is_some() } else { before.contains(item) };
            match (is_known, hide) {
                (false, _) => answer.unknown.push(item.clone()),
                (true, true) => answer.changed += u32::from(names.insert(item.clone())),
                (true, false) => answer.changed += u32::from(names.remove(item)),
            }
        }
        answer.hidden = names.iter().cloned().collect();
        (answer.changed > 0).then(|| serde_json::to_string(&names).unwrap_or_default())
    })?;
    damaged.map_or(Ok(answer), Err)
}

/// The places of items that are in no list, ascending: hidden ones, and those
/// that are down.
pub(crate) fn closed(catalog: &Catalog, down: &[u32], names: &BTreeSet<String>) -> Vec<u32> {
    // A name may wait for data that have it again.
    let mut closed: Vec<u32> = names.iter().filter_map(|name| catalog.items.find(name)).chain(down.to_vec()).collect();
    closed.sort_unstable();
    closed.dedup();
    closed
}
