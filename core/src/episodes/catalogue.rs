//! Products of query vectors with the whole catalogue: softmax, cross-entropy,
//! the mean item embedding, and their gradients, one tile of queries at a time.
//!
//! Item i is the row [y_i, b_i] and a query the row [x, 1], so that one product
//! gives the logits and one gives the gradients of embeddings and biases. On
//! the CPU a tile's logits become exponentials while they are in the cache, and
//! the other factors of the softmax are applied to small matrices (`host`).
//! Other devices compute the same with tensor operations (`composed`). A test
//! compares the two. Training on a GPU reads nothing between its products: see
//! `on_device`.

mod composed;
#[cfg(feature = "linear-algebra")]
mod host;

use crate::Result;
use crate::model::{Share, scatter_rows};
#[cfg(feature = "linear-algebra")]
use crate::tensor::read;
use crate::tensor::{Device, Tensor, from_vec, indices};

/// The items that are scored for each query.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    /// [y_i, b_i], [items, width + 1].
    items: Tensor<2>,
    /// The same values on the host, if products run there.
    #[cfg(feature = "linear-algebra")]
    host: Option<std::sync::Arc<Vec<f32>>>,
    device: Device,
}

/// A gradient under construction, at the rows of a [`Catalogue`].
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

/// The outer loss and its gradient at the queries.
#[derive(Debug)]
pub(super) struct Judged {
    /// Mean cross-entropy over the queries.
    pub(super) loss: f64,
    /// Its gradient at the query vectors, [queries, width].
    pub(super) at_places: Vec<f32>,
}

impl Catalogue {
    /// From the rows [y_i, b_i].
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn new(items: Tensor<2>) -> Result<Self> {
        let device = items.device();
        #[cfg(feature = "linear-algebra")]
        let host =
            if crate::tensor::on_cpu(&items) { Some(std::sync::Arc::new(read(items.clone()).await?)) } else { None };
        Ok(Self {
            items,
            #[cfg(feature = "linear-algebra")]
            host,
            device,
        })
    }

    /// A sample of the items. Each represents `1 / chance` items of the
    /// catalogue: log(1 / chance) is added to its logit, so that the sum of
    /// exponentials estimates the sum over all items.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn sampled(&self, chosen: &[u32], chances: &[f32]) -> Result<Self> {
        let width = self.width();
        let mut corrections = vec![0.0; chosen.len() * (width + 1)];
        for (row, chance) in corrections.chunks_exact_mut(width + 1).zip(chances) {
            row[width] = -chance.ln();
        }
        let rows = self.items.clone().select(0, indices(chosen.iter().copied(), &self.device));
        Self::new(rows + from_vec(corrections, [chosen.len(), width + 1], &self.device)).await
    }

    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.items.dims()[0]
    }

    fn width(&self) -> usize {
        self.items.dims()[1] - 1
    }

    /// Logits of all items for each query, [queries, items], row-major.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn scores(&self, rows: &[f32]) -> Result<Vec<f32>> {
        #[cfg(feature = "linear-algebra")]
        if let Some(items) = &self.host {
            return Ok(host::Host { items, width: self.width() }.scores(rows));
        }
        self.composed_scores(rows).await
    }

    /// The mean item embedding under each query's softmax, sum_k p_k y_k,
    /// [queries, width].
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn mean_items(&self, rows: &[f32]) -> Result<Vec<f32>> {
        #[cfg(feature = "linear-algebra")]
        if let Some(items) = &self.host {
            return Ok(host::Host { items, width: self.width() }.mean_items(rows));
        }
        self.composed_mean_items(rows).await
    }

    /// The gradient through [`Catalogue::mean_items`], from `upstream`
    /// [queries, width]: returned for the queries, and added for the items.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn back_through_means(
        &self,
        rows: &[f32],
        upstream: &[f32],
        at_items: &mut AtItems,
    ) -> Result<Vec<f32>> {
        #[cfg(feature = "linear-algebra")]
        if let Some(items) = &self.host {
            let (at_places, at) = host::Host { items, width: self.width() }.back_through_means(rows, upstream);
            at_items.add(from_vec(at, self.items.dims(), &self.device));
            return Ok(at_places);
        }
        self.composed_back_through_means(rows, upstream, at_items).await
    }

    /// The mean cross-entropy of queries with these targets, and its gradient.
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
        #[cfg(feature = "linear-algebra")]
        if let Some(items) = &self.host {
            let (judged, at) = host::Host { items, width: self.width() }.judge(rows, targets, smoothing);
            at_items.add(from_vec(at, self.items.dims(), &self.device));
            return Ok(judged);
        }
        self.composed_judge(rows, targets, smoothing, at_items).await
    }

    /// The gradient at all `items` rows; the rows of a sample are moved to
    /// their items' indices.
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
}

/// Appends a column with the value `last`: rows [x, last].
fn widened(rows: &[f32], width: usize, last: f32) -> Vec<f32> {
    let mut wide = Vec::with_capacity(rows.len() / width * (width + 1));
    for row in rows.chunks_exact(width) {
        wide.extend_from_slice(row);
        wide.push(last);
    }
    wide
}

/// The rows without their last column.
fn narrowed(rows: &[f32], width: usize) -> impl Iterator<Item = f32> + '_ {
    rows.chunks_exact(width + 1).flat_map(move |row| &row[..width]).copied()
}

#[cfg(all(test, feature = "linear-algebra"))]
mod tests {
    use super::*;
    use crate::random::Key;

    /// Both implementations on one catalogue, with enough queries for several
    /// tiles.
    #[test]
    fn host_is_composed() {
        let device = Device::Flex(Default::default());
        let mut stream = Key::from_seed(12).stream("catalogue", &[]);
        let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| stream.normal() as f32).collect() };
        let (items, width, places) = (61, 5, 300);
        let rows = from_vec(random(items * (width + 1)), [items, width + 1], &device);
        let catalogue = pollster::block_on(Catalogue::new(rows)).unwrap();
        let (x, upstream) = (random(places * width), random(places * width));
        let targets: Vec<u32> = (0..places as u32).map(|place| place * 7 % items as u32).collect();
        let close = |a: &[f32], b: &[f32]| {
            let size = b.iter().fold(1e-3f32, |size, v| size.max(v.abs()));
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-5 * size)
        };
        let values = |at: AtItems| pollster::block_on(read(catalogue.at_all(at, None, items))).unwrap();
        pollster::block_on(async {
            assert!(close(&catalogue.scores(&x).await.unwrap(), &catalogue.composed_scores(&x).await.unwrap()));
            let means = catalogue.composed_mean_items(&x).await.unwrap();
            assert!(close(&catalogue.mean_items(&x).await.unwrap(), &means));
            for smoothing in [0.0, 0.3] {
                let (mut one, mut other) = (AtItems::none(), AtItems::none());
                let host = catalogue.judge(&x, &targets, smoothing, &mut one).await.unwrap();
                let plain = catalogue.composed_judge(&x, &targets, smoothing, &mut other).await.unwrap();
                assert!((host.loss - plain.loss).abs() < 1e-5, "{} {}", host.loss, plain.loss);
                assert!(close(&host.at_places, &plain.at_places));
                assert!(close(&values(one), &values(other)));
            }
            let (mut one, mut other) = (AtItems::none(), AtItems::none());
            let host = catalogue.back_through_means(&x, &upstream, &mut one).await.unwrap();
            let plain = catalogue.composed_back_through_means(&x, &upstream, &mut other).await.unwrap();
            assert!(close(&host, &plain));
            assert!(close(&values(one), &values(other)));
        });
    }
}
