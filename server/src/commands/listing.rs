//! `eemu similar`, `eemu popular` and `eemu new`.

use std::process::ExitCode;

use anyhow::Result;
use eemu_core::dataset::Dataset;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::rules::{Filter, Rules};
use eemu_core::shown;
use serde_json::{Value, json};

use super::recommend::{by_shard, name_skipped};
use super::{find, print_json, print_line};
use crate::cli::{CountedArgs, SimilarArgs};
use crate::deployment::Deployment;
use crate::store::Access;
use crate::{device, hidden};

pub(crate) fn similar(args: &SimilarArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.run.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let item = find(&dataset.catalog.items, "item", &args.item)?;
    let filter = filter(&deployment, &args.rules.rules(false))?;
    let device = device::open(args.run.device)?;
    let models = deployment.answering(&device)?;
    let models = by_shard(&models);
    let ranker = pollster::block_on(Ranker::new(&models, &dataset.key, &dataset.degrees, &dataset.config.adapt))?;
    let scores = pollster::block_on(ranker.similar(item))?;
    let ranked = top_k(&scores, &filter.masked(&[item]), args.top as usize);
    let listed: Vec<(u32, Value, String)> =
        ranked.iter().map(|r| (r.item, json!({"score": r.score}), format!("{:>8.3}", r.score))).collect();
    print(dataset, &listed, &filter, args.run.json)
}

pub(crate) fn popular(args: &CountedArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let filter = filter(&deployment, &args.rules.rules(false))?;
    let most = dataset.popularity.most(&filter.masked(&[]), args.top as usize);
    let listed: Vec<(u32, Value, String)> = most
        .into_iter()
        .map(|(item, people)| (item, json!({"people": people}), format!("{people:>8} people")))
        .collect();
    print(dataset, &listed, &filter, args.json)
}

pub(crate) fn newest(args: &CountedArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let filter = filter(&deployment, &args.rules.rules(false))?;
    let newest = dataset.popularity.newest(dataset.catalog.items.len(), &filter.masked(&[]), args.top as usize);
    let listed: Vec<(u32, Value, String)> = newest
        .into_iter()
        .map(|(item, since)| match since {
            Some(since) => (item, json!({"since": since}), format!("first record at {since}")),
            None => (item, json!({}), "nobody has it yet".to_owned()),
        })
        .collect();
    print(dataset, &listed, &filter, args.json)
}

fn filter(deployment: &Deployment, rules: &Rules) -> Result<Filter> {
    let dataset = &deployment.dataset;
    let closed = hidden::closed(&dataset.catalog, &dataset.down, &hidden::names(&deployment.state)?);
    Ok(rules.filter(&dataset.catalog, &closed)?)
}

/// Prints items in order, each with the value that it is listed by: as JSON, or in
/// words.
fn print(dataset: &Dataset, listed: &[(u32, Value, String)], filter: &Filter, as_json: bool) -> Result<ExitCode> {
    let items = &dataset.catalog.items;
    if as_json {
        let item = |(rank, (item, what, _)): (u32, &(u32, Value, String))| {
            let mut one = json!({"rank": rank, "item_id": items.ids[*item as usize], "name": items.name(*item)});
            if let (Some(one), Some(what)) = (one.as_object_mut(), what.as_object()) {
                one.extend(what.clone());
            }
            one
        };
        let listed: Vec<Value> = (1..).zip(listed).map(item).collect();
        print_json(&json!({"items": listed, "unknown": filter.unknown}))?;
        return Ok(ExitCode::SUCCESS);
    }
    name_skipped(&filter.unknown);
    for (rank, (item, _, words)) in (1..).zip(listed) {
        print_line(&format!("{rank:>4}  {:<40} {words}", shown(items.name(*item))))?;
    }
    if listed.is_empty() {
        print_line("nothing to list")?;
    }
    Ok(ExitCode::SUCCESS)
}
