//! What only this browser knows: a visitor's own file, and why an item stands
//! in a list.

use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::{TextDecoder, TextDecoderOptions};

use super::desk::Desk;
use super::ensemble::Ready;
use super::opened::{self, Choice, MAX_BYTES, Reading};
use super::protocol::{Ask, Remedy, Tell, Trouble, Why};
use super::telling::nothing_yet;
use super::titles::Titles;
use super::worker;
use crate::parts::words;
use crate::pause;

/// Records that are left out one by one, at most: those that weigh most.
const TRIED: usize = 40;
/// Records that are named.
const NAMED: usize = 3;

impl Desk {
    /// A file's text, whatever it is written in.
    pub(super) async fn decoded(&self, file: &web_sys::File) -> Result<String, Trouble> {
        let refused = |sentence: String| Trouble { sentence, mild: true, ..Trouble::default() };
        if file.size() > MAX_BYTES as f64 {
            let (size, most) = (words::size(file.size() as u64), words::size(MAX_BYTES as u64));
            return Err(refused(format!(
                "The file has {size}; {most} is the most. Nothing was imported. Cut it down."
            )));
        }
        let bytes = JsFuture::from(file.array_buffer()).await;
        let bytes = bytes.map(|bytes| Uint8Array::new(&bytes).to_vec());
        let bytes = bytes.map_err(|_| refused("The file could not be read. Choose it again.".into()))?;
        if bytes.starts_with(b"PK\x03\x04") {
            return Err(refused("This is a zip. Unpack it, and open the table or the JSON file inside.".into()));
        }
        decode(&bytes).ok_or_else(|| refused("The file could not be read as text. Save it as UTF-8.".into()))
    }

    /// Reads the file that is open, and takes what it holds.
    pub(super) async fn read_opened(self: &Rc<Self>, choice: &Choice) -> Result<(), Trouble> {
        let Some(public) = self.public.borrow().clone() else { return Err(nothing_yet()) };
        let text = self.opened.borrow().clone().unwrap_or_default();
        let read = opened::read(&text, choice, &Titles::new(&public.catalog.items));
        let reading = read.map_err(|sentence| Trouble {
            sentence: format!("{sentence} Nothing was imported."),
            remedy: Remedy::None,
            mild: true,
            ..Trouble::default()
        })?;
        let picks = reading.picks.clone();
        worker::tell(&Tell::Opened(Box::new(Reading { picks: Vec::new(), taken: picks.len() as u64, ..reading })));
        if picks.is_empty() { Ok(()) } else { self.picked(picks).await }
    }

    /// What an item's place would be without each record that counts.
    pub(super) async fn why(self: &Rc<Self>, item: u32) -> Result<(), Trouble> {
        let public = self.usable()?;
        let asked = self.answered.borrow().clone();
        let Some(ask) = asked.filter(|_| public.is_of_items()) else { return Ok(()) };
        self.released().await;
        let epoch = self.epoch.get();
        let (own, records, ready) = (self.own.borrow().clone(), self.records(&public), self.ready.borrow().clone());
        let ready: Vec<&Ready> = ready.values().map(Rc::as_ref).collect();
        let ask = Ask { top: public.catalog.items.len(), ..ask };
        let failed = |why: eemu_core::Error| Trouble {
            sentence: format!("It could not be computed: {why}."),
            mild: true,
            ..Trouble::default()
        };
        let place = |list: &super::protocol::List| {
            let found = list.rows.iter().find(|(_, row)| row.product == item);
            found.map(|(_, row)| (row.score, row.rank))
        };
        let person = public.person(own.as_deref(), &records);
        let whole = public.list(&ready, &person, &ask).await.map_err(failed)?;
        let Some((score, rank)) = place(&whole) else { return Ok(()) };
        let mut weights: Vec<(&str, f64)> =
            whole.set.iter().map(|(name, _, share, _)| (name.as_str(), *share)).collect();
        weights.sort_by(|a, b| b.1.total_cmp(&a.1));
        weights.truncate(TRIED);
        let mut lifts = Vec::new();
        for (name, _) in weights {
            // Messages come in between; what is overtaken ends.
            pause::wait(0).await;
            if epoch != self.epoch.get() {
                return Ok(());
            }
            let without: Vec<_> =
                records.iter().copied().filter(|(known, _)| public.catalog.items.name(*known) != name).collect();
            let person = public.person(own.as_deref(), &without);
            let list = public.list(&ready, &person, &ask).await.map_err(failed)?;
            if let Some((less, place)) = place(&list) {
                lifts.push((name.to_owned(), score - less, place));
            }
        }
        lifts.sort_by(|a, b| b.1.total_cmp(&a.1));
        lifts.retain(|(_, lift, _)| *lift > 0.0);
        lifts.truncate(NAMED);
        worker::tell(&Tell::Why(Why { item, rank, records: lifts, epoch }));
        Ok(())
    }
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
