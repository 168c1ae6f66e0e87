//! `eemu add`.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::api::{BulkInteraction, LineStatus};
use eemu_core::dataset::Dataset;
use eemu_core::{DataError, counted, quote};
use serde_json::json;

use super::{find, print_json, print_line};
use crate::adding::Collected;
use crate::cli::AddArgs;
use crate::cli::numbers::time;
use crate::deployment::Deployment;
use crate::identifier::check;
use crate::reading::csv_problem;
use crate::remote::Remote;
use crate::store::{Access, NewAudit, StoreError};

/// Exit code when some lines were refused.
const REFUSED: u8 = 3;

/// A record as it was given, with its line for error messages.
struct Given {
    line: u64,
    record: BulkInteraction,
}

pub(crate) fn run(args: &AddArgs) -> Result<ExitCode> {
    let given = match (&args.file, &args.user, &args.item) {
        (Some(path), ..) if is_json(path) => from_json(path)?,
        (Some(path), ..) => from_file(path, args.heading)?,
        (None, Some(user), Some(item)) => {
            let record = BulkInteraction { user: user.clone(), item: item.clone(), timestamp: args.time };
            vec![Given { line: 1, record }]
        }
        _ => bail!("give --user and --item, or --file"),
    };
    if let Some(remote) = Remote::of(&args.at)? {
        return send(&remote, &given, args);
    }
    let opened = Deployment::open_away(args.at.location(), Access::Write);
    let in_use = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(StoreError::Locked { .. }));
    let mut deployment = match opened {
        Err(error) if in_use(&error) => {
            return Err(error)
                .context("to add records beside a running server, give --server URL and an administrator's token");
        }
        opened => opened?,
    };
    let (records, people) = add(&mut deployment, &given, args.file.as_deref())?;
    let waiting = crate::forgetting::waiting_shards(&deployment)?;
    if args.json {
        print_json(&json!({"added": records, "people": people, "shards_waiting": waiting}))?;
    } else {
        print_line(&format!(
            "{} added, {} new; shards that wait for eemu train: {waiting:?}",
            counted(records, "record"),
            counted(people, "person")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends the records to a running server.
fn send(remote: &Remote, given: &[Given], args: &AddArgs) -> Result<ExitCode> {
    let records: Vec<&BulkInteraction> = given.iter().map(|one| &one.record).collect();
    let answers = remote.send("/interactions/bulk", &records)?;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    let (added, known, refused) = (count(LineStatus::Added), count(LineStatus::Known), count(LineStatus::Refused));
    for (one, answer) in given.iter().zip(&answers) {
        if let Some(problem) = &answer.problem {
            eprintln!("line {}: {problem}", one.line);
        }
    }
    if args.json {
        print_json(&json!({"added": added, "known": known, "refused": refused}))?;
    } else {
        print_line(&format!("{} added, {known} known before, {refused} refused", counted(added, "record")))?;
    }
    Ok(if refused > 0 { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

/// Adds the records that are new. Returns how many records and users that was.
fn add(deployment: &mut Deployment, given: &[Given], file: Option<&Path>) -> Result<(u64, usize)> {
    let users = &deployment.dataset.catalog.users;
    let named: BTreeSet<u32> = given.iter().filter_map(|one| users.find(&one.record.user)).collect();
    let named: Vec<u32> = named.into_iter().collect();
    let before = deployment.dataset.with_people(deployment.state.records_of(&named)?);
    let mut coming = Collected::new(&before);
    for one in given {
        let place = || match file {
            Some(file) => format!("{}, line {}: nothing was added", file.display(), one.line),
            None => "nothing was added".to_owned(),
        };
        take(&mut coming, &before, &one.record).with_context(place)?;
    }
    let Some(planned) = coming.planned() else { return Ok((0, 0)) };
    let done = planned.apply(&deployment.state, deployment.head, &[NewAudit::by_command("add")])?;
    let (added, people) = (done.count, planned.people.len());
    let finished = deployment.state.finish(&done);
    deployment.advance(planned.after, &done);
    finished?;
    Ok((added, people))
}

/// Collects one record, and its user if the user is new.
fn take(coming: &mut Collected<'_>, before: &Dataset, record: &BulkInteraction) -> Result<()> {
    let BulkInteraction { user, item: name, timestamp } = record;
    if timestamp.is_some_and(|time| !time.is_finite()) {
        bail!("the time of {} is no finite number; correct it", quote(name));
    }
    let item = find(&before.catalog.items, "item", name)?;
    if before.down.binary_search(&item).is_ok() {
        bail!("the item {} is taken down for everybody; leave it out", quote(name));
    }
    let user = match coming.catalog().users.find(user) {
        Some(user) => user,
        None if !before.config.model.kind.is_of_items() => bail!(
            "there is no user {}, and this model has a table of people: add them with `eemu admit` first",
            quote(user)
        ),
        None => {
            check(user).map_err(anyhow::Error::msg)?;
            coming.welcome(user)?
        }
    };
    coming.add(user, &[(item, *timestamp)]);
    Ok(())
}

/// Whether a file holds JSON Lines, by its name.
fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["jsonl", "ndjson"].iter().any(|json| end.eq_ignore_ascii_case(json)))
}

fn from_json(path: &Path) -> Result<Vec<Given>> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    let mut given = Vec::new();
    for (line, text) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let hint = "Each line is {\"user\": ..., \"item\": ..., \"timestamp\": ...}. Nothing was added".to_owned();
        let fault = |problem: String| DataError { file: name.clone(), line, column: 0, problem, hint: hint.clone() };
        let text = text.map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => fault("the line is no UTF-8 text".into()),
            _ => fault(format!("it cannot be read ({error})")),
        })?;
        if text.trim().is_empty() {
            continue;
        }
        let record = serde_json::from_str(&text).map_err(|error| fault(error.to_string()))?;
        given.push(Given { line, record });
    }
    Ok(given)
}

fn from_file(path: &Path, heading: bool) -> Result<Vec<Given>> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn std::io::Read> = match path == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?),
    };
    let mut reader = csv::ReaderBuilder::new().has_headers(heading).flexible(true).from_reader(source);
    let fault = |line: u64, column: u64, problem: &str| DataError {
        file: name.clone(),
        line,
        column,
        problem: problem.to_owned(),
        hint: "Each line is USER,ITEM or USER,ITEM,TIME. Quote what holds a comma. Nothing was added".into(),
    };
    let mut given = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            fault(line, 0, &csv_problem(&error))
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if !(2..=3).contains(&record.len()) {
            return Err(fault(line, 0, "it has not two or three fields").into());
        }
        let time = record
            .get(2)
            .filter(|text| !text.is_empty())
            .map(|text| time(text).map_err(|hint| fault(line, 3, &format!("{} is no time: {hint}", quote(text)))));
        let time = time.transpose()?;
        let text = |place| record.get(place).unwrap_or_default().to_owned();
        given.push(Given { line, record: BulkInteraction { user: text(0), item: text(1), timestamp: time } });
    }
    Ok(given)
}
