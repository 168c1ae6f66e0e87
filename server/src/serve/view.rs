//! The view: an immutable value of records, models, requests, log and schedule at one
//! moment. Every request is answered from it.
//!
//! Every change makes a new view and publishes it at once, so a response never mixes
//! two. A clone shares nearly all of its memory. The model files that browsers download
//! are kept in memory, verified when they were loaded, so damage to the disk afterwards
//! reaches nobody.

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

/// A loaded model version with everything that is derived from it.
#[derive(Debug)]
pub struct ShardModel {
    /// The store's row of the model.
    pub live: Live,
    /// The model.
    pub model: shard_model::ShardModel,
    /// The precomputed part of ranking that all requests share.
    pub base: ItemBase,
    /// The files that browsers download.
    pub files: Vec<(ClientFile, Bytes)>,
    /// How many items of the catalogue the model has scores for, trained with them or not.
    items: usize,
    tensors: TensorMap,
}

impl ShardModel {
    /// Loads and verifies a shard's live model; `None` where the shard has none any more.
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
        // Of the tensors only the user rows are needed again.
        tensors.retain(|name, _| name == USER_ROWS);
        let base = pollster::block_on(model.item_base())?;
        Ok(Some(Self { base, live, model, files, items: dataset.catalog.items.len(), tensors }))
    }

    /// A user's own row.
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
    /// The store's row of the shard.
    pub shard: Shard,
    /// Its model, if it serves; then it is part of the ensemble.
    pub model: Option<Arc<ShardModel>>,
}

/// The catalogue as everybody gets it.
#[derive(Debug)]
pub struct PublicCatalog {
    /// The catalogue as JSON, without users.
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
    /// Seconds that the last training of a shard took; 0 before the first.
    pub training: f64,
    /// Seconds from the end of that training until its model served; 0 before the first.
    pub publication: f64,
}

/// The view.
#[derive(Debug, Clone)]
pub struct View {
    /// Rises with every change of records or models.
    pub generation: u64,
    /// The version of the state. Every deletion raises it, so that a response that was
    /// begun before a deletion is not sent.
    pub head: Head,
    /// The last transaction of other processes that the view contains.
    pub seen: u64,
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// Every shard.
    pub shards: Vec<ShardView>,
    /// The published degree class of each item.
    pub classes: Arc<Vec<u8>>,
    /// The degrees that the classes stand for.
    pub degrees: Arc<Vec<u32>>,
    /// The catalogue as everybody gets it.
    pub public: Arc<PublicCatalog>,
    /// The key that draws adaptation sets; it may be published.
    pub adaptation_key: Key,
    /// Deletion requests in progress.
    pub requests: Requests,
    /// The receipt log, with its checkpoint.
    pub log: Ledger,
    /// The schedule of retraining.
    pub schedule: Schedule,
    /// How long training takes.
    pub pace: Pace,
    /// The secret of the noise on degree classes; lives as long as the process.
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

    /// Takes over records and shards as they are now; it cannot fail. A model that the
    /// store has dropped leaves the ensemble. Once something was deleted, so does every
    /// model that is not the live one of its shard.
    pub(super) fn follow(&mut self, deployment: &Deployment) {
        let deleted = deployment.head.deletions != self.head.deletions;
        let items = deployment.dataset.catalog.items.len();
        let had = std::mem::take(&mut self.shards);
        let model = |shard: &Shard| {
            let model = had.iter().find(|view| view.shard.index == shard.index)?.model.clone()?;
            let is_live = shard.live.as_ref()?.version == model.live.version;
            // A model that is about to be replaced saw nothing that was deleted. A model that
            // lacks new items has no scores for them.
            ((is_live || !deleted) && model.items == items).then_some(model)
        };
        self.shards =
            deployment.shards.iter().map(|shard| ShardView { model: model(shard), shard: shard.clone() }).collect();
        self.generation += 1;
        if deployment.head.records != self.head.records {
            if deployment.dataset.catalog.version != self.dataset.catalog.version {
                match PublicCatalog::new(&deployment.dataset) {
                    Ok(public) => self.public = Arc::new(public),
                    // The published files belong to this version of the catalogue.
                    Err(problem) => tracing::error!("the catalogue cannot be published: {problem:#}"),
                }
            }
            self.dataset = Arc::new(deployment.dataset.clone());
            self.adaptation_key = self.dataset.key.derived("adaptation of clients");
            (self.classes, self.degrees) = published_degrees(&self.dataset, &self.noise, self.generation);
        }
        self.head = deployment.head;
    }

    /// Adds a loaded model to the ensemble, if it is the live one of its shard.
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

    /// Shards whose live model is not in the ensemble, with its version.
    pub(super) fn missing(&self) -> Vec<(u32, u64)> {
        let lacking = |view: &ShardView| {
            let live = view.shard.live.as_ref()?;
            let has = view.model.as_ref().is_some_and(|model| model.live.version == live.version);
            (!has).then_some((view.shard.index, live.version))
        };
        self.shards.iter().filter_map(lacking).collect()
    }

    /// The version of each shard's model in the ensemble.
    pub fn versions(&self) -> HashMap<u32, u64> {
        self.models().map(|model| (model.live.shard, model.live.version)).collect()
    }

    /// Shards that wait for retraining after a deletion, or were never trained.
    pub fn without_model(&self) -> Vec<u32> {
        self.shards.iter().filter(|view| view.shard.live.is_none()).map(|view| view.shard.index).collect()
    }

    /// A rough estimate of the seconds that training a shard takes: from the models in the
    /// ensemble, or from the last training.
    pub fn training_seconds(&self) -> f64 {
        let (sum, count) = self.models().fold((0.0, 0u32), |(sum, count), m| (sum + m.live.seconds, count + 1));
        match (count, self.pace.training) {
            (0, last) if last > 0.0 => last,
            (0, _) => 1.0,
            _ => sum / f64::from(count),
        }
    }

    /// The models in the ensemble.
    pub fn models(&self) -> impl Iterator<Item = &Arc<ShardModel>> {
        self.shards.iter().filter_map(|view| view.model.as_ref())
    }

    /// The models whose scores count: the model of a shard without records is left out.
    pub fn voices(&self) -> impl Iterator<Item = &Arc<ShardModel>> {
        self.models().filter(|model| self.dataset.has_voice(model.live.shard))
    }

    /// How many shards are in the ensemble.
    pub fn clean(&self) -> u32 {
        self.models().count() as u32
    }

    /// A client file by its hash.
    pub fn file(&self, blake3: &str) -> Option<Bytes> {
        self.models().flat_map(|m| &m.files).find(|(file, _)| file.blake3 == blake3).map(|(_, bytes)| bytes.clone())
    }
}

/// The ratio of the probabilities of k + 1 and k steps of noise on a class.
const NOISE: f64 = 1.0 / 3.0;

/// The published degree classes, and the degrees that they stand for.
///
/// A class that changed would reveal the item whose record was deleted. So noise is
/// added: every class moves by a two-sided geometric number of steps (half of them by
/// none), drawn anew at each change of the records. Between two readings half of all
/// classes move.
///
/// A record changes its item's class by one at most. So one reading is at most three
/// times as likely without the record as with it. It is at most nine times as likely
/// under a deletion of one item as of another, since two items' classes differ. The
/// bound holds for one reading. Each further reading is drawn anew and may reveal as
/// much again, so many readings add up.
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
