//! Measures the cost of isolation in accuracy. In shard s a negative may be an
//! item that the user has in another shard, because shard s must not know it.
//! This program trains an ensemble by that rule, and again with negatives that
//! exclude the items of all shards, which breaks exactness. It compares the two
//! user by user:
//!
//!     isolation [--data DIR] [--first N] [--epochs N]
//!
//! `--data` takes the same path as `eemu import`; without it the built-in data
//! set is used. `--first` trains and averages the first N shards only.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{Holdout, ImportOptions, Role, are_timed};
use eemu_core::dataset::Dataset;
use eemu_core::evaluate::{Estimate, gains};
use eemu_core::mistakes::{Mistake, Run};
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_server::import;
use eemu_server::measuring::{Quality, ensemble_ranks};
use eemu_server::progress::Progress;
use pollster::block_on;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let (mut data, mut first, mut epochs): (Option<PathBuf>, usize, Option<u32>) = (None, usize::MAX, None);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().with_context(|| format!("{name} wants a value after it"))?;
        match name.as_str() {
            "--data" => data = Some(value.into()),
            "--first" => first = value.parse().context("--first wants a number of shards")?,
            "--epochs" => epochs = Some(value.parse().context("--epochs wants a number")?),
            other => bail!("unknown argument {other}; known are --data, --first and --epochs"),
        }
    }
    let dataset = dataset(data.as_deref(), epochs)?;
    let local = measured(&dataset, None, first)?;
    let global = measured(&dataset, Some(Mistake::GlobalNegatives), first)?;
    println!("{}", Quality::heading());
    for (number, name) in ["without adaptation", "adapted"].into_iter().enumerate() {
        println!("{}", Quality::of(&local[number]).row(&format!("local negatives, {name}")));
        println!("{}", Quality::of(&global[number]).row(&format!("global negatives, {name}")));
        let pairs = local[number].iter().zip(&global[number]);
        let lost: Vec<f64> = pairs.map(|(own, other)| gains(other.1, 10).0 - gains(own.1, 10).0).collect();
        let lost = Estimate::of(&lost);
        println!("isolation costs {:.4} ±{:.4} of HR@10, {name}", lost.mean, lost.margin);
    }
    Ok(())
}

/// Uses the low-rank two-tower model, because the default model draws no
/// negatives for each user.
fn dataset(data: Option<&Path>, epochs: Option<u32>) -> Result<Dataset> {
    let mut options = import::ImportOptions::default();
    let imported = match data {
        None => import::built_in_with(&ImportOptions::default())?,
        Some(path) => {
            // The paper's user features, if the data has them.
            let wanted = ["age", "gender", "occupation"].map(str::to_owned).to_vec();
            options.choices.user_features = Some(wanted);
            match import::open(path, &options) {
                Ok(imported) => imported,
                Err(_) => import::open(path, &import::ImportOptions::default())?,
            }
        }
    };
    let mut config =
        Config { holdout: Holdout::LeaveOneOut, ..Config::default() }.low_rank(are_timed(&imported.records));
    config.train.epochs = epochs.unwrap_or(config.train.epochs);
    Ok(Dataset::new(imported.catalog, imported.records, config)?.0)
}

/// The test ranks of every user, without and with adaptation.
fn measured(dataset: &Dataset, mistake: Option<Mistake>, first: usize) -> Result<[Vec<(u32, usize)>; 2]> {
    let mut shards = dataset.shards();
    shards.truncate(first);
    let mut run = Run::new(dataset, &shards, mistake, &Device::Flex(Default::default()))?;
    while !run.is_done() {
        for shard in 0..shards.len() {
            block_on(run.epoch_of(shard))?;
        }
        let losses: Vec<f32> = run.losses().iter().filter_map(|l| l.last().copied()).collect();
        eprintln!("losses {losses:.4?}");
    }
    let models = run.finish();
    let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranks =
        |adapt: &AdaptConfig| ensemble_ranks(dataset, &models, adapt, Role::Test, 1, &Progress::new(true), "users");
    let adapt = &dataset.config.adapt;
    Ok([ranks(&AdaptConfig { size: 0, ..adapt.clone() })?, ranks(adapt)?])
}
