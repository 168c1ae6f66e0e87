//! How many deletions a service can carry out continuously.
//!
//! Deletions arrive one by one, `rate` a second, spread evenly over S shards, so μ =
//! rate / S reach each shard. A shard whose model serves loses that model with its next
//! deletion. It then collects further deletions for W seconds (`settle`) and trains for
//! T seconds. A deletion that arrives during the training sends it back to collecting.
//! So a training completes with probability exp(-μT), and a shard spends on average W
//! exp(μT) + (exp(μT) - 1) / μ without a serving model and 1 / μ with one.
//!
//! Both formulas below follow from that. They ignore that shards wait for a free
//! trainer; therefore trainers may not be busy all the time.

/// The least acceptable share of shards whose models serve.
const IN_MEAN: f64 = 0.5;
/// The greatest acceptable share of time that trainers are busy. Beyond it shards
/// mostly wait for each other.
const BUSY: f64 = 0.7;

/// What the sustained rate depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// S, the number of shards.
    pub shards: u32,
    /// The number of shards that train at once.
    pub trainers: usize,
    /// T, the seconds from the start of a shard's training until its model serves.
    pub training: f64,
    /// W, the seconds that a shard collects deletions.
    pub settle: f64,
}

impl Capacity {
    /// The share of shards whose models serve, at `rate` deletions a second.
    pub fn in_mean(&self, rate: f64) -> f64 {
        let each = rate / f64::from(self.shards.max(1));
        (-each * self.training).exp() / (1.0 + each * self.settle)
    }

    /// The share of time that trainers are busy, at `rate` deletions a second.
    pub fn busy(&self, rate: f64) -> f64 {
        let shards = f64::from(self.shards.max(1));
        let each = rate / shards;
        shards * (1.0 - (-each * self.training).exp()) / (1.0 + each * self.settle) / self.trainers.max(1) as f64
    }

    /// The greatest number of deletions per hour at which the models of at least half of
    /// the shards serve and trainers are busy at most 70% of the time.
    pub fn sustained(&self) -> f64 {
        let holds = |rate: f64| self.in_mean(rate) >= IN_MEAN && self.busy(rate) <= BUSY;
        // Above some rate shards mostly collect and trainers are less busy again. So this
        // looks from below for the first rate that is too high.
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
        // With one trainer: 70% of the trainings that fit into an hour, and a little more for
        // deletions that share one.
        assert!((21.0..24.0).contains(&two.sustained()), "{}", two.sustained());
        // With enough trainers, the limit is that half of the shards serve.
        let many = Capacity { trainers: 100, ..two };
        let rate = many.sustained() / 3600.0;
        assert!((0.5..0.502).contains(&many.in_mean(rate)), "{}", many.in_mean(rate));
        assert!(Capacity { shards: 32, ..many }.sustained() > 3.9 * many.sustained());
        assert!(Capacity { settle: 3600.0, ..many }.sustained() < many.sustained());
    }
}
