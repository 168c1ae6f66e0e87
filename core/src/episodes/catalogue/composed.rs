//! The catalogue's products as tensor operations, for any device.

use super::{AtItems, Catalogue, Judged, narrowed, widened};
use crate::Result;
use crate::episodes::softmax;
use crate::tensor::{Product, Tensor, from_vec, is_wide, read};

/// Logits of a tile on the CPU: they fit a core's cache, with enough rows for
/// an efficient product.
const CPU_TILE: usize = 1 << 18;
/// Logits of a tile on a GPU.
const WIDE_TILE: usize = 1 << 24;

impl Catalogue {
    fn tile(&self) -> usize {
        let logits = if is_wide(&self.device) { WIDE_TILE } else { CPU_TILE };
        (logits / self.len().max(1)).clamp(16, 4096)
    }

    fn places(&self, rows: &[f32], last: f32) -> Tensor<2> {
        let width = self.width();
        from_vec(widened(rows, width, last), [rows.len() / width, width + 1], &self.device)
    }

    fn logits(&self, places: &Tensor<2>) -> Tensor<2> {
        places.clone().product(self.items.clone().transpose())
    }

    async fn narrow(&self, rows: Tensor<2>) -> Result<Vec<f32>> {
        let values = read(rows).await?;
        Ok(narrowed(&values, self.width()).collect())
    }

    pub(super) async fn composed_scores(&self, rows: &[f32]) -> Result<Vec<f32>> {
        read(self.logits(&self.places(rows, 1.0))).await
    }

    pub(super) async fn composed_mean_items(&self, rows: &[f32]) -> Result<Vec<f32>> {
        let mut means = Vec::with_capacity(rows.len());
        for rows in rows.chunks(self.tile() * self.width()) {
            let chances = softmax::rows(self.logits(&self.places(rows, 1.0)));
            means.extend(self.narrow(chances.product(self.items.clone())).await?);
        }
        Ok(means)
    }

    pub(super) async fn composed_back_through_means(
        &self,
        rows: &[f32],
        upstream: &[f32],
        at_items: &mut AtItems,
    ) -> Result<Vec<f32>> {
        let tile = self.tile() * self.width();
        let mut at_places = Vec::with_capacity(rows.len());
        for (rows, upstream) in rows.chunks(tile).zip(upstream.chunks(tile)) {
            let (places, upstream) = (self.places(rows, 1.0), self.places(upstream, 0.0));
            let chances = softmax::rows(self.logits(&places));
            // dz = p (v . y - p . (Y v)), then dY = p v' + dz x', db = sum dz, dx = Y' dz.
            let moved = softmax::centred(chances.clone(), self.logits(&upstream));
            at_items.add(chances.transpose().product(upstream));
            at_items.add(moved.clone().transpose().product(places));
            at_places.extend(self.narrow(moved.product(self.items.clone())).await?);
        }
        Ok(at_places)
    }

    pub(super) async fn composed_judge(
        &self,
        rows: &[f32],
        targets: &[u32],
        smoothing: f32,
        at_items: &mut AtItems,
    ) -> Result<Judged> {
        let share = 1.0 / targets.len().max(1) as f32;
        let mut judged = Judged { loss: 0.0, at_places: Vec::with_capacity(rows.len()) };
        for (rows, targets) in rows.chunks(self.tile() * self.width()).zip(targets.chunks(self.tile())) {
            let places = self.places(rows, 1.0);
            let (residual, losses) = softmax::residual(self.logits(&places), targets, smoothing, share).await?;
            judged.loss += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            judged.at_places.extend(self.narrow(residual.clone().product(self.items.clone())).await?);
            at_items.add(residual.transpose().product(places));
        }
        judged.loss *= f64::from(share);
        Ok(judged)
    }
}
