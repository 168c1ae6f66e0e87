//! A batch as arrays, prepared by the host. They depend on no parameter, so the
//! host can prepare a batch while the device computes another.
//!
//! Histories are concatenated, and so are query positions (places). The weights
//! of a position are a row over the records; only the earlier records of its
//! own history have a weight. Positions and records are padded to a multiple,
//! with at least one row of padding: a position with share 0, or a record that
//! no position reads.

use std::ops::Range;

use super::sums::FOLD;
use crate::episodes::reach::Reach;
use crate::episodes::training::{Chance, Piece};
use crate::episodes::{EpisodesConfig, Tower};
use crate::model::{EntityRef, Segments};
use crate::random::Stream;

/// Added to the logits of the catalogue's padding rows.
const NEVER: f32 = -1e30;
/// The most weights (positions times records) of a group with several pieces.
const WEIGHTS: usize = 1 << 22;

/// A batch as arrays.
pub(in crate::episodes) struct Layout {
    /// The items that the batch reads.
    pub(super) reach: Reach,
    /// Groups of pieces; the weights of a group are one matrix.
    pub(super) groups: Vec<Group>,
    /// The number of query positions without padding.
    pub(in crate::episodes) places: usize,
    /// The share of each position in the mean loss; 0 for padding.
    pub(super) shares: Vec<f32>,
    /// The target of each position, as a row of the scored items.
    pub(super) targets: Vec<u32>,
    /// Sums rows of positions into the rows of their targets.
    pub(super) to_targets: Segments,
    /// Sums rows of records into the rows of the items that are read.
    pub(super) to_rows: Segments,
    /// The items that are scored for each position.
    pub(super) chosen: Chosen,
    /// If users start at different vectors: the users, and the user of each
    /// position as a matrix [users, positions] of zeros and ones.
    pub(super) people: Option<(Vec<EntityRef>, Vec<f32>)>,
}

/// Pieces whose weights are one matrix.
#[derive(Default)]
pub(super) struct Group {
    pub(super) places: Range<usize>,
    /// The row of each record among the items that are read.
    pub(super) records: Vec<u32>,
    /// The number of records without padding.
    real: usize,
    /// For ordered histories, for each position: the index of the record before
    /// it, and the age of the oldest record in its support, -1 without any.
    pub(super) newest: Vec<f32>,
    pub(super) oldest: Vec<f32>,
    /// For histories without an order: the weights, [positions, records].
    pub(super) alike: Option<Vec<f32>>,
    /// Dropout factors, [records, width], for the step and the tower; empty
    /// without dropout.
    pub(super) kept: [Vec<f32>; 2],
}

/// The rows that are scored for each position.
pub(super) struct Chosen {
    /// Indices among the rows that are read; those from `items` on are padding.
    pub(super) rows: Vec<u32>,
    pub(super) items: usize,
    /// The correction that is added to each logit.
    pub(super) corrections: Vec<f32>,
    /// For a sample: the index here of each row that is read, or that of a
    /// padding row.
    pub(super) back: Option<Vec<u32>>,
}

impl Chosen {
    fn new(reach: &Reach, sample: Option<(&[u32], &[f32])>) -> Self {
        let (mut rows, mut corrections): (Vec<u32>, Vec<f32>) = match sample {
            None => ((0..reach.len() as u32).collect(), vec![0.0; reach.len()]),
            Some((chosen, chances)) => {
                (reach.places(chosen).into_owned(), chances.iter().map(|chance| -chance.ln()).collect())
            }
        };
        let items = rows.len();
        let filled = (items + 1).next_multiple_of(FOLD);
        let back = sample.map(|_| {
            let mut back = vec![items as u32; reach.len()];
            (0..).zip(&rows).for_each(|(place, &row)| back[row as usize] = place);
            back
        });
        rows.resize(filled, 0);
        corrections.resize(filled, NEVER);
        Self { rows, items, corrections, back }
    }
}

impl Layout {
    /// Arranges the pieces of a batch over `items` items.
    pub(in crate::episodes) fn new(
        pieces: &[Piece<'_>],
        mut chance: Chance<'_>,
        config: &EpisodesConfig,
        items: usize,
        knows_people: bool,
    ) -> Self {
        let reach = Reach::new(pieces, config.timed, chance.sample.map(|(chosen, _)| chosen), items);
        let chosen = Chosen::new(&reach, chance.sample);
        let places: usize = pieces.iter().map(|piece| piece.to - piece.from).sum();
        let mut layout = Self {
            groups: Vec::new(),
            places,
            shares: Vec::new(),
            targets: Vec::new(),
            to_targets: Segments::new([], 0, 0),
            to_rows: Segments::new([], 0, 0),
            people: None,
            reach,
            chosen,
        };
        let (mut whose, mut rows) = (Vec::new(), Vec::new());
        let mut from = 0;
        while from < pieces.len() {
            let to = from + together(&pieces[from..], config.timed);
            let streams = chance.streams.get_mut(from..to).unwrap_or_default();
            let group = layout.group(&pieces[from..to], streams, chance.dropout, config);
            for (number, piece) in (from..).zip(&pieces[from..to]) {
                whose.resize(whose.len() + piece.to - piece.from, Some(number));
                let asked = &piece.records[piece.from..piece.to];
                layout.targets.extend(asked.iter().map(|item| match chance.sample {
                    None => *item,
                    Some((chosen, _)) => chosen.partition_point(|other| other < item) as u32,
                }));
            }
            layout.shares.resize(whose.len(), 1.0 / places.max(1) as f32);
            layout.targets.resize(group.places.end, 0);
            layout.shares.resize(group.places.end, 0.0);
            whose.resize(group.places.end, None);
            rows.extend(group.records.iter().take(group.real).copied().map(Some));
            rows.resize(rows.len() + group.records.len() - group.real, None);
            layout.groups.push(group);
            from = to;
        }
        // Each group ends with a padding row of zeros.
        let last = |all: usize| all.saturating_sub(1) as u32;
        let aimed = whose.iter().zip(&layout.targets).map(|(own, &target)| own.map(|_| target));
        layout.to_targets = Segments::new(aimed, layout.chosen.rows.len(), last(whose.len()));
        let filling = last(rows.len());
        layout.to_rows = Segments::new(rows, layout.reach.len(), filling);
        layout.people = knows_people.then(|| {
            let mut ones = vec![0.0; pieces.len() * whose.len()];
            for (place, own) in whose.iter().enumerate() {
                own.iter().for_each(|own| ones[own * whose.len() + place] = 1.0);
            }
            (pieces.iter().map(|piece| piece.person).collect(), ones)
        });
        layout
    }

    /// The items that are read, if not all.
    pub(in crate::episodes) fn reads(&self) -> Option<&[u32]> {
        self.reach.items()
    }

    /// The number of positions, with padding.
    pub(super) fn all(&self) -> usize {
        self.shares.len()
    }

    fn group(&self, pieces: &[Piece<'_>], streams: &mut [Stream], dropout: f32, config: &EpisodesConfig) -> Group {
        let first = self.shares.len();
        let mut group = Group { places: first..first, ..Group::default() };
        for piece in pieces {
            let before = group.records.len();
            group.records.extend_from_slice(&self.reach.places(piece.read(config.timed)));
            for place in piece.from..piece.to {
                group.newest.push((before + place) as f32 - 1.0);
                group.oldest.push(place as f32 - 1.0);
            }
        }
        group.real = group.records.len();
        let [places, records] = [group.newest.len(), group.real].map(|real| (real + 1).next_multiple_of(FOLD));
        group.places.end = first + places;
        group.records.resize(records, 0);
        group.newest.resize(places, -1.0);
        group.oldest.resize(places, -1.0);
        if !config.timed {
            let mut weights = vec![0.0; places * records];
            let (mut place, mut before) = (0, 0);
            for piece in pieces {
                for own in piece.from..piece.to {
                    let row = &mut weights[place * records + before..][..piece.records.len()];
                    row.fill(1.0);
                    row.get_mut(own).into_iter().for_each(|own| *own = 0.0);
                    place += 1;
                }
                before += piece.records.len();
            }
            group.alike = Some(weights);
        }
        if dropout > 0.0 && !streams.is_empty() {
            let ways = if config.tower == Tower::None { 1 } else { 2 };
            let mut before = 0;
            group.kept.iter_mut().take(ways).for_each(|kept| kept.resize(records * config.width, 0.0));
            for (piece, stream) in pieces.iter().zip(streams) {
                let own = before..before + piece.read(config.timed).len() * config.width;
                before = own.end;
                group.kept.iter_mut().take(ways).for_each(|kept| stream.keep(&mut kept[own.clone()], dropout));
            }
        }
        group
    }
}

/// The number of pieces (at least one) whose weights become one matrix.
fn together(pieces: &[Piece<'_>], timed: bool) -> usize {
    let (mut places, mut records) = (0, 0);
    let fits = |piece: &&Piece<'_>| {
        places += piece.to - piece.from;
        records += piece.read(timed).len();
        places * records <= WEIGHTS
    };
    pieces.iter().take_while(fits).count().max(1)
}
