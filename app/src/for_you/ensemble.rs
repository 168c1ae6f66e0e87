//! What the worker computes with: the public part of the service, a person's
//! own part, and the models that both make, every byte of it verified.
//!
//! Models of items alone are made of the public part: they are the same for
//! everybody, whoever comes or goes, and a person's own part is what they did.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use eemu_core::adapt::{UserContext, UserHistory};
use eemu_core::api::{Manifest, OwnInteraction, OwnRows};
use eemu_core::client::{class_degree, client_model, client_person, read_client_file};
use eemu_core::config::{AdaptConfig, Config};
use eemu_core::data::{Catalog, Entities};
use eemu_core::model::{ModelKind, TensorMap};
use eemu_core::random::Key;
use eemu_core::shard_model::{ItemBase, ShardModel};
use eemu_core::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::{Ask, List};
use crate::ranking;
use crate::say::told;

/// What everybody may have.
#[derive(Debug, Clone)]
pub struct Public {
    /// The ensemble as it is now.
    pub manifest: Manifest,
    /// The catalogue, without people.
    pub catalog: Catalog,
    /// Degrees that the published classes stand for.
    pub degrees: Vec<u32>,
    /// Key of the draws.
    pub key: Key,
}

/// What a signed-in person has beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// Their rows of every live model, and their features; the name alone
    /// beside models of items.
    pub rows: OwnRows,
    /// What they did, in their order.
    pub history: Vec<OwnInteraction>,
}

impl Own {
    /// A person's part beside models of items: who it is, and what they did.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn of_items(user: String, history: Vec<OwnInteraction>) -> eemu_core::Result<Self> {
        let users = Entities::new(vec![user], Vec::new(), Vec::new())?;
        Ok(Self { rows: OwnRows { users, dense: Vec::new(), rows: Vec::new() }, history })
    }
}

/// One shard's model, ready to rank: for everybody where people have no parts
/// of their own, else for one person or for visitors.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Which shard.
    pub shard: u32,
    /// Hash of the file that it was made of.
    pub file: String,
    model: ShardModel,
    /// Made when the first list asks for it: reading from a device takes turns.
    base: OnceCell<ItemBase>,
}

impl Ready {
    async fn base(&self) -> eemu_core::Result<ItemBase> {
        if let Some(base) = self.base.get() {
            return Ok(base.clone());
        }
        let base = self.model.item_base().await?;
        Ok(self.base.get_or_init(|| base).clone())
    }
}

/// Whether a service's models read dense features, such as those of titles:
/// most of the bytes of a catalogue, and the default model reads none.
pub fn needs_dense(config: &Config, catalog: &[u8]) -> bool {
    let reads = match config.model.kind {
        ModelKind::TwoTower | ModelKind::DeepFm => true,
        ModelKind::Episodes => config.episodes.features,
        ModelKind::Kernel | ModelKind::Ease => false,
    };
    let of_people = || {
        let whole: Option<Value> = serde_json::from_slice(catalog).ok();
        let columns = whole.as_ref().and_then(|whole| whole["users"]["columns"].as_array());
        columns.is_none_or(|columns| columns.iter().any(is_dense))
    };
    reads || of_people()
}

fn is_dense(column: &Value) -> bool {
    column["values"]["kind"] == "dense"
}

/// A catalogue's JSON without the items' dense features.
fn without_dense(text: &str) -> Option<String> {
    let mut whole: Value = serde_json::from_str(text).ok()?;
    whole["items"]["columns"].as_array_mut()?.retain(|column| !is_dense(column));
    serde_json::to_string(&whole).ok()
}

impl Public {
    /// Puts verified parts together; `dense` is empty where nothing [needs](needs_dense)
    /// it.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn new(manifest: Manifest, catalog: &[u8], dense: &[u8]) -> eemu_core::Result<Self> {
        let unfit = |what: &str| eemu_core::Error::Model(told!("m-manifest", what));
        let text = std::str::from_utf8(catalog).map_err(|_| unfit(told!("m-catalogue")))?;
        let catalog = if dense.is_empty() {
            Catalog::from_json(&without_dense(text).ok_or_else(|| unfit(told!("m-catalogue")))?, &HashMap::new())?
        } else {
            let dense = read_client_file(dense)?.into_iter().map(|(name, (_, values))| (name, values)).collect();
            Catalog::from_json(text, &dense)?
        };
        if manifest.degree_classes.len() != catalog.items.len() {
            return Err(unfit(told!("m-degree-classes")));
        }
        manifest.config.check()?;
        let mut key = [0; 32];
        hex::decode_to_slice(&manifest.adaptation_key, &mut key).map_err(|_| unfit(told!("m-key")))?;
        let degrees = manifest.degree_classes.iter().map(|&class| class_degree(class)).collect();
        Ok(Self { manifest, catalog, degrees, key: Key::from_bytes(key) })
    }

    /// Whether models are of items alone, and so the same for everybody.
    pub fn is_of_items(&self) -> bool {
        self.manifest.config.model.kind.is_of_items()
    }

    /// Whether a person has parts of their own beside the public files: rows of
    /// the models, or features that the models read.
    pub fn has_own_parts(&self) -> bool {
        !self.is_of_items() || !self.catalog.users.columns.is_empty()
    }

    /// A shard's model out of its file, for the person whose rows are given
    /// where models have any.
    ///
    /// # Errors
    /// When file and rows do not belong to this service.
    pub fn model(
        &self,
        shard: u32,
        file: &str,
        tensors: TensorMap,
        own: Option<&Own>,
        device: &Device,
    ) -> eemu_core::Result<Ready> {
        let mut catalog = Cow::Borrowed(&self.catalog);
        let mut rows = Vec::new();
        if let Some(own) = own.filter(|_| self.has_own_parts()) {
            let users = &mut catalog.to_mut().users;
            *users = own.rows.users.clone();
            users.set_dense(own.rows.dense.clone())?;
            rows.extend(own.rows.rows.iter().find(|row| row.shard == shard).map(|row| row.row.clone()));
        }
        let model = client_model(&catalog, &self.manifest.config, shard, tensors, &rows, device)?;
        Ok(Ready { shard, file: file.to_owned(), model, base: OnceCell::new() })
    }

    /// The person to recommend to: the signed-in one, or a visitor. `records`
    /// are what they did, items by index, with their times.
    pub fn person(&self, own: Option<&Own>, records: &[(u32, Option<f64>)]) -> UserContext {
        let mut known = vec![false; self.manifest.shards_total as usize];
        for row in own.iter().flat_map(|own| &own.rows.rows) {
            if let Some(known) = known.get_mut(row.shard as usize) {
                *known = row.known;
            }
        }
        let id = own.and_then(|own| own.rows.users.ids.front()).map(String::as_str);
        client_person(&self.manifest.config, id, &known, UserHistory::new(records.iter().copied()))
    }

    /// The adaptation that is asked for.
    pub fn adapt(&self, ask: &Ask) -> AdaptConfig {
        AdaptConfig {
            size: ask.size,
            step: ask.step,
            steps: ask.steps,
            temperature: ask.temperature,
            recency: ask.recency,
            ..self.manifest.config.adapt.clone()
        }
    }

    /// A list for a person, by the models that are there. Without any it is
    /// the most popular items by their published classes.
    ///
    /// # Errors
    /// When core refuses.
    pub async fn list(&self, ready: &[&Ready], person: &UserContext, ask: &Ask) -> eemu_core::Result<List> {
        let mut models = Vec::new();
        for ready in ready.iter().filter(|ready| !ask.off.contains(&ready.shard)) {
            models.push((ready.shard as usize, &ready.model, ready.base().await?));
        }
        let popular = models.is_empty();
        let made = if popular {
            self.popular(person, ask.top)
        } else {
            let shards = self.manifest.shards_total as usize;
            let ensemble = ranking::Ensemble {
                models: &models,
                shards,
                key: &self.key,
                degrees: &self.degrees,
                down: &self.manifest.items_down,
            };
            ensemble.list(person, &self.adapt(ask), ask.draw, ask.top).await?
        };
        let name = |item: u32| self.catalog.items.name(item).to_owned();
        let (mut set, of_items) = (made.set, self.is_of_items());
        if !of_items {
            set.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        Ok(List {
            ask: ask.clone(),
            epoch: 0,
            of_items,
            recency: if person.history.is_timed() && !of_items { ask.recency } else { 0.0 },
            set: set
                .into_iter()
                .map(|(item, chance, drawn)| (name(item), self.rarity(item).to_owned(), chance, drawn))
                .collect(),
            rows: made.rows.into_iter().map(|row| (name(row.product), row)).collect(),
            millis: 0.0,
            gpu: false,
            popular,
        })
    }

    fn popular(&self, person: &UserContext, top: usize) -> ranking::Made {
        let scores: Vec<f32> = self.manifest.degree_classes.iter().map(|&class| f32::from(class)).collect();
        let row = |ranked: eemu_core::recommend::Ranked| ranking::ListRow {
            product: ranked.item,
            score: ranked.score,
            per_shard: vec![None; self.manifest.shards_total as usize],
            before: ranked.rank,
            rank: ranked.rank,
        };
        let mut masked = [person.history.items(), &self.manifest.items_down].concat();
        masked.sort_unstable();
        let rows = eemu_core::recommend::top_k(&scores, &masked, top).into_iter().map(row).collect();
        ranking::Made { rows, set: Vec::new() }
    }

    /// How often an item occurs, in words: from its published class.
    pub fn rarity(&self, item: u32) -> &'static str {
        match self.manifest.degree_classes.get(item as usize).copied().unwrap_or(0) {
            0..=6 => told!("rare"),
            7..=10 => told!("uncommon"),
            11..=13 => told!("common"),
            _ => told!("nearly-everywhere"),
        }
    }
}
