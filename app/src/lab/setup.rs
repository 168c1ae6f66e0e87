//! What a Lab is made from: everything that decides its bytes.

use eemu_core::config::{AdaptConfig, Config, TrainConfig};
use eemu_core::data::{Catalog, Entities, Holdout, Interaction};
use eemu_core::dataset::Dataset;
use eemu_core::model::ModelConfig;
use eemu_core::shard::{ShardBy, ShardConfig};
use serde::{Deserialize, Serialize};

use super::table::{self, Table};
use crate::csv_file::TableFault;

/// Where a world comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// 12 households, 30 products: small enough to see every dot.
    Shop,
    /// 60 households, 90 products.
    Town,
    /// The reader's own table, named by the first 16 digits of its hash.
    Own(String),
}

impl Source {
    /// The built-in table, or `None` for the reader's own.
    ///
    /// # Errors
    /// When a built-in table is broken.
    pub fn built_in(&self) -> Result<Option<Table>, TableFault> {
        let text = match self {
            Self::Shop => include_str!("../../data/shop.csv"),
            Self::Town => include_str!("../../data/town.csv"),
            Self::Own(_) => return Ok(None),
        };
        table::read(text.as_bytes(), false).map(Some)
    }
}

/// 200 households, 90 products: what costs are measured on where the reader has
/// no table of their own. Too large to draw.
///
/// # Errors
/// When the built-in table is broken.
pub fn city() -> Result<Table, TableFault> {
    table::read_any(include_str!("../../data/city.csv").as_bytes(), false, (usize::MAX, usize::MAX))
}

/// What decides a dot's shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cut {
    /// Each record by itself, as in the paper.
    #[default]
    Records,
    /// The person: whole histories stay together.
    People,
}

impl Cut {
    /// Both, in the order of the page.
    pub const ALL: [Self; 2] = [Self::Records, Self::People];

    fn rule(self) -> ShardBy {
        match self {
            Self::Records => ShardBy::Record,
            Self::People => ShardBy::Person,
        }
    }

    /// How a world is cut.
    pub fn of(dataset: &Dataset) -> Self {
        match dataset.config.shard.by {
            ShardBy::Record => Self::Records,
            ShardBy::Person => Self::People,
        }
    }
}

/// A Lab's world, seed and size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setup {
    /// The table.
    pub source: Source,
    /// Seed of every hash, start and draw.
    pub seed: u64,
    /// Number of shards, 1 to 32.
    pub shards: u32,
    /// What decides a dot's shard.
    #[serde(default)]
    pub cut: Cut,
}

impl Default for Setup {
    fn default() -> Self {
        Self { source: Source::Shop, seed: 8, shards: 8, cut: Cut::Records }
    }
}

/// Passes over each shard.
pub const EPOCHS: u32 = 24;

/// What the Lab calls a deployment: a narrow model that trains while people
/// watch.
pub fn config(seed: u64, shards: u32, holdout: Holdout) -> Config {
    Config {
        holdout,
        // A dot is a record, and each is cut by itself unless the reader cuts by people.
        shard: ShardConfig::by_record(),
        model: ModelConfig {
            width: 8,
            user_hidden: vec![16],
            item_hidden: vec![16],
            output: 8,
            table_scale: 0.3,
            ..ModelConfig::default()
        },
        train: TrainConfig {
            seed,
            shards,
            epochs: EPOCHS,
            users_per_batch: 8,
            inner_step: 0.05,
            outer_step: 0.01,
            query_length: 1,
            in_batch_negatives: 1,
            support_weight: 0.0,
            ..TrainConfig::default()
        },
        adapt: AdaptConfig { size: 6, temperature: 0.06, step: 0.05, ..AdaptConfig::paper() },
        ..Config::default()
    }
}

/// The world of a table.
///
/// # Errors
/// When core refuses it.
pub fn dataset(table: &Table, seed: u64, shards: u32, cut: Cut, holdout: Holdout) -> eemu_core::Result<Dataset> {
    let side = |names: &[String]| Entities::new(names.to_vec(), Vec::new(), Vec::new());
    let catalog =
        Catalog { dataset: "lab".into(), version: 1, users: side(&table.households)?, items: side(&table.products)? };
    let record = |&(user, item, timestamp): &(u32, u32, Option<f64>)| Interaction { user, item, timestamp };
    let records = table.records.iter().map(record).collect();
    let config = Config { shard: ShardConfig { by: cut.rule() }, ..config(seed, shards, holdout) };
    Ok(Dataset::new(catalog, records, config)?.0)
}
