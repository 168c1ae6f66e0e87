//! `eemu reproduce`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::ReproduceArgs;
use crate::device;
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::reproduce::{Request, Scale, default_sets, run as reproduce};

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
