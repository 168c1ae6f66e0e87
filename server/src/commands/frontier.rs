//! `eemu frontier`: what more shards cost in quality and save in the time of a
//! deletion.

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::counted;
use eemu_core::data::{Holdout, Role};
use eemu_core::dataset::Dataset;
use eemu_core::shard_model::ShardModel;
use serde_json::json;
use std::process::ExitCode;

use super::configuring::configured;
use super::{print_json, print_line};
use crate::cli::FrontierArgs;
use crate::deployment::Deployment;
use crate::device;
use crate::measuring::{Quality, ensemble_ranks, voices};
use crate::pool::{self, default_jobs};
use crate::progress::Progress;
use crate::reproduce::frontier_plot;
use crate::stopwatch::Watch;
use crate::store::Access;
use crate::training::from_scratch;

/// The measurement for one number of shards.
struct Point {
    shards: u32,
    /// Mean processor seconds of retraining one shard.
    seconds: f64,
    quality: Quality,
}

pub(crate) fn run(args: &FrontierArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    if deployment.dataset.config.holdout == Holdout::None {
        bail!("this state holds nothing out, so there is nothing to measure on; import with --holdout leave-one-out");
    }
    let base = configured(&deployment, &args.config)?;
    let device = device::open(args.run.device)?;
    let jobs = args.run.jobs.unwrap_or_else(default_jobs);
    let progress = Progress::new(args.run.quiet);
    let mut points = Vec::new();
    for &shards in &args.shards {
        let mut config: Config = base.clone();
        config.train.shards = shards;
        config.check()?;
        let dataset = Dataset { config, ..deployment.dataset.clone() };
        progress.say(&counted(shards, "shard"));
        let data = dataset.shards();
        let watch = Watch::start();
        let trained = pool::run(&data, jobs, |shard| -> Result<ShardModel> {
            let own = std::slice::from_ref(shard);
            let name = format!("shard {} of {shards}", shard.index);
            from_scratch(&dataset, own, &device, 1, &progress, &name)?.pop().context("no model")
        });
        // Wall-clock time would include other work of the machine.
        let seconds = watch.processor().unwrap_or_else(|| watch.seconds()) / data.len().max(1) as f64;
        let trained = trained.into_iter().collect::<Result<Vec<_>>>()?;
        let models = voices(&trained, &data);
        let ranks = ensemble_ranks(&dataset, &models, &dataset.config.adapt, Role::Test, jobs, &progress, "evaluate")?;
        let quality = Quality::of(&ranks);
        progress.say(&format!("{}: {seconds:.2} s a deletion, HR@10 {:.4}", counted(shards, "shard"), quality.hr10));
        points.push(Point { shards, seconds, quality });
    }
    points.sort_by_key(|point| point.shards);
    if let Some(path) = &args.plot {
        let lines: Vec<(u32, f64, f64)> = points.iter().map(|p| (p.shards, p.seconds, p.quality.hr10)).collect();
        frontier_plot(path, &deployment.dataset.catalog.dataset, &lines)?;
    }
    if args.run.json {
        let rows: Vec<_> = points
            .iter()
            .map(|p| json!({"shards": p.shards, "seconds_per_deletion": p.seconds, "quality": p.quality}))
            .collect();
        print_json(&json!({"dataset": deployment.dataset.catalog.dataset, "frontier": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line("| shards | processor seconds a deletion | HR@10 | NDCG@10 |")?;
    print_line("|---|---|---|---|")?;
    for Point { shards, seconds, quality } in &points {
        print_line(&format!(
            "| {shards} | {seconds:.2} | {:.4} ±{:.4} | {:.4} ±{:.4} |",
            quality.hr10, quality.hr10_margin, quality.ndcg10, quality.ndcg10_margin
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
