//! What follows from a store's contents at one moment.

use anyhow::{Context, Result, bail};
use eemu_core::data::Interaction;
use eemu_core::dataset::Dataset;

use super::Settings;
use crate::store::{Head, Shard, State, TRIES};

/// Everything that is derived from the store's contents at one moment.
#[derive(Debug)]
pub(crate) struct Derived {
    pub(super) settings: Settings,
    pub(super) dataset: Dataset,
    pub(super) shards: Vec<Shard>,
    pub(super) head: Head,
}

impl Derived {
    /// Reads every record, which may take long.
    ///
    /// # Errors
    /// When the store refuses, or its settings are damaged.
    pub(crate) fn of(state: &State) -> Result<Self> {
        let picture = state.picture()?;
        let settings: Settings = serde_json::from_str(&picture.settings).context("the state's settings are damaged")?;
        let (mut dataset, _) = Dataset::new(picture.catalog, picture.interactions, settings.config.clone())?;
        dataset.take_down(&picture.down);
        Ok(Self { settings, dataset, shards: picture.shards, head: picture.head })
    }

    /// As [`Derived::of`], but without records in memory: they are read once to compute the
    /// statistics over all users, and not kept.
    ///
    /// # Errors
    /// When the store refuses, or other processes keep changing it.
    pub(crate) fn away(state: &State) -> Result<Self> {
        for _ in 0..TRIES {
            let picture = state.outline()?;
            let settings: Settings =
                serde_json::from_str(&picture.settings).context("the state's settings are damaged")?;
            let users = picture.catalog.users.len() as u32;
            let everybody = |visit: &mut dyn FnMut(Vec<Interaction>)| Ok(state.each_person(users, visit)?);
            let mut dataset = Dataset::away::<anyhow::Error>(picture.catalog, settings.config.clone(), everybody)?;
            dataset.take_down(&picture.down);
            if state.moment()?.0.records == picture.head.records {
                return Ok(Self { settings, dataset, shards: picture.shards, head: picture.head });
            }
        }
        bail!("other processes change this state without a pause; try again later")
    }
}
