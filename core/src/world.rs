//! One system's knowledge: catalogue, records and configuration, with
//! everything that is derived from them and nothing that is learned.

use std::collections::BTreeSet;

use crate::Result;
use crate::adapt::{Past, Person};
use crate::config::Config;
use crate::dataset::{Catalog, Interaction, Interactions, Role, Split};
use crate::model::Row;
use crate::popularity::Popularity;
use crate::random::Key;
use crate::shard::{ShardBy, ShardData, assign, partition};

/// Which of a person's records make their history H(u).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Training records, for measuring as the paper does.
    Training,
    /// What came before the record of this role: training records, and before
    /// a test record the validation record too.
    Before(Role),
    /// All records, for serving.
    All,
}

/// What is known, and how it is cut. Whatever changes the records changes what
/// follows from them with them, so that nothing in it can be stale
/// (architecture rule 7).
///
/// A clone shares records and catalogue with its original.
#[derive(Debug, Clone)]
pub struct World {
    /// The frozen catalogue.
    pub catalog: Catalog,
    /// What the deployment decided.
    pub config: Config,
    /// The deployment's seed as a key.
    pub key: Key,
    /// The records.
    pub interactions: Interactions,
    /// What each record is for.
    pub split: Split,
    /// d_i: training interactions per item over all shards.
    pub degrees: Vec<u32>,
    /// Training records of each shard.
    pub sizes: Vec<u32>,
    /// How many people have each item, and since when, of all records.
    pub popularity: Popularity,
    /// Items taken down for everybody, ascending: in no list. They keep their
    /// place in the catalogue, so training is as if nobody had ever had one.
    pub down: Vec<u32>,
}

impl World {
    /// Derives everything. Returns also how many duplicates collapsed.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(catalog: Catalog, records: Vec<Interaction>, config: Config) -> Result<(Self, usize)> {
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        let (interactions, duplicates) = Interactions::new(records, &catalog, &key);
        Ok((Self::derive(catalog, interactions, config, key), duplicates))
    }

    fn derive(catalog: Catalog, interactions: Interactions, config: Config, key: Key) -> Self {
        let split = Split::new(config.holdout);
        let degrees = split.degrees(&interactions, catalog.items.len());
        let sizes = vec![0; config.train.shards as usize];
        let popularity = Popularity::new(&interactions, catalog.items.len());
        let down = Vec::new();
        let mut derived = Self { catalog, config, key, interactions, split, degrees, sizes, popularity, down };
        for user in 0..derived.interactions.users() {
            for shard in derived.shards_of(user) {
                derived.sizes[shard as usize] += 1;
            }
        }
        derived
    }

    /// The same system with other interactions.
    #[must_use]
    pub fn with(&self, interactions: Interactions) -> Self {
        let derived = Self::derive(self.catalog.clone(), interactions, self.config.clone(), self.key.clone());
        Self { down: self.down.clone(), ..derived }
    }

    /// Takes items down for everybody.
    pub fn take_down(&mut self, items: &[u32]) {
        self.down.extend(items);
        self.down.sort_unstable();
        self.down.dedup();
    }

    /// The same system without some records (user and item index), and with
    /// some more. Costs what the users named here have, however many others
    /// there are. What is not there is not removed.
    #[must_use]
    pub fn changed(&self, removed: &BTreeSet<(u32, u32)>, added: &[Interaction]) -> Self {
        let mut after = self.clone();
        let users: BTreeSet<u32> = removed.iter().map(|r| r.0).chain(added.iter().map(|r| r.user)).collect();
        for user in users {
            let own = self.interactions.of(user).iter().chain(added.iter().filter(|r| r.user == user));
            let own = own.filter(|r| !removed.contains(&(user, r.item))).copied().collect();
            after.interactions.replace(user, own, &after.catalog, &after.key);
            after.popularity.replace(self.interactions.of(user), after.interactions.of(user));
            for item in self.items(user, Role::Train) {
                after.degrees[item as usize] -= 1;
            }
            for shard in self.shards_of(user) {
                after.sizes[shard as usize] -= 1;
            }
            for item in after.items(user, Role::Train) {
                after.degrees[item as usize] += 1;
            }
            for shard in after.shards_of(user) {
                after.sizes[shard as usize] += 1;
            }
        }
        after.popularity.settle(&after.interactions);
        after
    }

    /// Every shard's training data.
    pub fn shards(&self) -> Vec<ShardData> {
        let (by, shards) = (self.config.shard.by, self.config.train.shards);
        partition(&self.key, &self.catalog, &self.interactions, &self.split, by, shards, self.config.slicing())
    }

    /// The shard of a record.
    pub fn shard_of(&self, user: u32, item: u32) -> u32 {
        assign(&self.key, &self.catalog, user, item, self.config.shard.by, self.config.train.shards)
    }

    /// The shard of each of a user's training records.
    fn shards_of(&self, user: u32) -> Vec<u32> {
        let items = self.items(user, Role::Train);
        match (self.config.shard.by, items.first()) {
            // One for all of them.
            (ShardBy::Person, Some(&first)) => vec![self.shard_of(user, first); items.len()],
            _ => items.into_iter().map(|item| self.shard_of(user, item)).collect(),
        }
    }

    /// Whether a shard has anything to say: one without records has not.
    pub fn has_voice(&self, shard: u32) -> bool {
        self.sizes.get(shard as usize).is_some_and(|size| *size > 0)
    }

    /// A user's items with one role.
    pub fn items(&self, user: u32, role: Role) -> Vec<u32> {
        self.split.items(&self.interactions, user, role).collect()
    }

    /// A user of the catalogue as a person to recommend to.
    pub fn person(&self, user: u32, history: History) -> Person {
        let shards = self.config.train.shards as usize;
        if self.config.model.kind.is_of_items() {
            return Person {
                stream: self.catalog.users.ids[user as usize].clone().into_bytes(),
                rows: vec![self.config.row_of_items_model(user); shards],
                history: self.history(user, history),
            };
        }
        let mut trained_in = vec![false; shards];
        for item in self.split.items(&self.interactions, user, Role::Train) {
            trained_in[self.shard_of(user, item) as usize] = true;
        }
        // Where a shard never saw the user, the identifier's row is its random
        // start; the unknown row knows better.
        let row =
            |seen: bool| if seen || !self.config.model.unknown_rows { Row::Known(user) } else { Row::Unnamed(user) };
        Person {
            stream: self.catalog.users.ids[user as usize].clone().into_bytes(),
            rows: trained_in.into_iter().map(row).collect(),
            history: self.history(user, history),
        }
    }

    /// What a user did, in their order.
    fn history(&self, user: u32, history: History) -> Past {
        let own = self.interactions.of(user);
        let records = own.iter().enumerate().map(|(place, record)| (record, self.split.role(place, own.len())));
        let counts = |role: Role| match history {
            History::All => true,
            History::Training => role == Role::Train,
            History::Before(asked) => role < asked,
        };
        Past::new(records.filter(|(_, role)| counts(*role)).map(|(record, _)| (record.item, record.timestamp)))
    }

    /// A visitor who is in no table, with a few items of their own, and times
    /// where they are known.
    pub fn visitor(&self, items: impl IntoIterator<Item = (u32, Option<f64>)>) -> Person {
        Person {
            stream: b"visitor".to_vec(),
            rows: vec![Row::Nobody; self.config.train.shards as usize],
            history: Past::new(items),
        }
    }
}
