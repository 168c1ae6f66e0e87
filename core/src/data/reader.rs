//! Reads lines of an untrusted text file in bounded memory, and reports the
//! file, line and column of every fault.

use std::io::{BufRead, ErrorKind, Read};

pub(super) use crate::error::quote;
use crate::{DataError, Error, Result};

/// The longest line that is read, in bytes. A row of a few hundred numbers
/// takes some thousand bytes.
pub const MAX_LINE: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A stream of text and the name under which its faults are reported.
pub struct Source<'a> {
    name: String,
    bytes: Box<dyn BufRead + 'a>,
}

impl<'a> Source<'a> {
    /// Names a stream. An I/O error of kind `UnexpectedEof` is reported as a
    /// file that was cut off; one of kind `FileTooLarge` as a file that unpacks
    /// to too many bytes.
    pub fn new(name: impl Into<String>, bytes: impl BufRead + 'a) -> Self {
        Self { name: name.into(), bytes: Box::new(bytes) }
    }

    /// The name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads up to `length` bytes as a sample, without a byte order mark. The
    /// second value is a source that gives all bytes again.
    pub(super) fn look(self, length: u64) -> Result<(Vec<u8>, Self)> {
        let Self { name, mut bytes } = self;
        let mut sample = Vec::new();
        if let Err(error) = bytes.by_ref().take(length).read_to_end(&mut sample) {
            return Err(unreadable(&name, 1, &error));
        }
        if sample.starts_with(BYTE_ORDER_MARK) {
            sample.drain(..BYTE_ORDER_MARK.len());
        }
        let again = std::io::Cursor::new(sample.clone()).chain(bytes);
        Ok((sample, Self { name, bytes: Box::new(again) }))
    }

    pub(super) fn into_parts(self) -> (String, Box<dyn BufRead + 'a>) {
        (self.name, self.bytes)
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

/// The separator between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Tab,
    TwoColons,
}

impl Separator {
    fn find(self, text: &[u8]) -> Option<usize> {
        match self {
            Self::Tab => text.iter().position(|&b| b == b'\t'),
            Self::TwoColons => text.windows(2).position(|pair| pair == b"::"),
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Tab => 1,
            Self::TwoColons => 2,
        }
    }

    /// The number of the field to which byte `at` of the line belongs, from 1.
    fn column(self, line: &[u8], at: usize) -> u64 {
        let mut column = 1;
        let mut rest = &line[..at.min(line.len())];
        while let Some(end) = self.find(rest) {
            column += 1;
            rest = &rest[end + self.width()..];
        }
        column
    }
}

/// How bytes are decoded to text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    /// ISO 8859-1: every byte is the character of its number.
    Latin1,
}

/// The lines of a source, one at a time in one reused buffer.
pub(super) struct Lines<'a> {
    source: Source<'a>,
    separator: Separator,
    encoding: Encoding,
    bytes: Vec<u8>,
    text: String,
    number: u64,
    first_blank: Option<u64>,
    /// Whether the last fault concerned a single line, so that reading can go
    /// on.
    goes_on: bool,
    /// Whether blank lines are skipped anywhere in the file.
    passes_blanks: bool,
}

/// One line, without its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) file: &'a str,
    /// From 1.
    pub(super) number: u64,
    pub(super) text: &'a str,
    separator: Separator,
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: Source<'a>, separator: Separator, encoding: Encoding) -> Self {
        Self {
            source,
            separator,
            encoding,
            bytes: Vec::new(),
            text: String::new(),
            number: 0,
            first_blank: None,
            goes_on: false,
            passes_blanks: false,
        }
    }

    /// Skips blank lines anywhere in the file.
    pub(super) fn passing_blanks(mut self) -> Self {
        self.passes_blanks = true;
        self
    }

    /// Whether reading can go on after the last fault.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    pub(super) fn file(&self) -> &str {
        &self.source.name
    }

    /// The number of the last line returned.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A fault of the file as a whole.
    pub(super) fn fault(&self, problem: impl Into<String>, hint: impl Into<String>) -> Error {
        fault(self.file(), 0, 0, problem, hint)
    }

    /// The next line; `None` at the end. Blank lines are skipped at the end of
    /// the file and refused before it.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.goes_on = false;
        loop {
            if !self.fill()? {
                return Ok(None);
            }
            if !self.bytes.is_empty() {
                break;
            }
            if !self.passes_blanks {
                self.first_blank.get_or_insert(self.number);
            }
        }
        if let Some(blank) = self.first_blank {
            let hint = "Remove it: blank lines may stand only at the end";
            return Err(fault(self.file(), blank, 0, "the line is blank", hint));
        }
        self.goes_on = true;
        if let Some(at) = self.bytes.iter().position(|&b| b == 0) {
            return Err(self.nul(self.number, at));
        }
        let text = match self.encoding {
            Encoding::Utf8 => match std::str::from_utf8(&self.bytes) {
                Ok(text) => text,
                Err(error) => {
                    let at = error.valid_up_to();
                    let problem = format!("byte {} of the line is not UTF-8 text", at + 1);
                    let column = self.separator.column(&self.bytes, at);
                    return Err(fault(self.file(), self.number, column, problem, "Save the file as UTF-8"));
                }
            },
            Encoding::Latin1 => {
                self.text.clear();
                self.text.extend(self.bytes.iter().map(|&b| char::from(b)));
                &self.text
            }
        };
        Ok(Some(Line { file: &self.source.name, number: self.number, text, separator: self.separator }))
    }

    /// Reads one line's bytes without its end; false at the end of the file.
    fn fill(&mut self) -> Result<bool> {
        self.bytes.clear();
        let number = self.number + 1;
        loop {
            let chunk = match self.source.bytes.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(number, &error)),
            };
            if chunk.is_empty() {
                if self.bytes.is_empty() {
                    return Ok(false);
                }
                break;
            }
            let end = chunk.iter().position(|&b| b == b'\n');
            let length = end.unwrap_or(chunk.len());
            let room = MAX_LINE - self.bytes.len();
            self.bytes.extend_from_slice(&chunk[..length.min(room)]);
            if length > room {
                return Err(self.too_long(number));
            }
            self.source.bytes.consume(length + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
        }
        self.number = number;
        if number == 1 && self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        Ok(true)
    }

    fn nul(&self, number: u64, at: usize) -> Error {
        let problem = format!("byte {} of the line is NUL", at + 1);
        let hint = "This is no text file, or it was damaged: copy or export it again";
        fault(self.file(), number, self.separator.column(&self.bytes, at), problem, hint)
    }

    fn too_long(&self, number: u64) -> Error {
        if let Some(at) = self.bytes.iter().position(|&b| b == 0) {
            return self.nul(number, at);
        }
        let column = self.separator.column(&self.bytes, self.bytes.len());
        let problem = format!("field too long: the line passes {MAX_LINE} bytes here");
        fault(self.file(), number, column, problem, "Check the separators and line ends, or shorten the field")
    }

    fn unreadable(&self, number: u64, error: &std::io::Error) -> Error {
        unreadable(self.file(), number, error)
    }
}

/// The fault of a stream that ends or fails within a line.
pub(super) fn unreadable(file: &str, number: u64, error: &std::io::Error) -> Error {
    let (problem, hint) = match error.kind() {
        ErrorKind::UnexpectedEof => {
            ("the compressed data ends too early".to_owned(), "The file was cut off: copy or download it again")
        }
        ErrorKind::FileTooLarge => (error.to_string(), "If you trust the file, unpack it first and import the result"),
        _ => (format!("cannot be read ({error})"), "Check that the file is whole and readable"),
    };
    fault(file, number, 0, problem, hint)
}

impl<'a> Line<'a> {
    pub(super) fn fields(&self) -> Fields<'a> {
        Fields { rest: Some(self.text), separator: self.separator }
    }

    /// A fault in field `column` (from 1; 0 for the line as a whole).
    pub(super) fn fault(&self, column: usize, problem: impl Into<String>, hint: impl Into<String>) -> Error {
        fault(self.file, self.number, column as u64, problem, hint)
    }

    /// The fault of a line with a wrong number of fields.
    pub(super) fn wrong_count(&self, wanted: usize, found: usize) -> Error {
        let separator = match self.separator {
            Separator::Tab => "one tab",
            Separator::TwoColons => "'::'",
        };
        let hint = format!("Put {separator} between fields, and keep a blank field's place");
        self.fault(
            wanted.min(found) + usize::from(found > wanted),
            format!("{found} fields where {wanted} belong"),
            hint,
        )
    }
}

/// The fields of a line, in order; always at least one.
pub(super) struct Fields<'a> {
    rest: Option<&'a str>,
    separator: Separator,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let Some(end) = self.separator.find(rest.as_bytes()) else {
            return self.rest.take();
        };
        self.rest = Some(&rest[end + self.separator.width()..]);
        Some(&rest[..end])
    }
}

pub(super) fn fault(file: &str, line: u64, column: u64, problem: impl Into<String>, hint: impl Into<String>) -> Error {
    DataError { file: file.to_owned(), line, column, problem: problem.into(), hint: hint.into() }.into()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(bytes: &[u8], encoding: Encoding, capacity: usize) -> Result<Vec<String>> {
        let source = Source::new("f", BufReader::with_capacity(capacity, bytes));
        let mut lines = Lines::new(source, Separator::Tab, encoding);
        let mut found = Vec::new();
        while let Some(line) = lines.next()? {
            found.push(line.text.to_owned());
        }
        Ok(found)
    }

    fn message(bytes: &[u8]) -> String {
        all(bytes, Encoding::Utf8, 64).unwrap_err().to_string()
    }

    #[test]
    fn line_ends_marks_and_trailing_blanks() {
        for capacity in [1, 2, 3, 5, 100] {
            let found = all(b"\xef\xbb\xbfa\tb\r\nc\n\r\n\n", Encoding::Utf8, capacity).unwrap();
            assert_eq!(found, ["a\tb", "c"]);
        }
        assert_eq!(all(b"a", Encoding::Utf8, 9).unwrap(), ["a"]);
        assert_eq!(all(b"", Encoding::Utf8, 9).unwrap(), Vec::<String>::new());
        assert_eq!(all(b"\xc9t\xe9", Encoding::Latin1, 9).unwrap(), ["Été"]);
    }

    #[test]
    fn faults_have_their_place() {
        assert!(message(b"a\n\n\nb").starts_with("f, line 2: the line is blank"));
        assert!(message(b"a\nb\tc\td\xff\te").starts_with("f, line 2, column 3: byte 6 of the line is not UTF-8"));
        assert!(message(b"a\tb\0\n").starts_with("f, line 1, column 2: byte 4 of the line is NUL"));
        let mut long = b"a\nb\t".to_vec();
        long.resize(MAX_LINE * 2, b'x');
        assert!(message(&long).starts_with("f, line 2, column 2: field too long"));
    }

    #[test]
    fn a_line_of_the_greatest_length_is_read() {
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(all(&long, Encoding::Utf8, 4096).unwrap()[0].len(), MAX_LINE);
    }

    #[test]
    fn fields_keep_blanks() {
        let fields = |text, separator| {
            Line { file: "f", number: 1, text, separator }.fields().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(fields("a\t\tb\t", Separator::Tab), ["a", "", "b", ""]);
        assert_eq!(fields("", Separator::Tab), [""]);
        assert_eq!(fields("1::Alien: Part::x:y", Separator::TwoColons), ["1", "Alien: Part", "x:y"]);
    }

    #[test]
    fn quotes_are_short_and_single_lined() {
        assert_eq!(quote("a\nb"), "'a\\nb'");
        assert!(quote(&"é".repeat(1 << 20)).len() < 200);
    }
}
