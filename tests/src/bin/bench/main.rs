//! Measures how fast one shard trains and ranks:
//!
//!     bench [--data DIR] [--threads N] [--seconds S] [--model default|two-tower|paper]
//!           [--device cpu|cuda|wgpu|auto] [--tile PEOPLE] [--batch USERS]
//!     bench --synthetic RECORDS [--items N] [--threads N] [--model default|two-tower]
//!
//! A table goes to standard error, and one JSON object for each figure to
//! standard output (`cargo xtask bench` reads those). `--data` takes the same
//! path as `eemu import`; without it the built-in data set is used. The default
//! model counts query positions of training, and prints which share of the
//! processor's peak for matrix products it reaches. The low-rank models count
//! users, next to a naive loop that does the same one user at a time; their
//! user features are those of the paper (age, gender, occupation) if the data
//! has them. `--seconds` limits each measurement (20), `--device` is where both
//! sides compute (cpu), `--tile` is how many users are ranked together (as in
//! evaluation), `--batch` is how many users a low-rank batch has. `--synthetic`
//! measures the cost of made-up records from the import to one epoch of one
//! shard.

mod of_items;

use std::fmt::Write as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::ValueEnum;
use eemu_core::adapt::{UserContext, adaptation_pairs};
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{AtomicFiles, Holdout, ImportOptions, Source, are_timed, read_atomic};
use eemu_core::dataset::{Dataset, History};
use eemu_core::model::{EntityRef, ModelConfig, Pair, Parameters, Task, TensorMap};
use eemu_core::random::Stream;
use eemu_core::recommend::Ranker;
use eemu_core::shard::{ShardData, UserSlice};
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::train::Trainer;
use eemu_server::device::{self, DeviceChoice};
use eemu_server::import;
use eemu_server::stopwatch::Watch;
use eemu_tests::made_up::Lines;
use eemu_tests::slow::{Gradient, Slow, read};
use pollster::block_on;

// The server's allocator: batches allocate and free the same large blocks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Users that a loop processes before its clock starts, because a GPU compiles
/// its programs first.
const WARM: usize = 2;

/// Which model is measured.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// Item embeddings trained by episodes.
    Default,
    /// Two towers with the training settings of a deployment.
    TwoTower,
    /// The paper's towers, negatives and seven adaptation pairs.
    Paper,
}

struct Args {
    data: Option<PathBuf>,
    synthetic: Option<usize>,
    threads: usize,
    seconds: f64,
    items: Option<usize>,
    model: Choice,
    device: DeviceChoice,
    /// Users ranked together; as many as evaluation takes if absent.
    tile: Option<usize>,
    /// Users in a training batch; as many as configured if absent.
    batch: Option<usize>,
}

fn main() -> ExitCode {
    let result = arguments().and_then(|args| {
        // 0 leaves the number of threads to RAYON_NUM_THREADS and the machine.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
        pool.install(|| match args.synthetic {
            Some(records) => synthetic(records, &args),
            None if args.model == Choice::Default => of_items::bench(&args),
            None => bench(&args),
        })
    });
    eemu_tests::ended(result)
}

fn arguments() -> Result<Args> {
    let mut args = Args {
        data: None,
        synthetic: None,
        threads: 0,
        seconds: 20.0,
        items: None,
        model: Choice::Default,
        device: DeviceChoice::Cpu,
        tile: None,
        batch: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().with_context(|| format!("{name} wants a value after it"));
        match name.as_str() {
            "--data" => args.data = Some(value?.into()),
            "--synthetic" => args.synthetic = Some(value?.parse().context("--synthetic wants a number of records")?),
            "--threads" => args.threads = value?.parse().context("--threads wants a number")?,
            "--seconds" => args.seconds = value?.parse().context("--seconds wants a number")?,
            "--model" => {
                args.model = match value?.as_str() {
                    "default" => Choice::Default,
                    "two-tower" => Choice::TwoTower,
                    "paper" => Choice::Paper,
                    other => bail!("--model is default, two-tower or paper, not {other}"),
                }
            }
            "--device" => {
                args.device = DeviceChoice::from_str(&value?, true).map_err(|why| anyhow!("--device: {why}"))?
            }
            "--items" => args.items = Some(positive(&value?).context("--items")?),
            "--tile" => args.tile = Some(positive(&value?).context("--tile")?),
            "--batch" => args.batch = Some(positive(&value?).context("--batch")?),
            other => bail!(
                "unknown argument {other}; known are --data, --threads, --seconds, --model, --device, --tile, --batch, --items and --synthetic"
            ),
        }
    }
    ensure!(args.seconds > 0.0, "--seconds must be more than 0");
    Ok(args)
}

fn positive(text: &str) -> Result<usize> {
    let number = text.parse().context("wants a number")?;
    ensure!(number > 0, "must be more than 0");
    Ok(number)
}

/// Prints one flat JSON object. The values must be valid JSON.
fn figure(what: &str, fields: &[(&str, String)]) {
    let mut line = format!("{{\"what\": \"{what}\"");
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(line, ", \"{name}\": {value}");
    }
    println!("{line}, \"threads\": {}}}", rayon::current_num_threads());
}

/// A line of /proc/self/status in MB; `None` if there is no such file.
fn memory(line: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// A rate per second, by the clock and by processor time.
struct Speed {
    clock: f64,
    processor: Option<f64>,
}

impl Speed {
    fn new(count: usize, seconds: f64, processor: Option<f64>) -> Self {
        let count = count as f64;
        Self { clock: count / seconds, processor: processor.map(|used| count / used.max(0.01)) }
    }
}

fn json_seconds(value: Option<f64>) -> String {
    value.map_or("null".into(), |seconds| format!("{seconds:.2}"))
}

fn megabytes(value: Option<f64>) -> String {
    value.map_or("unknown".into(), |mb| format!("{mb:.0} MB"))
}

fn json_megabytes(value: Option<f64>) -> String {
    value.map_or("null".into(), |mb| format!("{mb:.0}"))
}

fn dataset(data: Option<&Path>, paper: bool) -> Result<Dataset> {
    let imported = match data {
        Some(path) => import::open(path, &import::ImportOptions::default())?,
        None => import::built_in()?,
    };
    let mut catalog = imported.catalog;
    let features = ["age", "gender", "occupation"];
    let columns = std::sync::Arc::make_mut(&mut catalog.users.columns);
    if features.iter().all(|name| columns.iter().any(|c| c.name == *name)) {
        columns.retain(|c| features.contains(&c.name.as_str()));
    }
    let mut config =
        Config { holdout: Holdout::LeaveOneOut, ..Config::default() }.low_rank(are_timed(&imported.records));
    if paper {
        config.model = ModelConfig { unknown_rows: true, table_scale: 0.1, ..ModelConfig::paper() };
        config.adapt = AdaptConfig::paper();
        config.train.in_batch_negatives = 1;
        config.train.support_weight = 0.0;
    }
    Ok(Dataset::new(catalog, imported.records, config)?.0)
}

fn first(shard: &ShardData, cells: usize) -> ShardData {
    ShardData { index: shard.index, cells: shard.cells[..cells.min(shard.cells.len())].to_vec() }
}

fn bench(args: &Args) -> Result<()> {
    let device = device::open(args.device)?;
    let mut dataset = dataset(args.data.as_deref(), args.model == Choice::Paper)?;
    if let Some(batch) = args.batch {
        dataset.config.train.users_per_batch = batch;
    }
    let shard = dataset.shards().swap_remove(0);
    let (model, train) = train(&dataset, &shard, args.seconds, &device)?;
    let people: Vec<UserContext> = (0..dataset.interactions.users())
        .map(|u| dataset.person(u, History::Training))
        .filter(|p| !p.history.items().is_empty())
        .collect();
    let (rank, scores) = rank(&dataset, &people, &model, args)?;
    let peak = memory("VmHWM");
    figure("memory", &[("peak_memory_mb", json_megabytes(peak))]);
    eprintln!("peak memory so far {}", megabytes(peak));

    let slow = Slow::new(&dataset.catalog, &dataset.config.model, &device);
    let theta = block_on(model.values())?;
    let train_slow = train_slowly(&dataset, &shard, &slow, &theta, args.seconds)?;
    let rank_slow = rank_slowly(&dataset, &people, &slow, &theta, args.seconds)?;
    // Compared on the CPU, because a GPU's own matrix products are less
    // precise.
    let judge = Slow::new(&dataset.catalog, &dataset.config.model, &device::cpu());
    let worst = worst_difference(&dataset, &people, &judge, &theta, &scores)?;
    figure("check", &[("worst_difference", format!("{worst:.2e}"))]);
    eprintln!("scores differ by {worst:.1e} of their norm at most from those of one user at a time on the CPU");
    ensure!(worst < 1e-3, "the loop's scores are others: they differ by {worst:.1e} of their norm");
    for (what, ours, slow) in [("train", train, train_slow), ("rank", rank, rank_slow)] {
        let clock = ours.clock / slow.clock;
        let processor = ours.processor.zip(slow.processor).map(|(ours, slow)| ours / slow);
        let json = processor.map_or("null".into(), |times| format!("{times:.1}"));
        figure(&format!("{what}_ratio"), &[("times", format!("{clock:.1}")), ("times_by_processor", json)]);
        let by_processor = processor.map(|times| format!(", {times:.1} times by processor time")).unwrap_or_default();
        eprintln!(
            "{what:<6}{:>10.1}/s against {:>7.2}/s one user at a time: {clock:.1} times{by_processor}",
            ours.clock, slow.clock
        );
    }
    Ok(())
}

/// Trains a few batches to warm up, then one epoch, or the part of one that
/// fits the time.
fn train(dataset: &Dataset, shard: &ShardData, seconds: f64, device: &Device) -> Result<(ShardModel, Speed)> {
    let batch = dataset.config.train.users_per_batch;
    let warm = first(shard, 8 * batch);
    let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, &warm, device)?;
    // A GPU compiles its programs in the first epoch.
    block_on(trainer.epoch(|_| ()))?;
    let start = Instant::now();
    block_on(trainer.epoch(|_| ()))?;
    let rate = warm.cells.len() as f64 / start.elapsed().as_secs_f64();
    let count = trainer.model().parameters().map_or(0, Parameters::count);
    eprintln!(
        "{}: {} users, {} items, {} records; {count} parameters; {} threads",
        dataset.catalog.dataset,
        dataset.catalog.users.len(),
        dataset.catalog.items.len(),
        dataset.interactions.len(),
        rayon::current_num_threads()
    );

    let part = first(shard, ((rate * seconds) as usize / batch + 1) * batch);
    let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, &part, device)?;
    let watch = Watch::start();
    block_on(trainer.epoch(|_| ()))?;
    let (took, processor) = (watch.seconds(), watch.processor());
    let rate = part.cells.len() as f64 / took;
    let (records, all) = (part.len(), shard.len());
    figure(
        "train",
        &[
            ("users_per_second", format!("{rate:.2}")),
            ("records_per_second", format!("{:.1}", records as f64 / took)),
            ("users", part.cells.len().to_string()),
            ("records", records.to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
            ("shard_epoch_seconds", format!("{:.3}", took * all as f64 / records.max(1) as f64)),
            ("shard_records", all.to_string()),
            ("parameters", count.to_string()),
        ],
    );
    eprintln!(
        "train {rate:>10.1} users/s ({records} of the shard's {all} records in {took:.2} s; a whole shard-epoch {:.2} s)",
        took * all as f64 / records.max(1) as f64
    );
    Ok((trainer.finish().0, Speed::new(part.cells.len(), took, processor)))
}

/// Ranks tiles of users until the time is up. Returns the first tile's scores
/// too, for the comparison with the loop.
fn rank(dataset: &Dataset, people: &[UserContext], model: &ShardModel, args: &Args) -> Result<(Speed, Vec<Vec<f32>>)> {
    let ranker = block_on(Ranker::new(&[(0, model)], &dataset.key, &dataset.degrees, &dataset.config.adapt))?;
    let together = args.tile.unwrap_or_else(|| ranker.people_together());
    let tile = &people[..together.min(people.len())];
    // Warm-up; its scores are compared with the loop's.
    let scores = block_on(ranker.scores(tile, 0, false))?.into_iter().map(|s| s.mean).collect();
    let (mut ranked, mut request, watch) = (0, 1, Watch::start());
    'time: loop {
        for tile in people.chunks(together) {
            block_on(ranker.scores(tile, request, false))?;
            ranked += tile.len();
            if watch.seconds() > args.seconds {
                break 'time;
            }
        }
        request += 1;
    }
    let (took, processor) = (watch.seconds(), watch.processor());
    let rate = ranked as f64 / took;
    figure(
        "rank",
        &[
            ("rankings_per_second", format!("{rate:.2}")),
            ("rankings", ranked.to_string()),
            ("items", dataset.catalog.items.len().to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
        ],
    );
    eprintln!("rank  {rate:>10.1} adapted rankings of {} items/s, one shard", dataset.catalog.items.len());
    Ok((Speed::new(ranked, took, processor), scores))
}

/// Pairs each positive with one negative of each kind. This is not timed.
fn loop_task(stream: &mut Stream, shard: &ShardData, cell: &UserSlice, items: usize, positives: &[u32]) -> Task {
    let own: Vec<u32> = cell.items().collect();
    let mut pairs = Vec::with_capacity(2 * positives.len());
    for &positive in positives {
        let other = &shard.cells[stream.below(shard.cells.len())];
        let theirs: Vec<u32> = other.items().collect();
        for negative in [stream.below(items) as u32, theirs[stream.below(theirs.len())]] {
            if !own.contains(&negative) {
                pairs.push(Pair { positive, negative });
            }
        }
    }
    Task { user: EntityRef::Known(cell.user), pairs }
}

/// Algorithm 1 as written: each user gets a copy of every parameter, an inner
/// step on all of it, and the query gradient there; each batch takes one outer
/// step. The outer step is plain instead of Adam, which favours the loop.
fn train_slowly(dataset: &Dataset, shard: &ShardData, slow: &Slow, theta: &TensorMap, seconds: f64) -> Result<Speed> {
    let config = &dataset.config.train;
    let items = dataset.catalog.items.len();
    let mut theta = theta.clone();
    let (mut users, mut took, watch) = (0, 0.0, Watch::start());
    for (number, cells) in shard.cells.chunks(config.users_per_batch).cycle().enumerate() {
        let stream = &mut dataset.key.stream("bench loop", &[&number.to_le_bytes()]);
        let tasks: Vec<(Task, Task)> = cells
            .iter()
            .map(|cell| {
                let mut task = |positives: &[u32]| loop_task(stream, shard, cell, items, positives);
                (task(&cell.support), task(&cell.query))
            })
            .collect();
        if number == 0 {
            for (support, query) in tasks.iter().take(WARM) {
                let adapted = slow.adapt(&theta, support, config.inner_step, config.inner_steps)?;
                slow.judge(&adapted.theta, query)?;
            }
        }
        let start = Instant::now();
        let mut sum = Sum::default();
        for (support, query) in &tasks {
            let adapted = slow.adapt(&theta, support, config.inner_step, config.inner_steps)?;
            let judged = slow.judge(&adapted.theta, query)?;
            sum.add(judged.gradient);
            users += 1;
            if took + start.elapsed().as_secs_f64() > seconds {
                break;
            }
        }
        sum.apply(&mut theta, config.outer_step / cells.len() as f32)?;
        took += start.elapsed().as_secs_f64();
        if took > seconds {
            break;
        }
    }
    let processor = watch.processor();
    let rate = users as f64 / took;
    figure(
        "train_loop",
        &[
            ("users_per_second", format!("{rate:.3}")),
            ("users", users.to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
            ("peak_memory_mb", json_megabytes(memory("VmHWM"))),
        ],
    );
    eprintln!("train {rate:>10.2} users/s, one user at a time");
    Ok(Speed::new(users, took, processor))
}

/// The sum of a batch's gradients.
#[derive(Default)]
struct Sum(Option<Gradient>);

impl Sum {
    fn add(&mut self, gradient: Gradient) {
        let Some(sum) = &mut self.0 else {
            self.0 = Some(gradient);
            return;
        };
        for (name, gradient) in gradient {
            match sum.remove(&name) {
                Some(before) => sum.insert(name, before + gradient),
                None => sum.insert(name, gradient),
            };
        }
    }

    fn apply(self, theta: &mut TensorMap, rate: f32) -> Result<()> {
        for (name, gradient) in self.0.unwrap_or_default() {
            let (_, values) = theta.get_mut(&name).with_context(|| format!("no parameter '{name}'"))?;
            values.iter_mut().zip(read(gradient)?).for_each(|(value, gradient)| *value -= rate * gradient);
        }
        Ok(())
    }
}

fn adaptation_task(dataset: &Dataset, person: &UserContext, request: u64) -> Task {
    let pairs = adaptation_pairs(&dataset.key, person, &dataset.degrees, &dataset.config.adapt, request);
    Task { user: person.rows[0], pairs }
}

/// Algorithm 2 for one user: copy, adapt, run the item tower over the catalogue.
fn scores_slowly(dataset: &Dataset, task: &Task, slow: &Slow, theta: &TensorMap) -> Result<Vec<f32>> {
    let config = &dataset.config.adapt;
    let adapted = slow.adapt(theta, task, config.step, config.steps)?;
    slow.scores(&adapted.theta, task.user)
}

/// The greatest difference between the first users' scores and the loop's,
/// relative to the norm.
fn worst_difference(
    dataset: &Dataset,
    people: &[UserContext],
    slow: &Slow,
    theta: &TensorMap,
    ours: &[Vec<f32>],
) -> Result<f64> {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let mut worst = 0.0f64;
    for (person, ours) in people.iter().zip(ours).take(16) {
        let scores = scores_slowly(dataset, &adaptation_task(dataset, person, 0), slow, theta)?;
        let difference = norm(&mut scores.iter().zip(ours).map(|(a, b)| a - b));
        worst = worst.max(difference / norm(&mut ours.iter().copied()).max(1e-9));
    }
    Ok(worst)
}

/// Ranks one user at a time until the time is up.
fn rank_slowly(
    dataset: &Dataset,
    people: &[UserContext],
    slow: &Slow,
    theta: &TensorMap,
    seconds: f64,
) -> Result<Speed> {
    for person in people.iter().take(WARM) {
        scores_slowly(dataset, &adaptation_task(dataset, person, 0), slow, theta)?;
    }
    let (mut ranked, mut took, watch) = (0, 0.0, Watch::start());
    for (place, person) in people.iter().cycle().enumerate() {
        let task = adaptation_task(dataset, person, (place / people.len()) as u64);
        let start = Instant::now();
        scores_slowly(dataset, &task, slow, theta)?;
        took += start.elapsed().as_secs_f64();
        ranked += 1;
        if took > seconds {
            break;
        }
    }
    let processor = watch.processor();
    let rate = ranked as f64 / took;
    figure(
        "rank_loop",
        &[
            ("rankings_per_second", format!("{rate:.3}")),
            ("rankings", ranked.to_string()),
            ("seconds", format!("{took:.3}")),
            ("processor_seconds", json_seconds(processor)),
            ("peak_memory_mb", json_megabytes(memory("VmHWM"))),
        ],
    );
    eprintln!("rank  {rate:>10.2} adapted rankings/s, one user at a time");
    Ok(Speed::new(ranked, took, processor))
}

fn synthetic(records: usize, args: &Args) -> Result<()> {
    ensure!(records > 0, "--synthetic wants one record at least");
    let items = args.items.unwrap_or((records / 100).clamp(200, 1_000_000));
    let stage = |name: &str, watch: &Watch, more: &str| {
        let took = watch.seconds();
        let (now, peak) = (memory("VmRSS"), memory("VmHWM"));
        figure(
            "synthetic",
            &[
                ("stage", format!("\"{name}\"")),
                ("seconds", format!("{took:.3}")),
                ("processor_seconds", json_seconds(watch.processor())),
                ("memory_mb", json_megabytes(now)),
                ("peak_memory_mb", json_megabytes(peak)),
            ],
        );
        eprintln!("{name:<12}{took:>8.2} s, {} now, {} at most; {more}", megabytes(now), megabytes(peak));
    };
    let watch = Watch::start();
    let files = AtomicFiles {
        dataset: "synthetic".into(),
        inter: Source::new("synthetic.inter", BufReader::new(Lines::new(records, items))),
        users: None,
        items: None,
        dense: Vec::new(),
    };
    let imported = read_atomic(files, &ImportOptions::default())?;
    stage("import", &watch, &format!("{} users, {} items", imported.catalog.users.len(), imported.catalog.items.len()));

    let watch = Watch::start();
    let config = match args.model {
        Choice::Default => Config::fitting(Holdout::None, are_timed(&imported.records)),
        _ => Config { model: ModelConfig::small(), ..Config::default().low_rank(are_timed(&imported.records)) },
    };
    let (dataset, duplicates) = Dataset::new(imported.catalog, imported.records, config)?;
    stage("world", &watch, &format!("{} records after {duplicates} duplicates", dataset.interactions.len()));

    let watch = Watch::start();
    let shard = dataset.shards().swap_remove(0);
    let catalog = &dataset.catalog;
    stage("shard", &watch, &format!("{} records in shard 0 of {}", shard.len(), dataset.config.train.shards));

    let watch = Watch::start();
    let mut trainer = Trainer::new(catalog, &dataset.config, &shard, &Device::Flex(Default::default()))?;
    stage("start", &watch, &format!("{} parameters", trainer.model().parameters().map_or(0, Parameters::count)));
    let watch = Watch::start();
    block_on(trainer.epoch(|_| ()))?;
    let rate = shard.len() as f64 / watch.seconds();
    stage("epoch", &watch, &format!("{rate:.0} records/s, {} threads", rayon::current_num_threads()));
    Ok(())
}
