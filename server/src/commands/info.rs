//! `eemu info`.

use std::process::ExitCode;

use anyhow::Result;
use eemu_core::counted;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::receipt::Entry;
use serde_json::{Value, json};

use super::configuring::{keys, shown};
use super::{print_json, print_line};
use crate::cli::InfoArgs;
use crate::clock::now_exactly;
use crate::deployment::Deployment;
use crate::store::{Access, Erasure};

pub(crate) fn run(args: &InfoArgs) -> Result<ExitCode> {
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let dataset = &deployment.dataset;
    let records: Vec<usize> = dataset.shards().iter().map(eemu_core::shard::ShardData::len).collect();
    let shards = deployment.state.shards()?;
    let compacted = deployment.state.compacted()?;
    let features: Vec<&str> = dataset.catalog.items.columns.iter().map(|column| column.name.as_str()).collect();
    let entries = deployment.state.receipts()?;
    let is_receipt = |entry: &&crate::store::Receipt| matches!(Entry::from_line(&entry.json), Ok(Entry::Deletion(_)));
    let receipts = entries.iter().filter(is_receipt).count();
    if args.json {
        let shards: Vec<Value> = shards
            .iter()
            .map(|s| {
                let live = s.live.as_ref();
                json!({
                    "index": s.index,
                    "records": records.get(s.index as usize),
                    "version": s.version,
                    "stale": s.stale,
                    "model_blake3": live.map(|l| &l.model_blake3),
                    "fingerprint": live.and_then(|l| serde_json::from_str::<Fingerprint>(&l.fingerprint).ok()),
                    "seconds": live.map(|l| l.seconds),
                    "epochs": live.map(|l| l.epochs),
                    "catalog_version": live.and_then(|l| l.catalog),
                })
            })
            .collect();
        print_json(&json!({
            "dataset": dataset.catalog.dataset,
            "users": dataset.catalog.users.len(),
            "items": dataset.catalog.items.len(),
            "interactions": dataset.interactions.len(),
            "catalog_version": dataset.catalog.version,
            "item_features": features,
            "database": if deployment.state.is_shared() { "PostgreSQL" } else { "SQLite" },
            "models": deployment.state.models_at(),
            "erasure": deployment.state.erasure().name(),
            "overwritten": "before a deletion is acknowledged",
            "overwritten_last": compacted.overwritten,
            "compacted": compacted.done,
            "compaction_due": compacted.due,
            "items_down": dataset.down.iter().map(|&item| &dataset.catalog.items.ids[item as usize]).collect::<Vec<_>>(),
            "items_hidden": crate::hidden::names(&deployment.state)?,
            "accounts_deleted": dataset.catalog.users.deleted().count(),
            "tuned_on": deployment.settings.tuned_on,
            "data_of_searches": deployment.state.tuned()?,
            "shards": shards,
            "backups": deployment.state.backups()?,
            "receipts": receipts,
            "log_entries": entries.len(),
            "log_entries": entries.len(),
            "config": shown(&deployment.settings.config)?,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    print_line(&format!(
        "{}: {}, {}, {}",
        dataset.catalog.dataset,
        // A deleted user has left an index without a name.
        counted(dataset.catalog.users.len() - dataset.catalog.users.deleted().count(), "user"),
        counted(dataset.catalog.items.len(), "item"),
        counted(dataset.interactions.len(), "record")
    ))?;
    let listed = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    print_line(&format!("catalogue: version {}; item features: {listed}", dataset.catalog.version))?;
    let database = if deployment.state.is_shared() { "PostgreSQL" } else { "SQLite" };
    print_line(&format!("records in {database}, models in {}", deployment.state.models_at()))?;
    print_line(match deployment.state.erasure() {
        Erasure::Bytes => "erasure: byte-level, in every file of the state directory",
        Erasure::Logical => {
            "erasure: logical: PostgreSQL or the bucket may keep deleted rows and objects in old pages, logs, replicas \
             and archives"
        }
    })?;
    if let Some(due) = compacted.due {
        let minutes = ((due - now_exactly()) / 60.0).max(0.0);
        print_line(&format!(
            "what was deleted is overwritten on disk; stale copies are cleared within {minutes:.0} minutes"
        ))?;
    }
    if dataset.interactions.is_empty() {
        print_line("there are no records: nothing can be recommended")?;
    }
    if let Some(commitment) = &deployment.settings.tuned_on {
        print_line(&format!("configuration tuned on data {commitment}"))?;
    }
    for commitment in deployment.state.tuned()? {
        print_line(&format!("a search read this data: {commitment}"))?;
    }
    print_line(&format!("receipts: {receipts}, among {} entries of the log", entries.len()))?;
    for backup in deployment.state.backups()? {
        let days = (backup.expires - backup.created) / 86_400.0;
        print_line(&format!("a backup is out: {} (kept for {days:.0} days)", backup.id))?;
    }
    for shard in &shards {
        let state = match &shard.live {
            None => "no model".to_owned(),
            Some(live) => format!(
                "v{} model {}… {} epochs in {:.1} s{}",
                live.version,
                &live.model_blake3[..16.min(live.model_blake3.len())],
                live.epochs,
                live.seconds,
                if shard.stale { ", waits for retraining" } else { "" }
            ),
        };
        let count = records.get(shard.index as usize).copied().unwrap_or(0);
        print_line(&format!("shard {:>2}: {count:>7} records  {state}", shard.index))?;
    }
    print_line("settings (change with: eemu train --set KEY=VALUE):")?;
    for line in keys(&shown(&deployment.settings.config)?, "") {
        print_line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}
