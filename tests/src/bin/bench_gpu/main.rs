//! Measures a GPU in one run of under eight minutes without a network:
//!
//!     bench_gpu [--device cuda|wgpu|cpu] [--data DIR] [--seconds S] [--peak TFLOPS]
//!               [--python PROGRAM] [--small] [--json]
//!
//! The stages: large matrix products, the reference for shares; the same
//! training twice, whose bytes must agree; one shard of ML-1M, then all eight;
//! the paper's model; lists for all users; an epoch of a shard of a hundred
//! million synthetic records of a million items; and, with a Python that has
//! PyTorch, the same model there (tests/peers/episodes.py) on the same device.
//!
//! `--data` is a folder with ML-1M as atomic files; without it the records are
//! synthetic, in the shape of ML-1M. `--seconds` (420) limits the run: a stage
//! beyond its share of the time stops after its epoch, and prints how much it
//! did. `--peak` is the device's nominal speed in f32, in 10^12 operations per
//! second; without it the measured large products are the peak. `--small` is
//! for a trial. The output is a table, or with `--json` one object for each
//! figure.

mod stages;
mod worlds;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use eemu_core::fingerprint::device_name;
use eemu_server::device::{self, DeviceChoice};
use serde_json::{Map, Value, json};

// The server's allocator, which training uses too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Args {
    device: DeviceChoice,
    data: Option<PathBuf>,
    seconds: f64,
    peak: Option<f64>,
    python: Option<String>,
    small: bool,
    json: bool,
}

fn main() -> ExitCode {
    eemu_tests::ended(arguments().and_then(|args| bench(&args)))
}

fn arguments() -> Result<Args> {
    let mut args = Args {
        device: DeviceChoice::Cuda,
        data: None,
        seconds: 420.0,
        peak: None,
        python: None,
        small: false,
        json: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--small" => args.small = true,
            "--json" => args.json = true,
            "--device" | "--data" | "--seconds" | "--peak" | "--python" => {
                let value = words.next().with_context(|| format!("{word} wants a value after it"))?;
                match word.as_str() {
                    "--device" => {
                        args.device = DeviceChoice::from_str(&value, true).map_err(|why| anyhow!("--device: {why}"))?;
                    }
                    "--data" => args.data = Some(value.into()),
                    "--seconds" => args.seconds = value.parse().context("--seconds wants a number")?,
                    "--peak" => args.peak = Some(value.parse().context("--peak wants a number")?),
                    _ => args.python = Some(value),
                }
            }
            other => bail!(
                "{other} is not understood; known are --device, --data, --seconds, --peak, --python, --small and --json"
            ),
        }
    }
    ensure!(args.seconds > 0.0, "--seconds must be more than 0");
    ensure!(args.peak.is_none_or(|peak| peak > 0.0), "--peak must be more than 0");
    Ok(args)
}

/// Prints figures as they are measured.
struct Report {
    json: bool,
    began: Instant,
    seconds: f64,
}

impl Report {
    /// Prints a figure: a line of the table, or its parts as JSON.
    fn say(&self, what: &str, line: &str, parts: Value) {
        if !self.json {
            println!("{what:<28} {line}");
            return;
        }
        let mut object = Map::from_iter([("what".to_owned(), json!(what))]);
        if let Value::Object(parts) = parts {
            object.extend(parts);
        }
        println!("{}", Value::Object(object));
    }

    /// Whether enough time is left for a stage; prints a line if not.
    fn has(&self, what: &str) -> bool {
        let left = self.seconds > self.began.elapsed().as_secs_f64();
        if !left {
            self.say(what, "not measured: the time was over", json!({"measured": false}));
        }
        left
    }
}

fn bench(args: &Args) -> Result<()> {
    let device = device::open(args.device)?;
    let report = Report { json: args.json, began: Instant::now(), seconds: args.seconds };
    report.say("device", &device_name(&device), json!({"device": device_name(&device)}));
    // The time of a stage, as a share of the whole.
    let share = |share: f64| args.seconds * share;
    let measured = stages::products(&device, share(0.02), args.small, &report)?;
    let peak = args.peak.map_or(measured, |tera| tera * 1e12);
    stages::twice(&device, args.small, &report)?;
    let dataset = worlds::episodes(args)?;
    let shape = format!(
        "{} people, {} items, {} records",
        dataset.catalog.users.len(),
        dataset.catalog.items.len(),
        dataset.interactions.len()
    );
    report.say("data", &format!("{}: {shape}", dataset.catalog.dataset), json!({"data": dataset.catalog.dataset}));
    let shards = dataset.shards();
    let one = stages::train("one shard", &dataset, &shards[..1], &device, share(0.12), peak, &report)?;
    let all = match report.has("all shards") {
        true => stages::train("all shards at once", &dataset, &shards, &device, share(0.3), peak, &report)?,
        false => one,
    };
    if report.has("ranking") {
        stages::rank(&dataset, &all, share(0.08), &report)?;
    }
    if report.has("paper's model") {
        stages::paper(args, &device, share(0.1), &report)?;
    }
    if report.has("a hundred million") {
        stages::million(&device, share(0.2), args.small, &report)?;
    }
    match &args.python {
        None => report.say("PyTorch", "not measured: no Python with PyTorch is here", json!({"measured": false})),
        Some(_) if args.device == DeviceChoice::Wgpu => {
            report.say("PyTorch", "not measured: it has no WebGPU", json!({"measured": false}));
        }
        Some(python) if report.has("PyTorch") => stages::peer(python, args, share(0.04), &report)?,
        Some(_) => {}
    }
    let took = report.began.elapsed().as_secs_f64();
    report.say("all of this", &format!("{took:.0} s"), json!({"seconds": took}));
    Ok(())
}
