//! `eemu import`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::dataset::{Bucketing, Catalog, Column, Holdout, Imported, Values};
use eemu_core::model::from_safetensors;
use eemu_core::random::Key;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::ImportArgs;
use crate::clock::random;
use crate::deployment::Deployment;
use crate::import::{self, ImportOptions};
use crate::store::{Access, State};

pub(crate) fn run(args: &ImportArgs) -> Result<ExitCode> {
    let mut options = ImportOptions::default();
    options.choices.core = args.core;
    options.choices.catalog = args.catalog.as_deref().map(frozen_catalog).transpose()?;
    let chosen = |names: &Option<Vec<String>>| match names.as_deref() {
        Some([only]) if only == "none" => Some(Vec::new()),
        other => other.map(<[String]>::to_vec),
    };
    options.choices.item_features = chosen(&args.item_features);
    if options.choices.catalog.is_none() {
        // The default model reads nothing of people, so nothing of them is kept.
        options.choices.user_features = chosen(&args.user_features).or(Some(Vec::new()));
    }
    let seed = match (args.seed, Holdout::from(args.holdout)) {
        (Some(seed), _) => seed,
        (None, Holdout::LeaveOneOut | Holdout::LeaveTen) => 1,
        (None, Holdout::None) => u64::from_le_bytes(random()?),
    };
    options.choices.user_buckets = (args.user_buckets > 0).then(|| Bucketing {
        key: Key::from_seed(seed),
        count: args.user_buckets,
        ranges: args.user_range.clone(),
    });
    for dense in &args.dense {
        let (name, file) = dense.split_once('=').with_context(|| format!("--dense {dense}: give NAME=FILE"))?;
        options.dense.push((name.to_owned(), PathBuf::from(file)));
    }
    let imported = if args.data == Path::new("built-in") {
        if !options.dense.is_empty() {
            bail!("--dense does not go with the built-in data set, which has its title vectors");
        }
        import::built_in_with(&options.choices)?
    } else {
        import::open(&args.data, &options)?
    };
    let mut config = Config::fitting(args.holdout.into(), &imported.records);
    config.train.seed = seed;
    // Who asks for features of people wants them read.
    let bucketed = |column: &Column| matches!(column.values, Values::Buckets { .. });
    config.episodes.people = imported.catalog.users.columns.iter().any(bucketed);
    let deployment = Deployment::create(args.state.location(), &imported, &config, args.replace)?;
    report(args, &imported, &deployment)?;
    Ok(ExitCode::SUCCESS)
}

/// Another state's catalogue with its dense features.
fn frozen_catalog(path: &Path) -> Result<Catalog> {
    // People are rows of the state's database, beside its catalogue.
    let dir = path.parent().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    if let Some(dir) = dir.filter(|dir| dir.join("eemu.sqlite").is_file()) {
        return Ok(State::open(dir, Access::Read)?.catalog()?);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let dense = path.with_extension("safetensors");
    let mut features = HashMap::new();
    if dense.is_file() {
        let bytes = std::fs::read(&dense).with_context(|| format!("cannot read {}", dense.display()))?;
        features.extend(from_safetensors(&bytes)?.into_iter().map(|(name, (_, values))| (name, values)));
    }
    Catalog::from_json(&text, &features).with_context(|| path.display().to_string())
}

/// Where the seed is from.
fn seed_of(args: &ImportArgs) -> &'static str {
    match (args.seed, Holdout::from(args.holdout)) {
        (Some(_), _) => "given",
        (None, Holdout::LeaveOneOut | Holdout::LeaveTen) => "default",
        (None, Holdout::None) => "random",
    }
}

fn report(args: &ImportArgs, imported: &Imported, deployment: &Deployment) -> Result<()> {
    let (world, report) = (&deployment.world, &imported.report);
    if args.json {
        return print_json(&json!({
            "dataset": world.catalog.dataset,
            "users": world.catalog.users.len(),
            "items": world.catalog.items.len(),
            "interactions": world.interactions.len(),
            "duplicates": deployment.settings.duplicates,
            "user_features": report.user_features,
            "item_features": report.item_features,
            "seed": seed_of(args),
            "notes": report.notes,
        }));
    }
    print_line(&format!(
        "{}: {} users, {} items, {} records ({} duplicates collapsed)",
        world.catalog.dataset,
        world.catalog.users.len(),
        world.catalog.items.len(),
        world.interactions.len(),
        deployment.settings.duplicates
    ))?;
    let list =
        |names: &[String]| std::iter::once("id").chain(names.iter().map(String::as_str)).collect::<Vec<_>>().join(", ");
    print_line(&format!("user features: {}", list(&report.user_features)))?;
    print_line(&format!("item features: {}", list(&report.item_features)))?;
    if report.users_left_out + report.items_left_out > 0 {
        print_line(&format!(
            "core filter left out {} users, {} items, {} records",
            report.users_left_out, report.items_left_out, report.records_left_out
        ))?;
    }
    print_line(match seed_of(args) {
        "random" => {
            "seed: random, and kept in the state only: it is a secret of this deployment (--seed gives another)"
        }
        "given" => "seed: as given; a deployment's must be a secret",
        _ => "seed: 1, so that measurements can be repeated; not for a deployment",
    })?;
    for note in &report.notes {
        print_line(&format!("note: {note}"))?;
    }
    print_line(&format!("next: eemu train --state {}", args.state.state.display()))
}
