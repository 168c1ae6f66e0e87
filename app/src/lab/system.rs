//! A trained system of the Lab: every shard's model with its hash, trained
//! side by side so that people can watch, rightly or under a mistake.

use eemu_core::dataset::Dataset;
use eemu_core::learned_state::LearnedState;
use eemu_core::mistakes::{self, Mistake, Run};
use eemu_core::model::{TensorMap, model_blake3};
use eemu_core::shard::ShardData;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use eemu_core::user_rows::USER_ROWS;

use super::protocol::{Difference, Progress, Trained};
use super::watch::{Halt, Watch};
use crate::say::told;

/// Rows that are named when a tensor differs.
const NAMED_ROWS: usize = 4;

/// The device whose bytes are promised: the Lab computes on no other.
pub fn cpu() -> Device {
    Device::Flex(Default::default())
}

/// Every shard of one world, trained.
#[derive(Debug, Clone)]
pub struct System {
    /// What it trained on.
    pub dataset: Dataset,
    /// One model a shard.
    pub models: Vec<ShardModel>,
    /// Their tensors.
    pub tensors: Vec<TensorMap>,
    /// What people see.
    pub trained: Trained,
    /// Milliseconds each shard took.
    pub millis: Vec<f64>,
    /// The epoch, from 1, that a shared score chose.
    pub chosen: Option<usize>,
}

impl System {
    /// Trains every shard from nothing.
    ///
    /// # Errors
    /// When it is stopped or core refuses.
    pub async fn train(
        dataset: Dataset,
        mistake: Option<Mistake>,
        phase: &str,
        watch: &mut impl Watch,
    ) -> Result<Self, Halt> {
        let data = mistake.map_or_else(|| dataset.shards(), |mistake| mistakes::shards(&dataset, mistake));
        let all: Vec<usize> = (0..data.len()).collect();
        let (models, losses, millis, chosen) = train(&dataset, &data, &all, mistake, phase, watch).await?;
        let tensors = values(&models).await?;
        let hashes = tensors.iter().map(model_blake3).collect();
        let trained = Trained { losses, hashes, millis: millis.iter().sum() };
        Ok(Self { dataset, models, tensors, trained, millis, chosen })
    }

    /// The system after a deletion, as one does it that follows the rule:
    /// `again` is trained from nothing on what is left, the others stay.
    ///
    /// # Errors
    /// When it is stopped or core refuses.
    pub async fn retrained(
        &self,
        after: Dataset,
        again: &[u32],
        phase: &str,
        watch: &mut impl Watch,
    ) -> Result<Self, Halt> {
        let data = after.shards();
        let places: Vec<usize> = again.iter().map(|&shard| shard as usize).collect();
        let (models, losses, millis, _) = train(&after, &data, &places, None, phase, watch).await?;
        let mut system = Self { dataset: after, ..self.clone() };
        for (model, &place) in models.into_iter().zip(&places) {
            system.tensors[place] = model.values().await?;
            system.trained.hashes[place] = model_blake3(&system.tensors[place]);
            system.trained.losses[place].clone_from(&losses[place]);
            system.millis[place] = millis[place];
            system.models[place] = model;
        }
        system.trained.millis = places.iter().map(|&place| millis[place]).sum();
        Ok(system)
    }

    /// This system with some shards of another: what is left when only those
    /// were retrained.
    #[must_use]
    pub fn with_shards_of(&self, other: &Self, shards: &[u32]) -> Self {
        let mut system = Self { dataset: other.dataset.clone(), ..self.clone() };
        for place in shards.iter().map(|&shard| shard as usize) {
            system.models[place] = other.models[place].clone();
            system.tensors[place] = other.tensors[place].clone();
            system.trained.hashes[place].clone_from(&other.trained.hashes[place]);
            system.trained.losses[place].clone_from(&other.trained.losses[place]);
        }
        system
    }

    /// Where each shard's tensors differ from another system's.
    pub fn differences(&self, other: &Self) -> Vec<Vec<Difference>> {
        self.tensors.iter().zip(&other.tensors).map(|(own, theirs)| differing(&self.dataset, own, theirs)).collect()
    }

    /// Whether all learned state but the tensors is equal: records, split,
    /// shards, slices, degrees.
    pub fn same_records(&self, other: &Self) -> bool {
        let state = |system: &Self| LearnedState::new(&system.dataset, Vec::new());
        state(self).differences(&state(other)).is_empty()
    }
}

/// Models, losses of every shard of the world (empty for those not trained),
/// milliseconds likewise, and the epoch that was chosen.
type Outcome = (Vec<ShardModel>, Vec<Vec<f32>>, Vec<f64>, Option<usize>);

async fn train(
    dataset: &Dataset,
    data: &[ShardData],
    places: &[usize],
    mistake: Option<Mistake>,
    phase: &str,
    watch: &mut impl Watch,
) -> Result<Outcome, Halt> {
    let chosen: Vec<ShardData> = places.iter().map(|&place| data[place].clone()).collect();
    let mut run = Run::new(dataset, &chosen, mistake, &cpu())?;
    let mut millis = vec![0.0; data.len()];
    let mut losses = vec![Vec::new(); data.len()];
    let total = f64::from(dataset.config.train.epochs) * places.len().max(1) as f64;
    let mut done = 0.0;
    while !run.is_done() {
        for (number, &place) in places.iter().enumerate() {
            let began = watch.now();
            run.epoch_of(number).await?;
            millis[place] += watch.now() - began;
            done += 1.0;
            if number % 8 == 7 {
                watch.breathe().await?;
            }
        }
        run.look_around().await?;
        for (&place, own) in places.iter().zip(run.losses()) {
            losses[place] = own;
        }
        watch.tell(Progress { phase: phase.to_owned(), share: done / total, losses: losses.clone() });
        watch.pause().await?;
    }
    let chosen = run.chosen();
    Ok((run.finish(), losses, millis, chosen))
}

async fn values(models: &[ShardModel]) -> Result<Vec<TensorMap>, Halt> {
    let mut tensors = Vec::with_capacity(models.len());
    for model in models {
        tensors.push(model.values().await?);
    }
    Ok(tensors)
}

fn differing(dataset: &Dataset, own: &TensorMap, theirs: &TensorMap) -> Vec<Difference> {
    let mut found = Vec::new();
    for (tensor, (shape, values)) in own {
        let Some((_, others)) = theirs.get(tensor) else { continue };
        let places: Vec<usize> = values
            .iter()
            .zip(others)
            .enumerate()
            .filter(|(_, (a, b))| a.to_bits() != b.to_bits())
            .map(|(place, _)| place)
            .collect();
        if places.is_empty() {
            continue;
        }
        let names = match tensor.as_str() {
            USER_ROWS => Some(&dataset.catalog.users.ids),
            "item.id.table" => Some(&dataset.catalog.items.ids),
            _ => None,
        };
        let width = shape.last().copied().unwrap_or(1).max(1);
        let mut rows: Vec<usize> = places.iter().map(|place| place / width).collect();
        rows.dedup();
        let name = |row: usize, names: &imbl::Vector<String>| match row {
            0 => told!("t-unknown").to_owned(),
            row => names.get(row - 1).cloned().unwrap_or_default(),
        };
        let rows =
            names.map_or_else(Vec::new, |names| rows.iter().take(NAMED_ROWS).map(|&row| name(row, names)).collect());
        found.push(Difference { tensor: tensor.clone(), unequal: places.len(), values: values.len(), rows });
    }
    found
}
