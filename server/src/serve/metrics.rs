//! Counters for Prometheus. None names a person, an item or a shard.

use std::time::Instant;

use anyhow::Result;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use eemu_core::api::Quality;

use super::handle::Handle;
use super::recent::{Hour, Recent};
use crate::clock::{now, now_exactly};

/// Every counter.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// When this process started, in seconds since 1970.
    pub since: u64,
    /// The number of all responses: the sum of `answers`.
    pub counted_answers: IntCounter,
    /// The number of responses with a status of 500 or more.
    pub server_faults: IntCounter,
    /// The seconds that recent lists took.
    pub lists: Recent,
    /// The seconds until recent deletions were acknowledged.
    pub acknowledgements: Recent,
    /// Deletions that were requested within the last hour.
    pub asked: Hour,
    /// Responses by route and status.
    pub answers: IntCounterVec,
    /// Seconds by route.
    pub seconds: HistogramVec,
    /// Records deleted.
    pub deleted: IntCounter,
    /// Records added.
    pub added: IntCounter,
    /// Changes that the store refused.
    pub failed_changes: IntCounter,
    /// Shards trained.
    pub trained: IntCounter,
    /// Trainings that failed.
    pub failed_trainings: IntCounter,
    /// Responses computed again because a deletion came before they were sent.
    pub overtaken: IntCounter,
    /// Trainings that started again because records changed.
    pub restarts: IntCounter,
    clean: IntGauge,
    total: IntGauge,
    queue: IntGauge,
    changes: IntGauge,
    requests: IntGauge,
    accepted: IntGauge,
    late: IntGauge,
    sustained: Gauge,
    hit_rate: Gauge,
    best: Gauge,
    margin: Gauge,
}

/// Routes that acknowledge deletions.
const DELETIONS: [&str; 3] = ["/api/v1/interactions/delete", "/api/v1/account/delete", "/api/v1/items/take-down"];

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have the same name.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let real = |name: &str, help: &str| -> Result<Gauge> {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let answers = IntCounterVec::new(Opts::new("eemu_answers_total", "Answers given"), &["route", "status"])?;
        registry.register(Box::new(answers.clone()))?;
        let buckets = vec![0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let options = HistogramOpts::new("eemu_answer_seconds", "Time until the answer begins").buckets(buckets);
        let seconds = HistogramVec::new(options, &["route"])?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            since: now(),
            counted_answers: IntCounter::new("answers", "All of them")?,
            server_faults: IntCounter::new("faults", "The server's")?,
            lists: Recent::default(),
            acknowledgements: Recent::default(),
            asked: Hour::default(),
            answers,
            seconds,
            deleted: counter("eemu_records_deleted_total", "Records deleted")?,
            added: counter("eemu_records_added_total", "Records added")?,
            failed_changes: counter("eemu_changes_failed_total", "Changes that were not carried out")?,
            trained: counter("eemu_shards_trained_total", "Shards trained and published")?,
            failed_trainings: counter("eemu_trainings_failed_total", "Trainings that failed")?,
            overtaken: counter("eemu_answers_overtaken_total", "Answers computed again: a deletion came between")?,
            restarts: counter("eemu_trainings_restarted_total", "Trainings started anew: records changed meanwhile")?,
            clean: gauge("eemu_shards_clean", "Shards in the mean")?,
            total: gauge("eemu_shards", "Number of shards")?,
            queue: gauge("eemu_shards_waiting", "Shards that wait for training or train")?,
            changes: gauge("eemu_changes_waiting", "Changes that wait for the writer")?,
            requests: gauge("eemu_requests_waiting", "Unlearning requests without a receipt")?,
            accepted: gauge("eemu_deletions_accepted", "Deletions that are accepted and not carried out yet")?,
            late: gauge("eemu_deletions_late", "Those of them that are past their time")?,
            sustained: real("eemu_deletions_sustained_per_hour", "Deletions an hour that are sustained")?,
            hit_rate: real("eemu_quality_hit_rate", "HR@10 of a small sample of people with held-out records")?,
            best: real("eemu_quality_best", "The best of it since the process began")?,
            margin: real("eemu_quality_margin", "Half the width of its 95% interval")?,
            registry,
        })
    }

    /// Counts a response.
    pub fn answered(&self, route: &str, status: u16, seconds: f64) {
        self.answers.with_label_values(&[route, status.to_string().as_str()]).inc();
        self.seconds.with_label_values(&[route]).observe(seconds);
        self.counted_answers.inc();
        match status {
            500.. => self.server_faults.inc(),
            200 if route == "/api/v1/recommendations" => self.lists.add(seconds),
            202 if DELETIONS.contains(&route) => {
                self.acknowledgements.add(seconds);
                self.asked.add(now());
            }
            _ => {}
        }
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn text(&self, service: &Handle) -> Result<String> {
        let view = service.view();
        self.clean.set(i64::from(view.clean()));
        self.total.set(view.shards.len() as i64);
        self.queue.set(view.schedule.waiting(Instant::now()).len() as i64);
        self.changes.set(service.waiting() as i64);
        self.requests.set(view.requests.waiting() as i64);
        self.accepted.set(view.requests.accepted() as i64);
        self.late.set(view.requests.late(now_exactly()) as i64);
        self.sustained.set(service.capacity().sustained());
        let mut families = self.registry.gather();
        if let Quality::Measured { hit_rate, margin, best, .. } = &*service.quality().last() {
            self.hit_rate.set(*hit_rate);
            self.best.set(*best);
            self.margin.set(*margin);
            families = self.registry.gather();
        } else {
            // Nothing was measured: no number, rather than the worst there is.
            families.retain(|family| !family.name().starts_with("eemu_quality_"));
        }
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }
}
