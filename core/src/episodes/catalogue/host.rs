//! The catalogue's products on the CPU.
//!
//! A tile's logits become exponentials in place. With e the exponentials of a
//! row and t their sum, the softmax is e / t, so its factors 1 / t are applied
//! to the small side of each product. The subtraction of cross-entropy at the
//! target affects one row only. The tile itself is read twice and no more.
//! Biases are left out of the large products of the outer gradient: their
//! single column would need a register of its own.

use super::{Judged, narrowed, widened};
use crate::dense::{add_transposed, add_transposed_to_first, by_rows, plain, plain_of_first};
use crate::episodes::softmax::{Exponentials, Sums, mean_of};
use crate::episodes::support::add;
use crate::model::each;

/// Queries in a tile: its logits stay in a core's second-level cache.
const TILE: usize = 64;
/// The number of parts into which the queries are divided for threads. Sums run
/// within a part and then over parts in order, so this number must not depend
/// on the machine.
const PARTS: usize = 4;

/// The items, [items, width + 1].
pub(super) struct Host<'a> {
    pub(super) items: &'a [f32],
    pub(super) width: usize,
}

/// One part of the queries, with its results.
struct Part<'a> {
    rows: &'a [f32],
    upstream: &'a [f32],
    targets: &'a [u32],
    at_places: Vec<f32>,
    at_items: Vec<f32>,
    loss: f64,
}

impl Host<'_> {
    fn len(&self) -> usize {
        self.items.len() / (self.width + 1)
    }

    fn item(&self, item: u32) -> &[f32] {
        &self.items[item as usize * (self.width + 1)..][..self.width + 1]
    }

    /// Divides the queries into parts of whole tiles.
    fn parts<'a>(&self, rows: &'a [f32], upstream: &'a [f32], targets: &'a [u32], gradients: bool) -> Vec<Part<'a>> {
        let places = rows.len() / self.width;
        let share = places.div_ceil(TILE).div_ceil(PARTS).max(1) * TILE;
        let at_items = if gradients { self.items.len() } else { 0 };
        let slice = |all: &'a [f32], from: usize, to: usize| {
            if all.is_empty() { all } else { &all[from * self.width..to * self.width] }
        };
        (0..places)
            .step_by(share)
            .map(|from| {
                let to = (from + share).min(places);
                Part {
                    rows: slice(rows, from, to),
                    upstream: slice(upstream, from, to),
                    targets: if targets.is_empty() { targets } else { &targets[from..to] },
                    at_places: Vec::with_capacity((to - from) * self.width),
                    at_items: vec![0.0; at_items],
                    loss: 0.0,
                }
            })
            .collect()
    }

    fn joined(&self, parts: Vec<Part<'_>>) -> (Judged, Vec<f32>) {
        let mut judged = Judged { loss: 0.0, at_places: Vec::new() };
        let mut at_items = Vec::new();
        for part in parts {
            judged.loss += part.loss;
            judged.at_places.extend(part.at_places);
            if at_items.is_empty() {
                at_items = part.at_items;
            } else {
                add(&mut at_items, &part.at_items, 1.0);
            }
        }
        (judged, at_items)
    }

    pub(super) fn scores(&self, rows: &[f32]) -> Vec<f32> {
        let mut scores = vec![0.0; rows.len() / self.width * self.len()];
        by_rows(&mut scores, &widened(rows, self.width, 1.0), self.items, self.width + 1);
        scores
    }

    pub(super) fn mean_items(&self, rows: &[f32]) -> Vec<f32> {
        let mut parts = self.parts(rows, &[], &[], false);
        each(parts.iter_mut().collect(), |part: &mut Part<'_>| {
            let mut buffers = Buffers::default();
            for rows in part.rows.chunks(TILE * self.width) {
                buffers.exponentials(self, rows, None);
                plain(&mut buffers.products, &buffers.logits, self.items, self.len());
                scale(&mut buffers.products, self.width + 1, &buffers.factors);
                part.at_places.extend(narrowed(&buffers.products, self.width));
            }
        });
        self.joined(parts).0.at_places
    }

    pub(super) fn judge(&self, rows: &[f32], targets: &[u32], smoothing: f32) -> (Judged, Vec<f32>) {
        let wide = self.width + 1;
        let share = 1.0 / targets.len().max(1) as f32;
        let mean_item = if smoothing > 0.0 { mean_of(self.items, wide) } else { Vec::new() };
        let mut parts = self.parts(rows, &[], targets, true);
        each(parts.iter_mut().collect(), |part: &mut Part<'_>| {
            let mut buffers = Buffers::default();
            let mut even = vec![0.0f32; wide];
            let mut at_biases = vec![0.0f32; self.len()];
            for (rows, targets) in part.rows.chunks(TILE * self.width).zip(part.targets.chunks(TILE)) {
                buffers.exponentials(self, rows, Some((targets, smoothing)));
                part.loss += buffers.losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
                let products = &mut buffers.products[..targets.len() * self.width];
                plain_of_first(products, &buffers.logits, self.items, self.len(), self.width);
                buffers.factors.iter_mut().for_each(|factor| *factor *= share);
                scale(products, self.width, &buffers.factors);
                for (row, &target) in products.chunks_exact_mut(self.width).zip(targets) {
                    add(row, self.item(target), -share * (1.0 - smoothing));
                    if smoothing > 0.0 {
                        add(row, &mean_item, -share * smoothing);
                    }
                }
                part.at_places.extend_from_slice(products);
                for (row, &target) in buffers.places.chunks_exact(wide).zip(targets) {
                    let at = &mut part.at_items[target as usize * wide..][..wide];
                    add(at, row, -share * (1.0 - smoothing));
                    if smoothing > 0.0 {
                        add(&mut even, row, -share * smoothing / self.len() as f32);
                    }
                }
                scale(&mut buffers.places, wide, &buffers.factors);
                let (logits, places) = (&buffers.logits, &buffers.places);
                add_transposed_to_first(&mut part.at_items, logits, places, targets.len(), self.width);
                let sums = Sums { rows: logits, factors: &buffers.factors, sums: &mut at_biases };
                pulp::Arch::new().dispatch(sums);
            }
            for (at, bias) in part.at_items.chunks_exact_mut(wide).zip(&at_biases) {
                at[self.width] += bias;
            }
            if smoothing > 0.0 {
                part.at_items.chunks_exact_mut(wide).for_each(|at| add(at, &even, 1.0));
            }
        });
        let (mut judged, at_items) = self.joined(parts);
        judged.loss *= f64::from(share);
        (judged, at_items)
    }

    pub(super) fn back_through_means(&self, rows: &[f32], upstream: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (wide, items) = (self.width + 1, self.len());
        let mut parts = self.parts(rows, upstream, &[], true);
        each(parts.iter_mut().collect(), |part: &mut Part<'_>| {
            let mut buffers = Buffers::default();
            let mut along = Vec::new();
            for (rows, upstream) in part.rows.chunks(TILE * self.width).zip(part.upstream.chunks(TILE * self.width)) {
                buffers.exponentials(self, rows, None);
                let mut upstream = widened(upstream, self.width, 0.0);
                let places = upstream.len() / wide;
                along.resize(places * items, 0.0);
                by_rows(&mut along, &upstream, self.items, wide);
                // dz = e / t (v . y - p . (Y v)); the factor 1 / t goes to the small sides.
                for ((along, chances), factor) in
                    along.chunks_exact_mut(items).zip(buffers.logits.chunks_exact(items)).zip(&buffers.factors)
                {
                    let mean = crate::model::dot(chances, along) * factor;
                    along.iter_mut().zip(chances).for_each(|(along, chance)| *along = chance * (*along - mean));
                }
                plain(&mut buffers.products, &along, self.items, items);
                scale(&mut buffers.products, wide, &buffers.factors);
                part.at_places.extend(narrowed(&buffers.products, self.width));
                scale(&mut upstream, wide, &buffers.factors);
                add_transposed(&mut part.at_items, &buffers.logits, &upstream, places);
                scale(&mut buffers.places, wide, &buffers.factors);
                add_transposed(&mut part.at_items, &along, &buffers.places, places);
            }
        });
        let (judged, at_items) = self.joined(parts);
        (judged.at_places, at_items)
    }
}

fn scale(rows: &mut [f32], width: usize, factors: &[f32]) {
    for (row, factor) in rows.chunks_exact_mut(width).zip(factors) {
        row.iter_mut().for_each(|v| *v *= factor);
    }
}

/// The working memory of a tile, reused for the next one.
#[derive(Default)]
struct Buffers {
    /// [x, 1], [queries, width + 1].
    places: Vec<f32>,
    /// Logits, then their exponentials, [queries, items].
    logits: Vec<f32>,
    /// 1 / t for each query.
    factors: Vec<f32>,
    losses: Vec<f32>,
    /// [queries, width + 1].
    products: Vec<f32>,
}

impl Buffers {
    fn exponentials(&mut self, host: &Host<'_>, rows: &[f32], judged: Option<(&[u32], f32)>) {
        let (wide, places) = (host.width + 1, rows.len() / host.width);
        self.places = widened(rows, host.width, 1.0);
        self.logits.resize(places * host.len(), 0.0);
        self.factors.resize(places, 0.0);
        self.losses.resize(places, 0.0);
        self.products.resize(places * wide, 0.0);
        by_rows(&mut self.logits, &self.places, host.items, wide);
        pulp::Arch::new().dispatch(Exponentials {
            width: host.len(),
            values: &mut self.logits,
            factors: &mut self.factors,
            judged: judged.map(|(targets, smoothing)| (targets, smoothing, self.losses.as_mut_slice())),
        });
    }
}
