//! One function for each figure.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use eemu_core::adapt::UserContext;
use eemu_core::dataset::{Dataset, History};
use eemu_core::model::model_blake3;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::{Device, from_vec, read};
use eemu_core::train::Trainer;
use eemu_server::device::DeviceChoice;
use pollster::block_on;
use serde_json::{Value, json};

use super::{Args, Report, worlds};

/// Operations per second of large square products by the device's library.
pub(super) fn products(device: &Device, seconds: f64, small: bool, report: &Report) -> Result<f64> {
    let side = if small { 256 } else { 4096 };
    let values = (0..side * side).map(|n| (n % 17) as f32 * 1e-2).collect();
    let a = from_vec(values, [side, side], device);
    let product = |times: usize| -> Result<f64> {
        let start = Instant::now();
        let mut last = a.clone();
        for _ in 0..times {
            last = a.clone().matmul(a.clone());
        }
        // The read waits for all products.
        block_on(read(last.narrow(0, 0, 1)))?;
        Ok(start.elapsed().as_secs_f64())
    };
    product(1)?;
    let once = product(2)? / 2.0;
    let times = ((seconds.min(5.0) / once) as usize).clamp(1, 1000);
    let rate = times as f64 * 2.0 * (side as f64).powi(3) / product(times)?;
    let line = format!("{:.2} TFLOP/s in f32 products of {side} x {side}", rate / 1e12);
    report.say("products", &line, json!({"flop_per_second": rate, "side": side}));
    Ok(rate)
}

/// Trains a small shard twice, and compares the bytes.
pub(super) fn twice(device: &Device, small: bool, report: &Report) -> Result<()> {
    let records = if small { 12_800 } else { 100_000 };
    let (catalog, mut config, shard) = worlds::part(records, 500, 1.0)?;
    config.train.epochs = 2;
    let train = || -> Result<String> {
        let mut trainer = Trainer::new(&catalog, &config, &shard, device)?;
        while !trainer.is_done() {
            block_on(trainer.epoch(|_| ()))?;
        }
        Ok(model_blake3(&block_on(trainer.model().values())?))
    };
    let same = train()? == train()?;
    report.say("same bytes twice", if same { "yes" } else { "no" }, json!({"same": same}));
    Ok(())
}

/// The query positions of a shard: every record except each user's first.
fn places(shard: &ShardData) -> usize {
    shard.cells.iter().map(|cell| cell.support.len().saturating_sub(1)).sum()
}

/// Trains shards in parallel, one thread each, to the end or until the time is
/// up. The share of the peak counts three products of positions, items and
/// columns.
pub(super) fn train(
    what: &str,
    dataset: &Dataset,
    shards: &[ShardData],
    device: &Device,
    seconds: f64,
    peak: f64,
    report: &Report,
) -> Result<Vec<ShardModel>> {
    let began = Instant::now();
    let mut trainers: Vec<Trainer<'_>> = shards
        .iter()
        .map(|shard| Ok(Trainer::new(&dataset.catalog, &dataset.config, shard, device)?))
        .collect::<Result<_>>()?;
    let start = began.elapsed().as_secs_f64();
    let epochs = dataset.config.train.epochs;
    let began = Instant::now();
    let done: Vec<(usize, f64)> = std::thread::scope(|scope| {
        let handles: Vec<_> = trainers
            .iter_mut()
            .map(|trainer| {
                let began = &began;
                scope.spawn(move || -> Result<(usize, f64)> {
                    let (mut done, mut first) = (0, 0.0);
                    while !trainer.is_done() && (done == 0 || began.elapsed().as_secs_f64() < seconds) {
                        block_on(trainer.epoch(|_| ()))?;
                        done += 1;
                        if done == 1 {
                            first = began.elapsed().as_secs_f64();
                        }
                    }
                    Ok((done, first))
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().map_err(|_| anyhow::anyhow!("{what}: the device failed"))?)
            .collect::<Result<_>>()
    })?;
    let took = began.elapsed().as_secs_f64();
    let all: usize = done.iter().zip(shards).map(|((done, _), shard)| done * places(shard)).sum();
    let first = done.iter().map(|(_, first)| *first).fold(0.0, f64::max);
    let least = done.iter().map(|(done, _)| *done).min().unwrap_or(0);
    // The first epoch includes compilation.
    let later: usize = done.iter().zip(shards).map(|((done, _), shard)| (done - 1) * places(shard)).sum();
    let rate = if later > 0 { later as f64 / (took - first).max(1e-9) } else { all as f64 / took };
    let (items, width) = (dataset.catalog.items.len() as f64, dataset.config.episodes.width as f64);
    let share = rate * 6.0 * items * (width + 1.0) / peak;
    let of_all = f64::from(epochs) * shards.iter().map(places).sum::<usize>() as f64;
    let to_end = start + first + (of_all / f64::from(epochs) * (f64::from(epochs) - 1.0)) / rate;
    let whole = if least == epochs as usize { "" } else { " (calculated)" };
    let line = format!(
        "{to_end:.1} s to the end{whole}: start {start:.1} s, first epoch {first:.1} s; {least} of {epochs} epochs, {rate:.0} places/s, {:.1}% of the peak",
        100.0 * share
    );
    let parts = json!({"seconds_to_end": to_end, "start_seconds": start, "first_epoch_seconds": first,
        "epochs": least, "epochs_wanted": epochs, "shards": shards.len(), "places_per_second": rate,
        "share_of_peak": share, "calculated": least < epochs as usize});
    report.say(what, &line, parts);
    Ok(trainers.into_iter().map(|trainer| trainer.finish().0).collect())
}

/// Lists for all users by all trained shards.
pub(super) fn rank(dataset: &Dataset, models: &[ShardModel], seconds: f64, report: &Report) -> Result<()> {
    let numbered: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranker = block_on(Ranker::new(&numbered, &dataset.key, &dataset.degrees, &dataset.config.adapt))?;
    let people: Vec<UserContext> = (0..dataset.interactions.users())
        .map(|user| dataset.person(user, History::Training))
        .filter(|person| !person.history.items().is_empty())
        .collect();
    let tiles: Vec<&[UserContext]> = people.chunks(ranker.people_together()).collect();
    block_on(ranker.scores(tiles[0], 0, false))?;
    let (mut ranked, began) = (0, Instant::now());
    for tile in &tiles {
        let scored = block_on(ranker.scores(tile, 0, false))?;
        ensure!(scored.iter().zip(*tile).all(|(s, p)| !top_k(&s.mean, p.history.items(), 10).is_empty()));
        ranked += tile.len();
        if began.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    let rate = ranked as f64 / began.elapsed().as_secs_f64();
    let line = format!("{rate:.0} lists/s by {} shards; {ranked} of {} people", models.len(), people.len());
    report.say("ranking", &line, json!({"lists_per_second": rate, "people": ranked, "shards": models.len()}));
    Ok(())
}

/// Users per second with the paper's model, as many as the time allows.
pub(super) fn paper(args: &Args, device: &Device, seconds: f64, report: &Report) -> Result<()> {
    let dataset = worlds::paper(args)?;
    let shard = dataset.shards().swap_remove(0);
    let batch = dataset.config.train.users_per_batch;
    let first = |people: usize| {
        let cells = shard.cells[..people.min(shard.cells.len())].to_vec();
        ShardData { index: shard.index, cells }
    };
    let epoch = |part: &ShardData| -> Result<f64> {
        let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, part, device)?;
        let began = Instant::now();
        block_on(trainer.epoch(|_| ()))?;
        Ok(began.elapsed().as_secs_f64())
    };
    let warm = first(2 * batch);
    epoch(&warm)?;
    let each = epoch(&warm)? / warm.cells.len() as f64;
    let part = first(((seconds / each) as usize / batch).max(1) * batch);
    let took = epoch(&part)?;
    let rate = part.cells.len() as f64 / took;
    let line = format!("{rate:.1} people/s; a shard-epoch {:.1} s", shard.cells.len() as f64 / rate);
    report.say("paper's model", &line, json!({"people_per_second": rate, "people": part.cells.len()}));
    Ok(())
}

/// An epoch of a shard of a hundred million records and a million items, or the
/// part of it that the time allows.
pub(super) fn million(device: &Device, seconds: f64, small: bool, report: &Report) -> Result<()> {
    let (records, items) = if small { (200_000, 12_000) } else { (100_000_000, 1_000_000) };
    let what = "a hundred million";
    let measure = |share: f64| -> Result<(usize, f64)> {
        let (catalog, config, shard) = worlds::part(records, items, share)?;
        let mut trainer = Trainer::new(&catalog, &config, &shard, device)?;
        let began = Instant::now();
        block_on(trainer.epoch(|_| ()))?;
        Ok((places(&shard), began.elapsed().as_secs_f64()))
    };
    // The trial includes compilation, and measures how much fits into the time.
    let trial = if small { 0.2 } else { 0.002 };
    measure(trial)?;
    let (_, took) = measure(trial)?;
    let share = (trial * 0.6 * seconds / took).clamp(trial, 1.0);
    let (done, took) = measure(share)?;
    let whole = took * (records as f64 * 0.99 / 8.0) / done as f64;
    let line = format!(
        "a shard-epoch of {records} records of {items} items in eight shards: {whole:.1} s, from {:.0}% of it",
        100.0 * share
    );
    let parts = json!({"records": records, "items": items, "shard_epoch_seconds": whole, "share_measured": share,
        "places_per_second": done as f64 / took});
    report.say(what, &line, parts);
    Ok(())
}

/// The same model in PyTorch.
pub(super) fn peer(python: &str, args: &Args, seconds: f64, report: &Report) -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/episodes.py");
    let device = if args.device == DeviceChoice::Cpu { "cpu" } else { "cuda" };
    for what in ["train", "rank"] {
        let mut command = Command::new(python);
        command.arg(script).args(&args.data).args(["--what", what, "--device", device, "--threads", "1"]);
        command.args(["--seconds", &format!("{seconds:.0}")]).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().with_context(|| format!("cannot run {python}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(found) = said.lines().find_map(|line| serde_json::from_str::<Value>(line).ok()) else {
            let why = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it said nothing").to_owned();
            report.say(&format!("PyTorch, {what}"), &format!("failed: {why}"), json!({"failed": why}));
            continue;
        };
        let rate = found["places_per_second"].as_f64().or(found["rankings_per_second"].as_f64()).unwrap_or_default();
        let unit = if what == "train" { "places/s" } else { "lists/s of one shard" };
        report.say(&format!("PyTorch, {what}"), &format!("{rate:.0} {unit}"), found);
    }
    Ok(())
}
