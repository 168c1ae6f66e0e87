//! A small world as a table: who bought what, and when. Built in, or the
//! reader's own CSV, which nobody vouches for.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

/// The most that the Lab draws and trains while people watch.
pub const MAX_BYTES: usize = 1 << 20;
/// Households of a world at most.
pub const MAX_HOUSEHOLDS: usize = 64;
/// Products of a world at most.
pub const MAX_PRODUCTS: usize = 96;
/// Longest name, in characters.
pub const MAX_NAME: usize = 80;

/// Who bought what.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Names, in order of appearance; frozen, so that no deletion moves one.
    pub households: Vec<String>,
    /// Names, in order of appearance; frozen likewise.
    pub products: Vec<String>,
    /// Household, product and, where the table has a third column, a time.
    pub records: Vec<(u32, u32, Option<f64>)>,
    /// Lines that repeat an earlier pair.
    pub duplicates: usize,
    /// Lines left out because the reader asked for it.
    pub skipped: usize,
    /// BLAKE3 of the file, hexadecimal.
    pub hash: String,
}

/// What is wrong with a table, as a sentence with its line and a next step.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem} Nothing was imported. {hint}")]
pub struct TableFault {
    /// What was found where.
    pub problem: String,
    /// What to do.
    pub hint: String,
    /// Whether leaving the line out is a way on.
    pub skippable: bool,
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

/// Reads `who,what` or `who,what,when` with a heading. With `skip`, faulty
/// lines are left out and counted.
///
/// # Errors
/// With the first fault, when the table is too large to watch, or when too
/// little is left to learn from.
pub fn read(bytes: &[u8], skip: bool) -> Result<Table, TableFault> {
    let table = read_any(bytes, skip, (MAX_HOUSEHOLDS, MAX_PRODUCTS))?;
    if table.households.len() < 2 || table.products.len() < 4 || table.records.len() < 8 {
        let problem = format!(
            "There are {} households, {} products and {} purchases.",
            table.households.len(),
            table.products.len(),
            table.records.len()
        );
        return Err(fault(problem, "The Lab needs at least 2, 4 and 8, below a heading."));
    }
    Ok(table)
}

/// [`read`] with other limits on households and products.
///
/// # Errors
/// With the first fault.
pub(super) fn read_any(
    bytes: &[u8],
    skip: bool,
    (most_households, most_products): (usize, usize),
) -> Result<Table, TableFault> {
    if bytes.len() > MAX_BYTES {
        let size = bytes.len() as f64 / (1 << 20) as f64;
        return Err(fault(format!("The file has {size:.1} MB; the Lab takes 1 MB at most."), "Cut it down."));
    }
    if bytes.contains(&0) {
        return Err(fault("This is not a text file.", "Save the table as CSV, in UTF-8."));
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    let mut table = Table {
        households: Vec::new(),
        products: Vec::new(),
        records: Vec::new(),
        duplicates: 0,
        skipped: 0,
        hash: blake3::hash(bytes).to_hex().to_string(),
    };
    let (mut households, mut products, mut seen) = (HashMap::new(), HashMap::new(), HashSet::new());
    let mut columns = None;
    for row in reader.byte_records() {
        let row =
            row.map_err(|why| fault(format!("The file can't be read as CSV: {why}."), "Save it again as CSV."))?;
        let line = row.position().map_or(0, csv::Position::line);
        let Some(expected) = columns else {
            if !(2..=3).contains(&row.len()) {
                let problem = format!("Line {line}: 2 or 3 columns expected (who, what, when), {} found.", row.len());
                return Err(fault(problem, "Keep the columns that the Lab needs, with a heading above them."));
            }
            columns = Some(row.len());
            continue;
        };
        match fields(&row, line, expected) {
            Err(_) if skip => table.skipped += 1,
            Err(fault) => return Err(fault),
            Ok((who, what, when)) => {
                let household = place(&mut households, &mut table.households, who);
                let product = place(&mut products, &mut table.products, what);
                if seen.insert((household, product)) {
                    table.records.push((household, product, when));
                } else {
                    table.duplicates += 1;
                }
            }
        }
        let (who, what) = (table.households.len(), table.products.len());
        if who > most_households || what > most_products {
            let problem = format!(
                "Line {line}: this is more than the Lab can draw ({most_households} households and {most_products} products)."
            );
            return Err(fault(problem, "Take a part of the table."));
        }
    }
    Ok(table)
}

type Fields<'a> = (&'a str, &'a str, Option<f64>);

fn fields(row: &csv::ByteRecord, line: u64, expected: usize) -> Result<Fields<'_>, TableFault> {
    if row.len() != expected {
        return Err(line_fault(line, format!("{expected} columns expected, {} found", row.len())));
    }
    let text = |place: usize| {
        std::str::from_utf8(&row[place]).map(str::trim).map_err(|_| line_fault(line, "the text is not UTF-8"))
    };
    let name = |place: usize, what: &str| {
        let name = text(place)?;
        match name.chars().count() {
            0 => Err(line_fault(line, format!("the {what} is blank"))),
            n if n > MAX_NAME => Err(line_fault(line, format!("the {what} has {n} characters, {MAX_NAME} at most"))),
            _ if name.chars().any(char::is_control) => {
                Err(line_fault(line, format!("the {what} holds a control character")))
            }
            _ => Ok(name),
        }
    };
    let (who, what) = (name(0, "household")?, name(1, "product")?);
    if expected < 3 {
        return Ok((who, what, None));
    }
    let when = text(2)?;
    match when.parse::<f64>() {
        // Negative zero would sort before zero.
        Ok(time) if time.is_finite() => Ok((who, what, Some(time + 0.0))),
        _ if when.is_empty() => Err(line_fault(line, "the time is blank")),
        _ => {
            let shown: String = when.chars().take(24).collect();
            Err(line_fault(line, format!("“{shown}” is not a number")))
        }
    }
}

fn place(index: &mut HashMap<String, u32>, names: &mut Vec<String>, name: &str) -> u32 {
    if let Some(&place) = index.get(name) {
        return place;
    }
    let place = names.len() as u32;
    index.insert(name.to_owned(), place);
    names.push(name.to_owned());
    place
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Twenty good lines, the twelfth replaced.
    fn with(line: &str) -> Vec<u8> {
        let mut lines: Vec<String> = (0..20).map(|n| format!("h{},p{},{n}", n % 4, n % 5)).collect();
        lines.insert(0, "who,what,when".into());
        lines[11] = line.into();
        lines.join("\n").into_bytes()
    }

    fn said(bytes: &[u8]) -> String {
        read(bytes, false).unwrap_err().to_string()
    }

    #[test]
    fn a_good_table() {
        let table = read(&with("h9,\"Salt, fine\",3"), false).unwrap();
        assert_eq!((table.households.len(), table.products.len(), table.records.len()), (5, 6, 20));
        assert!(table.products.contains(&"Salt, fine".to_owned()));
        assert_eq!(table.hash.len(), 64);
        let table = read(&with("h0,p0,99"), false).unwrap();
        assert_eq!((table.records.len(), table.duplicates), (19, 1));
    }

    #[test]
    fn a_fault_is_a_sentence_with_its_line_and_a_next_step() {
        assert_eq!(
            said(&with("a,b,1,2,3")),
            "Line 12: 3 columns expected, 5 found. Nothing was imported. Fix the line, or skip it."
        );
        assert!(said(&with(",b,1")).starts_with("Line 12: the household is blank."));
        assert!(said(&with("a,b,soon")).starts_with("Line 12: “soon” is not a number."));
        assert!(said(&with("a,b,NaN")).contains("“NaN” is not a number"));
        assert!(said(&with("a,b,")).contains("the time is blank"));
        assert!(said(&with(&format!("a,{},1", "x".repeat(200)))).contains("200 characters, 80 at most"));
        let mut bytes = with("a,b?,1");
        let at = bytes.iter().position(|b| *b == b'?').unwrap();
        bytes[at] = 0xff;
        assert!(said(&bytes).contains("Line 12: the text is not UTF-8"));
        bytes[at] = 0x1b;
        assert!(said(&bytes).contains("control character"));
        bytes[at] = 0;
        assert!(said(&bytes).contains("not a text file"));
    }

    #[test]
    fn faulty_lines_can_be_skipped() {
        let table = read(&with("a,b,1,2,3"), true).unwrap();
        assert_eq!((table.records.len(), table.skipped), (19, 1));
        assert!(read(b"who,what\na,b\n", true).unwrap_err().to_string().contains("at least 2, 4 and 8"));
    }

    #[test]
    fn what_cannot_be_watched_is_refused() {
        let many: String = (0..200).map(|n| format!("h{n},p{}\n", n % 7)).collect();
        assert!(said(format!("who,what\n{many}").as_bytes()).contains("more than the Lab can draw"));
        assert!(said(&vec![b'a'; MAX_BYTES + 1]).contains("1 MB at most"));
        assert!(said(b"one\na\n").contains("2 or 3 columns expected"));
        assert!(said(b"").contains("at least"));
    }
}
