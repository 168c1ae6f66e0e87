//! What outlives a visit, beside files: kept in this browser only, and the
//! same in all its tabs. A change is read, merged and written under a lock,
//! so that no tab writes back what another one has changed.

use std::rc::Rc;

use eemu_core::api::Manifest;
use eemu_core::receipt::Checkpoint;
use serde::{Deserialize, Serialize};

use super::desk::{Desk, Job};
use super::ensemble::{Own, Public};
use super::keep::{FILES, PERSON};
use super::protocol::{Order, Pick};
use super::receipt::{Before, Sought};
use super::together::{Note, WRITE};

const SESSION: &str = "session";
pub(super) const OWN: &str = "own";

/// Who is here, and what is on its way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Session {
    /// Rises with every change, whichever tab made it.
    pub(super) revision: u64,
    pub(super) token: Option<String>,
    pub(super) user: Option<String>,
    pub(super) picks: Vec<Pick>,
    pub(super) half: bool,
    /// The log as it was seen last.
    pub(super) pin: Option<Checkpoint>,
    /// Deletions whose receipt is still to come.
    pub(super) open: Vec<Open>,
    /// Deletions that were acknowledged in this browser.
    pub(super) deletions: u64,
    /// Shards with the newest version that saw what was forgotten: no tab
    /// computes with it or an earlier one, whatever a manifest says.
    pub(super) spent: Vec<(u32, u64)>,
}

/// A deletion on its way. It does not say what was asked for: only a
/// commitment to it, which the receipt must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) before: Vec<Before>,
    pub(super) account: bool,
    #[serde(default)]
    pub(super) sought: Option<Sought>,
}

impl Session {
    /// The newest log that was seen; a log only grows.
    pub(super) fn see(&mut self, log: Checkpoint) {
        if self.pin.as_ref().is_none_or(|pin| pin.origin != log.origin || pin.size <= log.size) {
            self.pin = Some(log);
        }
    }

    /// Marks versions that saw something forgotten.
    pub(super) fn spend(&mut self, versions: &[(u32, u64)]) {
        for &(shard, version) in versions {
            match self.spent.iter_mut().find(|(index, _)| *index == shard) {
                Some((_, newest)) => *newest = version.max(*newest),
                None => self.spent.push((shard, version)),
            }
        }
    }

    /// Leaves out of a manifest what may not be used any more.
    pub(super) fn mask(&self, manifest: &mut Manifest) {
        for entry in &mut manifest.shards {
            let spent = self.spent.iter().find(|(index, _)| *index == entry.shard);
            if spent.is_some_and(|(_, newest)| entry.version.is_some_and(|version| version <= *newest)) {
                (entry.version, entry.in_mean, entry.stale) = (None, false, true);
                entry.files.clear();
            }
        }
    }

    /// Nobody is here; what is on its way, and what was seen, stays.
    pub(super) fn leave(&mut self) {
        (self.token, self.user) = (None, None);
        self.picks.clear();
    }
}

impl Desk {
    /// What was kept by an earlier visit, or by another tab.
    pub(super) async fn restore(self: &Rc<Self>) {
        if let Some(session) = self.stored().await {
            self.session.replace(session);
        }
        self.read_receipts().await;
    }

    async fn stored(&self) -> Option<Session> {
        let bytes = self.keep.get(PERSON, SESSION).await?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Takes over what other tabs changed, if they did: before a list is made
    /// and before anything is kept.
    pub(super) async fn look_again(self: &Rc<Self>) {
        if let Some(stored) = self.stored().await {
            self.take_over(stored);
        }
    }

    /// Changes the session for all tabs and the next visit.
    pub(super) async fn amend(self: &Rc<Self>, change: impl FnOnce(&mut Session)) {
        let alone = self.together.alone(WRITE).await;
        let stored = if self.unsaved.get() { None } else { self.stored().await };
        if let Some(stored) = stored {
            self.take_over(stored);
        }
        let mut next = self.session.borrow().clone();
        change(&mut next);
        next.revision += 1;
        self.adopt(next.clone());
        let bytes = serde_json::to_vec(&next).unwrap_or_default();
        let kept = self.keep.put(PERSON, SESSION, &bytes).await;
        self.unsaved.set(!kept);
        self.kept(kept);
        drop(alone);
        self.together.tell(&Note::Session(Box::new(next)));
    }

    /// What another tab changed.
    fn take_over(self: &Rc<Self>, session: Session) {
        if session.revision <= self.session.borrow().revision {
            return;
        }
        let known = self.session.borrow().clone();
        self.adopt(session);
        let now = self.session.borrow().clone();
        let moved = (&known.user, &known.token, known.half, known.deletions, &known.picks)
            != (&now.user, &now.token, now.half, now.deletions, &now.picks);
        if moved || known.open != now.open {
            self.push(Job::Order(Order::Sync));
        }
        self.follow_all();
    }

    /// Takes a session, and lets go of everything that it does not allow.
    fn adopt(&self, session: Session) {
        let known = self.session.replace(session);
        let now = self.session.borrow().clone();
        if known.user != now.user || known.token != now.token {
            self.leave();
        }
        if known.half != now.half {
            self.files.borrow_mut().clear();
            self.ready.borrow_mut().clear();
        }
        for (shard, _) in now.spent.iter().filter(|spent| !known.spent.contains(spent)) {
            self.ready.borrow_mut().remove(shard);
            self.files.borrow_mut().remove(shard);
        }
        let public = self.public.borrow().clone();
        if let Some(public) = public.filter(|_| known.spent != now.spent) {
            let mut manifest = public.manifest.clone();
            // A version that this tab has and the others had not seen it too.
            let fresh = now.spent.iter().filter(|spent| !known.spent.contains(spent));
            let all: Vec<(u32, u64)> = fresh.map(|(shard, _)| (*shard, u64::MAX)).collect();
            Session { spent: all, ..Session::default() }.mask(&mut manifest);
            self.public.replace(Some(Rc::new(Public { manifest, ..Public::clone(&public) })));
        }
        let same = known.user == now.user
            && known.token == now.token
            && known.half == now.half
            && known.deletions == now.deletions
            && known.spent == now.spent
            && known.picks == now.picks;
        if !same {
            self.changed();
        }
    }

    /// Whether the history here was read before the newest deletion.
    pub(super) fn is_behind(&self) -> bool {
        self.own.borrow().is_some() && self.own_at.get() != self.session.borrow().deletions
    }

    /// Takes records out of the history here, as their deletion was acknowledged.
    pub(super) fn strike(&self, deletions: u64, items: Option<&[String]>) {
        if self.own_at.get() + 1 != deletions {
            return;
        }
        let own = self.own.borrow().clone();
        if let Some(own) = own {
            let mut own = Own::clone(&own);
            own.history.retain(|deed| items.is_some_and(|items| !items.contains(&deed.item)));
            self.own.replace(Some(Rc::new(own)));
            self.own_at.set(deletions);
            self.changed();
        }
    }

    /// Keeps a person's own part, if no other tab knows better.
    pub(super) async fn keep_own(self: &Rc<Self>) {
        let _alone = self.together.alone(WRITE).await;
        let stored = self.stored().await;
        let own = self.own.borrow().clone();
        let bytes = own.as_ref().and_then(|own| serde_json::to_vec(own.as_ref()).ok());
        let (user, at) = (self.session.borrow().user.clone(), self.own_at.get());
        match (bytes, stored) {
            (Some(_), Some(stored)) if stored.deletions != at || stored.user != user => {}
            (Some(bytes), _) => {
                let kept = self.keep.put(PERSON, OWN, &bytes).await;
                self.kept(kept);
            }
            (None, Some(stored)) if stored.user.is_some() => {}
            (None, _) => self.keep.remove(PERSON, OWN).await,
        }
    }

    /// Once something found no room, this browser keeps nothing to rely on.
    pub(super) fn kept(&self, kept: bool) {
        if !kept {
            self.keeps.set(false);
        }
    }

    /// What another tab told.
    pub(super) fn hear(self: &Rc<Self>, note: Note) {
        match note {
            Note::Session(session) => {
                self.take_over(*session);
                self.show();
            }
            Note::Forgot { deletions, items } => {
                self.strike(deletions, items.as_deref());
                self.show();
            }
            Note::Receipts => {
                let desk = self.clone();
                wasm_bindgen_futures::spawn_local(async move {
                    desk.read_receipts().await;
                    desk.show();
                });
            }
            Note::Emptied => {
                self.forget_all_here();
                self.push(Job::Order(Order::Sync));
            }
        }
    }

    /// Forgets everything that this tab has of what is kept.
    fn forget_all_here(&self) {
        let revision = self.session.borrow().revision + 1;
        let gone = Session { revision, spent: self.session.borrow().spent.clone(), ..Session::default() };
        self.session.replace(gone);
        self.receipts.replace(Vec::new());
        self.leave();
        self.files.borrow_mut().clear();
        self.ready.borrow_mut().clear();
        self.unsaved.set(false);
        self.stored_bytes.set(0);
        self.changed();
    }

    /// Empties everything that this browser keeps, in all tabs.
    pub(super) async fn empty(self: &Rc<Self>) {
        {
            let _alone = self.together.alone(WRITE).await;
            for place in [FILES, PERSON] {
                self.keep.clear(place).await;
            }
            self.forget_all_here();
        }
        self.together.tell(&Note::Emptied);
        self.show();
    }
}
