//! The items that a batch reads, and their places among them.

use std::borrow::Cow;

use crate::episodes::training::Piece;

/// All items, or those of a sample and of the histories.
pub(super) struct Reach {
    /// Ascending; all items when `None`.
    some: Option<Vec<u32>>,
    /// How many items there are at all.
    all: usize,
}

impl Reach {
    /// Of some pieces, with an order or without, whose places choose among `sample`, or among all items.
    pub(super) fn new(pieces: &[Piece<'_>], timed: bool, sample: Option<&[u32]>, all: usize) -> Self {
        let some = sample.map(|sample| {
            let read = pieces.iter().flat_map(|piece| piece.read(timed));
            let mut items: Vec<u32> = sample.iter().chain(read).copied().collect();
            items.sort_unstable();
            items.dedup();
            items
        });
        Self { some, all }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.some.as_ref().map_or(self.all, Vec::len)
    }

    /// Which; all when `None`.
    pub(super) fn items(&self) -> Option<&[u32]> {
        self.some.as_deref()
    }

    /// Which; all when `None`.
    pub(super) fn into_items(self) -> Option<Vec<u32>> {
        self.some
    }

    /// Where each of some items stands among those that are read. All of them
    /// must be.
    pub(super) fn places<'a>(&self, items: &'a [u32]) -> Cow<'a, [u32]> {
        match &self.some {
            None => items.into(),
            Some(own) => items.iter().map(|item| own.partition_point(|other| other < item) as u32).collect(),
        }
    }
}
