//! Measures the cost of serving, over loopback with the real command:
//!
//!     bench_serve --state DIR [--seconds S] [--clients N] [--deletions N]
//!                 [--only FIGURE,FIGURE] [--set KEY=VALUE]...
//!
//! The program measures on a copy of a trained state, whose settings `--set`
//! changes. It measures:
//!
//! - recommendations per second and their p99, alone and during a retraining;
//! - seconds from a deletion to its acknowledgement and to the published model,
//!   and the time to retrain every shard;
//! - deletions absorbed in an hour of requests without a pause, and the rate
//!   that is sustained;
//! - memory.
//!
//! One JSON object for each figure goes to standard output. With `--only
//! endurance`: 50 lists per second, 5 deletions and 50 additions per minute for
//! `--seconds`; then every receipt is checked and the state is verified.
//!
//! If another build trained the state's shards, they are served as they are;
//! retrained shards are of this build. The first line says how many were
//! trained by another build.

mod endurance;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_core::fingerprint::Fingerprint;
use eemu_core::random::{Key, Stream};
use eemu_server::deployment::Deployment;
use eemu_server::serve::tokens::Scope;
use eemu_server::serve::{Capacity, ServiceOptions};
use eemu_server::set_all;
use eemu_server::store::Access;
use eemu_tests::service::{Process, token};
use eemu_tests::worlds::cpu;
use eemu_tests::{chosen, copy, say};
use serde_json::{Value, json};

/// The figures that can be measured, in this order.
const FIGURES: [&str; 6] = ["alone", "deletion", "beside", "absorbed", "everything", ENDURANCE];
/// Measured on request only.
const ENDURANCE: &str = "endurance";

struct Args {
    state: PathBuf,
    seconds: f64,
    clients: usize,
    deletions: usize,
    only: Vec<String>,
    set: Vec<String>,
}

fn main() -> ExitCode {
    eemu_tests::ended(arguments().and_then(|args| bench(&args)))
}

fn arguments() -> Result<Args> {
    let (mut state, mut seconds, mut clients, mut deletions) = (None, 10.0, 4, 3);
    let usual = FIGURES.iter().filter(|figure| **figure != ENDURANCE).map(|figure| (*figure).to_owned()).collect();
    let (mut only, mut set): (Vec<String>, Vec<String>) = (usual, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} wants a value"))?;
        match word.as_str() {
            "--state" => state = Some(PathBuf::from(value)),
            "--seconds" => seconds = value.parse().context("--seconds wants a number")?,
            "--clients" => clients = value.parse().context("--clients wants a number")?,
            "--deletions" => deletions = value.parse().context("--deletions wants a number")?,
            "--only" => only = chosen(&value, &FIGURES)?,
            "--set" => set.push(value),
            _ => bail!("{word} is not understood; known: --state, --seconds, --clients, --deletions, --only, --set"),
        }
    }
    let state = state.context("give --state DIR, a trained state")?;
    Ok(Args { state, seconds, clients, deletions: deletions.max(1), only, set })
}

/// Users and records for the requests.
struct Data {
    users: Vec<String>,
    records: Vec<(String, String)>,
}

/// The served copy, with the data for requests to it.
struct Bench<'a> {
    args: &'a Args,
    dir: PathBuf,
    process: Process,
    admin: String,
    data: Data,
}

fn bench(args: &Args) -> Result<()> {
    let kept = tempfile::tempdir()?;
    let dir = kept.path().join("state");
    copy(&args.state, &dir)?;
    let admin = token(&dir, Scope::Admin)?;
    let data = {
        let mut deployment = Deployment::open(&dir, Access::Write)?;
        if deployment.configure(set_all(&deployment.settings.config, &args.set)?)? {
            bail!("--set changes what shapes the models; it may change what serving reads, such as adapt.*");
        }
        let own = serde_json::to_string(&Fingerprint::of(&cpu()))?;
        let live: Vec<_> = deployment.state.shards()?.into_iter().filter_map(|shard| shard.live).collect();
        let foreign = live.iter().filter(|live| live.fingerprint != own).count();
        say("shards", &json!({"trained": live.len(), "by_another_build": foreign}));
        let dataset = deployment.dataset;
        let users: Vec<String> = dataset.catalog.users.ids.iter().cloned().collect();
        let items = &dataset.catalog.items.ids;
        let mut records: Vec<(String, String)> = dataset
            .interactions
            .all()
            .iter()
            .map(|r| (users[r.user as usize].clone(), items[r.item as usize].clone()))
            .collect();
        stream().shuffle(&mut records);
        Data { users, records }
    };
    let settle = if args.only.iter().any(|only| only == ENDURANCE) { "60" } else { "0" };
    let process = Process::start(&dir, &["--settle", settle], &[])?;
    let mut bench = Bench { args, dir, process, admin, data };
    say("memory_mb", &json!({"resident": memory(&bench.process, "VmRSS")}));
    for figure in FIGURES.iter().filter(|figure| args.only.iter().any(|only| only == *figure)) {
        match *figure {
            "alone" => say("recommendations_alone", &load(&bench)?),
            "deletion" => bench.deletion()?,
            "beside" => bench.beside()?,
            "absorbed" => bench.absorbed()?,
            ENDURANCE => return bench.endurance(),
            _ => bench.everything()?,
        }
    }
    say("memory_mb", &json!({"peak": memory(&bench.process, "VmHWM")}));
    Ok(())
}

impl Bench<'_> {
    /// The time from a deletion to its acknowledgement and to the published
    /// model, and the rate of deletions that can be sustained with these times.
    fn deletion(&self) -> Result<()> {
        let (mut acknowledged, mut published) = (Vec::new(), Vec::new());
        for record in self.data.records.iter().take(self.args.deletions) {
            let start = Instant::now();
            let id = self.delete(record)?;
            acknowledged.push(start.elapsed().as_secs_f64());
            self.wait(&id)?;
            published.push(start.elapsed().as_secs_f64());
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let (acknowledged, published) = (median(acknowledged), median(published));
        say("deletion_seconds", &json!({"acknowledged": acknowledged, "published": published}));
        let manifest = self.process.json("/api/v1/manifest", "")?;
        let shards = manifest["shards"].as_array().context("no shards")?.len() as u32;
        let defaults = ServiceOptions::default();
        let (trainers, settle) = (defaults.train_jobs, defaults.settle.as_secs_f64());
        let capacity = Capacity { shards, trainers, training: published - acknowledged, settle };
        let hour = capacity.sustained().round();
        say("deletions_sustained", &json!({"shards": shards, "trainers": trainers, "settle": settle, "an_hour": hour}));
        Ok(())
    }

    /// Recommendations while deletions follow one another, so that a shard is
    /// always training.
    fn beside(&self) -> Result<()> {
        let stop = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| -> Result<Value> {
            let deleting = scope.spawn(|| -> Result<()> {
                for record in self.data.records.iter().skip(100) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = self.delete(record)?;
                    self.wait(&id)?;
                }
                Ok(())
            });
            let beside = load(self);
            stop.store(true, Ordering::Relaxed);
            deleting.join().map_err(|_| anyhow::anyhow!("the deleting thread panicked"))??;
            beside
        })?;
        say("recommendations_beside_retraining", &beside);
        Ok(())
    }

    /// Deletions as fast as they are acknowledged.
    fn absorbed(&self) -> Result<()> {
        let start = Instant::now();
        let (mut count, mut last) = (0, String::new());
        for record in self.data.records.iter().skip(10_000.min(self.data.records.len() / 2)) {
            if start.elapsed().as_secs_f64() > self.args.seconds {
                break;
            }
            last = self.delete(record)?;
            count += 1;
        }
        self.wait(&last)?;
        self.clean()?;
        let hour = f64::from(count) / start.elapsed().as_secs_f64() * 3600.0;
        say("deletions_absorbed", &json!({"count": count, "an_hour": hour.round()}));
        Ok(())
    }

    /// Deletes the account whose records are in the most shards.
    fn everything(&self) -> Result<()> {
        let start = Instant::now();
        let body = json!({"user": widest(&self.data)});
        let (_, answer) = self.process.post("/api/v1/account/delete", &self.admin, &body)?;
        self.wait(answer["id"].as_str().context("no request")?)?;
        let shards = answer["shards"].clone();
        say("retraining_everything_seconds", &json!({"shards": shards, "seconds": start.elapsed().as_secs_f64()}));
        Ok(())
    }

    fn delete(&self, record: &(String, String)) -> Result<String> {
        let body = json!({"user": record.0, "items": [record.1]});
        let (status, answer) = self.process.post("/api/v1/interactions/delete", &self.admin, &body)?;
        if status != 202 {
            bail!("a deletion was answered with {status}: {answer}");
        }
        Ok(answer["id"].as_str().context("no request")?.to_owned())
    }

    fn wait(&self, id: &str) -> Result<()> {
        until(|| Ok(self.process.json(&format!("/api/v1/unlearning/{id}"), &self.admin)?["phase"] == "done"))
    }

    fn clean(&self) -> Result<()> {
        until(|| {
            let health = self.process.json("/healthz", "")?;
            Ok(health["shards_clean"] == health["shards_total"])
        })
    }
}

fn until(mut is: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is()? {
        if start.elapsed() > Duration::from_secs(3600) {
            bail!("it took more than an hour");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
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

/// A memory figure of the process, in MB; null if the system gives none.
fn memory(process: &Process, name: &str) -> Option<u64> {
    let status = Command::new("cat").arg(format!("/proc/{}/status", process.id())).output().ok()?;
    let text = String::from_utf8(status.stdout).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
}

/// The load of several clients that ask without a pause.
fn load(bench: &Bench<'_>) -> Result<Value> {
    let Bench { args, process, admin, data, .. } = bench;
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
