//! A person's own table of what they did: a CSV that stays in this browser,
//! which nobody vouches for.

use std::collections::{HashMap, HashSet};

use super::protocol::Pick;
use crate::csv_file::{self, Line, TableFault};

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

/// Reads `what` or `what,when` with a heading. `what` is an item's identifier
/// or its exact name; `find` knows both. With `skip`, faulty lines are left
/// out and counted.
///
/// # Errors
/// With the first fault.
pub fn read(bytes: &[u8], skip: bool, find: &HashMap<&str, &str>) -> Result<Picks, TableFault> {
    let mut picks: Vec<Pick> = Vec::new();
    let mut seen = HashSet::new();
    let skipped = csv_file::read(bytes, skip, 1..=2, "what, when", |line| {
        let pick = pick(line, find)?;
        if seen.insert(pick.item.clone()) {
            picks.push(pick);
        }
        if picks.len() > MAX_PICKS {
            let problem = format!("Line {}: this is more than {MAX_PICKS} items.", line.number);
            return Err(TableFault::whole(problem, "Take a part of the table."));
        }
        Ok(())
    })?;
    if picks.is_empty() {
        let problem = "No line names an item of this catalogue.";
        return Err(TableFault::whole(problem, "Put a heading above, and names below it."));
    }
    Ok(Picks { picks, skipped })
}

fn pick(line: &Line, find: &HashMap<&str, &str>) -> Result<Pick, TableFault> {
    let what = line.name(0, "item")?;
    let Some(id) = find.get(what) else {
        return Err(line.fault(format!("“{what}” is not in this catalogue")));
    };
    let when = if line.columns == 2 { line.time(1)? } else { None };
    Ok(Pick { item: (*id).to_owned(), when })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::csv_file::MAX_BYTES;

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
        assert!(said(b"what\nT\x1b[31m\n").contains("control character"));
        assert!(said(b"what\n\xff\n").contains("not UTF-8"));
        assert!(said(b"wh\0at\n").contains("not a text file"));
        assert!(said(b"a,b,c\n").contains("1 or 2 columns expected"));
        assert!(said(b"").contains("No line names an item"));
        assert!(said(&vec![b'a'; MAX_BYTES + 1]).contains("1 MB is the most"));
        assert_eq!(read(b"what\nTea\nCoffee\n", true, &catalogue()).unwrap().skipped, 1);
    }
}
