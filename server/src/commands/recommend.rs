//! `eemu recommend`.

mod all;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use eemu_core::config::AdaptConfig;
use eemu_core::dataset::{Dataset, History};
use eemu_core::recommend::{Ranked, Ranker, Scored, top_k};
use eemu_core::rules::picked;
use eemu_core::shard_model::ShardModel;
use eemu_core::{counted, quote, shown};
use serde_json::{Value, json};

use super::configuring::configured;
use super::{find, print_json, print_line};
use crate::cli::RecommendArgs;
use crate::deployment::Deployment;
use crate::store::Access;
use crate::{device, hidden};

pub(crate) fn run(args: &RecommendArgs) -> Result<ExitCode> {
    if args.all {
        return all::run(args);
    }
    // Clap does not require what conflicts with a given argument, so this is checked here.
    ensure!(args.out.is_none() && args.format.is_none(), "--out and --format go with --all; a single list is printed");
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let adapt = adaptation(args, &deployment)?;
    let closed = hidden::closed(&dataset.catalog, &dataset.down, &hidden::names(&deployment.state)?);
    let filter = args.rules().filter(&dataset.catalog, &closed)?;
    let (person, unknown) = match &args.user {
        Some(user) => (dataset.person(find(&dataset.catalog.users, "user", user)?, History::All), Vec::new()),
        None => {
            let (items, unknown) = picked(&dataset.catalog, &args.picks()?)?;
            (dataset.visitor(items), unknown)
        }
    };
    let unknown = [unknown, filter.unknown.clone()].concat();
    let device = device::open(args.run.device)?;
    let models = deployment.answering(&device)?;
    let shards: Vec<u32> = models.iter().map(|(shard, _)| *shard).collect();
    let models = by_shard(&models);
    let ranker = pollster::block_on(Ranker::new(
        &models,
        &dataset.key.derived("adaptation of clients"),
        &dataset.degrees,
        &adapt,
    ))?;
    let Some(scored) = pollster::block_on(ranker.scores(std::slice::from_ref(&person), 0, args.explain))?.pop() else {
        bail!("no model gave scores; train again: eemu train");
    };
    let ranked = top_k(&scored.mean, &filter.masked(person.history.items()), args.top as usize);
    if args.run.json {
        let mut answer = as_json(dataset, &scored, &ranked, args.explain);
        answer["unknown"] = json!(unknown);
        answer["shards"] = json!(shards);
        print_json(&answer)?;
    } else {
        name_skipped(&unknown);
        name_silent(&deployment, &shards);
        as_text(dataset, &scored, &ranked, args.explain)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How models are adapted.
fn adaptation(args: &RecommendArgs, deployment: &Deployment) -> Result<AdaptConfig> {
    let mut adapt = configured(deployment, &args.config)?.adapt;
    if args.no_adapt {
        adapt.size = 0;
    }
    Ok(adapt)
}

/// The models in the form that a ranker takes.
pub(super) fn by_shard(models: &[(u32, ShardModel)]) -> Vec<(usize, &ShardModel)> {
    models.iter().map(|(shard, model)| (*shard as usize, model)).collect()
}

/// Prints which shards wait to be trained, so that their models are missing in the
/// list.
fn name_silent(deployment: &Deployment, shards: &[u32]) {
    let silent = |shard: &u32| deployment.dataset.has_voice(*shard) && !shards.contains(shard);
    let silent: Vec<String> =
        (0..deployment.dataset.config.train.shards).filter(silent).map(|s| s.to_string()).collect();
    if !silent.is_empty() {
        eprintln!(
            "shards that wait to be trained had no say: {}; eemu train --state {} brings them in",
            silent.join(", "),
            deployment.state.dir().display()
        );
    }
}

/// Prints which names of a request were skipped.
pub(super) fn name_skipped(unknown: &[String]) {
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().map(|name| quote(name)).collect();
        eprintln!("not in the catalogue, so skipped: {}", names.join(", "));
    }
}

fn as_json(dataset: &Dataset, scored: &Scored, ranked: &[Ranked], explain: bool) -> Value {
    let items = &dataset.catalog.items;
    let listed: Vec<Value> = ranked
        .iter()
        .map(|r| {
            let mut item = json!({
                "rank": r.rank,
                "item_id": items.ids[r.item as usize],
                "name": items.name(r.item),
                "score": r.score,
            });
            if explain {
                item["shards"] = scored.per_shard.iter().map(|s| s[r.item as usize]).collect();
            }
            item
        })
        .collect();
    let mut answer = json!({"items": listed});
    if explain {
        let named = scored.support.iter().map(|&(item, weight)| {
            json!({
                "item_id": items.ids[item as usize],
                "name": items.name(item),
                "degree": dataset.degrees[item as usize],
                "weight": weight,
            })
        });
        answer["adaptation_set"] = named
            .chain(scored.pairs.iter().map(|p| {
                json!({
                    "item_id": items.ids[p.positive as usize],
                    "name": items.name(p.positive),
                    "degree": dataset.degrees[p.positive as usize],
                    "negative_id": items.ids[p.negative as usize],
                })
            }))
            .collect();
    }
    answer
}

/// The list as text.
pub(super) fn as_text(dataset: &Dataset, scored: &Scored, ranked: &[Ranked], explain: bool) -> Result<()> {
    let items = &dataset.catalog.items;
    if explain && !scored.support.is_empty() {
        let most = scored.support.iter().filter(|(_, weight)| *weight >= 0.05).count().clamp(1, 20);
        print_line(&format!(
            "adapted to {}; the {most} that count most, with their weight (how many people have each):",
            counted(scored.support.len(), "record")
        ))?;
        for &(item, weight) in scored.support.iter().take(most) {
            print_line(&format!("  {weight:.2}  {} ({})", shown(items.name(item)), dataset.degrees[item as usize]))?;
        }
    } else if explain {
        print_line("adapted with (drawn by rarity and age; how many people have each):")?;
        let mut listed: Vec<(u32, usize)> = Vec::new();
        for pair in &scored.pairs {
            match listed.iter_mut().find(|(item, _)| *item == pair.positive) {
                Some((_, times)) => *times += 1,
                None => listed.push((pair.positive, 1)),
            }
        }
        for (item, times) in listed {
            let times = if times > 1 { format!(", drawn {times} times") } else { String::new() };
            print_line(&format!("  {} ({}{times})", shown(items.name(item)), dataset.degrees[item as usize]))?;
        }
    }
    for r in ranked {
        let shards = if explain {
            let scores: Vec<String> = scored.per_shard.iter().map(|s| format!("{:6.2}", s[r.item as usize])).collect();
            format!("  [{}]", scores.join(" "))
        } else {
            String::new()
        };
        print_line(&format!("{:>4}  {:<40} {:>8.3}{shards}", r.rank, shown(items.name(r.item)), r.score))?;
    }
    if ranked.is_empty() {
        print_line("nothing left to recommend")?;
    }
    Ok(())
}
