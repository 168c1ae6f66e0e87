//! The faded sums of a group of pieces as products, H = (W E) / sqrt(W 1),
//! and their gradient: the same numbers as `episodes::support` comes to along
//! the histories, which a test holds together.

use super::layout::Group;
use super::sums;
use crate::tensor::{Device, Product, Tensor, from_vec, indices};

/// The age of what is no support: its weight is 0, whatever the fading.
const FAR: f32 = 1e30;

/// How weights fade: shares c [1, fadings] of exponentials of log tau [1, fadings].
#[derive(Clone)]
pub(super) struct Fadings {
    pub(super) log_taus: Tensor<2>,
    /// `None` of a single one, whose share is 1.
    pub(super) shares: Option<Tensor<2>>,
}

/// The ages of a group's records at its places, [places, records]; without an
/// order their weights.
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

/// The sums at a group's places, and what they were made of.
pub(super) struct Faded {
    ages: Ages,
    /// Of each fading exp(-age / tau), [places, records].
    each: Vec<Tensor<2>>,
    /// W, [places, records].
    weights: Tensor<2>,
    /// The records' vectors, [records, width], and what dropout left of them.
    rows: Tensor<2>,
    kept: Option<Tensor<2>>,
    /// sqrt(W 1) and one above it, 0 where there is no support, [places, 1].
    pub(super) root: Tensor<2>,
    inverse: Tensor<2>,
    /// H, [places, width].
    pub(super) sums: Tensor<2>,
}

/// The gradient of a group's sums.
pub(super) struct Back {
    /// At the records' vectors, [records, width].
    pub(super) records: Tensor<2>,
    /// At each fading's share and log tau, [1, fadings]; empty without an order.
    pub(super) fadings: Option<(Tensor<2>, Tensor<2>)>,
}

impl Faded {
    /// Of vectors [rows, width] of what is read; `way` says which dropout.
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

    /// The gradient, given what stands at the sums [places, width] and, as a
    /// further path, at the roots [places, 1]; with the fadings that made them.
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
