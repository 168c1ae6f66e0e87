//! `eemu tune`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::data::Holdout;
use eemu_core::receipt::commitment;
use serde_json::json;

use super::configuring::{TUNED_ON, set_all};
use super::{print_json, print_line};
use crate::cli::TuneArgs;
use crate::clock::random;
use crate::deployment::Deployment;
use crate::device;
use crate::measuring::{NAME_WIDTH, Quality};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::serve::Ledger;
use crate::store::{Access, Location, State};
use crate::tuning::{self, Search, grid};

pub(crate) fn run(args: &TuneArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    if dataset.config.holdout == Holdout::None {
        bail!("this state holds nothing out; import with --holdout leave-one-out to tune on validation");
    }
    let wanted = grid(&args.grid)?;
    let progress = Progress::new(args.run.quiet);
    progress.say(
        "tuning reads this state's validation records: what it finds is a residual of them (docs/delete.md says more)",
    );
    if Ledger::is_open(&deployment.state)? {
        // Printed even with `--quiet`.
        eprintln!(
            "warning: this state serves people. A configuration that is tuned on their records stays a residual of \
             whatever they delete later; tune on data you keep, or tune again after deletions"
        );
    }
    let commitment = commit(&deployment, args.run.state.location())?;
    let trials = wanted
        .into_iter()
        .map(|changes| Ok((changes.join(" "), set_all(&dataset.config, &changes)?)))
        .collect::<Result<Vec<_>>>()?;
    let search = Search {
        dataset,
        device: device::open(args.run.device)?,
        jobs: args.run.jobs.unwrap_or_else(default_jobs),
        shards: args.shards.map(|shards| shards.max(1)),
        users: args.users,
        journal: args.out.with_extension("journal.jsonl"),
    };
    let results = search.run(&trials, &progress)?;
    let judged = results.iter().filter_map(|(name, outcome)| Some((name, outcome.as_ref().ok()?)));
    let (best, quality) = judged
        .max_by(|a, b| a.1.ndcg10.total_cmp(&b.1.ndcg10))
        .context("the model diverged with every setting that was tried: give smaller steps")?;
    let config = &trials.iter().find(|(name, _)| name == best).context("the journal is of another search")?.1;
    let mut file = serde_json::to_value(config)?;
    file[TUNED_ON] = commitment.clone().into();
    std::fs::write(&args.out, serde_json::to_string_pretty(&file)?)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    if args.run.json {
        let all: Vec<_> = results.iter().map(|(name, outcome)| tuning::json(name, outcome)).collect();
        print_json(
            &json!({"best": best, "validation": quality, "trials": all, "config": args.out, "tuned_on": commitment}),
        )?;
    } else {
        let width = results.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        print_line(&format!("{}{}", " ".repeat(width.saturating_sub(NAME_WIDTH)), Quality::heading()))?;
        for (name, outcome) in &results {
            print_line(&tuning::row(&format!("{name:<width$}"), outcome))?;
        }
        print_line(&format!("best on validation: {best}"))?;
        print_line(&format!(
            "use it with: eemu train --state {} --config {}",
            args.run.state.state.display(),
            args.out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Commits to the data that the search reads, with a key that the state keeps until a
/// record of the data is deleted. A resumed search gets the same commitment.
fn commit(deployment: &Deployment, location: Location) -> Result<String> {
    let state = &deployment.state;
    let mut hasher = blake3::Hasher::new();
    hasher.update(deployment.dataset.catalog.hash()?.as_bytes());
    for record in deployment.dataset.interactions.iter() {
        hasher.update(&record.user.to_le_bytes()).update(&record.item.to_le_bytes());
        hasher.update(&record.timestamp.unwrap_or(f64::NAN).to_le_bytes());
    }
    let data = hasher.finalize();
    let known = state.tuning_key()?.and_then(|key| <[u8; 32]>::try_from(hex::decode(key).ok()?).ok());
    if let Some(key) = known {
        let before = commitment(&key, data.as_bytes());
        if state.tuned()?.contains(&before) {
            return Ok(before);
        }
    }
    let key = random()?;
    let commitment = commitment(&key, data.as_bytes());
    State::register_tuning(location, &commitment, &key)?;
    Ok(commitment)
}
