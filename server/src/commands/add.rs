//! `eemu add`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::DataError;
use serde_json::json;

use super::{find, print_json, print_line};
use crate::adding::Collected;
use crate::cli::AddArgs;
use crate::deployment::Deployment;
use crate::forgetting::by_command;
use crate::identifier::check;
use crate::store::Access;

/// One record as it is given.
struct Given {
    user: String,
    item: String,
    time: Option<f64>,
}

pub(crate) fn run(args: &AddArgs) -> Result<ExitCode> {
    let given = match (&args.file, &args.user, &args.item) {
        (Some(path), ..) => from_file(path, args.heading)?,
        (None, Some(user), Some(item)) => vec![Given { user: user.clone(), item: item.clone(), time: args.time }],
        _ => bail!("give --user and --item, or --file"),
    };
    let mut deployment = Deployment::open(args.state.location(), Access::Write)?;
    let (records, people) = add(&mut deployment, &given)?;
    let waiting = crate::forgetting::waiting_shards(&deployment)?;
    if args.json {
        print_json(&json!({"added": records, "people": people, "shards_waiting": waiting}))?;
    } else {
        print_line(&format!(
            "{records} records added, {people} people new; shards that wait for eemu train: {waiting:?}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds what is new. Returns how many records and people that was.
fn add(deployment: &mut Deployment, given: &[Given]) -> Result<(u64, usize)> {
    let before = &deployment.world;
    let mut coming = Collected::new(before);
    for one in given {
        if one.time.is_some_and(|time| !time.is_finite()) {
            bail!("the time of '{}' is no finite number. Nothing was added; correct it and add all again", one.item);
        }
        let item = find(&before.catalog.items, "item", &one.item)?;
        if before.down.binary_search(&item).is_ok() {
            bail!("the item '{}' is taken down for everybody. Nothing was added; leave it out", one.item);
        }
        let user = match coming.catalog().users.find(&one.user) {
            Some(user) => user,
            None if !before.config.model.kind.is_of_items() => bail!(
                "there is no user '{}', and this model has a table of people: add them with `eemu admit` first",
                one.user
            ),
            None => {
                check(&one.user).map_err(anyhow::Error::msg)?;
                coming.welcome(&one.user)?
            }
        };
        coming.add(user, &[(item, one.time)]);
    }
    let Some(planned) = coming.planned() else { return Ok((0, 0)) };
    let done = planned.apply(&deployment.state, deployment.head, &[by_command("add")])?;
    let (added, people) = (done.count, planned.people.len());
    let finished = deployment.state.finish(&done);
    deployment.advance(planned.after, &done);
    finished?;
    Ok((added, people))
}

fn from_file(path: &std::path::Path, heading: bool) -> Result<Vec<Given>> {
    let name = if path == std::path::Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn std::io::Read> = match path == std::path::Path::new("-") {
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
            fault(line, 0, "the line is no UTF-8 text, or a quote is not closed")
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if !(2..=3).contains(&record.len()) {
            return Err(fault(line, 0, "not two or three fields").into());
        }
        let time = match record.get(2).filter(|text| !text.is_empty()).map(|text| text.trim().parse::<f64>()) {
            None => None,
            Some(Ok(time)) if time.is_finite() => Some(time),
            Some(_) => return Err(fault(line, 3, "the time is no number").into()),
        };
        let text = |place| record.get(place).unwrap_or_default().to_owned();
        given.push(Given { user: text(0), item: text(1), time });
    }
    Ok(given)
}
