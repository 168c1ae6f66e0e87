//! The default model by its definition: every position of a history has its own
//! sum over the records that it may read, with reverse-mode differentiation
//! through all of it. It uses no recurrence and no formula of a gradient.

use anyhow::Result;
use burn::tensor::activation::{log_softmax, softmax};
use eemu_core::data::{Catalog, Entities};
use eemu_core::episodes::{EpisodesConfig, Tower};
use eemu_core::model::{EntityRef, ModelConfig, TensorMap};
use eemu_core::tensor::{Device, Tensor, from_vec, indices};
use std::sync::PoisonError;

use super::{GRAPH, Gradient, Slow, Theta, read};

/// The plain model for one catalogue.
pub struct SlowEpisodes {
    config: EpisodesConfig,
    items: Slow,
    people: Slow,
}

/// The result of a batch.
pub struct Outer {
    /// Mean cross-entropy of the queries.
    pub loss: f32,
    /// Its gradient; parameters that do not affect the loss are absent.
    pub gradient: Gradient,
    /// The vectors of the query positions, row by row.
    pub adapted: Vec<f32>,
}

/// Some query positions of one history.
pub struct Places<'a> {
    /// The user of the history.
    pub person: EntityRef,
    /// The whole history.
    pub records: &'a [u32],
    /// The query positions among them.
    pub asked: std::ops::Range<usize>,
    /// Factors of dropout for the records' embeddings and for the tower's,
    /// [records, width]; an empty list means no dropout.
    pub kept: [Vec<f32>; 2],
}

/// The decayed sum at each position, with the square root of each position's
/// weight.
struct Faded {
    sums: Tensor<2>,
    roots: Tensor<2>,
}

impl SlowEpisodes {
    /// The model over a catalogue, computing on `device`.
    ///
    /// # Errors
    /// Never, unless the catalogue contradicts itself.
    pub fn new(catalog: &Catalog, config: &EpisodesConfig, device: &Device) -> Result<Self> {
        let items = match config.features {
            true => catalog.items.clone(),
            false => Entities::new(catalog.items.ids.iter().cloned().collect(), Vec::new(), Vec::new())?,
        };
        let of_items = Catalog { users: Entities::default(), items, ..catalog.clone() };
        let tables = ModelConfig { identifiers: true, unknown_rows: false, ..ModelConfig::default() };
        let users = if config.people { catalog.users.clone() } else { Entities::default() };
        let of_people = Catalog { users, items: Entities::default(), ..catalog.clone() };
        let nameless = ModelConfig { identifiers: false, ..tables.clone() };
        let people = Slow::new(&of_people, &nameless, device);
        Ok(Self { config: config.clone(), items: Slow::new(&of_items, &tables, device), people })
    }

    /// A value that is not a parameter.
    fn constant(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_inner(from_vec(values, shape, &self.items.device))
    }

    /// For each position and record, how many newer records precede the
    /// position: `None` if the position does not read the record.
    fn ages(&self, places: &Places<'_>) -> Vec<Option<f32>> {
        let records = 0..places.records.len();
        let age = |place: usize, record: usize| match self.config.timed {
            true => (record < place).then(|| (place - 1 - record) as f32),
            false => (record != place).then_some(0.0),
        };
        places.asked.clone().flat_map(|place| records.clone().map(move |record| age(place, record))).collect()
    }

    /// Sums `rows` [records, width] for each position. They are decayed at
    /// rates 1 / tau [1, parts], which `shares` [1, parts] mixes.
    fn faded(&self, places: &Places<'_>, rows: Tensor<2>, fading: Option<(Tensor<2>, Option<Tensor<2>>)>) -> Faded {
        let shape = [places.asked.len(), places.records.len()];
        let ages = self.ages(places);
        let read = self.constant(ages.iter().map(|age| f32::from(u8::from(age.is_some()))).collect(), shape);
        let ages = self.constant(ages.iter().map(|age| age.unwrap_or(0.0)).collect(), shape);
        let weights = match fading {
            None => read,
            Some((log_taus, mix)) => {
                let rates = log_taus.neg().exp();
                let parts = rates.dims()[1];
                let shares = mix.map(|mix| softmax(mix, 1));
                let mut sum: Option<Tensor<2>> = None;
                for part in 0..parts {
                    let mut own = (ages.clone() * rates.clone().narrow(1, part, 1)).neg().exp();
                    if let Some(shares) = &shares {
                        own = own * shares.clone().narrow(1, part, 1);
                    }
                    sum = Some(match sum {
                        None => own,
                        Some(sum) => sum + own,
                    });
                }
                sum.map_or_else(|| read.clone(), |sum| sum * read.clone())
            }
        };
        let roots = weights.clone().sum_dim(1).sqrt();
        Faded { sums: weights.matmul(rows) / roots.clone(), roots }
    }

    /// The mean loss of some query positions, and its gradient. With `sample`
    /// only those items are scored, each with its probability of being in the
    /// sample.
    ///
    /// # Errors
    /// When a parameter is missing.
    pub fn outer(&self, values: &TensorMap, pieces: &[Places<'_>], sample: Option<(&[u32], &[f32])>) -> Result<Outer> {
        let _alone = GRAPH.lock().unwrap_or_else(PoisonError::into_inner);
        let theta = self.items.copy(values);
        let device = &self.items.device;
        let all: Vec<EntityRef> = (0..self.items.items.count).map(EntityRef::Known).collect();
        let mut features = self.items.embed(&self.items.items, &theta, &all, true)?.into_iter();
        let first = features.next().ok_or_else(|| anyhow::anyhow!("no identifiers"))?;
        let y = features.fold(first, |sum, more| sum + more);
        let biases = theta.get("item.bias")?;
        let (choices, biases) = match sample {
            None => (y.clone(), biases),
            Some((chosen, chances)) => {
                let rows = || indices(chosen.iter().copied(), device);
                let corrections = chances.iter().map(|chance| -chance.ln()).collect();
                let corrections = self.constant(corrections, [1, chances.len()]);
                (y.clone().select(0, rows()), biases.select(1, rows()) + corrections)
            }
        };
        let logits = |x: &Tensor<2>| x.clone().matmul(choices.clone().transpose()) + biases.clone();
        let (start, step) = (theta.get("start")?, theta.get("log_step")?.exp());

        let (mut losses, mut adapted): (Option<Tensor<2>>, Vec<f32>) = (None, Vec::new());
        let count: usize = pieces.iter().map(|places| places.asked.len()).sum();
        for places in pieces {
            let rows = || indices(places.records.iter().copied(), device);
            let dropped = |rows: Tensor<2>, kept: &[f32]| match kept {
                [] => rows,
                kept => rows.clone() * self.constant(kept.to_vec(), rows.dims()),
            };
            let fading = self.config.timed.then(|| theta.get("log_fading")).transpose()?;
            let own = dropped(y.clone().select(0, rows()), &places.kept[0]);
            let faded = self.faded(places, own, fading.map(|fading| (fading, None)));
            let mut x = start.clone();
            for own in self.people.embed(&self.people.users, &theta, &[places.person], true)? {
                x = x + own;
            }
            let mut x = x.repeat_dim(0, places.asked.len());
            for number in 0..self.config.steps {
                // The negative gradient of the support loss at x.
                let mean = softmax(logits(&x), 1).matmul(choices.clone());
                let inner = faded.sums.clone() - mean * faded.roots.clone();
                // First order: the inner gradient is treated as a constant.
                let inner = if self.config.second_order { inner } else { inner.detach() };
                x = x + inner * step.clone();
                if number == 0
                    && let Some(tower) = self.tower(&theta, &y, places)?
                {
                    x = x + tower;
                }
            }
            if self.config.steps == 0
                && let Some(tower) = self.tower(&theta, &y, places)?
            {
                x = x + tower;
            }
            let asked = &places.records[places.asked.clone()];
            let width = choices.dims()[0];
            let smoothing = self.config.smoothing;
            let mut wanted = vec![smoothing / width as f32; asked.len() * width];
            for (place, item) in asked.iter().enumerate() {
                let target = sample.map_or(Some(*item as usize), |(chosen, _)| chosen.iter().position(|c| c == item));
                wanted[place * width + target.unwrap_or(0)] += 1.0 - smoothing;
            }
            let wanted = self.constant(wanted, [asked.len(), width]);
            let loss = (log_softmax(logits(&x), 1) * wanted).sum().reshape([1, 1]).neg();
            losses = Some(match losses {
                None => loss,
                Some(sum) => sum + loss,
            });
            adapted.extend(read(x.inner())?);
        }
        let loss = losses.ok_or_else(|| anyhow::anyhow!("no places"))? / count as f32;
        let mut gradients = loss.backward();
        let gradient = theta.0.iter().filter_map(|(name, value)| {
            let gradient = value.grad_remove(&mut gradients)?;
            Some((name.clone(), gradient))
        });
        let gradient = gradient.collect();
        Ok(Outer { loss: read(loss.inner())?[0], gradient, adapted })
    }

    /// The addition of the history tower at each position.
    fn tower(&self, theta: &Theta, y: &Tensor<2>, places: &Places<'_>) -> Result<Option<Tensor<2>>> {
        let table = match self.config.tower {
            Tower::None => return Ok(None),
            Tower::Table => theta.get("tower.table")?,
            Tower::Map => y.clone().matmul(theta.get("tower.map")?),
        };
        let rows = table.select(0, indices(places.records.iter().copied(), &self.items.device));
        let rows = match places.kept[1].as_slice() {
            [] => rows,
            kept => rows.clone() * self.constant(kept.to_vec(), rows.dims()),
        };
        let fading = match self.config.timed {
            true => Some((theta.get("tower.log_fadings")?, Some(theta.get("tower.mix")?))),
            false => None,
        };
        Ok(Some(self.faded(places, rows, fading).sums * theta.get("tower.scale")?))
    }
}
