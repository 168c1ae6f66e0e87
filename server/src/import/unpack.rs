//! Reading compressed files that may be hostile.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use eemu_core::dataset::Source;
use flate2::bufread::MultiGzDecoder;

const BUFFER: usize = 1 << 16;

/// How much a compressed import may unpack to.
///
/// Text of records shrinks about four times in gzip, and hardly ever more
/// than fifty times; deflate itself reaches a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all compressed files of one import together, unpacked.
    pub total: u64,
    /// How many times larger than the compressed file its content may be ...
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

/// The allowance that the files of one import share.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    limits: Limits,
    used: Rc<Cell<u64>>,
}

impl Allowance {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, used: Rc::default() }
    }

    /// Watches what comes out of a decompressor that was given `compressed`
    /// bytes.
    pub(super) fn watch<R: Read>(&self, unpacked: R, compressed: u64) -> impl BufRead + use<R> {
        BufReader::with_capacity(BUFFER, Watched { unpacked, compressed, length: 0, allowance: self.clone() })
    }

    /// Opens a file, unpacking it when its name ends in `.gz`.
    pub(super) fn open(&self, path: &Path) -> anyhow::Result<Source<'static>> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let packed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        if !packed {
            return Ok(Source::new(name, BufReader::with_capacity(BUFFER, file)));
        }
        let compressed = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file));
        Ok(Source::new(name, self.watch(decoder, compressed)))
    }
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
