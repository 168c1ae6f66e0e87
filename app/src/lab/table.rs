//! A small world as a table: who bought what, and when. Built in, or the
//! reader's own CSV, which nobody vouches for.

use std::collections::{HashMap, HashSet};

use crate::csv_file::{self, Line, TableFault};
use crate::say::told;

/// Households of a world at most.
pub const MAX_HOUSEHOLDS: usize = 64;
/// Products of a world at most.
pub const MAX_PRODUCTS: usize = 96;

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

/// Reads `who,what` or `who,what,when` with a heading. With `skip`, faulty
/// lines are left out and counted.
///
/// # Errors
/// With the first fault, when the table is too large to watch, or when too
/// little is left to learn from.
pub fn read(bytes: &[u8], skip: bool) -> Result<Table, TableFault> {
    enough(read_any(bytes, skip, (MAX_HOUSEHOLDS, MAX_PRODUCTS))?)
}

/// A table with enough to learn from.
///
/// # Errors
/// When there is too little.
pub(super) fn enough(table: Table) -> Result<Table, TableFault> {
    if table.households.len() < 2 || table.products.len() < 4 || table.records.len() < 8 {
        let problem = told!(
            "w-there-are-households-pro",
            table = table.households.len(),
            table2 = table.products.len(),
            table3 = table.records.len()
        );
        return Err(TableFault::whole(problem, told!("w-the-lab-needs-at")));
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
    let mut table = Table {
        households: Vec::new(),
        products: Vec::new(),
        records: Vec::new(),
        duplicates: 0,
        skipped: 0,
        hash: blake3::hash(bytes).to_hex().to_string(),
    };
    let (mut households, mut products, mut seen) = (HashMap::new(), HashMap::new(), HashSet::new());
    let skipped = csv_file::read(bytes, skip, 2..=3, told!("who-what-when"), |line| {
        let (who, what, when) = fields(line)?;
        let household = place(&mut households, &mut table.households, who);
        let product = place(&mut products, &mut table.products, what);
        if seen.insert((household, product)) {
            table.records.push((household, product, when));
        } else {
            table.duplicates += 1;
        }
        if table.households.len() > most_households || table.products.len() > most_products {
            let problem =
                told!("w-line-this-is-more", number = line.number.to_string(), most_households, most_products);
            return Err(TableFault::whole(problem, told!("w-take-a-part-of")));
        }
        Ok(())
    })?;
    Ok(Table { skipped, ..table })
}

fn fields<'a>(line: &'a Line) -> Result<(&'a str, &'a str, Option<f64>), TableFault> {
    let (who, what) = (line.name(0, told!("t-household"))?, line.name(1, told!("t-product"))?);
    if line.columns < 3 {
        return Ok((who, what, None));
    }
    let when = line.time(2)?.ok_or_else(|| line.fault(told!("w-the-time-is-blank")))?;
    Ok((who, what, Some(when)))
}

pub(super) fn place(index: &mut HashMap<String, u32>, names: &mut Vec<String>, name: &str) -> u32 {
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
    use crate::csv_file::MAX_BYTES;

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
        assert!(said(&vec![b'a'; MAX_BYTES + 1]).contains("1 MB is the most"));
        assert!(said(b"one\na\n").contains("2 or 3 columns expected"));
        assert!(said(b"").contains("at least"));
    }
}
