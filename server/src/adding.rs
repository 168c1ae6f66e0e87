//! Works out what an addition of records changes, for the service and for the command
//! line alike.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use eemu_core::data::{Catalog, Interaction};
use eemu_core::dataset::Dataset;
use eemu_core::shard::shard_of_person;
use eemu_core::unlearn::shards_of_additions;

use crate::deployment::Deployment;
use crate::store::{Addition, Change, Committed, Head, KeyedId, NewAudit, PartOf, Result as Stored, State};

/// Records to be added, collected one user at a time.
pub(crate) struct Collected<'a> {
    before: &'a Dataset,
    catalog: Catalog,
    new: BTreeMap<(u32, u32), Interaction>,
    people: Vec<String>,
}

impl<'a> Collected<'a> {
    /// Starts an empty collection on top of `before`.
    pub(crate) fn new(before: &'a Dataset) -> Self {
        let catalog = before.catalog.clone();
        Self { before, catalog, new: BTreeMap::new(), people: Vec::new() }
    }

    /// The catalogue, including the users who are new in this collection.
    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Appends a new user to the catalogue and returns the user's index. The caller has
    /// checked the identifier.
    ///
    /// # Errors
    /// When the catalogue refuses the user.
    pub(crate) fn welcome(&mut self, id: &str) -> Result<u32> {
        let user = self.catalog.users.append(id, &[], &self.before.key)?;
        self.people.push(id.to_owned());
        Ok(user)
    }

    /// Adds a user's records. Returns how many of them are new, or are later than the
    /// record of the same item that they replace.
    pub(crate) fn add(&mut self, user: u32, records: &[(u32, Option<f64>)]) -> u64 {
        let own = self.before.interactions.of(user);
        let mut count = 0;
        for &(item, timestamp) in records {
            let record = Interaction { user, item, timestamp };
            let there = self.new.get(&(user, item)).or_else(|| own.iter().find(|own| own.item == item));
            if there.is_none_or(|there| record.replaces(there)) {
                count += u64::from(self.new.insert((user, item), record).is_none());
            }
        }
        count
    }

    /// Works out what the collected records change; `None` when none of them is new.
    pub(crate) fn planned(self) -> Option<Planned> {
        if self.new.is_empty() {
            return None;
        }
        let Self { before, catalog, new, people } = self;
        let new: Vec<Interaction> = new.into_values().collect();
        let after = Dataset { catalog, ..before.clone() }.changed(&BTreeSet::new(), &new);
        let stale = shards_of_additions(before, &after, &new);
        let first = stale.iter().copied().filter(|shard| !before.has_voice(*shard)).collect();
        Some(Planned { after, new, stale, first, people })
    }
}

/// An addition that has been worked out but not yet made.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The dataset as it is after the addition.
    pub(crate) after: Dataset,
    /// The records to be added.
    pub(crate) new: Vec<Interaction>,
    /// Shards whose training records change, ascending.
    pub(crate) stale: Vec<u32>,
    first: Vec<u32>,
    /// Identifiers of the new users.
    pub(crate) people: Vec<String>,
}

impl Planned {
    /// Makes the addition.
    ///
    /// # Errors
    /// As [`State::apply`].
    pub(crate) fn apply(&self, state: &State, expected: Head, audit: &[NewAudit]) -> Stored<Committed> {
        let keyed_id = |record: &Interaction| Deployment::keyed_id(&self.after, record);
        let Self { new, stale, first, people, .. } = self;
        let catalog = Some(&self.after.catalog);
        let part_of = |id: &str| shard_of_person(&self.after.key, id, self.after.config.train.shards);
        let (keyed_id, part_of): (KeyedId<'_>, PartOf<'_>) = (&keyed_id, &part_of);
        let addition = Addition { records: new, stale, first, keyed_id, part_of, people, catalog, audit };
        state.apply(&Change::Add(addition), expected)
    }
}
