//! A shard's histories in pieces, and the order in which an epoch sees them.
//!
//! Every place of every history is a query once an epoch. Long histories are
//! cut into pieces, elsewhere in each epoch, so that no person fills a batch.
//! All is keyed by (seed, shard, epoch, person): nobody has a say in where
//! another's pieces are cut.

use crate::Result;
use crate::dataset::Catalog;
use crate::episodes::EpisodesConfig;
use crate::episodes::model::EpisodeModel;
use crate::episodes::training::{Chance, Piece};
use crate::meta::Adam;
use crate::model::Row;
use crate::random::{Key, Stream};
use crate::shard::{Cell, ShardData};

/// One piece of an epoch: whose, and which of theirs.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    cell: &'a Cell,
    number: u64,
    pub(super) piece: Piece<'a>,
}

/// The names of a shard's streams in one epoch.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) key: &'a Key,
    pub(super) catalog: &'a Catalog,
    pub(super) shard: u32,
    pub(super) epoch: u64,
    /// People are named by their place in the table: a mistake.
    pub(super) numbered: bool,
}

impl Names<'_> {
    fn parts(&self, cell: &Cell, number: u64) -> [Vec<u8>; 4] {
        let person = match self.numbered {
            true => cell.user.to_le_bytes().to_vec(),
            false => self.catalog.users.ids[cell.user as usize].clone().into_bytes(),
        };
        [self.shard.to_le_bytes().to_vec(), self.epoch.to_le_bytes().to_vec(), person, number.to_le_bytes().to_vec()]
    }

    fn number(&self, purpose: &str, cell: &Cell, number: u64) -> u64 {
        self.key.number(purpose, &self.parts(cell, number).each_ref().map(Vec::as_slice))
    }

    /// The stream of one piece.
    pub(super) fn stream(&self, purpose: &str, turn: &Turn<'_>) -> Stream {
        self.key.stream(purpose, &self.parts(turn.cell, turn.number).each_ref().map(Vec::as_slice))
    }

    /// The items that a batch draws for all its places, ascending, with the
    /// targets among them, and the chance of each to be there.
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
        // Targets are there for certain; the others stand for all the rest.
        let share = drawn.len().max(1) as f32 / (items - sure.len()).max(1) as f32;
        let mut chosen: Vec<(u32, f32)> = sure.into_iter().map(|item| (item, 1.0)).collect();
        chosen.extend(drawn.into_iter().map(|item| (item, share)));
        chosen.sort_unstable_by_key(|(item, _)| *item);
        chosen.into_iter().unzip()
    }
}

/// The pieces of an epoch, in its order.
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
        // The first piece is shorter, by another number each epoch.
        let mut size = match places > config.piece {
            true => 1 + (names.number("cut", cell, 0) % config.piece as u64) as usize,
            false => config.piece,
        };
        while from < records.len() {
            let to = records.len().min(from + size);
            let order = names.number("pieces", cell, number);
            turns.push((
                order,
                Turn { cell, number, piece: Piece { person: Row::Known(cell.user), records, from, to } },
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
    /// Epochs done before.
    pub(crate) number: u32,
    /// Of how many.
    pub(crate) epochs: u32,
    /// People are named by their place in the table: a mistake.
    pub(crate) numbered: bool,
}

impl Epoch<'_> {
    /// Runs it. Returns the mean loss of its places; `seen` is told the share
    /// that is done.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn run(
        &self,
        model: &mut EpisodeModel,
        adam: &mut Adam,
        mut seen: impl FnMut(f64),
    ) -> Result<f32> {
        let config = model.config.clone();
        let names = Names {
            key: self.key,
            catalog: self.catalog,
            shard: self.shard.index,
            epoch: u64::from(self.number),
            numbered: self.numbered,
        };
        let turns = turns(names, self.shard, &config);
        let batches = turns.len().div_ceil(config.pieces_per_batch);
        let (mut total, mut places) = (0.0f64, 0usize);
        for (number, turns) in turns.chunks(config.pieces_per_batch).enumerate() {
            let pieces: Vec<Piece<'_>> = turns.iter().map(|turn| turn.piece.clone()).collect();
            let streams = turns.iter().map(|turn| names.stream("dropout", turn)).collect();
            let sample = (model.items > config.whole_catalogue).then(|| {
                let asked: Vec<u32> = pieces.iter().flat_map(|p| &p.records[p.from..p.to]).copied().collect();
                names.sample(model.items, config.negatives, number as u64, &asked)
            });
            let sample = sample.as_ref().map(|(chosen, chances)| (chosen.as_slice(), chances.as_slice()));
            let outcome = model.outer(&pieces, Chance { dropout: config.dropout, streams, sample }).await?;
            let done = (self.number as f32 + number as f32 / batches as f32) / self.epochs as f32;
            let rate = config.rate * (0.5 * (1.0 + (std::f32::consts::PI * done).cos())).max(0.02);
            adam.step(model.parameters_mut(), outcome.gradient, rate, config.weight_decay);
            let count: usize = pieces.iter().map(|piece| piece.to - piece.from).sum();
            total += outcome.loss * count as f64;
            places += count;
            seen((number + 1) as f64 / batches as f64);
        }
        Ok((total / places.max(1) as f64) as f32)
    }
}
