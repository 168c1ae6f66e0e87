//! A shard's own item-to-item kernel, as a product of item vectors.
//!
//! Let X [users, items] be the binary matrix of interactions, c the number of
//! users of each item, L_i = lambda c_i^power a ridge and A = X L^-1/2. EASE's
//! inverse is
//!
//! ```text
//! (X'X + L)^-1 = L^-1/2 (I - Z Z') L^-1/2,   Z = A' V / sqrt(1 + e),   A A' = V e V'
//! ```
//!
//! so off its diagonal EASE's weight from item i to item j is L_i^-1/2 z_i .
//! z_j L_j^1/2 / (1 - |z_j|^2). The diagonal does not matter, because items of
//! the history are not recommended. The division by (1 - |z_j|^2) is raised to
//! a power of its own. With power 0 the kernel is symmetric except for the
//! ridge. This suits sparse records and loses little if only the largest
//! eigenvalues are kept. A user's scores need one sum of vectors over the
//! history. If only the largest eigenvalues are computed (`spectrum`), |z_j|^2
//! is computed from these too.
//!
//! Categories of items (an author, a publisher) may be added as further rows of
//! X below the users. A category that n items share gives each of them the
//! value sqrt(weight / n), so that rare categories relate their items strongly
//! and common ones hardly. Sparse shards need this, because few users have
//! their items.

use serde::{Deserialize, Serialize};

use crate::adapt::UserHistory;
#[cfg(feature = "linear-algebra")]
use crate::closed_form::spectrum::{self, Holders, Spectrum};
use crate::config::AdaptConfig;
use crate::data::Catalog;
#[cfg(feature = "linear-algebra")]
use crate::data::{UNKNOWN, Values};
use crate::episodes::support;
use crate::model::TensorMap;
use crate::shard::ShardData;
use crate::tensor::{Device, Product, Tensor, from_vec, read};
use crate::{Error, Result};

const VECTORS: &str = "kernel.vectors";
const GIVEN: &str = "kernel.given";
const ASKED: &str = "kernel.asked";
const COMMON: &str = "kernel.common";

/// The greatest number of rows (users and categories) for a full decomposition.
/// With more rows only the eigenvectors that are kept are computed, because the
/// time of a full decomposition grows with the cube of the rows.
#[cfg(feature = "linear-algebra")]
const MOST_ROWS: usize = 8192;
/// The factor c^-0.1 by which an item of the history counts less the more users
/// have it.
#[cfg(feature = "linear-algebra")]
const RARITY: f64 = 0.1;
/// The number of users on whose scores the scale of the kernel is computed.
#[cfg(feature = "linear-algebra")]
const SCALED_ON: usize = 128;

/// The items of each category that several items share; if there are more than
/// `most` categories, the largest ones. The result depends on the catalogue
/// alone.
#[cfg(feature = "linear-algebra")]
fn categories(catalog: &Catalog, most: usize) -> Vec<Vec<u32>> {
    let mut all = Vec::new();
    for column in catalog.items.columns.iter() {
        let Values::Token { vocabulary, rows } = &column.values else { continue };
        let mut alike: Vec<Vec<u32>> = vec![Vec::new(); vocabulary.len()];
        for (item, token) in (0..).zip(rows.iter().copied()).filter(|(_, token)| *token != UNKNOWN) {
            alike[token as usize].push(item);
        }
        all.extend(alike.into_iter().filter(|alike| alike.len() > 1));
    }
    // The sort is stable: categories of equal size stay in the catalogue's
    // order.
    all.sort_by_key(|alike| std::cmp::Reverse(alike.len()));
    all.truncate(most);
    all
}

/// Settings of the kernel model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelConfig {
    /// Components of an item vector: the number of eigenvalues that are kept.
    pub width: usize,
    /// Ridge parameter lambda.
    pub ridge: f64,
    /// Exponent by which the ridge grows with the number of an item's users.
    pub power: f64,
    /// Exponent of 1 / (1 - |z|^2) at the item that is scored; 1 is EASE.
    pub diagonal: f64,
    /// Whether records have an order in time.
    pub timed: bool,
    /// Decay: a record with n newer ones has weight exp(-n / fading).
    pub fading: f32,
    /// Weight of the items' categories; 0 for records alone.
    pub categories: f64,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self { width: 64, ridge: 10.0, power: 0.25, diagonal: 0.5, timed: true, fading: 5.0, categories: 0.0 }
    }
}

impl KernelConfig {
    /// Settings for records without an order in time.
    #[must_use]
    pub fn timeless() -> Self {
        Self { width: 512, diagonal: 0.0, timed: false, categories: 5.0, ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that cannot be used, and which values are allowed.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: &str| Err(Error::Config(format!("kernel: {text}")));
        if self.width == 0 || self.width > 4096 {
            return refuse("width must lie between 1 and 4096");
        }
        if ![self.ridge, f64::from(self.fading)].iter().all(|v| *v > 0.0 && v.is_finite()) {
            return refuse("ridge and fading must be positive numbers");
        }
        if !(0.0..=1e6).contains(&self.categories) {
            return refuse("categories must lie in 0..1000000");
        }
        if ![self.power, self.diagonal].iter().all(|v| (0.0..=2.0).contains(v)) {
            return refuse("power and diagonal must lie in 0..2");
        }
        Ok(())
    }
}

/// One shard's kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    config: KernelConfig,
    items: usize,
    /// z, row-major [items, width].
    vectors: Vec<f32>,
    /// The factor of each item of the history.
    given: Vec<f32>,
    /// The factor of each item that is scored. It is scaled so that scores have
    /// a standard deviation of about 1 over the catalogue.
    asked: Vec<f32>,
    /// log(1 + users) of each item: the scores for a user without records.
    common: Vec<f32>,
}

/// A kernel with its item matrices prepared for ranking.
#[derive(Debug, Clone)]
pub struct KernelBase {
    /// Vectors of the items of a history, [items, width].
    given: Vec<f32>,
    /// Vectors of the items that are scored, [items, width].
    asked: Tensor<2>,
}

impl Kernel {
    /// An untrained kernel: all values are zero.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(catalog: &Catalog, config: &KernelConfig) -> Result<Self> {
        config.check()?;
        let items = catalog.items.len();
        Ok(Self {
            config: config.clone(),
            items,
            vectors: vec![0.0; items * config.width],
            given: vec![0.0; items],
            asked: vec![0.0; items],
            common: vec![0.0; items],
        })
    }

    /// Computes the kernel of a shard.
    ///
    /// # Errors
    /// When the shard's counts cannot be decomposed.
    #[cfg(feature = "linear-algebra")]
    pub fn fit(&mut self, catalog: &Catalog, shard: &ShardData) -> Result<()> {
        let (items, width) = (self.items, self.config.width);
        // Users are sorted by identifier, not by index, because sums depend on
        // this order.
        let mut cells: Vec<_> = shard.cells.iter().filter(|cell| !cell.support.is_empty()).collect();
        cells.sort_by_key(|cell| catalog.users.ids[cell.user as usize].as_str());
        let people = cells.len();
        *self = Self::new(catalog, &self.config)?;
        if people == 0 {
            return Ok(());
        }
        // The rows of X that hold each item, with their values: users first,
        // then categories.
        let mut holders: Holders = vec![Vec::new(); items];
        for (person, cell) in cells.iter().enumerate() {
            cell.support.iter().for_each(|&item| holders[item as usize].push((person, 1.0)));
        }
        let held: Vec<usize> = holders.iter().map(Vec::len).collect();
        let counts: Vec<f64> = held.iter().map(|&people| people.max(1) as f64).collect();
        let ridges: Vec<f64> = counts.iter().map(|c| self.config.ridge * c.powf(self.config.power)).collect();
        let mut rows = people;
        if self.config.categories > 0.0 {
            let room = if people < MOST_ROWS { MOST_ROWS - people } else { MOST_ROWS };
            for alike in categories(catalog, room) {
                let share = (self.config.categories / alike.len() as f64).sqrt();
                alike.iter().for_each(|&item| holders[item as usize].push((rows, share)));
                rows += 1;
            }
        }
        let Spectrum { values, vectors } = match rows <= MOST_ROWS {
            true => spectrum::whole(&holders, &ridges, rows)?,
            false => spectrum::largest(&holders, &ridges, rows, width)?,
        };
        for (item, own) in holders.iter().enumerate() {
            let root = ridges[item].sqrt();
            let mut square = 0.0f64;
            for (column, eigenvalue) in values.iter().enumerate() {
                let sum: f64 = own.iter().map(|&(row, share)| share * vectors[(row, column)]).sum();
                let value = sum / root / (1.0 + eigenvalue.max(0.0)).sqrt();
                square += value * value;
                if column < width {
                    self.vectors[item * width + column] = value as f32;
                }
            }
            self.given[item] = (counts[item].powf(-RARITY) / root) as f32;
            self.asked[item] = (root * (1.0 - square).max(1e-6).powf(-self.config.diagonal)) as f32;
            self.common[item] = (1.0 + held[item] as f32).ln();
        }
        // One factor for the whole shard scales scores to a standard deviation
        // of 1.
        let step = people.div_ceil(SCALED_ON);
        let base = self.prepare(&Device::Flex(Default::default()));
        let mut deviations = Vec::new();
        for cell in cells.iter().step_by(step) {
            let timed = self.config.timed;
            let time = |place: usize| timed.then_some(place as f64);
            let past = UserHistory::new(cell.support.iter().enumerate().map(|(place, &item)| (item, time(place))));
            let vector = self.gather(&base, &past, &AdaptConfig::whole_history());
            let asked = self.vectors.chunks_exact(width).zip(&self.asked);
            let scores: Vec<f64> = asked
                .map(|(row, asked)| {
                    row.iter().zip(&vector).map(|(a, b)| f64::from(a * b)).sum::<f64>() * f64::from(*asked)
                })
                .collect();
            let mean = scores.iter().sum::<f64>() / scores.len() as f64;
            deviations.push((scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / scores.len() as f64).sqrt());
        }
        let deviation = deviations.iter().sum::<f64>() / deviations.len().max(1) as f64;
        if deviation > 0.0 {
            self.asked.iter_mut().for_each(|asked| *asked = (f64::from(*asked) / deviation) as f32);
        }
        Ok(())
    }

    /// A build without the linear algebra, such as a browser's, cannot
    /// decompose the counts.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "linear-algebra"))]
    pub fn fit(&mut self, _: &Catalog, _: &ShardData) -> Result<()> {
        Err(Error::Config("this program cannot compute a kernel; train it with eemu".into()))
    }

    /// z, row-major [items, width].
    pub(crate) fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// Components of z.
    pub(crate) fn width(&self) -> usize {
        self.config.width
    }

    fn shapes(&self) -> [(&'static str, Vec<usize>); 4] {
        let items = self.items;
        [(VECTORS, vec![items, self.config.width]), (GIVEN, vec![items]), (ASKED, vec![items]), (COMMON, vec![items])]
    }

    /// Its tensors.
    #[must_use]
    pub fn values(&self) -> TensorMap {
        let numbers = [&self.vectors, &self.given, &self.asked, &self.common];
        self.shapes()
            .into_iter()
            .zip(numbers)
            .map(|((name, shape), numbers)| (name.to_owned(), (shape, numbers.clone())))
            .collect()
    }

    /// Removes its tensors from a map and reads them.
    fn take(&mut self, values: &mut TensorMap) -> Result<()> {
        let mut found = self.shapes().into_iter().map(|(name, shape)| match values.remove(name) {
            Some((own, numbers)) if own == shape && numbers.len() == shape.iter().product::<usize>() => Ok(numbers),
            Some((own, _)) => Err(Error::Model(format!("tensor '{name}' has shape {own:?}, expected {shape:?}"))),
            None => Err(Error::Model(format!("tensor '{name}' is missing"))),
        });
        let mut next = || found.next().unwrap_or(Ok(Vec::new()));
        (self.vectors, self.given, self.asked, self.common) = (next()?, next()?, next()?, next()?);
        Ok(())
    }

    /// Sets its tensors by name. On an error nothing changes.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape.
    pub fn set(&mut self, values: &TensorMap) -> Result<()> {
        let (mut values, mut own) = (values.clone(), self.clone());
        own.take(&mut values)?;
        if let Some(name) = values.keys().next() {
            return Err(Error::Model(format!("tensor '{name}' belongs to no kernel")));
        }
        *self = own;
        Ok(())
    }

    /// Computes the item matrices, which all users share.
    #[must_use]
    pub fn prepare(&self, device: &Device) -> KernelBase {
        let width = self.config.width;
        let times = |factors: &[f32]| -> Vec<f32> {
            let rows = self.vectors.chunks_exact(width).zip(factors);
            rows.flat_map(|(row, factor)| row.iter().map(move |v| v * factor)).collect()
        };
        KernelBase { given: times(&self.given), asked: from_vec(times(&self.asked), [self.items, width], device) }
    }

    /// The records of a user that the score reads, newest first, with their
    /// weights.
    #[must_use]
    pub fn support(&self, past: &UserHistory, adapt: &AdaptConfig) -> Vec<(u32, f32)> {
        support(past, adapt, self.config.timed, self.config.fading)
    }

    /// The weighted sum of the vectors of a user's records.
    fn gather(&self, base: &KernelBase, past: &UserHistory, adapt: &AdaptConfig) -> Vec<f32> {
        let width = self.config.width;
        let mut sum = vec![0.0f32; width];
        for (item, weight) in self.support(past, adapt) {
            let row = &base.given[item as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
        }
        sum
    }

    /// The scores of all items for several users. A user without records gets
    /// scores by popularity in the shard.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn scores(
        &self,
        base: &KernelBase,
        people: &[&UserHistory],
        adapt: &AdaptConfig,
    ) -> Result<Vec<Vec<f32>>> {
        let vectors: Vec<f32> = people.iter().flat_map(|past| self.gather(base, past, adapt)).collect();
        let vectors = from_vec(vectors, [people.len(), self.config.width], &base.asked.device());
        let scores = read(vectors.product(base.asked.clone().transpose())).await?;
        Ok(people
            .iter()
            .zip(scores.chunks_exact(self.items.max(1)))
            .map(|(past, scores)| {
                let nothing = adapt.size == 0 || past.items().is_empty();
                if nothing { self.common.clone() } else { scores.to_vec() }
            })
            .collect())
    }
}

#[cfg(all(test, feature = "linear-algebra"))]
mod tests {
    use super::*;
    use crate::data::{Column, Entities};
    use crate::shard::UserSlice;

    /// Six items: two authors with two items each, one item without an author,
    /// and one author with a single item.
    fn catalog() -> Catalog {
        let rows = vec![0, 0, 1, 1, UNKNOWN, 2];
        let authors = Values::Token { vocabulary: ["a", "b", "c"].map(str::to_owned).to_vec(), rows };
        let columns = vec![Column { name: "author".into(), values: authors }];
        let side = |kind: &str, count: usize, columns| {
            Entities::new((0..count).map(|n| format!("{kind}{n}")).collect(), Vec::new(), columns).unwrap()
        };
        Catalog { dataset: "x".into(), version: 1, users: side("u", 3, Vec::new()), items: side("i", 6, columns) }
    }

    fn scores(categories: f64) -> Vec<f32> {
        let config = KernelConfig { width: 12, categories, ..KernelConfig::timeless() };
        // Nobody has items 1 or 3.
        let cells = [vec![0, 4], vec![2, 4], vec![4, 5]];
        let cells = (0..).zip(cells).map(|(user, support)| UserSlice { user, support, query: Vec::new() }).collect();
        let mut kernel = Kernel::new(&catalog(), &config).unwrap();
        kernel.fit(&catalog(), &ShardData { index: 0, cells }).unwrap();
        let base = kernel.prepare(&Device::Flex(Default::default()));
        let past = UserHistory::new([(0, None)]);
        pollster::block_on(kernel.scores(&base, &[&past], &AdaptConfig::whole_history())).unwrap().remove(0)
    }

    #[test]
    fn a_shared_category_ties_items_that_nobody_has_together() {
        let (alone, tied) = (scores(0.0), scores(5.0));
        assert_eq!((alone[1], alone[3]), (0.0, 0.0), "nobody has them, so records say nothing");
        assert!(tied[1] > 0.1 && tied[1] > 10.0 * tied[3].abs(), "{tied:?}");
        assert!(tied[4] > 0.0, "records still count");
    }

    #[test]
    fn categories_are_those_that_items_share() {
        assert_eq!(super::categories(&catalog(), 10), [vec![0, 1], vec![2, 3]]);
        assert_eq!(super::categories(&catalog(), 1), [vec![0, 1]]);
    }
}
