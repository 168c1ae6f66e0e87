//! The items that a batch reads, and their positions in that list.

use std::borrow::Cow;

use crate::episodes::training::Piece;

/// All items, or those of a sample and of the batch's histories.
pub(super) struct Reach {
    /// Ascending; all items if `None`.
    some: Option<Vec<u32>>,
    /// The number of all items in the catalogue.
    all: usize,
}

impl Reach {
    /// From the pieces of a batch, timed or not, that score the items of
    /// `sample`, or all items.
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

    /// The number of items that are read.
    pub(super) fn len(&self) -> usize {
        self.some.as_ref().map_or(self.all, Vec::len)
    }

    /// The items; all if `None`.
    pub(super) fn items(&self) -> Option<&[u32]> {
        self.some.as_deref()
    }

    /// The items; all if `None`.
    pub(super) fn into_items(self) -> Option<Vec<u32>> {
        self.some
    }

    /// The position of each given item in the list of items that are read. All
    /// of them must be in the list.
    pub(super) fn places<'a>(&self, items: &'a [u32]) -> Cow<'a, [u32]> {
        match &self.some {
            None => items.into(),
            Some(own) => items.iter().map(|item| own.partition_point(|other| other < item) as u32).collect(),
        }
    }
}
