//! Who did what: records keyed by (user, item), in an order that no file decides.

use crate::dataset::Catalog;
use crate::random::Key;

/// One record: indices into the catalogue and, where the data has one, a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interaction {
    /// Index of the user.
    pub user: u32,
    /// Index of the item.
    pub item: u32,
    /// When; `None` in data without times.
    pub timestamp: Option<f64>,
}

/// All records of a data set, grouped by user.
///
/// A user's records are ordered by (timestamp, keyed hash of the external
/// identifiers); without times by the hash alone; never by their place in a
/// file (architecture rule 3).
#[derive(Debug, Clone, PartialEq)]
pub struct Interactions {
    records: Vec<Interaction>,
    offsets: Vec<usize>,
}

impl Interactions {
    /// Groups and orders records; of duplicates the earliest stays.
    ///
    /// Returns the interactions and how many duplicates collapsed.
    pub fn new(mut records: Vec<Interaction>, catalog: &Catalog, key: &Key) -> (Self, usize) {
        let time = |r: &Interaction| r.timestamp.unwrap_or(0.0);
        records.sort_unstable_by(|a, b| (a.user, a.item).cmp(&(b.user, b.item)).then(time(a).total_cmp(&time(b))));
        let before = records.len();
        records.dedup_by_key(|r| (r.user, r.item));
        let duplicates = before - records.len();
        // Person by person, so that the hashes of all are never there at once.
        for own in records.chunk_by_mut(|a, b| a.user == b.user) {
            let mut keyed: Vec<(u64, Interaction)> =
                own.iter().map(|&r| (record_number(key, "order", catalog, r.user, r.item), r)).collect();
            keyed.sort_unstable_by(|(ha, a), (hb, b)| {
                time(a).total_cmp(&time(b)).then(ha.cmp(hb)).then(a.item.cmp(&b.item))
            });
            own.iter_mut().zip(keyed).for_each(|(place, (_, record))| *place = record);
        }
        (Self { offsets: offsets(&records, catalog.users.len()), records }, duplicates)
    }

    /// Every record, user by user, each user's in order.
    pub fn all(&self) -> &[Interaction] {
        &self.records
    }

    /// Every record, without what orders them.
    pub fn into_records(self) -> Vec<Interaction> {
        self.records
    }

    /// One user's records in order.
    pub fn of(&self, user: u32) -> &[Interaction] {
        match (self.offsets.get(user as usize), self.offsets.get(user as usize + 1)) {
            (Some(&from), Some(&to)) => &self.records[from..to],
            _ => &[],
        }
    }

    /// Where a user's records begin in [`Interactions::all`].
    pub fn start(&self, user: u32) -> usize {
        self.offsets[user as usize]
    }

    /// How many users there is room for.
    pub fn users(&self) -> u32 {
        self.offsets.len() as u32 - 1
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records for which `keep` holds, in the same order.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&Interaction) -> bool) -> Self {
        let records: Vec<Interaction> = self.records.iter().filter(|r| keep(r)).copied().collect();
        Self { offsets: offsets(&records, self.users() as usize), records }
    }
}

fn offsets(records: &[Interaction], users: usize) -> Vec<usize> {
    let mut offsets = vec![0; users + 1];
    for record in records {
        offsets[record.user as usize + 1] += 1;
    }
    for user in 0..users {
        offsets[user + 1] += offsets[user];
    }
    offsets
}

/// A keyed hash of a record's external identifiers: depends on nothing else.
pub(crate) fn record_number(key: &Key, domain: &str, catalog: &Catalog, user: u32, item: u32) -> u64 {
    key.number(domain, &[catalog.users.ids[user as usize].as_bytes(), catalog.items.ids[item as usize].as_bytes()])
}
