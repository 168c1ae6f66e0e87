//! `eemu receipt`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::counted;
use eemu_core::receipt::{Asked, AskedPart, Entry, Receipt, ReceiptFile};
use serde_json::{Value, json};

use super::forget::asked;
use super::{print_json, print_line, write_json};
use crate::cli::{ExportReceiptArgs, InfoArgs, OpenReceiptArgs, ReceiptCommand};
use crate::deployment::Deployment;
use crate::serve::Ledger;
use crate::store::{Access, State};

/// The longest receipt file that is read, in bytes; a receipt has a few kilobytes.
const LONGEST: u64 = 16 << 20;

pub(crate) fn run(command: &ReceiptCommand) -> Result<ExitCode> {
    match command {
        ReceiptCommand::Verify(args) => {
            let shown = args.file.display();
            let (file, receipt) = read(&args.file)?;
            let key = &file.checkpoint.public_key;
            if args.key.as_ref().is_some_and(|expected| expected != key) {
                bail!(
                    "{shown} is signed by another key, {key}; ask the server's operator which is theirs, and trust it only then"
                );
            }
            if args.json {
                print_json(&json!({"valid": true, "public_key": key, "index": file.index, "receipt": receipt}))?;
            } else {
                print_line(&format!(
                    "valid: {} removed, {} trained from scratch; entry number {} of {} in the log (index {})",
                    counted(receipt.removed, "record"),
                    counted(receipt.shards.len(), "shard"),
                    // Printed from 1, as on the app's page.
                    file.index + 1,
                    file.checkpoint.size,
                    file.index
                ))?;
                let asked =
                    if args.key.is_some() { "as expected" } else { "is it your server's? compare, or give --key" };
                print_line(&format!("signed by {key} ({asked})"))?;
            }
        }
        ReceiptCommand::Open(args) => return open(args),
        ReceiptCommand::List(args) => list(args)?,
        ReceiptCommand::Export(args) => export(args)?,
        ReceiptCommand::RotateKey(args) => {
            let deployment = Deployment::open(args.location(), Access::Write)?;
            let key = Ledger::rotate(&deployment.state)?;
            print_line(&format!("from here on {key} signs; the log holds the old key's consent"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a receipt from a file and checks it.
fn read(path: &Path) -> Result<(ReceiptFile, Receipt)> {
    let shown = path.display();
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if length > LONGEST {
        bail!("{shown} is no receipt: it has {length} bytes; give the file as the server wrote it");
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let file: ReceiptFile = serde_json::from_str(&text).with_context(|| {
        format!("{shown} is no receipt; give the file as the server or `eemu receipt export` wrote it")
    })?;
    let receipt = file.verify().with_context(|| format!("{shown} is not to be trusted"))?;
    Ok((file, receipt))
}

/// Exit code when the receipt answers another request, or this request asked for
/// something else.
const NOT_THIS: u8 = 1;

/// Checks whether a receipt answers a request that asked for this.
fn open(args: &OpenReceiptArgs) -> Result<ExitCode> {
    let (_, receipt) = read(&args.receipt)?;
    let parts: Vec<AskedPart> = asked::lines(&args.asked)?.into_iter().map(|line| line.part).collect();
    // The API can delete all of a user's records and leave the account, too.
    let without = parts.iter().map(|part| AskedPart { account: false, ..part.clone() }).collect();
    let (answers, of_name) = (
        [parts, without].into_iter().any(|parts| receipt.answers_what(&args.request, &Asked { parts })),
        receipt.answers(&args.request),
    );
    if args.json {
        print_json(&json!({"answers_request": of_name, "answers_what": answers}))?;
    } else {
        print_line(match (of_name, answers) {
            (_, true) => "this receipt answers the request, which asked for exactly this",
            (true, false) if receipt.asked.is_empty() => {
                "this receipt answers the request; it is of an earlier program and does not commit to what was asked"
            }
            (true, false) => "this receipt answers the request, but that asked for something else",
            (false, false) => "this receipt does not answer the request of this name",
        })?;
    }
    Ok(if answers { ExitCode::SUCCESS } else { ExitCode::from(NOT_THIS) })
}

/// Prints every entry of the log, one per line.
fn list(args: &InfoArgs) -> Result<()> {
    let state = State::open(args.state.location(), Access::Read)?;
    let lines: Vec<String> = state.receipts()?.into_iter().map(|receipt| receipt.json).collect();
    let entries = lines.iter().map(|line| Entry::from_line(line)).collect::<Result<Vec<_>, _>>()?;
    if args.json {
        let entries: Vec<Value> =
            (0u64..).zip(&entries).map(|(index, entry)| json!({"index": index, "entry": entry})).collect();
        return print_json(&json!({"entries": entries}));
    }
    if entries.is_empty() {
        return print_line("the log is empty");
    }
    (0u64..).zip(&entries).try_for_each(|(index, entry)| print_line(&format!("{index:>6}  {}", told(entry))))
}

fn told(entry: &Entry) -> String {
    match entry {
        Entry::Deletion(receipt) => {
            let times = receipt.times.map_or_else(String::new, |times| {
                let copies = if times.compacted.is_some() { "" } else { " (stale copies later)" };
                let bytes =
                    times.overwritten.map_or("logical erasure".to_owned(), |at| format!("overwritten {at}{copies}"));
                format!("; asked {}, {bytes}, written {}", times.asked, times.written)
            });
            format!(
                "{} removed, {} trained anew{times}",
                counted(receipt.removed, "record"),
                counted(receipt.shards.len(), "shard")
            )
        }
        Entry::Published(published) => format!("{} published", counted(published.published.len(), "version")),
        Entry::Key(key) => format!("key {}", key.public_key),
    }
}

/// Writes one receipt as the service gives it.
fn export(args: &ExportReceiptArgs) -> Result<()> {
    // A log gets its name and key when it is opened for the first time.
    let open = Ledger::is_open(&State::open(args.state.location(), Access::Read)?)?;
    let state = State::open(args.state.location(), if open { Access::Read } else { Access::Write })?;
    let ledger = if open { Ledger::read(&state)? } else { Ledger::open(&state)? };
    let answers = |line: &str| match (Entry::from_line(line), &args.request) {
        (Ok(Entry::Deletion(receipt)), Some(name)) => receipt.answers(name),
        (Ok(Entry::Deletion(_)), None) => true,
        _ => false,
    };
    let last = (0..ledger.log().len()).rev().find(|index| ledger.log().line(*index).is_some_and(answers));
    let index =
        args.index.or(last).context("the log holds no such receipt; `eemu receipt list` shows what it holds")?;
    let file = ledger
        .file(index)
        .with_context(|| format!("the log has no entry {index}; `eemu receipt list` shows those it has"))?;
    file.verify()
        .with_context(|| format!("entry {index} is no receipt of a deletion; choose one in `eemu receipt list`"))?;
    write_json(args.to.as_deref(), &file)
}
