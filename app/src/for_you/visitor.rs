//! What only this browser knows: a visitor's own file, and why an item stands
//! in a list.

use std::rc::Rc;

use super::desk::Desk;
use super::ensemble::Ready;
use super::opened::{self, Choice, Reading};
use super::protocol::{Ask, Remedy, Tell, Trouble, Why};
use super::telling::nothing_yet;
use super::titles::Titles;
use super::worker;
use crate::say::told;
use crate::{open_file, pause};

/// Records that are left out one by one, at most: those that weigh most.
const TRIED: usize = 40;
/// Records that are named.
const NAMED: usize = 3;

impl Desk {
    /// A file's text, whatever it is written in.
    pub(super) async fn decoded(&self, file: &web_sys::File) -> Result<String, Trouble> {
        let refused = |sentence: String| Trouble { sentence, mild: true, ..Trouble::default() };
        open_file::text(file).await.map_err(refused)
    }

    /// Reads the file that is open, and takes what it holds.
    pub(super) async fn read_opened(self: &Rc<Self>, choice: &Choice) -> Result<(), Trouble> {
        let Some(public) = self.public.borrow().clone() else { return Err(nothing_yet()) };
        let text = self.opened.borrow().clone().unwrap_or_default();
        let read = opened::read(&text, choice, &Titles::new(&public.catalog.items));
        let reading = read.map_err(|sentence| Trouble {
            sentence: told!("w-nothing-was-imported", sentence),
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
            sentence: told!("w-it-could-not-be", why),
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
