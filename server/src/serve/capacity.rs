//! How many deletions a service sustains.
//!
//! Deletions come one by one, `rate` a second, spread evenly over S shards, so
//! μ = rate / S reach each. A shard in the mean leaves it with its next
//! deletion, collects more of them for W seconds (`settle`), and trains for T;
//! a deletion that comes meanwhile sends it back to collecting. A try comes to
//! its end with probability exp(-μT), so a shard spends on average
//! W exp(μT) + (exp(μT) - 1) / μ out of the mean and 1 / μ in it. That is where
//! both formulas below are from; they leave out that shards wait for a trainer,
//! which is why trainers may not be busy all the time.

/// The share of shards that is in the mean, at least.
const IN_MEAN: f64 = 0.5;
/// The share of their time that trainers are busy, at most: beyond it shards
/// mostly wait for each other.
const BUSY: f64 = 0.7;

/// What the rate depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// S, shards.
    pub shards: u32,
    /// Shards that train at once.
    pub trainers: usize,
    /// T, seconds to train a shard and put it in place.
    pub training: f64,
    /// W, seconds that deletions are collected.
    pub settle: f64,
}

impl Capacity {
    /// The share of shards in the mean at `rate` deletions a second.
    pub fn in_mean(&self, rate: f64) -> f64 {
        let each = rate / f64::from(self.shards.max(1));
        (-each * self.training).exp() / (1.0 + each * self.settle)
    }

    /// The share of their time that trainers are busy at `rate` deletions a
    /// second.
    pub fn busy(&self, rate: f64) -> f64 {
        let shards = f64::from(self.shards.max(1));
        let each = rate / shards;
        shards * (1.0 - (-each * self.training).exp()) / (1.0 + each * self.settle) / self.trainers.max(1) as f64
    }

    /// Deletions an hour up to which half of the shards or more are in the
    /// mean and trainers are busy 70% of their time or less.
    pub fn sustained(&self) -> f64 {
        let holds = |rate: f64| self.in_mean(rate) >= IN_MEAN && self.busy(rate) <= BUSY;
        // Trainers are less busy again where shards collect for long, so the
        // first rate that does not hold is sought from below.
        let rates = std::iter::successors(Some(1e-6), |rate| Some(rate * 1.001));
        rates.take_while(|rate| holds(*rate) && *rate < 1e6).last().unwrap_or(0.0) * 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_limits_it() {
        let two = Capacity { shards: 8, trainers: 1, training: 120.0, settle: 30.0 };
        // One trainer: 70% of the trainings that fit into an hour, and a
        // little for what is collected.
        assert!((21.0..24.0).contains(&two.sustained()), "{}", two.sustained());
        // Trainers enough: half of the shards.
        let many = Capacity { trainers: 100, ..two };
        let rate = many.sustained() / 3600.0;
        assert!((0.5..0.502).contains(&many.in_mean(rate)), "{}", many.in_mean(rate));
        assert!(Capacity { shards: 32, ..many }.sustained() > 3.9 * many.sustained());
        assert!(Capacity { settle: 3600.0, ..many }.sustained() < many.sustained());
    }
}
