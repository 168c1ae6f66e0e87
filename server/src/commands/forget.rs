//! `eemu forget`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::DataError;
use eemu_core::unlearn::everything_of;
use eemu_core::world::World;
use serde_json::json;

use super::{find, print_json, print_line};
use crate::cli::ForgetArgs;
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::{any_deleted, forget, remove, residual};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::store::Access;

/// Longest request file that is read: far above any list of real requests.
const LONGEST: u64 = 64 << 20;

/// Records to remove, and users whose whole account goes.
#[derive(Debug, Default, PartialEq)]
struct Request {
    records: Vec<(u32, u32)>,
    accounts: BTreeSet<u32>,
}

pub(crate) fn run(args: &ForgetArgs) -> Result<ExitCode> {
    // The request is understood before anything is opened for writing.
    let request = {
        let world = Deployment::open(args.run.state.location(), Access::Read)?.world;
        match (&args.file, &args.user, &args.item) {
            (Some(path), _, _) => from_file(&world, path)?,
            (None, user, item) => {
                let users = &world.catalog.users;
                let item = item.as_deref().map(|item| find(&world.catalog.items, "item", item)).transpose()?;
                match (find(users, "user", user.as_deref().unwrap_or_default()), item) {
                    (Ok(user), Some(item)) => Request { records: vec![(user, item)], ..Request::default() },
                    (Ok(user), None) => account(&world, user),
                    // Perhaps this very request, cut short after the name was gone.
                    (Err(_), _) if any_deleted(users) => Request::default(),
                    (Err(error), _) => return Err(error),
                }
            }
        }
    };
    let device = device::open(args.run.device)?;
    let mut deployment = Deployment::open(args.run.state.location(), Access::Write)?;
    let accounts: Vec<u32> = request.accounts.iter().copied().collect();
    let progress = Progress::new(args.run.quiet);
    if args.later {
        let removed = remove(&mut deployment, &request.records, &accounts)?;
        let waiting = crate::forgetting::waiting_shards(&deployment)?;
        if args.run.json {
            print_json(
                &json!({"removed": removed, "shards_retrained": [], "shards_waiting": waiting, "seconds": 0.0, "receipt": null,
                    "residual": left_behind(&deployment, removed)?}),
            )?;
        } else {
            print_line(&format!("{removed} records removed; shards that wait for eemu train: {waiting:?}"))?;
            left_behind(&deployment, removed)?.map_or(Ok(()), |text| print_line(&text))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let jobs = args.run.jobs.unwrap_or_else(default_jobs);
    let done = forget(&mut deployment, &request.records, &accounts, &device, jobs, &progress)?;
    let retrained: Vec<u32> = done.shards.iter().map(|t| t.shard).collect();
    if args.run.json {
        print_json(&json!({
            "removed": done.removed,
            "shards_retrained": retrained,
            "seconds": done.seconds,
            "receipt": done.receipt,
            "residual": left_behind(&deployment, done.removed)?,
        }))?;
    } else if done.removed == 0 && retrained.is_empty() {
        print_line("nothing to forget: no such record (or it is forgotten already)")?;
    } else {
        let shards = retrained.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        print_line(&format!(
            "{} records removed; shards retrained: {}; {:.1} s",
            done.removed,
            if shards.is_empty() { "none" } else { &shards },
            done.seconds
        ))?;
        left_behind(&deployment, done.removed)?.map_or(Ok(()), |text| print_line(&text))?;
        print_line(&format!("proof: eemu verify --state {}", args.run.state.state.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a search that read these records left of them.
fn left_behind(deployment: &Deployment, removed: u64) -> Result<Option<String>> {
    if removed == 0 {
        return Ok(None);
    }
    Ok(residual(&deployment.state)?.map(|text| format!("note: {}", text.trim())))
}

fn account(world: &World, user: u32) -> Request {
    Request { records: everything_of(world, user), accounts: BTreeSet::from([user]) }
}

fn from_file(world: &World, path: &Path) -> Result<Request> {
    let mut text = String::new();
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let read = if path == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read {name}"))?;
    parse(world, &name, &text)
}

/// Lines of user,item; a first line `user,item` or `user_id,item_id` is a heading.
fn parse(world: &World, file: &str, text: &str) -> Result<Request> {
    let mut request = Request::default();
    for (number, line) in (1u64..).zip(text.lines()) {
        let line = line.trim_end_matches('\r').trim_start_matches('\u{feff}');
        // A user's identifier may begin like a heading.
        let heading = number == 1
            && line.to_ascii_lowercase().starts_with("user")
            && line.split_once(',').is_none_or(|(user, _)| world.catalog.users.find(user.trim()).is_none());
        if line.trim().is_empty() || heading {
            continue;
        }
        let fault = |column, problem: String| DataError {
            file: file.to_owned(),
            line: number,
            column,
            problem,
            hint: "Each line is USER,ITEM as in the imported files, or USER,* for a whole account; nothing was removed"
                .into(),
        };
        let Some((user, item)) = line.split_once(',') else {
            return Err(fault(0, format!("no comma in '{}'", line.chars().take(60).collect::<String>())).into());
        };
        let Some(user) = world.catalog.users.find(user.trim()) else {
            if any_deleted(&world.catalog.users) {
                continue;
            }
            return Err(fault(1, format!("no user '{}'", user.trim())).into());
        };
        if item.trim() == "*" {
            let whole = account(world, user);
            request.records.extend(whole.records);
            request.accounts.insert(user);
            continue;
        }
        match world.catalog.items.find(item.trim()) {
            Some(item) => request.records.push((user, item)),
            None => return Err(fault(2, format!("no item '{}'", item.trim())).into()),
        }
    }
    Ok(request)
}
