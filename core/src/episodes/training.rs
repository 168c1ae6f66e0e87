//! One mini-batch of episodes: query positions of several histories are adapted
//! and scored, and the gradient of every parameter is computed through the
//! inner step.
//!
//! With a sampled catalogue all work is at the items that the batch reads,
//! those of the sample and of the histories; it does not grow with the
//! catalogue.

use std::borrow::Cow;

use crate::Result;
use crate::episodes::catalogue::AtItems;
use crate::episodes::config::Tower;
use crate::episodes::map;
use crate::episodes::model::EpisodeModel;
use crate::episodes::reach::Reach;
use crate::episodes::support::{Faded, add};
use crate::model::{BatchGradient, EntityRef, Gradient, Sparse};
use crate::random::Stream;
use crate::tensor::{from_vec, on_cpu, read};

/// A piece of one history. Positions `from..to` are queries; each is predicted
/// from its support in `records`.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The user, for user features.
    pub person: EntityRef,
    /// The whole history in this shard, items in order.
    pub records: &'a [u32],
    /// The first query position, from 0; with an order 1 or more.
    pub from: usize,
    /// One past the last query position.
    pub to: usize,
}

impl Piece<'_> {
    /// The records that are read; with an order, those before the last query.
    pub(super) fn read(&self, timed: bool) -> &[u32] {
        match timed {
            false => self.records,
            true => &self.records[..self.to.min(self.records.len()).saturating_sub(1).max(1)],
        }
    }
}

/// The random parts of a batch: dropout and the sample of items.
pub struct Chance<'a> {
    /// Probability that dropout removes a component of a support vector.
    pub dropout: f32,
    /// One random stream for each piece, for dropout.
    pub streams: Vec<Stream>,
    /// The sampled items that are scored for each query, with their
    /// probabilities; all items if `None`.
    pub sample: Option<(&'a [u32], &'a [f32])>,
}

/// The result of one batch.
#[derive(Debug)]
pub struct Outcome {
    /// Mean cross-entropy of the queries.
    pub loss: f64,
    /// Its gradient at every parameter.
    pub gradient: BatchGradient,
    /// The adapted vectors of the queries.
    pub adapted: Vec<f32>,
}

/// The decayed sums of one piece, with the dropout that they used.
struct Summed {
    /// Sums of y, for the inner step.
    step: Faded,
    /// Sums of P, for the history tower.
    tower: Option<Faded>,
    /// Factors of dropout, [records, width]; empty without dropout.
    kept: [Vec<f32>; 2],
}

/// Row `item` of a table.
fn row(table: &[f32], width: usize, item: u32) -> &[f32] {
    &table[item as usize * width..][..width]
}

/// The vectors of records, after dropout.
fn gather(table: &[f32], width: usize, records: &[u32], dropout: f32, stream: Option<&mut Stream>) -> [Vec<f32>; 2] {
    let mut rows = Vec::with_capacity(records.len() * width);
    records.iter().for_each(|&item| rows.extend_from_slice(row(table, width, item)));
    let Some(stream) = stream.filter(|_| dropout > 0.0) else { return [rows, Vec::new()] };
    let mut kept = vec![0.0f32; rows.len()];
    stream.keep(&mut kept, dropout);
    rows.iter_mut().zip(&kept).for_each(|(value, kept)| *value *= kept);
    [rows, kept]
}

impl EpisodeModel {
    /// The items that a batch over a sample reads, ascending.
    pub(super) fn read_by(&self, pieces: &[Piece<'_>], sample: &[u32]) -> Vec<u32> {
        Reach::new(pieces, self.config.timed, Some(sample), self.items).into_items().unwrap_or_default()
    }

    /// The loss over the pieces of a batch, and its gradient. All queries have
    /// the same weight.
    /// On a device other than the CPU this is [`EpisodeModel::outer_on_device`].
    ///
    /// # Errors
    /// When the device fails.
    pub async fn outer(&self, pieces: &[Piece<'_>], mut chance: Chance<'_>) -> Result<Outcome> {
        if !on_cpu(self.parameters.get(self.at.start)) {
            return self.outer_on_device(pieces, chance).await;
        }
        let width = self.config.width;
        let scalars = self.scalars().await?;
        // With a sample, only the items that the batch reads are computed.
        let reach = Reach::new(pieces, self.config.timed, chance.sample.map(|(chosen, _)| chosen), self.items);
        let vectors = self.vectors_of(reach.items());
        let whole = self.catalogue(vectors.clone(), reach.items()).await?;
        let chosen = chance.sample.map(|(chosen, _)| reach.places(chosen));
        let catalogue = match (&chosen, chance.sample) {
            (Some(chosen), Some((_, chances))) => whole.sampled(chosen, chances).await?,
            _ => whole.clone(),
        };
        let y = read(vectors.clone()).await?;
        let p = match self.tower_vectors(&vectors, reach.items()) {
            None => None,
            Some(table) => Some(read(table).await?),
        };
        // All users start at x_0, so that one mean item embedding serves them
        // all; with user features every piece has its own start.
        let people: Vec<EntityRef> = pieces.iter().map(|piece| piece.person).collect();
        let starts = match self.knows_people() {
            false => scalars.start.clone(),
            true => self.starts(&scalars.start, &people).await?,
        };
        let start_means = catalogue.mean_items(&starts).await?;
        let start_of: Vec<usize> = (0..pieces.len())
            .flat_map(|piece| {
                let own = if self.knows_people() { piece } else { 0 };
                std::iter::repeat_n(own, pieces[piece].to - pieces[piece].from)
            })
            .collect();
        let mut summed = Vec::with_capacity(pieces.len());
        let histories: Vec<Cow<'_, [u32]>> =
            pieces.iter().map(|piece| reach.places(piece.read(self.config.timed))).collect();
        for (number, (piece, records)) in pieces.iter().zip(&histories).enumerate() {
            let mut stream = chance.streams.get_mut(number);
            let [rows, kept] = gather(&y, width, records, chance.dropout, stream.as_deref_mut());
            let step = Faded::new(&scalars.fading, &rows, width, piece.from, piece.to);
            let (tower, kept_tower) = match (&p, &scalars.tower) {
                (Some(p), Some(tower)) => {
                    let [rows, kept] = gather(p, width, records, chance.dropout, stream);
                    (Some(Faded::new(&tower.fading, &rows, width, piece.from, piece.to)), kept)
                }
                _ => (None, Vec::new()),
            };
            summed.push(Summed { step, tower, kept: [kept, kept_tower] });
        }
        let places: usize = pieces.iter().map(|piece| piece.to - piece.from).sum();
        let roots: Vec<f32> = summed.iter().flat_map(|s| s.step.weights.iter().map(|w| w.sqrt())).collect();
        let sums: Vec<f32> = summed.iter().map(|s| s.step.sums.as_slice()).collect::<Vec<_>>().concat();

        let mut x = Vec::with_capacity(places * width);
        start_of.iter().for_each(|&own| x.extend_from_slice(&starts[own * width..][..width]));
        for (place, x) in x.chunks_exact_mut(width).enumerate() {
            add(x, &sums[place * width..][..width], scalars.step);
            add(x, &start_means[start_of[place] * width..][..width], -scalars.step * roots[place]);
        }
        if let Some(tower) = &scalars.tower {
            let towers = summed.iter().filter_map(|s| s.tower.as_ref()).flat_map(|t| &t.sums);
            x.iter_mut().zip(towers).for_each(|(x, sum)| *x += tower.scale * sum);
        }
        // Further steps need the mean item embedding of each query.
        let mut stations: Vec<(Vec<f32>, Vec<f32>)> = Vec::new();
        for _ in 1..self.config.steps {
            let means = catalogue.mean_items(&x).await?;
            let before = x.clone();
            for (place, x) in x.chunks_exact_mut(width).enumerate() {
                add(x, &sums[place * width..][..width], scalars.step);
                add(x, &means[place * width..][..width], -scalars.step * roots[place]);
            }
            stations.push((before, means));
        }

        let asked: Vec<u32> = pieces.iter().flat_map(|piece| &piece.records[piece.from..piece.to]).copied().collect();
        let targets = match chance.sample {
            None => asked,
            Some((chosen, _)) => asked.iter().map(|item| chosen.partition_point(|c| c < item) as u32).collect(),
        };
        let mut at_items = AtItems::none();
        let judged = catalogue.judge(&x, &targets, self.config.smoothing, &mut at_items).await?;

        // Backward through the steps. `upstream` is the gradient at x before
        // each step.
        let mut upstream = judged.at_places;
        let mut at_sums = vec![0.0f32; places * width];
        let mut at_roots = vec![0.0f32; places];
        let mut at_step = 0.0f64;
        let second = self.config.second_order;
        let each: Vec<usize> = (0..places).collect();
        let through = |upstream: &[f32], means: &[f32], of: &[usize], at_sums: &mut [f32], at_roots: &mut [f32]| {
            let mut at_step = 0.0f64;
            for (place, up) in upstream.chunks_exact(width).enumerate() {
                let sum = &sums[place * width..][..width];
                let mean = &means[of[place] * width..][..width];
                let to_mean = dot(up, mean);
                at_step += f64::from(dot(up, sum) - roots[place] * to_mean);
                at_roots[place] -= scalars.step * to_mean;
                add(&mut at_sums[place * width..][..width], up, scalars.step);
            }
            at_step
        };
        for (before, means) in stations.iter().rev() {
            at_step += through(&upstream, means, &each, &mut at_sums, &mut at_roots);
            if second {
                let mut at_means = upstream.clone();
                for (row, root) in at_means.chunks_exact_mut(width).zip(&roots) {
                    row.iter_mut().for_each(|v| *v *= -scalars.step * root);
                }
                let more = catalogue.back_through_means(before, &at_means, &mut at_items).await?;
                upstream.iter_mut().zip(more).for_each(|(up, more)| *up += more);
            }
        }
        at_step += through(&upstream, &start_means, &start_of, &mut at_sums, &mut at_roots);
        let mut at_starts = vec![0.0f32; starts.len()];
        for (up, own) in upstream.chunks_exact(width).zip(&start_of) {
            add(&mut at_starts[own * width..][..width], up, 1.0);
        }
        if second {
            let mut at_means = vec![0.0f32; starts.len()];
            for ((up, root), own) in upstream.chunks_exact(width).zip(&roots).zip(&start_of) {
                add(&mut at_means[own * width..][..width], up, -scalars.step * root);
            }
            let more = catalogue.back_through_means(&starts, &at_means, &mut at_items).await?;
            add(&mut at_starts, &more, 1.0);
        }
        let mut at_start = vec![0.0f32; width];
        at_starts.chunks_exact(width).for_each(|at| add(&mut at_start, at, 1.0));

        // Scatters the gradients at the records' vectors, in the order of the
        // pieces.
        let device = vectors.device();
        let mut at_vectors = vec![0.0f32; reach.len() * width];
        let mut at_tower = p.as_ref().map(|_| vec![0.0f32; reach.len() * width]);
        let mut at_fading = 0.0f64;
        let mut at_tower_scale = 0.0f64;
        let mut at_tower_fadings: Vec<(f64, f64)> = Vec::new();
        let mut first = 0;
        for ((piece, records), summed) in pieces.iter().zip(&histories).zip(&summed) {
            let count = piece.to - piece.from;
            let own = first * width..(first + count) * width;
            if second {
                let roots = &at_roots[first..first + count];
                let found = summed.step.backward(&scalars.fading, &at_sums[own.clone()], Some(roots));
                scatter(&mut at_vectors, width, records, &found.records, &summed.kept[0]);
                at_fading += found.fadings.iter().map(|(_, log_tau)| log_tau).sum::<f64>();
            }
            if let (Some(faded), Some(tower), Some(at_tower)) = (&summed.tower, &scalars.tower, &mut at_tower) {
                let upstream = &upstream[own];
                at_tower_scale += f64::from(dot(upstream, &faded.sums));
                let scaled: Vec<f32> = upstream.iter().map(|v| v * tower.scale).collect();
                let found = faded.backward(&tower.fading, &scaled, None);
                scatter(at_tower, width, records, &found.records, &summed.kept[1]);
                at_tower_fadings.resize(found.fadings.len(), (0.0, 0.0));
                for (sum, more) in at_tower_fadings.iter_mut().zip(&found.fadings) {
                    *sum = (sum.0 + more.0, sum.1 + more.1);
                }
            }
            first += count;
        }

        // Collects the gradient of every parameter.
        let mut gradient = Gradient::of(&self.parameters);
        let at_rows = catalogue.at_all(at_items, chosen.as_deref(), reach.len());
        let mut at_y = at_rows.clone().narrow(1, 0, width) + from_vec(at_vectors, [reach.len(), width], &device);
        gradient.put(self.at.bias, at_rows.narrow(1, width, 1).transpose());
        if let (Some(numbers), Some(tower), Some(at_tower)) = (self.at.tower, &scalars.tower, at_tower) {
            let at_tower = from_vec(at_tower, [reach.len(), width], &device);
            if self.config.tower == Tower::Map {
                let (more, at_map) = map::backward(vectors, self.parameters.get(numbers.table).clone(), at_tower);
                at_y = at_y + more;
                gradient.put(numbers.table, at_map);
            } else {
                gradient.put(numbers.table, at_tower);
            }
            gradient.put(numbers.scale, from_vec(vec![at_tower_scale as f32], [1, 1], &device));
            if let Some((fadings, mix)) = numbers.fadings {
                let taus: Vec<f32> = at_tower_fadings.iter().map(|(_, tau)| *tau as f32).collect();
                // Through the softmax of the mixture.
                let along: f64 = at_tower_fadings.iter().zip(&tower.mix).map(|((at, _), m)| at * f64::from(*m)).sum();
                let mixed = at_tower_fadings.iter().zip(&tower.mix).map(|((at, _), m)| m * (at - along) as f32);
                let parts = taus.len();
                gradient.put(mix, from_vec(mixed.collect(), [1, parts], &device));
                gradient.put(fadings, from_vec(taus, [1, parts], &device));
            }
        }
        self.accumulate(&mut gradient, &at_y, reach.items());
        if self.knows_people() {
            let at_starts = from_vec(at_starts, [pieces.len(), width], &device);
            self.people.iter().for_each(|feature| feature.accumulate(&mut gradient, &people, at_starts.clone()));
        }
        gradient.put(self.at.start, from_vec(at_start, [1, width], &device));
        gradient.put(self.at.step, from_vec(vec![(at_step * f64::from(scalars.step)) as f32], [1, 1], &device));
        if let Some(fading) = self.at.fading {
            gradient.put(fading, from_vec(vec![at_fading as f32], [1, 1], &device));
        }
        let sparse = reach.into_items().map(|rows| Sparse { rows, parameters: self.of_items() });
        let gradient = BatchGradient::new(&self.parameters, gradient, sparse);
        Ok(Outcome { loss: judged.loss, gradient, adapted: x })
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    crate::model::dot(a, b)
}

/// Adds each record's gradient to its item's row, in order; components that
/// dropout removed get none.
fn scatter(table: &mut [f32], width: usize, records: &[u32], at_records: &[f32], kept: &[f32]) {
    for (place, &item) in records.iter().enumerate() {
        let own = place * width..(place + 1) * width;
        let sum = &mut table[item as usize * width..][..width];
        if kept.is_empty() {
            add(sum, &at_records[own], 1.0);
        } else {
            for ((sum, value), kept) in sum.iter_mut().zip(&at_records[own.clone()]).zip(&kept[own]) {
                *sum += value * kept;
            }
        }
    }
}
