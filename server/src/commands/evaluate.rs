//! `eemu evaluate`.

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use eemu_core::dataset::{Holdout, Role};
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::world::World;
use serde_json::json;

use super::configuring::configured;
use super::{print_json, print_line};
use crate::cli::{EvaluateArgs, SplitChoice};
use crate::deployment::Deployment;
use crate::device;
use crate::measuring::{Quality, baseline, ensemble_ranks, popularity, sampled, strangers};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::store::Access;

pub(crate) fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    if deployment.world.config.holdout == Holdout::None {
        bail!("this state holds nothing out, so there is nothing to measure on; import with --holdout leave-one-out");
    }
    let mut adapt = configured(&deployment, &args.config)?.adapt;
    if args.no_adapt {
        adapt.size = 0;
    }
    let role = match args.split {
        SplitChoice::Validation => Role::Validation,
        SplitChoice::Test => Role::Test,
    };
    let device = device::open(args.run.device)?;
    let jobs = args.run.jobs.unwrap_or_else(default_jobs);
    let progress = Progress::new(args.run.quiet);
    if args.strangers {
        return strangers_table(&deployment.world, &device, jobs, &progress, args.run.json);
    }
    let models = match args.only {
        None => (0..).zip(deployment.models(&device)?).collect(),
        Some(shard) => {
            let last = deployment.world.config.train.shards - 1;
            ensure!(shard <= last, "there is no shard {shard}: the state has shards 0 to {last}");
            vec![(shard as usize, deployment.model(shard, &device)?)]
        }
    };
    let models: Vec<(usize, &ShardModel)> = models.iter().map(|(shard, model)| (*shard, model)).collect();
    let world = &match args.users {
        None => deployment.world.clone(),
        Some(users) => sampled(&deployment.world, users),
    };
    let ranks = ensemble_ranks(world, &models, &adapt, role, jobs, &progress, "evaluate")?;
    let quality = Quality::of(&ranks);
    let mut rows = vec![("popularity".to_owned(), popularity(world, role)?)];
    if args.baselines {
        rows.push(("one unsharded model".into(), baseline(world, 1, role, &device, jobs, &progress, "unsharded")?));
        let shards = world.config.train.shards;
        rows.push(("plain mean of shards".into(), baseline(world, shards, role, &device, jobs, &progress, "plain")?));
    }
    if args.run.json {
        let mut object = serde_json::to_value(quality)?;
        object["split"] = json!(if role == Role::Test { "test" } else { "validation" });
        object["adapted"] = json!(adapt.size > 0);
        object["compared"] = rows.iter().map(|(name, q)| json!({"method": name, "quality": q})).collect();
        print_json(&object)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&Quality::heading())?;
    for (name, quality) in &rows {
        print_line(&quality.row(name))?;
    }
    let name = if adapt.size > 0 { "this state, adapted" } else { "this state, without adaptation" };
    print_line(&quality.row(name))?;
    Ok(ExitCode::SUCCESS)
}

fn strangers_table(
    world: &World,
    device: &Device,
    jobs: usize,
    progress: &Progress,
    as_json: bool,
) -> Result<ExitCode> {
    let rows = strangers(world, device, jobs, progress)?;
    if as_json {
        print_json(&json!({"strangers": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line("HR@10 of people left out of training, by how many of their items they give:")?;
    print_line("given  adapted  untimed  not adapted  popularity  people")?;
    for row in rows {
        print_line(&format!(
            "{:>5}  {:.4}   {:.4}   {:.4}       {:.4}      {}",
            row.given, row.adapted, row.untimed, row.global, row.popularity, row.users
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
