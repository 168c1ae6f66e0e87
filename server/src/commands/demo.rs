//! `eemu demo`: the whole story on built-in data, in a few minutes.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{Holdout, ImportOptions, Role, are_timed};
use eemu_core::dataset::{Dataset, History};
use eemu_core::evaluate::popularity_ranks;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard_model::ShardModel;

use super::configuring::profile;
use super::print_line;
use super::recommend::as_text;
use crate::cli::{DemoArgs, Profile};
use crate::deployment::Deployment;
use crate::device;
use crate::forgetting::{Request, forget, verify};
use crate::import;
use crate::measuring::{Quality, Worth, above, baseline_ranks, closed_forms, ensemble_ranks, hit, mean_worth, paired};
use crate::pool::default_jobs;
use crate::progress::Progress;
use crate::training::{Trained, train_shards};

/// The purchase that the demonstration forgets.
const FORGOTTEN: &str = "Pregnancy Test Kits";

pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode> {
    let temporary = tempfile::tempdir().context("cannot make a temporary directory")?;
    let dir = args.state.clone().unwrap_or_else(|| temporary.path().join("state"));
    let jobs = args.jobs.unwrap_or_else(default_jobs);
    let progress = Progress::new(false);
    let device = device::cpu();

    heading("1  A grocery chain's households and what they bought first")?;
    // Nothing about users is read but their purchases.
    let choices = ImportOptions { user_features: Some(Vec::new()), ..ImportOptions::default() };
    let imported = import::built_in_with(&choices)?;
    let base = Config { holdout: Holdout::LeaveTen, ..Config::default() };
    let config = profile(Profile::Default, &base, are_timed(&imported.records));
    let mut deployment = Deployment::create(&dir, &imported, &config, false)?;
    let catalog = &deployment.dataset.catalog;
    print_line(&format!(
        "{}: {} households, {} product types, {} first purchases. Data: 84.51°/dunnhumby, The Complete Journey.",
        catalog.dataset,
        catalog.users.len(),
        catalog.items.len(),
        deployment.dataset.interactions.len()
    ))?;
    print_line("Training the default model; the last twenty purchases of each household are held out.")?;

    heading("2  Eight shards of households, eight models that know only their own records")?;
    let everyone: Vec<u32> = (0..config.train.shards).collect();
    let start = Instant::now();
    train_shards(&deployment, &everyone, &device, jobs, &progress, false)?;
    print_line(&format!("8 shards trained in {:.1} s, {jobs} at a time.", start.elapsed().as_secs_f64()))?;

    heading("3  How good is it? Every household's last ten first purchases, each ranked among all products")?;
    let models = deployment.models(&device)?;
    quality(&deployment.dataset, &models, jobs, &progress)?;

    heading("4  One household's list")?;
    let (user, item) = witness(&deployment.dataset)?;
    list(&deployment, &models, user)?;
    drop(models);

    heading(&format!("5  Forget \"{FORGOTTEN}\""))?;
    let shard = deployment.dataset.shard_of(user, item);
    let household = deployment.dataset.catalog.users.ids[user as usize].clone();
    print_line(&format!(
        "Household {household} bought it; a keyed hash of the household put all its records in shard {shard}."
    ))?;
    let done = forget(&mut deployment, &Request::of(&[(user, item)]), &device, jobs, &progress)?;
    let retrained: Vec<u32> = done.shards.iter().filter(|t: &&Trained| t.fresh).map(|t| t.shard).collect();
    let untouched = everyone.len() - retrained.len();
    print_line(&format!("Forgotten. Shard {retrained:?} rebuilt in {:.1} s, {untouched} untouched.", done.seconds))?;

    heading("6  The proof: a twin that never had the record, trained from scratch")?;
    let verdict = verify(&deployment, &device, jobs, &progress)?;
    if !verdict.differences.is_empty() || !verdict.not_comparable.is_empty() {
        for line in verdict.differences.iter().chain(&verdict.not_comparable) {
            print_line(&format!("DIFFERENT: {line}"))?;
        }
        bail!("the learned state differs from a system that never had the record; this is a fault of eemu: report it");
    }
    print_line("Equal: records, split, shards, slices, degrees and all eight models, byte for byte.")?;
    print_line(&format!(
        "Retraining everything took {:.1} s; forgetting took {:.1} s ({:.1} times less).",
        verdict.seconds,
        done.seconds,
        verdict.seconds / done.seconds.max(1e-9)
    ))?;
    goodbye(args, &dir)?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &str) -> Result<()> {
    print_line(&format!("\n{text}"))
}

fn quality(dataset: &Dataset, models: &[ShardModel], jobs: usize, progress: &Progress) -> Result<()> {
    let device = device::cpu();
    let role = Role::Test;
    let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranks = |adapt: &AdaptConfig, label: &str| ensemble_ranks(dataset, &models, adapt, role, jobs, progress, label);
    let plain = ranks(&AdaptConfig { size: 0, ..dataset.config.adapt.clone() }, "global")?;
    let adapted = ranks(&dataset.config.adapt, "adapted")?;
    let popular = popularity_ranks(dataset, role)?;
    let mut rows = vec![("popularity".to_owned(), Quality::of(&popular))];
    for form in closed_forms(dataset, role, jobs, progress)? {
        rows.push((format!("{}, unsharded", form.name), form.quality));
    }
    let whole = baseline_ranks(dataset, 1, role, &device, jobs, progress, "unsharded")?;
    rows.push(("one model, no shards".into(), Quality::of(&whole)));
    rows.push(("EEMU without adaptation".into(), Quality::of(&plain)));
    rows.push(("EEMU, adapted to each household".into(), Quality::of(&adapted)));
    print_line(&Quality::heading())?;
    for (name, quality) in &rows {
        print_line(&quality.row(name))?;
    }
    print_line("(± is half the 95% interval over households)")?;
    let items = dataset.catalog.items.len();
    let auc = |ranks: &[(u32, usize)]| mean_worth(ranks, items, above).mean;
    print_line(&format!(
        "AUC, the share of products ranked below the one that was bought: popularity {:.4}, EEMU without adaptation \
         {:.4}, EEMU {:.4}.",
        auc(&popular),
        auc(&plain),
        auc(&adapted)
    ))?;
    for (name, other) in [("popularity", &popular), ("no adaptation", &plain), ("one model without shards", &whole)] {
        let [by_auc, by_hits] = [above as Worth, hit as Worth].map(|worth| paired(&adapted, other, items, worth));
        print_line(&format!(
            "Household by household, against {name}: AUC {:+.4} ±{:.4}, HR@10 {:+.4} ±{:.4}.",
            by_auc.mean, by_auc.margin, by_hits.mean, by_hits.margin
        ))?;
    }
    Ok(())
}

/// The first household with the purchase as a training record.
fn witness(dataset: &Dataset) -> Result<(u32, u32)> {
    let item = (0..dataset.catalog.items.len() as u32)
        .find(|&item| dataset.catalog.items.name(item) == FORGOTTEN)
        .context("the built-in data lacks the product")?;
    (0..dataset.interactions.users())
        .find(|&user| dataset.items(user, Role::Train).contains(&item))
        .map(|user| (user, item))
        .context("no household has it as a training record")
}

fn list(deployment: &Deployment, models: &[ShardModel], user: u32) -> Result<()> {
    let dataset = &deployment.dataset;
    let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranker = pollster::block_on(Ranker::new(&models, &dataset.key, &dataset.degrees, &dataset.config.adapt))?;
    let person = dataset.person(user, History::All);
    let scored =
        pollster::block_on(ranker.scores(std::slice::from_ref(&person), 0, true))?.pop().context("no scores")?;
    print_line(&format!(
        "Household {}, {} purchases; the ten best of what it has not bought, with each shard's score:",
        dataset.catalog.users.ids[user as usize],
        person.history.items().len()
    ))?;
    as_text(dataset, &scored, &top_k(&scored.mean, person.history.items(), 10), true)
}

fn goodbye(args: &DemoArgs, dir: &Path) -> Result<()> {
    if args.state.is_some() {
        let shown = dir.display();
        print_line(&format!("\nThe state is kept in {shown}. Try: eemu recommend --state {shown} --user 7 --explain"))
    } else {
        print_line("\nTry it on your own data: eemu import --data PATH --state DIR, then eemu train --state DIR")
    }
}
