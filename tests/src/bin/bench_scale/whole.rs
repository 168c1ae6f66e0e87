//! Measures the way of many records through the real command, step by step: a
//! table is imported, one shard is packed and trained for one epoch, and one
//! record is deleted from a running service. Each step runs in a process of its
//! own, so that its memory can be measured.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use eemu_core::tensor::Device;
use eemu_core::train::Trainer;
use eemu_server::serve::tokens::Scope;
use eemu_server::stopwatch::Watch;
use eemu_server::unit::Input;
use eemu_tests::made_up::Lines;
use eemu_tests::service::{Process, token};
use serde_json::{Value, json};

use super::{Args, ITEMS, memory, publish_untrained, rounded};

/// The number of items for a number of records.
fn items(args: &Args, records: u64) -> usize {
    args.items.unwrap_or_else(|| (records as usize / 100).clamp(ITEMS as usize, 1_000_000))
}

/// Runs all steps; prints one JSON object for each.
pub(super) fn bench(args: &Args, records: u64) -> Result<()> {
    let kept = tempfile::tempdir_in(&args.at)?;
    let (table, state) = (kept.path().join("made-up.inter"), kept.path().join("state"));
    let items = items(args, records);
    let say = |step: &str, took: f64, peak: Option<u64>, more: Value| {
        let mut line = json!({"step": step, "records": records, "items": items, "seconds": rounded(took)});
        line["peak_memory_mb"] = json!(peak);
        if let (Value::Object(line), Value::Object(more)) = (&mut line, more) {
            line.extend(more);
        }
        println!("{line}");
    };

    let began = Instant::now();
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&table)?);
    std::io::copy(&mut Lines::new(records as usize, items), &mut file)?;
    file.flush()?;
    drop(file);
    say("table written", began.elapsed().as_secs_f64(), None, json!({"mb": size(&table)? >> 20}));

    let eemu = eemu_tests::program()?;
    let mut import = Command::new(&eemu);
    import.args(["import", "--holdout", "none", "--seed", "7310315", "--quiet"]);
    import.arg("--data").arg(&table).arg("--state").arg(&state);
    let (took, peak) = watched(import.stdout(Stdio::null()))?;
    say("import", took, peak, json!({"mb": size(&state)? >> 20}));
    std::fs::remove_file(&table)?;

    let input = kept.path().join("shard-0.input");
    let mut pack = Command::new(&eemu);
    pack.args(["shard", "pack", "--shard", "0"]).arg("--out").arg(&input).arg("--state").arg(&state);
    let (took, peak) = watched(pack.stdout(Stdio::null()))?;
    say("shard pack", took, peak, json!({"mb": size(&input)? >> 20}));

    let mut epoch = Command::new(std::env::current_exe()?);
    let (took, peak) = watched(epoch.arg("--epoch-of").arg(&input))?;
    say("shard-epoch, with its start", took, peak, json!({}));
    std::fs::remove_file(&input)?;

    publish_untrained(&state.as_path().into())?;
    let admin = token(&state, Scope::Admin)?;
    let began = Instant::now();
    let process = Process::start(&state, &["--settle", "3600", "--additions", "86400"], &[])?;
    say("service ready", began.elapsed().as_secs_f64(), memory(&process, "VmHWM"), json!({}));
    let first = BufReader::new(Lines::new(records as usize, items)).lines().nth(1).context("there is no record")??;
    let (user, item) = first.split_once('\t').context("a record names somebody")?;
    let item = item.split('\t').next().context("a record names an item")?;
    let body = json!({"user": user, "items": [item]});
    let began = Instant::now();
    let (status, answer) = process.post("/api/v1/interactions/delete", &admin, &body)?;
    ensure!(status == 202, "the deletion was answered with {status}: {answer}");
    let took = began.elapsed().as_secs_f64();
    say("a record deleted", took, memory(&process, "VmHWM"), json!({"ms": rounded(took * 1e3)}));
    Ok(())
}

/// Trains one epoch of a packed shard in this process.
pub(super) fn epoch_of(input: &Path) -> Result<()> {
    let unit = Input::read(input)?.unit;
    let device = Device::Flex(Default::default());
    let mut trainer = Trainer::new(&unit.catalog, &unit.config, &unit.data, &device)?;
    let watch = Watch::start();
    pollster::block_on(trainer.epoch(|_| ()))?;
    let figures = json!({
        "step": "shard-epoch",
        "records": unit.data.len(),
        "seconds": rounded(watch.seconds()),
        "processor_seconds": watch.processor().map(rounded),
    });
    println!("{figures}");
    Ok(())
}

/// Runs a step. Returns its seconds and its peak memory in MB.
fn watched(command: &mut Command) -> Result<(f64, Option<u64>)> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        let read = std::fs::read_to_string(&status).unwrap_or_default();
        let line = read.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(now.map(|kb| kb / 1024));
        if let Some(end) = child.try_wait()? {
            if !end.success() {
                bail!("{command:?} ended with {end}");
            }
            return Ok((began.elapsed().as_secs_f64(), peak));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes of a file, or of all files in a folder.
fn size(path: &Path) -> Result<u64> {
    let about = std::fs::metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    std::fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
