//! `eemu items`.

mod add;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::{DataError, counted};
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{HiddenArgs, ItemsArgs, ItemsCommand};
use crate::hidden;
use crate::reading::csv_problem;
use crate::store::{Access, State};

/// Exit code when some item was unknown. The rest is done.
const SOME_UNKNOWN: u8 = 3;

pub(crate) fn run(command: &ItemsCommand) -> Result<ExitCode> {
    match command {
        ItemsCommand::Add(args) => add::run(args),
        ItemsCommand::Hide(args) => change(args, true),
        ItemsCommand::Show(args) => change(args, false),
        ItemsCommand::Hidden(args) => list(args),
    }
}

fn change(args: &ItemsArgs, hide: bool) -> Result<ExitCode> {
    let mut items = args.items.clone();
    if let Some(file) = &args.file {
        items.extend(from_file(file)?);
    }
    // Opened for reading, because the list is changed beside a process that writes.
    let state = State::open(args.state.location(), Access::Read)?;
    let answer = hidden::change(&state, &state.catalog()?, hide, &items)?;
    if args.json {
        print_json(&answer)?;
    } else {
        let done = if hide { "hidden" } else { "shown again" };
        let why = if hide { "not in the catalogue" } else { "not hidden" };
        answer.unknown.iter().for_each(|item| eprintln!("{why}, so skipped: {}", eemu_core::quote(item)));
        print_line(&format!("{} {done}; hidden now: {}", counted(answer.changed, "item"), answer.hidden.len()))?;
    }
    Ok(if answer.unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_UNKNOWN) })
}

fn list(args: &HiddenArgs) -> Result<ExitCode> {
    let state = State::open(args.state.location(), Access::Read)?;
    let names = hidden::names(&state)?;
    if args.json {
        print_json(&json!({"hidden": names}))?;
    } else {
        names.iter().try_for_each(|name| print_line(name))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn from_file(path: &Path) -> Result<Vec<String>> {
    let from_stdin = path == Path::new("-");
    let name = if from_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn std::io::Read> = match from_stdin {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?),
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut items = Vec::new();
    for record in reader.records() {
        let fault = |line: Option<&csv::Position>, problem: &str| DataError {
            file: name.clone(),
            line: line.map_or(0, csv::Position::line),
            column: 0,
            problem: problem.to_owned(),
            hint: "Give one identifier a line, and quote what holds a comma. Nothing was changed".into(),
        };
        let record = record.map_err(|error| fault(error.position(), &csv_problem(&error)))?;
        match (record.get(0), record.len()) {
            (Some(item), 1) => items.push(item.to_owned()),
            _ => return Err(fault(record.position(), "it has more than one field").into()),
        }
    }
    Ok(items)
}
