//! What becomes of a deletion: its events as they come, its receipt at the end.

use std::rc::Rc;

use eemu_core::api::{Phase, Unlearning};
use wasm_bindgen_futures::spawn_local;

use super::desk::{Desk, Job};
use super::protocol::{Following, Order, Remedy, Tell, Trouble};
use super::receipt;
use super::receipts::KeptReceipt;
use super::session::Open;
use super::worker;
use crate::pause;
use crate::say::told;
use crate::service::{Api, Fault};

/// Milliseconds between two tries to hear of it.
const AGAIN: i32 = 1500;

impl Desk {
    /// Follows every deletion on its way, whichever tab sent it.
    pub(super) fn follow_all(self: &Rc<Self>) {
        let open = self.session.borrow().open.clone();
        for open in open {
            let known = self.followed.borrow().contains_key(&open.id);
            if !known {
                let id = open.id.clone();
                self.followed.borrow_mut().insert(id.clone(), open);
                spawn_local(self.clone().follow(id));
            }
        }
    }

    /// Follows a deletion until its shards are back.
    async fn follow(self: Rc<Self>, id: String) {
        loop {
            let Some(open) = self.followed.borrow().get(&id).cloned() else { return };
            let mut done = false;
            let mut back = 0;
            let heard = self
                .asked(&open)
                .events(&id, |standing| {
                    done |= standing.phase == Phase::Done;
                    self.tell_following(&standing, open.account);
                    // A shard that is back takes part at once.
                    if standing.shards_done > back && !done {
                        back = standing.shards_done;
                        self.push(Job::Order(Order::Sync));
                    }
                })
                .await;
            match heard {
                Ok(()) if done => return self.push(Job::Finish(id)),
                // The server knows nothing of it, or not for us: there may be a
                // receipt all the same.
                Err(Fault::Refused { status: 401 | 403 | 404, .. }) => return self.push(Job::Finish(id)),
                _ => pause::wait(AGAIN).await,
            }
        }
    }

    /// Asks about a deletion as who may: an account that is gone needs its
    /// request's name alone.
    fn asked(&self, open: &Open) -> Api {
        let session = self.session.borrow();
        self.api.with(session.token.as_deref().filter(|_| !open.account))
    }

    pub(super) fn tell_following(&self, standing: &Unlearning, account: bool) {
        worker::tell(&Tell::Following(Following {
            id: standing.id.clone(),
            phase: standing.phase,
            removed: standing.removed,
            shards: standing.progress.iter().map(|at| at.shard).collect(),
            progress: standing.progress.iter().map(|at| (at.shard, at.phase, at.epoch, at.epochs)).collect(),
            seconds: standing.estimated_seconds,
            account,
        }));
    }

    /// Fetches what was retrained, and the receipt; checks both.
    pub(super) async fn finish(self: &Rc<Self>, id: &str) -> Result<(), Trouble> {
        // What is said beside it, such as that nothing can be kept, stops no receipt.
        let beside = match self.sync().await {
            Err(trouble) if !trouble.mild => return Err(trouble),
            beside => beside,
        };
        let Some(open) = self.followed.borrow().get(id).cloned() else { return Ok(()) };
        let file = match self.asked(&open).receipt(id).await {
            Ok(file) => file,
            Err(Fault::Refused { status: 401 | 403 | 404, .. }) => {
                self.close(id).await;
                self.without_receipt(&open);
                return beside;
            }
            Err(fault) => {
                // Tried again with the next look at what is on its way.
                self.followed.borrow_mut().remove(id);
                return Err(Trouble {
                    sentence: told!("w-the-receipt-could-not", fault),
                    remedy: Remedy::Retry,
                    mild: true,
                    ..Trouble::default()
                });
            }
        };
        let mut kept = KeptReceipt {
            id: open.id.clone(),
            account: open.account,
            sought: open.sought,
            before: open.before,
            fails: false,
            file,
        };
        let shards = kept.summary().shards;
        self.fetch_for_check(&shards).await;
        if let Some(checked) = self.checked(&kept) {
            kept.fails = checked.failed().is_some();
            self.keep_receipt(kept).await;
            self.close(id).await;
            worker::tell(&Tell::Receipt(Box::new(checked)));
        }
        beside
    }

    /// Nothing more is to come of a deletion.
    async fn close(self: &Rc<Self>, id: &str) {
        if self.session.borrow().open.iter().any(|open| open.id == id) {
            self.amend(|session| session.open.retain(|open| open.id != id)).await;
        }
        self.followed.borrow_mut().remove(id);
    }

    /// It is done, the server says, and there is no receipt.
    fn without_receipt(&self, open: &Open) {
        let sought = open.sought.as_ref();
        let (count, removed) = sought.map_or((0, 0), |sought| (sought.count, sought.removed));
        let why = if removed == 0 && count > 0 {
            told!("w-the-server-says-that")
        } else if count == 0 {
            worker::tell(&Tell::Trouble(Trouble {
                sentence: told!("w-nothing-was-there-to").into(),
                mild: true,
                ..Trouble::default()
            }));
            return;
        } else {
            told!("w-the-server-says-that-2")
        };
        worker::tell(&Tell::Receipt(Box::new(receipt::missing(&open.id, open.account, sought, why))));
    }
}
