//! The arguments of the `eemu` command.

mod adding;
mod data;
mod importing;
mod listing;
pub(crate) mod numbers;
mod reproduce;
mod service;
mod shard;
mod training;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use eemu_core::data::Holdout;

use crate::clock::Span;
use crate::device::DeviceChoice;
use crate::launch::LaunchOptions;
use crate::store::{DatabaseUrl, Location};
pub(crate) use adding::{AddArgs, AddItemsArgs, StateOrServer};
pub(crate) use data::{DataCommand, PublicSet};
pub(crate) use importing::{DuplicatesChoice, ImportArgs};
pub(crate) use listing::{CountedArgs, HiddenArgs, ItemsArgs, ItemsCommand, ListFormat, RecommendArgs, SimilarArgs};
pub(crate) use reproduce::ReproduceArgs;
pub(crate) use service::{
    BackupArgs, ConfigCommand, ExportReceiptArgs, OpenReceiptArgs, PersonCommand, ReceiptCommand, RestoreArgs,
    ServeArgs, TokenCommand, TokenScope, TombstonesAt,
};
pub(crate) use shard::{AdoptArgs, PackArgs, ShardCommand, TrainInputArgs};
pub(crate) use training::{
    ConfigArgs, FrontierArgs, ModelChoice, Profile, RetrainArgs, TrainArgs, TrainShardArgs, TuneArgs,
};

/// Exact machine unlearning for recommender systems.
///
/// Records are cut at random into shards, one model is meta-trained per shard,
/// and at inference every shard's model adapts to the person with a handful of
/// their records. Forgetting a record retrains the one shard that held it, and
/// leaves what a system that never had it would have, byte for byte.
#[derive(Debug, Parser)]
#[command(
    name = "eemu",
    version,
    after_help = "Start with: eemu demo\nThen: eemu import --data built-in --state run/ && eemu train --state run/"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Everything `eemu` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything on built-in data: train, measure, recommend, forget, prove.
    Demo(DemoArgs),
    /// Read tables (CSV, JSON Lines, Parquet) or a data set into a state.
    Import(ImportArgs),
    /// Train every shard that has no current model.
    Train(TrainArgs),
    /// Train one shard: the idempotent unit that `train` launches.
    TrainShard(TrainShardArgs),
    /// Train shards on other machines: pack a file, train it, adopt the model.
    #[command(subcommand)]
    Shard(ShardCommand),
    /// Measure: HR and NDCG of every user's held-out item among all items.
    Evaluate(EvaluateArgs),
    /// The best items for one user, for a visitor, or for everybody.
    Recommend(RecommendArgs),
    /// The items that are most similar to one.
    Similar(SimilarArgs),
    /// The items that most people have.
    Popular(CountedArgs),
    /// The items whose first record is the latest.
    New(CountedArgs),
    /// Add records, and the people they bring; nothing is retrained yet.
    Add(AddArgs),
    /// Add items to the catalogue; hide items from lists, show them again.
    #[command(subcommand)]
    Items(ItemsCommand),
    /// Remove records for good and retrain the shards that held them.
    Forget(ForgetArgs),
    /// Train from scratch on what is left and compare every byte.
    Verify(RunArgs),
    /// Retrain shards whose fingerprint is not this machine's.
    Retrain(RetrainArgs),
    /// Admit new people: a row appended, nothing retrained.
    Admit(AdmitArgs),
    /// Search hyper-parameters on validation only; resumable.
    Tune(TuneArgs),
    /// What more shards cost in quality, and save in a deletion.
    Frontier(FrontierArgs),
    /// Everything that is kept about a person.
    #[command(subcommand)]
    Person(PersonCommand),
    /// What a state holds.
    Info(InfoArgs),
    /// Write the records to a CSV or JSON Lines file.
    Export(ExportArgs),
    /// Serve a trained state over HTTP: data, deletions, receipts, models.
    Serve(ServeArgs),
    /// Make, list and end bearer tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check, list and export receipts; give the log a new key.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Copy the records out, beside a running server; models are made again.
    Backup(BackupArgs),
    /// Make a state of a backup, and delete again what was deleted since.
    Restore(RestoreArgs),
    /// Check the settings of `serve`; show what there is to set.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Download a public data set, resuming what was cut short.
    #[command(subcommand)]
    Data(DataCommand),
    /// The paper's tables and figures, with the paper's numbers beside ours; resumable.
    Reproduce(ReproduceArgs),
}

/// Where the state is.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateArg {
    /// State directory.
    #[arg(long, value_name = "DIR", env = "EEMU_STATE")]
    pub(crate) state: PathBuf,
    /// PostgreSQL in place of a database in the directory:
    /// postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL", env = "EEMU_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<DatabaseUrl>,
    /// Where model files are: a folder or s3://BUCKET/PREFIX, in place of what
    /// the state remembers.
    #[arg(long, value_name = "PLACE", env = "EEMU_MODELS")]
    pub(crate) models: Option<String>,
}

impl StateArg {
    /// All of it.
    pub(crate) fn location(&self) -> Location {
        Location { dir: self.state.clone(), database: self.database.clone(), models: self.models.clone() }
    }
}

/// How to run.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Device that computes.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
    /// Shards (or groups of users) at once; the number of cores by default.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) jobs: Option<usize>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Keep the state here in place of a temporary directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Shards at once; the number of cores by default.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) jobs: Option<usize>,
}

/// Which records are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HoldoutChoice {
    /// Each user's last record for the test, the one before for validation.
    LeaveOneOut,
    /// Each user's last ten records for the test, the ten before for validation.
    LeaveTen,
    /// Every record trains.
    None,
}

impl From<HoldoutChoice> for Holdout {
    fn from(choice: HoldoutChoice) -> Self {
        match choice {
            HoldoutChoice::LeaveOneOut => Self::LeaveOneOut,
            HoldoutChoice::LeaveTen => Self::LeaveTen,
            HoldoutChoice::None => Self::None,
        }
    }
}

/// A held-out split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitChoice {
    /// For choosing.
    Validation,
    /// For reporting.
    Test,
}

/// `evaluate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Which held-out items.
    #[arg(long, value_enum, default_value = "test")]
    pub(crate) split: SplitChoice,
    /// The global models, without adaptation.
    #[arg(long)]
    pub(crate) no_adapt: bool,
    /// One shard's model alone.
    #[arg(long, value_name = "SHARD")]
    pub(crate) only: Option<u32>,
    /// Measure on this many users only, drawn by a keyed hash.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) users: Option<usize>,
    /// Measure people who are in no table: train in memory without a tenth of
    /// the users, then serve each of them from a few of their items.
    #[arg(long)]
    pub(crate) strangers: bool,
    /// Also train and measure what it is compared with: ItemKNN, transitions
    /// and EASE on all records at once, and one unsharded model.
    #[arg(long)]
    pub(crate) baselines: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// `forget`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ForgetArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    /// Say what it would do, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Within what time stale copies of the removed records are cleared from
    /// the database by whoever runs then; 0 for before this command ends.
    #[arg(long, value_name = "TIME", default_value = "0", env = "EEMU_ERASE_WITHIN")]
    pub(crate) erase_within: Span,
    /// Where the receipt is written; in the state's folder `receipts` when
    /// left out.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["later", "dry_run"])]
    pub(crate) receipt: Option<PathBuf>,
    /// Remove now, retrain with a later `eemu train`.
    #[arg(long)]
    pub(crate) later: bool,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// What is asked to be forgotten.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskedArgs {
    /// A user's identifier.
    #[arg(long, required_unless_present_any = ["file", "item"])]
    pub(crate) user: Option<String>,
    /// One item of that user. Without --user: the item is taken down for
    /// everybody; it is in no list from then on, and its records go.
    #[arg(long, conflicts_with_all = ["all", "before", "file"], required_unless_present_any = ["all", "before", "file"])]
    pub(crate) item: Option<String>,
    /// The whole account: every record of the user, and the user's features.
    #[arg(long, requires = "user", conflicts_with_all = ["file", "before"])]
    pub(crate) all: bool,
    /// The user's records that are earlier than this, a number in the data's own
    /// unit or a time such as 2024-05-31; what has no time stays.
    #[arg(long, value_name = "TIME", requires = "user", conflicts_with = "file", allow_negative_numbers = true, value_parser = numbers::time)]
    pub(crate) before: Option<f64>,
    /// A table (CSV) of user,item lines, or user,,all for a whole account; -
    /// reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub(crate) file: Option<PathBuf>,
    /// The table's first line names its columns: user, item, all, before.
    #[arg(long, requires = "file")]
    pub(crate) heading: bool,
}

/// `admit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdmitArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// New people, as a RecBole .user file with the catalogue's columns.
    #[arg(long, value_name = "FILE")]
    pub(crate) user_file: PathBuf,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `info`.
#[derive(Debug, Clone, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a file of records is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// `export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// The file; - writes to standard output. Columns: user, item, time, shard,
    /// role (train, validation or test). People one after the other, each
    /// person's oldest record first.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The form; by the file's ending (.jsonl) where it is left out.
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// One JSON object on standard output that says what was written.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Every command with its arguments, for whoever writes about them.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}
