//! Text tables with delimited fields, quoted or not.

use std::io::{BufRead, ErrorKind};
use std::ops::Range;

use csv_core::{ReadRecordResult, Reader};

use super::super::BadLines;
use super::super::reader::{MAX_LINE, Source, fault, quote, unreadable};
use super::columns::Wishes;
use super::delimiter::{Cut, recognise, rows};
use super::heading::is_heading;
use super::rows::{Field, Rows, Start, Visit, Wrong, note_wrong};
use crate::Result;

/// The size of the sample that is examined before a file is read, in bytes.
const LOOK: u64 = 1 << 18;

/// What the options say of a text table; the rest is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The columns that were named.
    pub columns: Wishes,
    /// Whether the first row is a heading.
    pub heading: Option<bool>,
    /// The byte between two fields.
    pub delimiter: Option<u8>,
    /// Whether double quotes enclose fields.
    pub quotes: Option<bool>,
}

/// A text table with delimited fields.
pub struct Delimited<'a> {
    start: Start,
    bytes: Box<dyn BufRead + 'a>,
    cut: Cut,
    has_heading: bool,
}

impl std::fmt::Debug for Delimited<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delimited").field("start", &self.start).finish_non_exhaustive()
    }
}

impl<'a> Delimited<'a> {
    /// Examines the start of a file: its delimiter and its headings.
    ///
    /// # Errors
    /// If the file is empty or is not text, or if it is unclear whether its
    /// first line is a heading.
    pub fn open(source: Source<'a>, layout: &Layout) -> Result<Self> {
        let (sample, source) = source.look(LOOK)?;
        let (file, bytes) = source.into_parts();
        let whole = (sample.len() as u64) < LOOK;
        let text = sample_text(&file, &sample, whole)?;
        if text.trim().is_empty() {
            let hint = "Name the columns in the first line, such as user,item,time";
            return Err(fault(&file, 0, 0, "the file is empty", hint));
        }
        let Some(cut) = recognise(text, layout.delimiter, layout.quotes) else {
            let first = text.lines().next().unwrap_or_default();
            let problem = format!("there is only one column in {}", quote(first));
            let hint = "Separate the fields by commas, semicolons, tabs or bars, or name the sign: --delimiter ','";
            return Err(fault(&file, 1, 0, problem, hint));
        };
        let mut sample = rows(text, cut);
        if sample.is_empty() {
            return Err(fault(&file, 0, 0, "there are no rows", "Check that this is the whole file"));
        }
        let first = sample.remove(0);
        let has_heading = is_heading(&first, &sample, &layout.columns, layout.heading)
            .map_err(|question| fault(&file, 1, 0, question.problem, question.hint))?;
        let headings = if has_heading {
            first.iter().map(|name| name.trim().to_owned()).collect()
        } else {
            let numbers = (1..=first.len()).map(|number| number.to_string()).collect();
            sample.insert(0, first);
            numbers
        };
        Ok(Self { start: Start { file, headings, sample }, bytes, cut, has_heading })
    }

    /// How lines are split into fields.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Whether the first row names the columns.
    pub fn has_heading(&self) -> bool {
        self.has_heading
    }
}

/// The complete lines of a sample as text.
fn sample_text<'s>(file: &str, sample: &'s [u8], whole: bool) -> Result<&'s str> {
    let end =
        if whole { sample.len() } else { sample.iter().rposition(|&b| b == b'\n').map_or(sample.len(), |at| at + 1) };
    let sample = &sample[..end];
    if sample.contains(&0) {
        let hint = "If it is text in UTF-16, write --encoding utf-16; else export it again as CSV in UTF-8";
        return Err(fault(file, 0, 0, "this is no text", hint));
    }
    match std::str::from_utf8(sample) {
        Ok(text) => Ok(text),
        // A fault in a later line is reported with its line number when that
        // line is read.
        Err(error) => match sample[..error.valid_up_to()].iter().rposition(|&b| b == b'\n') {
            Some(end) => Ok(std::str::from_utf8(&sample[..=end]).unwrap_or_default()),
            None => Err(fault(file, 1, 0, "the line is not UTF-8 text", ENCODING)),
        },
    }
}

const ENCODING: &str = "Save the file as UTF-8, or say what it is: --encoding latin-1, windows-1252 or utf-16";

/// One record in a reused buffer.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    fields: usize,
    line: u64,
}

impl Record {
    fn field(&self, place: usize) -> Range<usize> {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        start..self.ends[place]
    }

    /// Whether the record repeats the heading.
    fn repeats(&self, headings: &[String]) -> bool {
        let is_same = |(place, name): (usize, &String)| self.bytes[self.field(place)].trim_ascii() == name.as_bytes();
        self.fields == headings.len() && headings.iter().enumerate().all(is_same)
    }
}

/// Reads records one by one in bounded memory, and tracks the line on which
/// each begins.
struct Records<'r> {
    file: &'r str,
    input: &'r mut dyn BufRead,
    reader: Reader,
    /// Line ends read so far.
    newlines: u64,
}

impl Records<'_> {
    fn read(&mut self, record: &mut Record) -> Result<bool> {
        (record.written, record.fields) = (0, 0);
        record.line = self.newlines + 1;
        if record.bytes.is_empty() {
            record.bytes.resize(4096, 0);
            record.ends.resize(64, 0);
        }
        // Line ends before the first byte of a record do not belong to it.
        let mut leading = true;
        loop {
            let input = match self.input.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.file, self.newlines + 1, &error)),
            };
            let (result, read, out, ends) =
                self.reader.read_record(input, &mut record.bytes[record.written..], &mut record.ends[record.fields..]);
            let mut consumed = &input[..read];
            if leading {
                let blank = consumed.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
                let ended = consumed[..blank].iter().filter(|&&b| b == b'\n').count() as u64;
                self.newlines += ended;
                record.line = self.newlines + 1;
                consumed = &consumed[blank..];
                leading = consumed.is_empty();
            }
            self.newlines += consumed.iter().filter(|&&b| b == b'\n').count() as u64;
            self.input.consume(read);
            record.written += out;
            record.fields += ends;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if record.bytes.len() >= MAX_LINE => {
                    let problem = format!("the record that begins here passes {MAX_LINE} bytes");
                    let hint = "Look for a quote that is never closed; if quotes are letters, write --no-quotes";
                    return Err(fault(self.file, record.line, 0, problem, hint));
                }
                ReadRecordResult::OutputFull => record.bytes.resize(record.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => record.ends.resize(record.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }
}

impl Rows for Delimited<'_> {
    fn start(&self) -> &Start {
        &self.start
    }

    fn each(&mut self, selected: &[usize], bad: &mut BadLines, visit: &mut Visit<'_>) -> Result<u64> {
        let Self { start: Start { file, headings, .. }, bytes, cut, has_heading } = self;
        skip_mark(bytes.as_mut()).map_err(|error| unreadable(file, 1, &error))?;
        let mut records = Records { file, input: bytes.as_mut(), reader: cut.reader(), newlines: 0 };
        let mut record = Record::default();
        let mut count = 0;
        let mut heading = *has_heading;
        while records.read(&mut record)? {
            if std::mem::take(&mut heading) {
                continue;
            }
            count += 1;
            let read = match *has_heading && record.repeats(headings) {
                true => Err(Wrong {
                    field: None,
                    problem: "the heading stands here again".into(),
                    hint: "Take the line out; where files were put together, only the first keeps its heading".into(),
                }),
                false => check_and_visit(&record, headings.len(), selected, visit),
            };
            if let Err(wrong) = read {
                note_wrong(bad, records.file, record.line, selected, wrong);
            }
        }
        Ok(count)
    }
}

fn skip_mark(bytes: &mut dyn BufRead) -> std::io::Result<()> {
    // The sample is in memory, so the mark is never split.
    if bytes.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        bytes.consume(3);
    }
    Ok(())
}

fn check_and_visit(
    record: &Record,
    wanted: usize,
    selected: &[usize],
    visit: &mut Visit<'_>,
) -> std::result::Result<(), Wrong> {
    if record.fields != wanted {
        return Err(Wrong {
            field: None,
            problem: format!("{} fields where {wanted} belong", record.fields),
            hint: "Give every row as many fields as the first; a field with the delimiter in it stands in quotes"
                .into(),
        });
    }
    let mut fields = [Field::Text(""); MANY];
    let mut more;
    let fields = if selected.len() <= MANY {
        &mut fields[..selected.len()]
    } else {
        more = vec![Field::Text(""); selected.len()];
        more.as_mut_slice()
    };
    for (at, &place) in selected.iter().enumerate() {
        let wrong = |problem: &str, hint: &str| Wrong { field: Some(at), problem: problem.into(), hint: hint.into() };
        let bytes = &record.bytes[record.field(place)];
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("the field is not UTF-8 text", ENCODING))?;
        if text.contains(['\n', '\r', '\0']) {
            let hint = "Look for a quote that is never closed; if quotes are letters, write --no-quotes";
            return Err(wrong("the field goes over a line end, or holds a NUL", hint));
        }
        fields[at] = Field::Text(text);
    }
    visit(record.line, fields)
}

/// The number of fields of a row that fit on the stack.
const MANY: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], layout: &Layout, selected: &[usize]) -> (Vec<(u64, Vec<String>)>, BadLines) {
        let mut table = Delimited::open(Source::new("f.csv", text), layout).unwrap();
        let mut bad = BadLines::new(0);
        let mut found = Vec::new();
        let mut visit = |line: u64, fields: &[Field<'_>]| {
            found.push((line, fields.iter().map(|field| field.text().to_owned()).collect()));
            Ok(())
        };
        table.each(selected, &mut bad, &mut visit).unwrap();
        (found, bad)
    }

    #[test]
    fn rows_know_their_lines() {
        let text = b"\xef\xbb\xbfuser,item\r\n\r\na,\"b, c\"\r\nd,e\r\n";
        let (found, bad) = read(text, &Layout::default(), &[1, 0]);
        assert_eq!(found, [(3, vec!["b, c".into(), "a".into()]), (4, vec!["e".into(), "d".into()])]);
        assert_eq!(bad.count(), 0);
        let (found, _) = read(b"user,item,note\na,b,\"x\ny\"\nc,d,z", &Layout::default(), &[0]);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn bad_rows_are_named_and_the_rest_goes_on() {
        let text = b"user,item\na,b\nc\nd,\xff\ne,\"f\ng\"\nh,i\n";
        let (found, bad) = read(text, &Layout::default(), &[0, 1]);
        assert_eq!(found.len(), 2);
        let named: Vec<(u64, u64)> = bad.list().iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(named, [(3, 0), (4, 2), (5, 2)]);
    }

    #[test]
    fn a_heading_that_comes_again_is_nobody() {
        let text = b"user,item\na,b\nuser,item\nuser,c\n";
        let (found, bad) = read(text, &Layout::default(), &[0, 1]);
        assert_eq!(found.len(), 2);
        assert!(bad.list()[0].to_string().starts_with("f.csv, line 3: the heading stands here again"));
        // Without a heading no row is a repeated heading.
        let layout = Layout { heading: Some(false), columns: "user=1,item=2".parse().unwrap(), ..Layout::default() };
        assert_eq!(read(b"a,b\nc,d\na,b\n", &layout, &[0, 1]).0.len(), 3);
    }

    #[test]
    fn files_that_are_no_tables_are_refused() {
        let message =
            |text: &[u8]| Delimited::open(Source::new("f", text), &Layout::default()).unwrap_err().to_string();
        assert!(message(b"").starts_with("f: the file is empty"));
        assert!(message(b"user\na\n").contains("only one column"));
        assert!(message(b"u\0s\0").contains("--encoding utf-16"));
        assert!(message(b"\xfcser,item\n").contains("--encoding latin-1"));
        assert!(message(b"a,1\nb,2\n").contains("--no-heading"));
    }

    #[test]
    fn an_endless_record_takes_no_memory() {
        let mut text = b"user,item\na,b\n\"".to_vec();
        text.resize(5 << 20, b'x');
        let layout = Layout { quotes: Some(true), ..Layout::default() };
        let mut table = Delimited::open(Source::new("f", text.as_slice()), &layout).unwrap();
        let error = table.each(&[0], &mut BadLines::new(9), &mut |_, _| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("f, line 3: the record that begins here passes"), "{error}");
    }
}
