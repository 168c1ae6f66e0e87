//! `eemu export`: the records as a file that other programs read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::counted;
use eemu_core::data::Role;
use eemu_core::dataset::Dataset;
use serde::Serialize;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{ExportArgs, ExportFormat};
use crate::deployment::Deployment;
use crate::store::Access;

/// One record in the file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    user: &'a str,
    item: &'a str,
    /// As imported: seconds since 1970, or any number that gives the order.
    time: Option<f64>,
    shard: u32,
    role: &'static str,
}

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let to_stdout = args.out.as_os_str() == "-";
    let format = args.format.unwrap_or_else(|| guessed(&args.out));
    if to_stdout {
        write(dataset, format, std::io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    // To a temporary file that is then renamed, so that an interruption leaves no half
    // file. Only its owner can read it, as is usual for such temporary files.
    let folder = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write in {}; give --out a folder that exists", folder.display()))?;
    write(dataset, format, beside.as_file()).with_context(|| format!("cannot write {}", args.out.display()))?;
    let kept: Result<File, _> = beside.persist(&args.out);
    kept.map_err(|error| error.error).with_context(|| format!("cannot write {}", args.out.display()))?;
    let records = dataset.interactions.len();
    if args.json {
        print_json(&json!({"records": records, "out": args.out}))?;
    } else {
        print_line(&format!("wrote {} to {}", counted(records, "record"), args.out.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn guessed(path: &Path) -> ExportFormat {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson" | "json") => ExportFormat::Jsonl,
        _ => ExportFormat::Csv,
    }
}

/// User by user, each user's oldest record first.
fn write(dataset: &Dataset, format: ExportFormat, to: impl Write) -> Result<()> {
    let mut to = BufWriter::new(to);
    let lines = (0..dataset.interactions.users()).flat_map(|user| {
        let own = dataset.interactions.of(user);
        own.iter().enumerate().map(move |(place, record)| Line {
            user: &dataset.catalog.users.ids[record.user as usize],
            item: &dataset.catalog.items.ids[record.item as usize],
            time: record.timestamp,
            shard: dataset.shard_of(record.user, record.item),
            role: match dataset.split.role(place, own.len()) {
                Role::Train => "train",
                Role::Validation => "validation",
                Role::Test => "test",
            },
        })
    });
    match format {
        ExportFormat::Csv => {
            let mut csv = csv::Writer::from_writer(&mut to);
            for line in lines {
                csv.serialize(line)?;
            }
            csv.flush()?;
        }
        ExportFormat::Jsonl => {
            for line in lines {
                serde_json::to_writer(&mut to, &line)?;
                to.write_all(b"\n")?;
            }
        }
    }
    to.flush()?;
    Ok(())
}
