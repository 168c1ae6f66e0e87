//! Every shard's user and item embeddings at theta: the input of unadapted
//! scores and of all fitted aggregators. If a score is more than a dot product
//! (DeepFM's deep part), the models themselves are kept too.

use super::simplex::Margins;
use crate::Result;
use crate::dataset::{Dataset, History};
use crate::model::{AdaptedParams, EntityRef, ItemBase, Recommender};
use crate::shard_model::ShardModel;
use crate::tensor::{Device, Tensor, from_vec};

/// One shard's embeddings at theta.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardVectors {
    /// x_u, row-major [users, width].
    pub users: Vec<f32>,
    /// y_i, row-major [items, width].
    pub items: Vec<f32>,
}

/// All shards' embeddings.
#[derive(Debug, Clone)]
pub struct Vectors {
    /// One entry a shard.
    pub shards: Vec<ShardVectors>,
    /// Components of an embedding.
    pub width: usize,
    /// The models, if the dot product of embeddings is not the score; empty
    /// otherwise.
    scorers: Vec<Scorer>,
}

/// A shard's model and the feature row that it reads for every user.
#[derive(Debug, Clone)]
struct Scorer {
    model: Recommender,
    base: ItemBase,
    users: Vec<EntityRef>,
}

/// Training pairs on which aggregators are fitted: each record with one uniform
/// negative outside the user's training items. Each record has its own random
/// stream.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledPairs {
    /// (user, positive, negative).
    pub pairs: Vec<(u32, u32, u32)>,
}

impl SampledPairs {
    /// Draws pairs for a random share of all training records.
    pub fn of(dataset: &Dataset, share: f64) -> Self {
        let mut pairs = Vec::new();
        for user in 0..dataset.interactions.users() {
            let person = dataset.person(user, History::Training);
            let history = person.history.items();
            let id = dataset.catalog.users.ids[user as usize].as_bytes();
            for &item in history {
                let mut stream =
                    dataset.key.stream("aggregator", &[id, dataset.catalog.items.ids[item as usize].as_bytes()]);
                if stream.unit() >= share {
                    continue;
                }
                if let Some(negative) = stream.below_outside(dataset.catalog.items.len(), history) {
                    pairs.push((user, item, negative));
                }
            }
        }
        Self { pairs }
    }

    /// Each shard's score of the positive minus its score of the negative, for
    /// each pair.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn margins(&self, vectors: &Vectors) -> Result<Margins> {
        if vectors.scorers.is_empty() {
            let margin = |&(user, positive, negative): &(u32, u32, u32)| {
                let each =
                    |shard: &ShardVectors| vectors.score(shard, user, positive) - vectors.score(shard, user, negative);
                vectors.shards.iter().map(|shard| f64::from(each(shard))).collect()
            };
            return Ok(Margins::new(self.pairs.iter().map(margin).collect()));
        }
        let scores = self.scores(vectors).await?;
        Ok(Margins::new(
            scores
                .iter()
                .map(|[positive, negative]| positive.iter().zip(negative).map(|(p, n)| p - n).collect())
                .collect(),
        ))
    }

    /// Every shard's scores of each pair's positive and of its negative.
    pub(super) async fn scores(&self, vectors: &Vectors) -> Result<Vec<[Vec<f64>; 2]>> {
        let mut scores = Vec::with_capacity(self.pairs.len());
        for own in self.pairs.chunk_by(|a, b| a.0 == b.0) {
            let items: Vec<u32> = own.iter().flat_map(|&(_, positive, negative)| [positive, negative]).collect();
            let shards = vectors.scores_of(own[0].0, &items).await?;
            let of = |place: usize| shards.iter().map(|shard| f64::from(shard[place])).collect();
            scores.extend((0..own.len()).map(|pair| [of(2 * pair), of(2 * pair + 1)]));
        }
        Ok(scores)
    }
}

impl Vectors {
    /// Runs both towers of every model once, without adaptation.
    ///
    /// # Errors
    /// When a model does not belong to this dataset or the device fails.
    pub async fn of(dataset: &Dataset, models: &[ShardModel]) -> Result<Self> {
        const TILE: usize = 512;
        let (mut shards, mut scorers) = (Vec::with_capacity(models.len()), Vec::new());
        let people: Vec<_> =
            (0..dataset.interactions.users()).map(|u| dataset.person(u, History::Training).rows).collect();
        for (shard, model) in models.iter().enumerate() {
            let model = model.low_rank()?;
            let mut users = Vec::new();
            for tile in people.chunks(TILE) {
                let rows: Vec<_> = tile.iter().map(|rows| rows[shard]).collect();
                rows.iter().try_for_each(|row| model.check_row(*row))?;
                users.extend(model.user_vectors(&rows, &AdaptedParams::none(rows.len())).await?.into_iter().flatten());
            }
            let base = model.item_base();
            shards.push(ShardVectors { users, items: base.vectors().await? });
            if !model.folds() {
                let users = people.iter().map(|rows| rows[shard]).collect();
                scorers.push(Scorer { model: model.clone(), base, users });
            }
        }
        let numbers = shards.first().map_or(0, |shard| shard.items.len());
        Ok(Self { shards, width: numbers / dataset.catalog.items.len().max(1), scorers })
    }

    fn row(&self, row: u32) -> std::ops::Range<usize> {
        row as usize * self.width..(row as usize + 1) * self.width
    }

    /// The same rows of every shard's table: [shards, rows, width].
    pub(super) fn stacked<'a>(
        &self,
        tables: impl Iterator<Item = &'a [f32]>,
        rows: &[u32],
        device: &Device,
    ) -> Tensor<3> {
        let values: Vec<f32> =
            tables.flat_map(|table| rows.iter().flat_map(move |&row| table[self.row(row)].iter().copied())).collect();
        from_vec(values, [self.shards.len(), rows.len(), self.width], device)
    }

    /// The dot product of one shard's user and item embeddings.
    fn score(&self, shard: &ShardVectors, user: u32, item: u32) -> f32 {
        dot(&shard.users[self.row(user)], &shard.items[self.row(item)])
    }

    /// Each shard's scores of some items for one user.
    async fn scores_of(&self, user: u32, items: &[u32]) -> Result<Vec<Vec<f32>>> {
        if self.scorers.is_empty() {
            let of = |shard| items.iter().map(|&item| self.score(shard, user, item)).collect();
            return Ok(self.shards.iter().map(of).collect());
        }
        let mut scores = Vec::with_capacity(self.scorers.len());
        for scorer in &self.scorers {
            scores.push(scorer.model.scores_of(scorer.users[user as usize], items).await?);
        }
        Ok(scores)
    }

    /// Each shard's scores of all items for one user.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(&self, user: u32) -> Result<Vec<Vec<f32>>> {
        if self.scorers.is_empty() {
            let of = |shard: &ShardVectors| {
                let x = &shard.users[self.row(user)];
                shard.items.chunks(self.width).map(|y| dot(x, y)).collect()
            };
            return Ok(self.shards.iter().map(of).collect());
        }
        let mut scores = Vec::with_capacity(self.scorers.len());
        for scorer in &self.scorers {
            let row = scorer.users[user as usize];
            scores.extend(scorer.model.scores(&scorer.base, &[row], &AdaptedParams::none(1)).await?);
        }
        Ok(scores)
    }
}

/// A dot product with eight partial sums, so that the processor can keep them
/// in one register.
pub(super) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (mut left, mut right) = (x.chunks_exact(8), y.chunks_exact(8));
    for (a, b) in (&mut left).zip(&mut right) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_dot_products() {
        let shard = ShardVectors {
            users: (0..20).map(|v| v as f32).collect(),
            items: (0..30).map(|v| (v % 7) as f32).collect(),
        };
        let vectors = Vectors { shards: vec![shard.clone()], width: 10, scorers: Vec::new() };
        let by_hand: f32 = (0..10).map(|k| (10 + k) as f32 * ((20 + k) % 7) as f32).sum();
        assert_eq!(vectors.score(&shard, 1, 2), by_hand);
        assert_eq!(pollster::block_on(vectors.scores(1)).unwrap()[0][2], by_hand);
    }
}
