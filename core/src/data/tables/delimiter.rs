//! Detects the delimiter of a table, and whether double quotes enclose fields.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::columns::usual_names;

/// The number of sample rows that are examined.
pub(super) const SAMPLE_ROWS: usize = 200;

/// How the text of a table is split into fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The byte between two fields.
    pub delimiter: u8,
    /// Whether double quotes may enclose a field; otherwise they are ordinary
    /// characters.
    pub quotes: bool,
}

impl Cut {
    pub(super) fn reader(self) -> Reader {
        ReaderBuilder::new().delimiter(self.delimiter).quoting(self.quotes).build()
    }

    /// The name of the delimiter, for messages.
    pub fn name(self) -> &'static str {
        match self.delimiter {
            b',' => "comma",
            b';' => "semicolon",
            b'\t' => "tab",
            b'|' => "bar",
            _ => "delimiter",
        }
    }
}

/// The way of splitting that fits a sample best; `None` if no delimiter gives
/// two fields or more.
///
/// The criteria, in this order: the number of usual headings in the first row,
/// the share of lines with as many fields as the first row, the number of its
/// fields.
pub fn recognise(sample: &str, delimiter: Option<u8>, quotes: Option<bool>) -> Option<Cut> {
    let delimiters = delimiter.map_or_else(|| b",;\t|".to_vec(), |only| vec![only]);
    let quotings = quotes.map_or_else(|| vec![true, false], |only| vec![only]);
    let mut best: Option<(Cut, (usize, usize, usize))> = None;
    for delimiter in delimiters {
        for quotes in quotings.iter().copied() {
            let cut = Cut { delimiter, quotes };
            let rows = rows(sample, cut);
            let Some(first) = rows.first().filter(|row| row.len() > 1) else { continue };
            // A field that spans several lines suggests that quotes do not
            // enclose fields.
            let ends = |row: &Vec<String>| row.iter().map(|field| field.matches('\n').count()).sum::<usize>();
            let lines: usize = rows.iter().map(|row| 1 + ends(row)).sum();
            let alike = rows.iter().filter(|row| row.len() == first.len() && ends(row) == 0).count() * 1000 / lines;
            let fit = (usual_names(first), alike, first.len());
            // On a tie the first one is kept: the one with quotes.
            if best.as_ref().is_none_or(|(_, found)| fit > *found) {
                best = Some((cut, fit));
            }
        }
    }
    best.map(|(cut, _)| cut)
}

/// The first rows of a sample. Blank lines are skipped.
pub fn rows(sample: &str, cut: Cut) -> Vec<Vec<String>> {
    let mut reader = cut.reader();
    let mut input = sample.as_bytes();
    let mut rows = Vec::new();
    let (mut output, mut ends) = (vec![0; sample.len() + 1], vec![0; sample.len() + 1]);
    while rows.len() < SAMPLE_ROWS {
        let (mut written, mut fields) = (0, 0);
        loop {
            let (result, read, out, end) = reader.read_record(input, &mut output[written..], &mut ends[fields..]);
            input = &input[read..];
            written += out;
            fields += end;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return rows,
                // The next call gets no input and ends the record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return rows,
            }
        }
        let mut start = 0;
        let row = ends[..fields].iter().map(|&end| {
            let field = String::from_utf8_lossy(&output[start..end]).into_owned();
            start = end;
            field
        });
        rows.push(row.collect());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sample: &str) -> (u8, bool) {
        let cut = recognise(sample, None, None).unwrap();
        (cut.delimiter, cut.quotes)
    }

    #[test]
    fn delimiters_are_recognised() {
        assert_eq!(found("who,what,when\na,b,1\n").0, b',');
        assert_eq!(found("Title;Date\n\"A, b, c\";\"27.01.2023\"\n\"E\";\"1.1.2023\"\n").0, b';');
        assert_eq!(found("user\titem\nx, y\tz\n").0, b'\t');
        assert_eq!(found("1|2|3\n4|5|6").0, b'|');
        assert_eq!(recognise("one\ntwo\n", None, None), None);
        assert_eq!(recognise("", None, None), None);
        assert_eq!(found("kunde;betrag;artikel\n7;12,5;a\n8;13,5;b\n").0, b';');
    }

    #[test]
    fn quotes_are_letters_where_they_do_not_pair() {
        assert_eq!(found("user\titem\ttitle\na\tb\t\"Half\nc\td\tx\ne\tf\ty\n"), (b'\t', false));
        assert_eq!(found("user,item\na,\"b, c\"\nd,e\n"), (b',', true));
    }

    #[test]
    fn rows_are_cut() {
        let cut = Cut { delimiter: b',', quotes: true };
        let text = "a,\"b \"\"c\"\", d\"\r\n\r\ne,f";
        assert_eq!(rows(text, cut), [["a", "b \"c\", d"], ["e", "f"]]);
        assert_eq!(rows("", cut), Vec::<Vec<String>>::new());
        assert_eq!(rows("a,b\n", cut), [["a", "b"]]);
    }
}
