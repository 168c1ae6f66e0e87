//! What the page and the worker say to each other, as JSON.

use eemu_core::api::{DemoHousehold, Phase};
use eemu_core::client::Precision;
use eemu_core::config::AdaptConfig;
use eemu_core::model::ModelKind;
use eemu_core::shard::ShardBy;
use serde::{Deserialize, Serialize};

use super::opened::{Choice, Reading};
pub use super::wish::{Device, Speeds, Wish};
use crate::operate::protocol::{Done, Errand, LogAsk, Operation};
use crate::ranking::ListRow;

/// What the page sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Take what is kept, then see what the server has.
    Open,
    /// Speak another language from here on, by its code.
    Speak(String),
    /// See what the server has; fetch what is missing.
    Sync,
    /// Give up what is being fetched; what was verified is kept.
    Stop,
    /// Act for the holder of this token.
    SignIn(String),
    /// Forget the token, the rows and the history here.
    SignOut,
    /// Empty everything that this browser keeps.
    Clear,
    /// Fetch files of this precision.
    Precision(Precision),
    /// A visitor's picks, by identifier.
    Picks(Vec<Pick>),
    /// Read the visitor's file again, as they say.
    Reread(Choice),
    /// Close the visitor's file; what was picked stays.
    CloseFile,
    /// Which of one's records carry an item of the list, by index.
    Why(u32),
    /// Make a list.
    List(Ask),
    /// Add a record of the signed-in person's, by the item's identifier.
    Add(String),
    /// Forget, for good.
    Forget(What),
    /// Save what the server keeps about who is here.
    Export,
    /// Check a kept receipt again, by its request's name.
    CheckAgain(String),
    /// Throw a kept receipt away.
    DropReceipt(String),
    /// Whether somebody looks at the page.
    Visible(bool),
    /// Take the log that is there now for the one to compare with later.
    TrustLog,
    /// What an operator sees, with this part of the log; the answer comes once.
    Look(String, LogAsk),
    /// Retrain now what waits.
    Hurry(String, LogAsk),
    /// Something that an operator or administrator does.
    Errand(String, Errand),
    /// Compute on this device; with what this session measured already.
    Device(Wish, Option<Speeds>),
}

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Some items, by identifier.
    Items(Vec<String>),
    /// Everything that the person did.
    All,
    /// The account, and everything with it.
    Account,
}

/// How a list is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Size of the adaptation set; with models of items at most so many of
    /// the newest records.
    pub size: usize,
    /// Inner step; with models of items a factor on what each shard learned.
    pub step: f32,
    /// Inner steps.
    pub steps: usize,
    /// Temperature of Eq 7; without a meaning for models of items.
    pub temperature: f64,
    /// How slowly older records fade beside it ([`AdaptConfig::recency`]);
    /// without a meaning for models of items.
    pub recency: f64,
    /// Shards left out of the mean.
    pub off: Vec<u32>,
    /// How long the list is.
    pub top: usize,
    /// Which draw; the server's is 0. Models of items draw nothing.
    pub draw: u64,
}

impl Ask {
    /// As the service's configuration says.
    pub fn usual(adapt: &AdaptConfig) -> Self {
        Self {
            size: adapt.size,
            step: adapt.step,
            steps: adapt.steps,
            temperature: adapt.temperature,
            recency: adapt.recency,
            off: Vec::new(),
            top: 10,
            draw: 0,
        }
    }
}

/// Something that a visitor did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// The item's identifier.
    pub item: String,
    /// When, if they said so.
    pub when: Option<f64>,
}

/// What the worker sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Tell {
    /// The worker listens.
    Ready,
    /// What is there now.
    Service(Box<Service>),
    /// The catalogue's items: identifier and name, in its order.
    Items(Vec<(String, String)>),
    /// How far fetching is; `None` when it ended.
    Fetching(Option<Fetching>),
    /// A list.
    List(Box<List>),
    /// Where a deletion stands.
    Following(Following),
    /// A receipt, checked.
    Receipt(Box<Checked>),
    /// What became of a visitor's file.
    Opened(Box<Reading>),
    /// Which records carry an item of the list.
    Why(Why),
    /// A file for the reader.
    File {
        /// Its name.
        name: String,
        /// Its text.
        text: String,
    },
    /// Something went wrong.
    Trouble(Trouble),
    /// What an operator sees.
    Operation(Box<Operation>),
    /// The operator's token is not one, or nobody answers.
    NoOperation(String),
    /// What came of what an operator did.
    Errand(Box<Done>),
    /// Which device computes, and why.
    Device(Device),
}

/// The service, its shards, and who is here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Name of the data set.
    pub dataset: String,
    /// What kind of model a shard has.
    pub kind: ModelKind,
    /// What decides a record's shard.
    pub by: ShardBy,
    /// Whether the server answered last time.
    pub online: bool,
    /// Seconds since 1970 until which lists can be made without it.
    pub valid_until: u64,
    /// Every shard.
    pub shards: Vec<Shard>,
    /// Households of a demonstration.
    pub households: Vec<DemoHousehold>,
    /// Who is signed in.
    pub user: Option<String>,
    /// What they did, newest first; or what a visitor picked.
    pub history: Vec<Deed>,
    /// The service's own settings of adaptation.
    pub usual: Ask,
    /// Precision of the files.
    pub precision: Precision,
    /// Bytes that all model files of this precision have.
    pub bytes: u64,
    /// Whether this browser keeps files.
    pub keeps: bool,
    /// Whether the page came in a way that lets a browser keep nothing.
    pub insecure: bool,
    /// Bytes of model files that it keeps now.
    pub stored: u64,
    /// Deletions that were acknowledged in this browser.
    pub deletions: u64,
    /// Names of deletions whose receipt is still to come.
    pub open: Vec<String>,
    /// Receipts that are kept, newest first.
    pub receipts: Vec<Kept>,
    /// Whether everything that can be loaded is.
    pub complete: bool,
    /// Rises whenever a list made before no longer holds.
    pub epoch: u64,
    /// Entries of the receipt log.
    pub log: u64,
}

/// One shard as this browser has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Version of the live model; none while it retrains.
    pub version: Option<u64>,
    /// Whether its model is here, verified.
    pub here: bool,
    /// Whether what came was not what the manifest names.
    pub damaged: bool,
    /// Whether records changed since it was trained.
    pub stale: bool,
    /// Size of its file.
    pub bytes: u64,
}

/// One thing that somebody did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deed {
    /// The item's identifier.
    pub item: String,
    /// Its name.
    pub name: String,
    /// Which shard trains on it; none for held-out records and visitors.
    pub shard: Option<u32>,
    /// When, in the data's own unit.
    pub when: Option<f64>,
}

/// How far fetching is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetching {
    /// Bytes that have come.
    pub got: u64,
    /// Bytes in all.
    pub total: u64,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// How it was made.
    pub ask: Ask,
    /// Under which [`Service::epoch`].
    pub epoch: u64,
    /// Whether models of items made it, which draw nothing.
    pub of_items: bool,
    /// How fast older records fade beside Eq 7; 0: not at all.
    pub recency: f64,
    /// With models of items, the records that count: name, rarity class, share
    /// of the weight, 1; newest first. Else the history: name, rarity class,
    /// chance, how often drawn; likeliest first.
    pub set: Vec<(String, String, f64, u32)>,
    /// The rows with their names.
    pub rows: Vec<(String, ListRow)>,
    /// Milliseconds from the question to the list.
    pub millis: f64,
    /// Whether WebGPU made it.
    pub gpu: bool,
    /// No model may answer: the most popular items.
    pub popular: bool,
}

/// Why an item stands in the list: what it would be without each of the records
/// that count, computed by leaving that record out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The item, by index.
    pub item: u32,
    /// Its place with all of them.
    pub rank: usize,
    /// A record's name, by how much it lifts the score, and the item's place
    /// without it; those that lift it most first.
    pub records: Vec<(String, f32, usize)>,
    /// Under which [`Service::epoch`].
    pub epoch: u64,
}

/// A deletion on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// Names it.
    pub id: String,
    /// Where it stands.
    pub phase: Phase,
    /// Records that it removed.
    pub removed: u64,
    /// Shards that it makes retrain, by index, with what was live before.
    pub shards: Vec<u32>,
    /// Each shard on its way: epoch and epochs.
    pub progress: Vec<(u32, Phase, u32, u32)>,
    /// Estimated seconds.
    pub seconds: u64,
    /// Whether the account goes, too.
    pub account: bool,
}

/// A receipt that this browser keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Name of the request that it answers.
    pub id: String,
    /// Place in the log, from 0.
    pub index: u64,
    /// Records that it says were removed.
    pub removed: u64,
    /// When it was asked for, in seconds since 1970; 0 when nobody said.
    pub asked: u64,
    /// Shards that it says were retrained.
    pub shards: Vec<u32>,
    /// Whether an account went.
    pub account: bool,
    /// Whether its check failed.
    pub fails: bool,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not; why.
    Fails(String),
    /// It cannot be said here; why.
    Open(String),
}

/// A receipt with its checks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// Name of the request that it answers; empty in the example.
    pub id: String,
    /// Whether an account went.
    pub account: bool,
    /// When it was asked for and when the receipt was written, in seconds since
    /// 1970; 0 when nobody says.
    pub times: (u64, u64),
    /// Whether it was checked again, and is not news.
    pub again: bool,
    /// Place in the log, from 0.
    pub index: u64,
    /// Entries of the log that vouches for it.
    pub size: u64,
    /// Records removed by everything it covers.
    pub removed: u64,
    /// Retrained shards with their versions before (if known) and now.
    pub shards: Vec<(u32, Option<u64>, u64)>,
    /// What it says of itself.
    pub statement: String,
    /// The steps, in order.
    pub steps: Vec<(String, Outcome)>,
    /// The file, as people keep it.
    pub file: String,
    /// Key that signed, hex.
    pub key: String,
}

impl Checked {
    /// The first step that failed.
    pub fn failed(&self) -> Option<&str> {
        self.steps.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Fails(why) => Some(why.as_str()),
            Outcome::Holds | Outcome::Open(_) => None,
        })
    }
}

/// A sentence with a next step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// For people.
    pub sentence: String,
    /// What can be done about it here.
    pub remedy: Remedy,
    /// Not in the way: lists are made all the same.
    pub mild: bool,
    /// With what the sentence goes again.
    pub cause: Cause,
}

/// Why there is a sentence: it goes when this is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Something that happened once.
    #[default]
    Other,
    /// Nobody answers.
    Offline,
    /// Every shard is switched off.
    Switched,
    /// The browser keeps nothing.
    Storage,
}

/// What a button beside a sentence does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// Nothing here.
    #[default]
    None,
    /// Ask the server again.
    Retry,
    /// Fetch the file again.
    Download,
    /// Trust the log that is there now.
    TrustLog,
}
