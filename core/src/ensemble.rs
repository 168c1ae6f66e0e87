//! A trained system: a data set, and one model a shard.
//!
//! This is the whole of EEMU for programs that use the crate as a library. The
//! server takes the same steps one by one, because it stores the result of
//! each.

use crate::adapt::UserContext;
use crate::dataset::Dataset;
use crate::learned_state::LearnedState;
use crate::recommend::{Ranked, Ranker, top_k};
use crate::shard_model::ShardModel;
use crate::tensor::Device;
use crate::train::train;
use crate::unlearn;
use crate::{Error, Result};

/// One model a shard, and the data set on which they were trained.
#[derive(Debug, Clone)]
pub struct Ensemble {
    dataset: Dataset,
    models: Vec<ShardModel>,
    device: Device,
}

impl Ensemble {
    /// Trains every shard from scratch.
    ///
    /// # Errors
    /// If the configuration is invalid or the device fails.
    pub async fn train(dataset: Dataset, device: &Device) -> Result<Self> {
        let mut models = Vec::with_capacity(dataset.config.train.shards as usize);
        for shard in dataset.shards() {
            models.push(train(&dataset.catalog, &dataset.config, &shard, device).await?.0);
        }
        Ok(Self { dataset, models, device: device.clone() })
    }

    /// The data set.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The k best items for a user, without the items of the user's history.
    /// Every shard with records adapts to the history, and the scores are
    /// averaged (Algorithm 2).
    ///
    /// # Errors
    /// If the device fails.
    pub async fn recommend(&self, person: &UserContext, k: usize) -> Result<Vec<Ranked>> {
        let voices: Vec<_> =
            self.models.iter().enumerate().filter(|(shard, _)| self.dataset.has_voice(*shard as u32)).collect();
        let (key, degrees) = (&self.dataset.key, &self.dataset.degrees);
        let ranker = Ranker::new(&voices, key, degrees, &self.dataset.config.adapt).await?;
        let scored = ranker.scores(std::slice::from_ref(person), 0, false).await?;
        let mut masked = [person.history.items(), &self.dataset.down].concat();
        masked.sort_unstable();
        Ok(scored.first().map_or_else(Vec::new, |scored| top_k(&scored.mean, &masked, k)))
    }

    /// Unlearns records, (user, item) by index, exactly: the shards that held
    /// them are retrained from scratch. Returns these shards. On an error
    /// nothing has changed.
    ///
    /// # Errors
    /// If one of the records does not exist, or the device fails.
    pub async fn forget(&mut self, records: &[(u32, u32)]) -> Result<Vec<u32>> {
        let plan = unlearn::plan(&self.dataset, records);
        if let Some((user, item)) = records.iter().find(|record| !plan.removed.contains(record)) {
            return Err(Error::Config(format!(
                "user {user} has no record of item {item}; name records that are there, nothing was forgotten"
            )));
        }
        let mut again = Vec::with_capacity(plan.shards.len());
        for &shard in &plan.shards {
            if let Some(data) = plan.after.shard(shard) {
                let (catalog, config) = (&plan.after.catalog, &plan.after.config);
                again.push((shard, train(catalog, config, &data, &self.device).await?.0));
            }
        }
        for (shard, model) in again {
            self.models[shard as usize] = model;
        }
        self.dataset = plan.after;
        Ok(plan.shards)
    }

    /// The learned state, which must equal that of a system that never had the
    /// unlearned records.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn learned_state(&self) -> Result<LearnedState> {
        let mut tensors = Vec::with_capacity(self.models.len());
        for model in &self.models {
            tensors.push(model.values().await?);
        }
        Ok(LearnedState::new(&self.dataset, tensors))
    }
}
