//! A person's own table of what they did: a CSV that stays in this browser,
//! which nobody vouches for.

use std::collections::HashMap;

use super::protocol::Pick;
use crate::lab::table::{MAX_BYTES, MAX_NAME, TableFault};

/// Lines that are taken at most.
pub const MAX_PICKS: usize = 2000;

/// What a table came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Picks {
    /// Items by identifier, in the order of the file, each once.
    pub picks: Vec<Pick>,
    /// Lines left out because the reader asked for it.
    pub skipped: usize,
}

fn fault(problem: impl Into<String>, hint: &str) -> TableFault {
    TableFault { problem: problem.into(), hint: hint.into(), skippable: false }
}

fn line_fault(line: u64, problem: impl std::fmt::Display) -> TableFault {
    TableFault {
        problem: format!("Line {line}: {problem}."),
        hint: "Fix the line, or skip it.".into(),
        skippable: true,
    }
}

/// Reads `what` or `what,when` with a heading. `what` is an item's identifier
/// or its exact name; `find` knows both. With `skip`, faulty lines are left
/// out and counted.
///
/// # Errors
/// With the first fault.
pub fn read(bytes: &[u8], skip: bool, find: &HashMap<&str, &str>) -> Result<Picks, TableFault> {
    if bytes.len() > MAX_BYTES {
        let size = bytes.len() as f64 / f64::from(1 << 20);
        return Err(fault(format!("The file has {size:.1} MB; 1 MB is the most."), "Cut it down."));
    }
    if bytes.contains(&0) {
        return Err(fault("This is not a text file.", "Save the table as CSV, in UTF-8."));
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    let mut found = Picks { picks: Vec::new(), skipped: 0 };
    let mut seen: HashMap<String, ()> = HashMap::new();
    let mut columns = None;
    for row in reader.byte_records() {
        let row =
            row.map_err(|why| fault(format!("The file can't be read as CSV: {why}."), "Save it again as CSV."))?;
        let line = row.position().map_or(0, csv::Position::line);
        let Some(expected) = columns else {
            if !(1..=2).contains(&row.len()) {
                let problem = format!("Line {line}: 1 or 2 columns expected (what, when), {} found.", row.len());
                return Err(fault(problem, "Keep these columns, with a heading above them."));
            }
            columns = Some(row.len());
            continue;
        };
        match pick(&row, line, expected, find) {
            Err(_) if skip => found.skipped += 1,
            Err(fault) => return Err(fault),
            Ok(pick) => {
                if seen.insert(pick.item.clone(), ()).is_none() {
                    found.picks.push(pick);
                }
            }
        }
        if found.picks.len() > MAX_PICKS {
            let problem = format!("Line {line}: this is more than {MAX_PICKS} items.");
            return Err(fault(problem, "Take a part of the table."));
        }
    }
    if found.picks.is_empty() {
        return Err(fault("No line names an item of this catalogue.", "Put a heading above, and names below it."));
    }
    Ok(found)
}

fn pick(row: &csv::ByteRecord, line: u64, expected: usize, find: &HashMap<&str, &str>) -> Result<Pick, TableFault> {
    if row.len() != expected {
        return Err(line_fault(line, format!("{expected} columns expected, {} found", row.len())));
    }
    let text = |place: usize| {
        std::str::from_utf8(&row[place]).map(str::trim).map_err(|_| line_fault(line, "the text is not UTF-8"))
    };
    let what = text(0)?;
    if what.is_empty() {
        return Err(line_fault(line, "the item is blank"));
    }
    if what.chars().count() > MAX_NAME || what.chars().any(char::is_control) {
        return Err(line_fault(line, format!("the item is longer than {MAX_NAME} characters or holds odd ones")));
    }
    let Some(id) = find.get(what) else {
        return Err(line_fault(line, format!("“{what}” is not in this catalogue")));
    };
    let when = match if expected == 2 { text(1)? } else { "" } {
        "" => None,
        when => match when.parse::<f64>() {
            // Negative zero would sort before zero.
            Ok(time) if time.is_finite() => Some(time + 0.0),
            _ => {
                let shown: String = when.chars().take(24).collect();
                return Err(line_fault(line, format!("“{shown}” is not a number")));
            }
        },
    };
    Ok(Pick { item: (*id).to_owned(), when })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(text: &[u8]) -> String {
        read(text, false, &catalogue()).unwrap_err().to_string()
    }

    fn catalogue() -> HashMap<&'static str, &'static str> {
        [("Salt, fine", "7"), ("7", "7"), ("Tea", "9"), ("9", "9")].into()
    }

    #[test]
    fn names_and_identifiers_are_found() {
        let picks = read(b"what,when\n\"Salt, fine\",3\n9,\n7,8\n", false, &catalogue()).unwrap();
        let expected = [("7", Some(3.0)), ("9", None)].map(|(item, when)| Pick { item: item.into(), when });
        assert_eq!(picks.picks, expected);
        assert_eq!(read(b"what\nTea\n", false, &catalogue()).unwrap().picks.len(), 1);
    }

    #[test]
    fn a_fault_is_a_sentence_with_its_line_and_a_next_step() {
        assert_eq!(
            said(b"what\nTea\nCoffee\n"),
            "Line 3: “Coffee” is not in this catalogue. Nothing was imported. Fix the line, or skip it."
        );
        assert!(said(b"what,when\nTea,soon\n").starts_with("Line 2: “soon” is not a number."));
        assert!(said(b"what,when\nTea,1,2\n").contains("2 columns expected, 3 found"));
        assert!(said(b"what\nT\x1b[31m\n").contains("odd ones"));
        assert!(said(b"what\n\xff\n").contains("not UTF-8"));
        assert!(said(b"wh\0at\n").contains("not a text file"));
        assert!(said(b"a,b,c\n").contains("1 or 2 columns expected"));
        assert!(said(b"").contains("No line names an item"));
        assert!(said(&vec![b'a'; MAX_BYTES + 1]).contains("1 MB is the most"));
        assert_eq!(read(b"what\nTea\nCoffee\n", true, &catalogue()).unwrap().skipped, 1);
    }
}
