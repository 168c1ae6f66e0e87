//! The records of a file, as indices into either side of the data.

use super::reader::{Line, Lines, quote};
use super::table::Table;
use super::{Entities, Interaction};
use crate::{Error, Result};

/// Where the identifiers of one side come from.
pub(super) enum Side<'a> {
    /// A catalogue that was frozen earlier.
    Frozen(&'a Entities),
    /// A file that lists them.
    Listed { table: Table, file: String },
    /// The records themselves.
    Seen(Table),
}

/// Places in a line of the interactions file, from 0.
pub(super) struct Layout {
    pub(super) fields: usize,
    pub(super) user: usize,
    pub(super) item: usize,
    pub(super) time: Option<usize>,
}

/// Reads the records that follow. With `lenient`, those outside a frozen
/// catalogue are counted (second value) instead of refused.
pub(super) fn read_records(
    lines: &mut Lines<'_>,
    layout: &Layout,
    users: &mut Side<'_>,
    items: &mut Side<'_>,
    lenient: bool,
) -> Result<(Vec<Interaction>, usize)> {
    let mut records = Vec::new();
    let mut left_out = 0;
    while let Some(line) = lines.next()? {
        let (mut user, mut item, mut time) = ("", "", None);
        let mut count = 0;
        for (place, field) in line.fields().enumerate() {
            count += 1;
            if place == layout.user {
                user = field;
            } else if place == layout.item {
                item = field;
            } else if Some(place) == layout.time {
                time = Some(field);
            }
        }
        if count != layout.fields {
            return Err(line.wrong_count(layout.fields, count));
        }
        let user = find(users, "user", &line, layout.user, user, lenient)?;
        let item = find(items, "item", &line, layout.item, item, lenient)?;
        let timestamp = match (time, layout.time) {
            (Some(text), Some(place)) => Some(parse_time(&line, place, text)?),
            _ => None,
        };
        match (user, item) {
            (Some(user), Some(item)) => records.push(Interaction { user, item, timestamp }),
            _ => left_out += 1,
        }
    }
    if records.is_empty() {
        let problem = if left_out > 0 { "no record belongs to the catalogue" } else { "there are no records" };
        return Err(lines.fault(problem, "Check that this is the whole interactions file"));
    }
    Ok((records, left_out))
}

fn find(
    side: &mut Side<'_>,
    kind: &str,
    line: &Line<'_>,
    place: usize,
    id: &str,
    lenient: bool,
) -> Result<Option<u32>> {
    if id.is_empty() {
        return Err(line.fault(
            place + 1,
            format!("the {kind} identifier is blank"),
            "Every record names a user and an item",
        ));
    }
    let unknown =
        |of: &str, hint: &str| Err(line.fault(place + 1, format!("{kind} {} is not in {of}", quote(id)), hint));
    match side {
        Side::Frozen(entities) => match entities.find(id) {
            None if !lenient => unknown("the catalogue", "Take the record out, or import without a frozen catalogue"),
            found => Ok(found),
        },
        Side::Listed { table, file } => match table.find(id) {
            None => unknown(file, &format!("Add it to {file}, or take the record out")),
            found => Ok(found),
        },
        Side::Seen(table) => match table.find(id) {
            None => table.push(id).map(Some).ok_or_else(|| too_many(line, place, kind)),
            found => Ok(found),
        },
    }
}

/// The fault of more identifiers than a 32-bit index can name.
pub(super) fn too_many(line: &Line<'_>, place: usize, kind: &str) -> Error {
    line.fault(place + 1, format!("more than {} {kind}s", u32::MAX), "Divide the data")
}

fn parse_time(line: &Line<'_>, place: usize, text: &str) -> Result<f64> {
    let hint = "A timestamp is a finite number, such as seconds since 1970; without times leave the column out";
    match text.parse::<f64>() {
        // Negative zero would sort before zero.
        Ok(time) if time.is_finite() => Ok(time + 0.0),
        _ if text.is_empty() => Err(line.fault(place + 1, "the timestamp is blank", hint)),
        _ => Err(line.fault(place + 1, format!("timestamp {} is not a finite number", quote(text)), hint)),
    }
}
