//! Rules of a request: which items may appear in a list, besides the models'
//! scores. They mean the same in the API, in batches, on the command line and
//! in browsers.
//!
//! Rules exclude items; they apply between the scores and the top k. A model is
//! always adapted to the user's whole history, so rules do not change the
//! scores of the remaining items.

use serde::{Deserialize, Serialize};

use crate::data::{Catalog, Column, UNKNOWN, Values};
use crate::{Error, Result};

/// Which items may appear in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Identifiers of items that may not.
    pub exclude: Vec<String>,
    /// Identifiers of the only items that may; any item if absent.
    pub only: Option<Vec<String>>,
    /// `COLUMN=VALUE` of the items' category columns. An item needs any of the
    /// values that are given for a column, and it must satisfy every column
    /// that is named.
    pub category: Vec<String>,
    /// Whether items of the user's history may appear, too.
    pub include_seen: bool,
}

/// Resolved rules: which items are excluded from a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Indices of the excluded items, ascending.
    closed: Vec<u32>,
    include_seen: bool,
    /// Names that the catalogue does not hold, as they were given: items, and
    /// `COLUMN=VALUE` if no item has the value.
    pub unknown: Vec<String>,
}

impl Rules {
    /// Resolves the rules. `closed` holds the indices of items that no list may
    /// contain: taken down, or hidden. The cost grows with the rules; with
    /// `only` or a category every item is visited once.
    ///
    /// # Errors
    /// If a category is not `COLUMN=VALUE`, or its column is not a category
    /// column; the message lists the category columns.
    pub fn filter(&self, catalog: &Catalog, closed: &[u32]) -> Result<Filter> {
        let mut unknown = Vec::new();
        let mut closed = closed.to_vec();
        closed.extend(known(catalog, &self.exclude, &mut unknown));
        if let Some(only) = &self.only {
            let mut open = vec![false; catalog.items.len()];
            known(catalog, only, &mut unknown).into_iter().for_each(|item| open[item as usize] = true);
            closed.extend((0u32..).zip(&open).filter(|(_, open)| !**open).map(|(item, _)| item));
        }
        for (column, values) in self.columns(catalog)? {
            let open = holders(column, &values, &mut unknown);
            closed.extend((0u32..).zip(&open).filter(|(_, open)| !**open).map(|(item, _)| item));
        }
        closed.sort_unstable();
        closed.dedup();
        Ok(Filter { closed, include_seen: self.include_seen, unknown })
    }

    /// Checks that the rules are valid, before anything is computed.
    ///
    /// # Errors
    /// As [`Rules::filter`].
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        self.columns(catalog).map(drop)
    }

    /// The columns that are named, with the values of each.
    fn columns<'a>(&'a self, catalog: &'a Catalog) -> Result<Vec<(&'a Column, Vec<&'a str>)>> {
        let mut columns: Vec<(&Column, Vec<&str>)> = Vec::new();
        for text in &self.category {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Error::Rule(format!("category '{text}' is not COLUMN=VALUE; write it as genre=Drama"))
            })?;
            match columns.iter_mut().find(|(known, _)| known.name == name) {
                Some((_, values)) => values.push(value),
                None => columns.push((of_categories(catalog, name)?, vec![value])),
            }
        }
        Ok(columns)
    }
}

impl Filter {
    /// The items to mask for a user with this history (ascending), in ascending
    /// order as [`crate::recommend::top_k`] requires.
    #[must_use]
    pub fn masked(&self, history: &[u32]) -> Vec<u32> {
        if self.include_seen || history.is_empty() {
            return self.closed.clone();
        }
        let mut masked = [history, &self.closed].concat();
        masked.sort_unstable();
        masked.dedup();
        masked
    }
}

/// The indices of the identifiers that the catalogue holds; the others are
/// added to `unknown`.
fn known(catalog: &Catalog, ids: &[String], unknown: &mut Vec<String>) -> Vec<u32> {
    let place = |id: &String| {
        let found = catalog.items.find(id);
        if found.is_none() {
            unknown.push(id.clone());
        }
        found
    };
    ids.iter().filter_map(place).collect()
}

/// Finds a category column of the items.
fn of_categories<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Column> {
    let is_token = |column: &&Column| matches!(column.values, Values::Token { .. } | Values::TokenSeq { .. });
    let there = catalog.items.columns.iter().filter(is_token);
    there.clone().find(|column| column.name == name).ok_or_else(|| {
        let names: Vec<&str> = there.map(|column| column.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::Rule(format!("'{name}' is no column of categories of the items; choose one of these: {names}"))
    })
}

/// For each item, whether it has one of the values in a column.
fn holders(column: &Column, values: &[&str], unknown: &mut Vec<String>) -> Vec<bool> {
    let mut places = |vocabulary: &[String]| -> Vec<bool> {
        let mut wanted = vec![false; vocabulary.len()];
        for value in values {
            match vocabulary.binary_search_by(|known| known.as_str().cmp(value)) {
                Ok(place) => wanted[place] = true,
                Err(_) => unknown.push(format!("{}={value}", column.name)),
            }
        }
        wanted
    };
    match &column.values {
        Values::Token { vocabulary, rows } => {
            let wanted = places(vocabulary);
            rows.iter().map(|token| *token != UNKNOWN && wanted[*token as usize]).collect()
        }
        Values::TokenSeq { vocabulary, rows } => {
            let wanted = places(vocabulary);
            rows.iter().map(|own| own.iter().any(|token| wanted[*token as usize])).collect()
        }
        // Not a category column: see `of_categories`.
        Values::Buckets { .. } | Values::Dense { .. } => vec![true; column.values.len()],
    }
}

/// An item that a visitor picked, with a time where one is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged, deny_unknown_fields, expecting = "an item's identifier, or an object of item and time")]
pub enum Pick {
    /// The item's identifier alone.
    Item(String),
    /// With a time, in the data's own unit: later picks count more.
    At {
        /// The item's identifier.
        item: String,
        /// When.
        time: f64,
    },
}

impl Pick {
    /// The item's identifier.
    #[must_use]
    pub fn item(&self) -> &str {
        match self {
            Self::Item(item) | Self::At { item, .. } => item,
        }
    }

    /// The time, if it is known.
    #[must_use]
    pub fn time(&self) -> Option<f64> {
        match self {
            Self::Item(_) => None,
            Self::At { time, .. } => Some(*time),
        }
    }
}

/// A visitor's picks: the known items as a history of (index, time), and the
/// names of the unknown ones.
pub type Picked = (Vec<(u32, Option<f64>)>, Vec<String>);

/// Looks up a visitor's picks in the catalogue.
///
/// # Errors
/// If a time is not a finite number.
pub fn picked(catalog: &Catalog, picks: &[Pick]) -> Result<Picked> {
    if picks.iter().filter_map(Pick::time).any(|time| !time.is_finite()) {
        return Err(Error::Rule("the time of a pick is not a finite number; give one, or leave it out".into()));
    }
    let (mut history, mut unknown) = (Vec::new(), Vec::new());
    for pick in picks {
        match catalog.items.find(pick.item()) {
            Some(item) => history.push((item, pick.time())),
            None => unknown.push(pick.item().to_owned()),
        }
    }
    Ok((history, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Entities;

    fn catalog() -> Catalog {
        let genre = Values::Token { vocabulary: vec!["Drama".into(), "War".into()], rows: vec![0, 1, 0, UNKNOWN, 1] };
        let mood = Values::TokenSeq {
            vocabulary: vec!["dark".into(), "light".into()],
            rows: vec![vec![0], vec![0, 1], vec![1], vec![1], vec![]],
        };
        let columns = vec![
            Column { name: "genre".into(), values: genre },
            Column { name: "mood".into(), values: mood },
            Column { name: "price".into(), values: Values::Dense { width: 1, rows: vec![0.0; 5] } },
        ];
        let ids = (0..5).map(|n| format!("i{n}")).collect();
        let items = Entities::new(ids, Vec::new(), columns).unwrap();
        Catalog { dataset: "x".into(), version: 1, users: Entities::default(), items }
    }

    fn open(rules: &Rules, history: &[u32]) -> Vec<u32> {
        let masked = rules.filter(&catalog(), &[4]).unwrap().masked(history);
        (0..5).filter(|item| !masked.contains(item)).collect()
    }

    fn rules(category: &[&str]) -> Rules {
        Rules { category: category.iter().map(|c| (*c).to_owned()).collect(), ..Rules::default() }
    }

    #[test]
    fn each_rule_closes_what_it_says() {
        assert_eq!(open(&Rules::default(), &[1]), [0, 2, 3]);
        assert_eq!(open(&Rules { include_seen: true, ..Rules::default() }, &[1]), [0, 1, 2, 3]);
        assert_eq!(open(&Rules { exclude: vec!["i0".into()], ..Rules::default() }, &[]), [1, 2, 3]);
        let only = Rules { only: Some(vec!["i3".into(), "i4".into(), "i1".into()]), ..Rules::default() };
        assert_eq!(open(&only, &[1]), [3], "what is closed to all, or known, stays closed");
        assert_eq!(open(&Rules { only: Some(Vec::new()), ..Rules::default() }, &[]), [0u32; 0]);
        assert_eq!(open(&rules(&["genre=Drama"]), &[]), [0, 2]);
        assert_eq!(open(&rules(&["genre=Drama", "genre=War"]), &[]), [0, 1, 2], "any of one column");
        assert_eq!(open(&rules(&["genre=Drama", "mood=light"]), &[]), [2], "all of the columns");
    }

    #[test]
    fn what_is_unknown_is_named_and_closes_nothing_else() {
        let rules = Rules { exclude: vec!["gone".into(), "i0".into()], ..rules(&["genre=Dramaa", "genre=War"]) };
        let filter = rules.filter(&catalog(), &[]).unwrap();
        assert_eq!(filter.unknown, ["gone", "genre=Dramaa"]);
        assert_eq!(filter.masked(&[]), [0, 2, 3]);
        let picks = [Pick::Item("i2".into()), Pick::Item("gone".into()), Pick::At { item: "i1".into(), time: 3.0 }];
        let (history, unknown) = picked(&catalog(), &picks).unwrap();
        assert_eq!((history, unknown), (vec![(2, None), (1, Some(3.0))], vec!["gone".to_owned()]));
        assert!(picked(&catalog(), &[Pick::At { item: "i1".into(), time: f64::NAN }]).is_err());
    }

    #[test]
    fn a_wrong_column_is_refused_with_those_there_are() {
        for wrong in ["genre", "price=3", "genres=Drama"] {
            let said = rules(&[wrong]).filter(&catalog(), &[]).unwrap_err().to_string();
            assert!(said.contains("genre"), "{said}");
        }
    }

    #[test]
    fn picks_are_written_as_they_are_read() {
        let picks: Vec<Pick> = serde_json::from_str(r#"["a", {"item": "b", "time": 2}]"#).unwrap();
        assert_eq!(picks, [Pick::Item("a".into()), Pick::At { item: "b".into(), time: 2.0 }]);
        assert_eq!(serde_json::to_string(&picks).unwrap(), r#"["a",{"item":"b","time":2.0}]"#);
        // An object with a misspelt field is refused instead of being read as a
        // pick without a time.
        assert!(serde_json::from_str::<Pick>(r#"{"item": "b", "when": 2}"#).is_err());
    }
}
