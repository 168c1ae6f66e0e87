//! `eemu forget`.

pub(crate) mod asked;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::counted;
use eemu_core::unlearn;
use serde_json::{Value, json};

use self::asked::{Asked, Unknown};
use super::{print_json, print_line};
use crate::cli::ForgetArgs;
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::{Forgotten, Removed, forget_by, remove, residual, waiting_shards};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::serve::Ledger;
use crate::store::Access;

/// Exit code when some name was unknown. The deletions with known names are done.
const SOME_UNKNOWN: u8 = 3;

pub(crate) fn run(args: &ForgetArgs) -> Result<ExitCode> {
    // The request is parsed before anything is opened for writing.
    let asked = {
        let lines = asked::lines(&args.asked)?;
        let reading = Deployment::open(args.run.state.location(), Access::Read)?;
        let asked = Asked::of(&lines, &reading.dataset);
        if args.dry_run {
            return dry_run(args, &reading, &asked);
        }
        asked
    };
    let device = device::open(args.run.device)?;
    let mut deployment = Deployment::open(args.run.state.location(), Access::Write)?;
    deployment.state.set_erase_within(args.erase_within.0);
    if args.later {
        let removed = remove(&mut deployment, &asked.request)?;
        say_later(args, &deployment, &asked, &removed)?;
    } else {
        let progress = Progress::new(args.run.quiet);
        let launcher = args.launch.open_here(&deployment.state, &device)?;
        let jobs = args.launch.jobs(args.run.jobs);
        let done = forget_by(&mut deployment, &asked.request, (&*launcher, &device), jobs, &progress)?;
        let written = write_receipt(args, &deployment, &done)?;
        say_done(args, &deployment, &asked, &done, written.as_deref())?;
    }
    say_unknown(&asked.unknown);
    Ok(code(&asked))
}

fn code(asked: &Asked) -> ExitCode {
    if asked.unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_UNKNOWN) }
}

/// Prints unknown names on standard error, line by line; standard output has the
/// result.
fn say_unknown(unknown: &[Unknown]) {
    for one in unknown {
        eprintln!("not known: {one}");
    }
    if !unknown.is_empty() {
        eprintln!(
            "{} not known, and nothing was done about them; everything else is done. (A deleted account's name is not \
             kept, so it is not known any more.)",
            if unknown.len() == 1 { "1 name is".to_owned() } else { format!("{} names are", unknown.len()) }
        );
    }
}

fn named(unknown: &[Unknown]) -> Value {
    unknown.iter().map(|one| json!({"line": one.line, "kind": one.kind, "id": one.id})).collect()
}

/// The default folder of receipts.
const RECEIPTS: &str = "receipts";

/// Writes the receipt as a file that proves itself, and returns its path.
fn write_receipt(args: &ForgetArgs, deployment: &Deployment, done: &Forgotten) -> Result<Option<PathBuf>> {
    let Some(index) = done.receipt_index else { return Ok(None) };
    let ledger = Ledger::open(&deployment.state)?;
    let file = ledger.file(index).context("the log has no such entry")?;
    let to = match &args.receipt {
        Some(to) => to.clone(),
        None => {
            let folder = deployment.state.dir().join(RECEIPTS);
            crate::store::private_folder(&folder)?;
            folder.join(format!("receipt-{index}.json"))
        }
    };
    let text = format!("{}\n", serde_json::to_string_pretty(&file)?);
    crate::store::write_whole(&to, text.as_bytes())?;
    Ok(Some(to))
}

fn say_later(args: &ForgetArgs, deployment: &Deployment, asked: &Asked, removed: &Removed) -> Result<()> {
    let (name, removed) = (&removed.name, removed.count);
    let waiting = waiting_shards(deployment)?;
    let residual = left_behind(deployment, removed)?;
    if args.run.json {
        return print_json(&json!({
            "removed": removed,
            "shards_retrained": [],
            "shards_waiting": waiting,
            "seconds": 0.0,
            "request": name,
            "receipt": null,
            "residual": residual,
            "unknown": named(&asked.unknown),
        }));
    }
    print_line(&format!("{} removed; shards that wait for eemu train: {waiting:?}", counted(removed, "record")))?;
    say_name(name.as_deref())?;
    residual.map_or(Ok(()), |text| print_line(&text))
}

/// Prints the request's name; whoever has it can show that a receipt answers it.
fn say_name(name: Option<&str>) -> Result<()> {
    name.map_or(Ok(()), |name| {
        print_line(&format!("request {name}: keep this name with the receipt (eemu receipt open)"))
    })
}

fn say_done(
    args: &ForgetArgs,
    deployment: &Deployment,
    asked: &Asked,
    done: &Forgotten,
    written: Option<&Path>,
) -> Result<()> {
    let retrained: Vec<u32> = done.shards.iter().map(|trained| trained.shard).collect();
    let residual = left_behind(deployment, done.removed)?;
    if args.run.json {
        return print_json(&json!({
            "removed": done.removed,
            "shards_retrained": retrained,
            "seconds": done.seconds,
            "request": done.name,
            "receipt": done.receipt,
            "receipt_file": written,
            "residual": residual,
            "unknown": named(&asked.unknown),
        }));
    }
    if done.removed == 0 && retrained.is_empty() {
        return print_line("nothing to forget: no such record (or it is forgotten already)");
    }
    let shards = retrained.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    print_line(&format!(
        "{} removed; shards retrained: {}; {:.1} s",
        counted(done.removed, "record"),
        if shards.is_empty() { "none" } else { &shards },
        done.seconds
    ))?;
    say_name(done.name.as_deref())?;
    if let Some(written) = written {
        print_line(&format!("receipt: {}", written.display()))?;
    }
    residual.map_or(Ok(()), |text| print_line(&text))?;
    if let Some(due) = deployment.state.compacted()?.due {
        let minutes = ((due - crate::clock::now_exactly()) / 60.0).max(0.0);
        print_line(&format!(
            "the records are overwritten on disk; stale copies are cleared within {minutes:.0} minutes by `eemu serve`, \
             or by the next command that writes after that"
        ))?;
    }
    print_line(&format!("proof: eemu verify --state {}", args.run.state.state.display()))
}

/// What a hyper-parameter search that read these records has left of them.
fn left_behind(deployment: &Deployment, removed: u64) -> Result<Option<String>> {
    if removed == 0 {
        return Ok(None);
    }
    Ok(residual(&deployment.state)?.map(|text| format!("note: {}", text.trim())))
}

/// Prints what a request would do, and does nothing.
fn dry_run(args: &ForgetArgs, deployment: &Deployment, asked: &Asked) -> Result<ExitCode> {
    let plan = unlearn::plan(&deployment.dataset, &asked.request.records);
    let live = deployment.shards.iter().filter_map(|shard| shard.live.as_ref());
    let left = live.clone().filter(|live| !plan.shards.contains(&live.shard)).count();
    let times: Vec<f64> = live.map(|live| live.seconds).collect();
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    let own = |shard: u32| deployment.shards.iter().find(|s| s.index == shard)?.live.as_ref().map(|live| live.seconds);
    let jobs = args.run.jobs.unwrap_or_else(default_jobs).max(1);
    // The sum of no numbers is -0.
    let seconds = plan.shards.iter().map(|&shard| own(shard).unwrap_or(mean)).sum::<f64>() / jobs as f64 + 0.0;
    let (removed, degraded) = (plan.removed.len(), left == 0);
    if args.run.json {
        print_json(&json!({
            "removed": removed,
            "accounts": asked.request.accounts.len(),
            "shards": plan.shards,
            "shards_left": left,
            "degraded": degraded,
            "estimated_seconds": seconds,
            "unknown": named(&asked.unknown),
        }))?;
    } else {
        print_line(&format!(
            "would remove {} and {}; shards to retrain: {:?}, about {seconds:.1} s",
            counted(removed, "record"),
            counted(asked.request.accounts.len(), "account"),
            plan.shards
        ))?;
        print_line(&if degraded {
            "until the first of them is back, answers would be popularity".to_owned()
        } else {
            format!("meanwhile lists come from {}", counted(left, "shard"))
        })?;
        print_line("nothing was done")?;
    }
    say_unknown(&asked.unknown);
    Ok(code(asked))
}
