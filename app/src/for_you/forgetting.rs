//! Asking the server to forget. From the moment it says that it has, no tab
//! of this browser uses the record or a model that saw it.

use std::rc::Rc;

use eemu_core::api::{Phase, Unlearning};
use eemu_core::receipt::{Asked, AskedPart};

use super::desk::Desk;
use super::keep::FILES;
use super::protocol::{Trouble, What};
use super::receipt::{Before, Sought};
use super::session::Open;
use super::telling::not_forgotten;
use super::together::{COMPUTE, Note};
use super::worker;
use crate::say::told;

impl Desk {
    /// Asks the server to forget, and uses nothing that saw it from the
    /// moment it says so.
    pub(super) async fn forget(self: &Rc<Self>, what: What) -> Result<(), Trouble> {
        let one = matches!(&what, What::Items(items) if items.len() == 1);
        if !one {
            // What is asked for is counted, and the receipt held to it: another
            // device may have deleted some of it meanwhile.
            self.fetch_own().await.map_err(|trouble| Trouble { mild: true, ..trouble })?;
        }
        let user = self.session.borrow().user.clone().unwrap_or_default();
        let (shards, count) = self.concerned(&what);
        let before = self.shards_now();
        let log = self.session.borrow().pin.as_ref().map_or(0, |pin| pin.size);
        self.held.set(true);
        // No tab makes a list while it is being acknowledged.
        let alone = self.together.alone(COMPUTE).await;
        let api = self.api.with(self.session.borrow().token.as_deref());
        let sent = match &what {
            What::Items(items) => api.forget(items.clone(), false).await,
            What::All => api.forget(Vec::new(), true).await,
            What::Account => api.forget_account().await,
        };
        let standing = match sent {
            Ok(standing) => standing,
            Err(fault) => {
                self.held.set(false);
                return Err(not_forgotten(&fault));
            }
        };
        let asked = asked(&user, &what);
        let account = what == What::Account;
        let sought = Sought {
            committed: asked.committed(&standing.id),
            shards: shards.clone(),
            count,
            log,
            asked: standing.erasure.asked,
            removed: standing.removed,
        };
        let spent = self.drop_shards(&standing, &shards, &before).await;
        let deletions = self.session.borrow().deletions + 1;
        let items = match &what {
            What::Items(items) => Some(items.clone()),
            What::All | What::Account => None,
        };
        // Noted for later: until then the records are there.
        let noted = standing.phase == Phase::Accepted;
        let open = Open { id: standing.id.clone(), before, account, sought: Some(sought) };
        let strikes = items.clone();
        self.amend(move |session| {
            session.open.push(open);
            session.deletions += 1;
            session.spend(&spent);
            if account {
                session.leave();
            }
        })
        .await;
        if noted {
            self.own_at.set(deletions);
        } else {
            self.strike(deletions, strikes.as_deref());
            self.together.tell(&Note::Forgot { deletions, items });
        }
        self.keep_own().await;
        self.held.set(false);
        drop(alone);
        self.tell_following(&standing, account);
        self.show();
        self.follow_all();
        self.sync().await
    }

    /// The shards where what is asked for lies, and how many records it is.
    fn concerned(&self, what: &What) -> (Vec<u32>, u64) {
        let own = self.own.borrow();
        let deeds = own.iter().flat_map(|own| &own.history);
        let wanted: Vec<_> = match what {
            What::Items(items) => deeds.filter(|deed| items.contains(&deed.item)).collect(),
            What::All | What::Account => deeds.collect(),
        };
        let mut shards: Vec<u32> = wanted.iter().filter_map(|deed| deed.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        (shards, wanted.len() as u64)
    }

    /// The shards that a deletion takes out of the mean, dropped at once: those
    /// that the server names, and those where this browser knows that the
    /// records were. Returns the versions that saw them.
    async fn drop_shards(&self, standing: &Unlearning, asked: &[u32], before: &[Before]) -> Vec<(u32, u64)> {
        let mut shards: Vec<u32> = standing.progress.iter().map(|progress| progress.shard).collect();
        if standing.phase == Phase::Accepted {
            shards.clear();
        } else if standing.removed > 0 {
            shards.extend(asked);
        }
        for shard in &shards {
            self.ready.borrow_mut().remove(shard);
            let file = self.files.borrow_mut().remove(shard);
            if let Some(file) = file {
                self.keep.remove(FILES, &file.hash).await;
            }
        }
        before
            .iter()
            .filter(|(shard, ..)| shards.contains(shard))
            .map(|&(shard, version, _)| (shard, version))
            .collect()
    }

    /// Every shard as it is now: version, and hash of its file.
    fn shards_now(&self) -> Vec<Before> {
        let Some(public) = self.public.borrow().clone() else { return Vec::new() };
        let precision = self.precision();
        let now = |entry: &eemu_core::api::ShardEntry| {
            let file = entry.files.iter().find(|file| file.precision == precision)?;
            Some((entry.shard, entry.version?, file.blake3.clone()))
        };
        public.manifest.shards.iter().filter_map(now).collect()
    }

    /// Everything that the server keeps about who is here, as a file.
    pub(super) async fn export(self: &Rc<Self>) -> Result<(), Trouble> {
        let (token, mut names) = {
            let session = self.session.borrow();
            (session.token.clone(), session.open.iter().map(|open| open.id.clone()).collect::<Vec<_>>())
        };
        names.extend(self.receipts.borrow().iter().map(|kept| kept.id.clone()));
        let kept = self.api.with(token.as_deref()).export(names).await.map_err(|fault| Trouble {
            sentence: told!("w-what-is-kept-about", fault),
            mild: true,
            ..Trouble::default()
        })?;
        let text = serde_json::to_string_pretty(&kept).unwrap_or_default();
        worker::tell(&super::protocol::Tell::File { name: "kept-about-me.json".into(), text });
        Ok(())
    }
}

/// What a request asks for, as its receipt commits to it.
fn asked(user: &str, what: &What) -> Asked {
    let part = |item: Option<&String>, account| AskedPart {
        user: Some(user.to_owned()),
        item: item.cloned(),
        before: None,
        account,
    };
    let parts = match what {
        What::Items(items) => items.iter().map(|item| part(Some(item), false)).collect(),
        What::All => vec![part(None, false)],
        What::Account => vec![part(None, true)],
    };
    Asked { parts }
}
