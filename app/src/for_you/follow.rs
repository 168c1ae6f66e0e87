//! What becomes of a deletion: its events as they come, its receipt at the end.

use std::rc::Rc;

use eemu_core::api::{Phase, Unlearning};

use super::desk::{Desk, Job, Open};
use super::protocol::{Following, Remedy, Tell, Trouble};
use super::receipt::{self, Evidence};
use super::worker;
use crate::pause;
use crate::service::Fault;

/// Milliseconds between two tries to hear of it.
const AGAIN: i32 = 1500;

impl Desk {
    /// Follows a deletion until its shards are back.
    pub(super) async fn follow(self: Rc<Self>, id: String) {
        loop {
            let Some(open) = self.opened(&id) else { return };
            let api = self.api.with(self.session.borrow().token.as_deref());
            let mut done = false;
            let mut back = 0;
            let heard = api
                .events(&id, |standing| {
                    done |= standing.phase == Phase::Done;
                    self.tell_following(&standing, open.account);
                    // A shard that is back takes part at once.
                    if standing.shards_done > back && !done {
                        back = standing.shards_done;
                        self.push(Job::Order(super::protocol::Order::Sync));
                    }
                })
                .await;
            if done {
                return self.push(Job::Finish(id));
            }
            match heard {
                // The server knows nothing of it: nothing more is to be heard.
                Err(Fault::Refused { status: 401 | 403 | 404, .. }) => {
                    self.session.borrow_mut().open.retain(|open| open.id != id);
                    self.remember().await;
                    return;
                }
                _ => pause::wait(AGAIN).await,
            }
        }
    }

    fn opened(&self, id: &str) -> Option<Open> {
        self.session.borrow().open.iter().find(|open| open.id == id).cloned()
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
        let Some(open) = self.opened(id) else { return Ok(()) };
        let api = self.api.with(self.session.borrow().token.as_deref());
        let file = match api.receipt(id).await {
            Ok(file) => file,
            // Nothing was removed, so nothing is stated.
            Err(Fault::Refused { status: 404, .. }) => {
                self.session.borrow_mut().open.retain(|open| open.id != id);
                self.remember().await;
                return Ok(());
            }
            Err(fault) => {
                return Err(Trouble {
                    sentence: format!("The receipt could not be fetched. {fault} Try again."),
                    remedy: Remedy::Retry,
                    mild: true,
                });
            }
        };
        let Some(public) = self.public.borrow().clone() else { return Ok(()) };
        let files: Vec<(u32, String)> =
            self.files.borrow().iter().map(|(shard, file)| (*shard, file.hash.clone())).collect();
        let pin = self.session.borrow().pin.clone();
        let evidence = Evidence { pin: pin.as_ref(), manifest: &public.manifest, files: &files, before: &open.before };
        worker::tell(&Tell::Receipt(Box::new(receipt::check(&file, &evidence))));
        self.session.borrow_mut().open.retain(|open| open.id != id);
        self.remember().await;
        beside
    }
}
