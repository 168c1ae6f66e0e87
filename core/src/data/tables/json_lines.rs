//! JSON Lines: one object a line.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::super::BadLines;
use super::super::reader::{Encoding, Lines, Separator, Source, fault, quote};
use super::delimiter::SAMPLE_ROWS;
use super::rows::{Field, Rows, Start, Visit, Wrong, note_wrong};
use crate::Result;

/// The size of the sample that is examined before a file is read, in bytes.
const LOOK: u64 = 1 << 18;

/// The greatest depth of a nested key, such as `customer.address.city`.
const DEPTH: usize = 4;

type Object<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// A file of JSON objects. Its columns are their keys; a dot joins the keys of
/// nested objects. A number is read as the text in the file.
pub struct JsonLines<'a> {
    source: Option<Source<'a>>,
    start: Start,
}

impl std::fmt::Debug for JsonLines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").field("start", &self.start).finish_non_exhaustive()
    }
}

impl<'a> JsonLines<'a> {
    /// Examines the first objects of a file: their keys are the columns.
    ///
    /// # Errors
    /// If there is no object among the first lines.
    pub fn open(source: Source<'a>) -> Result<Self> {
        let (sample, source) = source.look(LOOK)?;
        let file = source.name().to_owned();
        let text = String::from_utf8_lossy(&sample);
        if text.trim_start().starts_with('[') {
            let hint = "Write one object a line: jq -c '.[]' FILE > FILE.jsonl";
            return Err(fault(&file, 1, 0, "this is one JSON array, not one object a line", hint));
        }
        let objects: Vec<Object<'_>> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(SAMPLE_ROWS).collect();
        let mut headings = Vec::new();
        for object in &objects {
            keys(object, "", DEPTH, &mut headings);
        }
        if headings.is_empty() {
            let hint = "Write one object a line, such as {\"user\": \"u1\", \"item\": \"i1\", \"time\": 1600000000}";
            return Err(fault(&file, 1, 0, "there is no JSON object in the first lines", hint));
        }
        let row = |object: &Object<'_>| {
            headings
                .iter()
                .map(|name| value(object, name).and_then(|raw| plain(raw).ok()).unwrap_or_default())
                .collect()
        };
        let sample = objects.iter().map(row).collect();
        Ok(Self { source: Some(source), start: Start { file, headings, sample } })
    }
}

/// Appends the keys of an object that are not in `found` yet, sorted.
fn keys(object: &Object<'_>, before: &str, depth: usize, found: &mut Vec<String>) {
    let mut names: Vec<&Cow<'_, str>> = object.keys().collect();
    names.sort_unstable();
    for key in names {
        let name = format!("{before}{key}");
        let inner: Option<Object<'_>> = object
            .get(key)
            .filter(|raw| depth > 1 && raw.get().starts_with('{'))
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        match inner {
            Some(inner) => keys(&inner, &format!("{name}."), depth - 1, found),
            None if !found.contains(&name) => found.push(name),
            None => {}
        }
    }
}

/// The value of a column.
fn value<'a>(object: &Object<'a>, name: &str) -> Option<&'a RawValue> {
    if let Some(raw) = object.get(name) {
        return Some(raw);
    }
    let (key, rest) = name.split_once('.')?;
    let inner: Object<'a> = serde_json::from_str(object.get(key)?.get()).ok()?;
    value(&inner, rest)
}

/// A value as text; the values of a list are joined by bars.
fn plain(raw: &RawValue) -> std::result::Result<String, String> {
    let text = raw.get();
    if !text.starts_with('[') {
        return single(text);
    }
    let values: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let texts: std::result::Result<Vec<String>, String> = values.into_iter().map(|value| single(value.get())).collect();
    Ok(texts?.join("|"))
}

/// A value that is not a list or an object. Lists are read one level deep, so a
/// file cannot cause deep recursion.
fn single(text: &str) -> std::result::Result<String, String> {
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|error| reason(&error)),
        Some(b'[') => Err("a list within a list".into()),
        Some(b'{') => Err("an object".into()),
        _ if text == "null" => Ok(String::new()),
        _ => Ok(text.to_owned()),
    }
}

impl Rows for JsonLines<'_> {
    fn start(&self) -> &Start {
        &self.start
    }

    fn each(&mut self, selected: &[usize], bad: &mut BadLines, visit: &mut Visit<'_>) -> Result<u64> {
        let Some(source) = self.source.take() else { return Ok(0) };
        let names: Vec<&str> = selected.iter().map(|&place| self.start.headings[place].as_str()).collect();
        let mut lines = Lines::new(source, Separator::Tab, Encoding::Utf8).passing_blanks();
        let mut count = 0;
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    if !lines.goes_on() {
                        return Err(error);
                    }
                    count += 1;
                    bad.forgive(Err::<(), _>(error))?;
                    continue;
                }
            };
            count += 1;
            if let Err(wrong) = read_line(line.text, line.number, &names, visit) {
                note_wrong(bad, &self.start.file, line.number, selected, wrong);
            }
        }
        Ok(count)
    }
}

fn read_line(text: &str, line: u64, names: &[&str], visit: &mut Visit<'_>) -> std::result::Result<(), Wrong> {
    let object: Object<'_> = serde_json::from_str(text).map_err(|error| Wrong {
        field: None,
        problem: format!("the line is no JSON object ({})", reason(&error)),
        hint: "Write one object a line, such as {\"user\": \"u1\", \"item\": \"i1\"}".into(),
    })?;
    let mut texts = Vec::with_capacity(names.len());
    for (field, name) in names.iter().enumerate() {
        let Some(raw) = value(&object, name) else {
            texts.push(String::new());
            continue;
        };
        let text = plain(raw).map_err(|problem| Wrong {
            field: Some(field),
            problem: format!("{} holds {problem}", quote(name)),
            hint: "Name a column that holds text or numbers; a value within follows a dot, such as customer.id".into(),
        })?;
        texts.push(text);
    }
    let fields: Vec<Field<'_>> = texts.iter().map(|text| Field::Text(text)).collect();
    visit(line, &fields)
}

/// The error message without the position, which counts within this line only.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_rows() {
        let text = "{\"user\": 7, \"item\": \"a\\\"b\", \"x\": {\"t\": 1.0}}\n{\"item\": \"07\", \"user\": 7.0, \"tags\": [\"a\", 1]}\n\nno\n{\"user\": null, \"item\": {}}\n";
        let mut table = JsonLines::open(Source::new("f.jsonl", text.as_bytes())).unwrap();
        assert_eq!(table.headings(), ["item", "user", "x.t", "tags"]);
        let mut bad = BadLines::new(0);
        let mut found: Vec<Vec<String>> = Vec::new();
        let mut visit = |_: u64, fields: &[Field<'_>]| {
            found.push(fields.iter().map(|field| field.text().to_owned()).collect());
            Ok(())
        };
        assert_eq!(table.each(&[1, 0, 2, 3], &mut bad, &mut visit).unwrap(), 4);
        assert_eq!(found, [["7", "a\"b", "1.0", ""], ["7.0", "07", "", "a|1"]]);
        let named: Vec<(u64, u64)> = bad.list().iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(named, [(4, 0), (5, 1)]);
    }

    #[test]
    fn what_is_no_list_of_objects_is_refused() {
        let message = |text: &str| JsonLines::open(Source::new("f", text.as_bytes())).unwrap_err().to_string();
        assert!(message("[{\"user\": 1}]").contains("jq -c"));
        assert!(message("hello").contains("no JSON object"));
    }

    #[test]
    fn depth_is_refused_and_not_followed() {
        let deep = |count: usize| format!("{{\"user\": {}1{}}}\n", "[".repeat(count), "]".repeat(count));
        for count in [2, 100, 200_000] {
            let text = deep(count);
            let Ok(mut table) = JsonLines::open(Source::new("f", text.as_bytes())) else { continue };
            let mut bad = BadLines::new(0);
            table.each(&[0], &mut bad, &mut |_, _| Ok(())).unwrap();
            assert_eq!(bad.count(), 1, "{count}");
        }
        let deep = format!("{}1{}\n", "{\"a\":".repeat(200_000), "}".repeat(200_000));
        assert!(JsonLines::open(Source::new("f", deep.as_bytes())).is_err());
    }
}
