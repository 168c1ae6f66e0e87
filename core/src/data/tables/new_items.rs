//! Reads a table of items that are added to an existing catalogue.

use super::super::{Entities, FeatureValue, ItemRow};
use super::items::identified;
use super::rows::{Rows, Wrong};
use crate::Result;
use crate::data::BadLines;

/// Prefix that the API's form puts before a feature's name; a heading may have
/// it.
const NESTED: &str = "features.";

/// The contents of a table of new items.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemRows {
    /// The items, each with its line number.
    pub items: Vec<(u64, ItemRow)>,
    /// Headings of columns that are not a feature of the catalogue; they are
    /// skipped.
    pub passed_over: Vec<String>,
}

/// Reads a table of new items. Columns are found as in an import; the heading
/// of a feature is its name, or `features.NAME`.
///
/// # Errors
/// If no column identifies the items, or the file cannot be read.
pub fn read_item_rows(rows: &mut dyn Rows, items: &Entities, bad: &mut BadLines) -> Result<ItemRows> {
    let headings = rows.headings().to_vec();
    let (id, name) = identified(rows)?;
    let feature = |place: usize| {
        let heading = headings[place].strip_prefix(NESTED).unwrap_or(&headings[place]);
        items.columns.iter().find(|column| column.name == heading).map(|column| (place, column.name.clone()))
    };
    let features: Vec<(usize, String)> = (0..headings.len()).filter(|place| *place != id).filter_map(feature).collect();
    let used = |place: usize| place == id || Some(place) == name || features.iter().any(|(own, _)| *own == place);
    let passed_over = (0..headings.len()).filter(|place| !used(*place)).map(|place| headings[place].clone()).collect();
    let selected: Vec<usize> =
        std::iter::once(id).chain(name).chain(features.iter().map(|(place, _)| *place)).collect();
    let first = 1 + usize::from(name.is_some());
    let mut found = Vec::new();
    rows.each(&selected, bad, &mut |line, fields| {
        let text = |place: usize| Some(fields[place].text().to_owned()).filter(|text| !text.is_empty());
        let item = text(0).filter(|id| !id.trim().is_empty()).ok_or_else(|| Wrong {
            field: Some(0),
            problem: "the item identifier is blank".into(),
            hint: "Give each line an identifier of its own".into(),
        })?;
        let values = features
            .iter()
            .enumerate()
            .filter_map(|(at, (_, name))| Some((name.clone(), FeatureValue::Text(text(first + at)?))));
        found.push((line, ItemRow { item, name: name.and_then(|_| text(1)), features: values.collect() }));
        Ok(())
    })?;
    Ok(ItemRows { items: found, passed_over })
}
