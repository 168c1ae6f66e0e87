//! Kills a service at named steps and at random moments, and checks the
//! properties that must hold nevertheless.

// This code is part of tests: it panics if something is wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use eemu_core::learned_state::LearnedState;
use eemu_core::random::{Key, Stream};
use eemu_core::receipt::commitment;
use eemu_server::deployment::Deployment;
use eemu_server::serve::tokens::{Scope, Tokens};
use eemu_server::store::{Access, Location};
use eemu_server::training::input_of;
use serde_json::{Value, json};

use crate::service::{Process, learned, make_state};
use crate::worlds::{Recipe, train_all};

/// Steps of deletions, publications and receipts at which the process aborts.
const STEPS: [&str; 17] = [
    "remove.deleted",
    "remove.committed",
    "erase.swept",
    "erase.truncated",
    "erase.vacuumed",
    "erase.done",
    "publish.one-file",
    "publish.files",
    "publish.switched",
    "publish.committed",
    "receipt.written",
    "receipt.committed",
    "catalog.staged",
    "catalog.committed",
    "catalog.half",
    "erase.swept:2",
    "publish.one-file:2",
];

type Record = (String, String);

/// The changes that the service acknowledged.
#[derive(Default)]
struct Promised {
    gone: BTreeSet<Record>,
    there: BTreeSet<Record>,
    accounts: BTreeSet<String>,
}

/// Requests a random change of a live service. Returns `None` if the connection
/// fails, which is not an acknowledgement.
fn change(process: &Process, admin: &str, stream: &mut Stream, promised: &mut Promised) -> Option<()> {
    let user = format!("user-{}", stream.below(14));
    let item = format!("item-{}", stream.below(18));
    let record = (user.clone(), item.clone());
    match stream.below(12) {
        0 if promised.accounts.len() < 3 => {
            // Until the answer comes, it is unknown whether this change was
            // made.
            promised.there.retain(|(owner, _)| *owner != user);
            let (status, _) = process.post("/api/v1/account/delete", admin, &json!({"user": user})).ok()?;
            if status == 202 {
                promised.accounts.insert(user);
            }
        }
        1..=4 if !promised.gone.contains(&record) && !promised.accounts.contains(&user) => {
            let body = json!({"user": user, "interactions": [{"item": item}]});
            let (status, _) = process.post("/api/v1/interactions/add", admin, &body).ok()?;
            if status == 200 {
                promised.there.insert(record);
            }
        }
        _ => {
            // Until the answer comes, it is unknown whether this change was
            // made.
            promised.there.remove(&record);
            let body = json!({"user": user, "items": [item]});
            let (status, _) = process.post("/api/v1/interactions/delete", admin, &body).ok()?;
            if status == 202 {
                promised.gone.insert(record);
            }
        }
    }
    Some(())
}

/// Reads every line of a log, page by page; `None` if the service does not
/// answer.
pub fn whole_log(get: impl Fn(&str) -> Option<Value>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let page = get(&format!("/api/v1/log/entries?count=1000&from={}", lines.len()))?;
        let entries = page["entries"].as_array()?;
        lines.extend(entries.iter().filter_map(|line| line.as_str().map(str::to_owned)));
        if entries.len() < 1000 {
            return Some(lines);
        }
    }
}

/// Checks that a log, which was read later, commits to every version that a
/// manifest lists. Returns the number of these versions.
///
/// # Panics
/// If a version is missing.
pub fn assert_logged(manifest: &Value, log: &[String]) -> usize {
    let shards = manifest["shards"].as_array().unwrap();
    let logged = shards.iter().filter_map(|shard| {
        let nonce: [u8; 32] = hex::decode(shard["nonce"].as_str()?).unwrap().try_into().unwrap();
        let hash = shard["model_blake3"].as_str().unwrap();
        let committed = commitment(&nonce, hash.as_bytes());
        let logged = log.iter().any(|line| line.contains(&committed));
        assert!(logged, "a served version is not in the log of {} lines", log.len());
        Some(())
    });
    logged.count()
}

/// Checks the properties that hold for a live service at any moment.
fn check(process: &Process, admin: &str, promised: &Promised) -> Option<()> {
    let manifest = process.json("/api/v1/manifest", "").ok()?;
    let log = whole_log(|path| process.json(path, "").ok())?;
    for shard in manifest["shards"].as_array().unwrap() {
        for file in shard["files"].as_array().unwrap() {
            let (status, bytes) = process.get(file["address"].as_str().unwrap(), "").ok()?;
            // A newer version may have replaced it since the manifest was read.
            if status == 200 {
                assert_eq!(
                    blake3::hash(&bytes).to_hex().as_str(),
                    file["blake3"],
                    "a file that is not in the manifest"
                );
            }
        }
    }
    assert_logged(&manifest, &log);
    for user in (0..14).map(|n| format!("user-{n}")) {
        let (status, list) = process.post("/api/v1/interactions/list", admin, &json!({"user": user})).ok()?;
        assert!(status == 404 || !promised.accounts.contains(&user), "a deleted account came back");
        for record in list["interactions"].as_array().into_iter().flatten() {
            let record = (user.clone(), record["item"].as_str().unwrap().to_owned());
            assert!(!promised.gone.contains(&record), "an acknowledged deletion came back: {record:?}");
        }
    }
    Some(())
}

/// Checks every model that is marked as trained on the present records: its
/// input must equal the present records. A later change may retrain a shard, so
/// this is checked after each death and not only at the end. Returns the number
/// of models checked.
fn consistent(location: &Location) -> usize {
    let deployment = Deployment::open(location, Access::Read).unwrap();
    let (dataset, mut looked) = (&deployment.dataset, 0);
    for (shard, data) in deployment.shards.iter().zip(dataset.shards()) {
        if let Some(live) = shard.live.as_ref().filter(|_| !shard.stale) {
            let same = input_of(dataset, &data, &live.fingerprint) == live.input_hash;
            looked += 1;
            assert!(same, "the model of shard {} was trained on other records than there are", shard.index);
        }
    }
    looked
}

fn files(dir: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(dir.join("models")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".safetensors") || name.ends_with(".tmp")).collect()
}

/// Kills in one state. After many more kills most of its records are deleted,
/// deletions find nothing to do, and kills interrupt nothing.
const KILLS: usize = 20;

/// How often a service died, by cause.
#[derive(Debug, Clone, Copy)]
pub struct Deaths {
    /// Aborted at a named step.
    pub at_steps: usize,
    /// Killed at a random moment.
    pub by_kill: usize,
}

/// How many states to test with kills, and the time limit.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Number of states, each created anew.
    pub rounds: usize,
    /// No round begins after this time.
    pub limit: Duration,
}

impl Extent {
    /// One round of twenty kills. With `EEMU_LONG` set, fifty rounds within
    /// `EEMU_KILL_MINUTES` minutes (20 if it is not set).
    pub fn of_environment() -> Self {
        if std::env::var_os("EEMU_LONG").is_none() {
            return Self { rounds: 1, limit: Duration::MAX };
        }
        let minutes = std::env::var("EEMU_KILL_MINUTES").ok().and_then(|text| text.parse::<f64>().ok());
        Self { rounds: 50, limit: Duration::from_secs_f64(60.0 * minutes.unwrap_or(20.0)) }
    }

    /// Runs the rounds, each with its number, and prints the totals.
    ///
    /// # Panics
    /// If hardly any death in all rounds was of one of the two kinds. In a
    /// single round a slow machine may not reach a step.
    pub fn play(self, mut round: impl FnMut(usize) -> Deaths) {
        let began = Instant::now();
        let rounds = (0..self.rounds).take_while(|_| began.elapsed() <= self.limit);
        let deaths: Vec<Deaths> = rounds.map(&mut round).collect();
        let (played, total) = (deaths.len(), |of: fn(&Deaths) -> usize| deaths.iter().map(of).sum::<usize>());
        let (at_steps, by_kill) = (total(|deaths| deaths.at_steps), total(|deaths| deaths.by_kill));
        println!(
            "{played} rounds of {KILLS} kills, of {}: {at_steps} died at steps, {by_kill} were killed",
            self.rounds
        );
        assert!(played > 0, "no round was played");
        assert!(at_steps >= played * KILLS / 8 && by_kill >= played * KILLS / 4, "{at_steps} and {by_kill}");
    }
}

/// Kills a service again and again during additions, deletions and
/// publications, and checks all its guarantees. Every round draws different
/// changes.
///
/// # Panics
/// If a guarantee is broken.
pub fn kill_in_a_loop(location: &Location, environment: &[(&str, &str)], round: usize) -> Deaths {
    let dir = &location.dir;
    let recipe = Recipe { users: 14, items: 18, epochs: 20, ..Recipe::default() };
    make_state(location, &recipe, true).unwrap();
    let admin = {
        let state = Deployment::open(location, Access::Read).unwrap().state;
        Tokens::of_state(&state).unwrap().create(Scope::Admin, None).unwrap().0
    };
    let mut stream = Key::from_seed(23).stream("kills", &[&round.to_le_bytes()]);
    let mut promised = Promised::default();
    let (mut aborted, mut killed, mut looked) = (0, 0, 0);
    let args = ["--settle", "0.02", "--additions", "0.05", "--train-jobs", "2"];
    for kill in 0..KILLS {
        // Every second process dies at a named step; the rounds continue
        // through the list of steps.
        let step = (kill % 2 == 0).then(|| STEPS[(round * KILLS / 2 + kill / 2) % STEPS.len()]);
        let failing = step.map(|step| ("EEMU_FAIL_AT", step));
        let all: Vec<(&str, &str)> = environment.iter().copied().chain(failing).collect();
        let Ok(process) = Process::start(dir, &args, &all) else {
            // At its start it finished the work of the last death, and died in
            // that.
            assert!(step.is_some(), "a start failed without a failure point");
            aborted += 1;
            continue;
        };
        looked += consistent(location);
        if check(&process, &admin, &promised).is_some() {
            let until = Instant::now() + Duration::from_millis(30 + stream.below(350) as u64);
            while change(&process, &admin, &mut stream, &mut promised).is_some() {
                if Instant::now() > until {
                    break;
                }
            }
            // Some die in the work after the answer.
            std::thread::sleep(Duration::from_millis(stream.below(120) as u64));
        }
        let alive = process.get("/healthz", "").is_ok();
        aborted += usize::from(!alive);
        killed += usize::from(alive);
        drop(process.kill());
    }
    assert!(promised.gone.len() > 5 && looked > 0, "too little was asked, or seen: {looked} models");

    let process = Process::start(dir, &args, environment).unwrap();
    process.wait_clean().unwrap();
    check(&process, &admin, &promised).unwrap();
    let mut all: BTreeSet<Record> = BTreeSet::new();
    for user in (0..14).map(|n| format!("user-{n}")) {
        let (_, list) = process.post("/api/v1/interactions/list", &admin, &json!({"user": user})).unwrap();
        let items = list["interactions"].as_array().cloned().unwrap_or_default();
        all.extend(items.iter().map(|r: &Value| (user.clone(), r["item"].as_str().unwrap().to_owned())));
    }
    let lost: Vec<&Record> = promised.there.iter().filter(|record| !all.contains(record)).collect();
    assert!(lost.is_empty(), "acknowledged additions were lost: {lost:?}");
    drop(process.kill());
    let dataset = Deployment::open(location, Access::Write).unwrap().dataset;
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(location).unwrap().differences(&twin), [""; 0], "the learned state is not an undisturbed run's");
    assert_eq!(files(dir).len(), 6, "files that no version needs are left");
    Deaths { at_steps: aborted, by_kill: killed }
}
