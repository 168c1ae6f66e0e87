//! A file's text cut into rows and columns: tables, JSON, one name a line.

use std::collections::BTreeMap;

use eemu_core::data::tables::{Wishes, is_heading, recognise, rows};

use super::LOOK;
use crate::say::told;

/// A file cut into rows.
pub(super) struct Cut {
    /// What its columns are called.
    pub(super) columns: Vec<String>,
    /// Each row with its line.
    pub(super) rows: Vec<(u64, Vec<String>)>,
    /// Lines that cannot be used, and why.
    pub(super) bad: Vec<(u64, String)>,
}

/// Cuts a text whose lines end in `\n`.
///
/// # Errors
/// A sentence with a next step, when nothing in it can be used.
pub(super) fn of(text: &str) -> Result<Cut, String> {
    if text.trim_start().starts_with(['[', '{']) { json(text) } else { delimited(text) }
}

fn delimited(text: &str) -> Result<Cut, String> {
    let sample: String = text.split_inclusive('\n').take(LOOK).collect();
    // One name a line is a table too; commas are part of such names.
    let Some(cut) = recognise(&sample, None, None) else { return Ok(one_column(text)) };
    let mut first = rows(&sample, cut);
    if first.is_empty() {
        return Err(told!("w-the-file-is-empty").into());
    }
    let heading = first.remove(0);
    let is_heading = is_heading(&heading, &first, &Wishes::default(), None).unwrap_or_else(|_| names_columns(&heading));
    let width = heading.len();
    let columns = if is_heading {
        heading.iter().map(|name| name.trim().to_owned()).collect()
    } else {
        (1..=width).map(|number| told!("w-column", number = number.to_string())).collect()
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(cut.delimiter)
        .quoting(cut.quotes)
        .flexible(true)
        .has_headers(is_heading)
        .from_reader(text.as_bytes());
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for row in reader.records() {
        let Ok(row) = row else { continue };
        let line = row.position().map_or(0, csv::Position::line);
        // A line may leave out what stands at its end.
        if row.len() > width && row.iter().skip(width).any(|field| !field.trim().is_empty()) {
            bad.push((line, told!("w-columns-expected-found-2", width, row = row.len())));
        } else if row.iter().any(|field| !field.trim().is_empty()) {
            rows.push((line, row.iter().map(str::to_owned).collect()));
        }
    }
    Ok(Cut { columns, rows, bad })
}

fn one_column(text: &str) -> Cut {
    let mut rows: Vec<(u64, Vec<String>)> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, vec![line.trim().trim_matches('"').replace("\"\"", "\"")]))
        .collect();
    let mut columns = vec![told!("w-column-1").to_owned()];
    if rows.first().is_some_and(|(_, row)| names_columns(row)) {
        columns = rows.remove(0).1;
    }
    Cut { columns, rows, bad: Vec::new() }
}

/// Words that head columns in exports of the common languages.
const HEADINGS: &str = "what when who title titel titre título titolo name nom nombre item product artikel produkt movie \
                        film book buch livre libro track song date datum fecha data rating bewertung note isbn asin game \
                        spiel jeu juego";

fn names_columns(row: &[String]) -> bool {
    let known = |field: &String| HEADINGS.split_whitespace().any(|word| field.trim().to_lowercase() == word);
    row.iter().any(known)
}

/// Objects, in one list or one a line; lists inside of an object are looked for.
fn json(text: &str) -> Result<Cut, String> {
    let mut objects: Vec<(u64, serde_json::Map<String, serde_json::Value>)> = Vec::new();
    let mut bad = Vec::new();
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(whole) => {
            let list = list_of(whole).ok_or(told!("w-this-json-holds-no"))?;
            for (number, value) in (1..).zip(list) {
                match value {
                    serde_json::Value::Object(object) => objects.push((number, object)),
                    serde_json::Value::String(name) => {
                        objects.push((number, [("name".to_owned(), name.into())].into_iter().collect()));
                    }
                    _ => bad.push((number, told!("w-it-is-no-object").into())),
                }
            }
        }
        Err(_) => {
            for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                match serde_json::from_str::<serde_json::Value>(line) {
                    Ok(serde_json::Value::Object(object)) => objects.push((number, object)),
                    Ok(_) => bad.push((number, told!("w-it-is-no-object").into())),
                    Err(why) => bad.push((number, told!("w-it-is-no-json", why))),
                }
            }
            if objects.is_empty() {
                return Err(told!("w-this-is-neither-json").into());
            }
        }
    }
    let mut columns: Vec<String> = Vec::new();
    let flat: Vec<(u64, Vec<(String, String)>)> =
        objects.into_iter().map(|(number, object)| (number, flat("", &object))).collect();
    for (name, _) in flat.iter().take(LOOK).flat_map(|(_, fields)| fields) {
        if !columns.contains(name) && columns.len() < 64 {
            columns.push(name.clone());
        }
    }
    let place: BTreeMap<&str, usize> = columns.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let row = |fields: Vec<(String, String)>| {
        let mut row = vec![String::new(); columns.len()];
        for (name, value) in fields {
            if let Some(at) = place.get(name.as_str()) {
                row[*at] = value;
            }
        }
        row
    };
    let rows = flat.into_iter().map(|(number, fields)| (number, row(fields))).collect();
    Ok(Cut { columns, rows, bad })
}

/// The longest list in a value.
fn list_of(value: serde_json::Value) -> Option<Vec<serde_json::Value>> {
    match value {
        serde_json::Value::Array(list) => Some(list),
        serde_json::Value::Object(object) => {
            object.into_iter().filter_map(|(_, value)| list_of(value)).max_by_key(Vec::len)
        }
        _ => None,
    }
}

/// An object's plain values, those of objects in it with both names.
fn flat(above: &str, object: &serde_json::Map<String, serde_json::Value>) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, value) in object {
        let name = if above.is_empty() { name.clone() } else { format!("{above} {name}") };
        match value {
            serde_json::Value::String(text) => fields.push((name, text.clone())),
            serde_json::Value::Number(number) => fields.push((name, number.to_string())),
            serde_json::Value::Bool(yes) => fields.push((name, yes.to_string())),
            serde_json::Value::Object(inner) if above.matches(' ').count() < 2 => fields.extend(flat(&name, inner)),
            _ => {}
        }
    }
    fields
}
