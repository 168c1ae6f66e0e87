//! Small random data sets for tests: a catalogue with every kind of feature and
//! a handful of users, all from one seed. Training takes milliseconds.

use anyhow::{Context, Result, anyhow};
use eemu_core::closed_form::{EaseConfig, KernelConfig};
use eemu_core::config::{AdaptConfig, Config, Meta};
use eemu_core::data::{Catalog, Column, Entities, Holdout, Interaction, UNKNOWN, Values, are_timed};
use eemu_core::dataset::Dataset;
use eemu_core::episodes::{EpisodesConfig, Tower};
use eemu_core::learned_state::LearnedState;
use eemu_core::mistakes::{self, Mistake};
use eemu_core::model::{ModelConfig, ModelKind, TensorMap};
use eemu_core::random::{Key, Stream};
use eemu_core::shard::{ShardBy, ShardData};
use eemu_core::tensor::Device;
use eemu_core::train::train;
use eemu_core::unlearn;
use proptest::prelude::*;

/// Whether and how records have times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// No record has a time.
    Absent,
    /// A few values that many records share.
    Tied,
    /// Hardly two records have the same time.
    Spread,
}

/// The recipe of a random data set and its configuration.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Seed of the data and of the deployment.
    pub seed: u64,
    /// Number of users.
    pub users: u32,
    /// Number of items; 14 or more, so that no user has every item.
    pub items: u32,
    /// Number of shards.
    pub shards: u32,
    /// The unit by which records are assigned to shards.
    pub by: ShardBy,
    /// Which records are held out.
    pub holdout: Holdout,
    /// Times of records.
    pub times: Times,
    /// The meta-learning method.
    pub meta: Meta,
    /// Passes over a shard; a closed form takes one.
    pub epochs: u32,
    /// Query records in a user slice.
    pub query_length: usize,
    /// Whether slices are drawn anew each epoch.
    pub fresh_slices: bool,
    /// The kind of model.
    pub model: ModelKind,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 1,
            users: 8,
            items: 16,
            shards: 3,
            by: ShardBy::Record,
            holdout: Holdout::None,
            times: Times::Tied,
            meta: Meta::Maml,
            epochs: 2,
            query_length: 1,
            fresh_slices: true,
            model: ModelKind::TwoTower,
        }
    }
}

impl Recipe {
    fn stream(&self, purpose: &str) -> Stream {
        Key::from_seed(self.seed).stream("world of a test", &[purpose.as_bytes()])
    }

    /// A model with a few dozen values, and steps so large that every record
    /// affects it.
    pub fn config(&self) -> Config {
        let mut config = Config { holdout: self.holdout, ..Config::default().low_rank(are_timed(&self.records())) };
        config.shard.by = self.by;
        config.model = ModelConfig {
            kind: self.model,
            deep_hidden: vec![6, 5],
            width: 4,
            user_hidden: vec![6],
            item_hidden: vec![6],
            output: 4,
            table_scale: 0.5,
            ..ModelConfig::default()
        };
        config.train.seed = self.seed;
        config.train.shards = self.shards;
        config.train.meta = self.meta;
        config.train.epochs = self.epochs;
        config.train.users_per_batch = 3;
        config.train.inner_steps = if self.meta == Meta::Reptile { 2 } else { 1 };
        config.train.outer_step = if self.meta == Meta::Reptile { 0.5 } else { 0.02 };
        config.train.query_length = self.query_length;
        config.train.fresh_slices = self.fresh_slices;
        // Both kinds of negatives; with and without the plain support loss.
        config.train.in_batch_negatives = 1;
        config.train.support_weight = if self.seed.is_multiple_of(2) { 1.0 } else { 0.0 };
        if self.model.is_of_items() {
            config.adapt = AdaptConfig::whole_history();
        }
        let timed = self.times != Times::Absent;
        config.episodes = self.episodes(timed);
        let categories = if self.seed.is_multiple_of(2) { 3.0 } else { 0.0 };
        config.kernel = KernelConfig { width: 3, ridge: 1.0, timed, categories, ..KernelConfig::default() };
        config.ease = EaseConfig { ridge: 2.0, timed, ..EaseConfig::default() };
        config
    }

    /// Settings of the default model that vary with the seed: towers, steps,
    /// orders, features, the whole catalogue or shared negatives.
    fn episodes(&self, timed: bool) -> EpisodesConfig {
        let mut stream = self.stream("episodes");
        let tower = [Tower::None, Tower::Table, Tower::Map][stream.below(3)];
        let mut coin = || stream.below(2) == 0;
        EpisodesConfig {
            width: 4,
            features: coin(),
            timed,
            tower,
            steps: if coin() { 1 } else { 2 },
            second_order: coin(),
            table_scale: 0.5,
            rate: 0.05,
            dropout: if coin() { 0.0 } else { 0.3 },
            smoothing: if coin() { 0.0 } else { 0.1 },
            piece: 3,
            pieces_per_batch: 3,
            whole_catalogue: if coin() { 20_000 } else { 8 },
            negatives: 5,
            kernel_start: if coin() { 0.0 } else { 3.0 },
            ..EpisodesConfig::default()
        }
    }

    /// A catalogue in which both sides have a category with blanks, a set of
    /// words, and numbers.
    ///
    /// # Errors
    /// Never, unless the catalogue refuses this data.
    pub fn catalog(&self) -> Result<Catalog> {
        let mut stream = self.stream("catalogue");
        let mut side = |kind: &str, count: u32| {
            let count = count as usize;
            let vocabulary = |size: usize| (0..size).map(|v| format!("v{v}")).collect::<Vec<_>>();
            let tokens = (0..count).map(|_| if stream.below(5) == 0 { UNKNOWN } else { stream.below(3) as u32 });
            let tokens = tokens.collect();
            let bag = |stream: &mut Stream| (0..5).filter(|_| stream.below(3) == 0).collect::<Vec<u32>>();
            let bags = (0..count).map(|_| bag(&mut stream)).collect();
            let numbers = (0..2 * count).map(|_| stream.symmetric(1.0)).collect();
            let column = |name: &str, values| Column { name: name.to_owned(), values };
            let columns = vec![
                column("group", Values::Token { vocabulary: vocabulary(3), rows: tokens }),
                column("words", Values::TokenSeq { vocabulary: vocabulary(5), rows: bags }),
                column("numbers", Values::Dense { width: 2, rows: numbers }),
            ];
            Entities::new((0..count).map(|n| format!("{kind}-{n}")).collect(), Vec::new(), columns)
        };
        let (users, items) = (side("user", self.users)?, side("item", self.items)?);
        Ok(Catalog { dataset: "small".into(), version: 1, users, items })
    }

    /// Each user's 1 to 12 distinct records, in random order.
    pub fn records(&self) -> Vec<Interaction> {
        let mut stream = self.stream("records");
        let mut records = Vec::new();
        for user in 0..self.users {
            let mut items: Vec<u32> = (0..self.items).collect();
            // Short histories are as frequent as long ones.
            let count = if stream.below(2) == 0 { 1 + stream.below(4) } else { 1 + stream.below(12) };
            stream.choose(&mut items, count);
            for &item in &items[..count] {
                let timestamp = match self.times {
                    Times::Absent => None,
                    Times::Tied => Some(stream.below(3) as f64),
                    Times::Spread => Some(stream.below(1_000_000) as f64),
                };
                records.push(Interaction { user, item, timestamp });
            }
        }
        stream.shuffle(&mut records);
        records
    }

    /// The whole data set.
    ///
    /// # Errors
    /// When core refuses it.
    pub fn dataset(&self) -> Result<Dataset> {
        self.world_of(self.records())
    }

    /// The data set that only ever had these records.
    ///
    /// # Errors
    /// When core refuses it.
    pub fn world_of(&self, records: Vec<Interaction>) -> Result<Dataset> {
        Ok(Dataset::new(self.catalog()?, records, self.config())?.0)
    }

    /// The data set that never had some records (user, item), with its other
    /// records in another order.
    ///
    /// # Errors
    /// When core refuses it.
    pub fn twin_without(&self, gone: &[(u32, u32)]) -> Result<Dataset> {
        let mut records: Vec<_> = self.records().into_iter().filter(|r| !gone.contains(&(r.user, r.item))).collect();
        records.reverse();
        self.stream("another order").shuffle(&mut records);
        self.world_of(records)
    }

    /// The data set that never had a user: the user is not in the catalogue,
    /// and the other users are in another order.
    ///
    /// # Errors
    /// When core refuses it.
    pub fn twin_without_person(&self, gone: u32) -> Result<Dataset> {
        let mut users: Vec<u32> = (0..self.users).filter(|user| *user != gone).collect();
        users.reverse();
        self.stream("another order of people").shuffle(&mut users);
        let mut catalog = self.catalog()?;
        catalog.users = catalog.users.only(&users);
        let place = |user: u32| (0..).zip(&users).find_map(|(place, own)| (*own == user).then_some(place));
        let mut records: Vec<Interaction> = self
            .records()
            .into_iter()
            .filter_map(|record| Some(Interaction { user: place(record.user)?, ..record }))
            .collect();
        self.stream("another order").shuffle(&mut records);
        Ok(Dataset::new(catalog, records, self.config())?.0)
    }
}

/// Random recipes of all kinds.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    let holdout = prop_oneof![Just(Holdout::None), Just(Holdout::LeaveOneOut)];
    let times = prop_oneof![Just(Times::Absent), Just(Times::Tied), Just(Times::Spread)];
    let meta = prop_oneof![3 => Just(Meta::Maml), 1 => Just(Meta::Reptile), 1 => Just(Meta::None)];
    let model = prop_oneof![
        2 => Just(ModelKind::TwoTower),
        1 => Just(ModelKind::DeepFm),
        5 => Just(ModelKind::Episodes),
        1 => Just(ModelKind::Kernel),
        1 => Just(ModelKind::Ease),
    ];
    let by = prop_oneof![Just(ShardBy::Person), Just(ShardBy::Record)];
    let sizes = (4u32..9, 14u32..20, 2u32..=5, 2u32..=3, 1usize..3);
    (0u64..1_000_000, sizes, holdout, times, meta, any::<bool>(), model, by).prop_map(
        |(seed, (users, items, shards, epochs, query_length), holdout, times, meta, fresh_slices, model, by)| Recipe {
            seed,
            users,
            items,
            shards,
            by,
            holdout,
            times,
            meta,
            epochs,
            query_length,
            fresh_slices,
            model,
        },
    )
}

/// The device whose bytes are reproducible.
pub fn cpu() -> Device {
    Device::Flex(Default::default())
}

/// Trains one shard from scratch.
///
/// # Errors
/// When training fails.
pub fn train_one(dataset: &Dataset, shard: &ShardData) -> Result<TensorMap> {
    let (model, _) = pollster::block_on(train(&dataset.catalog, &dataset.config, shard, &cpu()))?;
    Ok(pollster::block_on(model.values())?)
}

/// Trains every shard from scratch, correctly or under a deliberate mistake.
///
/// # Errors
/// When training fails.
pub fn train_all(dataset: &Dataset, mistake: Option<Mistake>) -> Result<Vec<TensorMap>> {
    match mistake {
        None => dataset.shards().iter().map(|shard| train_one(dataset, shard)).collect(),
        Some(mistake) => Ok(pollster::block_on(mistakes::train_all(dataset, mistake, &cpu()))?),
    }
}

/// A trained system.
#[derive(Debug, Clone)]
pub struct System {
    /// Its data set.
    pub dataset: Dataset,
    /// Its trained tensors, shard by shard.
    pub tensors: Vec<TensorMap>,
    mistake: Option<Mistake>,
}

impl System {
    /// Trains a data set.
    ///
    /// # Errors
    /// When training fails.
    pub fn train(dataset: Dataset, mistake: Option<Mistake>) -> Result<Self> {
        Ok(Self { tensors: train_all(&dataset, mistake)?, dataset, mistake })
    }

    /// Deletes records as the server does: retrains the shards that `plan`
    /// names, and keeps the others. Returns these shards and the number of
    /// removed records.
    ///
    /// # Errors
    /// When training fails.
    pub fn forget(&mut self, request: &[(u32, u32)]) -> Result<(Vec<u32>, usize)> {
        let plan = unlearn::plan(&self.dataset, request);
        self.dataset = plan.after;
        if self.mistake.is_none_or(|mistake| mistake == Mistake::WarmStart) {
            let shards = self.dataset.shards();
            for &index in &plan.shards {
                let (shard, kept) = (&shards[index as usize], &mut self.tensors[index as usize]);
                *kept = match self.mistake {
                    None => train_one(&self.dataset, shard)?,
                    Some(_) => pollster::block_on(mistakes::warm_start(&self.dataset, shard, kept, &cpu()))?,
                };
            }
        } else {
            // A mistake may involve several shards, so all of them are trained.
            let mut trained = train_all(&self.dataset, self.mistake)?;
            for &index in &plan.shards {
                self.tensors[index as usize] = std::mem::take(&mut trained[index as usize]);
            }
        }
        Ok((plan.shards, plan.removed.len()))
    }

    /// Its learned state in canonical form.
    pub fn state(&self) -> LearnedState {
        LearnedState::new(&self.dataset, self.tensors.clone())
    }
}

/// Runs work on this many threads.
///
/// # Errors
/// If the threads cannot be started, or the work fails.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("no threads")?.install(work)
}

/// The differences between two states, after checking that their bytes agree
/// with them.
///
/// # Errors
/// When the list of differences and the bytes contradict each other.
pub fn differences(one: &LearnedState, other: &LearnedState) -> Result<Vec<String>> {
    let found = one.differences(other);
    if found.is_empty() == (one.to_bytes() == other.to_bytes()) {
        return Ok(found);
    }
    Err(anyhow!("differences say {found:?}, the bytes say otherwise"))
}
