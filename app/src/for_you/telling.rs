//! What the worker tells the page: what is here, and what went wrong, each as
//! a sentence with a next step.

use super::desk::Desk;
use super::protocol::{Ask, Cause, Deed, Fetching, Remedy, Service, Shard, Tell, Trouble};
use super::worker;
use crate::say::told;
use crate::service::Fault;

impl Desk {
    /// Tells the page what is here.
    pub(super) fn show(&self) {
        let Some(public) = self.public.borrow().clone() else { return };
        let (manifest, items) = (&public.manifest, &public.catalog.items);
        if *self.items_told.borrow() != manifest.catalog_blake3 {
            self.items_told.replace(manifest.catalog_blake3.clone());
            let names =
                (0..items.len() as u32).map(|row| (items.ids[row as usize].clone(), items.name(row).to_owned()));
            worker::tell(&Tell::Items(names.collect()));
        }
        let (session, files, precision) = (self.session.borrow(), self.files.borrow(), self.precision());
        let shards: Vec<Shard> = manifest
            .shards
            .iter()
            .map(|entry| {
                let file = entry.files.iter().find(|file| file.precision == precision);
                Shard {
                    version: entry.version,
                    here: file.zip(files.get(&entry.shard)).is_some_and(|(file, here)| file.blake3 == here.hash),
                    damaged: self.damaged.borrow().contains(&entry.shard),
                    stale: entry.stale,
                    bytes: file.map_or(0, |file| file.bytes),
                }
            })
            .collect();
        let own = self.own.borrow();
        let history = match own.as_ref() {
            Some(own) => own
                .history
                .iter()
                .rev()
                .map(|deed| Deed {
                    item: deed.item.clone(),
                    name: deed.name.clone(),
                    shard: deed.shard,
                    when: deed.timestamp,
                })
                .collect(),
            None => session
                .picks
                .iter()
                .map(|pick| Deed {
                    item: pick.item.clone(),
                    name: items.find(&pick.item).map_or_else(|| pick.item.clone(), |row| items.name(row).to_owned()),
                    shard: None,
                    when: pick.when,
                })
                .collect(),
        };
        worker::tell(&Tell::Service(Box::new(Service {
            dataset: manifest.dataset.clone(),
            kind: manifest.config.model.kind,
            by: manifest.config.shard.by,
            online: self.online.get(),
            valid_until: manifest.valid_until,
            bytes: shards.iter().map(|shard| shard.bytes).sum(),
            shards,
            households: self.households.borrow().clone(),
            user: session.user.clone().filter(|_| own.is_some()),
            history,
            usual: Ask::usual(&manifest.config.adapt),
            precision,
            keeps: self.keeps.get(),
            insecure: !self.keep.works(),
            stored: self.stored_bytes.get(),
            deletions: session.deletions,
            open: session.open.iter().map(|open| open.id.clone()).collect(),
            receipts: self.receipts.borrow().iter().map(super::receipts::KeptReceipt::summary).collect(),
            complete: self.complete.get(),
            epoch: self.epoch.get(),
            log: manifest.checkpoint.size,
        })));
    }

    pub(super) fn tell_fetching(&self, got: u64, total: u64) {
        worker::tell(&Tell::Fetching(Some(Fetching { got, total })));
    }
}

pub(super) fn nothing_yet() -> Trouble {
    Trouble {
        sentence: told!("w-nothing-is-loaded-yet").into(),
        remedy: Remedy::Retry,
        mild: false,
        cause: Cause::Other,
    }
}

pub(super) fn expired() -> Trouble {
    Trouble { sentence: told!("w-what-is-kept-here").into(), remedy: Remedy::Retry, mild: false, cause: Cause::Other }
}

pub(super) fn not_forgotten(fault: &Fault) -> Trouble {
    let sentence = match fault {
        Fault::Offline => told!("w-no-connection-lists").to_owned(),
        // The server failed at it, perhaps after it was done.
        Fault::Refused { status: 500.., .. } => {
            told!("w-it-is-not-certain", fault)
        }
        other => told!("w-nothing-was-forgotten-tr", other),
    };
    let cause = if *fault == Fault::Offline { Cause::Offline } else { Cause::Other };
    Trouble { sentence, remedy: Remedy::None, mild: true, cause }
}
