//! Users, items and their features, frozen at import.

use std::collections::HashMap;
use std::sync::Arc;

use imbl::{OrdSet, Vector};
use serde::{Deserialize, Serialize};

use super::values::{Column, UNKNOWN, Values};
use crate::error::quote;
use crate::random::Key;
use crate::{Error, Result};

/// Admitted users and items with their features. A catalogue is frozen and
/// versioned: a second state can be imported with the same file. A deletion of
/// records changes nothing here. Adding items makes a new version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Name of the data set, for display.
    pub dataset: String,
    /// Raised when items are added; every shard is then retrained on schedule.
    pub version: u32,
    /// The users.
    pub users: Entities,
    /// The items.
    pub items: Entities,
}

/// One side of the catalogue: identifiers in a fixed order, and features.
///
/// The identifier itself is a feature of every model (`id`); it is not listed
/// among the columns.
///
/// A clone shares all data with its original, and a change copies only the
/// parts that it changes, because a service clones this at every change of its
/// users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entities {
    /// External identifiers; the index of a user or item is its position here.
    pub ids: Vector<String>,
    /// Display names in the same order; empty if the data has none.
    #[serde(default, skip_serializing_if = "Vector::is_empty")]
    pub names: Vector<String>,
    /// Features that the models read.
    #[serde(with = "shared")]
    pub columns: Arc<Vec<Column>>,
    /// Slots of deleted accounts. Their identifier is a random label.
    #[serde(default, skip_serializing_if = "OrdSet::is_empty")]
    deleted: OrdSet<u32>,
    /// Names of category columns that had blanks when the catalogue was frozen.
    /// They are stored because the shape of a model must not depend on users
    /// who were blanked or admitted later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blanks: Vec<String>,
    #[serde(skip)]
    index: imbl::HashMap<String, u32>,
}

/// Serialises shared columns as a list.
mod shared {
    use super::{Arc, Column, Deserialize, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(columns: &Arc<Vec<Column>>, to: S) -> Result<S::Ok, S::Error> {
        columns.as_slice().serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Arc<Vec<Column>>, D::Error> {
        Vec::deserialize(from).map(Arc::new)
    }
}

impl Entities {
    /// Collects identifiers, names and features, checking that they agree.
    ///
    /// # Errors
    /// If an identifier appears twice or a feature has another number of rows.
    pub fn new(ids: Vec<String>, names: Vec<String>, columns: Vec<Column>) -> Result<Self> {
        let blank = |c: &&Column| matches!(&c.values, Values::Token { rows, .. } if rows.contains(&UNKNOWN));
        let blanks = columns.iter().filter(blank).map(|c| c.name.clone()).collect();
        let (ids, names, columns) = (ids.into_iter().collect(), names.into_iter().collect(), Arc::new(columns));
        let mut entities = Self { ids, names, columns, blanks, ..Self::default() };
        entities.reindex()?;
        Ok(entities)
    }

    fn reindex(&mut self) -> Result<()> {
        self.index = imbl::HashMap::new();
        for (row, id) in self.ids.iter().enumerate() {
            if self.index.insert(id.clone(), row as u32).is_some() {
                return Err(Error::Config(format!("catalogue: identifier {} appears twice; keep one", quote(id))));
            }
        }
        if !self.names.is_empty() && self.names.len() != self.ids.len() {
            return Err(Error::Config("catalogue: it must have as many names as identifiers".into()));
        }
        for column in self.columns.iter() {
            if column.values.len() != self.ids.len() {
                return Err(Error::Config(format!(
                    "catalogue: feature '{}' has {} rows and must have {}",
                    column.name,
                    column.values.len(),
                    self.ids.len()
                )));
            }
            let fits = match &column.values {
                Values::Token { vocabulary, rows } => {
                    rows.iter().all(|&t| t == UNKNOWN || (t as usize) < vocabulary.len())
                }
                Values::TokenSeq { vocabulary, rows } => {
                    rows.iter().flatten().all(|&t| (t as usize) < vocabulary.len())
                }
                Values::Buckets { count, rows, .. } => rows.iter().flatten().all(|bucket| bucket < count),
                Values::Dense { rows, .. } => rows.iter().all(|v| v.is_finite()),
            };
            if !fits {
                return Err(Error::Config(format!(
                    "catalogue: feature '{}' has a value out of range; use the catalogue as it was written",
                    column.name
                )));
            }
        }
        Ok(())
    }

    /// The number of users or items.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// A copy with some rows only, in the order given. Columns, vocabularies
    /// and the shape of models stay the same. Rows out of range are left out.
    #[must_use]
    pub fn only(&self, rows: &[u32]) -> Self {
        let rows: Vec<usize> = rows.iter().map(|&row| row as usize).filter(|&row| row < self.len()).collect();
        let columns = self
            .columns
            .iter()
            .map(|column| Column {
                name: column.name.clone(),
                values: match &column.values {
                    Values::Token { vocabulary, rows: all } => Values::Token {
                        vocabulary: vocabulary.clone(),
                        rows: rows.iter().map(|&row| all[row]).collect(),
                    },
                    Values::TokenSeq { vocabulary, rows: all } => Values::TokenSeq {
                        vocabulary: vocabulary.clone(),
                        rows: rows.iter().map(|&row| all[row].clone()).collect(),
                    },
                    Values::Buckets { count, cut, rows: all } => Values::Buckets {
                        count: *count,
                        cut: *cut,
                        rows: rows.iter().map(|&row| all[row].clone()).collect(),
                    },
                    Values::Dense { width, rows: all } => Values::Dense {
                        width: *width,
                        rows: rows.iter().flat_map(|&row| &all[row * width..(row + 1) * width]).copied().collect(),
                    },
                },
            })
            .collect();
        let pick = |all: &Vector<String>| rows.iter().filter_map(|&row| all.get(row).cloned()).collect::<Vector<_>>();
        let ids = pick(&self.ids);
        let index = (0..).zip(&ids).map(|(row, id)| (id.clone(), row)).collect();
        let deleted =
            (0u32..).zip(&rows).filter(|(_, row)| self.is_deleted(**row as u32)).map(|(new, _)| new).collect();
        let (names, columns) = (pick(&self.names), Arc::new(columns));
        Self { names, ids, columns, blanks: self.blanks.clone(), deleted, index }
    }

    /// The values of the dense features, in column order.
    pub fn dense(&self) -> Vec<Vec<f32>> {
        let dense = |column: &Column| match &column.values {
            Values::Dense { rows, .. } => Some(rows.clone()),
            Values::Token { .. } | Values::TokenSeq { .. } | Values::Buckets { .. } => None,
        };
        self.columns.iter().filter_map(dense).collect()
    }

    /// Sets the values of the dense features, which the JSON form lacks.
    ///
    /// # Errors
    /// If the number of dense features or the length of one differs.
    pub fn set_dense(&mut self, dense: Vec<Vec<f32>>) -> Result<()> {
        let mut dense = dense.into_iter();
        for column in Arc::make_mut(&mut self.columns) {
            if let Values::Dense { rows, .. } = &mut column.values {
                *rows = dense.next().ok_or_else(|| {
                    Error::Config(format!(
                        "catalogue: feature '{}' is missing; use the catalogue as it was written",
                        column.name
                    ))
                })?;
            }
        }
        if dense.next().is_some() {
            return Err(Error::Config(
                "catalogue: there are more dense features than it names; leave out what it does not".into(),
            ));
        }
        self.reindex()
    }

    /// Whether a category column had blanks when the catalogue was frozen.
    pub(crate) fn had_blanks(&self, column: &str) -> bool {
        self.blanks.iter().any(|name| name == column)
    }

    /// The index of an external identifier.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The display name, or else the identifier.
    pub fn name(&self, row: u32) -> &str {
        self.names.get(row as usize).unwrap_or(&self.ids[row as usize])
    }

    /// Appends one entity whose features are given as text, in column order.
    /// `None` or a value outside the vocabulary is unknown; a dense feature is
    /// zero; buckets are computed with the deployment's key. Other indices do
    /// not change.
    ///
    /// # Errors
    /// If the identifier exists already.
    pub fn append(&mut self, id: &str, features: &[Option<String>], key: &Key) -> Result<u32> {
        if self.find(id).is_some() {
            return Err(Error::Config(format!("{} is in the catalogue already; leave it out", quote(id))));
        }
        for (place, column) in Arc::make_mut(&mut self.columns).iter_mut().enumerate() {
            let text = features.get(place).and_then(Option::as_deref).unwrap_or("");
            let find = |vocabulary: &[String], token: &str| vocabulary.binary_search_by(|v| v.as_str().cmp(token)).ok();
            match &mut column.values {
                Values::Token { vocabulary, rows } => rows.push(find(vocabulary, text).map_or(UNKNOWN, |t| t as u32)),
                Values::TokenSeq { vocabulary, rows } => {
                    let mut tokens: Vec<u32> =
                        text.split(' ').filter_map(|t| find(vocabulary, t)).map(|t| t as u32).collect();
                    tokens.sort_unstable();
                    tokens.dedup();
                    rows.push(tokens);
                }
                Values::Buckets { count, cut, rows } => rows.push(cut.buckets(key, &column.name, text, *count)),
                Values::Dense { width, rows } => rows.extend(std::iter::repeat_n(0.0, *width)),
            }
        }
        Ok(self.push_id(id, id))
    }

    /// Appends an identifier; the caller has appended its features.
    pub(super) fn push_id(&mut self, id: &str, name: &str) -> u32 {
        let row = self.ids.len() as u32;
        if !self.names.is_empty() {
            self.names.push_back(name.to_owned());
        }
        self.ids.push_back(id.to_owned());
        self.index.insert(id.to_owned(), row);
        row
    }

    /// Blanks the slot of a deleted account: it gets the given label as
    /// identifier, and every feature becomes unknown. The slot stays, so that
    /// no other index changes.
    pub fn blank(&mut self, row: u32, label: String) {
        let place = row as usize;
        self.index.remove(&self.ids[place]);
        let columns = if self.columns.is_empty() { &mut Vec::new() } else { Arc::make_mut(&mut self.columns) };
        for column in columns {
            match &mut column.values {
                Values::Token { rows, .. } => rows[place] = UNKNOWN,
                Values::TokenSeq { rows, .. } | Values::Buckets { rows, .. } => rows[place].clear(),
                Values::Dense { width, rows } => rows[place * *width..(place + 1) * *width].fill(0.0),
            }
        }
        if let Some(name) = self.names.get_mut(place) {
            name.clone_from(&label);
        }
        self.index.insert(label.clone(), row);
        self.ids[place] = label;
        self.deleted.insert(row);
    }

    /// Whether the account of this slot was deleted.
    pub fn is_deleted(&self, row: u32) -> bool {
        self.deleted.contains(&row)
    }

    /// The slots whose accounts were deleted, ascending.
    pub fn deleted(&self) -> impl Iterator<Item = u32> + '_ {
        self.deleted.iter().copied()
    }

    /// Sets identifiers that are stored apart from the features, and which
    /// slots are deleted.
    ///
    /// # Errors
    /// If an identifier appears twice, or their number differs from that of the
    /// features' rows.
    pub fn set_ids(
        &mut self,
        ids: impl IntoIterator<Item = String>,
        deleted: impl IntoIterator<Item = u32>,
    ) -> Result<()> {
        (self.ids, self.deleted) = (ids.into_iter().collect(), deleted.into_iter().collect());
        self.reindex()
    }

    /// A copy without the identifiers, for storing the two apart.
    #[must_use]
    pub fn without_ids(&self) -> Self {
        Self { ids: Vector::new(), deleted: OrdSet::new(), index: imbl::HashMap::new(), ..self.clone() }
    }

    /// Whether anything besides the identifier is stored of each entity.
    pub fn has_features(&self) -> bool {
        !self.columns.is_empty() || !self.names.is_empty()
    }
}

impl Catalog {
    /// Reads `catalog.json`, and the dense features stored beside it.
    ///
    /// # Errors
    /// If the text is not a catalogue, or a dense feature is missing.
    pub fn from_json(text: &str, dense: &HashMap<String, Vec<f32>>) -> Result<Self> {
        let mut catalog: Self = serde_json::from_str(text)
            .map_err(|e| Error::Config(format!("catalogue: {e}; use the file as eemu wrote it")))?;
        for (side, entities) in [("user", &mut catalog.users), ("item", &mut catalog.items)] {
            for column in Arc::make_mut(&mut entities.columns) {
                if let Values::Dense { rows, .. } = &mut column.values {
                    let name = format!("{side}.{}", column.name);
                    let found = dense.get(&name).ok_or_else(|| {
                        Error::Config(format!(
                            "catalogue: the dense feature '{name}' is missing; use the catalogue as it was written"
                        ))
                    })?;
                    rows.clone_from(found);
                }
            }
            // Identifiers that are stored apart are set later:
            // `Entities::set_ids`.
            if !(side == "user" && entities.ids.is_empty()) {
                entities.reindex()?;
            }
        }
        Ok(catalog)
    }

    /// The catalogue as JSON, without its dense features.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::Config(format!("catalogue: {e}; use the file as eemu wrote it")))
    }

    /// The dense features by name (`item.title`): name, rows, width and values.
    pub fn dense(&self) -> Vec<(String, usize, usize, &[f32])> {
        [("user", &self.users), ("item", &self.items)]
            .into_iter()
            .flat_map(|(side, entities)| entities.columns.iter().map(move |column| (side, column)))
            .filter_map(|(side, column)| match &column.values {
                Values::Dense { width, rows } => {
                    Some((format!("{side}.{}", column.name), column.values.len(), *width, rows.as_slice()))
                }
                Values::Token { .. } | Values::TokenSeq { .. } | Values::Buckets { .. } => None,
            })
            .collect()
    }

    /// BLAKE3 of the whole catalogue, dense features included.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn hash(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.to_json()?.as_bytes());
        for (name, _, _, values) in self.dense() {
            hasher.update(name.as_bytes());
            for value in values {
                hasher.update(&value.to_le_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}
