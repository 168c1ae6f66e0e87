//! A state directory opened for work: settings, world and models.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::dataset::{Imported, Interaction, Interactions};
use eemu_core::ensemble::{join_user_rows, split_user_rows};
use eemu_core::model::{Recommender, TensorMap, from_safetensors, model_blake3};
use eemu_core::random::Key;
use eemu_core::tensor::Device;
use eemu_core::world::World;
use serde::{Deserialize, Serialize};

use crate::store::{Access, Import, State};

/// What the state remembers of its import and configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// What the deployment decided.
    pub config: Config,
    /// Duplicate lines that collapsed at import.
    pub duplicates: usize,
}

/// A state directory with everything derived from its records.
#[derive(Debug)]
pub struct Deployment {
    /// The store.
    pub state: Arc<State>,
    /// What it remembers.
    pub settings: Settings,
    /// What is known.
    pub world: World,
}

impl Deployment {
    /// Opens a state directory.
    ///
    /// # Errors
    /// When there is none, another process writes it, or it is damaged.
    pub fn open(dir: &Path, access: Access) -> Result<Self> {
        let state = State::open(dir, access)?;
        if access == Access::Write {
            state.expire_backups()?;
        }
        let deployment = Self::load(state)?;
        if access == Access::Write && deployment.state.shards()?.is_empty() {
            // An import that was cut short after its last rename.
            let shards = deployment.settings.config.train.shards;
            deployment.state.reset_models(&serde_json::to_string(&deployment.settings)?, shards)?;
        }
        Ok(deployment)
    }

    /// Derives everything anew from what the store holds.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn reload(&mut self) -> Result<()> {
        let (world, _) = World::new(self.state.catalog()?, self.state.interactions()?, self.settings.config.clone())?;
        self.world = world;
        Ok(())
    }

    /// The id stored beside a record: a keyed hash of its identifiers.
    pub fn keyed_id(world: &World, record: &Interaction) -> [u8; 16] {
        let ids = [&world.catalog.users.ids[record.user as usize], &world.catalog.items.ids[record.item as usize]];
        let mut id = [0; 16];
        id.copy_from_slice(&world.key.hash("record", &ids.map(|id| id.as_bytes()))[..16]);
        id
    }

    fn load(state: State) -> Result<Self> {
        let settings: Settings =
            serde_json::from_str(&state.settings()?).context("the state's settings are damaged")?;
        let (world, _) = World::new(state.catalog()?, state.interactions()?, settings.config.clone())?;
        Ok(Self { state: Arc::new(state), settings, world })
    }

    /// Makes a state directory from imported data.
    ///
    /// # Errors
    /// When the directory is in use or the data does not fit; an earlier state
    /// then stays as it was.
    pub fn create(dir: &Path, imported: &Imported, config: &Config, replace: bool) -> Result<Self> {
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        let (interactions, duplicates) = Interactions::new(imported.records.clone(), &imported.catalog, &key);
        let settings = Settings { config: config.clone(), duplicates };
        let catalog = &imported.catalog;
        let keyed_id = |record: &Interaction| {
            let ids = [&catalog.users.ids[record.user as usize], &catalog.items.ids[record.item as usize]];
            let hash = key.hash("record", &ids.map(|id| id.as_bytes()));
            let mut id = [0; 16];
            id.copy_from_slice(&hash[..16]);
            id
        };
        let import = Import { catalog, settings: &serde_json::to_string(&settings)?, keyed_id: &keyed_id, replace };
        let state = State::create(dir, &import, interactions.all().iter().copied())?;
        state.reset_models(&serde_json::to_string(&settings)?, config.train.shards)?;
        Self::load(state)
    }

    /// Takes another configuration. Returns whether the models had to go
    /// because they belong to the earlier one.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn configure(&mut self, config: Config) -> Result<bool> {
        config.check()?;
        let old = &self.settings.config;
        let shapes_models = (&old.model, &old.train, old.holdout) != (&config.model, &config.train, config.holdout);
        self.settings.config = config.clone();
        let json = serde_json::to_string(&self.settings)?;
        if shapes_models {
            self.state.reset_models(&json, config.train.shards)?;
        } else {
            self.state.set_settings(&json)?;
        }
        let (world, _) = World::new(self.world.catalog.clone(), self.state.interactions()?, config)?;
        self.world = world;
        Ok(shapes_models)
    }

    /// A shard's tensors as published, rows of people admitted since added.
    ///
    /// # Errors
    /// When the shard has no model or its files are damaged.
    pub fn tensors(&self, shard: u32, device: &Device) -> Result<TensorMap> {
        let (shared, rows) = load_whole(&self.state, shard)?.with_context(|| {
            format!("shard {shard} has no model; run: eemu train --state {}", self.state.dir().display())
        })?;
        let fresh = self.fresh(shard, device)?;
        Ok(pollster::block_on(join_user_rows(shared, rows, &fresh))?)
    }

    fn fresh(&self, shard: u32, device: &Device) -> Result<Recommender> {
        Ok(Recommender::new(&self.world.catalog, &self.world.config.model, &self.world.key, shard, device)?)
    }

    /// Every shard's model.
    ///
    /// # Errors
    /// When a shard has none: names the shards and the command that trains them.
    pub fn models(&self, device: &Device) -> Result<Vec<Recommender>> {
        let missing: Vec<String> =
            self.state.shards()?.iter().filter(|s| s.live.is_none() || s.stale).map(|s| s.index.to_string()).collect();
        if !missing.is_empty() {
            bail!(
                "no current model for shard {}; run: eemu train --state {}",
                missing.join(", "),
                self.state.dir().display()
            );
        }
        (0..self.world.config.train.shards).map(|shard| self.model(shard, device)).collect()
    }

    /// One shard's model.
    ///
    /// # Errors
    /// When it has none, or its files are damaged.
    pub fn model(&self, shard: u32, device: &Device) -> Result<Recommender> {
        let mut model = self.fresh(shard, device)?;
        model.parameters_mut().set(&self.tensors(shard, device)?)?;
        Ok(model)
    }
}

/// The tensors of both files of a shard's live model, compared with its hash.
///
/// # Errors
/// When a file is damaged, or the files belong to another model.
pub fn load_whole(state: &State, shard: u32) -> Result<Option<(TensorMap, TensorMap)>> {
    let Some(loaded) = state.load(shard)? else { return Ok(None) };
    let (shared, rows) = (from_safetensors(&loaded.shared)?, from_safetensors(&loaded.user_rows)?);
    let whole: TensorMap = shared.iter().chain(&rows).map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    if model_blake3(&whole) != loaded.live.model_blake3 {
        bail!(
            "shard {shard}: its files hold another model than the one published; run: eemu train --state {}",
            state.dir().display()
        );
    }
    Ok(Some((shared, rows)))
}

/// The two files of a model, ready to store: shared parameters and user rows.
///
/// # Errors
/// When a tensor does not fit its shape.
pub fn model_files(tensors: TensorMap) -> Result<(Vec<u8>, Vec<u8>)> {
    let (shared, rows) = split_user_rows(tensors);
    Ok((eemu_core::model::to_safetensors(&shared)?, eemu_core::model::to_safetensors(&rows)?))
}
