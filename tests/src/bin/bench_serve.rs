//! What serving costs, over loopback with the real command:
//!
//!     bench_serve --state DIR [--seconds S] [--clients N]
//!
//! Measured on a copy of a trained state: recommendations a second and their
//! p99, alone and beside a retraining; seconds from a deletion to its
//! acknowledgement and to the published model, beside retraining every shard;
//! deletions absorbed in an hour of asking without a pause; memory. One JSON
//! object a figure goes to standard output.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_core::random::{Key, Stream};
use eemu_server::deployment::Deployment;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_tests::service::{Process, token};
use serde_json::{Value, json};

struct Args {
    state: PathBuf,
    seconds: f64,
    clients: usize,
}

fn main() -> ExitCode {
    match arguments().and_then(|args| bench(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Args> {
    let (mut state, mut seconds, mut clients) = (None, 10.0, 4);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--state" => state = Some(PathBuf::from(value)),
            "--seconds" => seconds = value.parse().context("--seconds wants a number")?,
            "--clients" => clients = value.parse().context("--clients wants a number")?,
            _ => bail!("{word} is not understood; known: --state, --seconds, --clients"),
        }
    }
    Ok(Args { state: state.context("give --state DIR, a trained state")?, seconds, clients })
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// People and records to ask about.
struct Data {
    users: Vec<String>,
    records: Vec<(String, String)>,
}

fn bench(args: &Args) -> Result<()> {
    let kept = tempfile::tempdir()?;
    let dir = kept.path().join("state");
    copy(&args.state, &dir)?;
    let admin = token(&dir, Scope::Admin)?;
    let data = {
        let world = Deployment::open(&dir, Access::Write)?.world;
        let (users, items) = (world.catalog.users.ids.clone(), &world.catalog.items.ids);
        let mut records: Vec<(String, String)> = world
            .interactions
            .all()
            .iter()
            .map(|r| (users[r.user as usize].clone(), items[r.item as usize].clone()))
            .collect();
        stream().shuffle(&mut records);
        Data { users, records }
    };
    let process = Process::start(&dir, &["--settle", "0"], &[])?;
    let mut records = data.records.iter();
    let mut next = || records.next().context("no record is left");

    say("memory_mb", &json!({"resident": memory(&process, "VmRSS")}));
    say("recommendations_alone", &load(&process, &admin, &data, args)?);

    let (mut acknowledged, mut published) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let start = Instant::now();
        let id = delete(&process, &admin, next()?)?;
        acknowledged.push(start.elapsed().as_secs_f64());
        wait(&process, &admin, &id)?;
        published.push(start.elapsed().as_secs_f64());
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    say("deletion_seconds", &json!({"acknowledged": median(acknowledged), "published": median(published)}));

    // Deletions one after the other, so that something always trains.
    let stop = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| -> Result<Value> {
        let deleting = scope.spawn(|| -> Result<usize> {
            let mut count = 0;
            for record in data.records.iter().skip(100) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let id = delete(&process, &admin, record)?;
                wait(&process, &admin, &id)?;
                count += 1;
            }
            Ok(count)
        });
        let beside = load(&process, &admin, &data, args);
        stop.store(true, Ordering::Relaxed);
        deleting.join().map_err(|_| anyhow::anyhow!("the deleting thread panicked"))??;
        beside
    })?;
    say("recommendations_beside_retraining", &beside);

    // As fast as they are acknowledged.
    let start = Instant::now();
    let (mut count, mut last) = (0, String::new());
    for record in data.records.iter().skip(10_000.min(data.records.len() / 2)) {
        if start.elapsed().as_secs_f64() > args.seconds {
            break;
        }
        last = delete(&process, &admin, record)?;
        count += 1;
    }
    wait(&process, &admin, &last)?;
    process.wait_clean()?;
    let hour = f64::from(count) / start.elapsed().as_secs_f64() * 3600.0;
    say("deletions_absorbed", &json!({"count": count, "an_hour": hour.round()}));

    // The widest account makes every shard retrain.
    let start = Instant::now();
    let (_, answer) = process.post("/api/v1/account/delete", &admin, &json!({"user": widest(&data)}))?;
    wait(&process, &admin, answer["id"].as_str().context("no request")?)?;
    let shards = answer["shards"].clone();
    say("retraining_everything_seconds", &json!({"shards": shards, "seconds": start.elapsed().as_secs_f64()}));
    say("memory_mb", &json!({"peak": memory(&process, "VmHWM")}));
    Ok(())
}

fn stream() -> Stream {
    Key::from_seed(1).stream("bench of the service", &[])
}

fn widest(data: &Data) -> &str {
    let mut counts = std::collections::HashMap::new();
    data.records.iter().for_each(|(user, _)| *counts.entry(user).or_insert(0) += 1);
    counts.into_iter().max_by_key(|(user, count)| (*count, *user)).map_or("", |(user, _)| user)
}

fn say(what: &str, figures: &Value) {
    let mut line = json!({"what": what});
    if let (Some(line), Some(figures)) = (line.as_object_mut(), figures.as_object()) {
        line.extend(figures.clone());
    }
    println!("{line}");
}

/// A figure of the process's memory, in MB; null where the system has none.
fn memory(process: &Process, name: &str) -> Option<u64> {
    let status = Command::new("cat").arg(format!("/proc/{}/status", process.id())).output().ok()?;
    let text = String::from_utf8(status.stdout).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

fn delete(process: &Process, admin: &str, record: &(String, String)) -> Result<String> {
    let body = json!({"user": record.0, "items": [record.1]});
    let (status, answer) = process.post("/api/v1/interactions/delete", admin, &body)?;
    if status != 202 {
        bail!("a deletion was answered with {status}: {answer}");
    }
    Ok(answer["id"].as_str().context("no request")?.to_owned())
}

fn wait(process: &Process, admin: &str, id: &str) -> Result<()> {
    let start = Instant::now();
    while process.json(&format!("/api/v1/unlearning/{id}"), admin)?["phase"] != "done" {
        if start.elapsed() > Duration::from_secs(3600) {
            bail!("a deletion took more than an hour");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// So many clients asking without a pause.
fn load(process: &Process, admin: &str, data: &Data, args: &Args) -> Result<Value> {
    let start = Instant::now();
    let times: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..args.clients)
            .map(|client| {
                scope.spawn(move || {
                    let mut stream = Key::from_seed(client as u64).stream("client", &[]);
                    let mut times = Vec::new();
                    while start.elapsed().as_secs_f64() < args.seconds {
                        let user = &data.users[stream.below(data.users.len())];
                        let asked = Instant::now();
                        let (status, answer) =
                            process.post("/api/v1/recommendations", admin, &json!({"user": user}))?;
                        if status != 200 && status != 404 {
                            bail!("a recommendation was answered with {status}: {answer}");
                        }
                        times.push(asked.elapsed().as_secs_f64());
                    }
                    Ok(times)
                })
            })
            .collect();
        let lost = || Err(anyhow::anyhow!("a client panicked"));
        clients.into_iter().map(|client| client.join().unwrap_or_else(|_| lost())).collect()
    });
    let mut times = times.into_iter().collect::<Result<Vec<_>>>()?.concat();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map(|t| (t * 1e4).round() / 10.0);
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    Ok(
        json!({"clients": args.clients, "a_second": (rate * 10.0).round() / 10.0, "p50_ms": at(0.5), "p99_ms": at(0.99)}),
    )
}
