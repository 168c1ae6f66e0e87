//! User features as buckets: the keyed hash of a category, or the part of a
//! declared range in which a number lies.
//!
//! A vocabulary, a mean or a deviation would depend on all users' values and so
//! keep a trace of deleted users. A bucket depends on one user's value and the
//! deployment's key alone, so it is deleted with the user.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::Key;
use crate::{Error, Result};

/// How values of users are turned into buckets.
#[derive(Debug, Clone)]
pub struct Bucketing {
    /// The deployment's key.
    pub key: Key,
    /// Number of buckets for a column of categories.
    pub count: u32,
    /// The declared range of each numeric column, by the column's name.
    pub ranges: Vec<(String, Range)>,
}

/// A declared range of numbers, divided into equal parts. Numbers outside
/// belong to the first or the last part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Where the first part begins.
    pub low: f64,
    /// Where the last part ends.
    pub high: f64,
    /// Number of parts.
    pub parts: u32,
}

impl FromStr for Range {
    type Err = String;

    /// Parses LOW:HIGH:PARTS.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("'{text}' is no range; write LOW:HIGH:PARTS, such as 0:100:10");
        let [low, high, parts] = text.split(':').collect::<Vec<_>>()[..] else { return Err(wrong()) };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let (Some(low), Some(high), Ok(parts)) = (number(low), number(high), parts.trim().parse::<u32>()) else {
            return Err(wrong());
        };
        if low >= high || !(1..=10_000).contains(&parts) {
            return Err(format!("{text}: LOW must lie below HIGH, with 1 to 10000 parts"));
        }
        Ok(Self { low, high, parts })
    }
}

impl Range {
    /// The part in which a number lies, from 0.
    #[must_use]
    pub fn part(&self, number: f64) -> u32 {
        let share = (number - self.low) / (self.high - self.low);
        ((share * f64::from(self.parts)).floor().max(0.0) as u32).min(self.parts - 1)
    }
}

/// How the text of one column is turned into buckets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// A keyed hash of the whole value.
    Whole,
    /// A keyed hash of each word; words are separated by spaces.
    Words,
    /// The part of a declared range.
    Range(Range),
}

/// The bucket of a category.
pub(super) fn hashed(key: &Key, column: &str, value: &str, count: u32) -> u32 {
    (key.number("bucket of a person's feature", &[column.as_bytes(), value.as_bytes()]) % u64::from(count.max(1)))
        as u32
}

impl Cut {
    /// The buckets of a field, ascending: none for a blank field, or for text
    /// that is not a number in a numeric column.
    pub(super) fn buckets(self, key: &Key, column: &str, field: &str, count: u32) -> Vec<u32> {
        let mut found: Vec<u32> = match self {
            Self::Whole if field.is_empty() => Vec::new(),
            Self::Whole => vec![hashed(key, column, field, count)],
            Self::Words => field.split(' ').filter(|w| !w.is_empty()).map(|w| hashed(key, column, w, count)).collect(),
            Self::Range(range) => {
                field.trim().parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| range.part(v)).into_iter().collect()
            }
        };
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Bucketing {
    /// The declared range of a column of numbers.
    ///
    /// # Errors
    /// If no range is declared: a numeric column needs one.
    pub(super) fn range(&self, column: &str) -> Result<Range> {
        let found = self.ranges.iter().find(|(name, _)| name == column).map(|(_, range)| *range);
        found.ok_or_else(|| {
            Error::Config(format!(
                "the user feature '{column}' holds numbers, and no statistic of people may be kept: declare its range, \
                 such as --user-range {column}=0:100:10"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_hand() {
        let range: Range = "0:100:10".parse().unwrap();
        assert_eq!([-5.0, 0.0, 9.99, 10.0, 99.0, 100.0, 1e9].map(|v| range.part(v)), [0, 0, 0, 1, 9, 9, 9]);
        for wrong in ["", "1:2", "2:1:3", "0:1:0", "a:b:c", "0:inf:3", "0:1:-1"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bucket_follows_from_value_column_and_key_alone() {
        let (key, other) = (Key::from_seed(1), Key::from_seed(2));
        let bucket = |key: &Key, column: &str, value: &str| Cut::Whole.buckets(key, column, value, 1 << 30);
        assert_eq!(bucket(&key, "age", "18-25"), bucket(&key, "age", "18-25"));
        assert_ne!(bucket(&key, "age", "18-25"), bucket(&key, "age", "26-35"));
        assert_ne!(bucket(&key, "age", "18-25"), bucket(&key, "kids", "18-25"));
        assert_ne!(bucket(&key, "age", "18-25"), bucket(&other, "age", "18-25"));
        assert!(bucket(&key, "age", "").is_empty());
        assert_eq!(Cut::Words.buckets(&key, "tags", "b a  b", 1 << 30).len(), 2);
        let range = Cut::Range("0:10:5".parse().unwrap());
        assert_eq!(range.buckets(&key, "age", "9", 5), [4]);
        assert!(range.buckets(&key, "age", "old", 5).is_empty());
    }
}
