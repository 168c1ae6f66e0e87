//! A trained system: what is known, and one model a shard.
//!
//! This is EEMU in one place, for programs that use the crate as a library.
//! The server does the same steps one by one, since it keeps each of them.

use crate::adapt::UserContext;
use crate::dataset::Dataset;
use crate::learned_state::LearnedState;
use crate::recommend::{Ranked, Ranker, top_k};
use crate::shard_model::ShardModel;
use crate::tensor::Device;
use crate::train::train;
use crate::unlearn;
use crate::{Error, Result};

/// One model a shard, and the records that they were trained on.
#[derive(Debug, Clone)]
pub struct Ensemble {
    dataset: Dataset,
    models: Vec<ShardModel>,
    device: Device,
}

impl Ensemble {
    /// Trains every shard from nothing.
    ///
    /// # Errors
    /// When the configuration cannot be used or the device fails.
    pub async fn train(dataset: Dataset, device: &Device) -> Result<Self> {
        let mut models = Vec::with_capacity(dataset.config.train.shards as usize);
        for shard in dataset.shards() {
            models.push(train(&dataset.catalog, &dataset.config, &shard, device).await?.0);
        }
        Ok(Self { dataset, models, device: device.clone() })
    }

    /// What is known.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The k best items for somebody, without what they had: every shard that
    /// has records adapts to their history, and the scores are averaged
    /// (Algorithm 2).
    ///
    /// # Errors
    /// When the device fails.
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

    /// Forgets records, (user, item) by index, as if they had never been there:
    /// the shards that held them are trained anew. Returns those shards. When
    /// it fails, nothing has changed.
    ///
    /// # Errors
    /// When one of them is not there, or the device fails.
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

    /// What must be equal to that of a system which never had what was
    /// forgotten.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn learned_state(&self) -> Result<LearnedState> {
        let mut tensors = Vec::with_capacity(self.models.len());
        for model in &self.models {
            tensors.push(model.values().await?);
        }
        Ok(LearnedState::new(&self.dataset, tensors))
    }
}
