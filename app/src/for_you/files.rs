//! The models' files: fetched, hashed, kept, and read into models.

use std::rc::Rc;

use eemu_core::api::ClientFile;
use eemu_core::client::read_client_file;

use super::desk::{Desk, File};
use super::keep::FILES;
use super::protocol::{Cause, Remedy, Trouble};
use super::sync::unreached;
use crate::lab::system::cpu;
use crate::parts::words::size;
use crate::say::told;

impl Desk {
    /// Every shard's file that is missing: kept ones first, then downloads.
    pub(super) async fn fetch_files(self: &Rc<Self>, online: bool) -> Result<(), Trouble> {
        let Some(public) = self.public.borrow().clone() else { return Ok(()) };
        let precision = self.precision();
        let wanted = |entry: &eemu_core::api::ShardEntry| {
            let file = entry.files.iter().find(|file| file.precision == precision)?;
            let here = self.files.borrow().get(&entry.shard).is_some_and(|here| here.hash == file.blake3);
            Some((entry.shard, file.clone(), here))
        };
        let all: Vec<(u32, ClientFile, bool)> = public.manifest.shards.iter().filter_map(wanted).collect();
        let total: u64 = all.iter().filter(|(.., here)| !here).map(|(_, file, _)| file.bytes).sum();
        let mut got = 0;
        let mut troubles = Vec::new();
        for (shard, file, here) in &all {
            if !here {
                match self.fetch(*shard, file, got, total, online).await {
                    Ok(found) => {
                        self.files.borrow_mut().insert(*shard, Rc::new(found));
                        self.ready.borrow_mut().remove(shard);
                    }
                    Err(trouble) => {
                        self.damaged.borrow_mut().push(*shard);
                        troubles.push(trouble);
                    }
                }
                got += file.bytes;
            }
            let missing = !self.ready.borrow().contains_key(shard);
            let here = self.files.borrow().get(shard).cloned();
            if let Some(found) = here.filter(|_| missing) {
                let own = self.own.borrow().clone();
                let made = public.model(*shard, &found.hash, found.tensors.clone(), own.as_deref(), &cpu());
                match made {
                    Ok(ready) => drop(self.ready.borrow_mut().insert(*shard, Rc::new(ready))),
                    Err(why) => troubles.push(Trouble {
                        sentence: told!("w-shard-reload-the-page", letter = self.letter(*shard), why),
                        remedy: Remedy::Retry,
                        mild: false,
                        cause: Cause::Other,
                    }),
                }
                self.changed();
                self.show();
                // Messages come in between two models.
                crate::pause::wait(0).await;
            }
        }
        if !self.keeps.get() {
            let sentence = if self.keep.works() {
                told!("w-this-browser-has-no-2", size = size(all.iter().map(|(_, file, _)| file.bytes).sum()))
            } else {
                told!("w-this-page-came-over").into()
            };
            troubles.push(Trouble { sentence, remedy: Remedy::None, mild: true, cause: Cause::Storage });
        }
        // One sentence at a time: the rest comes when it is tried again.
        troubles.into_iter().next().map_or(Ok(()), Err)
    }

    async fn fetch(
        self: &Rc<Self>,
        shard: u32,
        file: &ClientFile,
        before: u64,
        total: u64,
        online: bool,
    ) -> Result<File, Trouble> {
        let damaged = |remedy| Trouble {
            sentence: told!("w-shard-arrived-damaged-an", letter = self.letter(shard)),
            remedy,
            mild: false,
            cause: Cause::Other,
        };
        let holds = |bytes: &Vec<u8>| blake3::hash(bytes).to_hex().as_str() == file.blake3;
        let read = |bytes: &[u8]| {
            read_client_file(bytes)
                .map(|tensors| File { hash: file.blake3.clone(), tensors })
                .map_err(|_| damaged(Remedy::Download))
        };
        if let Some(kept) = self.keep.get(FILES, &file.blake3).await {
            if holds(&kept) {
                return read(&kept);
            }
            // What was kept is not what was put there.
            self.keep.remove(FILES, &file.blake3).await;
            if !online {
                return Err(Trouble {
                    sentence: told!("w-what-was-kept-of", letter = self.letter(shard)),
                    remedy: Remedy::Download,
                    mild: false,
                    cause: Cause::Other,
                });
            }
        } else if !online {
            return Err(Trouble {
                sentence: told!("w-shard-is-not-kept", letter = self.letter(shard)),
                remedy: Remedy::Retry,
                mild: false,
                cause: Cause::Other,
            });
        }
        self.tell_fetching(before, total);
        let bytes = self.api.bytes(&file.address, |got| self.tell_fetching(before + got, total)).await;
        let bytes = bytes.map_err(|fault| unreached(&fault))?;
        if !holds(&bytes) {
            return Err(damaged(Remedy::Download));
        }
        let found = read(&bytes)?;
        self.kept(self.keep.put(FILES, &file.blake3, &bytes).await);
        Ok(found)
    }

    /// Whether kept files hold models, for the line that says what is kept.
    pub(super) async fn weigh(&self) {
        let Some(public) = self.public.borrow().clone() else { return };
        let names = self.keep.names(FILES).await;
        let files = public.manifest.shards.iter().flat_map(|entry| &entry.files);
        self.stored_bytes.set(files.filter(|file| names.contains(&file.blake3)).map(|file| file.bytes).sum());
        self.show();
    }

    /// Fetches the models of some shards, for the check of a receipt by
    /// somebody for whom no list is made.
    pub(super) async fn fetch_for_check(self: &Rc<Self>, shards: &[u32]) {
        let Some(public) = self.public.borrow().clone() else { return };
        let precision = self.precision();
        for entry in public.manifest.shards.iter().filter(|entry| shards.contains(&entry.shard)) {
            let missing = !self.files.borrow().contains_key(&entry.shard);
            let file = entry.files.iter().find(|file| file.precision == precision);
            if let Some(file) = file.filter(|_| missing)
                && let Ok(found) = self.fetch(entry.shard, file, 0, file.bytes, true).await
            {
                self.files.borrow_mut().insert(entry.shard, Rc::new(found));
            }
        }
    }
}
