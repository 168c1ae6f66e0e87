//! Everything a deployment decides: model, training, adaptation.

use serde::{Deserialize, Serialize};

use crate::closed_form::{EaseConfig, KernelConfig};
use crate::data::Holdout;
use crate::episodes::EpisodesConfig;
use crate::model::{EntityRef, ModelConfig, ModelKind};
use crate::shard::{ShardBy, ShardConfig, Slicing};
use crate::{Error, Result};

/// How a shard learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meta {
    /// First-order MAML (Algorithm 1).
    Maml,
    /// Reptile: several inner steps, then a move towards their end.
    Reptile,
    /// No meta-learning: ordinary training on pairs.
    None,
}

/// How shards are cut and trained. A constant of the deployment: nothing here
/// comes from data (exactness rules 4 and 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of every hash, start and draw.
    pub seed: u64,
    /// Number of shards S.
    pub shards: u32,
    /// How a shard learns.
    pub meta: Meta,
    /// Passes over a shard's users. Fixed, never chosen on other data.
    pub epochs: u32,
    /// Users a mini-batch.
    pub users_per_batch: usize,
    /// Inner step alpha.
    pub inner_step: f32,
    /// Inner steps k; MAML takes 1, Reptile needs 2 or more.
    pub inner_steps: usize,
    /// Outer step beta: Adam's rate, or Reptile's fraction of the mean move.
    pub outer_step: f32,
    /// The outer step falls linearly to zero over the epochs.
    pub decay: bool,
    /// Query records q a cell.
    pub query_length: usize,
    /// Cells are sliced anew each epoch, by a hash of the epoch and the
    /// record, so that every record is a query in its turn. The paper slices
    /// once.
    pub fresh_slices: bool,
    /// Negatives a positive drawn uniformly from the frozen catalogue.
    pub uniform_negatives: usize,
    /// Negatives a positive drawn from the other users of the mini-batch, and
    /// so by popularity: each takes some of an item's popularity out of its score.
    pub in_batch_negatives: usize,
    /// Weight of the plain support loss at theta in the outer step, beside the
    /// query loss at theta_u. The paper's is 0.
    pub support_weight: f32,
    /// Share of tasks in which every user feature is unknown.
    pub unknown_share: f64,
    /// Share of tasks in which the user's identifier alone is unknown.
    pub unnamed_share: f64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            shards: 8,
            meta: Meta::Maml,
            epochs: 32,
            users_per_batch: 32,
            inner_step: 0.5,
            inner_steps: 1,
            outer_step: 2e-3,
            decay: true,
            query_length: 3,
            fresh_slices: true,
            uniform_negatives: 1,
            in_batch_negatives: 0,
            support_weight: 1.0,
            unknown_share: 0.1,
            unnamed_share: 0.1,
        }
    }
}

/// How the adaptation set is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Rare items first (Eq 7 with a temperature).
    Biased,
    /// Every item alike.
    Random,
}

/// How a person's models are adapted at inference (Algorithm 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Size A of the adaptation set; 0 means no adaptation.
    pub size: usize,
    /// How it is drawn.
    pub sampling: Sampling,
    /// Temperature of Eq 7; 1 is the printed equation, nearly uniform.
    pub temperature: f64,
    /// How slowly older records fade: one with n newer ones weighs exp(-n / recency)
    /// beside Eq 7. 0, as in the paper, for all ages alike, and so in a
    /// configuration that was written before this was a choice.
    #[serde(default)]
    pub recency: f64,
    /// Draw with replacement.
    pub replacement: bool,
    /// Step size; for models of items alone a factor on the learned one.
    pub step: f32,
    /// Number of steps.
    pub steps: usize,
}

impl Default for AdaptConfig {
    fn default() -> Self {
        Self {
            size: 10,
            sampling: Sampling::Biased,
            temperature: 1.0,
            recency: 3.0,
            replacement: false,
            step: 0.7,
            steps: 4,
        }
    }
}

impl AdaptConfig {
    /// What suits records: recent ones where any has a time.
    #[must_use]
    pub fn fitting(timed: bool) -> Self {
        if timed { Self::default() } else { Self::timeless() }
    }

    /// For data without times, where nobody knows what is recent: many pairs
    /// and one step, since a few drawn at random say little of a person.
    #[must_use]
    pub fn timeless() -> Self {
        Self { size: 40, recency: 0.0, step: 0.5, steps: 1, ..Self::default() }
    }

    /// For models of items alone: everything that the person did, one step of
    /// the learned size.
    #[must_use]
    pub fn whole_history() -> Self {
        Self { size: 1000, recency: 0.0, step: 1.0, steps: 1, ..Self::default() }
    }

    /// Seven draws with replacement at the published code's temperature, at
    /// which one rare item often comes seven times.
    #[must_use]
    pub fn paper() -> Self {
        Self { size: 7, temperature: 0.01, recency: 0.0, replacement: true, step: 0.01, steps: 1, ..Self::default() }
    }
}

/// The configuration of a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which records are held out.
    pub holdout: Holdout,
    /// How records are cut into shards. States from before this was a choice
    /// are cut by record.
    #[serde(default = "ShardConfig::by_record")]
    pub shard: ShardConfig,
    /// The model: its kind, and what low-rank models are shaped like.
    pub model: ModelConfig,
    /// The default model.
    pub episodes: EpisodesConfig,
    /// A shard's own kernel, alone or as the start of the default model.
    pub kernel: KernelConfig,
    /// EASE.
    pub ease: EaseConfig,
    /// Training.
    pub train: TrainConfig,
    /// Adaptation at inference.
    pub adapt: AdaptConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            holdout: Holdout::None,
            shard: ShardConfig::default(),
            model: ModelConfig { kind: ModelKind::Episodes, ..ModelConfig::default() },
            episodes: EpisodesConfig::default(),
            kernel: KernelConfig::default(),
            ease: EaseConfig::default(),
            train: TrainConfig { epochs: 6, ..TrainConfig::default() },
            adapt: AdaptConfig::whole_history(),
        }
    }
}

impl Config {
    /// The defaults for records of which any has a time, or none: what `import`
    /// sets up.
    #[must_use]
    pub fn fitting(holdout: Holdout, timed: bool) -> Self {
        let mut config = Self { holdout, ..Self::default() };
        (config.episodes.timed, config.ease.timed) = (timed, timed);
        if !timed {
            // Nobody knows what comes next, and meta-training adds nothing to the kernel.
            config.model.kind = ModelKind::Kernel;
            config.kernel = KernelConfig::timeless();
        }
        config
    }

    /// This configuration with the model and the steps that low-rank models
    /// are deployed with, cut by record.
    #[must_use]
    pub fn low_rank(mut self, timed: bool) -> Self {
        self.shard = ShardConfig::by_record();
        self.model = ModelConfig::default();
        self.train = TrainConfig { seed: self.train.seed, shards: self.train.shards, ..TrainConfig::default() };
        self.adapt = AdaptConfig::fitting(timed);
        self
    }

    /// This configuration with EASE, unsharded.
    #[must_use]
    pub fn ease(mut self) -> Self {
        self.model.kind = ModelKind::Ease;
        self.train.shards = 1;
        self.shard = ShardConfig::default();
        self.adapt = AdaptConfig::whole_history();
        self
    }

    /// What a person's records in a shard are to training.
    #[must_use]
    pub fn slicing(&self) -> Slicing {
        if self.model.kind.is_of_items() { Slicing::InOrder } else { Slicing::Hashed(self.train.query_length) }
    }

    /// Whether models read features of people.
    #[must_use]
    pub fn reads_people(&self) -> bool {
        !self.model.kind.is_of_items() || self.model.kind == ModelKind::Episodes && self.episodes.people
    }

    /// Whose features a model of items alone reads of a person: nobody's,
    /// unless it knows people.
    #[must_use]
    pub fn row_of_items_model(&self, user: u32) -> EntityRef {
        if self.model.kind == ModelKind::Episodes && self.episodes.people {
            EntityRef::Known(user)
        } else {
            EntityRef::Nobody
        }
    }

    /// Passes over a shard: a closed form takes one.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        if matches!(self.model.kind, ModelKind::Ease | ModelKind::Kernel) { 1 } else { self.train.epochs }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// With the first value that cannot be used, and what it may be.
    pub fn check(&self) -> Result<()> {
        self.model.check()?;
        self.episodes.check()?;
        self.kernel.check()?;
        self.ease.check()?;
        let train = &self.train;
        let refuse = |text: &str| Err(Error::Config(text.into()));
        let positive = |v: f32| v > 0.0 && v.is_finite();
        if train.shards == 0 || train.shards > 4096 {
            return refuse("shards must be between 1 and 4096");
        }
        if train.epochs == 0 {
            return refuse("epochs must be 1 or more");
        }
        if train.users_per_batch == 0 {
            return refuse("users_per_batch must be 1 or more");
        }
        if !positive(train.inner_step) || !positive(train.outer_step) {
            return refuse("inner_step and outer_step must be positive numbers");
        }
        if train.inner_steps == 0 {
            return refuse("inner_steps must be 1 or more");
        }
        if train.meta == Meta::Reptile && train.inner_steps < 2 {
            return refuse("Reptile with one inner step is ordinary training; give inner_steps of 2 or more");
        }
        if !(train.support_weight >= 0.0 && train.support_weight.is_finite()) {
            return refuse("support_weight must be 0 or more");
        }
        if train.uniform_negatives + train.in_batch_negatives == 0
            || train.uniform_negatives.max(train.in_batch_negatives) > 64
        {
            return refuse(
                "a positive needs between one and 64 negatives: set uniform_negatives and in_batch_negatives",
            );
        }
        if train.query_length == 0 {
            return refuse("query_length must be 1 or more");
        }
        let shares = [train.unknown_share, train.unnamed_share];
        if shares.iter().any(|s| !(0.0..=1.0).contains(s)) || shares.iter().sum::<f64>() > 1.0 {
            return refuse("unknown_share and unnamed_share must lie in 0..1 and sum to at most 1");
        }
        if !self.model.unknown_rows && shares.iter().any(|s| *s > 0.0) {
            return refuse("a model without unknown_rows cannot train them: set unknown_share and unnamed_share to 0");
        }
        let adapt = &self.adapt;
        if !(adapt.temperature > 0.0 && adapt.temperature.is_finite()) {
            return refuse("the temperature must be a positive number");
        }
        if !(adapt.recency >= 0.0 && adapt.recency.is_finite()) {
            return refuse("recency must be 0 or more: 0 for all ages alike");
        }
        if adapt.size > 0 && (!positive(adapt.step) || adapt.steps == 0) {
            return refuse("adaptation needs a positive step and at least one step; give size 0 for none");
        }
        Ok(())
    }

    /// The algorithm as written: 1,530,720 parameters on MovieLens-1M.
    #[must_use]
    pub fn paper(mut self) -> Self {
        self.shard = ShardConfig { by: ShardBy::Record };
        self.model = ModelConfig::paper();
        self.train = TrainConfig { seed: self.train.seed, shards: self.train.shards, ..TrainConfig::default() };
        self.adapt = AdaptConfig::paper();
        self.train.inner_step = 0.1;
        self.train.query_length = 1;
        self.train.fresh_slices = false;
        self.train.uniform_negatives = 1;
        self.train.in_batch_negatives = 1;
        self.train.support_weight = 0.0;
        self.train.unknown_share = 0.0;
        self.train.unnamed_share = 0.0;
        self
    }
}
