//! Interactions: records keyed by (user, item), in an order that does not
//! depend on a file.

use std::cmp::Ordering;
use std::sync::Arc;

use imbl::Vector;

use crate::data::Catalog;
use crate::random::Key;

/// One record: indices into the catalogue and, where the data has one, a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interaction {
    /// Index of the user.
    pub user: u32,
    /// Index of the item.
    pub item: u32,
    /// The time; `None` in data without times.
    pub timestamp: Option<f64>,
}

/// All records of a data set, grouped by user.
///
/// A user's records are ordered by (timestamp, keyed hash of the external
/// identifiers). Without times the hash alone decides. Their order in a file
/// never matters (exactness rule 3).
///
/// A clone shares every user's records with its original, and a change copies
/// the records of the changed users only.
///
/// A service keeps no records in memory: it starts from [`Interactions::away`]
/// and loads the records of the users whom a request names for that request
/// alone. [`Interactions::len`] still counts all records.
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    by_user: Vector<Arc<[Interaction]>>,
    len: usize,
}

fn time(record: &Interaction) -> f64 {
    record.timestamp.unwrap_or(0.0)
}

/// Whether any record has a time.
#[must_use]
pub fn are_timed(records: &[Interaction]) -> bool {
    records.iter().any(|record| record.timestamp.is_some())
}

/// Which of several records of one user and one item is kept.
///
/// The latest is kept, in an import, in an addition and in the store alike: it
/// says most about the user's next choice, and counting a repeated purchase as
/// years old would distort order and decay. A missing time counts as 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The earliest: an option of the import.
    First,
    /// The latest.
    #[default]
    Last,
}

impl Interaction {
    /// Whether this record replaces another one of the same user and item.
    #[must_use]
    pub fn replaces(&self, other: &Self) -> bool {
        Duplicates::Last.compare(self, other).is_lt()
    }
}

impl Duplicates {
    /// Orders two records; the first one is kept.
    fn compare(self, one: &Interaction, other: &Interaction) -> Ordering {
        let by_time = time(one).total_cmp(&time(other));
        let by_time = if self == Self::Last { by_time.reverse() } else { by_time };
        by_time.then(other.timestamp.is_some().cmp(&one.timestamp.is_some()))
    }

    /// Keeps one record of each user and item, sorted by user and item. Returns
    /// how many were dropped.
    pub fn collapse(self, records: &mut Vec<Interaction>) -> usize {
        records.sort_unstable_by(|a, b| (a.user, a.item).cmp(&(b.user, b.item)).then_with(|| self.compare(a, b)));
        let before = records.len();
        records.dedup_by_key(|record| (record.user, record.item));
        before - records.len()
    }
}

impl Interactions {
    /// Groups and orders records; one of several duplicates is kept
    /// ([`Duplicates`]).
    ///
    /// Returns the interactions and the number of dropped duplicates.
    pub fn new(mut records: Vec<Interaction>, catalog: &Catalog, key: &Key) -> (Self, usize) {
        let duplicates = Duplicates::default().collapse(&mut records);
        let mut rest = records.as_slice();
        let by_user = (0..catalog.users.len() as u32).map(|user| {
            let (own, others) = rest.split_at(rest.partition_point(|r| r.user <= user));
            rest = others;
            ordered(own, catalog, key)
        });
        (Self { by_user: by_user.collect(), len: records.len() }, duplicates)
    }

    /// Interactions whose records are not in memory: only the numbers of users
    /// and of records are known.
    pub fn away(users: usize, len: usize) -> Self {
        Self { by_user: std::iter::repeat_n(Arc::from([]), users).collect(), len }
    }

    /// Loads the whole histories of some users. Users whose records are in
    /// memory keep them, and records of items that the catalogue lacks are
    /// dropped.
    pub(crate) fn bring_in(&mut self, mut records: Vec<Interaction>, catalog: &Catalog, key: &Key) {
        self.make_room(catalog);
        records.retain(|r| (r.item as usize) < catalog.items.len());
        records.sort_unstable_by_key(|r| (r.user, r.item));
        for own in records.chunk_by(|a, b| a.user == b.user) {
            if let Some(place) = self.by_user.get_mut(own[0].user as usize).filter(|place| place.is_empty()) {
                *place = ordered(own, catalog, key);
            }
        }
    }

    /// Drops one user's records from memory: they are still counted.
    pub(crate) fn put_away(&mut self, user: u32) {
        if let Some(place) = self.by_user.get_mut(user as usize) {
            *place = Arc::from([]);
        }
    }

    fn make_room(&mut self, catalog: &Catalog) {
        while self.by_user.len() < catalog.users.len() {
            self.by_user.push_back(Arc::from([]));
        }
    }

    /// Every record, user by user, each user's in order.
    pub fn iter(&self) -> impl Iterator<Item = &Interaction> + Clone {
        self.by_user.iter().flat_map(|own| own.iter())
    }

    /// A copy of every record, user by user, each user's in order.
    pub fn all(&self) -> Vec<Interaction> {
        self.iter().copied().collect()
    }

    /// All records as a list.
    pub fn into_records(self) -> Vec<Interaction> {
        self.all()
    }

    /// One user's records in order; empty if they are not in memory.
    pub fn of(&self, user: u32) -> &[Interaction] {
        self.by_user.get(user as usize).map_or(&[], |own| own)
    }

    /// The number of user slots.
    pub fn users(&self) -> u32 {
        self.by_user.len() as u32
    }

    /// The number of records, in memory or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The records for which `keep` holds, in the same order.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Interaction) -> bool) -> Self {
        let by_user: Vector<Arc<[Interaction]>> =
            self.by_user.iter().map(|own| own.iter().filter(|r| keep(r)).copied().collect()).collect();
        Self { len: by_user.iter().map(|own| own.len()).sum(), by_user }
    }

    /// Replaces the records of one user. Adds slots for new users of the
    /// catalogue. One of several duplicates is kept ([`Duplicates`]).
    pub(crate) fn replace(&mut self, user: u32, mut records: Vec<Interaction>, catalog: &Catalog, key: &Key) {
        self.make_room(catalog);
        Duplicates::default().collapse(&mut records);
        if let Some(own) = self.by_user.get_mut(user as usize) {
            self.len = self.len - own.len() + records.len();
            *own = ordered(&records, catalog, key);
        }
    }
}

/// One user's records, sorted by time and hash.
fn ordered(records: &[Interaction], catalog: &Catalog, key: &Key) -> Arc<[Interaction]> {
    let mut keyed: Vec<(u64, Interaction)> =
        records.iter().map(|r| (record_number(key, "order", catalog, r.user, r.item), *r)).collect();
    keyed.sort_unstable_by(|(ha, a), (hb, b)| time(a).total_cmp(&time(b)).then(ha.cmp(hb)).then(a.item.cmp(&b.item)));
    keyed.into_iter().map(|(_, r)| r).collect()
}

/// A keyed hash that depends on a record's external identifiers alone.
pub(crate) fn record_number(key: &Key, domain: &str, catalog: &Catalog, user: u32, item: u32) -> u64 {
    key.number(domain, &[catalog.users.ids[user as usize].as_bytes(), catalog.items.ids[item as usize].as_bytes()])
}
