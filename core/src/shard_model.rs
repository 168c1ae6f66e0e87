//! One shard's model of any kind: the interface for training, adaptation,
//! ranking, files and comparison.

use std::sync::Arc;

use crate::adapt::{UserContext, UserHistory, tasks};
use crate::closed_form::{Ease, Kernel, KernelBase};
use crate::config::{AdaptConfig, Config};
use crate::data::Catalog;
use crate::episodes::{self, Asking, EpisodeModel};
use crate::model::{self, AdaptedParams, EntityRef, ModelKind, Pair, Parameters, Recommender, TensorMap};
use crate::random::Key;
use crate::tensor::{Device, is_wide};
use crate::{Error, Result};

/// One shard's model.
// Few of these exist at a time.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum ShardModel {
    /// The default: item embeddings trained by episodes in order of time.
    Episodes(EpisodeModel),
    /// A shard's own item-to-item kernel, for records without times.
    Kernel(Kernel),
    /// EASE.
    Ease(Ease),
    /// The paper's models: two-tower or DeepFM, adapted by low-rank steps.
    LowRank(Recommender),
}

/// The tensors of ranking that all users share, computed once for each model.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub enum ItemBase {
    /// For [`ShardModel::Episodes`].
    Episodes(episodes::ItemBase),
    /// For [`ShardModel::Kernel`].
    Kernel(Arc<KernelBase>),
    /// For [`ShardModel::Ease`], which needs none.
    Ease,
    /// For [`ShardModel::LowRank`].
    LowRank(model::ItemBase),
}

impl ShardModel {
    /// An untrained model.
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(catalog: &Catalog, config: &Config, key: &Key, shard: u32, device: &Device) -> Result<Self> {
        Ok(match config.model.kind {
            ModelKind::Episodes => {
                Self::Episodes(EpisodeModel::new(catalog, &config.episodes, &config.kernel, key, shard, device)?)
            }
            ModelKind::Kernel => Self::Kernel(Kernel::new(catalog, &config.kernel)?),
            ModelKind::Ease => Self::Ease(Ease::new(catalog, &config.ease)?),
            ModelKind::TwoTower | ModelKind::DeepFm => {
                Self::LowRank(Recommender::new(catalog, &config.model, key, shard, device)?)
            }
        })
    }

    /// The parameters that an optimiser trains; `None` for a closed form.
    pub fn parameters(&self) -> Option<&Parameters> {
        match self {
            Self::Episodes(model) => Some(model.parameters()),
            Self::Kernel(_) | Self::Ease(_) => None,
            Self::LowRank(model) => Some(model.parameters()),
        }
    }

    /// The parameters that an optimiser trains; `None` for a closed form.
    pub fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        match self {
            Self::Episodes(model) => Some(model.parameters_mut()),
            Self::Kernel(_) | Self::Ease(_) => None,
            Self::LowRank(model) => Some(model.parameters_mut()),
        }
    }

    /// The paper's model, for functions that only it has.
    ///
    /// # Errors
    /// If the model is of another kind.
    pub fn low_rank(&self) -> Result<&Recommender> {
        match self {
            Self::LowRank(model) => Ok(model),
            Self::Episodes(_) | Self::Kernel(_) | Self::Ease(_) => {
                Err(Error::Config("this needs a two-tower model or DeepFM: see --profile paper and --model".into()))
            }
        }
    }

    /// Every tensor by name, for storing, comparing and hashing.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn values(&self) -> Result<TensorMap> {
        match self {
            Self::Episodes(model) => model.values().await,
            Self::Kernel(model) => Ok(model.values()),
            Self::Ease(model) => Ok(model.values()),
            Self::LowRank(model) => model.parameters().values().await,
        }
    }

    /// Sets every tensor by name. On an error nothing changes.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        match self {
            Self::Episodes(model) => model.set(values),
            Self::Kernel(model) => model.set(values),
            Self::Ease(model) => model.set(values),
            Self::LowRank(model) => model.parameters_mut().set(values),
        }
    }

    /// Computes the tensors of ranking that all users share.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn item_base(&self) -> Result<ItemBase> {
        Ok(match self {
            Self::Episodes(model) => ItemBase::Episodes(model.item_base().await?),
            // Both are computed on the CPU.
            Self::Kernel(model) => ItemBase::Kernel(Arc::new(model.prepare(&Device::Flex(Default::default())))),
            Self::Ease(_) => ItemBase::Ease,
            Self::LowRank(model) => ItemBase::LowRank(model.item_base()),
        })
    }

    /// Whether its device needs many users at once to be busy.
    pub(crate) fn is_wide(&self) -> bool {
        self.parameters().is_some_and(|parameters| is_wide(&parameters.device()))
    }

    /// The records that adapt this model to a user, newest first, with their
    /// weights; empty for a low-rank model, which is adapted with pairs.
    #[must_use]
    pub fn support(&self, base: &ItemBase, past: &UserHistory, adapt: &AdaptConfig) -> Vec<(u32, f32)> {
        match (self, base) {
            (Self::Episodes(_), ItemBase::Episodes(base)) => base.support(past, adapt),
            (Self::Kernel(model), _) => model.support(past, adapt),
            (Self::Ease(model), _) => model.support(past, adapt),
            _ => Vec::new(),
        }
    }

    /// The scores of all items for several users, with the model adapted to
    /// each of them. `pairs` holds each user's adaptation pairs, which only a
    /// low-rank model reads.
    ///
    /// # Errors
    /// If the model lacks a row, or the device fails.
    pub async fn scores(
        &self,
        base: &ItemBase,
        shard: usize,
        people: &[UserContext],
        pairs: &[Vec<Pair>],
        adapt: &AdaptConfig,
    ) -> Result<Vec<Vec<f32>>> {
        match (self, base) {
            (Self::Episodes(model), ItemBase::Episodes(base)) => {
                let asking: Vec<_> = people.iter().map(|p| Asking { row: p.rows[shard], past: &p.history }).collect();
                model.scores(base, &asking, adapt).await
            }
            (Self::Kernel(model), ItemBase::Kernel(base)) => {
                let pasts: Vec<_> = people.iter().map(|person| &person.history).collect();
                model.scores(base, &pasts, adapt).await
            }
            (Self::Ease(model), _) => Ok(people.iter().map(|person| model.scores(&person.history, adapt)).collect()),
            (Self::LowRank(model), ItemBase::LowRank(base)) => {
                let rows: Vec<EntityRef> = people.iter().map(|p| p.rows[shard]).collect();
                rows.iter().try_for_each(|row| model.check_row(*row))?;
                let adapted = if adapt.size == 0 {
                    AdaptedParams::none(people.len())
                } else {
                    model.inner_steps(&tasks(people, pairs, shard), adapt.step, adapt.steps).await?
                };
                model.scores(base, &rows, &adapted).await
            }
            _ => Err(Error::Model("the model and what ranking shares are of different kinds".into())),
        }
    }

    /// The similarity of every item to the given one: the cosine of their
    /// embeddings, and 0 if one of the embeddings is zero (no user of the shard
    /// has the item). EASE has no embeddings: it gives the weight from the item
    /// to each other item.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn similar(&self, base: &ItemBase, item: u32) -> Result<Vec<f32>> {
        match (self, base) {
            (Self::Episodes(_), ItemBase::Episodes(base)) => Ok(cosines(base.vectors(), base.width(), item)),
            (Self::Kernel(model), _) => Ok(cosines(model.vectors(), model.width(), item)),
            (Self::Ease(model), _) => Ok(model.weights_of(item).to_vec()),
            (Self::LowRank(_), ItemBase::LowRank(base)) => {
                let vectors = base.vectors().await?;
                Ok(cosines(&vectors, base.width(), item))
            }
            _ => Err(Error::Model("the model and what ranking shares are of different kinds".into())),
        }
    }
}

/// The cosine of one row with every row. Sums run in the order of columns.
fn cosines(rows: &[f32], width: usize, item: u32) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let own = &rows[item as usize * width..][..width];
    let length = dot(own, own).sqrt();
    let cosine = |row: &[f32]| {
        let lengths = length * dot(row, row).sqrt();
        if lengths > 0.0 { dot(own, row) / lengths } else { 0.0 }
    };
    rows.chunks_exact(width.max(1)).map(cosine).collect()
}
