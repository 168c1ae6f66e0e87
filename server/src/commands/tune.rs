//! `eemu tune`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::dataset::Holdout;
use serde_json::json;

use super::configuring::set_all;
use super::{print_json, print_line};
use crate::cli::TuneArgs;
use crate::deployment::Deployment;
use crate::device;
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::store::Access;
use crate::tuning::{Search, grid};

pub(crate) fn run(args: &TuneArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    let world = &deployment.world;
    if world.config.holdout == Holdout::None {
        bail!("this state holds nothing out; import with --holdout leave-one-out to tune on validation");
    }
    let progress = Progress::new(args.run.quiet);
    progress.say("tuning reads this state's validation records: what it finds is a residual of them (see the README)");
    let trials = grid(&args.grid)?
        .into_iter()
        .map(|changes| Ok((changes.join(" "), set_all(&world.config, &changes)?)))
        .collect::<Result<Vec<_>>>()?;
    let search = Search {
        world,
        device: device::open(args.run.device)?,
        jobs: args.run.jobs.unwrap_or_else(default_jobs),
        shards: args.shards.unwrap_or(world.config.train.shards).clamp(1, world.config.train.shards),
        users: args.users,
        journal: args.out.with_extension("journal.jsonl"),
    };
    let results = search.run(&trials, &progress)?;
    let (best, quality) =
        results.iter().max_by(|a, b| a.1.ndcg10.total_cmp(&b.1.ndcg10)).context("nothing was tried")?;
    let config = &trials.iter().find(|(name, _)| name == best).context("the journal is of another search")?.1;
    std::fs::write(&args.out, serde_json::to_string_pretty(config)?)
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    if args.run.json {
        let all: Vec<_> =
            results.iter().map(|(name, quality)| json!({"changes": name, "validation": quality})).collect();
        print_json(&json!({"best": best, "validation": quality, "trials": all, "config": args.out}))?;
    } else {
        for (name, quality) in &results {
            print_line(&quality.row(name))?;
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
