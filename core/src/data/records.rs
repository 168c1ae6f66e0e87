//! Reads the records of files as indices of users and items.

use std::collections::HashSet;
use std::sync::Arc;

use super::reader::{Line, Lines, quote};
use super::table::Table;
use super::tables::Condition;
use super::{BadLines, Entities, Interaction};
use crate::{Error, Result};

/// Longest identifier, in bytes, wherever it comes from.
pub const LONGEST_ID: usize = 1024;

/// The source of the identifiers of one side: users or items.
pub(super) enum Side<'a> {
    /// A catalogue that was frozen earlier.
    Frozen(&'a Entities),
    /// A file that lists them. Records may name others, for which only the
    /// identifier is known.
    Listed { table: Table },
    /// The records themselves.
    Seen(Table),
}

/// Whether a user (`None`), or a user's record of an item, is excluded.
type IsOut = dyn Fn(&str, Option<&str>) -> bool + Send + Sync;

/// The users and records that an import leaves out because they were deleted
/// before.
#[derive(Clone)]
pub struct Screen(Arc<IsOut>);

impl Screen {
    /// `is_out` gets a user and `None`, or a user and the item of a record; it
    /// returns whether the import leaves them out.
    pub fn new(is_out: impl Fn(&str, Option<&str>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_out))
    }

    pub(super) fn user_is_out(&self, user: &str) -> bool {
        (self.0)(user, None)
    }

    fn record_is_out(&self, user: &str, item: &str) -> bool {
        (self.0)(user, Some(item))
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screen(..)")
    }
}

/// Column positions in a line of the interactions file, from 0.
pub(super) struct Layout {
    pub(super) fields: usize,
    pub(super) user: usize,
    pub(super) item: usize,
    pub(super) time: Option<usize>,
    /// The column that each condition reads.
    pub(super) kept: Vec<usize>,
}

/// A fault of an identifier: whether it is an item's, the problem and the hint.
pub(super) struct BadId {
    pub(super) of_item: bool,
    pub(super) problem: String,
    pub(super) hint: String,
}

/// Checks that an identifier is allowed; the error is (problem, hint).
pub(super) fn check_id(kind: &str, id: &str) -> std::result::Result<(), (String, String)> {
    if id.trim().is_empty() {
        return Err((format!("the {kind} identifier is blank"), "Every line names its own".into()));
    }
    if id.len() > LONGEST_ID {
        let problem = format!("the {kind} identifier is longer than {LONGEST_ID} bytes");
        return Err((problem, "Use a shorter one; is another column meant, or a quote never closed?".into()));
    }
    Ok(())
}

/// The records that an import has read so far.
pub(super) struct Gather<'a> {
    pub(super) users: Side<'a>,
    pub(super) items: Side<'a>,
    pub(super) records: Vec<Interaction>,
    /// Count records outside a frozen catalogue instead of refusing them.
    lenient: bool,
    screen: Option<Screen>,
    pub(super) left_out: usize,
    /// Records that a condition excluded.
    pub(super) dropped: u64,
    /// Records that were left out because they or their users were deleted
    /// before.
    pub(super) forgotten: u64,
    pub(super) forgotten_users: HashSet<String>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(users: Side<'a>, items: Side<'a>, lenient: bool, screen: Option<Screen>) -> Self {
        Self {
            users,
            items,
            records: Vec::new(),
            lenient,
            screen,
            left_out: 0,
            dropped: 0,
            forgotten: 0,
            forgotten_users: HashSet::new(),
        }
    }

    /// Adds a record. Returns its index in [`Gather::records`], or `None` if it
    /// is left out.
    pub(super) fn take(
        &mut self,
        user: &str,
        item: &str,
        timestamp: Option<f64>,
    ) -> std::result::Result<Option<usize>, BadId> {
        for (of_item, id) in [(false, user), (true, item)] {
            let kind = if of_item { "item" } else { "user" };
            check_id(kind, id).map_err(|(problem, hint)| BadId { of_item, problem, hint })?;
        }
        if let Some(screen) = &self.screen {
            let known = matches!(&self.users, Side::Seen(table) if table.find(user).is_some());
            if !known && screen.user_is_out(user) {
                self.forgotten += 1;
                if !self.forgotten_users.contains(user) {
                    self.forgotten_users.insert(user.to_owned());
                }
                return Ok(None);
            }
            if screen.record_is_out(user, item) {
                self.forgotten += 1;
                return Ok(None);
            }
        }
        let bad = |of_item| move |(problem, hint)| BadId { of_item, problem, hint };
        let user = find(&mut self.users, "user", user, self.lenient).map_err(bad(false))?;
        let item = find(&mut self.items, "item", item, self.lenient).map_err(bad(true))?;
        let (Some(user), Some(item)) = (user, item) else {
            self.left_out += 1;
            return Ok(None);
        };
        self.records.push(Interaction { user, item, timestamp });
        Ok(Some(self.records.len() - 1))
    }
}

/// Reads the remaining records into `gather`. Records that fail a condition are
/// counted.
pub(super) fn read_records(
    lines: &mut Lines<'_>,
    layout: &Layout,
    conditions: &[Condition],
    gather: &mut Gather<'_>,
    bad: &mut BadLines,
) -> Result<()> {
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                if !lines.goes_on() {
                    return Err(error);
                }
                bad.forgive(Err::<(), _>(error))?;
                continue;
            }
        };
        let mut kept = vec![""; conditions.len()];
        bad.forgive(read_record(&line, layout, conditions, &mut kept, gather))?;
    }
    Ok(())
}

/// The fault of a file that gives no records.
pub(super) fn no_records(lines: &Lines<'_>, gather: &Gather<'_>) -> Error {
    let problem = match (gather.left_out, gather.dropped, gather.forgotten) {
        (0, 0, 0) => "there are no records",
        (0, 0, _) => "every record was forgotten before",
        (0, ..) => "no record meets the conditions",
        _ => "no record belongs to the catalogue",
    };
    lines.fault(problem, "Check that this is the whole interactions file")
}

fn read_record<'l>(
    line: &Line<'l>,
    layout: &Layout,
    conditions: &[Condition],
    kept: &mut [&'l str],
    gather: &mut Gather<'_>,
) -> Result<()> {
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
        for (kept, _) in kept.iter_mut().zip(&layout.kept).filter(|(_, wanted)| **wanted == place) {
            *kept = field;
        }
    }
    if count != layout.fields {
        return Err(line.wrong_count(layout.fields, count));
    }
    for ((condition, value), place) in conditions.iter().zip(kept.iter()).zip(&layout.kept) {
        if !condition.holds(value).map_err(|(problem, hint)| line.fault(place + 1, problem, hint))? {
            gather.dropped += 1;
            return Ok(());
        }
    }
    let timestamp = match (time, layout.time) {
        (Some(text), Some(place)) => Some(parse_time(line, place, text)?),
        _ => None,
    };
    let place = |of_item| if of_item { layout.item } else { layout.user };
    gather
        .take(user, item, timestamp)
        .map(drop)
        .map_err(|bad| line.fault(place(bad.of_item) + 1, bad.problem, bad.hint))
}

fn find(
    side: &mut Side<'_>,
    kind: &str,
    id: &str,
    lenient: bool,
) -> std::result::Result<Option<u32>, (String, String)> {
    match side {
        Side::Frozen(entities) => match entities.find(id) {
            None if !lenient => Err((
                format!("{kind} {} is not in the catalogue", quote(id)),
                "Take the record out, or import without a frozen catalogue".into(),
            )),
            found => Ok(found),
        },
        Side::Listed { table } | Side::Seen(table) => match table.find(id) {
            None => table.push(id).map(Some).ok_or_else(|| too_many(kind)),
            found => Ok(found),
        },
    }
}

/// The fault of more identifiers than a 32-bit index can count.
pub(super) fn too_many(kind: &str) -> (String, String) {
    (format!("more than {} {kind}s", u32::MAX), "Divide the data".into())
}

fn parse_time(line: &Line<'_>, place: usize, text: &str) -> Result<f64> {
    let hint = "Write a finite number, such as seconds since 1970; without times leave the column out";
    match text.parse::<f64>() {
        // Negative zero would sort before zero.
        Ok(time) if time.is_finite() => Ok(time + 0.0),
        _ if text.is_empty() => Err(line.fault(place + 1, "the timestamp is blank", hint)),
        _ => Err(line.fault(place + 1, format!("timestamp {} is not a finite number", quote(text)), hint)),
    }
}
