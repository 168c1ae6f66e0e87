//! Looking at the service with an operator's token.

use std::cell::RefCell;

use eemu_core::api::Manifest;
use eemu_core::receipt::{Entry, Log};

use super::protocol::{Kind, Line, Operation, Shard};
use crate::for_you::protocol::Tell;
use crate::for_you::worker::tell;
use crate::service::{Api, Fault};

/// Entries of the log that the page lists.
const LISTED: usize = 12;
/// Entries of the log a request.
const PAGE: u64 = 1000;

thread_local! {
    /// The log as far as it was fetched: it only grows.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Looks once, and tells.
pub(crate) async fn look(api: Api, token: String) {
    match seen(&api.with(Some(&token))).await {
        Ok(operation) => tell(&Tell::Operation(Box::new(operation))),
        Err(fault) => tell(&Tell::NoOperation(sentence(&fault))),
    }
}

/// Retrains now what waits.
pub(crate) async fn hurry(api: Api, token: String) {
    match api.with(Some(&token)).retrain().await {
        Ok(()) => look(api, token).await,
        Err(fault) => tell(&Tell::NoOperation(sentence(&fault))),
    }
}

fn sentence(fault: &Fault) -> String {
    match fault {
        Fault::Refused { status: 401, .. } => {
            "The server does not know this token. `eemu token create --scope operator` makes one.".into()
        }
        Fault::Refused { status: 403, .. } => {
            "This token belongs to a person, not to an operator. `eemu token create --scope operator` makes one.".into()
        }
        Fault::Offline => "No connection. What stands here is as it was; it goes on when the server answers.".into(),
        other => format!("{other} Try again in a moment."),
    }
}

/// The first `size` entries of the log, a page at a time.
///
/// # Errors
/// See [`Fault`].
pub(crate) async fn lines(api: &Api, size: u64, page: u64) -> Result<Vec<String>, Fault> {
    let mut lines = LOG.with(|log| log.borrow().clone());
    while (lines.len() as u64) < size {
        let more = api.entries(lines.len() as u64, page.min(size - lines.len() as u64)).await?;
        if more.entries.is_empty() {
            break;
        }
        lines.extend(more.entries);
    }
    LOG.with(|log| log.borrow_mut().clone_from(&lines));
    lines.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(lines)
}

async fn seen(api: &Api) -> Result<Operation, Fault> {
    // The token first: without it the rest is not for this page.
    let queue = api.queue().await?;
    let manifest = api.manifest().await?;
    let metrics = api.metrics().await?;
    let size = manifest.checkpoint.size;
    let lines = lines(api, size, PAGE).await?;
    let whole = whole(&manifest, &lines);
    if whole.is_err() {
        // Another log than before: the next look fetches all of it.
        LOG.with(|log| log.borrow_mut().clear());
    }
    let first = lines.len().saturating_sub(LISTED);
    Ok(Operation {
        dataset: manifest.dataset.clone(),
        shards: manifest
            .shards
            .iter()
            .map(|entry| Shard {
                version: entry.version,
                hash: entry.model_blake3.as_deref().map_or_else(String::new, |hash| hash.chars().take(12).collect()),
                bytes: entry.files.first().map_or(0, |file| file.bytes),
                stale: entry.stale,
            })
            .collect(),
        queue: queue.shards.iter().map(|at| (at.shard, at.phase, at.epoch, at.epochs)).collect(),
        changes: queue.changes,
        requests: queue.requests,
        seconds: queue.estimated_seconds,
        log: lines[first..].iter().enumerate().map(|(place, line)| read(first + place, line)).rev().collect(),
        size,
        whole,
        key: manifest.checkpoint.public_key.clone(),
        counters: counters(&metrics),
    })
}

fn whole(manifest: &Manifest, lines: &[String]) -> Result<(), String> {
    manifest.checkpoint.verify().map_err(|why| why.to_string())?;
    if Log::new(lines.iter().cloned()).root() == manifest.checkpoint.root {
        Ok(())
    } else {
        Err("the entries do not give the root that is signed".into())
    }
}

fn read(index: usize, line: &str) -> Line {
    let hash = blake3::hash(line.as_bytes()).to_hex().as_str().chars().take(8).collect();
    let entry = Entry::from_line(line).ok();
    let shards = entry.iter().flat_map(|entry| entry.statements()).map(|s| (s.shard, s.version)).collect();
    let kind = match &entry {
        Some(Entry::Deletion(receipt)) => Kind::Deletion(receipt.removed),
        Some(Entry::Published(_)) => Kind::Published,
        Some(Entry::Key(_)) => Kind::Key,
        None => Kind::Other,
    };
    Line { index: index as u64, kind, shards, hash }
}

/// The counters that the page shows, out of Prometheus' text.
fn counters(text: &str) -> Vec<(String, f64)> {
    let sum = |name: &str, labels: &dyn Fn(&str) -> bool| {
        text.lines()
            .filter_map(|line| {
                let (key, value) = line.rsplit_once(' ')?;
                let (base, rest) = key.split_once('{').unwrap_or((key, ""));
                (base == name && labels(rest)).then(|| value.parse::<f64>().ok()).flatten()
            })
            .sum::<f64>()
    };
    let any = |_: &str| true;
    let answers = sum("eemu_answers_total", &any);
    let seconds = sum("eemu_answer_seconds_sum", &any);
    let counted = sum("eemu_answer_seconds_count", &any);
    vec![
        ("answers".into(), answers),
        ("ms on average".into(), if counted > 0.0 { seconds / counted * 1e3 } else { 0.0 }),
        ("server faults".into(), sum("eemu_answers_total", &|labels| labels.contains("status=\"5"))),
        ("records deleted".into(), sum("eemu_records_deleted_total", &any)),
        ("records added".into(), sum("eemu_records_added_total", &any)),
        ("shards trained".into(), sum("eemu_shards_trained_total", &any)),
        ("trainings restarted".into(), sum("eemu_trainings_restarted_total", &any)),
        ("trainings failed".into(), sum("eemu_trainings_failed_total", &any)),
        ("answers overtaken".into(), sum("eemu_answers_overtaken_total", &any)),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let text = "# HELP eemu_answers_total Answers\neemu_answers_total{route=\"/a\",status=\"200\"} 3\n\
                    eemu_answers_total{route=\"/b\",status=\"500\"} 2\neemu_answer_seconds_sum{route=\"/a\"} 0.5\n\
                    eemu_answer_seconds_count{route=\"/a\"} 5\neemu_shards_trained_total 7\n";
        let found = counters(text);
        let of = |name: &str| found.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!((of("answers"), of("server faults"), of("ms on average")), (5.0, 2.0, 100.0));
        assert_eq!((of("shards trained"), of("records added")), (7.0, 0.0));
    }
}
