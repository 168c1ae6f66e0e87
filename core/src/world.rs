//! One system's knowledge: catalogue, records and configuration, with
//! everything that is derived from them and nothing that is learned.

use crate::Result;
use crate::adapt::{Past, Person};
use crate::config::Config;
use crate::dataset::{Catalog, Interaction, Interactions, Role, Split};
use crate::model::Row;
use crate::random::Key;
use crate::shard::{ShardData, assign, partition};

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

/// What is known, and how it is cut. Made anew from the records whenever they
/// change, so that nothing in it can be stale (architecture rule 7).
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
        let split = Split::new(&interactions, config.holdout);
        let degrees = split.degrees(&interactions, catalog.items.len());
        Self { catalog, config, key, interactions, split, degrees }
    }

    /// The same system with other interactions.
    #[must_use]
    pub fn with(&self, interactions: Interactions) -> Self {
        Self::derive(self.catalog.clone(), interactions, self.config.clone(), self.key.clone())
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
        let roles = &self.split.roles()[self.interactions.start(user)..];
        let records = self.interactions.of(user).iter().zip(roles);
        let counts = |role: Role| match history {
            History::All => true,
            History::Training => role == Role::Train,
            History::Before(asked) => role < asked,
        };
        Past::new(records.filter(|(_, role)| counts(**role)).map(|(record, _)| (record.item, record.timestamp)))
    }

    /// A visitor who is in no table, with a few items of their own.
    pub fn visitor(&self, items: Vec<u32>) -> Person {
        Person {
            stream: b"visitor".to_vec(),
            rows: vec![Row::Nobody; self.config.train.shards as usize],
            history: Past::new(items.into_iter().map(|item| (item, None))),
        }
    }
}
