//! The units: what can be trained and measured, and which tables need what.

use anyhow::Result;
use clap::ValueEnum;
use eemu_core::config::{AdaptConfig, Config, Sampling};
use serde_json::json;

use super::Request;
use super::judge::POPULARITY;
use super::recipe::{self, Learning, Profile};
use super::sets::Set;

/// A table or figure of the paper, or a remark of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Statistics of the data sets.
    Table2,
    /// HR@10 and NDCG@10 of all methods.
    Table3,
    /// HR@20 and NDCG@20 of the same models.
    Table4,
    /// Cost of a request.
    Table5,
    /// Each shard's model alone, with and without adaptation.
    Table6,
    /// Random against biased adaptation sets.
    Table7,
    /// Table 3 with DeepFM.
    Table8,
    /// All methods after 5% and 10% of the users were removed.
    Table9,
    /// Table 3 with Reptile.
    Table10,
    /// Cost of a shard's epoch by the number of shards.
    Fig3,
    /// What adaptation does to EEMU and to ordinary training.
    Fig4,
    /// Size of the adaptation set; number of shards.
    Fig5,
    /// One shard's model against the mean of all.
    Fig6,
    /// Serving people in clusters.
    Fig7,
    /// Expected overhead of a deletion.
    Eq8,
    /// Entropy of the users' degrees (section 5.5).
    Entropy,
    /// What first-order MAML leaves out. Slow: for small data, or --quick.
    SecondOrder,
    /// Everything but the second-order ablation.
    All,
}

impl What {
    /// Whether this asks for `other`.
    pub(super) fn wants(self, other: Self) -> bool {
        self == other || (self == Self::All && other != Self::SecondOrder)
    }
}

/// A trained ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ensemble {
    pub(super) learning: Learning,
    pub(super) shards: u32,
    /// Percent of the users whose records are removed before training.
    pub(super) without: u32,
    /// Whether the model is DeepFM instead of two towers.
    deep: bool,
}

impl Ensemble {
    const fn new(learning: Learning, shards: u32) -> Self {
        Self { learning, shards, without: 0, deep: false }
    }

    const RETRAIN: Self = Self::new(Learning::Ordinary, 1);
    const STANDARD: Self = Self::new(Learning::Ordinary, 8);
    const EEMU: Self = Self::new(Learning::Maml, 8);
    const REPTILE: Self = Self::new(Learning::Reptile, 8);
    const SECOND_ORDER: Self = Self::new(Learning::SecondOrder, 8);
    const PUBLISHED: Self = Self::new(Learning::Published, 8);

    fn without(self, percent: u32) -> Self {
        Self { without: percent, ..self }
    }

    fn deep(self) -> Self {
        Self { deep: true, ..self }
    }

    /// A name for files and for people.
    pub(super) fn name(self) -> String {
        let learning = match self.learning {
            Learning::Ordinary => "ordinary",
            Learning::Maml => "maml",
            Learning::Reptile => "reptile",
            Learning::SecondOrder => "second-order",
            Learning::Published => "published",
        };
        let removed = if self.without > 0 { format!("-without-{}pc", self.without) } else { String::new() };
        let model = if self.deep { "deepfm-" } else { "" };
        format!("{learning}-{model}{}{removed}", self.shards)
    }
}

/// What a unit does with an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum How {
    /// Train it.
    Train,
    /// Measure the seven aggregators and each shard alone, without adaptation.
    Frozen,
    /// Adapt to each user: measure the mean of the ensemble and each shard alone.
    Adapted { size: usize, sampling: Sampling },
    /// The same, as a deployment does it.
    Deployed { sampling: Sampling },
    /// Adapt as the published code does: one step along the sign of the gradient.
    SignStep,
    /// Adapt to clusters of users.
    Clustered { clusters: usize },
    /// Adapt to a few users one by one, to measure the time.
    OneByOne,
}

impl How {
    fn name(&self) -> String {
        match self {
            Self::Train => "train".into(),
            Self::Frozen => "frozen".into(),
            Self::Adapted { size, sampling: Sampling::Biased } => format!("adapted-{size}"),
            Self::Adapted { size, sampling: Sampling::Random } => format!("adapted-{size}-random"),
            Self::Deployed { sampling: Sampling::Biased } => "deployed".into(),
            Self::Deployed { sampling: Sampling::Random } => "deployed-random".into(),
            Self::Clustered { clusters } => format!("clusters-{clusters}"),
            Self::OneByOne => "one-by-one".into(),
            Self::SignStep => "sign-step".into(),
        }
    }
}

/// One unit of work.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) set: String,
    pub(super) seed: u64,
    pub(super) ensemble: Ensemble,
    pub(super) how: How,
    /// The whole configuration, adaptation included.
    pub(super) config: Config,
    /// Number of users measured; all when `None`. Only hashes of measurements contain it.
    users: Option<usize>,
    data: String,
}

impl Unit {
    /// The title, for the progress bar.
    pub(super) fn title(&self) -> String {
        format!("{} seed {}: {} {}", self.set, self.seed, self.ensemble.name(), self.how.name())
    }

    /// Hash of everything that the result depends on besides the build.
    pub(super) fn hash(&self) -> String {
        let mut named = json!({
            "data": self.data, "model": self.config.model, "train": self.config.train,
            "holdout": self.config.holdout, "without": self.ensemble.without,
        });
        // Second-order training has the same configuration as first-order training.
        if self.ensemble.learning == Learning::SecondOrder {
            named["order"] = json!(2);
        }
        if self.how != How::Train {
            named["how"] = json!(self.how.name());
            named["adapt"] = json!(self.config.adapt);
            // Rows from before the setting `recency` existed keep their hash.
            if self.config.adapt.recency == 0.0
                && let Some(adapt) = named["adapt"].as_object_mut()
            {
                adapt.remove("recency");
            }
            named["users"] = json!(self.users);
        }
        blake3::hash(named.to_string().as_bytes()).to_hex()[..16].to_owned()
    }

    /// File name of the row.
    pub(super) fn file(&self) -> String {
        format!("{}-s{}-{}-{}-{}.json", self.set, self.seed, self.ensemble.name(), self.how.name(), self.hash())
    }

    /// The unit that trains what this one measures.
    pub(super) fn training(&self) -> Self {
        Self { how: How::Train, ..self.clone() }
    }
}

/// The units that a request needs, each once, training first.
pub(super) fn needed(request: &Request, sets: &[Set]) -> Result<Vec<Unit>> {
    let mut units: Vec<Unit> = Vec::new();
    for set in sets {
        for seed in 1..=request.seeds {
            for (ensemble, how) in wanted(request) {
                let measured = unit(request, set, seed, ensemble, how)?;
                for unit in [measured.training(), measured] {
                    if !units.iter().any(|known| known.file() == unit.file()) {
                        units.push(unit);
                    }
                }
            }
        }
    }
    // Sorted by seed, so that every data set has results early.
    units.sort_by_key(|unit| unit.seed);
    Ok(units)
}

fn unit(request: &Request, set: &Set, seed: u64, ensemble: Ensemble, how: How) -> Result<Unit> {
    let mut config = recipe::config(request, set, ensemble.learning, ensemble.shards, seed)?;
    if ensemble.deep {
        config.model = config.model.deep_fm();
    }
    if let How::Adapted { size, sampling } = how {
        config.adapt = AdaptConfig { size, sampling, ..config.adapt };
    }
    if let How::Deployed { sampling } = how {
        config.adapt.sampling = sampling;
    }
    let data = format!("{} {}", set.catalog.hash()?, set.records.len());
    Ok(Unit { set: set.name.clone(), seed, ensemble, how, config, users: request.users, data })
}

impl Profile {
    /// EEMU as it serves: with the paper's seven items, or as deployed.
    pub(super) fn served_by(self, sampling: Sampling) -> How {
        match self {
            Self::Paper => How::Adapted { size: 7, sampling },
            Self::Deployed => How::Deployed { sampling },
        }
    }

    /// The same, with rare items first in the adaptation set.
    pub(super) fn served(self) -> How {
        self.served_by(Sampling::Biased)
    }
}

/// Ensembles and measurements, the most informative first.
fn wanted(request: &Request) -> Vec<(Ensemble, How)> {
    let what = |other| request.what.wants(other);
    let served = || request.profile.served();
    let mut rows = Vec::new();
    if what(What::Table3) || what(What::Table4) || what(What::Table10) {
        rows.extend(methods(request.profile, 0, what(What::Table10), request.reference));
    }
    if what(What::Table8) {
        rows.extend(deep_methods(request.profile));
    }
    if what(What::Table9) {
        rows.extend(REMOVED.into_iter().flat_map(|percent| methods(request.profile, percent, false, false)));
    }
    let mut list: Vec<_> = rows.into_iter().map(|(_, ensemble, how, _)| (ensemble, how)).collect();
    if what(What::Table6) || what(What::Fig6) || what(What::Fig4) {
        list.extend([(Ensemble::EEMU, How::Frozen), (Ensemble::EEMU, served())]);
    }
    if what(What::Fig4) {
        list.extend([(Ensemble::STANDARD, How::Frozen), (Ensemble::STANDARD, served())]);
    }
    if what(What::Table7) {
        list.push((Ensemble::EEMU, served()));
        list.push((Ensemble::EEMU, request.profile.served_by(Sampling::Random)));
    }
    if what(What::Fig7) {
        list.push((Ensemble::EEMU, served()));
        list.extend(request.scale.cluster_counts().iter().map(|&k| (Ensemble::EEMU, How::Clustered { clusters: k })));
        list.push((Ensemble::EEMU, How::OneByOne));
    }
    if what(What::Fig5) {
        for &size in request.scale.adaptation_sizes() {
            list.push((Ensemble::EEMU, How::Adapted { size, sampling: Sampling::Biased }));
        }
        for &shards in request.scale.shard_counts() {
            list.push((Ensemble::new(Learning::Maml, shards), served()));
        }
    }
    if what(What::SecondOrder) {
        for (_, ensemble) in orders() {
            list.extend([(ensemble, How::Frozen), (ensemble, served())]);
        }
    }
    list
}

/// Finds the unit of one table cell and seed.
pub(super) fn find<'a>(units: &'a [Unit], set: &str, seed: u64, ensemble: Ensemble, how: &How) -> Option<&'a Unit> {
    units.iter().find(|u| u.set == set && u.seed == seed && u.ensemble == ensemble && u.how == *how)
}

/// A row of Table 3 and similar tables: name, ensemble, measurement, and which of its
/// results.
pub(super) type Method = (&'static str, Ensemble, How, &'static str);

/// Table 9: percent of the users that were removed.
pub(super) const REMOVED: [u32; 2] = [5, 10];

/// The rows of Table 3 and similar tables.
pub(super) fn methods(profile: Profile, without: u32, reptile: bool, reference: bool) -> Vec<Method> {
    let served = || profile.served();
    let mut rows = vec![
        ("RETRAIN", Ensemble::RETRAIN, How::Frozen, "Mean"),
        ("popularity", Ensemble::RETRAIN, How::Frozen, POPULARITY),
    ];
    // Ensembles that were not trained for adaptation get the same adaptation.
    if profile == Profile::Deployed && without == 0 {
        rows.push(("RETRAIN, adapted alike", Ensemble::RETRAIN, served(), "Mean"));
        rows.push(("Mean, adapted alike", Ensemble::STANDARD, served(), "Mean"));
    }
    for method in eemu_core::aggregate::Method::ALL {
        rows.push((method.name(), Ensemble::STANDARD, How::Frozen, method.name()));
    }
    if reference {
        rows.push(("published code, unadapted", Ensemble::PUBLISHED, How::Frozen, "Mean"));
        rows.push(("published code", Ensemble::PUBLISHED, How::SignStep, "Mean"));
    }
    if reptile {
        rows.push(("EEMU (Reptile)", Ensemble::REPTILE, served(), "Mean"));
        rows.push(("EEMU (MAML)", Ensemble::EEMU, served(), "Mean"));
    } else {
        rows.push(("EEMU", Ensemble::EEMU, served(), "Mean"));
    }
    rows.into_iter().map(|(name, ensemble, how, result)| (name, ensemble.without(without), how, result)).collect()
}

/// The rows of Table 8: those of Table 3 with DeepFM.
pub(super) fn deep_methods(profile: Profile) -> Vec<Method> {
    let rows = methods(profile, 0, false, false).into_iter();
    rows.map(|(name, ensemble, how, result)| (name, ensemble.deep(), how, result)).collect()
}

/// The ensembles of figure 4 and similar figures.
pub(super) const fn served_ensembles() -> [(&'static str, Ensemble); 2] {
    [("EEMU", Ensemble::EEMU), ("Ordinary training", Ensemble::STANDARD)]
}

/// First-order and second-order MAML.
pub(super) const fn orders() -> [(&'static str, Ensemble); 2] {
    [("first order", Ensemble::EEMU), ("second order", Ensemble::SECOND_ORDER)]
}

/// EEMU with another number of shards.
pub(super) const fn eemu_with(shards: u32) -> Ensemble {
    Ensemble::new(Learning::Maml, shards)
}
