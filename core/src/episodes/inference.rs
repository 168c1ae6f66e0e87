//! Inference for one user: the inner step on the user's history, and the scores
//! of all items (Algorithm 2, with the newest records as support).

use std::sync::Arc;

use crate::Result;
use crate::adapt::UserHistory;
use crate::config::AdaptConfig;
use crate::episodes::EpisodeModel;
use crate::episodes::catalogue::Catalogue;
use crate::episodes::model::Scalars;
use crate::episodes::support::{Fading, add, root};
use crate::model::EntityRef;
use crate::tensor::read;

/// The tensors of adaptation and ranking that all users share. They are
/// computed once for each model; a clone is cheap.
#[derive(Debug, Clone)]
pub struct ItemBase(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    catalogue: Catalogue,
    /// y, [items, width].
    vectors: Vec<f32>,
    /// P, [items, width].
    tower: Option<Vec<f32>>,
    /// The mean item embedding at x_0.
    start_mean: Vec<f32>,
    scalars: Scalars,
}

impl ItemBase {
    /// y, row-major [items, width].
    pub(crate) fn vectors(&self) -> &[f32] {
        &self.0.vectors
    }

    /// Components of y.
    pub(crate) fn width(&self) -> usize {
        self.0.scalars.start.len()
    }

    /// The records of a user that the inner step reads, newest first, with
    /// their weights.
    #[must_use]
    pub fn support(&self, past: &UserHistory, adapt: &AdaptConfig) -> Vec<(u32, f32)> {
        let fading = if past.is_timed() { self.0.scalars.fading.clone() } else { Fading::Alike };
        past.newest(adapt.size).map(|(item, age)| (item, fading.weight(age))).collect()
    }
}

/// A user to rank for: the user's feature row and history.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The feature row that a model with user features reads.
    pub row: EntityRef,
    /// The user's history.
    pub past: &'a UserHistory,
}

/// The support of a user: the records that the score reads, with their weights.
#[must_use]
pub fn support(past: &UserHistory, adapt: &AdaptConfig, timed: bool, fading: f32) -> Vec<(u32, f32)> {
    let fading = if timed && past.is_timed() { Fading::single(fading.ln()) } else { Fading::Alike };
    past.newest(adapt.size).map(|(item, age)| (item, fading.weight(age))).collect()
}

impl EpisodeModel {
    /// Computes the item embeddings once.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn item_base(&self) -> Result<ItemBase> {
        let scalars = self.scalars().await?;
        let vectors = self.vectors();
        let catalogue = self.catalogue(vectors.clone(), None).await?;
        let tower = match self.tower_vectors(&vectors, None) {
            None => None,
            Some(table) => Some(read(table).await?),
        };
        Ok(ItemBase(Arc::new(Shared {
            start_mean: catalogue.mean_items(&scalars.start).await?,
            vectors: read(vectors).await?,
            tower,
            scalars,
            catalogue,
        })))
    }

    /// The adapted vectors of several users, [users, width].
    ///
    /// # Errors
    /// When the device fails.
    pub async fn adapt(&self, base: &ItemBase, people: &[Asking<'_>], adapt: &AdaptConfig) -> Result<Vec<f32>> {
        let base = &base.0;
        let (starts, start_means) = match self.knows_people() {
            false => (Vec::new(), Vec::new()),
            true => {
                let rows: Vec<EntityRef> = people.iter().map(|person| person.row).collect();
                let starts = self.starts(&base.scalars.start, &rows).await?;
                let means = base.catalogue.mean_items(&starts).await?;
                (starts, means)
            }
        };
        let (width, scalars) = (self.config.width, &base.scalars);
        let step = scalars.step * adapt.step;
        let mut vectors = Vec::with_capacity(people.len() * width);
        let (mut sums, mut roots) = (Vec::with_capacity(people.len() * width), Vec::with_capacity(people.len()));
        for (number, Asking { past, .. }) in people.iter().enumerate() {
            let own = number * width..(number + 1) * width;
            let start = starts.get(own.clone()).unwrap_or(&scalars.start);
            let start_mean = start_means.get(own).unwrap_or(&base.start_mean);
            let records: Vec<(u32, u32)> =
                if adapt.steps == 0 { Vec::new() } else { past.newest(adapt.size).collect() };
            let fading = |own: &Fading| if past.is_timed() { own.clone() } else { Fading::Alike };
            let (sum, weight) = faded(&base.vectors, width, &records, &fading(&scalars.fading));
            let mut x = start.to_vec();
            add(&mut x, &sum, step);
            add(&mut x, start_mean, -step * weight.sqrt());
            if let (Some(tower), Some(own)) = (&base.tower, &scalars.tower) {
                let (sum, _) = faded(tower, width, &records, &fading(&own.fading));
                add(&mut x, &sum, own.scale);
            }
            vectors.extend(x);
            sums.extend(sum);
            roots.push(weight.sqrt());
        }
        for _ in 1..adapt.steps {
            let means = base.catalogue.mean_items(&vectors).await?;
            for (person, x) in vectors.chunks_exact_mut(width).enumerate() {
                add(x, &sums[person * width..][..width], step);
                add(x, &means[person * width..][..width], -step * roots[person]);
            }
        }
        Ok(vectors)
    }

    /// The scores of all items for several users, at their adapted vectors.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(&self, base: &ItemBase, people: &[Asking<'_>], adapt: &AdaptConfig) -> Result<Vec<Vec<f32>>> {
        let vectors = self.adapt(base, people, adapt).await?;
        let scores = base.0.catalogue.scores(&vectors).await?;
        Ok(scores.chunks_exact(self.items.max(1)).map(<[f32]>::to_vec).collect())
    }
}

/// sum_j w_j e_j / sqrt(sum w) and sum w over records (item, age).
fn faded(table: &[f32], width: usize, records: &[(u32, u32)], fading: &Fading) -> (Vec<f32>, f32) {
    let (mut sum, mut total) = (vec![0.0f32; width], 0.0f32);
    for &(item, age) in records {
        let weight = fading.weight(age);
        add(&mut sum, &table[item as usize * width..][..width], weight);
        total += weight;
    }
    let scale = root(total);
    sum.iter_mut().for_each(|v| *v *= scale);
    (sum, total)
}
