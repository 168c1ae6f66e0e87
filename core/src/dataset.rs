//! A data set: catalogue, records and configuration, with all values that are
//! derived from them. It holds nothing that is learned.

use std::collections::BTreeSet;
use std::io::BufRead;

use crate::adapt::{UserContext, UserHistory};
use crate::config::Config;
use crate::data::tables::{Delimited, Tables};
use crate::data::{
    BadLines, Catalog, Holdout, ImportOptions, Imported, Interaction, Interactions, Role, Source, Split, are_timed,
};
use crate::model::EntityRef;
use crate::popularity::{Counting, Popularity};
use crate::random::Key;
use crate::shard::{ShardBy, ShardData, assign, partition};
use crate::{Error, Result};

/// Which of a user's records are the history H(u).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Training records alone, as in the paper's evaluation.
    Training,
    /// The records before those of this role: training records, and for test
    /// records the validation records too.
    Before(Role),
    /// All records, for recommending in production.
    All,
}

/// Catalogue, records and configuration of one system, with the values derived
/// from them. Every method that changes the records updates the derived values
/// too, so that none of them can be stale (exactness rule 7).
///
/// A clone shares records and catalogue with its original.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The frozen catalogue.
    pub catalog: Catalog,
    /// The configuration of the deployment.
    pub config: Config,
    /// The key that is derived from the deployment's seed.
    pub key: Key,
    /// The records.
    pub interactions: Interactions,
    /// The role of each record: training, validation or test.
    pub split: Split,
    /// d_i: training interactions of each item over all shards.
    pub degrees: Vec<u32>,
    /// Number of training records of each shard.
    pub sizes: Vec<u32>,
    /// Number of users with training records in each shard.
    pub people: Vec<u32>,
    /// For each item, how many users have it and since when; over all records.
    pub popularity: Popularity,
    /// Items that were taken down for everybody, ascending: no list contains
    /// them. They keep their index in the catalogue, and training proceeds as
    /// if no user ever had one.
    pub down: Vec<u32>,
}

impl Dataset {
    /// Derives all values. Returns also the number of dropped duplicates.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(catalog: Catalog, records: Vec<Interaction>, config: Config) -> Result<(Self, usize)> {
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        let (interactions, duplicates) = Interactions::new(records, &catalog, &key);
        Ok((Self::derive(catalog, interactions, config, key), duplicates))
    }

    /// Reads a table of users, items and times with default settings. For other
    /// settings read it with [`crate::data::tables`] and call [`Dataset::new`].
    ///
    /// # Errors
    /// If a line cannot be read: the line number and how to correct it.
    pub fn read(name: &str, table: impl BufRead) -> Result<Self> {
        let (options, mut bad) = (ImportOptions::default(), BadLines::new(0));
        let mut rows = Delimited::open(Source::new(name, table), &options.layout)?;
        let mut tables = Tables::new(&options);
        tables.records(&mut rows, &mut bad)?;
        let Imported { catalog, records, .. } = tables.finish(name.to_owned(), Vec::new(), &bad)?;
        let config = Config::fitting(Holdout::None, are_timed(&records));
        Ok(Self::new(catalog, records, config)?.0)
    }

    fn derive(catalog: Catalog, interactions: Interactions, config: Config, key: Key) -> Self {
        let split = Split::new(config.holdout);
        let degrees = split.degrees(&interactions, catalog.items.len());
        let sizes = vec![0; config.train.shards as usize];
        let people = sizes.clone();
        let popularity = Popularity::new(&interactions, catalog.items.len());
        let down = Vec::new();
        let mut derived = Self { catalog, config, key, interactions, split, degrees, sizes, people, popularity, down };
        for user in 0..derived.interactions.users() {
            let shards = derived.shards_of(user);
            count_in(&shards, &mut derived.sizes, &mut derived.people);
        }
        derived
    }

    /// The same data set with other interactions.
    #[must_use]
    pub fn with(&self, interactions: Interactions) -> Self {
        let derived = Self::derive(self.catalog.clone(), interactions, self.config.clone(), self.key.clone());
        Self { down: self.down.clone(), ..derived }
    }

    /// A data set whose records are stored elsewhere and not kept in memory.
    /// `people` must pass every user's whole history once, one user after the
    /// other; degrees, shard sizes and counts are computed from it.
    ///
    /// # Errors
    /// If the configuration is invalid, or `people` fails.
    pub fn away<E: From<Error>>(
        catalog: Catalog,
        config: Config,
        people: impl FnOnce(&mut dyn FnMut(Vec<Interaction>)) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        let users = catalog.users.len();
        let mut derived = Self {
            split: Split::new(config.holdout),
            degrees: vec![0; catalog.items.len()],
            sizes: vec![0; config.train.shards as usize],
            people: vec![0; config.train.shards as usize],
            interactions: Interactions::away(users, 0),
            popularity: Popularity::default(),
            down: Vec::new(),
            catalog,
            config,
            key,
        };
        let mut count = 0;
        let mut popularity = Counting::new(derived.catalog.items.len());
        let mut degrees = vec![0; derived.degrees.len()];
        let (mut sizes, mut held) = (vec![0; derived.sizes.len()], vec![0; derived.sizes.len()]);
        people(&mut |records: Vec<Interaction>| {
            let Some(user) = records.first().map(|record| record.user) else { return };
            count += records.len();
            records.iter().for_each(|record| popularity.add(record));
            derived.interactions.bring_in(records, &derived.catalog, &derived.key);
            derived.items(user, Role::Train).iter().for_each(|&item| degrees[item as usize] += 1);
            count_in(&derived.shards_of(user), &mut sizes, &mut held);
            derived.interactions.put_away(user);
        })?;
        derived.interactions = Interactions::away(users, count);
        Ok(Self { degrees, sizes, people: held, popularity: popularity.finish(), ..derived })
    }

    /// The same data set with the whole histories of some users in memory.
    #[must_use]
    pub fn with_people(&self, records: Vec<Interaction>) -> Self {
        let mut after = self.clone();
        after.interactions.bring_in(records, &after.catalog, &after.key);
        after
    }

    /// The same data set without the records of these users in memory; they are
    /// still counted.
    #[must_use]
    pub fn without_people(mut self, users: &[u32]) -> Self {
        users.iter().for_each(|&user| self.interactions.put_away(user));
        self
    }

    /// The users whose records a shard may hold; training the shard needs no
    /// others in memory. If shards are cut by record, these are all users.
    pub fn people_of_shard(&self, shard: u32) -> Vec<u32> {
        let users = 0..self.catalog.users.len() as u32;
        match self.config.shard.by {
            ShardBy::Record => users.collect(),
            // The shard of a user does not depend on the item.
            ShardBy::Person => users.filter(|&user| self.shard_of(user, 0) == shard).collect(),
        }
    }

    /// The same data set with a catalogue to which items were appended.
    #[must_use]
    pub fn with_items(&self, catalog: Catalog) -> Self {
        let mut after = Self { catalog, ..self.clone() };
        after.degrees.resize(after.catalog.items.len(), 0);
        after
    }

    /// Takes items down for everybody.
    pub fn take_down(&mut self, items: &[u32]) {
        self.down.extend(items);
        self.down.sort_unstable();
        self.down.dedup();
    }

    /// The same data set without some records (user and item index), and with
    /// some added. The cost grows with the records of the affected users only.
    /// Records that do not exist are not removed.
    #[must_use]
    pub fn changed(&self, removed: &BTreeSet<(u32, u32)>, added: &[Interaction]) -> Self {
        let mut after = self.clone();
        let users: BTreeSet<u32> = removed.iter().map(|r| r.0).chain(added.iter().map(|r| r.user)).collect();
        // Sorted by user, so that each user's records are found by bisection.
        let mut added = added.to_vec();
        added.sort_by_key(|record| record.user);
        for user in users {
            let first = added.partition_point(|record| record.user < user);
            let new = added[first..].iter().take_while(|record| record.user == user);
            let own = self.interactions.of(user).iter().chain(new);
            let own = own.filter(|r| !removed.contains(&(user, r.item))).copied().collect();
            after.interactions.replace(user, own, &after.catalog, &after.key);
            after.popularity.replace(self.interactions.of(user), after.interactions.of(user));
            for item in self.items(user, Role::Train) {
                after.degrees[item as usize] -= 1;
            }
            let shards = self.shards_of(user);
            shards.iter().for_each(|&shard| after.sizes[shard as usize] -= 1);
            distinct(&shards).for_each(|shard| after.people[shard as usize] -= 1);
            for item in after.items(user, Role::Train) {
                after.degrees[item as usize] += 1;
            }
            count_in(&after.shards_of(user), &mut after.sizes, &mut after.people);
        }
        after.popularity.settle(&after.interactions);
        after
    }

    /// Every shard's training data.
    pub fn shards(&self) -> Vec<ShardData> {
        let (by, shards) = (self.config.shard.by, self.config.train.shards);
        partition(&self.key, &self.catalog, &self.interactions, &self.split, by, shards, self.config.slicing())
    }

    /// One shard's training data. If records are stored elsewhere, those of
    /// [`Dataset::people_of_shard`] must be in memory; other users' records
    /// make no difference.
    pub fn shard(&self, shard: u32) -> Option<ShardData> {
        self.shards().into_iter().nth(shard as usize)
    }

    /// The shard of a record.
    pub fn shard_of(&self, user: u32, item: u32) -> u32 {
        assign(&self.key, &self.catalog, user, item, self.config.shard.by, self.config.train.shards)
    }

    /// The shard of each of a user's training records.
    fn shards_of(&self, user: u32) -> Vec<u32> {
        let items = self.items(user, Role::Train);
        match (self.config.shard.by, items.first()) {
            // All of a user's records are in one shard.
            (ShardBy::Person, Some(&first)) => vec![self.shard_of(user, first); items.len()],
            _ => items.into_iter().map(|item| self.shard_of(user, item)).collect(),
        }
    }

    /// Whether a shard takes part in recommending: a shard without training
    /// records does not.
    pub fn has_voice(&self, shard: u32) -> bool {
        self.sizes.get(shard as usize).is_some_and(|size| *size > 0)
    }

    /// A user's items with one role.
    pub fn items(&self, user: u32, role: Role) -> Vec<u32> {
        self.split.items(&self.interactions, user, role).collect()
    }

    /// The context to recommend to a user of the catalogue.
    pub fn person(&self, user: u32, history: History) -> UserContext {
        let shards = self.config.train.shards as usize;
        if self.config.model.kind.is_of_items() {
            return UserContext {
                stream: self.catalog.users.ids[user as usize].clone().into_bytes(),
                rows: vec![self.config.row_of_items_model(user); shards],
                history: self.history(user, history),
            };
        }
        let mut trained_in = vec![false; shards];
        for item in self.split.items(&self.interactions, user, Role::Train) {
            trained_in[self.shard_of(user, item) as usize] = true;
        }
        // If a shard has no record of the user, the user's own embedding is
        // still random there. The embedding of the unknown user is the better
        // choice.
        let row = |seen: bool| {
            if seen || !self.config.model.unknown_rows { EntityRef::Known(user) } else { EntityRef::Unnamed(user) }
        };
        UserContext {
            stream: self.catalog.users.ids[user as usize].clone().into_bytes(),
            rows: trained_in.into_iter().map(row).collect(),
            history: self.history(user, history),
        }
    }

    /// A user's history, in the user's order.
    fn history(&self, user: u32, history: History) -> UserHistory {
        let own = self.interactions.of(user);
        let records = own.iter().enumerate().map(|(place, record)| (record, self.split.role(place, own.len())));
        let counts = |role: Role| match history {
            History::All => true,
            History::Training => role == Role::Train,
            History::Before(asked) => role < asked,
        };
        UserHistory::new(records.filter(|(_, role)| counts(*role)).map(|(record, _)| (record.item, record.timestamp)))
    }

    /// The context of a visitor who is not in the catalogue, with a few items
    /// and their times if they are known.
    pub fn visitor(&self, items: impl IntoIterator<Item = (u32, Option<f64>)>) -> UserContext {
        UserContext {
            stream: b"visitor".to_vec(),
            rows: vec![EntityRef::Nobody; self.config.train.shards as usize],
            history: UserHistory::new(items),
        }
    }
}

/// Adds the shards of one user's training records to the counts.
fn count_in(shards: &[u32], sizes: &mut [u32], people: &mut [u32]) {
    shards.iter().for_each(|&shard| sizes[shard as usize] += 1);
    distinct(shards).for_each(|shard| people[shard as usize] += 1);
}

fn distinct(shards: &[u32]) -> impl Iterator<Item = u32> + use<> {
    shards.iter().copied().collect::<BTreeSet<u32>>().into_iter()
}
