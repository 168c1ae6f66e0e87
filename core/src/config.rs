//! The whole configuration of a deployment: model, training, adaptation.

use serde::{Deserialize, Serialize};

use crate::closed_form::{EaseConfig, KernelConfig};
use crate::data::Holdout;
use crate::episodes::EpisodesConfig;
use crate::model::{EntityRef, ModelConfig, ModelKind};
use crate::shard::{ShardBy, ShardConfig, Slicing};
use crate::{Error, Result};

/// The meta-learning method of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meta {
    /// First-order MAML (Algorithm 1).
    Maml,
    /// Reptile: several inner steps, then a step towards their end.
    Reptile,
    /// No meta-learning: ordinary training on pairs.
    None,
}

/// How shards are cut and trained. The values are constant for a deployment,
/// and none of them depends on data (exactness rules 4 and 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed of every hash, initial value and random draw.
    pub seed: u64,
    /// Number of shards S.
    pub shards: u32,
    /// The meta-learning method.
    pub meta: Meta,
    /// Passes over a shard's users. The number is fixed and never tuned on
    /// other data.
    pub epochs: u32,
    /// Users in a mini-batch.
    pub users_per_batch: usize,
    /// Learning rate alpha of the inner step.
    pub inner_step: f32,
    /// Number k of inner steps; MAML takes 1, Reptile needs 2 or more.
    pub inner_steps: usize,
    /// Learning rate beta of the outer step: Adam's rate, or Reptile's fraction
    /// of the mean change.
    pub outer_step: f32,
    /// Whether the outer learning rate falls linearly to zero over the epochs.
    pub decay: bool,
    /// Number q of query records in a user's slice of a shard.
    pub query_length: usize,
    /// Whether each epoch splits a user's records into support and query anew,
    /// by a hash of the epoch and the record, so that every record is a query
    /// in some epoch. The paper splits once.
    pub fresh_slices: bool,
    /// Negatives for each positive, drawn uniformly from the frozen catalogue.
    pub uniform_negatives: usize,
    /// Negatives for each positive, drawn from the other users of the
    /// mini-batch, and so in proportion to popularity: each lowers the
    /// influence of popularity on the scores.
    pub in_batch_negatives: usize,
    /// Weight of the plain support loss at theta in the outer step, beside the
    /// query loss at theta_u. It is 0 in the paper.
    pub support_weight: f32,
    /// Share of tasks in which all features of the user are masked as unknown.
    pub unknown_share: f64,
    /// Share of tasks in which the user's identifier alone is masked as
    /// unknown.
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
    /// Rare items are likelier (Eq 7 with a temperature).
    Biased,
    /// Every item is equally likely.
    Random,
}

/// How the models are adapted to a user at inference (Algorithm 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptConfig {
    /// Size A of the adaptation set; 0 turns adaptation off.
    pub size: usize,
    /// How it is drawn.
    pub sampling: Sampling,
    /// Temperature of Eq 7; 1 is the printed equation, which is nearly uniform.
    pub temperature: f64,
    /// Decay with age: a record with n newer ones is weighted by exp(-n /
    /// recency) on top of Eq 7. 0 gives all ages the same weight, as in the
    /// paper and in configurations that lack this field.
    #[serde(default)]
    pub recency: f64,
    /// Whether items are drawn with replacement.
    pub replacement: bool,
    /// Step size; for models of items alone a factor of the learned step size.
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
    /// Settings that fit the records: recent records first if any record has a
    /// time.
    #[must_use]
    pub fn fitting(timed: bool) -> Self {
        if timed { Self::default() } else { Self::timeless() }
    }

    /// Settings for data without times, where it is unknown which records are
    /// recent: many pairs and one step, since a few random records say little
    /// about a user.
    #[must_use]
    pub fn timeless() -> Self {
        Self { size: 40, recency: 0.0, step: 0.5, steps: 1, ..Self::default() }
    }

    /// Settings for models of items alone: the whole history, one step of the
    /// learned size.
    #[must_use]
    pub fn whole_history() -> Self {
        Self { size: 1000, recency: 0.0, step: 1.0, steps: 1, ..Self::default() }
    }

    /// The paper's settings: seven draws with replacement at the published
    /// code's temperature, at which one rare item is often drawn seven times.
    #[must_use]
    pub fn paper() -> Self {
        Self { size: 7, temperature: 0.01, recency: 0.0, replacement: true, step: 0.01, steps: 1, ..Self::default() }
    }
}

/// The configuration of a stored state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which records are held out.
    pub holdout: Holdout,
    /// How records are assigned to shards. States that were written before this
    /// field existed are sharded by record.
    #[serde(default = "ShardConfig::by_record")]
    pub shard: ShardConfig,
    /// The model: its kind, and the shape of low-rank models.
    pub model: ModelConfig,
    /// Settings of the default model.
    pub episodes: EpisodesConfig,
    /// Settings of a shard's own kernel, alone or as the start of the default
    /// model.
    pub kernel: KernelConfig,
    /// Settings of EASE.
    pub ease: EaseConfig,
    /// Settings of training.
    pub train: TrainConfig,
    /// Settings of adaptation at inference.
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
    /// The defaults that `import` sets up; `timed` says whether any record has
    /// a time.
    #[must_use]
    pub fn fitting(holdout: Holdout, timed: bool) -> Self {
        let mut config = Self { holdout, ..Self::default() };
        (config.episodes.timed, config.ease.timed) = (timed, timed);
        if !timed {
            // The next item cannot be predicted without times, and
            // meta-training does not improve the kernel.
            config.model.kind = ModelKind::Kernel;
            config.kernel = KernelConfig::timeless();
        }
        config
    }

    /// This configuration with the low-rank model as it is deployed, sharded by
    /// record.
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

    /// How training splits a user's records in a shard into support and query.
    #[must_use]
    pub fn slicing(&self) -> Slicing {
        if self.model.kind.is_of_items() { Slicing::InOrder } else { Slicing::Hashed(self.train.query_length) }
    }

    /// Whether the model reads user features.
    #[must_use]
    pub fn reads_people(&self) -> bool {
        !self.model.kind.is_of_items() || self.model.kind == ModelKind::Episodes && self.episodes.people
    }

    /// The user-feature row that a model of items alone reads for a user: none,
    /// unless the model reads user features.
    #[must_use]
    pub fn row_of_items_model(&self, user: u32) -> EntityRef {
        if self.model.kind == ModelKind::Episodes && self.episodes.people {
            EntityRef::Known(user)
        } else {
            EntityRef::Nobody
        }
    }

    /// Passes over a shard: a closed-form model takes one.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        if matches!(self.model.kind, ModelKind::Ease | ModelKind::Kernel) { 1 } else { self.train.epochs }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that cannot be used, and which values are allowed.
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

    /// The algorithm as the paper describes it: 1,530,720 parameters on
    /// MovieLens-1M.
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
