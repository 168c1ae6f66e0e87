//! Items that are added to a catalogue after its import.
//!
//! New items are appended in the order in which they come, so no index changes,
//! and the catalogue's version rises. A second state that is imported with this
//! same catalogue has the same bytes. Vocabularies and scales stay frozen: a
//! value outside them counts as missing and is reported.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::tables::is_name;
use super::{Catalog, Column, Entities, LONGEST_ID, UNKNOWN, Values};

/// An item that comes to a catalogue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemRow {
    /// Its identifier, byte for byte.
    pub item: String,
    /// Its name for people; the identifier when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Values of the catalogue's features, by the features' names. What is left
    /// out is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, FeatureValue>,
}

/// A feature's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum FeatureValue {
    /// A category; several between bars; or a text whose words count.
    Text(String),
    /// A number.
    Number(f64),
    /// Categories.
    Texts(Vec<String>),
    /// A vector of numbers, such as an embedding.
    Numbers(Vec<f32>),
}

/// The result of adding one item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum ItemOutcome {
    /// It is now in the catalogue. Values that the catalogue does not know are
    /// reported and count as missing.
    Added {
        /// Its index.
        index: u32,
        /// Unknown values, as `feature: value`.
        unknown: Vec<String>,
    },
    /// It was in the catalogue already; nothing changed.
    Known {
        /// Its index.
        index: u32,
    },
    /// It cannot be added; the reason.
    Refused(String),
}

/// A value in the form that a column stores.
enum Kept {
    Token(u32),
    Set(Vec<u32>),
    Dense(Vec<f32>),
}

impl Catalog {
    /// Appends items and raises the version once if any is new. Returns the
    /// outcome of each item, in the order given.
    pub fn add_items(&mut self, items: &[ItemRow]) -> Vec<ItemOutcome> {
        let outcomes: Vec<ItemOutcome> = items.iter().map(|item| self.items.add(item)).collect();
        if outcomes.iter().any(|outcome| matches!(outcome, ItemOutcome::Added { .. })) {
            self.version += 1;
        }
        outcomes
    }
}

impl Entities {
    fn add(&mut self, item: &ItemRow) -> ItemOutcome {
        if item.item.trim().is_empty() {
            return ItemOutcome::Refused("the identifier is blank".into());
        }
        if item.item.len() > LONGEST_ID {
            return ItemOutcome::Refused(format!("the identifier has more than {LONGEST_ID} bytes"));
        }
        if let Some(index) = self.find(&item.item) {
            return ItemOutcome::Known { index };
        }
        if self.ids.len() >= UNKNOWN as usize - 1 {
            return ItemOutcome::Refused("the catalogue is full".into());
        }
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        if let Some(name) = item.features.keys().find(|name| !columns.contains(&name.as_str())) {
            let there = if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
            return ItemOutcome::Refused(format!("the catalogue has no feature '{name}'; it has: {there}"));
        }
        let mut unknown = Vec::new();
        let mut kept = Vec::with_capacity(columns.len());
        for column in self.columns.iter() {
            let own = item.features.get(&column.name).cloned();
            // The words of the name are a feature if the import made them one.
            // A name cannot replace an embedding.
            let of_words = is_name(&column.name) && !matches!(column.values, Values::Dense { .. });
            let named = || item.name.clone().filter(|_| of_words).map(FeatureValue::Text);
            match column.keep(own.or_else(named), &mut unknown) {
                Ok(value) => kept.push(value),
                Err(problem) => return ItemOutcome::Refused(format!("the feature '{}' {problem}", column.name)),
            }
        }
        for (column, kept) in Arc::make_mut(&mut self.columns).iter_mut().zip(kept) {
            match (&mut column.values, kept) {
                (Values::Token { rows, .. }, Kept::Token(token)) => rows.push(token),
                (Values::TokenSeq { rows, .. } | Values::Buckets { rows, .. }, Kept::Set(tokens)) => rows.push(tokens),
                (Values::Dense { rows, .. }, Kept::Dense(numbers)) => rows.extend(numbers),
                // `keep` returns the kind of value that the column holds.
                _ => {}
            }
        }
        let name = item.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&item.item);
        ItemOutcome::Added { index: self.push_id(&item.item, name), unknown }
    }
}

impl Column {
    /// Converts a value to this column's form. Values outside the vocabulary
    /// are added to `unknown`.
    fn keep(&self, value: Option<FeatureValue>, unknown: &mut Vec<String>) -> Result<Kept, String> {
        let mut find = |vocabulary: &[String], token: &str| {
            let found = vocabulary.binary_search_by(|known| known.as_str().cmp(token)).ok().map(|place| place as u32);
            if found.is_none() {
                unknown.push(format!("{}: {token}", self.name));
            }
            found
        };
        Ok(match (&self.values, value) {
            (Values::Token { .. }, None) => Kept::Token(UNKNOWN),
            (Values::TokenSeq { .. }, None) => Kept::Set(Vec::new()),
            (Values::Token { vocabulary, .. }, Some(value)) => match value.into_texts() {
                Some(texts) if texts.len() == 1 => Kept::Token(find(vocabulary, &texts[0]).unwrap_or(UNKNOWN)),
                _ => return Err("takes one category".into()),
            },
            (Values::TokenSeq { vocabulary, .. }, Some(value)) => {
                let has = |token: &str| vocabulary.binary_search_by(|known| known.as_str().cmp(token)).is_ok();
                let tokens = match value {
                    FeatureValue::Text(text) if text.contains('|') || has(&text) => {
                        text.split('|').map(str::to_owned).collect()
                    }
                    // A name is split into words, as in an import.
                    FeatureValue::Text(text) => {
                        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
                        let lower = words(&text.to_lowercase());
                        let any = |words: &[String]| words.iter().any(|word| has(word));
                        if any(&lower) || !any(&words(&text)) { lower } else { words(&text) }
                    }
                    other => other.into_texts().ok_or("takes categories")?,
                };
                let tokens = tokens.iter().filter(|token| !token.is_empty());
                let mut set: Vec<u32> = tokens.filter_map(|token| find(vocabulary, token)).collect();
                set.sort_unstable();
                set.dedup();
                Kept::Set(set)
            }
            (Values::Dense { width, .. }, None) => Kept::Dense(vec![0.0; *width]),
            (Values::Dense { width, .. }, Some(FeatureValue::Text(text))) if *width > 1 => {
                let parts = text.split(['|', ' ']).filter(|part| !part.is_empty()).map(str::parse);
                let numbers: Result<Vec<f32>, _> = parts.collect();
                let numbers = numbers.map_err(|_| "takes numbers")?;
                return self.keep(Some(FeatureValue::Numbers(numbers)), unknown);
            }
            (Values::Dense { width, .. }, Some(FeatureValue::Numbers(numbers))) if *width > 1 => {
                if numbers.len() != *width {
                    return Err(format!("takes {width} numbers, not {}", numbers.len()));
                }
                if numbers.iter().any(|number| !number.is_finite()) {
                    return Err("has a number that is not finite".into());
                }
                Kept::Dense(numbers)
            }
            (Values::Dense { width: 1, .. }, Some(_)) => {
                // The scale was computed from the imported values and was not
                // stored.
                unknown.push(format!("{}: a single number", self.name));
                Kept::Dense(vec![0.0])
            }
            (Values::Dense { width, .. }, Some(_)) => return Err(format!("takes a list of {width} numbers")),
            // Only users have buckets.
            (Values::Buckets { .. }, _) => Kept::Set(Vec::new()),
        })
    }
}

impl FeatureValue {
    fn into_texts(self) -> Option<Vec<String>> {
        match self {
            Self::Text(text) => Some(vec![text]),
            Self::Number(number) => Some(vec![number.to_string()]),
            Self::Texts(texts) => Some(texts),
            Self::Numbers(numbers) => Some(numbers.iter().map(f32::to_string).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let column = |name: &str, values| Column { name: name.into(), values };
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let columns = vec![
            column("title", Values::TokenSeq { vocabulary: text(&["red", "tea"]), rows: vec![vec![0, 1], vec![]] }),
            column("genre", Values::TokenSeq { vocabulary: text(&["Sci Fi", "War"]), rows: vec![vec![0], vec![1]] }),
            column("year", Values::Token { vocabulary: text(&["1995"]), rows: vec![0, UNKNOWN] }),
            column("vector", Values::Dense { width: 2, rows: vec![1.0, 2.0, 3.0, 4.0] }),
        ];
        let items = Entities::new(text(&["a", "b"]), text(&["A", "B"]), columns).unwrap();
        Catalog { dataset: "d".into(), version: 1, users: Entities::default(), items }
    }

    fn item(id: &str, features: &[(&str, FeatureValue)]) -> ItemRow {
        let features = features.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        ItemRow { item: id.into(), name: Some("New Red".into()), features }
    }

    #[test]
    fn items_come_behind_those_that_are_there_and_the_version_rises_once() {
        let mut catalog = catalog();
        let text = |text: &str| FeatureValue::Text(text.to_owned());
        let full = [("genre", text("War|Sci Fi|Noir")), ("year", FeatureValue::Number(1995.0))];
        let came = catalog.add_items(&[
            item("c", &full),
            item("a", &[]),
            item(" ", &[]),
            item("c", &[]),
            item("d", &[("colour", text("red"))]),
            item("e", &[("vector", FeatureValue::Numbers(vec![1.0]))]),
            item("f", &[("vector", FeatureValue::Numbers(vec![5.0, 6.0])), ("genre", text("Sci Fi"))]),
        ]);
        let unknown = vec!["title: new".to_owned(), "genre: Noir".to_owned()];
        assert_eq!(came[0], ItemOutcome::Added { index: 2, unknown });
        assert_eq!((&came[1], &came[3]), (&ItemOutcome::Known { index: 0 }, &ItemOutcome::Known { index: 2 }));
        for refused in [2, 4, 5] {
            assert!(matches!(&came[refused], ItemOutcome::Refused(_)), "{:?}", came[refused]);
        }
        assert_eq!((catalog.version, catalog.items.len(), catalog.items.name(2)), (2, 4, "New Red"));
        assert_eq!(catalog.items.find("f"), Some(3));
        let rows: Vec<String> = catalog.items.columns.iter().map(|c| c.values.describe(2..4)).collect();
        assert_eq!(rows[0], "2:[0];[0];");
        assert_eq!(rows[1], "2:[0, 1];[0];");
        assert_eq!(rows[2], format!("1:0;{UNKNOWN};"));
        assert_eq!(catalog.items.columns[3].values.len(), 4);
        assert_eq!(catalog.add_items(&[item("a", &[])]), [ItemOutcome::Known { index: 0 }]);
        assert_eq!(catalog.version, 2, "nothing came");
    }

    /// The built-in data sets have embeddings of titles in the column of
    /// titles.
    #[test]
    fn a_name_is_no_embedding() {
        let text = |words: [&str; 2]| words.map(str::to_owned).to_vec();
        let values = Values::Dense { width: 2, rows: vec![1.0, 2.0, 3.0, 4.0] };
        let titles = Column { name: "title".into(), values };
        let items = Entities::new(text(["a", "b"]), text(["A", "B"]), vec![titles]).unwrap();
        let mut catalog = Catalog { items, ..catalog() };
        assert_eq!(catalog.add_items(&[item("c", &[])]), [ItemOutcome::Added { index: 2, unknown: vec![] }]);
        assert_eq!(catalog.items.columns[0].values.len(), 3);
    }
}
