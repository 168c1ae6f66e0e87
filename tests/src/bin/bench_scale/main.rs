//! Measures how the cost of a change grows with the data of a service, over
//! loopback with the real command:
//!
//!     bench_scale [--records N,N,...] [--changes N] [--at DIR] [--bulk N]
//!                 [--postgres yes]
//!     bench_scale --whole yes [--records N,N,...] [--items N] [--at DIR]
//!
//! For each number of records the program creates a state of random records and
//! serves it. A state has a hundred records for each user, 20,000 items and
//! eight shards with the default model, untrained, because training is not
//! measured. The program measures memory, the median time to the answer and the
//! bytes written for single deletions, whole accounts and additions, and how
//! many records per second bulk requests add. One JSON object for each size
//! goes to standard output. The states are deleted at the end.
//!
//! With `--postgres yes` the records are in a PostgreSQL server that the
//! program starts (or the one that EEMU_TEST_POSTGRES names); bytes written are
//! then not measured. `--whole yes` measures the whole way of many records
//! ([`whole`]).

mod whole;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::data::{Catalog, Entities, Holdout, ImportReport, Imported, Interaction};
use eemu_core::fingerprint::Fingerprint;
use eemu_core::model::model_blake3;
use eemu_core::random::Key;
use eemu_core::shard_model::ShardModel;
use eemu_server::deployment::{Deployment, model_files};
use eemu_server::serve::tokens::{Scope, Tokens};
use eemu_server::store::{Access, Location, Publication, State};
use eemu_tests::postgres::{Postgres, located};
use eemu_tests::service::Process;
use eemu_tests::worlds::cpu;
use serde_json::{Value, json};

const ITEMS: u32 = 20_000;
const A_PERSON: u32 = 100;
const SHARDS: u32 = 8;
/// Lines in a bulk request.
const LINES: usize = 10_000;

struct Args {
    records: Vec<u64>,
    changes: usize,
    bulk: usize,
    at: PathBuf,
    postgres: bool,
    whole: bool,
    items: Option<usize>,
    /// The input of a shard; this process trains one epoch of it.
    epoch_of: Option<PathBuf>,
}

fn main() -> ExitCode {
    eemu_tests::ended(arguments().and_then(|args| run(&args)))
}

fn run(args: &Args) -> Result<()> {
    if let Some(input) = &args.epoch_of {
        return whole::epoch_of(input);
    }
    let bench = if args.whole { whole::bench } else { bench };
    args.records.iter().try_for_each(|records| bench(args, *records))
}

fn arguments() -> Result<Args> {
    let mut args = Args {
        records: vec![200_000, 2_000_000],
        changes: 30,
        bulk: 100_000,
        at: std::env::temp_dir(),
        postgres: false,
        whole: false,
        items: None,
        epoch_of: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--records" => {
                let numbers: Result<Vec<u64>, _> = value.split(',').map(str::parse).collect();
                args.records = numbers.context("--records wants numbers")?;
            }
            "--changes" => args.changes = value.parse().context("--changes wants a number")?,
            "--bulk" => args.bulk = value.parse().context("--bulk wants a number")?,
            "--at" => args.at = value.into(),
            "--postgres" => args.postgres = value == "yes",
            "--whole" => args.whole = value == "yes",
            "--items" => args.items = Some(value.parse().context("--items wants a number")?),
            "--epoch-of" => args.epoch_of = Some(value.into()),
            _ => bail!(
                "{word} is not understood; known: --records, --changes, --bulk, --at, --postgres yes, \
                      --whole yes, --items"
            ),
        }
    }
    Ok(args)
}

/// The item of a user's nth record: different for each n, and spread over all
/// items.
fn item(user: u32, nth: u32) -> u32 {
    (user.wrapping_mul(7919) % ITEMS + nth * 197) % ITEMS
}

fn make(place: &Location, records: u64) -> Result<u32> {
    let users = u32::try_from(records / u64::from(A_PERSON))?.max(1);
    let names = |kind: &str, count: u32| (0..count).map(|n| format!("{kind}-{n}")).collect();
    let catalog = Catalog {
        dataset: format!("{records} random records"),
        version: 1,
        users: Entities::new(names("person", users), Vec::new(), Vec::new())?,
        items: Entities::new(names("item", ITEMS), Vec::new(), Vec::new())?,
    };
    let one = |user: u32, nth: u32| Interaction {
        user,
        item: item(user, nth),
        timestamp: Some(1.6e9 + f64::from(nth) * 1e4 + f64::from(user % 1000)),
    };
    let records: Vec<Interaction> = (0..users).flat_map(|user| (0..A_PERSON).map(move |nth| one(user, nth))).collect();
    let mut config = Config::fitting(Holdout::None, true);
    config.train.shards = SHARDS;
    config.train.seed = u64::from_le_bytes(*b"a secret");
    let imported = Imported { catalog, records, report: ImportReport::default() };
    drop(Deployment::create(place.clone(), &imported, &config, false)?);
    publish_untrained(place)?;
    Ok(users)
}

/// Publishes an untrained model for every shard.
fn publish_untrained(place: &Location) -> Result<()> {
    let deployment = Deployment::open_away(place.clone(), Access::Write)?;
    let dataset = &deployment.dataset;
    for shard in 0..dataset.config.train.shards {
        let model = ShardModel::new(&dataset.catalog, &dataset.config, &dataset.key, shard, &cpu())?;
        let tensors = pollster::block_on(model.values())?;
        let hash = model_blake3(&tensors);
        let (shared, user_rows) = model_files(tensors)?;
        let publication = Publication {
            model_blake3: &hash,
            fingerprint: &serde_json::to_string(&Fingerprint::of(&cpu()))?,
            shared: &shared,
            user_rows: &user_rows,
            input_hash: [0; 32],
            seconds: 1.0,
            epochs: 1,
            losses: &[],
            catalog: 1,
        };
        deployment.state.publish(deployment.ticket(shard)?, &publication, |_| Ok(None))?;
    }
    Ok(())
}

fn bench(args: &Args, records: u64) -> Result<()> {
    let kept = tempfile::tempdir_in(&args.at)?;
    let dir = kept.path().join("state");
    let began = Instant::now();
    let server = if args.postgres { Some(Postgres::start()?) } else { None };
    let database = server.as_ref().map(Postgres::database).transpose()?;
    let place = match &database {
        Some(database) => located(&dir, database),
        None => Location::from(dir.as_path()),
    };
    let users = make(&place, records)?;
    let made = began.elapsed().as_secs_f64();
    let admin = {
        let state = Arc::new(State::open(place, Access::Write)?);
        Tokens::of_state(&state)?.create(Scope::Admin, None)?.0
    };
    let began = Instant::now();
    let environment: Vec<(&str, &str)> = database.iter().map(|at| ("EEMU_DATABASE", at.as_str())).collect();
    let process = Process::start(&dir, &["--settle", "3600", "--additions", "86400"], &environment)?;
    let ready = began.elapsed().as_secs_f64();
    let rested = memory(&process, "VmRSS");
    let place = |n: usize| (n as u32).wrapping_mul(7).wrapping_add(11) % users;
    let post = |path: &str, body: &Value, expected: u16| -> Result<f64> {
        let start = Instant::now();
        let (status, answer) = process.post(path, &admin, body)?;
        if status != expected {
            bail!("{path} was answered with {status}: {answer}");
        }
        Ok(start.elapsed().as_secs_f64())
    };
    let deletion = |n: usize| {
        let user = place(n);
        let name = format!("item-{}", item(user, 3 + n as u32 % 50));
        post("/api/v1/interactions/delete", &json!({"user": format!("person-{user}"), "items": [name]}), 202)
    };
    let account =
        |n: usize| post("/api/v1/account/delete", &json!({"user": format!("person-{}", place(n + 5000))}), 202);
    let addition = |n: usize| {
        let body = json!({"user": format!("person-{}", place(n)), "interactions": [{"item": format!("item-{n}")}]});
        post("/api/v1/interactions/add", &body, 200)
    };
    let deletion = measured(&process, args.changes, deletion)?;
    let account = measured(&process, args.changes, account)?;
    let addition = measured(&process, args.changes, addition)?;
    let bulk = bulk(&process, &admin, args.bulk, users)?;
    let figures = json!({
        "records": records,
        "database": if args.postgres { "postgres" } else { "sqlite" },
        "people": users,
        "made_seconds": made.round(),
        "ready_seconds": rounded(ready),
        "memory_mb": rested,
        "memory_peak_mb": memory(&process, "VmHWM"),
        "memory_after_mb": memory(&process, "VmRSS"),
        "record_deleted": deletion,
        "account_deleted": account,
        "record_added": addition,
        "bulk": bulk,
    });
    println!("{figures}");
    Ok(())
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The median time of some changes, and the bytes written for each of them.
fn measured(process: &Process, count: usize, change: impl Fn(usize) -> Result<f64>) -> Result<Value> {
    let before = written(process)?;
    let mut times = (0..count).map(change).collect::<Result<Vec<_>>>()?;
    let bytes = (written(process)? - before) / count.max(1) as u64;
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
    Ok(json!({"ms": rounded(median * 1e3), "kb_written": bytes / 1024}))
}

/// Records per second through bulk requests; half of them belong to new users.
fn bulk(process: &Process, admin: &str, count: usize, users: u32) -> Result<Value> {
    let stream = Key::from_seed(3).stream("bulk", &[]);
    let mut stream = stream;
    let line = |n: usize, stream: &mut eemu_core::random::Stream| {
        let user = match n % 2 {
            0 => format!("person-{}", stream.below(users as usize)),
            _ => format!("new-{}", n / 20),
        };
        json!({"user": user, "item": format!("item-{}", stream.below(ITEMS as usize)), "timestamp": n}).to_string()
    };
    let bodies: Vec<String> = (0..count)
        .collect::<Vec<_>>()
        .chunks(LINES)
        .map(|chunk| chunk.iter().map(|n| line(*n, &mut stream) + "\n").collect())
        .collect();
    let (before, start) = (written(process)?, Instant::now());
    let mut slowest = 0.0f64;
    for body in bodies {
        let began = Instant::now();
        let url = format!("{}/api/v1/interactions/bulk", process.address);
        let answer = process.client.post(url).bearer_auth(admin).header("content-type", "application/x-ndjson");
        let answer = answer.body(body).send()?;
        if answer.status() != 200 {
            bail!("a bulk request was answered with {}: {}", answer.status(), answer.text()?);
        }
        answer.text()?;
        slowest = slowest.max(began.elapsed().as_secs_f64());
    }
    let seconds = start.elapsed().as_secs_f64();
    let kb = (written(process)? - before) / 1024;
    Ok(json!({
        "records": count,
        "a_request": LINES,
        "a_second": (count as f64 / seconds).round(),
        "slowest_request_ms": rounded(slowest * 1e3),
        "kb_written": kb,
    }))
}

/// A memory figure of the process, in MB.
fn memory(process: &Process, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

/// The bytes that the process has written so far.
fn written(process: &Process) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/io", process.id()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no figure of writing")?;
    Ok(line.trim().parse()?)
}
