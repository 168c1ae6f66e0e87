//! `eemu data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{print_json, print_line};
use crate::fetch::{ML_1M, fetch};
use crate::progress::Progress;

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

pub(crate) fn run(command: &DataCommand) -> Result<ExitCode> {
    let DataCommand::Fetch(args) = command;
    let file = match args.set {
        PublicSet::Ml1m => &ML_1M,
    };
    let progress = Progress::new(args.quiet);
    let fetched = fetch(file, args.base.as_deref(), &args.out, &progress)?;
    let shown = fetched.path.display();
    if args.json {
        print_json(&json!({
            "path": fetched.path, "bytes": fetched.bytes, "received": fetched.received, "sha256": file.sha256,
        }))?;
    } else {
        print_line(&format!(
            "{shown}: its terms of use are in its README; now: eemu import --data {shown} --state run/"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
