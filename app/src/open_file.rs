//! A reader's own file as text, whatever it is written in: a zip is opened, and
//! UTF-8, UTF-16 and what Windows writes in Western Europe are told apart. The
//! Lab and For you both read files this way, in their workers.

use std::io::{Cursor, Read};

use js_sys::Uint8Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::{TextDecoder, TextDecoderOptions};

use crate::parts::words;
use crate::say::told;

/// Largest file, in bytes, unpacked.
pub const MAX_BYTES: usize = 64 << 20;
/// What a file with a table in it is called.
const ENDS: [&str; 7] = [".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson"];

/// The text of a file.
///
/// # Errors
/// A sentence with a next step.
pub(crate) async fn text(file: &web_sys::File) -> Result<String, String> {
    if file.size() > MAX_BYTES as f64 {
        return Err(too_large(file.size() as u64));
    }
    let bytes = JsFuture::from(file.array_buffer()).await;
    let bytes = bytes.map(|bytes| Uint8Array::new(&bytes).to_vec());
    let bytes = unpacked(bytes.map_err(|_| told!("w-the-file-could-not").to_owned())?)?;
    decode(&bytes).ok_or_else(|| told!("w-the-file-could-not-2").to_owned())
}

fn too_large(bytes: u64) -> String {
    let (size, most) = (words::size(bytes), words::size(MAX_BYTES as u64));
    told!("w-the-file-has-is", size, most)
}

/// The largest table of a zip; anything else as it is.
///
/// # Errors
/// A sentence with a next step, when the zip is damaged or holds no table.
pub fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return Ok(bytes);
    }
    let damaged = || told!("w-this-zip-is-damaged").to_owned();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
    let mut best: Option<(u64, usize)> = None;
    for place in 0..archive.len() {
        let entry = archive.by_index_raw(place).map_err(|_| damaged())?;
        let name = entry.name().map_err(|_| damaged())?.to_lowercase();
        let table = ENDS.iter().any(|end| name.ends_with(end)) && !name.contains("__macosx");
        if table && best.is_none_or(|(size, _)| entry.size() > size) {
            best = Some((entry.size(), place));
        }
    }
    let Some((_, place)) = best else {
        return Err(told!("w-this-zip-holds-no").to_owned());
    };
    let entry = archive.by_index(place);
    let entry = entry.map_err(|_| told!("w-this-zip-cant-be").to_owned())?;
    let mut text = Vec::new();
    // What a zip says about its sizes need not be so.
    entry.take(MAX_BYTES as u64 + 1).read_to_end(&mut text).map_err(|_| damaged())?;
    if text.len() > MAX_BYTES { Err(too_large(text.len() as u64)) } else { Ok(text) }
}

/// UTF-8, UTF-16 where a mark or the zeros say so, else what Windows writes in
/// Western Europe.
fn decode(bytes: &[u8]) -> Option<String> {
    let zeros = |odd: usize| bytes.iter().skip(odd).step_by(2).take(200).filter(|byte| **byte == 0).count();
    let wide = bytes.len() >= 8 && bytes.len().is_multiple_of(2);
    let label = match bytes {
        [0xff, 0xfe, ..] => "utf-16le",
        [0xfe, 0xff, ..] => "utf-16be",
        _ if wide && zeros(1) * 4 > bytes.len().min(400) => "utf-16le",
        _ if wide && zeros(0) * 4 > bytes.len().min(400) => "utf-16be",
        _ => "utf-8",
    };
    let options = TextDecoderOptions::new();
    options.set_fatal(true);
    for label in [label, "windows-1252"] {
        let decoder = TextDecoder::new_with_label_and_options(label, &options).ok()?;
        if let Ok(text) = decoder.decode_with_u8_array(bytes) {
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn the_largest_table_of_a_zip_is_opened() {
        let files = [("readme.md", "long words about nothing at all"), ("a/one.csv", "a,b"), ("a/two.CSV", "a,b,c")];
        assert_eq!(unpacked(packed(&files)).unwrap(), b"a,b,c");
        assert_eq!(unpacked(b"a,b".to_vec()).unwrap(), b"a,b");
        assert!(unpacked(packed(&files[..1])).unwrap_err().contains("no table"));
        let mut cut = packed(&files);
        cut.truncate(40);
        assert!(unpacked(cut).unwrap_err().contains("damaged"));
    }
}
