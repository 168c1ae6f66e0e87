//! Items that an operator hides from every list, and can show again.
//!
//! An item that was taken down loses its records. A hidden item keeps them, and models
//! go on learning from them. The names of the hidden items are one value in the
//! database. So they can be changed beside a running server, and they survive a
//! replacement of the data and a backup.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use eemu_core::api::HiddenItems;
use eemu_core::data::Catalog;

use crate::store::State;

/// The key of this value in the database.
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

/// Hides items, or shows them again. Only an item of the catalogue can be hidden, and
/// only a hidden item can be shown; the answer names the others.
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
            // An item that occurs twice in the request counts once.
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

/// The indices of items that are in no list, ascending: hidden items, and items that
/// were taken down.
pub(crate) fn closed(catalog: &Catalog, down: &[u32], names: &BTreeSet<String>) -> Vec<u32> {
    // The catalogue may lack a hidden name; the name stays hidden for data that have it
    // again.
    let mut closed: Vec<u32> = names.iter().filter_map(|name| catalog.items.find(name)).chain(down.to_vec()).collect();
    closed.sort_unstable();
    closed.dedup();
    closed
}
