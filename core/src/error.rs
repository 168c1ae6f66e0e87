//! What can go wrong, said so that a person knows where and what to do.

use thiserror::Error;

/// A fault in a person's data, with its place.
///
/// `line` and `column` count from 1; a column is a field of the line (the
/// third tab-separated field is column 3). Zero means "the file as a whole".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {problem}. {hint}", place(.file, *.line, *.column))]
pub struct DataError {
    /// File name as the person gave it.
    pub file: String,
    /// Line, from 1; 0 when the fault is not in one line.
    pub line: u64,
    /// Field of the line, from 1; 0 when the fault is not in one field.
    pub column: u64,
    /// What was wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

fn place(file: &str, line: u64, column: u64) -> String {
    match (line, column) {
        (0, _) => file.to_owned(),
        (line, 0) => format!("{file}, line {line}"),
        (line, column) => format!("{file}, line {line}, column {column}"),
    }
}

/// Everything `core` can refuse.
#[derive(Debug, Error)]
pub enum Error {
    /// A person's file is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A configuration value cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// A rule for a list that cannot be followed.
    #[error("{0}")]
    Rule(String),
    /// A user or item that the catalogue does not hold.
    #[error("{kind} '{id}' is not in the catalogue")]
    UnknownId {
        /// "user" or "item".
        kind: &'static str,
        /// The identifier as given.
        id: String,
    },
    /// A stored model or manifest that does not fit.
    #[error("model: {0}")]
    Model(String),
    /// A score or loss that is not a number.
    #[error("{0} is not a number: the model has diverged; lower the step sizes")]
    NotANumber(String),
    /// A receipt, proof or checkpoint that is not what was signed.
    #[error("receipt log: {0}")]
    Log(String),
    /// The device cannot be used.
    #[error("device: {0}")]
    Device(String),
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
