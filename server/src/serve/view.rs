//! What the service answers from: an immutable view of records, models,
//! requests, log and schedule, of one moment. All that anybody reads.
//!
//! Every change makes a new one and puts it in place at once, so an answer
//! never mixes two. A clone shares nearly everything. Model files for browsers
//! are kept in memory, verified when they were loaded: what happens to the disk
//! afterwards reaches nobody.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use axum::body::Bytes;
use eemu_core::api::ClientFile;
use eemu_core::client::{Precision, class_degree, client_catalog, client_file, client_tensors, degree_class, own_row};
use eemu_core::dataset::Dataset;
use eemu_core::model::TensorMap;
use eemu_core::random::{Key, Stream};
use eemu_core::shard_model::{self, ItemBase};
use eemu_core::tensor::Device;
use eemu_core::user_rows::{USER_ROWS, join_user_rows};

use super::ledger::Ledger;
use super::requests::Requests;
use super::schedule::Schedule;
use crate::deployment::{Deployment, load_live};
use crate::store::{Head, Live, Shard, State};

/// A loaded model version with all that is made of it.
#[derive(Debug)]
pub struct ShardModel {
    /// What the store says of it.
    pub live: Live,
    /// The model.
    pub model: shard_model::ShardModel,
    /// The work on items that all requests share.
    pub base: ItemBase,
    /// The files that browsers download.
    pub files: Vec<(ClientFile, Bytes)>,
    /// How many items of the catalogue it knows, trained with them or not.
    items: usize,
    tensors: TensorMap,
}

impl ShardModel {
    /// Loads and verifies a shard's live model; none where it has none by now.
    ///
    /// # Errors
    /// When its files are damaged or belong to another version.
    pub(super) fn load(state: &State, dataset: &Dataset, shard: u32, device: &Device) -> Result<Option<Self>> {
        let Some((live, shared, rows)) = load_live(state, shard)? else { return Ok(None) };
        let config = &dataset.config.model;
        let mut model = shard_model::ShardModel::new(&dataset.catalog, &dataset.config, &dataset.key, shard, device)?;
        let mut tensors = pollster::block_on(join_user_rows(shared, rows, &model, &dataset.catalog.items))?;
        model.set(&tensors)?;
        let shared = client_tensors(&tensors, config);
        let mut files = Vec::new();
        for precision in [Precision::F32, Precision::F16] {
            let bytes = client_file(&shared, precision)?;
            let blake3 = blake3::hash(&bytes).to_hex().to_string();
            let address = format!("{}/models/{blake3}", eemu_core::api::PREFIX);
            files.push((ClientFile { precision, blake3, bytes: bytes.len() as u64, address }, Bytes::from(bytes)));
        }
        // Of the tensors only people's rows are asked for again.
        tensors.retain(|name, _| name == USER_ROWS);
        let base = pollster::block_on(model.item_base())?;
        Ok(Some(Self { base, live, model, files, items: dataset.catalog.items.len(), tensors }))
    }

    /// A person's own row.
    ///
    /// # Errors
    /// When the model has no such user.
    pub fn row(&self, dataset: &Dataset, user: u32) -> Result<Vec<f32>> {
        Ok(own_row(&self.tensors, &dataset.config.model, user)?)
    }
}

/// One shard as it is served.
#[derive(Debug, Clone)]
pub struct ShardView {
    /// What the store says of it.
    pub shard: Shard,
    /// Its model, if it has one: then it is in the mean.
    pub model: Option<Arc<ShardModel>>,
}

/// The catalogue as everybody gets it.
#[derive(Debug)]
pub struct PublicCatalog {
    /// The catalogue as JSON, without people.
    pub json: Bytes,
    /// Its BLAKE3, hex.
    pub json_blake3: String,
    /// Dense features, safetensors.
    pub dense: Bytes,
    /// Their BLAKE3, hex.
    pub dense_blake3: String,
}

impl PublicCatalog {
    /// The public part of a catalogue.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(dataset: &Dataset) -> Result<Self> {
        let catalog = client_catalog(&dataset.catalog, &dataset.config, &[]);
        let tensors: TensorMap = catalog
            .dense()
            .into_iter()
            .map(|(name, rows, width, values)| (name, (vec![rows, width], values.to_vec())))
            .collect();
        let (json, dense) = (catalog.to_json()?.into_bytes(), client_file(&tensors, Precision::F32)?);
        let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
        let (json_blake3, dense_blake3) = (hash(&json), hash(&dense));
        Ok(Self { json: json.into(), json_blake3, dense: dense.into(), dense_blake3 })
    }
}

/// How long training takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Seconds that training a shard took last; 0 before the first.
    pub training: f64,
    /// Seconds until it was in the mean; 0 before the first.
    pub publication: f64,
}

/// The view.
#[derive(Debug, Clone)]
pub struct View {
    /// Rises with every change of records or models.
    pub generation: u64,
    /// How far the state had come. With every deletion it says so: an answer
    /// begun before one is not given.
    pub head: Head,
    /// The transaction up to which other processes' changes are taken in.
    pub seen: u64,
    /// What is known.
    pub dataset: Arc<Dataset>,
    /// Every shard.
    pub shards: Vec<ShardView>,
    /// Published class of each item's degree.
    pub classes: Arc<Vec<u8>>,
    /// The degrees that the classes stand for.
    pub degrees: Arc<Vec<u32>>,
    /// The catalogue as everybody gets it.
    pub public: Arc<PublicCatalog>,
    /// Key of adaptation, which may be published.
    pub adaptation_key: Key,
    /// Unlearning requests on their way.
    pub requests: Requests,
    /// The receipt log, with its checkpoint.
    pub log: Ledger,
    /// When which shard retrains.
    pub schedule: Schedule,
    /// How long training takes.
    pub pace: Pace,
    /// Secret of the noise on classes; lives as long as the process.
    noise: Key,
}

impl View {
    /// The first view of a deployment.
    ///
    /// # Errors
    /// When a model is damaged.
    pub(super) fn new(
        deployment: &Deployment,
        noise: [u8; 32],
        device: &Device,
        requests: Requests,
        log: Ledger,
    ) -> Result<Self> {
        let dataset = Arc::new(deployment.dataset.clone());
        let mut shards = Vec::new();
        for shard in deployment.shards.clone() {
            let model = match &shard.live {
                Some(live) => ShardModel::load(&deployment.state, &dataset, live.shard, device)?.map(Arc::new),
                None => None,
            };
            shards.push(ShardView { shard, model });
        }
        let noise = Key::from_bytes(noise);
        let (classes, degrees) = published_degrees(&dataset, &noise, 0);
        Ok(Self {
            generation: 0,
            head: deployment.head,
            seen: deployment.head.changes,
            public: Arc::new(PublicCatalog::new(&dataset)?),
            adaptation_key: dataset.key.derived("adaptation of clients"),
            schedule: Schedule::new(dataset.config.train.shards),
            pace: Pace::default(),
            dataset,
            shards,
            classes,
            degrees,
            requests,
            log,
            noise,
        })
    }

    /// Takes over records and shards as they are now, and nothing that can
    /// fail: a model that the store has dropped leaves the mean, and so does
    /// every other that is not the live one once something was deleted.
    pub(super) fn follow(&mut self, deployment: &Deployment) {
        let deleted = deployment.head.deletions != self.head.deletions;
        let items = deployment.dataset.catalog.items.len();
        let had = std::mem::take(&mut self.shards);
        let model = |shard: &Shard| {
            let model = had.iter().find(|view| view.shard.index == shard.index)?.model.clone()?;
            let is_live = shard.live.as_ref()?.version == model.live.version;
            // One that is about to be replaced saw nothing that is gone. One
            // that lacks items that came has no scores of them.
            ((is_live || !deleted) && model.items == items).then_some(model)
        };
        self.shards =
            deployment.shards.iter().map(|shard| ShardView { model: model(shard), shard: shard.clone() }).collect();
        self.generation += 1;
        if deployment.head.records != self.head.records {
            if deployment.dataset.catalog.version != self.dataset.catalog.version {
                match PublicCatalog::new(&deployment.dataset) {
                    Ok(public) => self.public = Arc::new(public),
                    // The files that are published belong to this version.
                    Err(problem) => tracing::error!("the catalogue cannot be published: {problem:#}"),
                }
            }
            self.dataset = Arc::new(deployment.dataset.clone());
            self.adaptation_key = self.dataset.key.derived("adaptation of clients");
            (self.classes, self.degrees) = published_degrees(&self.dataset, &self.noise, self.generation);
        }
        self.head = deployment.head;
    }

    /// Puts a loaded model in the mean, if it is the live one of its shard.
    pub(super) fn enter(&mut self, model: &Arc<ShardModel>) -> bool {
        let view = self.shards.iter_mut().find(|view| view.shard.index == model.live.shard);
        let Some(view) = view else { return false };
        let is_live = view.shard.live.as_ref().is_some_and(|live| live.version == model.live.version)
            && model.items == self.dataset.catalog.items.len();
        if is_live {
            view.model = Some(model.clone());
            self.generation += 1;
        }
        is_live
    }

    /// Shards whose live model is not in the mean, with its version.
    pub(super) fn missing(&self) -> Vec<(u32, u64)> {
        let lacking = |view: &ShardView| {
            let live = view.shard.live.as_ref()?;
            let has = view.model.as_ref().is_some_and(|model| model.live.version == live.version);
            (!has).then_some((view.shard.index, live.version))
        };
        self.shards.iter().filter_map(lacking).collect()
    }

    /// The version of each shard's model in the mean.
    pub fn versions(&self) -> HashMap<u32, u64> {
        self.models().map(|model| (model.live.shard, model.live.version)).collect()
    }

    /// Shards that wait for retraining after a deletion, or were never trained.
    pub fn without_model(&self) -> Vec<u32> {
        self.shards.iter().filter(|view| view.shard.live.is_none()).map(|view| view.shard.index).collect()
    }

    /// Seconds that training a shard takes, roughly: as it took for the models
    /// in the mean, or last.
    pub fn training_seconds(&self) -> f64 {
        let (sum, count) = self.models().fold((0.0, 0u32), |(sum, count), m| (sum + m.live.seconds, count + 1));
        match (count, self.pace.training) {
            (0, last) if last > 0.0 => last,
            (0, _) => 1.0,
            _ => sum / f64::from(count),
        }
    }

    /// The models in the mean.
    pub fn models(&self) -> impl Iterator<Item = &Arc<ShardModel>> {
        self.shards.iter().filter_map(|view| view.model.as_ref())
    }

    /// The models whose scores count: a shard without records has no voice.
    pub fn voices(&self) -> impl Iterator<Item = &Arc<ShardModel>> {
        self.models().filter(|model| self.dataset.has_voice(model.live.shard))
    }

    /// How many shards are in the mean.
    pub fn clean(&self) -> u32 {
        self.models().count() as u32
    }

    /// A client file by its hash.
    pub fn file(&self, blake3: &str) -> Option<Bytes> {
        self.models().flat_map(|m| &m.files).find(|(file, _)| file.blake3 == blake3).map(|(_, bytes)| bytes.clone())
    }
}

/// How likely each further step of noise on a class is.
const NOISE: f64 = 1.0 / 3.0;

/// Classes as they are published, and the degrees they stand for.
///
/// A class that moved would name the item whose record was deleted. So every
/// class is moved by a two-sided geometric number of steps (half of them by
/// none), drawn anew at each change of the records: between two readings half
/// of all classes move. A record moves its item by one class at most, so one
/// reading is at most three times as likely without the record as with it, and
/// at most nine times as likely under a deletion of one item as of another:
/// two items' classes differ. The bound is for one reading. Each further one is
/// drawn anew and may tell as much again, so many add up.
fn published_degrees(dataset: &Dataset, noise: &Key, generation: u64) -> (Arc<Vec<u8>>, Arc<Vec<u32>>) {
    let mut stream = noise.stream("noise on classes", &[&generation.to_le_bytes()]);
    let classes: Vec<u8> = dataset
        .degrees
        .iter()
        .map(|&degree| {
            let moved = i32::from(degree_class(degree)) + steps(&mut stream);
            u8::try_from(moved.max(0)).unwrap_or(u8::MAX).min(60)
        })
        .collect();
    let degrees = classes.iter().map(|&class| class_degree(class)).collect();
    (Arc::new(classes), Arc::new(degrees))
}

/// The difference of two geometric draws: P(k) proportional to NOISE^|k|.
fn steps(stream: &mut Stream) -> i32 {
    let mut draw = || (stream.unit().max(f64::MIN_POSITIVE).ln() / NOISE.ln()).floor() as i32;
    draw() - draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_two_sided_and_half_of_it_is_nothing() {
        let mut stream = Key::from_seed(1).stream("test", &[]);
        let draws: Vec<i32> = (0..40_000).map(|_| steps(&mut stream)).collect();
        let share = |k: i32| draws.iter().filter(|d| **d == k).count() as f64 / draws.len() as f64;
        for (k, expected) in [(0, 0.5), (1, 1.0 / 6.0), (-1, 1.0 / 6.0), (2, 1.0 / 18.0), (-3, 1.0 / 54.0)] {
            assert!((share(k) - expected).abs() < 0.01, "{k}: {}", share(k));
        }
    }
}
