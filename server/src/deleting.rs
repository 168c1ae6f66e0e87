//! Works out what a deletion changes, for the service and for the command line alike.

use std::collections::BTreeSet;

use anyhow::Result;
use eemu_core::data::Catalog;
use eemu_core::dataset::Dataset;
use eemu_core::unlearn;

use crate::clock::random_hex;
use crate::store::{Deletion, Name, NewAudit, NewRequest};

/// Prefix of the label that replaces a deleted user's identifier. It is there for
/// people to read; programs ask [`eemu_core::data::Entities::is_deleted`].
const DELETED: &str = "deleted-";

/// The stored hash of a request's name.
pub(crate) fn id_hash(name: &str) -> [u8; 32] {
    *blake3::hash(name.as_bytes()).as_bytes()
}

/// Overwrites the catalogue entries of deleted users: a random label, and every feature
/// unknown.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn blank(catalog: &mut Catalog, users: &[u32]) -> Result<()> {
    for &user in users {
        catalog.users.blank(user, format!("{DELETED}{}", random_hex::<8>()?));
    }
    Ok(())
}

/// The names of what a deletion removes, so that later imports leave it out. The
/// records of a whole account need no names of their own.
fn names(catalog: &Catalog, records: &[(u32, u32)], accounts: &[u32]) -> Vec<Name> {
    let (users, items) = (&catalog.users.ids, &catalog.items.ids);
    let gone: BTreeSet<u32> = accounts.iter().copied().collect();
    let of_records = records
        .iter()
        .filter(|(user, _)| !gone.contains(user))
        .filter_map(|&(user, item)| Some((users.get(user as usize)?.clone(), Some(items.get(item as usize)?.clone()))));
    accounts.iter().filter_map(|&user| Some((users.get(user as usize)?.clone(), None))).chain(of_records).collect()
}

/// A deletion that has been worked out but not yet made.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The dataset as it is after the deletion.
    pub(crate) after: Dataset,
    /// The records that exist and will be removed, ascending.
    pub(crate) removed: Vec<(u32, u32)>,
    /// Shards whose training records change, ascending.
    pub(crate) stale: Vec<u32>,
    accounts: Vec<u32>,
    down: Vec<u32>,
    names: Vec<Name>,
    requests: Vec<NewRequest>,
    asked: Vec<String>,
}

impl Plan {
    /// Works out what a deletion of these records, accounts and items changes. `down` holds
    /// the items to be taken down.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new(dataset: &Dataset, records: &[(u32, u32)], accounts: &[u32], down: &[u32]) -> Result<Self> {
        let unlearn::Plan { removed, mut after, shards: stale } = unlearn::plan(dataset, records);
        let accounts: Vec<u32> = accounts.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        let names = names(&dataset.catalog, &removed, &accounts);
        after.take_down(down);
        // Names go with the records, in one transaction, so nothing that may fail comes
        // between the two.
        blank(&mut after.catalog, &accounts)?;
        let (down, requests, asked) = (down.to_vec(), Vec::new(), Vec::new());
        Ok(Self { after, removed, stale, accounts, down, names, requests, asked })
    }

    /// Adds a request that this deletion answers, with the commitment to what it asked.
    pub(crate) fn note(&mut self, request: NewRequest, asked: String) {
        self.requests.push(request);
        self.asked.push(asked);
    }

    /// Whether there is nothing to do, and no request to note.
    pub(crate) fn is_nothing(&self) -> bool {
        self.removed.is_empty() && self.accounts.is_empty() && self.down.is_empty() && self.requests.is_empty()
    }

    /// The requests that this deletion answers.
    pub(crate) fn requests(&self) -> &[NewRequest] {
        &self.requests
    }

    /// The commitments to what the requests asked, in the order of the requests.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }

    /// Users whose accounts are deleted.
    pub(crate) fn accounts(&self) -> &[u32] {
        &self.accounts
    }

    /// The deletion as the store takes it, with the deferred requests that it carries out
    /// and the audit entries of who asked.
    pub(crate) fn deletion<'a>(&'a self, deferred: &'a [[u8; 32]], audit: &'a [NewAudit]) -> Deletion<'a> {
        Deletion {
            records: &self.removed,
            stale: &self.stale,
            requests: &self.requests,
            accounts: &self.accounts,
            down: &self.down,
            catalog: if self.accounts.is_empty() { None } else { Some(&self.after.catalog) },
            part_of: None,
            names: &self.names,
            asked: &self.asked,
            deferred,
            audit,
        }
    }
}
