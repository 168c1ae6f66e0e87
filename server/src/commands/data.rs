//! `eemu data`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{DataCommand, PublicSet};
use crate::fetch::{ML_1M, fetch};
use crate::progress::Progress;

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
