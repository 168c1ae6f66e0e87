//! Serving for a long time: recommendations, deletions and additions at a
//! steady pace. At the end every receipt is checked against its request, and
//! the state is verified.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eemu_core::random::Key;
use eemu_core::receipt::{Asked, AskedPart, ReceiptFile};
use eemu_tests::command::{done, text};
use eemu_tests::say;
use serde_json::{Value, json};

use super::{Bench, memory};

/// Recommendations per second.
const LISTS: f64 = 50.0;
/// Deletions and additions per minute.
const DELETIONS: f64 = 5.0;
const ADDITIONS: f64 = 50.0;

/// Calls `work` at a steady pace until the time is over. Late calls are made at
/// once, so that none is omitted.
fn paced(seconds: f64, a_second: f64, mut work: impl FnMut(usize) -> Result<()>) -> Result<()> {
    let start = Instant::now();
    for number in 0.. {
        let due = Duration::from_secs_f64(number as f64 / a_second);
        if due.as_secs_f64() >= seconds {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        work(number)?;
    }
    Ok(())
}

/// Percentiles of times, in milliseconds.
fn spread(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map(|t| (t * 1e4).round() / 10.0);
    json!({"count": times.len(), "p50_ms": at(0.5), "p99_ms": at(0.99), "slowest_ms": at(1.0 - 1e-9)})
}

impl Bench<'_> {
    /// Runs the load that the module describes, for `--seconds`.
    pub(super) fn endurance(&mut self) -> Result<()> {
        let seconds = self.args.seconds;
        let (lists, deletions, additions) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (requests, resident) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let degraded = AtomicU64::new(0);
        let note = |times: &Mutex<Vec<f64>>, start: Instant| keep(times, start.elapsed().as_secs_f64());
        // Three clients ask for lists in turn, so that one slow answer does not
        // delay the others.
        let asking = |client: usize| {
            let mut stream = Key::from_seed(client as u64).stream("endurance", &[]);
            paced(seconds, LISTS / 3.0, |_| {
                let user = &self.data.users[stream.below(self.data.users.len())];
                let start = Instant::now();
                let (status, answer) =
                    self.process.post("/api/v1/recommendations", &self.admin, &json!({"user": user}))?;
                if status != 200 {
                    bail!("a recommendation was answered with {status}: {answer}");
                }
                degraded.fetch_add(u64::from(answer["degraded"] == true), Ordering::Relaxed);
                note(&lists, start);
                Ok(())
            })
        };
        let deleting = || {
            let mut records = self.data.records.iter();
            paced(seconds, DELETIONS / 60.0, |_| {
                let record = records.next().context("no record is left to delete")?;
                let start = Instant::now();
                let id = self.delete(record)?;
                note(&deletions, start);
                keep(&requests, (id, record.clone()));
                Ok(())
            })
        };
        let adding = || {
            let mut stream = Key::from_seed(9).stream("additions", &[]);
            paced(seconds, ADDITIONS / 60.0, |number| {
                // Every fifth addition is for a new user.
                let user = match number % 5 {
                    0 => format!("new person {number}"),
                    _ => self.data.users[stream.below(self.data.users.len())].clone(),
                };
                let item = &self.data.records[stream.below(self.data.records.len())].1;
                let body = json!({"user": user, "interactions": [{"item": item, "timestamp": 2e9 + number as f64}]});
                let start = Instant::now();
                let (status, answer) = self.process.post("/api/v1/interactions/add", &self.admin, &body)?;
                if status != 200 {
                    bail!("an addition was answered with {status}: {answer}");
                }
                note(&additions, start);
                Ok(())
            })
        };
        let watching = || {
            paced(seconds, 1.0 / 60.0, |_| {
                keep(&resident, memory(&self.process, "VmRSS"));
                Ok(())
            })
        };
        std::thread::scope(|scope| -> Result<()> {
            let mut all: Vec<_> = (0..3).map(|client| scope.spawn(move || asking(client))).collect();
            all.extend([scope.spawn(deleting), scope.spawn(adding), scope.spawn(watching)]);
            all.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
        })?;
        let resident = resident.into_inner().unwrap_or_default();
        say(
            "endurance",
            &json!({
                "seconds": seconds,
                "lists": spread(lists.into_inner().unwrap_or_default()),
                "of_them_degraded": degraded.into_inner(),
                "deletions": spread(deletions.into_inner().unwrap_or_default()),
                "additions": spread(additions.into_inner().unwrap_or_default()),
                "memory_mb_each_minute": resident,
            }),
        );
        self.check(&requests.into_inner().unwrap_or_default())
    }

    /// Checks every receipt, and the state at the end.
    fn check(&mut self, requests: &[(String, (String, String))]) -> Result<()> {
        for (id, (user, item)) in requests {
            self.wait(id)?;
            let file = self.process.json(&format!("/api/v1/unlearning/{id}/receipt"), &self.admin)?;
            let file: ReceiptFile = serde_json::from_value(file)?;
            let receipt = file.verify()?;
            let part = AskedPart { user: Some(user.clone()), item: Some(item.clone()), ..AskedPart::default() };
            if !receipt.answers_what(id, &Asked { parts: vec![part] }) {
                bail!("the receipt of {id} does not answer it");
            }
        }
        say("receipts", &json!({"checked": requests.len(), "wrong": 0}));
        self.process.stop();
        let dir = text(&self.dir);
        // Additions wait for their schedule: this trains all of them.
        done(&["train", "-q", "--state", dir], &[]);
        let verdict = done(&["verify", "-q", "--json", "--state", dir], &[]);
        say("verify", &json!({"equal": verdict["equal"], "seconds": verdict["seconds"]}));
        if verdict["equal"] != true {
            bail!("the state is not that of a system trained from scratch: {verdict}");
        }
        Ok(())
    }
}

fn keep<T>(list: &Mutex<Vec<T>>, value: T) {
    // The list is in a valid state between any two pushes.
    list.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(value);
}
