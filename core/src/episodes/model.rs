//! One shard's model: item embeddings and biases, a start vector, a step size
//! and a decay. It has no parameters of users.

use crate::Result;
use crate::closed_form::{Kernel, KernelConfig};
use crate::data::Catalog;
use crate::episodes::EpisodesConfig;
use crate::episodes::catalogue::Catalogue;
use crate::episodes::config::Tower;
use crate::episodes::map;
use crate::episodes::support::{Fading, softmax};
use crate::model::{Declared, EntityRef, Feature, Gradient, ModelConfig, Parameters, Start, TensorMap, features};
use crate::random::Key;
use crate::shard::ShardData;
use crate::tensor::{Device, Tensor, from_vec, indices, on_cpu, read};

/// Initial decay times of the history tower, in records.
const TOWER_FADINGS: [f32; 2] = [3.0, 20.0];
/// Initial scale of the history tower.
const TOWER_SCALE: f32 = 3.0;

/// One shard's model.
#[derive(Debug, Clone)]
pub struct EpisodeModel {
    pub(super) config: EpisodesConfig,
    pub(super) parameters: Parameters,
    /// Features of an item; its embedding is the sum of theirs.
    pub(super) features: Vec<Feature>,
    /// Features of a user, whose embeddings are added to x_0; empty by default.
    pub(super) people: Vec<Feature>,
    /// Indices of the parameters that do not belong to features.
    pub(super) at: Numbers,
    /// Settings of the kernel from which item embeddings start.
    kernel: KernelConfig,
    pub(super) items: usize,
}

/// Indices of parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) bias: usize,
    pub(super) start: usize,
    pub(super) step: usize,
    pub(super) fading: Option<usize>,
    pub(super) tower: Option<TowerNumbers>,
}

/// Indices of the history tower's parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct TowerNumbers {
    /// The table P, or the map L.
    pub(super) table: usize,
    pub(super) scale: usize,
    /// Log decay times and the mixture's logits, if records have an order.
    pub(super) fadings: Option<(usize, usize)>,
}

/// The scalars and small vectors of a model, on the host.
#[derive(Debug, Clone)]
pub(super) struct Scalars {
    /// The start vector x_0.
    pub(super) start: Vec<f32>,
    /// The step size alpha.
    pub(super) step: f32,
    /// The decay with time tau.
    pub(super) fading: Fading,
    pub(super) tower: Option<TowerScalars>,
}

#[derive(Debug, Clone)]
pub(super) struct TowerScalars {
    pub(super) scale: f32,
    pub(super) fading: Fading,
    pub(super) mix: Vec<f32>,
}

impl EpisodeModel {
    /// An untrained model: every initial value is a function of (seed, shard,
    /// tensor, row).
    ///
    /// # Errors
    /// If the configuration is invalid.
    pub fn new(
        catalog: &Catalog,
        config: &EpisodesConfig,
        kernel: &KernelConfig,
        key: &Key,
        shard: u32,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        let tables = ModelConfig {
            identifiers: true,
            unknown_rows: false,
            table_scale: config.table_scale,
            ..ModelConfig::default()
        };
        let items = catalog.items.len();
        let (mut features, mut declared) = features::of("item", &catalog.items, &tables, config.width, 0, device);
        if !config.features {
            // The identifier comes first.
            features.truncate(1);
            declared.truncate(1);
        }
        let people = match config.people {
            false => Vec::new(),
            true => {
                let tables = ModelConfig { identifiers: false, ..tables };
                let first = declared.len();
                let (people, more) = features::of("user", &catalog.users, &tables, config.width, first, device);
                // User features start at zero, so that they have no effect at
                // first.
                let flat = |more: Declared| Declared { start: Start::Constant(0.0), ..more };
                declared.extend(more.into_iter().map(flat));
                people
            }
        };
        let mut declare = |name: &str, shape: Vec<usize>, start: Start| {
            declared.push(Declared { name: name.into(), shape, start, first_row_zero: false });
            declared.len() - 1
        };
        let bias = declare("item.bias", vec![items], Start::Constant(0.0));
        let start = declare("start", vec![config.width], Start::Constant(0.0));
        let step = declare("log_step", vec![1], Start::Constant(config.step.ln()));
        let fading = config.timed.then(|| declare("log_fading", vec![1], Start::Constant(config.fading.ln())));
        let table = match config.tower {
            Tower::None => None,
            Tower::Table => Some(declare("tower.table", vec![items, config.width], Start::Normal(config.table_scale))),
            Tower::Map => Some(declare("tower.map", vec![config.width, config.width], Start::Diagonal(0.3, 0.02))),
        };
        let tower = table.map(|table| TowerNumbers {
            table,
            scale: declare("tower.scale", vec![1], Start::Constant(TOWER_SCALE)),
            fadings: config.timed.then(|| {
                let spread = TOWER_FADINGS.len();
                (
                    declare(
                        "tower.log_fadings",
                        vec![spread],
                        Start::Between(TOWER_FADINGS[0].ln(), TOWER_FADINGS[1].ln()),
                    ),
                    declare("tower.mix", vec![spread], Start::Between(-TOWER_FADINGS[0].ln(), -TOWER_FADINGS[1].ln())),
                )
            }),
        });
        let parameters = Parameters::initial(declared, key, shard, device);
        let at = Numbers { bias, start, step, fading, tower };
        Ok(Self { config: config.clone(), parameters, features, people, at, kernel: kernel.clone(), items })
    }

    /// The parameters, for an optimiser.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The parameters, for an optimiser or a loader.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Sets initial values that are computed from a shard's records: item
    /// embeddings from its kernel, biases from the log of each item's number of
    /// users.
    ///
    /// # Errors
    /// If the shard is too large for a kernel.
    pub(crate) fn begin(&mut self, catalog: &Catalog, shard: &ShardData) -> Result<()> {
        if self.config.kernel_start > 0.0 {
            let shape = KernelConfig { width: self.config.width, ..self.kernel.clone() };
            let mut kernel = Kernel::new(catalog, &shape)?;
            kernel.fit(catalog, shard)?;
            let vectors = kernel.vectors().iter().map(|v| v * self.config.kernel_start).collect();
            let device = self.parameters.device();
            // The identifier's table is the first parameter.
            self.parameters.tensors_mut()[0] = from_vec(vectors, [self.items, self.config.width], &device);
        }
        let mut counts = vec![0u32; self.items];
        shard.cells.iter().flat_map(|cell| &cell.support).for_each(|&item| counts[item as usize] += 1);
        self.start_biases(&counts);
        Ok(())
    }

    /// Sets the biases to the log of each item's number of users, centred.
    pub(crate) fn start_biases(&mut self, counts: &[u32]) {
        let logs: Vec<f32> = counts.iter().map(|&count| (count as f32 + 0.5).ln()).collect();
        let mean = logs.iter().sum::<f32>() / logs.len().max(1) as f32;
        let biases = logs.into_iter().map(|log| log - mean).collect();
        let device = self.parameters.device();
        self.parameters.tensors_mut()[self.at.bias] = from_vec(biases, [1, self.items], &device);
    }

    /// Sets the initial decay time, in records; for `core::mistakes` only.
    pub(crate) fn start_fading(&mut self, records: f32) {
        if let Some(fading) = self.at.fading {
            let device = self.parameters.device();
            self.parameters.tensors_mut()[fading] = from_vec(vec![records.ln()], [1, 1], &device);
        }
    }

    /// Every tensor by name.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn values(&self) -> Result<TensorMap> {
        self.parameters.values().await
    }

    /// Sets every tensor by name. On an error nothing changes.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        self.parameters.set(values)
    }

    /// The embeddings of all items, [items, width].
    pub(super) fn vectors(&self) -> Tensor<2> {
        self.vectors_of(None)
    }

    /// The embeddings of some items, or of all: [items, width].
    pub(super) fn vectors_of(&self, items: Option<&[u32]>) -> Tensor<2> {
        let rows = self.rows(items);
        let mut embedded = self.features.iter().map(|feature| feature.embed(&self.parameters, &rows));
        match embedded.next() {
            Some(first) => embedded.fold(first, |sum, more| sum + more),
            None => Tensor::zeros([rows.len(), self.config.width], &self.parameters.device()),
        }
    }

    fn rows(&self, items: Option<&[u32]>) -> Vec<EntityRef> {
        match items {
            None => (0..self.items as u32).map(EntityRef::Known).collect(),
            Some(items) => items.iter().copied().map(EntityRef::Known).collect(),
        }
    }

    /// Indices of the parameters that have a row, or a value, for each item.
    pub(super) fn of_items(&self) -> Vec<usize> {
        let table = self.at.tower.map(|tower| tower.table).filter(|_| self.config.tower == Tower::Table);
        // The identifier's table is the first parameter.
        [0, self.at.bias].into_iter().chain(table).collect()
    }

    /// The start vectors of users, [users, width]: x_0 plus the embeddings of
    /// their features.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn starts(&self, start: &[f32], people: &[EntityRef]) -> Result<Vec<f32>> {
        let mut starts = start.repeat(people.len());
        for feature in &self.people {
            let own = read(feature.embed(&self.parameters, people)).await?;
            starts.iter_mut().zip(own).for_each(|(start, own)| *start += own);
        }
        Ok(starts)
    }

    /// Whether users start at different vectors.
    pub(super) fn knows_people(&self) -> bool {
        !self.people.is_empty()
    }

    /// Adds the gradient of the features' parameters, given the gradient at the
    /// embeddings of all items, or of some. With some items, the identifiers'
    /// table gets a gradient at those rows only.
    pub(super) fn accumulate(&self, gradient: &mut Gradient, at_vectors: &Tensor<2>, items: Option<&[u32]>) {
        let rows = self.rows(items);
        // On a GPU it is put as it stands, whole or not.
        let put = items.is_some() || !on_cpu(at_vectors);
        for (number, feature) in self.features.iter().enumerate() {
            match number == 0 && put {
                true => gradient.put(0, at_vectors.clone()),
                false => feature.accumulate(gradient, &rows, at_vectors.clone()),
            }
        }
    }

    /// The catalogue to score, from the embeddings of all items, or of some.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn catalogue(&self, vectors: Tensor<2>, items: Option<&[u32]>) -> Result<Catalogue> {
        let bias = of_some(self.parameters.get(self.at.bias), 1, items).transpose();
        Catalogue::new(Tensor::cat(vec![vectors, bias], 1)).await
    }

    /// The vectors that the history tower sums, [items, width], of all items or
    /// of those whose embeddings are given; `None` without a tower.
    pub(super) fn tower_vectors(&self, vectors: &Tensor<2>, items: Option<&[u32]>) -> Option<Tensor<2>> {
        let table = self.parameters.get(self.at.tower?.table);
        Some(match self.config.tower {
            Tower::Map => map::forward(vectors.clone(), table.clone()),
            Tower::Table | Tower::None => of_some(table, 0, items),
        })
    }

    /// Reads the start vector, step size and decays.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn scalars(&self) -> Result<Scalars> {
        let values = async |number: usize| read(self.parameters.get(number).clone()).await;
        let fading = match self.at.fading {
            None => Fading::Alike,
            Some(number) => Fading::single(values(number).await?[0]),
        };
        let tower = match self.at.tower {
            None => None,
            Some(numbers) => {
                let (fading, mix) = match numbers.fadings {
                    None => (Fading::Alike, Vec::new()),
                    Some((fadings, mix)) => {
                        let mix = values(mix).await?;
                        (Fading::mixed(&values(fadings).await?, &mix), softmax(&mix))
                    }
                };
                Some(TowerScalars { scale: values(numbers.scale).await?[0], fading, mix })
            }
        };
        let step = if self.config.steps == 0 { 0.0 } else { values(self.at.step).await?[0].exp() };
        Ok(Scalars { start: values(self.at.start).await?, step, fading, tower })
    }
}

/// Some rows (0) or columns (1) of a tensor, or all.
pub(super) fn of_some(tensor: &Tensor<2>, dimension: usize, items: Option<&[u32]>) -> Tensor<2> {
    match items {
        None => tensor.clone(),
        Some(items) => tensor.clone().select(dimension, indices(items.iter().copied(), &tensor.device())),
    }
}
