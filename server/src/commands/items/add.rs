//! `eemu items add`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::api::{LineAnswer, LineStatus};
use eemu_core::counted;
use eemu_core::data::tables::{ItemRows, read_item_rows};
use eemu_core::data::{BadLines, Entities, ItemRow};
use serde_json::json;

use super::super::{print_json, print_line};
use crate::cli::AddItemsArgs;
use crate::deployment::Deployment;
use crate::import::open_rows;
use crate::remote::Remote;
use crate::store::{Access, StoreError};

/// Exit code when some lines were refused.
const REFUSED: u8 = 3;

/// The items of a file, and the lines that cannot be read.
struct Read {
    found: ItemRows,
    bad: BadLines,
}

fn read(args: &AddItemsArgs, known: &Entities) -> Result<Read> {
    let mut bad = BadLines::new(0);
    let found = read_item_rows(open_rows(&args.file)?.as_mut(), known, &mut bad)?;
    Ok(Read { found, bad })
}

pub(super) fn run(args: &AddItemsArgs) -> Result<ExitCode> {
    let (read, answers, version) = match Remote::of(&args.at)? {
        Some(remote) => {
            let catalog = remote.catalog()?;
            let read = read(args, &catalog.items)?;
            let items: Vec<&ItemRow> = read.found.items.iter().map(|(_, item)| item).collect();
            let answers = remote.send("/items", &items)?;
            (read, answers, None)
        }
        None => {
            let opened = Deployment::open_away(args.at.location(), Access::Write);
            let in_use = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(StoreError::Locked { .. }));
            let mut deployment = match opened {
                Err(error) if in_use(&error) => {
                    return Err(error).context(
                        "to add items beside a running server, give --server URL and an administrator's token",
                    );
                }
                opened => opened?,
            };
            let read = read(args, &deployment.dataset.catalog.items)?;
            let items: Vec<ItemRow> = read.found.items.iter().map(|(_, item)| item.clone()).collect();
            let outcomes = deployment.add_items(&items)?;
            let answers = (1..).zip(outcomes).map(|(line, outcome)| LineAnswer::of_item(line, outcome)).collect();
            (read, answers, Some(deployment.dataset.catalog.version))
        }
    };
    report(args, &read, &answers, version)
}

fn report(args: &AddItemsArgs, read: &Read, answers: &[LineAnswer], version: Option<u32>) -> Result<ExitCode> {
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    let (added, known) = (count(LineStatus::Added), count(LineStatus::Known));
    let refused = count(LineStatus::Refused) as u64 + read.bad.count();
    let shown = args.file.display();
    for fault in read.bad.list() {
        eprintln!("{fault}");
    }
    for (answer, (line, item)) in answers.iter().zip(&read.found.items) {
        if let Some(problem) = &answer.problem {
            eprintln!("{shown}, line {line}: item '{}': {problem}", item.item);
        }
        if !answer.unknown.is_empty() {
            let values = answer.unknown.join(", ");
            eprintln!("{shown}, line {line}: item '{}' is in; not known and left out: {values}", item.item);
        }
    }
    if !read.found.passed_over.is_empty() {
        eprintln!(
            "columns that are no feature of the catalogue are passed over: {}",
            read.found.passed_over.join(", ")
        );
    }
    if args.json {
        print_json(&json!({
            "added": added,
            "known": known,
            "refused": refused,
            "catalog_version": version,
            "columns_passed_over": read.found.passed_over,
        }))?;
    } else {
        let version = version.map_or_else(String::new, |version| format!("; the catalogue is version {version}"));
        let next = match (added, &args.at.server) {
            (0, _) => "",
            (_, None) => ". They are in lists now; eemu train trains with them",
            (_, Some(_)) => ". They are in lists now, and trained with at the next retraining",
        };
        print_line(&format!(
            "{} added, {known} known before, {refused} refused{version}{next}",
            counted(added, "item")
        ))?;
    }
    Ok(if refused > 0 { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}
