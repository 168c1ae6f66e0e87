//! Reads compressed files, which may be hostile.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use eemu_core::data::Source;
use encoding_rs_io::DecodeReaderBytesBuilder;
use flate2::bufread::MultiGzDecoder;

use super::meter::Meter;

const BUFFER: usize = 1 << 16;

/// How large the compressed files of an import may become.
///
/// Gzip compresses text of records about four times, and hardly ever more than fifty
/// times; deflate itself can reach a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The unpacked bytes of all compressed files of one import together.
    pub total: u64,
    /// How many times larger than the compressed file its contents may be ...
    pub ratio: u64,
    /// ... once it is larger than this.
    pub small: u64,
}

impl Default for Limits {
    /// 4 GiB in all; no more than 200 times beyond the first 64 MiB.
    fn default() -> Self {
        Self { total: 4 << 30, ratio: 200, small: 64 << 20 }
    }
}

/// The limit that the files of one import share.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    limits: Limits,
    used: Rc<Cell<u64>>,
}

impl Allowance {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, used: Rc::default() }
    }

    /// Limits the output of a decompressor that was given `compressed` bytes.
    pub(super) fn watch<R: Read>(&self, unpacked: R, compressed: u64) -> impl BufRead + use<R> {
        BufReader::with_capacity(BUFFER, Watched { unpacked, compressed, length: 0, allowance: self.clone() })
    }

    /// Opens a file and decompresses it if its contents are gzip or zstd, whatever its
    /// name.
    pub(super) fn open(&self, path: &Path) -> anyhow::Result<Source<'static>> {
        self.open_as(path, Encoding::Recognised, &Meter::new(None, 0))
    }

    /// As [`Allowance::open`], for text of an encoding; counts what is read.
    pub(super) fn open_as(&self, path: &Path, encoding: Encoding, meter: &Meter) -> anyhow::Result<Source<'static>> {
        let name = path.display().to_string();
        let cannot = || format!("cannot open {name}");
        let file = File::open(path).with_context(cannot)?;
        let compressed = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
        let mut file = BufReader::with_capacity(BUFFER, meter.watch(file));
        let start = file.fill_buf().with_context(|| format!("cannot read {name}"))?;
        let packed = |mark: &[u8], end: &str| {
            start.starts_with(mark) || path.extension().is_some_and(|e| e.eq_ignore_ascii_case(end))
        };
        let (gzip, zstd) = (packed(&GZIP, "gz"), packed(&ZSTD, "zst"));
        let text = |bytes: Box<dyn BufRead>| decoded(bytes, encoding);
        if gzip {
            return Ok(Source::new(name, text(Box::new(self.watch(MultiGzDecoder::new(file), compressed)))));
        }
        if zstd {
            let decoder = zstd::Decoder::with_buffer(file).with_context(cannot)?;
            return Ok(Source::new(name, text(Box::new(self.watch(decoder, compressed)))));
        }
        Ok(Source::new(name, text(Box::new(file))))
    }
}

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How the bytes of a text are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Encoding {
    /// UTF-8, or UTF-16 where a byte order mark says so.
    #[default]
    #[value(name = "utf-8")]
    Recognised,
    /// ISO 8859-1, read as the browsers do: as Windows-1252.
    #[value(name = "latin-1")]
    Latin1,
    /// Windows-1252, of Western Europe.
    #[value(name = "windows-1252")]
    Windows1252,
    /// UTF-16, the low byte first unless a byte order mark or the first letter
    /// says otherwise.
    #[value(name = "utf-16")]
    Utf16,
}

/// A stream whose first read fails.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Converts text to UTF-8.
pub(super) fn decoded<'a>(mut bytes: Box<dyn BufRead + 'a>, encoding: Encoding) -> Box<dyn BufRead + 'a> {
    let mut decoder = DecodeReaderBytesBuilder::new();
    let start = match bytes.fill_buf() {
        Ok(start) => start,
        // A decompressor reports an error once, so it is kept for the reader.
        Err(error) => return Box::new(BufReader::with_capacity(1, Failed(Some(error)))),
    };
    match encoding {
        Encoding::Recognised => {
            if !start.starts_with(b"\xff\xfe") && !start.starts_with(b"\xfe\xff") {
                return bytes;
            }
        }
        Encoding::Latin1 | Encoding::Windows1252 => {
            decoder.encoding(Some(encoding_rs::WINDOWS_1252));
        }
        Encoding::Utf16 => {
            // In UTF-16 an ASCII letter, with which the name of a column begins, has a high byte
            // of 0.
            let high_first = start.first() == Some(&0);
            decoder.encoding(Some(if high_first { encoding_rs::UTF_16BE } else { encoding_rs::UTF_16LE }));
        }
    }
    let decoder = decoder.strip_bom(true).bom_override(true).build(bytes);
    Box::new(BufReader::with_capacity(BUFFER, decoder))
}

struct Watched<R> {
    unpacked: R,
    compressed: u64,
    length: u64,
    allowance: Allowance,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.unpacked.read(buffer)?;
        self.length += count as u64;
        let Allowance { limits, used } = &self.allowance;
        used.set(used.get() + count as u64);
        let too_large = |why: String| Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        if used.get() > limits.total {
            return too_large(format!("the compressed data unpacks to more than {} bytes", limits.total));
        }
        if self.length > limits.small && self.length / limits.ratio > self.compressed {
            let Limits { ratio, .. } = limits;
            return too_large(format!(
                "{} compressed bytes unpack to more than {ratio} times as many",
                self.compressed
            ));
        }
        Ok(count)
    }
}
