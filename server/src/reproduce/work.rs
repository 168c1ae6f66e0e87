//! Carries out units.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use eemu_core::aggregate::{Method, Vectors};
use eemu_core::config::AdaptConfig;
use eemu_core::dataset::Dataset;
use eemu_core::fingerprint::Fingerprint;
use eemu_core::flops::Costs;
use eemu_core::meta::SecondOrder;
use eemu_core::mistakes::published::{self, Published};
use eemu_core::model::{from_safetensors, to_safetensors};
use eemu_core::random::Key;
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::train::Trainer;

use super::recipe::Learning;
use super::rows::{Ranks, Row, Store, write};
use super::sets::Set;
use super::unit::{How, Unit};
use super::{Request, judge};
use crate::pool;
use crate::progress::Progress;

/// Users that the one-by-one mode is timed on.
const TIMED: usize = 8;

/// Carries out units, and keeps the last ensemble in memory.
pub(super) struct Worker<'a> {
    request: &'a Request,
    sets: &'a [Set],
    store: &'a Store,
    device: &'a Device,
    progress: &'a Progress,
    held: Option<Held>,
}

/// An ensemble in memory.
struct Held {
    hash: String,
    dataset: Dataset,
    models: Vec<ShardModel>,
    vectors: Option<Vectors>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        request: &'a Request,
        sets: &'a [Set],
        store: &'a Store,
        device: &'a Device,
        progress: &'a Progress,
    ) -> Self {
        Self { request, sets, store, device, progress, held: None }
    }

    fn set(&self, unit: &Unit) -> Result<&'a Set> {
        self.sets.iter().find(|set| set.name == unit.set).context("a data set that was not read")
    }

    /// Multiply-adds of a unit, for estimates of time.
    pub(super) fn weight(&self, unit: &Unit) -> f64 {
        let Ok(set) = self.set(unit) else { return 0.0 };
        let costs = Costs::of(&set.catalog, &unit.config.model);
        let users = self.request.users.unwrap_or(usize::MAX).min(set.catalog.users.len()) as u64;
        let (items, records) = (set.catalog.items.len() as u64, set.records.len() as u64);
        let shards = u64::from(unit.config.train.shards);
        let cost = match &unit.how {
            How::Train => costs.epoch(records) * u64::from(unit.config.train.epochs) / 2,
            How::Frozen => users * costs.honest_request(items, shards) * if shards > 1 { 10 } else { 1 },
            How::Adapted { .. } | How::Deployed { .. } => {
                let pairs = unit.config.adapt.size as u64;
                users * costs.low_rank_request(items, shards, pairs, unit.config.model.item_layers())
            }
            How::Clustered { clusters } => shards * *clusters as u64 * items * 2 * costs.item,
            How::SignStep => users * costs.honest_adapted(items, shards, 7),
            How::OneByOne => TIMED as u64 * costs.honest_adapted(items, shards, 7),
        };
        cost as f64
    }

    /// Carries out a unit and writes its row.
    pub(super) fn run(&mut self, unit: &Unit) -> Result<()> {
        let start = Instant::now();
        let (figures, ranks) =
            if unit.how == How::Train { (self.train(unit)?, BTreeMap::new()) } else { self.measure(unit)? };
        let row = Row {
            unit: unit.title(),
            hash: unit.hash(),
            set: unit.set.clone(),
            seed: unit.seed,
            config: unit.config.clone(),
            fingerprint: Fingerprint::of(self.device),
            seconds: start.elapsed().as_secs_f64(),
            figures,
            ranks,
        };
        self.store.put(unit, &row)
    }

    /// The dataset that the unit's ensemble is trained on.
    fn dataset(&self, unit: &Unit) -> Result<Dataset> {
        let dataset = self.set(unit)?.dataset(&unit.config)?;
        if unit.ensemble.without == 0 {
            return Ok(dataset);
        }
        let (key, ids) = (Key::from_seed(unit.seed), dataset.catalog.users.ids.clone());
        let removed = |user: u32| {
            key.number("removed users", &[ids[user as usize].as_bytes()]) % 100 < u64::from(unit.ensemble.without)
        };
        Ok(dataset.with(dataset.interactions.filtered(|record| !removed(record.user))))
    }

    /// Trains the shards whose models do not exist.
    fn train(&mut self, unit: &Unit) -> Result<BTreeMap<String, f64>> {
        let dataset = self.dataset(unit)?;
        if unit.ensemble.learning == Learning::Published {
            return self.train_published(unit, &dataset);
        }
        let shards = dataset.shards();
        let trained = pool::run(&shards, self.request.jobs, |shard| self.train_shard(unit, &dataset, shard));
        let seconds = trained.into_iter().collect::<Result<Vec<f64>>>()?;
        let mut figures = BTreeMap::new();
        figures.insert("training records".to_owned(), shards.iter().map(ShardData::len).sum::<usize>() as f64);
        figures.insert("seconds of all shards one after another".to_owned(), seconds.iter().sum());
        self.held = None;
        Ok(figures)
    }

    /// The published code: trains all shards together epoch by epoch, and keeps the epoch
    /// that is best on the test items of all users.
    fn train_published(&mut self, unit: &Unit, dataset: &Dataset) -> Result<BTreeMap<String, f64>> {
        let judges = judge::judges(dataset, self.request.users);
        let shards = published::shards(dataset);
        let trainers = shards
            .iter()
            .map(|shard| Ok(Mutex::new(Published::new(dataset, shard, dataset.config.train.outer_step, self.device)?)))
            .collect::<Result<Vec<_>>>()?;
        let bar = self.progress.bar("published", u64::from(dataset.config.train.epochs));
        let (mut best, mut chosen, mut kept) = (f64::NEG_INFINITY, 0, Vec::new());
        for epoch in 1..=dataset.config.train.epochs {
            let losses = pool::run(&trainers, self.request.jobs, |trainer| match trainer.lock() {
                Ok(mut trainer) => Ok(pollster::block_on(trainer.epoch())?),
                Err(_) => bail!("a shard's training stopped"),
            });
            losses.into_iter().collect::<Result<Vec<f32>>>()?;
            let models: Vec<ShardModel> = trainers
                .iter()
                .filter_map(|trainer| Some(ShardModel::LowRank(trainer.lock().ok()?.model().clone())))
                .collect();
            let hits = judge::test_hits(dataset, &models, &judges)?;
            bar.set(u64::from(epoch), 0.0, &format!("HR@10 on test {hits:.4}"));
            if hits > best {
                (best, chosen, kept) = (hits, epoch, models);
            }
        }
        for (shard, model) in (0u32..).zip(&kept) {
            let values = pollster::block_on(model.values())?;
            write(&self.store.model(unit, shard), &to_safetensors(&values)?)?;
        }
        bar.finish(&format!("epoch {chosen} chosen on test: HR@10 {best:.4}"));
        self.held = None;
        Ok(BTreeMap::from([("epoch chosen on test".to_owned(), f64::from(chosen))]))
    }

    fn train_shard(&self, unit: &Unit, dataset: &Dataset, shard: &ShardData) -> Result<f64> {
        let path = self.store.model(unit, shard.index);
        if path.exists() {
            return Ok(0.0);
        }
        let start = Instant::now();
        if unit.ensemble.learning == Learning::SecondOrder {
            let model = self.second_order(dataset, shard)?;
            write(&path, &to_safetensors(&pollster::block_on(model.values())?)?)?;
            return Ok(start.elapsed().as_secs_f64());
        }
        let epochs = dataset.config.train.epochs;
        let bar = self.progress.bar(&format!("shard {}", shard.index), u64::from(epochs));
        let mut trainer = Trainer::new(&dataset.catalog, &dataset.config, shard, self.device)?;
        while !trainer.is_done() {
            let (done, loss) = (u64::from(trainer.epochs_done()), trainer.losses().last().copied().unwrap_or(0.0));
            let message = format!("epoch {}/{epochs}  loss {loss:.4}", done + 1);
            pollster::block_on(trainer.epoch(|fraction| bar.set(done, fraction, &message)))?;
        }
        let (model, losses) = trainer.finish();
        write(&path, &to_safetensors(&pollster::block_on(model.values())?)?)?;
        let seconds = start.elapsed().as_secs_f64();
        let loss = losses.last().copied().unwrap_or(0.0);
        bar.finish(&format!("trained in {seconds:.1} s, last loss {loss:.4}"));
        Ok(seconds)
    }

    fn second_order(&self, dataset: &Dataset, shard: &ShardData) -> Result<ShardModel> {
        let epochs = u64::from(dataset.config.train.epochs);
        let bar = self.progress.bar(&format!("shard {}", shard.index), epochs);
        let mut trainer = SecondOrder::new(dataset, shard, self.device)?;
        for epoch in 0..epochs {
            bar.set(epoch, 0.0, "second order");
            pollster::block_on(trainer.epoch())?;
        }
        bar.finish("trained to second order");
        Ok(ShardModel::LowRank(trainer.finish()))
    }

    /// Loads the unit's ensemble into memory, and trains what is missing.
    fn hold(&mut self, unit: &Unit) -> Result<()> {
        let hash = unit.training().hash();
        if let Some(held) = self.held.take_if(|held| held.hash == hash) {
            let config = unit.config.clone();
            let dataset = Dataset { config, ..held.dataset };
            self.held = Some(Held { dataset, ..held });
            return Ok(());
        }
        let dataset = self.dataset(unit)?;
        if (0..dataset.config.train.shards).any(|shard| !self.store.model(unit, shard).exists()) {
            self.train(unit)?;
        }
        let models = (0..dataset.config.train.shards)
            .map(|shard| {
                let path = self.store.model(unit, shard);
                let shown = path.display();
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {shown}"))?;
                let mut model = ShardModel::new(&dataset.catalog, &dataset.config, &dataset.key, shard, self.device)?;
                let values = from_safetensors(&bytes).with_context(|| format!("{shown} is damaged; delete it"))?;
                model.set(&values).with_context(|| format!("{shown} is another model's"))?;
                Ok(model)
            })
            .collect::<Result<Vec<_>>>()?;
        self.held = Some(Held { hash, dataset, models, vectors: None });
        Ok(())
    }

    fn measure(&mut self, unit: &Unit) -> Result<(BTreeMap<String, f64>, BTreeMap<String, Ranks>)> {
        self.hold(unit)?;
        let (jobs, device, progress) = (self.request.jobs, self.device, self.progress);
        let held = self.held.as_mut().context("no ensemble at hand")?;
        let judges = judge::judges(&held.dataset, self.request.users);
        if held.vectors.is_none() && matches!(unit.how, How::Frozen | How::Clustered { .. }) {
            held.vectors = Some(pollster::block_on(Vectors::of(&held.dataset, &held.models))?);
        }
        let (dataset, models, vectors) = (&held.dataset, &held.models, held.vectors.as_ref());
        let mut figures = BTreeMap::new();
        figures.insert("users".to_owned(), judges.len() as f64);
        let start = Instant::now();
        let ranks = match &unit.how {
            How::Train => BTreeMap::new(),
            How::Frozen => {
                let vectors = vectors.context("no vectors at hand")?;
                // The paper blends ordinarily trained shards; EEMU takes their mean.
                let ordinary = unit.ensemble.learning == Learning::Ordinary && models.len() > 1;
                let methods = if ordinary { &Method::ALL[..] } else { &[Method::Mean][..] };
                let effort = self.request.scale.effort();
                let (ranks, more) = judge::frozen(dataset, vectors, &judges, methods, &effort, device, jobs)?;
                figures.extend(more);
                ranks
            }
            How::Adapted { .. } | How::Deployed { .. } => {
                let bar = progress.bar("adapted", judges.len() as u64);
                let done = AtomicUsize::new(0);
                let adapt: &AdaptConfig = &dataset.config.adapt;
                let ranks = judge::adapted(dataset, models, &judges, adapt, jobs, |count| {
                    let all = done.fetch_add(count, Ordering::Relaxed) + count;
                    bar.set(all as u64, 0.0, "users ranked");
                })?;
                bar.finish(&format!("{} users ranked", judges.len()));
                ranks
            }
            How::Clustered { clusters } => {
                let vectors = vectors.context("no vectors at hand")?;
                let (ranks, clustering) = judge::clustered(dataset, models, vectors, &judges, *clusters, jobs)?;
                figures.insert("clustering seconds".to_owned(), clustering);
                ranks
            }
            How::SignStep => judge::sign_step(dataset, models, &judges, jobs)?,
            How::OneByOne => {
                figures.insert("seconds a user".to_owned(), judge::one_by_one(dataset, models, &judges, TIMED)?);
                BTreeMap::new()
            }
        };
        figures.insert("seconds of measuring".to_owned(), start.elapsed().as_secs_f64());
        Ok((figures, ranks))
    }
}
