//! Arguments of `reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::numbers;
use crate::device::DeviceChoice;
use crate::reproduce::{Profile, What};

/// Arguments of `reproduce`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReproduceArgs {
    /// Which table or figure.
    #[arg(value_enum)]
    pub(crate) what: What,
    /// Where rows, tables and plots go; what is there already is not done again.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A small version: narrow towers, few epochs, 200 users.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Whose model and adaptation.
    #[arg(long, value_enum, default_value = "paper")]
    pub(crate) profile: Profile,
    /// Seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = numbers::count64)]
    pub(crate) seeds: u64,
    /// Data sets by the names of their folders; without --data the one that
    /// comes with eemu, with it the paper's four.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) datasets: Option<Vec<String>>,
    /// Where the data sets' folders are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Measure on this many users only, drawn by a keyed hash.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) users: Option<usize>,
    /// Change every configuration, as `train --set` does.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Beside tables 3, 4 and 10: the published code's dynamics, which break
    /// isolation and choose their epoch on test. They can never be deployed.
    #[arg(long)]
    pub(crate) reference: bool,
    /// Train and measure nothing: write tables from the rows that are there.
    #[arg(long)]
    pub(crate) from_rows: bool,
    /// Device that computes.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: DeviceChoice,
    /// Shards, or groups of users, at once; the number of cores by default.
    #[arg(long, value_name = "N", value_parser = numbers::count)]
    pub(crate) jobs: Option<usize>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
