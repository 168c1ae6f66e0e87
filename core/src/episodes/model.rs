//! One shard's model: vectors and biases of items, a start, a step and a
//! fading. Nothing in it belongs to a person.

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
use crate::tensor::{Device, Tensor, from_vec, indices, read};

/// Fadings with which the history tower starts, in records.
const TOWER_FADINGS: [f32; 2] = [3.0, 20.0];
/// The tower's scale at its start.
const TOWER_SCALE: f32 = 3.0;

/// One shard's model.
#[derive(Debug, Clone)]
pub struct EpisodeModel {
    pub(super) config: EpisodesConfig,
    pub(super) parameters: Parameters,
    /// The item tower: a vector is the sum of its features' embeddings.
    pub(super) features: Vec<Feature>,
    /// What a person's features add to x_0; empty by default.
    pub(super) people: Vec<Feature>,
    /// Numbers of the parameters that are no features.
    pub(super) at: Numbers,
    /// Of the kernel that item vectors start at.
    kernel: KernelConfig,
    pub(super) items: usize,
}

/// Numbers of parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) bias: usize,
    pub(super) start: usize,
    pub(super) step: usize,
    pub(super) fading: Option<usize>,
    pub(super) tower: Option<TowerNumbers>,
}

/// Numbers of the tower's parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct TowerNumbers {
    /// P, or L.
    pub(super) table: usize,
    pub(super) scale: usize,
    /// Log fadings and the mixture's logits, where there is an order.
    pub(super) fadings: Option<(usize, usize)>,
}

/// The scalars and small vectors of a model, on the host.
#[derive(Debug, Clone)]
pub(super) struct Scalars {
    /// x_0.
    pub(super) start: Vec<f32>,
    /// alpha.
    pub(super) step: f32,
    /// tau, as it fades.
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
    /// A model at its start: every value a function of (seed, shard, tensor, row).
    ///
    /// # Errors
    /// When the configuration cannot be used.
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
                // At first a person's features say nothing.
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

    /// What is learned, for an optimiser.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What is learned, for an optimiser or a loader.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Starts at what can be computed of a shard's records: item vectors at
    /// those of its kernel, biases at the log of how many people have each item.
    ///
    /// # Errors
    /// When the shard is too large for a kernel.
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

    /// Biases at the log of how many people have each item.
    pub(crate) fn start_biases(&mut self, counts: &[u32]) {
        let logs: Vec<f32> = counts.iter().map(|&count| (count as f32 + 0.5).ln()).collect();
        let mean = logs.iter().sum::<f32>() / logs.len().max(1) as f32;
        let biases = logs.into_iter().map(|log| log - mean).collect();
        let device = self.parameters.device();
        self.parameters.tensors_mut()[self.at.bias] = from_vec(biases, [1, self.items], &device);
    }

    /// The fading starts at so many records; for `core::mistakes` only.
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

    /// Sets every tensor by name: all of them, or none.
    ///
    /// # Errors
    /// When a name is missing or left over, or a shape differs.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        self.parameters.set(values)
    }

    /// The vectors of all items, [items, width].
    pub(super) fn vectors(&self) -> Tensor<2> {
        self.vectors_of(None)
    }

    /// The vectors of some items, or of all, [items, width].
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

    /// Numbers of the parameters that have a row, or a number, for each item.
    pub(super) fn of_items(&self) -> Vec<usize> {
        let table = self.at.tower.map(|tower| tower.table).filter(|_| self.config.tower == Tower::Table);
        // The identifier's table is the first parameter.
        [0, self.at.bias].into_iter().chain(table).collect()
    }

    /// Where people's vectors start, [people, width]: x_0, and what their
    /// features add.
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

    /// Whether people start at different vectors.
    pub(super) fn knows_people(&self) -> bool {
        !self.people.is_empty()
    }

    /// The gradient of the features' parameters, given what stands at the
    /// vectors of all items, or of some. The identifiers' table then gets a
    /// gradient at those rows alone.
    pub(super) fn accumulate(&self, gradient: &mut Gradient, at_vectors: &Tensor<2>, items: Option<&[u32]>) {
        let rows = self.rows(items);
        for (number, feature) in self.features.iter().enumerate() {
            match number == 0 && items.is_some() {
                true => gradient.put(0, at_vectors.clone()),
                false => feature.accumulate(gradient, &rows, at_vectors.clone()),
            }
        }
    }

    /// What places choose among, given the vectors of all items, or of some.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn catalogue(&self, vectors: Tensor<2>, items: Option<&[u32]>) -> Result<Catalogue> {
        let bias = of_some(self.parameters.get(self.at.bias), 1, items).transpose();
        Catalogue::new(Tensor::cat(vec![vectors, bias], 1)).await
    }

    /// The vectors that the tower sums, of all items or of some, whose vectors
    /// are given, [items, width]; `None` without a tower.
    pub(super) fn tower_vectors(&self, vectors: &Tensor<2>, items: Option<&[u32]>) -> Option<Tensor<2>> {
        let table = self.parameters.get(self.at.tower?.table);
        Some(match self.config.tower {
            Tower::Map => map::forward(vectors.clone(), table.clone()),
            Tower::Table | Tower::None => of_some(table, 0, items),
        })
    }

    /// Start, step, fadings.
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
fn of_some(tensor: &Tensor<2>, dimension: usize, items: Option<&[u32]>) -> Tensor<2> {
    match items {
        None => tensor.clone(),
        Some(items) => tensor.clone().select(dimension, indices(items.iter().copied(), &tensor.device())),
    }
}
