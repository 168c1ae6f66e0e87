//! Cuts a shard's histories into pieces, and orders them for an epoch.
//!
//! Every position of every history is a query once in an epoch. Long histories
//! are cut into pieces, at other positions in each epoch, so that no user fills
//! a batch. All of this is keyed by (seed, shard, epoch, user): no user affects
//! where another user's history is cut.

use crate::Result;
use crate::data::Catalog;
use crate::episodes::EpisodesConfig;
use crate::episodes::model::EpisodeModel;
use crate::episodes::on_device::Layout;
use crate::episodes::training::{Chance, Outcome, Piece};
use crate::meta::{Adam, Lazy};
use crate::model::EntityRef;
use crate::random::{Key, Stream};
use crate::shard::{ShardData, UserSlice};
use crate::tensor::{Tensor, on_cpu, read};

/// One piece of a history, as one entry in the order of an epoch.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    cell: &'a UserSlice,
    number: u64,
    pub(super) piece: Piece<'a>,
}

/// The keys of a shard's random streams in one epoch.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) key: &'a Key,
    pub(super) catalog: &'a Catalog,
    pub(super) shard: u32,
    pub(super) epoch: u64,
    /// Whether users are keyed by their index instead of their identifier: a
    /// deliberate mistake.
    pub(super) numbered: bool,
}

impl Names<'_> {
    fn parts(&self, cell: &UserSlice, number: u64) -> [Vec<u8>; 4] {
        let person = match self.numbered {
            true => cell.user.to_le_bytes().to_vec(),
            false => self.catalog.users.ids[cell.user as usize].clone().into_bytes(),
        };
        [self.shard.to_le_bytes().to_vec(), self.epoch.to_le_bytes().to_vec(), person, number.to_le_bytes().to_vec()]
    }

    fn number(&self, purpose: &str, cell: &UserSlice, number: u64) -> u64 {
        self.key.number(purpose, &self.parts(cell, number).each_ref().map(Vec::as_slice))
    }

    /// The random stream of one piece.
    pub(super) fn stream(&self, purpose: &str, turn: &Turn<'_>) -> Stream {
        self.key.stream(purpose, &self.parts(turn.cell, turn.number).each_ref().map(Vec::as_slice))
    }

    /// Draws the sampled items that all query positions of a batch share,
    /// ascending, with the targets among them. The second list holds each
    /// item's probability of being in the sample.
    pub(super) fn sample(&self, items: usize, negatives: usize, batch: u64, targets: &[u32]) -> (Vec<u32>, Vec<f32>) {
        let parts =
            [self.shard.to_le_bytes().to_vec(), self.epoch.to_le_bytes().to_vec(), batch.to_le_bytes().to_vec()];
        let mut stream = self.key.stream("shared negatives", &[&parts[0], &parts[1], &parts[2]]);
        let mut sure = targets.to_vec();
        sure.sort_unstable();
        sure.dedup();
        let mut drawn: Vec<u32> = (0..negatives).map(|_| stream.below(items) as u32).collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn.retain(|item| sure.binary_search(item).is_err());
        // Targets are in the sample for certain; each other item represents the
        // rest of the catalogue.
        let share = drawn.len().max(1) as f32 / (items - sure.len()).max(1) as f32;
        let mut chosen: Vec<(u32, f32)> = sure.into_iter().map(|item| (item, 1.0)).collect();
        chosen.extend(drawn.into_iter().map(|item| (item, share)));
        chosen.sort_unstable_by_key(|(item, _)| *item);
        chosen.into_iter().unzip()
    }
}

/// The pieces of an epoch, in its random order.
pub(super) fn turns<'a>(names: Names<'_>, shard: &'a ShardData, config: &EpisodesConfig) -> Vec<Turn<'a>> {
    let mut turns: Vec<(u64, Turn<'a>)> = Vec::new();
    for cell in &shard.cells {
        let records = cell.support.as_slice();
        if records.len() < 2 {
            continue;
        }
        let mut from = usize::from(config.timed);
        let places = records.len() - from;
        let mut number = 0;
        // The first piece is shorter, by a number that changes with the epoch.
        let mut size = match places > config.piece {
            true => 1 + (names.number("cut", cell, 0) % config.piece as u64) as usize,
            false => config.piece,
        };
        while from < records.len() {
            let to = records.len().min(from + size);
            let order = names.number("pieces", cell, number);
            turns.push((
                order,
                Turn { cell, number, piece: Piece { person: EntityRef::Known(cell.user), records, from, to } },
            ));
            (from, size, number) = (to, config.piece, number + 1);
        }
    }
    turns.sort_by_key(|(order, _)| *order);
    turns.into_iter().map(|(_, turn)| turn).collect()
}

/// One epoch of one shard.
pub(crate) struct Epoch<'a> {
    pub(crate) key: &'a Key,
    pub(crate) catalog: &'a Catalog,
    pub(crate) shard: &'a ShardData,
    /// The number of finished epochs.
    pub(crate) number: u32,
    /// The number of all epochs.
    pub(crate) epochs: u32,
    /// Whether users are keyed by their index instead of their identifier: a
    /// deliberate mistake.
    pub(crate) numbered: bool,
}

impl Epoch<'_> {
    /// Runs the epoch. Returns the mean loss over its query positions; `seen`
    /// is called with the share that is done.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn run(
        &self,
        model: &mut EpisodeModel,
        adam: &mut Adam,
        mut seen: impl FnMut(f64),
    ) -> Result<f32> {
        let (config, names) = (model.config.clone(), self.names());
        let turns = turns(names, self.shard, &config);
        if !on_cpu(model.parameters.get(model.at.start)) {
            let total = self.on_device(model, adam, &turns, seen);
            let loss = read(total).await?;
            return Ok(loss.first().copied().unwrap_or_default());
        }
        let batches = turns.len().div_ceil(config.pieces_per_batch);
        let (mut total, mut places) = (0.0f64, 0usize);
        let of_items = model.of_items();
        let mut lazy = Lazy { parameters: &of_items, items: model.items, rate: 0.0, decay: config.weight_decay };
        for (number, turns) in turns.chunks(config.pieces_per_batch).enumerate() {
            let batch = Batch::new(names, model.items, &config, turns, number as u64);
            lazy.rate = self.rate(&config, number as f32 / batches as f32);
            if let Some((chosen, _)) = &batch.sample {
                let read = model.read_by(&batch.pieces, chosen);
                adam.catch_up(model.parameters_mut(), lazy, &read);
            }
            let count: usize = batch.pieces.iter().map(|piece| piece.to - piece.from).sum();
            let outcome = batch.outcome(model).await?;
            adam.step(model.parameters_mut(), outcome.gradient, lazy.rate, config.weight_decay);
            total += outcome.loss * count as f64;
            places += count;
            seen((number + 1) as f64 / batches as f64);
        }
        adam.settle(model.parameters_mut(), lazy);
        Ok((total / places.max(1) as f64) as f32)
    }

    /// Runs all batches without reading a value in between. Returns the mean
    /// loss of the query positions, [1, 1]. A thread on the host lays out
    /// batches ahead of the device.
    fn on_device(
        &self,
        model: &mut EpisodeModel,
        adam: &mut Adam,
        turns: &[Turn<'_>],
        mut seen: impl FnMut(f64),
    ) -> Tensor<2> {
        let (config, names) = (model.config.clone(), self.names());
        let (items, people) = (model.items, model.knows_people());
        let batches = turns.len().div_ceil(config.pieces_per_batch);
        let of_items = model.of_items();
        let mut lazy = Lazy { parameters: &of_items, items, rate: 0.0, decay: config.weight_decay };
        let mut total = Tensor::<2>::zeros([1, 1], &model.parameters.device());
        let mut places = 0;
        let layouts = turns.chunks(config.pieces_per_batch).enumerate().map(|(number, turns)| {
            let mut batch = Batch::new(names, items, &config, turns, number as u64);
            let pieces = std::mem::take(&mut batch.pieces);
            Layout::new(&pieces, batch.chance(config.dropout), &config, items, people)
        });
        let mut number = 0;
        ahead(layouts, |layout: Layout| {
            lazy.rate = self.rate(&config, number as f32 / batches as f32);
            if let Some(read) = layout.reads() {
                adam.catch_up(model.parameters_mut(), lazy, read);
            }
            let stepped = model.step_on_device(&layout);
            adam.step(model.parameters_mut(), stepped.gradient, lazy.rate, config.weight_decay);
            total = total.clone() + stepped.loss * layout.places as f32;
            places += layout.places;
            number += 1;
            seen(f64::from(number) / batches as f64);
        });
        adam.settle(model.parameters_mut(), lazy);
        total / places.max(1) as f32
    }

    fn names(&self) -> Names<'_> {
        Names {
            key: self.key,
            catalog: self.catalog,
            shard: self.shard.index,
            epoch: u64::from(self.number),
            numbered: self.numbered,
        }
    }

    /// Adam's learning rate after a share of this epoch: it falls along a
    /// cosine.
    fn rate(&self, config: &EpisodesConfig, share: f32) -> f32 {
        let done = (self.number as f32 + share) / self.epochs as f32;
        config.rate * (0.5 * (1.0 + (std::f32::consts::PI * done).cos())).max(0.02)
    }
}

/// One mini-batch with its random streams and sample.
struct Batch<'a> {
    pieces: Vec<Piece<'a>>,
    streams: Vec<Stream>,
    /// The sampled items that are scored for each query, with their
    /// probabilities; all items if `None`.
    sample: Option<(Vec<u32>, Vec<f32>)>,
}

impl<'a> Batch<'a> {
    fn new(names: Names<'_>, items: usize, config: &EpisodesConfig, turns: &[Turn<'a>], number: u64) -> Self {
        let pieces: Vec<Piece<'a>> = turns.iter().map(|turn| turn.piece.clone()).collect();
        let streams = turns.iter().map(|turn| names.stream("dropout", turn)).collect();
        let sample = (items > config.whole_catalogue).then(|| {
            let asked: Vec<u32> = pieces.iter().flat_map(|p| &p.records[p.from..p.to]).copied().collect();
            names.sample(items, config.negatives, number, &asked)
        });
        Self { pieces, streams, sample }
    }

    fn chance(&mut self, dropout: f32) -> Chance<'_> {
        let sample = self.sample.as_ref().map(|(chosen, chances)| (chosen.as_slice(), chances.as_slice()));
        Chance { dropout, streams: std::mem::take(&mut self.streams), sample }
    }

    /// The outer loss and its gradient.
    async fn outcome(mut self, model: &EpisodeModel) -> Result<Outcome> {
        let pieces = std::mem::take(&mut self.pieces);
        model.outer(&pieces, self.chance(model.config.dropout)).await
    }
}

/// The most batches that wait for the device.
#[cfg(feature = "threads")]
const AHEAD: usize = 4;

/// Passes on, in order, values that a separate thread makes.
#[cfg(feature = "threads")]
fn ahead<T: Send>(make: impl Iterator<Item = T> + Send, mut take: impl FnMut(T)) {
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel(AHEAD);
        scope.spawn(move || {
            for made in make {
                // The receiver is gone.
                if sender.send(made).is_err() {
                    return;
                }
            }
        });
        receiver.into_iter().for_each(&mut take);
    });
}

/// Passes on values in order.
#[cfg(not(feature = "threads"))]
fn ahead<T>(make: impl Iterator<Item = T>, take: impl FnMut(T)) {
    make.for_each(take);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_form::KernelConfig;
    use crate::data::Entities;
    use crate::episodes::Tower;
    use crate::model::TensorMap;
    use crate::tensor::Device;
    use pollster::block_on;

    /// How the optimiser applies a batch's gradient.
    #[derive(Clone, Copy, PartialEq)]
    enum Steps {
        Lazy,
        /// At every row, although most have a gradient of zero.
        Dense,
        /// At the rows that were read, without catching up on the steps
        /// between: a deliberate mistake.
        Forgetful,
    }

    fn train(catalog: &Catalog, shard: &ShardData, start: &EpisodeModel, steps: Steps) -> TensorMap {
        let key = Key::from_seed(9);
        let (mut model, mut adam) = (start.clone(), Adam::with(start.parameters(), 0.99, 1.0));
        let config = start.config.clone();
        for number in 0..3 {
            let epoch = Epoch { key: &key, catalog, shard, number, epochs: 3, numbered: false };
            if steps == Steps::Lazy {
                block_on(epoch.run(&mut model, &mut adam, |_| ())).unwrap();
                continue;
            }
            let turns = turns(epoch.names(), shard, &config);
            let batches = turns.len().div_ceil(config.pieces_per_batch);
            for (number, turns) in turns.chunks(config.pieces_per_batch).enumerate() {
                let batch = Batch::new(epoch.names(), model.items, &config, turns, number as u64);
                let gradient = block_on(batch.outcome(&model)).unwrap().gradient;
                let rate = epoch.rate(&config, number as f32 / batches as f32);
                if steps == Steps::Dense {
                    let mut whole = model.parameters().zeros_like();
                    whole.set(&block_on(gradient.values()).unwrap()).unwrap();
                    adam.step(model.parameters_mut(), whole, rate, config.weight_decay);
                } else {
                    adam.step(model.parameters_mut(), gradient, rate, config.weight_decay);
                }
            }
        }
        block_on(model.values()).unwrap()
    }

    /// Sampled epochs end close to dense steps with the same gradients; rows
    /// that do not catch up end elsewhere.
    #[test]
    fn lazy_steps_end_where_dense_ones_do() {
        let device = Device::Flex(Default::default());
        let side =
            |count: usize| Entities::new((0..count).map(|n| format!("{n:03}")).collect(), Vec::new(), Vec::new());
        let (people, items) = (60u32, 400u32);
        let (users, of_items) = (side(people as usize).unwrap(), side(items as usize).unwrap());
        let catalog = Catalog { dataset: "lazy".into(), version: 1, users, items: of_items };
        let mut stream = Key::from_seed(9).stream("histories", &[]);
        let mut history = || {
            let mut all: Vec<u32> = (0..items / 2).collect();
            stream.choose(&mut all, 9);
            all[..9].to_vec()
        };
        let cells = (0..people).map(|user| UserSlice { user, support: history(), query: Vec::new() }).collect();
        let shard = ShardData { index: 0, cells };
        for tower in [Tower::Map, Tower::Table] {
            let config = EpisodesConfig {
                width: 4,
                tower,
                whole_catalogue: 50,
                negatives: 5,
                piece: 4,
                pieces_per_batch: 2,
                weight_decay: 0.5,
                kernel_start: 0.0,
                ..EpisodesConfig::default()
            };
            let start =
                EpisodeModel::new(&catalog, &config, &KernelConfig::default(), &Key::from_seed(9), 0, &device).unwrap();
            let [lazy, dense, forgetful] =
                [Steps::Lazy, Steps::Dense, Steps::Forgetful].map(|steps| train(&catalog, &shard, &start, steps));
            let before = block_on(start.values()).unwrap();
            let apart = |a: &TensorMap, b: &TensorMap, name: &str| -> f64 {
                let pairs = a[name].1.iter().zip(&b[name].1);
                pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
            };
            for name in ["item.id.table", "item.bias", "tower.table"].into_iter().filter(|n| before.contains_key(*n)) {
                let moved = apart(&dense, &before, name);
                let (own, other) = (apart(&lazy, &dense, name) / moved, apart(&forgetful, &dense, name) / moved);
                println!("{name} of {tower:?}: {own:.3} lazy, {other:.3} forgetful");
                assert!(own < 0.3 && other > 2.0 * own, "{name} of {tower:?}: {own} lazy, {other} forgetful");
            }
        }
    }
}
