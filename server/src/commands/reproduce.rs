//! `eemu reproduce`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{print_json, print_line};
use crate::device::{self, DeviceChoice};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::reproduce::{Profile, Request, Scale, What, default_sets, run as reproduce};

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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = crate::cli::numbers::count64)]
    pub(crate) seeds: u64,
    /// Data sets by the names of their folders; without --data the one that
    /// comes with eemu, with it the paper's four.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub(crate) datasets: Option<Vec<String>>,
    /// Where the data sets' folders are.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Measure on this many users only, drawn by a keyed hash.
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count)]
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
    #[arg(long, value_name = "N", value_parser = crate::cli::numbers::count)]
    pub(crate) jobs: Option<usize>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

pub(crate) fn run(args: &ReproduceArgs) -> Result<ExitCode> {
    let request = Request {
        what: args.what,
        out: args.out.clone(),
        scale: if args.quick { Scale::Quick } else { Scale::Full },
        profile: args.profile,
        seeds: args.seeds,
        datasets: args.datasets.clone().unwrap_or_else(|| default_sets(args.data.as_deref())),
        data: args.data.clone(),
        set: args.set.clone(),
        users: args.users.or(args.quick.then_some(200)),
        from_rows: args.from_rows,
        reference: args.reference,
        jobs: args.jobs.unwrap_or_else(default_jobs),
    };
    let progress = Progress::new(args.quiet);
    let written = reproduce(&request, &device::open(args.device)?, &progress)?;
    if args.json {
        print_json(&json!({"written": written}))?;
    } else {
        for path in written {
            print_line(&path.display().to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
