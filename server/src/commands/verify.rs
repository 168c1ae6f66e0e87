//! `eemu verify`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::RunArgs;
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::verify;
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::store::Access;

/// Exit code when bytes differ.
const DIFFERENT: u8 = 1;
/// Exit code when bytes cannot be compared.
const NOT_COMPARABLE: u8 = 3;

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let device = device::open(args.device)?;
    let verdict = verify(&deployment, &device, args.jobs.unwrap_or_else(default_jobs), &Progress::new(args.quiet))?;
    let equal = verdict.differences.is_empty() && verdict.not_comparable.is_empty();
    if args.json {
        print_json(&json!({
            "equal": equal,
            "differences": verdict.differences,
            "not_comparable": verdict.not_comparable,
            "seconds": verdict.seconds,
            "catalog_version": deployment.dataset.catalog.version,
        }))?;
    } else if equal {
        print_line(&format!(
            "equal: the learned state has the same bytes as a system trained from scratch on what is left, with version \
             {} of the catalogue ({:.1} s)",
            deployment.dataset.catalog.version, verdict.seconds
        ))?;
    } else {
        for line in &verdict.differences {
            print_line(&format!("different: {line}"))?;
        }
        for line in &verdict.not_comparable {
            print_line(&format!("not comparable: {line}"))?;
        }
    }
    Ok(match (verdict.differences.is_empty(), verdict.not_comparable.is_empty()) {
        (false, _) => ExitCode::from(DIFFERENT),
        (true, false) => ExitCode::from(NOT_COMPARABLE),
        (true, true) => ExitCode::SUCCESS,
    })
}
