//! Whether a shard's model is wanted still, by whoever waits for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Right;
use crate::unit::{Follower, Wish};

/// Between two questions to a shared store whether the shard has changed.
const ASK: Duration = Duration::from_secs(2);

/// Who waits for a shard, and for how long.
pub(super) struct Wanted<'a> {
    pub(super) shard: u32,
    pub(super) right: &'a Right<'a>,
    pub(super) follower: &'a dyn Follower,
    asked: Mutex<Instant>,
    changed: AtomicBool,
    /// Whether this process is asked to end.
    ending: &'static AtomicBool,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(right: &'a Right<'a>, follower: &'a dyn Follower, ending: &'static AtomicBool) -> Self {
        let shard = right.ticket.shard();
        Self { shard, right, follower, asked: Mutex::new(Instant::now()), changed: AtomicBool::new(false), ending }
    }

    /// Whether it may begin at all.
    pub(super) fn may_begin(&self) -> bool {
        !self.is_ending() && self.follower.wish(self.shard) == Wish::GoOn
    }

    /// Whether it is wanted still.
    pub(super) fn still(&self) -> bool {
        self.may_begin() && self.stands()
    }

    /// Whether what was done is to be kept for the next start.
    pub(super) fn is_kept(&self) -> bool {
        self.follower.wish(self.shard) == Wish::Checkpoint
    }

    /// Whether nobody stopped it, and another process has changed the shard.
    pub(super) fn is_lost(&self) -> bool {
        self.may_begin() && !self.right.stands()
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Only another process changes a shard without word to the follower.
    fn stands(&self) -> bool {
        if self.right.state.is_shared()
            && let Ok(mut asked) = self.asked.try_lock()
            && asked.elapsed() >= ASK
        {
            *asked = Instant::now();
            self.changed.store(!self.right.stands(), Ordering::SeqCst);
        }
        !self.changed.load(Ordering::SeqCst)
    }
}
