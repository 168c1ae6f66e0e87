//! Arguments of the commands that train and search.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use eemu_core::config::Meta;

use super::{RunArgs, numbers};
use crate::launch::LaunchOptions;

/// A named configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// The default: episodes in order where records have times, the kernel elsewhere.
    Default,
    /// Narrow vectors and few epochs, for demonstrations.
    Small,
    /// The algorithm as the paper writes it.
    Paper,
}

/// How a shard learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetaChoice {
    /// First-order MAML.
    Maml,
    /// Reptile.
    Reptile,
    /// Ordinary training, the baseline.
    None,
}

impl From<MetaChoice> for Meta {
    fn from(choice: MetaChoice) -> Self {
        match choice {
            MetaChoice::Maml => Self::Maml,
            MetaChoice::Reptile => Self::Reptile,
            MetaChoice::None => Self::None,
        }
    }
}

/// The model's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelChoice {
    /// Item vectors trained by episodes in order; the default for records with times.
    Episodes,
    /// A shard's own kernel between items, a closed form; the default for
    /// records without times.
    Kernel,
    /// EASE on all records at once: one shard, retrained whole in seconds.
    Ease,
    /// Two towers and their dot product.
    TwoTower,
    /// A factorization machine and a deep part over the same features.
    #[value(name = "deepfm")]
    DeepFm,
}

/// Changes to the configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArgs {
    /// Start from a named configuration in place of the state's.
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// Read a configuration file (JSON, as `tune` writes it); what it leaves
    /// out stays.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one value, such as train.inner_step=0.05 or adapt.size=7; `info`
    /// shows them all.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// `train`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Number of shards.
    #[arg(long, value_name = "S", value_parser = numbers::count32)]
    pub(crate) shards: Option<u32>,
    /// The model.
    #[arg(long, value_enum)]
    pub(crate) model: Option<ModelChoice>,
    /// How a shard learns.
    #[arg(long, value_enum)]
    pub(crate) meta: Option<MetaChoice>,
    /// Passes over a shard's users.
    #[arg(long, value_name = "N", value_parser = numbers::count32)]
    pub(crate) epochs: Option<u32>,
    /// Seed of every hash, start and draw.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// `train-shard`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainShardArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The shard, from 0.
    #[arg(long)]
    pub(crate) shard: u32,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// `retrain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RetrainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Only shards whose fingerprint is not this machine's (and shards that wait).
    #[arg(long, required = true)]
    pub(crate) stale: bool,
    #[command(flatten)]
    pub(crate) launch: LaunchOptions,
}

/// `frontier`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FrontierArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Numbers of shards.
    #[arg(long, value_delimiter = ',', value_name = "S,S", value_parser = numbers::count32, default_values_t = [1, 2, 4, 8, 16, 32, 64])]
    pub(crate) shards: Vec<u32>,
    /// Where to draw HR@10 over the seconds of a deletion (SVG).
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

/// `tune`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Where to write the best configuration, with a keyed commitment to the
    /// data that it was tuned on; the journal beside it lets an interrupted
    /// search go on.
    #[arg(long, value_name = "FILE", default_value = "tuned.json")]
    pub(crate) out: PathBuf,
    /// Values to try: KEY=V,V,V; all combinations are tried.
    #[arg(long, value_name = "KEY=V,V", default_values_t = ["model.kind=episodes,kernel".to_owned(), "kernel.fading=5,50".to_owned()])]
    pub(crate) grid: Vec<String>,
    /// Train and judge only this many shards (all by default).
    #[arg(long, value_name = "N", value_parser = numbers::count32)]
    pub(crate) shards: Option<u32>,
    /// Judge on this many users only, the first by keyed hash (all by default).
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) users: Option<usize>,
}
