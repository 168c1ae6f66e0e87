//! The values of a feature: categories, sets of categories, buckets or numbers.

use serde::{Deserialize, Serialize};

use super::buckets::Cut;

/// The index of a value that is blank or outside the vocabulary.
pub const UNKNOWN: u32 = u32::MAX;

/// One feature of every user, or of every item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the data.
    pub name: String,
    /// Its values, in the order of the identifiers.
    pub values: Values,
}

/// A feature's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Values {
    /// A category: an index into the vocabulary, or [`UNKNOWN`].
    Token {
        /// Distinct values, sorted.
        vocabulary: Vec<String>,
        /// One index for each row.
        rows: Vec<u32>,
    },
    /// A set of categories (genres, the words of a title).
    TokenSeq {
        /// Distinct values, sorted.
        vocabulary: Vec<String>,
        /// For each row, its distinct indices, ascending.
        rows: Vec<Vec<u32>>,
    },
    /// User features that may be stored: buckets that depend on one user's
    /// value and the deployment's key alone, without a vocabulary
    /// (`data::buckets`).
    Buckets {
        /// The number of buckets.
        count: u32,
        /// How a field is turned into buckets.
        cut: Cut,
        /// For each row, its distinct buckets, ascending.
        rows: Vec<Vec<u32>>,
    },
    /// Numbers, such as the embedding of a title, or an age.
    Dense {
        /// Numbers in a row.
        width: usize,
        /// Row-major values. Kept outside JSON (see [`Catalog::dense`](super::Catalog::dense)).
        #[serde(skip)]
        rows: Vec<f32>,
    },
}

impl Values {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Token { rows, .. } => rows.len(),
            Self::TokenSeq { rows, .. } | Self::Buckets { rows, .. } => rows.len(),
            Self::Dense { width, rows } => rows.len() / (*width).max(1),
        }
    }

    /// The size of the vocabulary and the values of some rows as text, for
    /// hashing.
    pub(crate) fn describe(&self, rows: impl IntoIterator<Item = u32>) -> String {
        let mut text = match self {
            Self::Token { vocabulary, .. } | Self::TokenSeq { vocabulary, .. } => format!("{}:", vocabulary.len()),
            Self::Buckets { count, cut, .. } => format!("{count} buckets {cut:?}:"),
            Self::Dense { width, .. } => format!("dense {width}:"),
        };
        for row in rows {
            text.push_str(&match self {
                Self::Token { rows, .. } => format!("{};", rows[row as usize]),
                Self::TokenSeq { rows, .. } | Self::Buckets { rows, .. } => format!("{:?};", rows[row as usize]),
                Self::Dense { width, rows } => {
                    let own = &rows[row as usize * width..(row as usize + 1) * width];
                    format!(
                        "{};",
                        blake3::hash(&own.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).to_hex()
                    )
                }
            });
        }
        text
    }

    /// Whether the feature has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
