//! Arguments of the commands that train shards from file to file.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{StateArg, numbers};
use crate::device::DeviceChoice;
use crate::unit::CHECKPOINT_EVERY;

/// Exit codes of `shard train`, as its help states them.
const EXIT_CODES: &str = "\
Exit codes:
  0   the model is written
  75  try again: interrupted (training goes on from the last checkpoint), no
      room on disk, or the device or a bucket failed
  2   do not try again: the input or an argument cannot be used, training
      diverged, or the input was withdrawn; FILE.refused says why
Whatever a signal ends may be tried again too.";

/// What an input holds, as the help states it.
const SECRETS: &str = "\
An input holds people's records and the deployment's seed: whoever reads it
knows what the shard's people did, and can tell in which shard somebody's
records lie. It is written for its owner alone (mode 0600). Delete it once its
model is adopted: a deletion from the state does not reach copies.";

/// `shard`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ShardCommand {
    /// Write all that training a shard reads to one file, and nothing of other
    /// shards.
    #[command(after_help = SECRETS)]
    Pack(PackArgs),
    /// Train a packed shard: no state, no database, no network but a bucket
    /// that is named; resumable.
    #[command(after_help = EXIT_CODES)]
    Train(TrainInputArgs),
    /// Publish trained models, if their shards are still what was packed.
    Adopt(AdoptArgs),
}

/// `shard pack`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PackArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// The shard, from 0.
    #[arg(long, required_unless_present_any = ["all", "waiting"])]
    pub(crate) shard: Option<u32>,
    /// Every shard.
    #[arg(long, conflicts_with_all = ["shard", "waiting"])]
    pub(crate) all: bool,
    /// Every shard that waits to be trained.
    #[arg(long, conflicts_with = "shard")]
    pub(crate) waiting: bool,
    /// The file; of several shards a folder, which gets files shard-N.input.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `shard train`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrainInputArgs {
    /// The input, as `shard pack` wrote it. While it is there the model is
    /// wanted: delete it to end the training wherever it runs.
    /// A file, or s3://BUCKET/NAME with the usual AWS_* environment.
    #[arg(value_name = "INPUT", required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// Which of several inputs, from 0: for jobs that differ by their index
    /// alone.
    #[arg(long, value_name = "N")]
    pub(crate) index: Option<usize>,
    /// Where the model goes: a file, or s3://BUCKET/NAME. Checkpoints go beside
    /// it. Left out, the model of s3://BUCKET/NAME.input is NAME.model.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How often a checkpoint is written, after the end of an epoch; one more
    /// when the process is asked to end.
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_EVERY.as_secs())]
    pub(crate) checkpoint_every: u64,
    /// Device that computes.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
    /// Threads that compute; the number of cores by default. Bytes do not
    /// depend on it.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) threads: Option<usize>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `shard adopt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Models, as `shard train` wrote them.
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) trained: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
