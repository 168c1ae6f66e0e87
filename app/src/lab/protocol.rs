//! What the page and the worker say to each other, as JSON.

use serde::{Deserialize, Serialize};

use super::setup::{Cut, Setup};
use crate::ranking::ListRow;

/// One purchase: household and product, by place in the world's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dot {
    /// Row of the grid.
    pub household: u32,
    /// Column of the grid.
    pub product: u32,
}

/// A mistake of real systems that the Lab can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lesson {
    /// Negatives that look into other shards.
    Negatives,
    /// A learned aggregator that is kept.
    Aggregator,
    /// Sharding that depends on order.
    Order,
    /// The best epoch chosen on everybody's data.
    Epoch,
}

impl Lesson {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Negatives, Self::Aggregator, Self::Order, Self::Epoch];

    /// Its name in a link.
    pub fn key(self) -> &'static str {
        match self {
            Self::Negatives => "neg",
            Self::Aggregator => "agg",
            Self::Order => "order",
            Self::Epoch => "epoch",
        }
    }
}

/// How a list is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListAsk {
    /// For whom.
    pub household: u32,
    /// Size of the adaptation set.
    pub size: usize,
    /// Inner step.
    pub step: f32,
    /// Inner steps.
    pub steps: usize,
    /// Temperature of Eq 7.
    pub temperature: f64,
    /// Shards left out of the mean.
    pub off: Vec<u32>,
}

/// What the worker is asked to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// Read the file that was handed over before this.
    Open {
        /// Leave out faulty lines.
        skip: bool,
    },
    /// Take in the text of the reader's own table.
    Load {
        /// What stands in the file.
        text: String,
        /// Leave out faulty lines.
        skip: bool,
    },
    /// Assignment and slices.
    Build,
    /// Train every shard.
    Train,
    /// One household's list.
    List(ListAsk),
    /// The same by the models that forgot a dot.
    After(Dot, ListAsk),
    /// Retrain what a dot's deletion touches.
    Forget(Dot),
    /// Train the world that never had the dot, and compare.
    Twin(Dot),
    /// The same under a mistake.
    Break(Lesson, Dot),
    /// Look for a dot on which a mistake leaves a trace.
    Find(Lesson),
    /// Time and quality for 1 to 32 shards.
    Cost,
    /// Guess from the models whether a dot was ever there.
    Attack(Dot),
    /// What an account costs, and how the lists fare, by either cut.
    Cuts,
}

/// What the page sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Compute; the answer carries the same number.
    Ask {
        /// Counts up.
        id: u32,
        /// Of which Lab.
        setup: Setup,
        /// What.
        what: What,
    },
    /// Give up what is under way.
    Stop,
    /// Hold on between two epochs.
    Pause,
    /// Go on.
    Resume,
    /// One epoch of every shard, then hold on.
    Step,
}

/// What the worker sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Tell {
    /// The worker listens.
    Ready,
    /// How far it is.
    Progress(u32, Progress),
    /// It is done.
    Done(u32, Answer),
    /// It was given up.
    Stopped(u32),
    /// It failed; a sentence with a next step.
    Failed(u32, Failure),
}

/// Why something failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For people.
    pub sentence: String,
    /// Whether the faulty lines of a table can be skipped.
    pub skippable: bool,
    /// Whether the reader's own table has to be opened first.
    #[serde(default)]
    pub missing: bool,
}

/// How far a computation is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is under way, for people: "Training eight models".
    pub phase: String,
    /// 0 to 1.
    pub share: f64,
    /// Losses of the shards in training; empty lists for the others.
    pub losses: Vec<Vec<f32>>,
}

/// What was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// See [`Built`].
    Built(Built),
    /// See [`Trained`].
    Trained(Trained),
    /// See [`List`].
    List(List),
    /// See [`Forgot`].
    Forgot(Forgot),
    /// See [`Twin`].
    Twin(Twin),
    /// See [`Broken`].
    Broken(Broken),
    /// A dot on which the mistake shows, and how many were tried.
    Found(Lesson, Option<Dot>, u32),
    /// See [`Cost`].
    Cost(Vec<Cost>),
    /// See [`Attack`].
    Attack(Attack),
    /// See [`CutCost`].
    Cuts(Vec<CutCost>),
}

/// A world cut into shards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// First 16 digits of the table's hash.
    pub hash: String,
    /// Names.
    pub households: Vec<String>,
    /// Names.
    pub products: Vec<String>,
    /// Every purchase with its shard, by household and product.
    pub dots: Vec<Placed>,
    /// How many households have each product.
    pub degrees: Vec<u32>,
    /// Lines of the table that repeated another, and that were skipped.
    pub left_out: (usize, usize),
    /// In how many shards each household's purchases lie, cut by records.
    pub spread: Vec<u32>,
}

/// A dot and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Which.
    pub dot: Dot,
    /// Its shard, from 0.
    pub shard: u32,
    /// Whether it judges (query) or shapes (support).
    pub query: bool,
    /// The shard it would have if records were dealt like cards.
    pub dealt: u32,
}

/// Shards that were trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Loss of each epoch, one list a shard.
    pub losses: Vec<Vec<f32>>,
    /// `model_blake3` of each shard.
    pub hashes: Vec<String>,
    /// Milliseconds of training, all shards.
    pub millis: f64,
}

/// A household's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// For whom.
    pub household: u32,
    /// The adaptation set: product, its probability under Eq 7, how often it
    /// was drawn; the household's whole history, rarest first.
    pub set: Vec<(u32, f64, u32)>,
    /// The ten best.
    pub rows: Vec<ListRow>,
    /// Milliseconds from the question to the list.
    pub millis: f64,
}

/// A deletion that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forgot {
    /// What went.
    pub dot: Dot,
    /// Shards that trained again.
    pub shards: Vec<u32>,
    /// The system after it: losses, hashes, and the milliseconds this took.
    pub after: Trained,
    /// Milliseconds that training everything took.
    pub all_millis: f64,
}

/// A world that forgot, beside one that never knew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    /// What the one forgot and the other never had.
    pub dot: Dot,
    /// Shards that trained again in the world that forgot.
    pub shards: Vec<u32>,
    /// Hashes of the world that forgot.
    pub own: Vec<String>,
    /// The twin: from scratch.
    pub twin: Trained,
    /// Where each shard's tensors differ; empty where they are equal.
    pub differences: Vec<Vec<Difference>>,
    /// Whether records, split and degrees are equal too.
    pub records_equal: bool,
}

/// A mistake's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    /// Which mistake.
    pub lesson: Lesson,
    /// The two worlds. With a kept aggregator the ninth hash is the blend's.
    pub twin: Twin,
    /// The blend's weights in both worlds.
    pub weights: Option<(Vec<f64>, Vec<f64>)>,
    /// Other records whose shard the dot decides, and how many there are.
    pub moved: (usize, usize),
    /// The epochs, from 1, that a shared score chose in both worlds.
    pub epochs: Option<(usize, usize)>,
}

impl Broken {
    /// How many hashes differ.
    pub fn differing(&self) -> usize {
        self.twin.differing()
    }

    /// Whether the hash of the blend differs, where there is one.
    pub fn blend_differs(&self) -> bool {
        self.weights.is_some() && self.twin.own.last() != self.twin.twin.hashes.last()
    }

    /// The shards whose hashes differ, without the blend.
    pub fn broken_shards(&self) -> Vec<u32> {
        let shards = self.twin.own.len() - usize::from(self.weights.is_some());
        self.twin.different().into_iter().filter(|shard| (*shard as usize) < shards).collect()
    }
}

impl Twin {
    /// How many hashes differ.
    pub fn differing(&self) -> usize {
        self.different().len()
    }

    /// Which do, by place.
    pub fn different(&self) -> Vec<u32> {
        let pairs = (0..).zip(self.own.iter().zip(&self.twin.hashes));
        pairs.filter(|(_, (a, b))| a != b).map(|(place, _)| place).collect()
    }
}

/// A tensor that is not equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its name.
    pub tensor: String,
    /// Values that differ.
    pub unequal: usize,
    /// Values it has.
    pub values: usize,
    /// Names of the first rows that differ, where rows have names.
    pub rows: Vec<String>,
}

/// What a number of shards costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Number of shards.
    pub shards: u32,
    /// Milliseconds of one shard's training, mean.
    pub one: f64,
    /// Milliseconds of all of them.
    pub all: f64,
    /// NDCG@10 of the held-out purchases, adapted, and half its 95% interval.
    pub ndcg: (f64, f64),
    /// HR@10.
    pub hit_rate: f64,
}

/// A dot's places in one world, from 1: by the mean of all models, and by the
/// one model of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// By the mean.
    pub list: u32,
    /// By the one model.
    pub own: u32,
}

/// One seed's worlds, asked by somebody who wants to know whether a dot was
/// ever there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Of every hash, start and draw.
    pub seed: u64,
    /// Where the models that saw the dot put its product.
    pub before: Places,
    /// Where those that forgot it do.
    pub after: Places,
    /// Where those that never had it do.
    pub never: Places,
    /// Whether the last two are equal, byte for byte.
    pub equal: bool,
}

/// A membership attack: worlds of many seeds, with and without a dot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Which dot.
    pub dot: Dot,
    /// Products that the dot's household does not have otherwise.
    pub products: u32,
    /// One a seed.
    pub rounds: Vec<Round>,
}

/// What one way of cutting costs and gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CutCost {
    /// Which.
    pub cut: Cut,
    /// Number of shards.
    pub shards: u32,
    /// Shards that a household lies in, mean.
    pub account_shards: f64,
    /// Milliseconds of training them, mean.
    pub account: f64,
    /// Milliseconds of training the shard of one record, mean.
    pub one: f64,
    /// NDCG@10 of the held-out purchases, adapted, and half its 95% interval.
    pub ndcg: (f64, f64),
    /// HR@10.
    pub hit_rate: f64,
}
