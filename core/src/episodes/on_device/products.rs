//! Products of query positions (places) with the catalogue, on a device that
//! keeps them.
//!
//! Item i is the row [y_i, b_i, 1, 0 ...] and a position the row [x, 1, 0 ...].
//! One product gives the logits. One product with their exponentials e gives
//! the sum of e y and, in the column of ones, the sum of e. The divisor of the
//! softmax is applied to the small factors of the products, and so is the
//! subtraction of cross-entropy at the target. A tile of logits is therefore
//! read and written by [`Products::exponentials`] and these products only.

use std::ops::Range;

use super::layout::{Chosen, Layout};
use super::sums;
use crate::tensor::{Device, Product, Tensor, from_vec, indices};

/// The most logits of a tile.
const TILE: usize = 1 << 24;

/// The scored items, ready for products.
pub(super) struct Products {
    /// [y, b, 1, 0 ...], [items, wide].
    items: Tensor<2>,
    /// The width of y.
    width: usize,
    /// [positions, wide - width]: a column of ones, then zeros.
    tail: Tensor<2>,
    /// The same shape, with zeros only.
    nothing: Tensor<2>,
    device: Device,
}

/// A tile of positions and their softmax.
pub(super) struct Tile {
    /// The range of positions.
    at: Range<usize>,
    /// [x, 1, 0 ...].
    places: Tensor<2>,
    /// e = exp(z - highest), [places, items].
    exponentials: Tensor<2>,
    /// 1 / sum e, [places, 1].
    inverse: Tensor<2>,
    /// sum p y, [places, width].
    pub(super) means: Tensor<2>,
}

/// The outer loss and its gradient.
pub(super) struct Judged {
    /// Each position's part of the mean cross-entropy, [positions, 1].
    pub(super) losses: Tensor<2>,
    /// The gradient at the positions' vectors, [positions, width].
    pub(super) at_places: Tensor<2>,
}

/// A gradient under construction, at the rows of [`Products`], [items, wide].
#[derive(Default)]
pub(super) struct AtItems(Option<Tensor<2>>);

impl AtItems {
    fn add(&mut self, more: Tensor<2>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + more,
            None => more,
        });
    }
}

/// The columns of a row of `width` numbers, a bias and a one, rounded up to a
/// multiple of four, which devices read at once.
fn wide(width: usize) -> usize {
    (width + 2).next_multiple_of(4)
}

impl Products {
    /// Takes vectors [rows, width], biases [1, rows] and the rows to be scored.
    /// `places` is the most positions of one call.
    pub(super) fn new(vectors: Tensor<2>, biases: Tensor<2>, chosen: &Chosen, places: usize) -> Self {
        let (width, device) = (vectors.dims()[1], vectors.device());
        let (count, beside) = (chosen.rows.len(), wide(width) - width);
        let rows = indices(chosen.rows.iter().copied(), &device);
        let corrections = from_vec(chosen.corrections.clone(), [1, count], &device);
        let biases = (biases.select(1, rows.clone()) + corrections).reshape([count, 1]);
        let first = |rows: usize, columns: usize| {
            let mut ones = vec![0.0; rows * columns];
            ones.iter_mut().step_by(columns).for_each(|one| *one = 1.0);
            from_vec(ones, [rows, columns], &device)
        };
        let items = Tensor::cat(vec![vectors.select(0, rows), biases, first(count, beside - 1)], 1);
        let tail = first(places, beside);
        Self { items, width, nothing: tail.zeros_like(), tail, device }
    }

    /// Rows [x, 1, 0 ...] or [x, 0, 0 ...].
    fn widened(&self, rows: Tensor<2>, tail: &Tensor<2>) -> Tensor<2> {
        let count = rows.dims()[0];
        let tail = if tail.dims()[0] == count { tail.clone() } else { tail.clone().narrow(0, 0, count) };
        Tensor::cat(vec![rows, tail], 1)
    }

    fn narrowed(&self, rows: Tensor<2>) -> Tensor<2> {
        rows.narrow(1, 0, self.width)
    }

    fn tiles(&self, places: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let size = (TILE / self.items.dims()[0].max(1)).next_multiple_of(sums::FOLD);
        (0..places).step_by(size).map(move |from| from..(from + size).min(places))
    }

    /// Exponentials of the logits minus the largest of each position, and those
    /// largest ones, [positions, 1]. The tile is written three times and read
    /// three times; the product with the items reads it once more.
    fn exponentials(&self, places: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let logits = places.clone().product(self.items.clone().transpose());
        let highest = sums::highest(logits.clone());
        ((logits - highest.clone()).exp(), highest)
    }

    /// The softmax of some positions, kept for the backward pass.
    pub(super) fn soften(&self, rows: &Tensor<2>) -> Vec<Tile> {
        let tile = |at: Range<usize>| {
            let places = self.widened(part(rows, &at), &self.tail);
            let (exponentials, _) = self.exponentials(&places);
            let products = exponentials.clone().product(self.items.clone());
            let inverse = products.clone().narrow(1, self.width + 1, 1).recip();
            let means = self.narrowed(products) * inverse.clone();
            Tile { at, places, exponentials, inverse, means }
        };
        self.tiles(rows.dims()[0]).map(tile).collect()
    }

    /// The gradient through the means of [`Products::soften`], from `upstream`
    /// [positions, width]: returned for the positions, and added for the items.
    pub(super) fn back(&self, tiles: &[Tile], upstream: &Tensor<2>, at_items: &mut AtItems) -> Tensor<2> {
        let at_places = tiles.iter().map(|tile| {
            let upstream = part(upstream, &tile.at);
            let mean = sums::of_rows(upstream.clone() * tile.means.clone());
            let upstream = self.widened(upstream, &self.nothing);
            let along = upstream.clone().product(self.items.clone().transpose());
            // dz = p (v . y - p . (Y v)), then dY = p v' + dz x', db = sum dz, dx = Y' dz.
            let moved = (along - mean) * tile.exponentials.clone();
            at_items.add(tile.exponentials.clone().transpose().product(upstream * tile.inverse.clone()));
            at_items.add(moved.clone().transpose().product(tile.places.clone() * tile.inverse.clone()));
            self.narrowed(moved.product(self.items.clone())) * tile.inverse.clone()
        });
        joined(at_places.collect())
    }

    /// The mean cross-entropy of the positions of a batch, and its gradient.
    pub(super) fn judge(&self, x: &Tensor<2>, layout: &Layout, smoothing: f32, at_items: &mut AtItems) -> Judged {
        let [places, _] = x.dims();
        let (items, own) = (layout.chosen.items, 1.0 - smoothing);
        let targets = self.items.clone().select(0, indices(layout.targets.iter().copied(), &self.device));
        let shares = from_vec(layout.shares.clone(), [places, 1], &self.device);
        let real = layout.chosen.corrections.len();
        // The uniform part of the smoothed target, over the items without
        // padding.
        let even = (smoothing > 0.0).then(|| {
            let counts = (0..real).map(|item| if item < items { 1.0 / items as f32 } else { 0.0 }).collect();
            let counts = from_vec(counts, [real, 1], &self.device);
            (sums::of_columns(self.items.clone() * counts.clone()), counts)
        });
        let (mut losses, mut at_places, mut wide_places) = (Vec::new(), Vec::new(), Vec::new());
        for at in self.tiles(places) {
            let (targets, shares) = (part(&targets, &at), part(&shares, &at));
            let wide = self.widened(part(x, &at), &self.tail);
            let (exponentials, highest) = self.exponentials(&wide);
            let products = exponentials.clone().product(self.items.clone());
            let total = products.clone().narrow(1, self.width + 1, 1);
            let mut wanted = targets * own;
            if let Some((mean, _)) = &even {
                wanted = wanted + mean.clone() * smoothing;
            }
            let aimed = sums::of_rows(wide.clone() * wanted.clone());
            losses.push((highest + total.clone().log() - aimed) * shares.clone());
            let factors = shares.clone() / total;
            at_places.push(self.narrowed(products * factors.clone() - wanted * shares.clone()));
            at_items.add(exponentials.transpose().product(wide.clone() * factors));
            wide_places.push(wide * shares);
        }
        let places = joined(wide_places);
        if let Some((_, counts)) = even {
            at_items.add(counts * (sums::of_columns(places.clone()) * -smoothing));
        }
        at_items.add(layout.to_targets.sums(places) * -own);
        Judged { losses: joined(losses), at_places: joined(at_places) }
    }

    /// The gradient at the vectors, [rows, width], and the biases, [1, rows],
    /// of all rows that the batch reads.
    pub(super) fn at_all(&self, at: AtItems, chosen: &Chosen) -> (Tensor<2>, Tensor<2>) {
        let own = at.0.unwrap_or_else(|| self.items.zeros_like());
        let own = match &chosen.back {
            None => own.narrow(0, 0, chosen.items),
            Some(back) => own.select(0, indices(back.iter().copied(), &self.device)),
        };
        let rows = own.dims()[0];
        (self.narrowed(own.clone()), own.narrow(1, self.width, 1).reshape([1, rows]))
    }
}

/// A range of the rows.
pub(super) fn part(rows: &Tensor<2>, at: &Range<usize>) -> Tensor<2> {
    let whole = at.start == 0 && at.end == rows.dims()[0];
    if whole { rows.clone() } else { rows.clone().narrow(0, at.start, at.len()) }
}

/// The parts concatenated by rows.
pub(super) fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(parts, 0) }
}
