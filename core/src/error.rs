//! Errors that state the problem, its position and how to correct it.

use std::borrow::Cow;

use thiserror::Error;

/// A fault in a data file, with its position.
///
/// `line` and `column` count from 1; a column is a field of the line (the
/// third tab-separated field is column 3). Zero means the file, or the line, as
/// a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {problem}. {hint}", place(.file, *.line, *.column))]
pub struct DataError {
    /// File name as it was given.
    pub file: String,
    /// Line, from 1; 0 if the fault is not in one line.
    pub line: u64,
    /// Field of the line, from 1; 0 if the fault is not in one field.
    pub column: u64,
    /// The problem.
    pub problem: String,
    /// How to correct it.
    pub hint: String,
}

fn place(file: &str, line: u64, column: u64) -> String {
    match (line, column) {
        (0, _) => file.to_owned(),
        (line, 0) => format!("{file}, line {line}"),
        (line, column) => format!("{file}, line {line}, column {column}"),
    }
}

/// Makes a text safe to print on one line of a terminal: control characters,
/// which could move the cursor or break the line, are escaped.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => plain.push(letter),
            letter if letter.is_control() => plain.extend(letter.escape_debug()),
            letter => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

/// A value in quotes for a message: on one line, of bounded length.
pub fn quote(value: &str) -> String {
    const SHOWN: usize = 60;
    let mut text: String = value.chars().take(SHOWN).collect();
    if value.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    format!("'{}'", shown(&text).replace('\t', "\\t"))
}

/// A count with its noun: `1 record`, `2 people`, `3 entries`.
pub fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    if number == 1 {
        return format!("1 {thing}");
    }
    match thing.strip_suffix('y') {
        _ if thing == "person" => format!("{number} people"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{number} {stem}ies"),
        _ => format!("{number} {thing}s"),
    }
}

/// All errors of this crate.
#[derive(Debug, Error)]
pub enum Error {
    /// A data file has a fault.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A configuration value is invalid. The text says which values are
    /// allowed.
    #[error("configuration: {0}")]
    Config(String),
    /// A rule for a list is invalid. The text says which rules are allowed.
    #[error("{0}")]
    Rule(String),
    /// A user or item that is not in the catalogue.
    #[error("{kind} {} is not in the catalogue; write it as the imported files do, byte for byte", quote(.id))]
    UnknownId {
        /// "user" or "item".
        kind: &'static str,
        /// The identifier as given.
        id: String,
    },
    /// A stored model or manifest that does not fit the configuration or
    /// catalogue.
    #[error("model: {0}; train its shard again (eemu train), or fetch the file again")]
    Model(String),
    /// A score or loss is NaN or infinite.
    #[error("{0} is not a number: the model has diverged; lower the step sizes")]
    NotANumber(String),
    /// A receipt, proof or checkpoint that does not match what was signed.
    #[error("receipt log: {0}; get it again from whoever keeps the log, and trust nothing that stays so")]
    Log(String),
    /// The device cannot be used.
    #[error("device: {0}; try it again, or on the processor: --device cpu")]
    Device(String),
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular() {
        let words = [(0, "day"), (1, "person"), (2, "person"), (1, "shard"), (3, "entry"), (2, "bad line")];
        let said: Vec<String> = words.iter().map(|(number, thing)| counted(*number as u64, thing)).collect();
        assert_eq!(said, ["0 days", "1 person", "2 people", "1 shard", "3 entries", "2 bad lines"]);
    }
}
