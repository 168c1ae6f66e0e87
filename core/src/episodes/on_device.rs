//! The outer loss and gradient of one mini-batch on a device that keeps the
//! batch: the mathematics of `training` as tensor operations only. No value is
//! read until the loss of the epoch is read, so the device never waits for the
//! host. The host prepares everything that depends on no parameter (`layout`).
//!
//! | file | idea |
//! |---|---|
//! | `layout` | a batch as arrays, prepared by the host |
//! | `products` | softmax, cross-entropy and their gradients over the catalogue |
//! | `support` | the decayed sums and their gradient as matrix products |
//! | `sums` | sums of long rows, split among a GPU's lanes |

mod layout;
mod products;
mod sums;
mod support;

use crate::Result;
use crate::episodes::EpisodeModel;
use crate::episodes::config::Tower;
use crate::episodes::map;
use crate::episodes::model::of_some;
use crate::episodes::training::{Chance, Outcome, Piece};
use crate::model::{BatchGradient, Gradient, Sparse};
use crate::tensor::{Product, Tensor, from_vec, read};

pub(super) use layout::Layout;
use products::{AtItems, Products, Tile, joined};
use support::{Ages, Faded, Fadings};

/// The result of one batch, on its device.
pub(super) struct Stepped {
    /// Mean cross-entropy of the queries, [1, 1].
    pub(super) loss: Tensor<2>,
    /// Its gradient at every parameter.
    pub(super) gradient: BatchGradient,
    /// The adapted vectors of the query positions, with padding rows.
    adapted: Tensor<2>,
}

/// The history tower's parameters on the device.
struct TowerOf {
    scale: Tensor<2>,
    fadings: Option<Fadings>,
    faded: Vec<Faded>,
    /// H of all query positions.
    sums: Tensor<2>,
}

/// The inner step's parameters and inputs on the device.
struct StepOf {
    /// alpha, [1, 1].
    step: Tensor<2>,
    fadings: Option<Fadings>,
    faded: Vec<Faded>,
    sums: Tensor<2>,
    roots: Tensor<2>,
}

fn all_sums(faded: &[Faded]) -> Tensor<2> {
    joined(faded.iter().map(|own| own.sums.clone()).collect())
}

fn means(tiles: &[Tile]) -> Tensor<2> {
    joined(tiles.iter().map(|tile| tile.means.clone()).collect())
}

/// The sum of the groups' parts.
fn added(parts: impl Iterator<Item = Tensor<2>>) -> Option<Tensor<2>> {
    parts.reduce(|sum, more| sum + more)
}

impl EpisodeModel {
    /// [`EpisodeModel::outer`] without a read before its results are complete,
    /// on any device.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn outer_on_device(&self, pieces: &[Piece<'_>], chance: Chance<'_>) -> Result<Outcome> {
        let width = self.config.width;
        let layout = Layout::new(pieces, chance, &self.config, self.items, self.knows_people());
        let stepped = self.step_on_device(&layout);
        let rows = read(stepped.adapted).await?;
        let real = rows.chunks_exact(width).zip(&layout.shares).filter(|(_, share)| **share > 0.0);
        let adapted = real.flat_map(|(row, _)| row).copied().collect();
        let loss = read(stepped.loss).await?.first().copied().unwrap_or_default();
        Ok(Outcome { loss: f64::from(loss), gradient: stepped.gradient, adapted })
    }

    /// The inner step's parameters, and the sums that it reads.
    fn inner(&self, layout: &Layout, ages: &[Ages], y: &Tensor<2>) -> Option<StepOf> {
        if self.config.steps == 0 {
            return None;
        }
        let get = |number: usize| self.parameters.get(number).clone();
        let fadings = self.at.fading.map(|number| Fadings { log_taus: get(number), shares: None });
        let faded: Vec<Faded> = (layout.groups.iter().zip(ages))
            .map(|(group, ages)| Faded::new(ages.clone(), fadings.as_ref(), group, 0, y))
            .collect();
        let roots = joined(faded.iter().map(|own| own.root.clone()).collect());
        Some(StepOf { step: get(self.at.step).exp(), sums: all_sums(&faded), roots, fadings, faded })
    }

    /// The tower's parameters and sums.
    fn towering(&self, layout: &Layout, ages: &[Ages], y: &Tensor<2>) -> Option<TowerOf> {
        let numbers = self.at.tower?;
        let table = self.tower_vectors(y, layout.reach.items())?;
        let get = |number: usize| self.parameters.get(number).clone();
        let fadings = numbers.fadings.map(|(taus, mix)| {
            let powers = get(mix).exp();
            let shares = powers.clone() / powers.sum_dim(1);
            Fadings { log_taus: get(taus), shares: Some(shares) }
        });
        let faded: Vec<Faded> = (layout.groups.iter().zip(ages))
            .map(|(group, ages)| Faded::new(ages.clone(), fadings.as_ref(), group, 1, &table))
            .collect();
        Some(TowerOf { scale: get(numbers.scale), sums: all_sums(&faded), fadings, faded })
    }

    /// The loss and its gradient over the query positions of a batch.
    pub(super) fn step_on_device(&self, layout: &Layout) -> Stepped {
        let (second, reach, places) = (self.config.second_order, &layout.reach, layout.all());
        let y = self.vectors_of(reach.items());
        let device = y.device();
        let bias = of_some(self.parameters.get(self.at.bias), 1, reach.items());
        let products = Products::new(y.clone(), bias, &layout.chosen, places);
        let ages: Vec<Ages> = layout.groups.iter().map(|group| Ages::of(group, &device)).collect();
        let inner = self.inner(layout, &ages, &y);
        let tower = self.towering(layout, &ages, &y);

        // All users start at x_0; with user features each starts at a vector of
        // their own.
        let start = self.parameters.get(self.at.start).clone();
        let whose = layout.people.as_ref().map(|(people, ones)| {
            let starts = self.people.iter().map(|feature| feature.embed(&self.parameters, people));
            let starts = starts.fold(start.clone().repeat_dim(0, people.len()), |sum, more| sum + more);
            (starts, from_vec(ones.clone(), [people.len(), places], &device))
        });
        let starts = whose.as_ref().map_or(start, |(starts, _)| starts.clone());
        // `spread` copies each user's row to the user's query positions;
        // `collected` sums back.
        let spread = |rows: Tensor<2>| match &whose {
            Some((_, ones)) => ones.clone().transpose().product(rows),
            None => rows,
        };
        let collected = |rows: Tensor<2>| match &whose {
            Some((_, ones)) => ones.clone().product(rows),
            None => sums::of_columns(rows),
        };

        let mut x = spread(starts.clone()).expand([places, self.config.width]);
        let at_start = inner.as_ref().map(|_| products.soften(&starts));
        if let (Some(inner), Some(tiles)) = (&inner, &at_start) {
            x = x + inner.moves(spread(means(tiles)));
        }
        if let Some(tower) = &tower {
            x = x + tower.sums.clone() * tower.scale.clone();
        }
        // Further steps read the mean item embedding of each position.
        let mut stations: Vec<Vec<Tile>> = Vec::new();
        if let Some(inner) = &inner {
            for _ in 1..self.config.steps {
                let tiles = products.soften(&x);
                x = x + inner.moves(means(&tiles));
                stations.push(tiles);
            }
        }
        let mut at_items = AtItems::default();
        let judged = products.judge(&x, layout, self.config.smoothing, &mut at_items);

        let mut gradient = Gradient::of(&self.parameters);
        // Backwards through the steps. `upstream` is the gradient at x before
        // each step.
        let mut upstream = judged.at_places;
        let mut at_records = None;
        let mut at_starts = None;
        if let (Some(inner), Some(tiles)) = (&inner, &at_start) {
            let mut way = Way::default();
            for tiles in stations.iter().rev() {
                way.through(inner, &upstream, means(tiles));
                if second {
                    let more = products.back(tiles, &inner.at_means(&upstream), &mut at_items);
                    upstream = upstream + more;
                }
            }
            way.through(inner, &upstream, spread(means(tiles)));
            if second {
                let at_means = collected(inner.at_means(&upstream));
                at_starts = Some(products.back(tiles, &at_means, &mut at_items));
                at_records = self.back_to_records(layout, inner, way.at_sums, &mut gradient);
            }
            if let Some(at_step) = way.at_step {
                gradient.put(self.at.step, sums::of_all(at_step) * inner.step.clone());
            }
        }
        let own = collected(upstream.clone());
        let at_starts = match at_starts {
            Some(more) => own + more,
            None => own,
        };

        // The gradients of all parameters.
        let (mut at_y, at_bias) = products.at_all(at_items, &layout.chosen);
        gradient.put(self.at.bias, at_bias);
        if let Some(at_records) = at_records {
            at_y = at_y + layout.to_rows.sums(at_records);
        }
        if let (Some(tower), Some(numbers)) = (&tower, self.at.tower) {
            let at_table = self.back_to_tower(layout, tower, &upstream, &mut gradient);
            if self.config.tower == Tower::Map {
                let (more, at_map) = map::backward(y, self.parameters.get(numbers.table).clone(), at_table);
                at_y = at_y + more;
                gradient.put(numbers.table, at_map);
            } else {
                gradient.put(numbers.table, at_table);
            }
        }
        self.accumulate(&mut gradient, &at_y, reach.items());
        if let Some((people, _)) = &layout.people {
            self.people.iter().for_each(|feature| feature.accumulate(&mut gradient, people, at_starts.clone()));
        }
        gradient.put(self.at.start, at_starts.sum_dim(0));
        let sparse = reach.items().map(|rows| Sparse { rows: rows.to_vec(), parameters: self.of_items() });
        let gradient = BatchGradient::new(&self.parameters, gradient, sparse);
        Stepped { loss: sums::of_all(judged.losses), gradient, adapted: x }
    }

    /// The backward pass through the sums of the step: to the records, and to
    /// tau.
    fn back_to_records(
        &self,
        layout: &Layout,
        inner: &StepOf,
        found: Option<(Tensor<2>, Tensor<2>)>,
        gradient: &mut Gradient,
    ) -> Option<Tensor<2>> {
        let (at_sums, at_roots) = found?;
        let (at_sums, at_roots) = (at_sums * inner.step.clone(), at_roots * inner.step.clone());
        let back: Vec<_> = (layout.groups.iter().zip(&inner.faded))
            .map(|(group, faded)| {
                let own = |rows: &Tensor<2>| products::part(rows, &group.places);
                faded.backward(inner.fadings.as_ref(), own(&at_sums), Some(own(&at_roots)))
            })
            .collect();
        let taus = back.iter().filter_map(|back| back.fadings.as_ref()).map(|(_, taus)| taus.clone());
        if let (Some(fading), Some(taus)) = (self.at.fading, added(taus)) {
            gradient.put(fading, taus);
        }
        (!back.is_empty()).then(|| joined(back.into_iter().map(|back| back.records).collect()))
    }

    /// The backward pass through the tower: to its vectors and its parameters.
    fn back_to_tower(
        &self,
        layout: &Layout,
        tower: &TowerOf,
        upstream: &Tensor<2>,
        gradient: &mut Gradient,
    ) -> Tensor<2> {
        let scaled = upstream.clone() * tower.scale.clone();
        let back: Vec<_> = (layout.groups.iter().zip(&tower.faded))
            .map(|(group, faded)| faded.backward(tower.fadings.as_ref(), products::part(&scaled, &group.places), None))
            .collect();
        if let Some(numbers) = self.at.tower {
            gradient.put(numbers.scale, sums::of_all(sums::of_rows(upstream.clone() * tower.sums.clone())));
            let found = |of: fn(&(Tensor<2>, Tensor<2>)) -> &Tensor<2>| {
                added(back.iter().filter_map(|back| back.fadings.as_ref()).map(|own| of(own).clone()))
            };
            let own = tower.fadings.as_ref().and_then(|fadings| fadings.shares.clone());
            if let (Some((taus, mix)), Some(own), Some(at_shares), Some(at_taus)) =
                (numbers.fadings, own, found(|own| &own.0), found(|own| &own.1))
            {
                // Through the softmax of the mixture.
                let along = (at_shares.clone() * own.clone()).sum_dim(1);
                gradient.put(mix, (at_shares - along) * own);
                gradient.put(taus, at_taus);
            }
        }
        layout.to_rows.sums(joined(back.into_iter().map(|back| back.records).collect()))
    }
}

/// Gradients at the inner step's own values, collected over the steps.
#[derive(Default)]
struct Way {
    /// At log alpha, without the factor alpha, [positions, 1].
    at_step: Option<Tensor<2>>,
    /// At H and at the roots, without the factor alpha.
    at_sums: Option<(Tensor<2>, Tensor<2>)>,
}

impl Way {
    fn through(&mut self, inner: &StepOf, upstream: &Tensor<2>, means: Tensor<2>) {
        let to_mean = sums::of_rows(upstream.clone() * means);
        let own = sums::of_rows(upstream.clone() * inner.sums.clone()) - inner.roots.clone() * to_mean.clone();
        self.at_step = Some(match self.at_step.take() {
            Some(sum) => sum + own,
            None => own,
        });
        self.at_sums = Some(match self.at_sums.take() {
            Some((sums, roots)) => (sums + upstream.clone(), roots - to_mean),
            None => (upstream.clone(), -to_mean),
        });
    }
}

impl StepOf {
    /// The update of the inner step, alpha (H - root mean).
    fn moves(&self, means: Tensor<2>) -> Tensor<2> {
        (self.sums.clone() - means * self.roots.clone()) * self.step.clone()
    }

    /// The gradient at the means, from the gradient at x after the step.
    fn at_means(&self, upstream: &Tensor<2>) -> Tensor<2> {
        upstream.clone() * (self.roots.clone() * self.step.clone()).neg()
    }
}
