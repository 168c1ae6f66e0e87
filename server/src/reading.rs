//! Describes what is wrong with a value that could not be parsed. The message names no
//! Rust type and does not repeat the value, since a client may log it.

use std::fmt::Display;

/// Kinds of values in serde's words, and in everyday words.
const KINDS: &[(&str, &str)] = &[
    ("usize", "a whole number, 0 or more"),
    ("u8", "a whole number, 0 or more"),
    ("u32", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("f32", "a number"),
    ("f64", "a number"),
    ("string", "a text"),
    ("a string", "a text"),
    ("map", "an object"),
    ("a map", "an object"),
    ("sequence", "a list"),
    ("a sequence", "a list"),
    ("boolean", "true or false"),
    ("a boolean", "true or false"),
    ("integer", "a whole number"),
    ("floating", "a number"),
    ("null", "nothing"),
    ("unit", "nothing"),
];

fn plain(kind: &str) -> &str {
    let kind = kind.strip_prefix("struct ").map_or(kind, |_| "a map");
    KINDS.iter().find(|(written, _)| *written == kind).map_or(kind, |(_, plain)| plain)
}

/// Serde's message about a value of the wrong kind, in everyday words.
pub(crate) fn wrong_kind(error: &impl Display) -> String {
    let text = without_place(error);
    let wrong = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "));
    let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return text;
    };
    let found = found.split([' ', '`']).next().unwrap_or_default();
    format!("it must be {}, and is {}", plain(expected), plain(found))
}

/// What is wrong with a table of a few columns, in everyday words.
pub(crate) fn csv_problem(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(why) => format!("it cannot be read ({why})"),
        csv::ErrorKind::Utf8 { .. } => "the line is no UTF-8 text".into(),
        _ => "the line cannot be read as CSV; a quote may not be closed".into(),
    }
}

/// Serde's message without its position.
pub(crate) fn without_place(error: &impl Display) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::wrong_kind;

    #[test]
    fn kinds_are_said_in_words() {
        let wrong = |text: &str| wrong_kind(&serde_json::from_str::<Vec<u32>>(text).unwrap_err());
        assert_eq!(wrong("\"hush\""), "it must be a list, and is a text");
        assert_eq!(wrong("[\"hush\"]"), "it must be a whole number, 0 or more, and is a text");
        assert_eq!(wrong("[-1]"), "it must be a whole number, 0 or more, and is a whole number");
        assert_eq!(wrong("[{}]"), "it must be a whole number, 0 or more, and is an object");
    }
}
