//! `eemu receipt`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::receipt::ReceiptFile;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::ReceiptCommand;
use crate::deployment::Deployment;
use crate::serve::Ledger;
use crate::store::Access;

/// Receipt files are a few kilobytes; nothing longer is read.
const LONGEST: u64 = 16 << 20;

pub(crate) fn run(command: &ReceiptCommand) -> Result<ExitCode> {
    match command {
        ReceiptCommand::Verify(args) => {
            let shown = args.file.display();
            let length = std::fs::metadata(&args.file).with_context(|| format!("cannot read {shown}"))?.len();
            if length > LONGEST {
                bail!("{shown} is no receipt: it has {length} bytes");
            }
            let text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {shown}"))?;
            let file: ReceiptFile = serde_json::from_str(&text).with_context(|| format!("{shown} is no receipt"))?;
            let receipt = file.verify().with_context(|| format!("{shown} is not to be trusted"))?;
            let key = &file.checkpoint.public_key;
            if args.key.as_ref().is_some_and(|expected| expected != key) {
                bail!("{shown} is signed by another key: {key}");
            }
            if args.json {
                print_json(&json!({"valid": true, "public_key": key, "index": file.index, "receipt": receipt}))?;
            } else {
                print_line(&format!(
                    "valid: {} records removed, {} shards trained from scratch; entry {} of a log of {}",
                    receipt.removed,
                    receipt.shards.len(),
                    file.index,
                    file.checkpoint.size
                ))?;
                let asked =
                    if args.key.is_some() { "as expected" } else { "is it your server's? compare, or give --key" };
                print_line(&format!("signed by {key} ({asked})"))?;
            }
        }
        ReceiptCommand::RotateKey(args) => {
            let deployment = Deployment::open(args.location(), Access::Write)?;
            let key = Ledger::rotate(&deployment.state)?;
            print_line(&format!("from here on {key} signs; the log holds the old key's consent"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
