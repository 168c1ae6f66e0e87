//! The decayed sums of a group of pieces as matrix products, H = (W E) / sqrt(W
//! 1), and their gradient. A test compares them with `episodes::support`, which
//! walks along the histories.

use super::layout::Group;
use super::sums;
use crate::tensor::{Device, Product, Tensor, from_vec, indices};

/// The age of a record outside the support: its weight is 0 for any decay time.
const FAR: f32 = 1e30;

/// How weights decay: a mixture with shares c of exponentials with log tau,
/// both [1, decays].
#[derive(Clone)]
pub(super) struct Fadings {
    pub(super) log_taus: Tensor<2>,
    /// `None` for a single exponential, whose share is 1.
    pub(super) shares: Option<Tensor<2>>,
}

/// The ages of a group's records at its query positions, [positions, records];
/// for histories without an order, their weights.
#[derive(Clone)]
pub(super) enum Ages {
    Timed(Tensor<2>),
    Alike(Tensor<2>),
}

impl Ages {
    pub(super) fn of(group: &Group, device: &Device) -> Self {
        let (places, records) = (group.newest.len(), group.records.len());
        if let Some(weights) = &group.alike {
            return Self::Alike(from_vec(weights.clone(), [places, records], device));
        }
        let number = from_vec((0..records).map(|record| record as f32).collect(), [1, records], device);
        let ages = from_vec(group.newest.clone(), [places, 1], device) - number;
        let oldest = from_vec(group.oldest.clone(), [places, 1], device).expand([places, records]);
        let outside = ages.clone().greater(oldest).bool_or(ages.clone().lower_elem(0.0));
        Self::Timed(ages.mask_fill(outside, FAR))
    }
}

/// The decayed sums at a group's positions, and their factors.
pub(super) struct Faded {
    ages: Ages,
    /// exp(-age / tau) for each exponential, [positions, records].
    each: Vec<Tensor<2>>,
    /// W, [places, records].
    weights: Tensor<2>,
    /// The records' vectors after dropout, [records, width], and the dropout
    /// factors.
    rows: Tensor<2>,
    kept: Option<Tensor<2>>,
    /// sqrt(W 1), and its inverse, which is 0 without support, [positions, 1].
    pub(super) root: Tensor<2>,
    inverse: Tensor<2>,
    /// H, [positions, width].
    pub(super) sums: Tensor<2>,
}

/// The gradient of a group's sums.
pub(super) struct Back {
    /// At the records' vectors, [records, width].
    pub(super) records: Tensor<2>,
    /// At each exponential's share and log tau, [1, decays]; `None` without an
    /// order.
    pub(super) fadings: Option<(Tensor<2>, Tensor<2>)>,
}

impl Faded {
    /// Takes the vectors [rows, width] of the rows that are read; `way` selects
    /// the dropout factors.
    pub(super) fn new(ages: Ages, fadings: Option<&Fadings>, group: &Group, way: usize, vectors: &Tensor<2>) -> Self {
        let (device, width) = (vectors.device(), vectors.dims()[1]);
        let (each, weights) = match (&ages, fadings) {
            (Ages::Timed(ages), Some(fadings)) => fadings.weights(ages),
            (Ages::Timed(weights) | Ages::Alike(weights), _) => (Vec::new(), weights.clone()),
        };
        let kept = &group.kept[way];
        let kept = (!kept.is_empty()).then(|| from_vec(kept.clone(), [group.records.len(), width], &device));
        let rows = vectors.clone().select(0, indices(group.records.iter().copied(), &device));
        let rows = match &kept {
            Some(kept) => rows * kept.clone(),
            None => rows,
        };
        let weight = sums::of_rows(weights.clone());
        let nothing = weight.clone().lower_equal_elem(0.0);
        let root = weight.sqrt();
        let inverse = root.clone().recip().mask_fill(nothing, 0.0);
        let sums = weights.clone().product(rows.clone()) * inverse.clone();
        Self { ages, each, weights, rows, kept, root, inverse, sums }
    }

    /// The gradient, from the gradients at the sums [positions, width] and, if
    /// given, at the roots [positions, 1].
    pub(super) fn backward(&self, fadings: Option<&Fadings>, upstream: Tensor<2>, at_roots: Option<Tensor<2>>) -> Back {
        // d N = d H / sqrt(w); d w = (d sqrt(w) sqrt(w) - d H . H) / (2 w).
        let at_products = upstream.clone() * self.inverse.clone();
        let mut records = self.weights.clone().transpose().product(at_products.clone());
        if let Some(kept) = &self.kept {
            records = records * kept.clone();
        }
        let (Ages::Timed(ages), Some(fadings)) = (&self.ages, fadings) else { return Back { records, fadings: None } };
        let along = sums::of_rows(upstream * self.sums.clone());
        let at_weight = match at_roots {
            Some(roots) => roots * self.root.clone() - along,
            None => -along,
        };
        let at_weight = at_weight * self.inverse.clone() * self.inverse.clone() * 0.5;
        let at_weights = at_products.product(self.rows.clone().transpose()) + at_weight;
        let (mut shares, mut taus) = (Vec::new(), Vec::new());
        for each in &self.each {
            let own = at_weights.clone() * each.clone();
            // exp(-1e30 / tau) is 0, and so is 1e30 times that.
            taus.push(sums::of_all(own.clone() * ages.clone()));
            shares.push(sums::of_all(own));
        }
        let [shares, taus] = [shares, taus].map(|each| Tensor::cat(each, 1));
        // d w / d log tau = c age / tau exp(-age / tau).
        let taus = taus * fadings.log_taus.clone().neg().exp();
        let taus = match &fadings.shares {
            Some(own) => taus * own.clone(),
            None => taus,
        };
        Back { records, fadings: Some((shares, taus)) }
    }
}

impl Fadings {
    fn weights(&self, ages: &Tensor<2>) -> (Vec<Tensor<2>>, Tensor<2>) {
        let rates = self.log_taus.clone().neg().exp().neg();
        let count = rates.dims()[1];
        let each: Vec<Tensor<2>> =
            (0..count).map(|number| (ages.clone() * rates.clone().narrow(1, number, 1)).exp()).collect();
        let weighed = each.iter().enumerate().map(|(number, own)| match &self.shares {
            Some(shares) => own.clone() * shares.clone().narrow(1, number, 1),
            None => own.clone(),
        });
        let weights = weighed.reduce(|sum, more| sum + more).unwrap_or_else(|| ages.zeros_like());
        (each, weights)
    }
}
