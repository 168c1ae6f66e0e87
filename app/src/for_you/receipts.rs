//! Receipts of one's own deletions, kept in this browser: they name nobody and
//! nothing that was forgotten. Each can be checked again and saved.

use std::rc::Rc;

use eemu_core::receipt::{Entry, ReceiptFile};
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::keep::PERSON;
use super::protocol::{Checked, Kept, Tell, Trouble};
use super::receipt::{self, Before, Evidence, Sought};
use super::together::{Note, WRITE};
use super::worker;

const RECEIPTS: &str = "receipts";
/// Receipts that are kept at most; the oldest go.
const MOST: usize = 200;

/// A receipt with what it is held to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptReceipt {
    /// Name of the request that it answers.
    pub(super) id: String,
    pub(super) account: bool,
    pub(super) sought: Option<Sought>,
    pub(super) before: Vec<Before>,
    pub(super) fails: bool,
    pub(super) file: ReceiptFile,
}

impl KeptReceipt {
    pub(super) fn summary(&self) -> Kept {
        let receipt = match Entry::from_line(&self.file.entry) {
            Ok(Entry::Deletion(receipt)) => Some(receipt),
            _ => None,
        };
        Kept {
            id: self.id.clone(),
            index: self.file.index,
            removed: receipt.as_ref().map_or(0, |receipt| receipt.removed),
            asked: self.sought.as_ref().map_or(0, |sought| sought.asked),
            shards: receipt.iter().flat_map(|receipt| &receipt.shards).map(|statement| statement.shard).collect(),
            account: self.account,
            fails: self.fails,
        }
    }
}

impl Desk {
    pub(super) async fn read_receipts(&self) {
        if let Some(kept) = self.stored_receipts().await {
            self.receipts.replace(kept);
        }
    }

    async fn stored_receipts(&self) -> Option<Vec<KeptReceipt>> {
        let bytes = self.keep.get(PERSON, RECEIPTS).await?;
        serde_json::from_slice(&bytes).ok()
    }

    async fn change_receipts(self: &Rc<Self>, change: impl FnOnce(&mut Vec<KeptReceipt>)) {
        {
            let _alone = self.together.alone(WRITE).await;
            self.read_receipts().await;
            let mut all = self.receipts.borrow().clone();
            change(&mut all);
            all.truncate(MOST);
            let bytes = serde_json::to_vec(&all).unwrap_or_default();
            self.receipts.replace(all);
            let kept = self.keep.put(PERSON, RECEIPTS, &bytes).await;
            self.kept(kept);
        }
        self.together.tell(&Note::Receipts);
    }

    /// Keeps a receipt, in place of an earlier one of the same request.
    pub(super) async fn keep_receipt(self: &Rc<Self>, kept: KeptReceipt) {
        self.change_receipts(|all| {
            all.retain(|known| known.id != kept.id);
            all.insert(0, kept);
        })
        .await;
    }

    pub(super) async fn drop_receipt(self: &Rc<Self>, id: &str) {
        self.change_receipts(|all| all.retain(|kept| kept.id != id)).await;
    }

    /// Checks a kept receipt against what is there now.
    pub(super) async fn check_again(self: &Rc<Self>, id: &str) -> Result<(), Trouble> {
        let synced = self.sync().await;
        let kept = self.receipts.borrow().iter().find(|kept| kept.id == id).cloned();
        if let Some(kept) = kept {
            let shards = kept.summary().shards;
            self.fetch_for_check(&shards).await;
            if let Some(checked) = self.checked(&kept) {
                worker::tell(&Tell::Receipt(Box::new(Checked { again: true, ..checked })));
            }
        }
        synced
    }

    /// What comes of checking a receipt against what this browser has.
    pub(super) fn checked(&self, kept: &KeptReceipt) -> Option<Checked> {
        let public = self.public.borrow().clone()?;
        let files: Vec<(u32, String)> =
            self.files.borrow().iter().map(|(shard, file)| (*shard, file.hash.clone())).collect();
        let pin = self.session.borrow().pin.clone();
        let evidence = Evidence {
            pin: pin.as_ref(),
            manifest: &public.manifest,
            files: &files,
            before: &kept.before,
            name: &kept.id,
            sought: kept.sought.as_ref(),
        };
        Some(Checked { account: kept.account, ..receipt::check(&kept.file, &evidence) })
    }
}
