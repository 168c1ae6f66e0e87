//! Hyper-parameters, and the scale of a run. One recipe serves all data sets; it comes
//! from a few trials on validation items. The paper publishes only its values for
//! ML-1M, and chose its epochs on test items.

use anyhow::Result;
use clap::ValueEnum;
use eemu_core::aggregate::{AttentionConfig, Effort, FitConfig};
use eemu_core::config::{AdaptConfig, Config, Meta};
use eemu_core::data::{Holdout, are_timed};
use eemu_core::mistakes::published;
use eemu_core::model::ModelConfig;

use super::Request;
use super::sets::Set;
use crate::commands::configuring::set_all;

/// Full or small scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The paper's model and grids.
    Full,
    /// Narrow towers, few epochs, few points per figure: minutes on two cores.
    Quick,
}

/// Whose choices a run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Profile {
    /// The paper's towers and its handful of pairs.
    #[default]
    Paper,
    /// What `import` and `train` choose by themselves: towers of one layer,
    /// and an adaptation set that is recent where the data have times.
    Deployed,
}

/// How an ensemble is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Learning {
    /// Ordinary training.
    Ordinary,
    /// First-order MAML: EEMU.
    Maml,
    /// Reptile: EEMU too.
    Reptile,
    /// MAML with the derivative of the inner step.
    SecondOrder,
    /// The published code's dynamics; see `core::mistakes::published`.
    Published,
}

impl Scale {
    /// Figure 5c and d: numbers of shards.
    pub(super) fn shard_counts(self) -> &'static [u32] {
        match self {
            Self::Full => &[2, 4, 8, 16, 32],
            Self::Quick => &[2, 8],
        }
    }

    /// Figure 5a and b: sizes of the adaptation set.
    pub(super) fn adaptation_sizes(self) -> &'static [usize] {
        match self {
            Self::Full => &[1, 3, 5, 7, 10, 15],
            Self::Quick => &[1, 7],
        }
    }

    /// Figure 7: numbers of clusters.
    pub(super) fn cluster_counts(self) -> &'static [usize] {
        match self {
            Self::Full => &[1, 5, 25, 50, 100, 200],
            Self::Quick => &[1, 25],
        }
    }

    /// The effort of fitting aggregators. RecEraser's 50 epochs at full width would cost
    /// more than all models together on a small machine, so it gets 5.
    pub(super) fn effort(self) -> Effort {
        let epochs = match self {
            Self::Full => 5,
            Self::Quick => 1,
        };
        Effort {
            attention: AttentionConfig { epochs, patience: 2, ..AttentionConfig::default() },
            simplex: FitConfig { epochs: 10 * epochs, ..FitConfig::default() },
            ..Effort::default()
        }
    }
}

/// The configuration of an ensemble on a data set.
pub(super) fn config(request: &Request, set: &Set, learning: Learning, shards: u32, seed: u64) -> Result<Config> {
    let mut config = match (request.profile, learning) {
        (Profile::Deployed, Learning::Ordinary | Learning::Maml | Learning::Reptile | Learning::SecondOrder) => {
            deployed(set, shards, seed)
        }
        _ => paper(learning, shards, seed),
    };
    config.train.meta = match learning {
        Learning::Ordinary => Meta::None,
        Learning::Maml | Learning::SecondOrder | Learning::Published => Meta::Maml,
        Learning::Reptile => Meta::Reptile,
    };
    if learning == Learning::Reptile {
        config.train.inner_steps = 5;
        config.train.outer_step = 1.0;
    }
    if request.scale == Scale::Quick {
        config.model = ModelConfig::small();
        config.train.epochs = 4;
        config.train.users_per_batch = 16;
        if learning != Learning::Reptile {
            config.train.outer_step = 5e-3;
        }
    }
    let mut config = set_all(&config, &request.set)?;
    if learning == Learning::Published {
        // The published code has no rows for unknown users and items, initialises tables with
        // N(0, 1), and slices once.
        config.model.unknown_rows = false;
        config.model.table_scale = 1.0;
        config.train.unnamed_share = 0.0;
        config.train.query_length = 1;
        config.train.fresh_slices = false;
        config.train.outer_step = published::RATE;
        config.train.in_batch_negatives = 1;
    }
    Ok(config)
}

/// The defaults of a deployment, as `import` and `train` have them.
fn deployed(set: &Set, shards: u32, seed: u64) -> Config {
    let timed = are_timed(&set.records);
    let mut config = Config::fitting(Holdout::LeaveOneOut, timed).low_rank(timed);
    config.train.seed = seed;
    config.train.shards = shards;
    config
}

fn paper(learning: Learning, shards: u32, seed: u64) -> Config {
    let mut config = Config { holdout: Holdout::LeaveOneOut, ..Config::default().low_rank(false) };
    // The paper's model and its handful of pairs, so that the tables are comparable with
    // the paper's. The defaults of a deployment are another choice.
    config.model = ModelConfig { unknown_rows: true, table_scale: 0.1, ..ModelConfig::paper() };
    config.adapt = AdaptConfig::paper();
    let train = &mut config.train;
    train.inner_step = 0.1;
    train.support_weight = 0.0;
    train.seed = seed;
    train.shards = shards;
    // All measured users are in the tables, so no share of the tasks is spent on unknown
    // users. A user without a record in a shard uses that shard's row for unknown users.
    train.unknown_share = 0.0;
    train.unnamed_share = if shards > 1 { 0.05 } else { 0.0 };
    train.uniform_negatives = 1;
    train.in_batch_negatives = 0;
    train.outer_step = 1e-3;
    train.epochs = match (learning, shards) {
        (Learning::Ordinary, 1) => 10,
        _ => 20,
    };
    config
}
