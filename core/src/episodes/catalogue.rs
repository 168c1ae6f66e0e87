//! Products of places with the whole catalogue: softmax, cross-entropy, the
//! mean item, and their gradients, one tile of places at a time.
//!
//! Item i is the row [y_i, b_i] and a place the row [x, 1], so that one
//! product gives the logits and one gives the gradients of vectors and biases.

use crate::Result;
use crate::model::{Share, scatter_rows};
use crate::tensor::{Device, Product, Tensor, from_vec, indices, is_wide, read};

use super::softmax;

/// Logits of a tile on the CPU: what a core's cache holds, and enough rows for
/// a product to be worth its call.
const CPU_TILE: usize = 1 << 18;
/// Logits of a tile on a GPU.
const WIDE_TILE: usize = 1 << 24;

/// The items that a place chooses among.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    /// [y_i, b_i], [items, width + 1].
    items: Tensor<2>,
    device: Device,
}

/// A gradient in the making, at the rows of a [`Catalogue`].
#[derive(Debug)]
pub(super) struct AtItems(Option<Tensor<2>>);

impl AtItems {
    pub(super) fn none() -> Self {
        Self(None)
    }

    fn add(&mut self, more: Tensor<2>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + more,
            None => more,
        });
    }

}

/// What the outer loss comes to.
#[derive(Debug)]
pub(super) struct Judged {
    /// Mean cross-entropy over the places.
    pub(super) loss: f64,
    /// Its gradient at the places' vectors, [places, width].
    pub(super) at_places: Vec<f32>,
}

impl Catalogue {
    pub(super) fn new(items: Tensor<2>) -> Self {
        Self { device: items.device(), items }
    }

    /// A sample of the items, each of which stands for `1 / chance` of the
    /// catalogue: log(1 / chance) is added to its logit, so that the sum of
    /// exponentials estimates that of all items.
    pub(super) fn sampled(&self, chosen: &[u32], chances: &[f32]) -> Self {
        let width = self.width();
        let mut corrections = vec![0.0; chosen.len() * (width + 1)];
        for (row, chance) in corrections.chunks_exact_mut(width + 1).zip(chances) {
            row[width] = -chance.ln();
        }
        let rows = self.items.clone().select(0, indices(chosen.iter().copied(), &self.device));
        Self::new(rows + from_vec(corrections, [chosen.len(), width + 1], &self.device))
    }

    /// How many items.
    pub(super) fn len(&self) -> usize {
        self.items.dims()[0]
    }

    fn width(&self) -> usize {
        self.items.dims()[1] - 1
    }

    fn tile(&self) -> usize {
        let logits = if is_wide(&self.device) { WIDE_TILE } else { CPU_TILE };
        (logits / self.len().max(1)).clamp(16, 4096)
    }

    /// Rows [x, 1] of some places on the device.
    fn places(&self, rows: &[f32], last: f32) -> Tensor<2> {
        let width = self.width();
        let count = rows.len() / width;
        let mut wide = Vec::with_capacity(count * (width + 1));
        for row in rows.chunks_exact(width) {
            wide.extend_from_slice(row);
            wide.push(last);
        }
        from_vec(wide, [count, width + 1], &self.device)
    }

    fn logits(&self, places: &Tensor<2>) -> Tensor<2> {
        places.clone().product(self.items.clone().transpose())
    }

    /// Logits of all items at each place, [places, items], row-major.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn scores(&self, rows: &[f32]) -> Result<Vec<f32>> {
        read(self.logits(&self.places(rows, 1.0))).await
    }

    /// The mean item under each place's softmax, sum_k p_k y_k, [places, width].
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn mean_items(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let width = self.width();
        let mut means = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.tile() * width) {
            let chances = softmax::rows(self.logits(&self.places(rows, 1.0)));
            means.extend(self.narrow(chances.product(self.items.clone())).await?);
        }
        Ok(means)
    }

    /// The gradient through [`Catalogue::mean_items`], `upstream` [places,
    /// width]: at the places, and added at the items.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn back_through_means(
        &self,
        rows: &[f32],
        upstream: &[f32],
        at_items: &mut AtItems,
    ) -> Result<Vec<f32>> {
        let width = self.width();
        let mut at_places = Vec::with_capacity(rows.len());
        for (rows, upstream) in rows.chunks(self.tile() * width).zip(upstream.chunks(self.tile() * width)) {
            let (places, upstream) = (self.places(rows, 1.0), self.places(upstream, 0.0));
            let chances = softmax::rows(self.logits(&places));
            // dz = p (v . y - p . (Y v)), then dY = p v' + dz x', db = sum dz, dx = Y' dz.
            let along = self.logits(&upstream);
            let moved = softmax::centred(chances.clone(), along);
            at_items.add(chances.transpose().product(upstream));
            at_items.add(moved.clone().transpose().product(places));
            at_places.extend(self.narrow(moved.product(self.items.clone())).await?);
        }
        Ok(at_places)
    }

    /// The mean cross-entropy of places with these targets, and its gradient.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn judge(
        &self,
        rows: &[f32],
        targets: &[u32],
        smoothing: f32,
        at_items: &mut AtItems,
    ) -> Result<Judged> {
        let width = self.width();
        let share = 1.0 / targets.len().max(1) as f32;
        let mut judged = Judged { loss: 0.0, at_places: Vec::with_capacity(rows.len()) };
        for (rows, targets) in rows.chunks(self.tile() * width).zip(targets.chunks(self.tile())) {
            let places = self.places(rows, 1.0);
            let (residual, losses) = softmax::residual(self.logits(&places), targets, smoothing, share).await?;
            judged.loss += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            judged.at_places.extend(self.narrow(residual.clone().product(self.items.clone())).await?);
            at_items.add(residual.transpose().product(places));
        }
        judged.loss *= f64::from(share);
        Ok(judged)
    }

    /// The gradient at all `items` rows; those of a sample go to their places.
    pub(super) fn at_all(&self, at: AtItems, sample: Option<&[u32]>, items: usize) -> Tensor<2> {
        let own = at.0.unwrap_or_else(|| self.items.zeros_like());
        match sample {
            None => own,
            Some(chosen) => {
                let share = |(from, &to)| Share { from, to, factor: 1.0 };
                scatter_rows(own, &(0..).zip(chosen).map(share).collect::<Vec<_>>(), items)
            }
        }
    }

    /// Rows without their last column, on the host.
    async fn narrow(&self, rows: Tensor<2>) -> Result<Vec<f32>> {
        let width = self.width();
        let values = read(rows).await?;
        Ok(values.chunks_exact(width + 1).flat_map(|row| &row[..width]).copied().collect())
    }
}
