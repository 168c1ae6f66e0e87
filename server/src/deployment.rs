//! A state directory opened for work: settings, dataset and models.

mod derived;

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use eemu_core::config::Config;
use eemu_core::data::{Catalog, Duplicates, ImportReport, Imported, Interaction, ItemOutcome, ItemRow};
use eemu_core::dataset::Dataset;
use eemu_core::model::{TensorMap, from_safetensors, model_blake3};
use eemu_core::random::Key;
use eemu_core::shard::shard_of_person;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::user_rows::{join_user_rows, split_user_rows};
use serde::{Deserialize, Serialize};

use crate::progress::{Bar, Progress};
use crate::store::{
    Access, Change, Committed, Extra, Head, Import, KeyedId, Live, Location, NewAudit, PartOf, Shard, State,
    StoreError, TRIES, Ticket,
};

pub(crate) use derived::Derived;

/// What the state stores about its import and configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The configuration of the deployment.
    pub config: Config,
    /// How many duplicate records were merged at import.
    pub duplicates: usize,
    /// Commitment to the data that the configuration was tuned on, if a
    /// configuration of `eemu tune` was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned_on: Option<String>,
}

fn keyed_id(key: &Key, catalog: &Catalog, record: &Interaction) -> [u8; 16] {
    let ids = [&catalog.users.ids[record.user as usize], &catalog.items.ids[record.item as usize]];
    let mut id = [0; 16];
    id.copy_from_slice(&key.hash("record", &ids.map(|id| id.as_bytes()))[..16]);
    id
}

/// The same dataset with the records in memory that training this shard reads, and
/// perhaps the records of a few other users.
///
/// # Errors
/// When the store refuses.
pub fn with_shard(state: &State, dataset: &Dataset, shard: u32) -> Result<Dataset> {
    Ok(dataset.with_people(state.records_of(&dataset.people_of_shard(shard))?))
}

/// A state with everything that is derived from its records.
#[derive(Debug)]
pub struct Deployment {
    /// The store.
    pub state: Arc<State>,
    /// The settings that the state stores.
    pub settings: Settings,
    /// The dataset: catalogue, records and statistics.
    pub dataset: Dataset,
    /// Every shard, as of the records in `dataset`.
    pub shards: Vec<Shard>,
    /// The version of the state that all of this was read at.
    pub head: Head,
    /// Whether the records of every user are in memory in `dataset`.
    whole: bool,
}

impl Deployment {
    /// Opens a state.
    ///
    /// # Errors
    /// When there is no state, another process writes to it, or it is damaged.
    pub fn open(location: impl Into<Location>, access: Access) -> Result<Self> {
        Self::open_with(location, access, true)
    }

    /// As [`Deployment::open`], but without any records in memory. For work that needs the
    /// records of a few users or of one shard, and names them (`Dataset::with_people`).
    ///
    /// # Errors
    /// As [`Deployment::open`].
    pub fn open_away(location: impl Into<Location>, access: Access) -> Result<Self> {
        Self::open_with(location, access, false)
    }

    fn open_with(location: impl Into<Location>, access: Access, whole: bool) -> Result<Self> {
        let state = State::open(location, access)?;
        if access == Access::Write {
            state.expire_backups()?;
        }
        let mut deployment = Self::load(state, whole)?;
        if access == Access::Write && deployment.shards.is_empty() {
            // An import by an earlier version of the program was cut short.
            let shards = deployment.settings.config.train.shards;
            let settings = serde_json::to_string(&deployment.settings)?;
            deployment.change(&Change::Reset(&settings, shards))?;
        }
        Ok(deployment)
    }

    /// Derives everything anew from what the store holds.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn reload(&mut self) -> Result<()> {
        let derived = if self.whole { Derived::of(&self.state)? } else { Derived::away(&self.state)? };
        self.take(derived);
        Ok(())
    }

    /// Replaces what was derived by what another thread derived.
    pub(crate) fn take(&mut self, derived: Derived) {
        let Derived { settings, dataset, shards, head } = derived;
        (self.settings, self.dataset, self.shards, self.head) = (settings, dataset, shards, head);
    }

    /// Reads what changed in the store since: everything when records changed, else only
    /// the shards.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn refresh(&mut self) -> Result<()> {
        let (head, shards) = self.state.moment()?;
        if head.records != self.head.records {
            return self.reload();
        }
        (self.head, self.shards) = (head, shards);
        Ok(())
    }

    /// Applies a change that was worked out on `dataset`; `after` is the dataset with the
    /// change.
    pub fn advance(&mut self, after: Dataset, done: &Committed) {
        (self.dataset, self.shards, self.head) = (after, done.shards.clone(), done.head);
    }

    /// Changes the settings and waits until the change is on disk.
    fn change(&mut self, change: &Change<'_>) -> Result<()> {
        let done = self.state.apply(change, self.head)?;
        (self.shards, self.head) = (done.shards.clone(), done.head);
        Ok(self.state.finish(&done)?)
    }

    /// The same dataset with the records in memory that training this shard reads.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn shard_at_hand(&self, shard: u32) -> Result<Dataset> {
        if self.whole { Ok(self.dataset.clone()) } else { with_shard(&self.state, &self.dataset, shard) }
    }

    /// A ticket: the right to publish a model of this shard, as long as the shard's records
    /// stay those of `dataset`.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn ticket(&self, shard: u32) -> Result<Ticket> {
        let found = self.shards.iter().find(|s| s.index == shard);
        found.map(Ticket::of).with_context(|| format!("there is no shard {shard}"))
    }

    /// The identifier stored beside a record: a keyed hash of its user's and item's
    /// identifiers.
    pub fn keyed_id(dataset: &Dataset, record: &Interaction) -> [u8; 16] {
        keyed_id(&dataset.key, &dataset.catalog, record)
    }

    fn load(state: State, whole: bool) -> Result<Self> {
        let Derived { settings, dataset, shards, head } =
            if whole { Derived::of(&state)? } else { Derived::away(&state)? };
        Ok(Self { state: Arc::new(state), settings, dataset, shards, head, whole })
    }

    /// Makes a state from imported data.
    ///
    /// # Errors
    /// When the directory or database is in use or the data do not fit; an earlier state
    /// then stays as it was.
    pub fn create(location: impl Into<Location>, imported: &Imported, config: &Config, replace: bool) -> Result<Self> {
        let settings = Settings { config: config.clone(), duplicates: 0, tuned_on: None };
        Self::create_with(location, imported, &settings, replace, Extra::default())
    }

    /// As [`Deployment::create`], with further contents that the state must have from its
    /// first moment.
    ///
    /// # Errors
    /// As [`Deployment::create`].
    pub fn create_with(
        location: impl Into<Location>,
        imported: &Imported,
        settings: &Settings,
        replace: bool,
        extra: Extra,
    ) -> Result<Self> {
        let Imported { catalog, records, report } = imported;
        Self::make(location, catalog, records.clone(), report.duplicates, settings, replace, extra, None)
    }

    /// Makes a state from imported data and consumes them, which saves a copy. Sentences
    /// about the data that a person should read are kept. The returned deployment has no
    /// records in memory.
    ///
    /// # Errors
    /// As [`Deployment::create`].
    pub fn take_in(
        location: impl Into<Location>,
        imported: Imported,
        settings: &Settings,
        replace: bool,
        extra: Extra,
        progress: &Progress,
    ) -> Result<(Self, ImportReport)> {
        let Imported { catalog, records, report } = imported;
        let bar = progress.bar("store", records.len() as u64);
        let made = Self::make(location, &catalog, records, report.duplicates, settings, replace, extra, Some(&bar));
        bar.clear();
        Ok((made?, report))
    }

    #[expect(clippy::too_many_arguments, reason = "two doors to one place")]
    fn make(
        location: impl Into<Location>,
        catalog: &Catalog,
        mut records: Vec<Interaction>,
        collapsed: usize,
        settings: &Settings,
        replace: bool,
        extra: Extra,
        bar: Option<&Bar>,
    ) -> Result<Self> {
        let config = &settings.config;
        config.check()?;
        let key = Key::from_seed(config.train.seed);
        // In place, because one copy of many records is enough.
        let duplicates = Duplicates::default().collapse(&mut records);
        let settings = Settings { duplicates: duplicates + collapsed, ..settings.clone() };
        let stored = Cell::new(0u64);
        // Computes the record's identifier once, on its way into the database.
        let keyed_id = |record: &Interaction| {
            stored.set(stored.get() + 1);
            if let Some(bar) = bar.filter(|_| stored.get().is_multiple_of(4096)) {
                bar.set(stored.get(), 0.0, "records");
            }
            keyed_id(&key, catalog, record)
        };
        let settings = serde_json::to_string(&settings)?;
        let extra = Extra { shards: Some(config.train.shards), ..extra };
        let part_of = |id: &str| shard_of_person(&key, id, config.train.shards);
        let (keyed_id, part_of): (KeyedId<'_>, PartOf<'_>) = (&keyed_id, &part_of);
        let import = Import { catalog, settings: &settings, keyed_id, part_of, replace, extra };
        // Whoever shows how far it is has enough with what follows from them.
        Self::load(State::create(location, &import, records)?, bar.is_none())
    }

    /// Changes the configuration. Returns whether models were dropped because they belong
    /// to the earlier configuration.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn configure(&mut self, config: Config) -> Result<bool> {
        config.check()?;
        let old = &self.settings.config;
        let shapes_models = (&old.model, &old.train, old.holdout) != (&config.model, &config.train, config.holdout);
        self.settings.config = config;
        let json = serde_json::to_string(&self.settings)?;
        if shapes_models {
            self.change(&Change::Reset(&json, self.settings.config.train.shards))?;
        } else {
            self.change(&Change::Settings(&json))?;
        }
        self.reload()?;
        Ok(shapes_models)
    }

    /// Appends items to the catalogue; every shard then waits to be retrained with them.
    /// Returns what became of each item, in the order given.
    ///
    /// # Errors
    /// When the store refuses. An error for which [`StoreError::is_made`] is true comes
    /// after the items were added.
    pub fn add_items(&mut self, items: &[ItemRow]) -> Result<Vec<ItemOutcome>> {
        for _ in 0..TRIES {
            let mut catalog = self.dataset.catalog.clone();
            let outcomes = catalog.add_items(items);
            if catalog.version == self.dataset.catalog.version {
                return Ok(outcomes);
            }
            match self.state.apply(&Change::Items(&catalog, &[NewAudit::by_command("add items")]), self.head) {
                Ok(done) => {
                    let finished = self.state.finish(&done);
                    self.advance(self.dataset.with_items(catalog), &done);
                    finished?;
                    return Ok(outcomes);
                }
                Err(StoreError::Moved) => self.reload()?,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("other processes change this state without a pause; nothing was added, try again later")
    }

    /// A shard's tensors as published, with rows appended for the users and items that were
    /// added since.
    ///
    /// # Errors
    /// When the shard has no model or its files are damaged.
    pub fn tensors(&self, shard: u32, device: &Device) -> Result<TensorMap> {
        let (shared, rows) = load_whole(&self.state, shard)?.with_context(|| {
            format!("shard {shard} has no model; run: eemu train --state {}", self.state.dir().display())
        })?;
        let fresh = self.fresh(shard, device)?;
        Ok(pollster::block_on(join_user_rows(shared, rows, &fresh, &self.dataset.catalog.items))?)
    }

    fn fresh(&self, shard: u32, device: &Device) -> Result<ShardModel> {
        Ok(ShardModel::new(&self.dataset.catalog, &self.dataset.config, &self.dataset.key, shard, device)?)
    }

    /// Every shard's model.
    ///
    /// # Errors
    /// When a shard has none: names the shards and the command that trains them.
    pub fn models(&self, device: &Device) -> Result<Vec<ShardModel>> {
        self.all_models(device, |shard| shard.live.is_some() && !shard.stale)
    }

    /// The models that make recommendations, each with its shard: those of every shard that
    /// has records and a live model. The service chooses the same ones (`View::voices`). A
    /// shard that only waits for added records is among them, since its model saw nothing
    /// that was deleted. A shard that has no model is not.
    ///
    /// # Errors
    /// When there is no such model: the error says what is missing.
    pub fn answering(&self, device: &Device) -> Result<Vec<(u32, ShardModel)>> {
        let voice = |shard: &&Shard| self.dataset.has_voice(shard.index);
        let shards = self.state.shards()?;
        let live: Vec<u32> = shards.iter().filter(voice).filter(|s| s.live.is_some()).map(|s| s.index).collect();
        if live.is_empty() && !shards.iter().any(|shard| voice(&shard)) {
            bail!("the state has no records to learn from: add some (`eemu add`) and train");
        }
        if live.is_empty() {
            bail!("no shard has a model; run: eemu train --state {}", self.state.dir().display());
        }
        live.into_iter().map(|shard| Ok((shard, self.model(shard, device)?))).collect()
    }

    fn all_models(&self, device: &Device, counts: impl Fn(&Shard) -> bool) -> Result<Vec<ShardModel>> {
        let missing: Vec<String> =
            self.state.shards()?.iter().filter(|shard| !counts(shard)).map(|s| s.index.to_string()).collect();
        if !missing.is_empty() {
            bail!(
                "no current model for shard {}; run: eemu train --state {}",
                missing.join(", "),
                self.state.dir().display()
            );
        }
        (0..self.dataset.config.train.shards).map(|shard| self.model(shard, device)).collect()
    }

    /// One shard's model.
    ///
    /// # Errors
    /// When it has none, or its files are damaged.
    pub fn model(&self, shard: u32, device: &Device) -> Result<ShardModel> {
        let mut model = self.fresh(shard, device)?;
        model.set(&self.tensors(shard, device)?)?;
        Ok(model)
    }
}

/// The tensors of both files of a shard's live model, after the files were checked
/// against the model's hash.
///
/// # Errors
/// When a file is damaged, or the files belong to another model.
pub fn load_whole(state: &State, shard: u32) -> Result<Option<(TensorMap, TensorMap)>> {
    Ok(load_live(state, shard)?.map(|(_, shared, rows)| (shared, rows)))
}

/// As [`load_whole`], with the store's entry of the model.
///
/// # Errors
/// As [`load_whole`].
pub(crate) fn load_live(state: &State, shard: u32) -> Result<Option<(Live, TensorMap, TensorMap)>> {
    let Some(loaded) = state.load(shard)? else { return Ok(None) };
    let (shared, rows) = (from_safetensors(&loaded.shared)?, from_safetensors(&loaded.user_rows)?);
    let whole: TensorMap = shared.iter().chain(&rows).map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    if model_blake3(&whole) != loaded.live.model_blake3 {
        bail!(
            "shard {shard}: its files hold another model than the one published; run: eemu train --state {}",
            state.dir().display()
        );
    }
    Ok(Some((loaded.live, shared, rows)))
}

/// The two files of a model, ready to store: shared parameters and user rows.
///
/// # Errors
/// When a tensor does not fit its shape.
pub fn model_files(tensors: TensorMap) -> Result<(Vec<u8>, Vec<u8>)> {
    let (shared, rows) = split_user_rows(tensors);
    Ok((eemu_core::model::to_safetensors(&shared)?, eemu_core::model::to_safetensors(&rows)?))
}
