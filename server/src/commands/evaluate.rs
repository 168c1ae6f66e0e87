//! `eemu evaluate`.

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use eemu_core::config::AdaptConfig;
use eemu_core::counted;
use eemu_core::data::{Holdout, Role};
use eemu_core::dataset::Dataset;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use serde_json::json;

use super::configuring::configured;
use super::{print_json, print_line};
use crate::cli::{EvaluateArgs, SplitChoice};
use crate::deployment::Deployment;
use crate::device;
use crate::measuring::{Quality, baseline, closed_forms, ensemble_ranks, popularity, sampled, strangers};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::store::Access;

pub(crate) fn run(args: &EvaluateArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    if deployment.dataset.config.holdout == Holdout::None {
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
        return strangers_table(&deployment.dataset, &device, jobs, &progress, args.run.json);
    }
    let models = match args.only {
        None => (0..).zip(deployment.models(&device)?).collect(),
        Some(shard) => {
            let last = deployment.dataset.config.train.shards - 1;
            ensure!(shard <= last, "there is no shard {shard}: the state has shards 0 to {last}");
            vec![(shard as usize, deployment.model(shard, &device)?)]
        }
    };
    // The model of a shard without records is left out, here as in the service.
    let voice = |shard: usize| args.only.is_some() || deployment.dataset.has_voice(shard as u32);
    let models: Vec<(usize, &ShardModel)> =
        models.iter().filter(|(shard, _)| voice(*shard)).map(|(shard, model)| (*shard, model)).collect();
    ensure!(!models.is_empty(), "no shard has records to train on, so there is nothing to measure");
    let dataset = &match args.users {
        None => deployment.dataset.clone(),
        Some(users) => sampled(&deployment.dataset, users),
    };
    let ranks = ensemble_ranks(dataset, &models, &adapt, role, jobs, &progress, "evaluate")?;
    let quality = Quality::of(&ranks);
    ensure!(quality.users > 0, "nobody has a held-out item, so there is nobody to measure");
    let left_out = people(dataset) - quality.users;
    let mut rows = vec![("popularity".to_owned(), popularity(dataset, role)?)];
    if args.baselines {
        for form in closed_forms(dataset, role, jobs, &progress)? {
            rows.push((format!("{}, unsharded", form.name), form.quality));
        }
        rows.push(("one unsharded model".into(), baseline(dataset, 1, role, &device, jobs, &progress, "unsharded")?));
        if !dataset.config.model.kind.is_of_items() {
            let shards = dataset.config.train.shards;
            let plain = baseline(dataset, shards, role, &device, jobs, &progress, "plain")?;
            rows.push(("plain mean of shards".into(), plain));
        }
    }
    // The same list for everybody.
    let mut for_all = rows[0].1.ndcg10;
    if adapt.size > 0 {
        let plain = AdaptConfig { size: 0, ..adapt.clone() };
        let ranks = ensemble_ranks(dataset, &models, &plain, role, jobs, &progress, "not adapted")?;
        let plain = Quality::of(&ranks);
        for_all = for_all.max(plain.ndcg10);
        rows.push(("this state, without adaptation".into(), plain));
    }
    if args.run.json {
        let mut object = serde_json::to_value(quality)?;
        object["split"] = json!(if role == Role::Test { "test" } else { "validation" });
        object["adapted"] = json!(adapt.size > 0);
        object["left_out"] = json!(left_out);
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
    let why = if left_out > 0 { format!("; {left_out} have too few records to hold any out") } else { String::new() };
    print_line(&format!(
        "{} measured{why}. ± is half the 95% interval over people.",
        counted(quality.users as u64, "person")
    ))?;
    if adapt.size > 0 && for_all > quality.ndcg10 {
        print_line("Adapting does not pay here: by NDCG@10 a list that is the same for everybody is better.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many people have records.
fn people(dataset: &Dataset) -> usize {
    (0..dataset.interactions.users()).filter(|&user| !dataset.interactions.of(user).is_empty()).count()
}

fn strangers_table(
    dataset: &Dataset,
    device: &Device,
    jobs: usize,
    progress: &Progress,
    as_json: bool,
) -> Result<ExitCode> {
    let rows = strangers(dataset, device, jobs, progress)?;
    if as_json {
        print_json(&json!({"strangers": rows}))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line("HR@10 of people left out of training, by how many of their items they give:")?;
    print_line("given  adapted  untimed  not adapted  popularity  people  known people alike")?;
    for row in rows {
        print_line(&format!(
            "{:>5}  {:.4}   {:.4}   {:.4}       {:.4}      {:<6}  {:.4} ({})",
            row.given, row.adapted, row.untimed, row.global, row.popularity, row.users, row.known, row.known_users
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
