//! The support of every position of a history, as one decayed sum of vectors.
//!
//! With w(k) = sum_f c_f rho_f^k, position n of a history in order of time gets
//!
//! ```text
//! H_n = sum_{j<n} w(n-1-j) e_j / sqrt(sum_{j<n} w(n-1-j))
//! ```
//!
//! where e_j is the vector of record j. Without an order it gets the sum of all
//! other records divided by the square root of their number. Both are
//! recurrences over the history, forward and backward: no matrix of positions
//! by positions is built.

use crate::model::dot;

/// How the weights of records decay with age, in records.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fading {
    /// No order: every other record has the same weight.
    Alike,
    /// A mixture of exponentials: (share c, factor rho for each newer record).
    Mixed(Vec<(f32, f32)>),
}

impl Fading {
    /// One exponential exp(-age / tau).
    pub(super) fn single(log_tau: f32) -> Self {
        Self::Mixed(vec![(1.0, kept(log_tau))])
    }

    /// Several exponentials, mixed by a softmax.
    pub(super) fn mixed(log_taus: &[f32], mix: &[f32]) -> Self {
        let shares = softmax(mix);
        Self::Mixed(shares.into_iter().zip(log_taus).map(|(share, &log_tau)| (share, kept(log_tau))).collect())
    }

    /// The weight of a record with this age.
    pub(super) fn weight(&self, age: u32) -> f32 {
        match self {
            Self::Alike => 1.0,
            Self::Mixed(parts) => parts.iter().map(|(share, rho)| share * rho.powi(age as i32)).sum(),
        }
    }
}

/// rho = exp(-1 / tau).
fn kept(log_tau: f32) -> f32 {
    (-(-log_tau).exp()).exp()
}

pub(super) fn softmax(values: &[f32]) -> Vec<f32> {
    let highest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = values.iter().map(|v| (v - highest).exp()).collect();
    let total: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

/// The decayed sums at some positions of one history.
#[derive(Debug)]
pub(super) struct Faded {
    width: usize,
    from: usize,
    /// The number of records that are read: those before the last position, or
    /// the whole history.
    records: usize,
    /// H, [positions, width].
    pub(super) sums: Vec<f32>,
    /// The sum of weights W of each position.
    pub(super) weights: Vec<f32>,
    /// For each exponential, the state A^f before each record, [records + 1, width].
    states: Vec<Vec<f32>>,
    /// For each exponential, its sum A^f before each record, [records + 1,
    /// width].
    counts: Vec<Vec<f32>>,
}

/// The gradient of one history's sums.
#[derive(Debug)]
pub(super) struct FadedGradient {
    /// At each record's vector, [records, width].
    pub(super) records: Vec<f32>,
    /// At each exponential's share c and log tau.
    pub(super) fadings: Vec<(f64, f64)>,
}

impl Faded {
    /// The sums at positions `from..to` of a history whose vectors are `rows`
    /// [records, width]. With an order, a position's support is the records
    /// before it; position `records` is the one after the last.
    pub(super) fn new(fading: &Fading, rows: &[f32], width: usize, from: usize, to: usize) -> Self {
        let all = rows.len() / width;
        let mut faded = Self {
            width,
            from,
            records: all,
            sums: vec![0.0; (to - from) * width],
            weights: vec![0.0; to - from],
            states: Vec::new(),
            counts: Vec::new(),
        };
        match fading {
            Fading::Alike => faded.of_others(rows, to),
            Fading::Mixed(parts) => faded.of_earlier(parts, rows, to),
        }
        faded
    }

    fn of_others(&mut self, rows: &[f32], to: usize) {
        let mut total = vec![0.0f32; self.width];
        for row in rows.chunks_exact(self.width) {
            add(&mut total, row, 1.0);
        }
        for (place, sum) in (self.from..to).zip(self.sums.chunks_exact_mut(self.width)) {
            sum.copy_from_slice(&total);
            let mut count = self.records;
            if place < self.records {
                add(sum, &rows[place * self.width..][..self.width], -1.0);
                count -= 1;
            }
            self.weights[place - self.from] = count as f32;
            let scale = 1.0 / (count.max(1) as f32).sqrt();
            sum.iter_mut().for_each(|v| *v *= scale);
        }
    }

    fn of_earlier(&mut self, parts: &[(f32, f32)], rows: &[f32], to: usize) {
        let width = self.width;
        self.records = self.records.min(to);
        for &(_, rho) in parts {
            let mut states = vec![0.0f32; (self.records + 1) * width];
            let mut counts = vec![0.0f32; self.records + 1];
            for record in 0..self.records {
                let (before, after) = states[record * width..(record + 2) * width].split_at_mut(width);
                for ((after, before), row) in after.iter_mut().zip(before.iter()).zip(&rows[record * width..]) {
                    *after = rho * *before + row;
                }
                counts[record + 1] = rho * counts[record] + 1.0;
            }
            self.states.push(states);
            self.counts.push(counts);
        }
        for (place, sum) in (self.from..to).zip(self.sums.chunks_exact_mut(width)) {
            let mut weight = 0.0f32;
            for ((&(share, _), states), counts) in parts.iter().zip(&self.states).zip(&self.counts) {
                add(sum, &states[place * width..][..width], share);
                weight += share * counts[place];
            }
            self.weights[place - self.from] = weight;
            let scale = root(weight);
            sum.iter_mut().for_each(|v| *v *= scale);
        }
    }

    /// The gradient, given the gradient at the sums ([positions, width]) and,
    /// optionally, at the square root of each position's weight.
    pub(super) fn backward(&self, fading: &Fading, upstream: &[f32], at_roots: Option<&[f32]>) -> FadedGradient {
        match fading {
            Fading::Alike => self.back_to_others(upstream),
            Fading::Mixed(parts) => self.back_to_earlier(parts, upstream, at_roots),
        }
    }

    fn back_to_others(&self, upstream: &[f32]) -> FadedGradient {
        let width = self.width;
        let mut total = vec![0.0f32; width];
        let mut own = vec![0.0f32; self.records * width];
        for (place, row) in upstream.chunks_exact(width).enumerate() {
            let scale = root(self.weights[place]);
            add(&mut total, row, scale);
            if self.from + place < self.records {
                add(&mut own[(self.from + place) * width..][..width], row, -scale);
            }
        }
        own.chunks_exact_mut(width).for_each(|row| add(row, &total, 1.0));
        FadedGradient { records: own, fadings: Vec::new() }
    }

    fn back_to_earlier(&self, parts: &[(f32, f32)], upstream: &[f32], at_roots: Option<&[f32]>) -> FadedGradient {
        let width = self.width;
        let places = upstream.len() / width;
        // d N_n = d H_n / sqrt(W_n); d W_n = -(d H_n . H_n) / (2 W_n), and d sqrt(W_n) / (2 sqrt(W_n)).
        let at_weights: Vec<f32> = (0..places)
            .map(|place| {
                let (row, sum) = (&upstream[place * width..][..width], &self.sums[place * width..][..width]);
                let along = dot(row, sum);
                let weight = self.weights[place];
                if weight <= 0.0 {
                    return 0.0;
                }
                let through_root = at_roots.map_or(0.0, |roots| roots[place] * weight.sqrt());
                0.5 * (through_root - along) / weight
            })
            .collect();
        let mut records = vec![0.0f32; self.records * width];
        let mut fadings = Vec::with_capacity(parts.len());
        for ((&(share, rho), states), counts) in parts.iter().zip(&self.states).zip(&self.counts) {
            let (mut at_share, mut at_rho) = (0.0f64, 0.0f64);
            let mut flow = vec![0.0f32; width];
            let mut flow_count = 0.0f32;
            for place in (1..=self.records).rev() {
                // The gradient from later positions, decayed by one record.
                flow.iter_mut().for_each(|v| *v *= rho);
                flow_count *= rho;
                if place >= self.from && place - self.from < places {
                    let query = place - self.from;
                    let scale = root(self.weights[query]);
                    let row = &upstream[query * width..][..width];
                    let state = &states[place * width..][..width];
                    add(&mut flow, row, share * scale);
                    flow_count += share * at_weights[query];
                    let along = dot(row, state);
                    at_share += f64::from(scale * along) + f64::from(at_weights[query] * counts[place]);
                }
                add(&mut records[(place - 1) * width..][..width], &flow, 1.0);
                let before = &states[(place - 1) * width..][..width];
                let along = dot(&flow, before);
                at_rho += f64::from(along) + f64::from(flow_count * counts[place - 1]);
            }
            // d rho / d log tau = rho / tau = -rho ln rho.
            let rho = f64::from(rho);
            fadings.push((at_share, if rho > 0.0 { at_rho * -rho * rho.ln() } else { 0.0 }));
        }
        FadedGradient { records, fadings }
    }
}

/// 1 / sqrt(weight); 0 without support.
pub(super) fn root(weight: f32) -> f32 {
    if weight > 0.0 { 1.0 / weight.sqrt() } else { 0.0 }
}

pub(super) fn add(sum: &mut [f32], row: &[f32], factor: f32) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn plain(fading: &Fading, rows: &[f32], width: usize, place: usize) -> (Vec<f64>, f64) {
        let count = rows.len() / width;
        let (mut sum, mut weight) = (vec![0.0f64; width], 0.0f64);
        for record in 0..count {
            let w = match fading {
                Fading::Alike => f64::from(u8::from(record != place)),
                Fading::Mixed(_) if record >= place => 0.0,
                Fading::Mixed(_) => f64::from(fading.weight((place - 1 - record) as u32)),
            };
            for (sum, value) in sum.iter_mut().zip(&rows[record * width..]) {
                *sum += w * f64::from(*value);
            }
            weight += w;
        }
        if weight > 0.0 {
            sum.iter_mut().for_each(|v| *v /= weight.sqrt());
        }
        (sum, weight)
    }

    fn random(count: usize, name: &str) -> Vec<f32> {
        let mut stream = Key::from_seed(5).stream(name, &[]);
        (0..count).map(|_| stream.normal() as f32).collect()
    }

    #[test]
    fn sums_by_the_definition() {
        let (rows, width) = (random(21, "rows"), 3);
        for fading in [Fading::Alike, Fading::single(1.0), Fading::mixed(&[0.5, 2.0], &[0.3, -0.4])] {
            let faded = Faded::new(&fading, &rows, width, 2, 8);
            for place in 2..8 {
                let (sum, weight) = plain(&fading, &rows, width, place);
                let found = &faded.sums[(place - 2) * width..][..width];
                assert!(found.iter().zip(&sum).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5), "{fading:?} {place}");
                assert!((f64::from(faded.weights[place - 2]) - weight).abs() < 1e-5, "{fading:?} {place}");
            }
        }
    }

    /// Gradients against differences of the definition in f64.
    #[test]
    fn gradients_by_differences() {
        let (rows, width, from, to) = (random(21, "rows"), 3, 1, 8);
        let (upstream, roots) = (random((to - from) * width, "upstream"), random(to - from, "roots"));
        let value = |fading: &Fading, rows: &[f32]| -> f64 {
            (from..to)
                .map(|place| {
                    let (sum, weight) = plain(fading, rows, width, place);
                    let up = &upstream[(place - from) * width..][..width];
                    let sums: f64 = sum.iter().zip(up).map(|(a, b)| a * f64::from(*b)).sum();
                    let timed = !matches!(fading, Fading::Alike);
                    sums + if timed { weight.sqrt() * f64::from(roots[place - from]) } else { 0.0 }
                })
                .sum()
        };
        let (taus, mix) = ([0.5f32, 2.0], [0.3f32, -0.4]);
        for fading in [Fading::Alike, Fading::single(1.0), Fading::mixed(&taus, &mix)] {
            let faded = Faded::new(&fading, &rows, width, from, to);
            let gradient = faded.backward(&fading, &upstream, Some(&roots));
            for (place, found) in gradient.records.iter().enumerate() {
                let moved = |by: f32| {
                    let mut rows = rows.clone();
                    rows[place] += by;
                    value(&fading, &rows)
                };
                let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((f64::from(*found) - expected).abs() < 2e-3, "{fading:?} {place}: {found} {expected}");
            }
        }
        let fading = Fading::mixed(&taus, &mix);
        let faded = Faded::new(&fading, &rows, width, from, to);
        let found = faded.backward(&fading, &upstream, Some(&roots)).fadings;
        for part in 0..2 {
            let moved = |by: f32| {
                let mut taus = taus;
                taus[part] += by;
                value(&Fading::mixed(&taus, &mix), &rows)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((found[part].1 - expected).abs() < 2e-3, "tau {part}: {} {expected}", found[part].1);
            let Fading::Mixed(parts) = &fading else { panic!() };
            let share = |by: f32| {
                let mut parts = parts.clone();
                parts[part].0 += by;
                value(&Fading::Mixed(parts), &rows)
            };
            let expected = (share(1e-2) - share(-1e-2)) / 2e-2;
            assert!((found[part].0 - expected).abs() < 2e-3, "share {part}: {} {expected}", found[part].0);
        }
    }
}
