//! Looking at the manifest now and then, so that an open page learns of what
//! others had deleted, and of a shard that is back: each minute while
//! somebody looks at the page, every few seconds while a shard is out.

use std::rc::Rc;

use super::desk::{Desk, Job};
use super::protocol::Order;
use crate::pause;
use crate::service::Fault;

/// Milliseconds between two looks, when all is well.
const CALM: f64 = 60_000.0;
/// The same while a shard is out, or nobody answers.
const KEEN: f64 = 3_000.0;

impl Desk {
    /// Looks as long as the worker lives.
    pub(super) async fn watch(self: Rc<Self>) {
        loop {
            pause::wait(500).await;
            let there = self.public.borrow().is_some();
            let every = if self.is_calm() { CALM } else { KEEN };
            if there && self.visible.get() && pause::now() - self.looked.get() >= every {
                self.look().await;
            }
        }
    }

    /// Somebody looks at the page again, or no longer.
    pub(super) fn seen(self: &Rc<Self>, visible: bool) {
        let was = self.visible.replace(visible);
        if visible && !was {
            // The next turn looks.
            self.looked.set(f64::NEG_INFINITY);
        }
    }

    fn is_calm(&self) -> bool {
        let public = self.public.borrow();
        self.online.get()
            && public.as_ref().is_none_or(|public| public.manifest.shards.iter().all(|entry| entry.version.is_some()))
    }

    async fn look(self: &Rc<Self>) {
        self.looked.set(pause::now());
        if !self.complete.get() {
            return;
        }
        match self.api.manifest().await {
            Ok(mut manifest) => {
                self.session.borrow().mask(&mut manifest);
                let known = self.public.borrow().clone();
                let same = known.is_some_and(|known| {
                    known.manifest.shards == manifest.shards
                        && known.manifest.checkpoint == manifest.checkpoint
                        && known.manifest.items_down == manifest.items_down
                        && known.manifest.degree_classes == manifest.degree_classes
                        && known.manifest.catalog_blake3 == manifest.catalog_blake3
                });
                if same && self.online.get() {
                    // Only its end is another.
                    if let Some(public) = self.public.borrow_mut().as_mut() {
                        let mut now = super::ensemble::Public::clone(public);
                        now.manifest = manifest;
                        *public = Rc::new(now);
                    }
                } else {
                    self.push(Job::Order(Order::Sync));
                }
            }
            Err(Fault::Offline) if !self.online.get() => {}
            Err(_) => self.push(Job::Order(Order::Sync)),
        }
    }
}
