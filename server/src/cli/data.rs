//! Arguments of `data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Public data sets.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DataCommand {
    /// Download a data set; run it again to go on after a cut.
    Fetch(FetchArgs),
}

/// A data set that can be downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PublicSet {
    /// MovieLens-1M, from GroupLens (5.9 MB).
    #[value(name = "ml-1m")]
    Ml1m,
}

/// Arguments of `data fetch`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FetchArgs {
    /// Which.
    #[arg(value_enum)]
    pub(crate) set: PublicSet,
    /// Folder to put it in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Download from this folder in place of the publisher's: a mirror.
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
