//! One side of the data (users or items) while it is read: identifiers, and
//! columns whose vocabulary is fixed only when the admitted rows are known.

use std::collections::HashMap;

use super::buckets::{Bucketing, Cut, hashed};
use super::reader::quote;
use super::{Column, UNKNOWN, Values};
use crate::{Error, Result};

/// The greatest number of zeros for the blank rows of one `float_seq` column.
/// Without a limit a small file with a long first row and many blank rows would
/// need much memory.
const MAX_ZEROS: usize = 1 << 26;

/// Identifiers in the order of their first appearance, and their features.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) ids: Vec<String>,
    index: HashMap<String, u32>,
    /// Display names, one for each row, or none at all.
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<RawColumn>,
    /// Index in `columns` of the text column that holds the display names.
    pub(super) text: Option<usize>,
    /// The number of rows that a file lists; rows that only records name
    /// follow.
    listed: usize,
    /// The line number of each listed row.
    lines: Vec<u64>,
}

impl Table {
    pub(super) fn new(columns: Vec<RawColumn>, text: Option<usize>) -> Self {
        Self { columns, text, ..Self::default() }
    }

    /// The row of an identifier.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// Appends an identifier. Returns `None` if the 32-bit indices are used up
    /// (the highest one means "unknown").
    pub(super) fn push(&mut self, id: &str) -> Option<u32> {
        let row = u32::try_from(self.ids.len()).ok().filter(|&row| row < UNKNOWN)?;
        self.ids.push(id.to_owned());
        self.index.insert(id.to_owned(), row);
        Some(row)
    }

    /// Stores the line number of the last identifier.
    pub(super) fn note_line(&mut self, line: u64) {
        self.lines.push(line);
    }

    /// The line number of a row, if a file lists it.
    pub(super) fn line(&self, row: u32) -> Option<u64> {
        self.lines.get(row as usize).copied()
    }

    /// Marks the end of the rows that a file lists.
    pub(super) fn end_of_file(&mut self) {
        self.listed = self.ids.len();
    }

    /// How many rows a file listed.
    pub(super) fn listed(&self) -> usize {
        self.listed
    }

    /// Completes the rows that only records name: they get blank features,
    /// their identifiers as names, and an order that does not depend on a file.
    /// Returns the new index of each old row.
    pub(super) fn complete(&mut self) -> std::result::Result<Vec<u32>, (String, String)> {
        let listed = self.listed;
        let mut rest = Self::default();
        for id in self.ids.drain(listed..) {
            self.index.remove(&id);
            rest.push(&id);
        }
        let tail = rest.sort();
        for id in rest.ids {
            for column in &mut self.columns {
                column.push_blank()?;
            }
            if !self.names.is_empty() {
                self.names.push(id.clone());
            }
            self.push(&id);
        }
        Ok((0..listed as u32).chain(tail.into_iter().map(|row| row + listed as u32)).collect())
    }

    /// Sorts identifiers from records independently of the file's order: by
    /// number if all are whole numbers, else by bytes. Returns the new index of
    /// each old row.
    pub(super) fn sort(&mut self) -> Vec<u32> {
        let numbers: Option<Vec<i64>> = self.ids.iter().map(|id| id.parse().ok()).collect();
        let mut order: Vec<u32> = (0..self.ids.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            let by_number = numbers.as_ref().map_or(std::cmp::Ordering::Equal, |n| n[a].cmp(&n[b]));
            by_number.then_with(|| self.ids[a].cmp(&self.ids[b]))
        });
        let mut moved = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            moved[old as usize] = new as u32;
        }
        self.ids = order.iter().map(|&old| std::mem::take(&mut self.ids[old as usize])).collect();
        for row in self.index.values_mut() {
            *row = moved[*row as usize];
        }
        moved
    }
}

/// How the text of a column is turned into values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One category.
    Token,
    /// Categories between separators, unchanged.
    TokenSeq(char),
    /// Words of a text, in lower case.
    Words,
    /// One number, standardised over the catalogue.
    Float,
    /// Several numbers, the same number of them in every row.
    FloatSeq,
}

/// A column as read.
#[derive(Debug)]
pub(super) struct RawColumn {
    pub(super) name: String,
    kind: Kind,
    vocabulary: HashMap<String, u32>,
    tokens: Vec<u32>,
    sets: Vec<Vec<u32>>,
    /// Row-major; NaN marks a blank `Float`.
    numbers: Vec<f32>,
    width: usize,
    rows: usize,
    /// How many rows had no value.
    pub(super) blanks: usize,
    /// The column was not chosen: its values are skipped.
    unread: bool,
}

impl RawColumn {
    pub(super) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            vocabulary: HashMap::new(),
            tokens: Vec::new(),
            sets: Vec::new(),
            numbers: Vec::new(),
            width: usize::from(kind == Kind::Float),
            rows: 0,
            blanks: 0,
            unread: false,
        }
    }

    /// Skips every value unless the column was chosen.
    pub(super) fn read_if(mut self, asked: bool) -> Self {
        self.unread = !asked;
        self
    }

    /// Appends a blank value for a row that no file lists; it does not count in
    /// `blanks`.
    fn push_blank(&mut self) -> std::result::Result<(), (String, String)> {
        let blanks = self.blanks;
        self.push("")?;
        self.blanks = blanks;
        Ok(())
    }

    /// Appends the value of a row, or returns (problem, hint).
    pub(super) fn push(&mut self, field: &str) -> std::result::Result<(), (String, String)> {
        if self.unread {
            return Ok(());
        }
        match self.kind {
            Kind::Token if field.is_empty() => self.tokens.push(UNKNOWN),
            Kind::Token => {
                let token = self.intern(field);
                self.tokens.push(token);
            }
            Kind::TokenSeq(separator) => self.push_set(field, separator),
            Kind::Words => self.push_set(&field.to_lowercase(), ' '),
            Kind::Float if field.is_empty() => self.numbers.push(f32::NAN),
            Kind::Float => self.numbers.push(number(field)?),
            Kind::FloatSeq => self.push_numbers(field)?,
        }
        self.rows += 1;
        self.blanks += usize::from(field.trim().is_empty());
        Ok(())
    }

    fn intern(&mut self, token: &str) -> u32 {
        if let Some(&known) = self.vocabulary.get(token) {
            return known;
        }
        let next = self.vocabulary.len() as u32;
        self.vocabulary.insert(token.to_owned(), next);
        next
    }

    fn push_set(&mut self, field: &str, separator: char) {
        let set = field.split(separator).filter(|t| !t.is_empty()).map(|t| self.intern(t)).collect();
        self.sets.push(set);
    }

    fn push_numbers(&mut self, field: &str) -> std::result::Result<(), (String, String)> {
        let before = self.numbers.len();
        for text in field.split(' ').filter(|t| !t.is_empty()) {
            self.numbers.push(number(text)?);
        }
        let found = self.numbers.len() - before;
        let blanks = self.blanks + usize::from(found == 0);
        if blanks.saturating_mul(self.width.max(found)) > MAX_ZEROS {
            let problem = format!("{blanks} blank rows in a column of {} numbers a row", self.width.max(found));
            return Err((problem, "Leave the column out, or fill it".into()));
        }
        if found == 0 {
            self.numbers.extend(std::iter::repeat_n(0.0, self.width));
        } else if self.width == 0 {
            // Earlier blank rows get their zeros now.
            self.width = found;
            self.numbers.splice(0..0, std::iter::repeat_n(0.0, self.rows * found));
        } else if self.width != found {
            let problem = format!("{found} numbers where the rows before have {}", self.width);
            return Err((problem, "Give every row as many numbers, or none".into()));
        }
        Ok(())
    }

    /// The feature of the admitted rows. The vocabulary holds the categories of
    /// these rows in byte order; a number is standardised over these rows.
    pub(super) fn finish(self, keep: &[u32]) -> Column {
        let values = match self.kind {
            Kind::Token => {
                let mut rows: Vec<u32> = keep.iter().map(|&row| self.tokens[row as usize]).collect();
                let (vocabulary, moved) = settle(self.vocabulary, rows.iter().copied().filter(|&t| t != UNKNOWN));
                rows.iter_mut().filter(|t| **t != UNKNOWN).for_each(|t| *t = moved[*t as usize]);
                Values::Token { vocabulary, rows }
            }
            Kind::TokenSeq(_) | Kind::Words => {
                let mut rows: Vec<Vec<u32>> = keep.iter().map(|&row| self.sets[row as usize].clone()).collect();
                let (vocabulary, moved) = settle(self.vocabulary, rows.iter().flatten().copied());
                for row in &mut rows {
                    row.iter_mut().for_each(|t| *t = moved[*t as usize]);
                    row.sort_unstable();
                    row.dedup();
                }
                Values::TokenSeq { vocabulary, rows }
            }
            Kind::Float => Values::Dense {
                width: 1,
                rows: standardised(keep.iter().map(|&row| self.numbers[row as usize]).collect()),
            },
            Kind::FloatSeq if self.width == 0 => Values::Dense { width: 1, rows: vec![0.0; keep.len()] },
            Kind::FloatSeq => Values::Dense { width: self.width, rows: dense_rows(&self.numbers, self.width, keep) },
        };
        Column { name: self.name, values }
    }
}

impl RawColumn {
    /// A user feature of the admitted rows, as buckets.
    ///
    /// # Errors
    /// If a numeric column has no declared range, or holds several numbers in a
    /// row.
    pub(super) fn in_buckets(self, keep: &[u32], by: &Bucketing) -> Result<Column> {
        let mut of_token = vec![0; self.vocabulary.len()];
        for (value, token) in &self.vocabulary {
            of_token[*token as usize] = hashed(&by.key, &self.name, value, by.count);
        }
        let (count, cut, rows) = match self.kind {
            Kind::Token => {
                let bucket = |&row: &u32| Some(self.tokens[row as usize]).filter(|&t| t != UNKNOWN);
                let rows = keep.iter().map(|row| bucket(row).map(|t| of_token[t as usize]).into_iter().collect());
                (by.count, Cut::Whole, rows.collect::<Vec<Vec<u32>>>())
            }
            Kind::TokenSeq(_) | Kind::Words => {
                let rows = keep.iter().map(|&row| {
                    let mut set: Vec<u32> = self.sets[row as usize].iter().map(|&t| of_token[t as usize]).collect();
                    set.sort_unstable();
                    set.dedup();
                    set
                });
                (by.count, Cut::Words, rows.collect())
            }
            Kind::Float => {
                let range = by.range(&self.name)?;
                let number = |&row: &u32| Some(self.numbers[row as usize]).filter(|v| !v.is_nan());
                let rows = keep.iter().map(|row| number(row).map(|v| range.part(f64::from(v))).into_iter().collect());
                (range.parts, Cut::Range(range), rows.collect())
            }
            Kind::FloatSeq => {
                return Err(Error::Config(format!(
                    "the user feature '{}' holds several numbers a row, which make no buckets; leave it out",
                    self.name
                )));
            }
        };
        Ok(Column { name: self.name, values: Values::Buckets { count, cut, rows } })
    }
}

/// The given rows of a row-major table.
pub(super) fn dense_rows(numbers: &[f32], width: usize, keep: &[u32]) -> Vec<f32> {
    keep.iter().flat_map(|&row| &numbers[row as usize * width..(row as usize + 1) * width]).copied().collect()
}

/// The used tokens, sorted, and the new index of each provisional index.
fn settle(vocabulary: HashMap<String, u32>, used: impl Iterator<Item = u32>) -> (Vec<String>, Vec<u32>) {
    let mut moved = vec![UNKNOWN; vocabulary.len()];
    used.for_each(|token| moved[token as usize] = 0);
    let mut kept: Vec<(String, u32)> = vocabulary.into_iter().filter(|(_, t)| moved[*t as usize] == 0).collect();
    kept.sort_unstable();
    for (new, (_, old)) in kept.iter().enumerate() {
        moved[*old as usize] = new as u32;
    }
    (kept.into_iter().map(|(token, _)| token).collect(), moved)
}

/// Standardises values to mean 0 and standard deviation 1. Blanks (NaN), and
/// all values of a constant column, become 0. Sums run in row order.
fn standardised(mut values: Vec<f32>) -> Vec<f32> {
    let known = || values.iter().filter(|v| !v.is_nan()).map(|&v| f64::from(v));
    let count = known().count().max(1) as f64;
    let mean = known().sum::<f64>() / count;
    let deviation = (known().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
    for value in &mut values {
        let scaled = (f64::from(*value) - mean) / deviation;
        *value = if scaled.is_finite() { scaled as f32 } else { 0.0 };
    }
    values
}

fn number(text: &str) -> std::result::Result<f32, (String, String)> {
    match text.trim().parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value + 0.0),
        Ok(_) => Err((format!("{} is not a finite number", quote(text)), "Leave the field blank if unknown".into())),
        Err(_) => {
            Err((format!("{} is not a number", quote(text)), "Declare the column as a token, or correct it".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Kind, fields: &[&str], keep: &[u32]) -> Values {
        let mut column = RawColumn::new("c", kind);
        for field in fields {
            column.push(field).unwrap();
        }
        column.finish(keep).values
    }

    #[test]
    fn vocabulary_is_sorted_and_holds_only_what_is_used() {
        let values = column(Kind::Token, &["b", "", "c", "a"], &[0, 1, 3]);
        assert_eq!(values, Values::Token { vocabulary: vec!["a".into(), "b".into()], rows: vec![1, UNKNOWN, 0] });
        let values = column(Kind::TokenSeq(' '), &["War  Drama War", "", "drama"], &[0, 1, 2]);
        let vocabulary = vec!["Drama".into(), "War".into(), "drama".into()];
        assert_eq!(values, Values::TokenSeq { vocabulary, rows: vec![vec![0, 1], vec![], vec![2]] });
        let values = column(Kind::Words, &["The Éclair the", "THE"], &[0, 1]);
        let vocabulary = vec!["the".into(), "éclair".into()];
        assert_eq!(values, Values::TokenSeq { vocabulary, rows: vec![vec![0, 1], vec![0]] });
    }

    #[test]
    fn numbers_are_standardised_and_blanks_are_zero() {
        let values = column(Kind::Float, &["1", "3", "", "99"], &[0, 1, 2]);
        assert_eq!(values, Values::Dense { width: 1, rows: vec![-1.0, 1.0, 0.0] });
        assert_eq!(column(Kind::Float, &["5", "5", ""], &[0, 1, 2]), Values::Dense { width: 1, rows: vec![0.0; 3] });
        assert_eq!(column(Kind::Float, &["", ""], &[0, 1]), Values::Dense { width: 1, rows: vec![0.0; 2] });
        let huge = column(Kind::Float, &["3e38", "-3e38"], &[0, 1]);
        assert_eq!(huge, Values::Dense { width: 1, rows: vec![1.0, -1.0] });
    }

    #[test]
    fn sequences_of_numbers_have_one_width() {
        let values = column(Kind::FloatSeq, &["", "1 2", "", "3  4"], &[0, 1, 3]);
        assert_eq!(values, Values::Dense { width: 2, rows: vec![0.0, 0.0, 1.0, 2.0, 3.0, 4.0] });
        assert_eq!(column(Kind::FloatSeq, &["", ""], &[0, 1]), Values::Dense { width: 1, rows: vec![0.0; 2] });
        let mut wrong = RawColumn::new("c", Kind::FloatSeq);
        wrong.push("1 2").unwrap();
        assert!(wrong.push("1").unwrap_err().0.contains("1 numbers where the rows before have 2"));
        let mut hollow = RawColumn::new("c", Kind::FloatSeq);
        hollow.push(&"0 ".repeat(MAX_ZEROS / 4)).unwrap();
        (0..4).for_each(|_| hollow.push("").unwrap());
        assert!(hollow.push("").unwrap_err().0.starts_with("5 blank rows"));
        for bad in ["x", "NaN", "1e39", "inf"] {
            assert!(RawColumn::new("c", Kind::Float).push(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn identifiers_sort_by_number_when_all_are_numbers() {
        let sorted = |ids: &[&str]| {
            let mut table = Table::default();
            for id in ids {
                table.push(id).unwrap();
            }
            let moved = table.sort();
            for (old, id) in ids.iter().enumerate() {
                assert_eq!(table.ids[moved[old] as usize], *id);
                assert_eq!(table.find(id), Some(moved[old]));
            }
            table.ids
        };
        assert_eq!(sorted(&["10", "9", "-1", "09"]), ["-1", "09", "9", "10"]);
        assert_eq!(sorted(&["10", "9", "a"]), ["10", "9", "a"]);
    }
}
