//! `eemu train`, `eemu train-shard`, `eemu retrain`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use eemu_core::counted;
use eemu_core::fingerprint::Fingerprint;
use serde_json::json;

use super::configuring::{configured_as, tuned_on};
use super::{print_json, print_line};
use crate::cli::{RetrainArgs, RunArgs, TrainArgs, TrainShardArgs};
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::answer_waiting;
use crate::launch::LaunchOptions;
use crate::progress::Progress;
use crate::store::{Access, StoreError, TRIES};
use crate::training::{Trained, launch_shards};

pub(crate) fn train(args: &TrainArgs) -> Result<ExitCode> {
    let mut deployment = Deployment::open_away(args.run.state.location(), Access::Write)?;
    let mut config = configured_as(&deployment, args.model, &args.config)?;
    let train = &mut config.train;
    train.shards = args.shards.unwrap_or(train.shards);
    train.epochs = args.epochs.unwrap_or(train.epochs);
    train.seed = args.seed.unwrap_or(train.seed);
    if let Some(meta) = args.meta {
        train.meta = meta.into();
        if train.meta == eemu_core::config::Meta::Reptile && train.inner_steps < 2 {
            // The usual number; with one step Reptile is ordinary training.
            train.inner_steps = 5;
        }
    }
    let progress = Progress::new(args.run.quiet);
    let tuned_on = tuned_on(deployment.settings.tuned_on.as_ref(), &args.config)?;
    if config != deployment.settings.config || tuned_on != deployment.settings.tuned_on {
        deployment.settings.tuned_on = tuned_on;
        let had = deployment.state.shards()?.iter().any(|s| s.live.is_some());
        if deployment.configure(config)? && had {
            progress.say("the configuration changed: every shard is trained anew");
        }
    }
    let shards: Vec<u32> = (0..deployment.dataset.config.train.shards).collect();
    launch(&mut deployment, &shards, (&args.run, &args.launch), &progress, false)
}

pub(crate) fn train_shard(args: &TrainShardArgs) -> Result<ExitCode> {
    let mut deployment = Deployment::open_away(args.run.state.location(), Access::Write)?;
    let shards = deployment.dataset.config.train.shards;
    if args.shard >= shards {
        bail!("there is no shard {}; give one from 0 to {}", args.shard, shards - 1);
    }
    launch(&mut deployment, &[args.shard], (&args.run, &args.launch), &Progress::new(args.run.quiet), false)
}

pub(crate) fn retrain(args: &RetrainArgs) -> Result<ExitCode> {
    let mut deployment = Deployment::open_away(args.run.state.location(), Access::Write)?;
    let device = device::open(args.run.device)?;
    let here = serde_json::to_string(&Fingerprint::of(&device))?;
    let shards: Vec<u32> = deployment
        .state
        .shards()?
        .iter()
        .filter(|s| s.stale || s.live.as_ref().is_none_or(|live| live.fingerprint != here))
        .map(|s| s.index)
        .collect();
    launch(&mut deployment, &shards, (&args.run, &args.launch), &Progress::new(args.run.quiet), true)
}

fn launch(
    deployment: &mut Deployment,
    shards: &[u32],
    (run, how): (&RunArgs, &LaunchOptions),
    progress: &Progress,
    again: bool,
) -> Result<ExitCode> {
    let device = device::open(run.device)?;
    let launcher = how.open_here(&deployment.state, &device)?;
    let start = Instant::now();
    let jobs = how.jobs(run.jobs);
    let mut trained = launch_shards(deployment, shards, &*launcher, jobs, progress, again);
    for _ in 0..TRIES {
        let outdated = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(StoreError::Outdated { .. }));
        if !deployment.state.is_shared() || !trained.as_ref().is_err_and(outdated) {
            break;
        }
        progress.say("another process changed records meanwhile: what they changed is trained again");
        deployment.reload()?;
        trained = launch_shards(deployment, shards, &*launcher, jobs, progress, again);
    }
    let trained = trained?;
    // A deletion that was cut short before its receipt waits for this.
    if let Some((_, receipt)) = answer_waiting(deployment, &device)? {
        progress.say(&format!("receipt written: it answers the removal of {}", counted(receipt.removed, "record")));
    }
    report(&trained, start.elapsed().as_secs_f64(), run)?;
    Ok(ExitCode::SUCCESS)
}

fn report(trained: &[Trained], seconds: f64, run: &RunArgs) -> Result<()> {
    let fresh: Vec<u32> = trained.iter().filter(|t| t.fresh).map(|t| t.shard).collect();
    if run.json {
        let shards: Vec<_> = trained
            .iter()
            .map(|t| json!({"shard": t.shard, "version": t.version, "trained": t.fresh, "seconds": t.seconds}))
            .collect();
        return print_json(&json!({"shards": shards, "shards_trained": fresh, "seconds": seconds}));
    }
    let current = trained.len() - fresh.len();
    let kept = if current > 0 { format!(", {current} were current") } else { String::new() };
    print_line(&format!("{} trained in {seconds:.1} s{kept}", counted(fresh.len(), "shard")))
}
