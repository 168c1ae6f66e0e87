//! Measures the recommendation quality of an ensemble and of its baselines.

use std::collections::HashSet;

use anyhow::{Context, Result};
use eemu_core::adapt::{UserContext, UserHistory};
use eemu_core::closed_form::{Ease, EaseConfig, Neighbours};
use eemu_core::config::{AdaptConfig, Config, Meta};
use eemu_core::counted;
use eemu_core::data::Role;
use eemu_core::dataset::{Dataset, History};
use eemu_core::evaluate::{Estimate, gains, hit_rate, popularity_ranks, rank_of, ranks, ranks_by};
use eemu_core::recommend::Ranker;
use eemu_core::shard::{ShardData, Slicing, partition};
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::pool;
use crate::progress::Progress;
use crate::training::from_scratch;

/// Least width of the column of names in [`Quality::row`].
pub const NAME_WIDTH: usize = 34;

/// Metrics of one method on one split.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Quality {
    /// HR@10 and half its 95% interval over users.
    #[serde(rename = "hr@10")]
    pub hr10: f64,
    /// NDCG@10.
    #[serde(rename = "ndcg@10")]
    pub ndcg10: f64,
    /// HR@20.
    #[serde(rename = "hr@20")]
    pub hr20: f64,
    /// NDCG@20.
    #[serde(rename = "ndcg@20")]
    pub ndcg20: f64,
    /// Users with a held-out item.
    pub users: usize,
    /// Half the 95% interval of HR@10 over users.
    #[serde(rename = "hr@10_margin")]
    pub hr10_margin: f64,
    /// Half the 95% interval of NDCG@10 over users.
    #[serde(rename = "ndcg@10_margin")]
    pub ndcg10_margin: f64,
}

impl Quality {
    /// Metrics of pairs of a user and a rank from 0. Each user counts once, with the mean
    /// over the user's held-out items.
    pub fn of(ranks: &[(u32, usize)]) -> Self {
        let users: Vec<&[(u32, usize)]> = ranks.chunk_by(|a, b| a.0 == b.0).collect();
        let over = |k: usize, of: fn((f64, f64)) -> f64| -> Estimate {
            let mean =
                |own: &&[(u32, usize)]| own.iter().map(|(_, r)| of(gains(*r, k))).sum::<f64>() / own.len() as f64;
            Estimate::of(&users.iter().map(mean).collect::<Vec<_>>())
        };
        let (hr10, ndcg10) = (over(10, |gain| gain.0), over(10, |gain| gain.1));
        Self {
            hr10: hr10.mean,
            ndcg10: ndcg10.mean,
            hr20: over(20, |gain| gain.0).mean,
            ndcg20: over(20, |gain| gain.1).mean,
            users: users.len(),
            hr10_margin: hr10.margin,
            ndcg10_margin: ndcg10.margin,
        }
    }

    /// One row of the table that people read.
    pub fn row(&self, name: &str) -> String {
        format!(
            "{name:<NAME_WIDTH$} {:.4} ±{:.4}  {:.4} ±{:.4}  {:.4}  {:.4}",
            self.hr10, self.hr10_margin, self.ndcg10, self.ndcg10_margin, self.hr20, self.ndcg20
        )
    }

    /// The heading of [`Quality::row`].
    pub fn heading() -> String {
        format!("{:<NAME_WIDTH$} {:<14}  {:<14}  {:<6}  {}", "", "HR@10", "NDCG@10", "HR@20", "NDCG@20")
    }
}

/// A metric: the value of a rank from 0 among a number of items.
pub type Worth = fn(usize, usize) -> f64;

/// HR@10: whether the rank is among the first ten.
pub fn hit(rank: usize, _: usize) -> f64 {
    gains(rank, 10).0
}

/// AUC: the share of the other items that rank lower. On few users it tells methods
/// apart that HR@10 cannot, since every rank counts.
pub fn above(rank: usize, items: usize) -> f64 {
    1.0 - rank as f64 / (items.max(2) - 1) as f64
}

fn by_user(ranks: &[(u32, usize)], items: usize, worth: Worth) -> Vec<f64> {
    let mean = |own: &[(u32, usize)]| own.iter().map(|(_, r)| worth(*r, items)).sum::<f64>() / own.len() as f64;
    ranks.chunk_by(|a, b| a.0 == b.0).map(mean).collect()
}

/// The mean of a metric over users.
pub fn mean_worth(ranks: &[(u32, usize)], items: usize, worth: Worth) -> Estimate {
    Estimate::of(&by_user(ranks, items, worth))
}

/// The mean difference of a metric between two methods, paired by user. It has a
/// smaller variance than the metric of either method.
pub fn paired(ours: &[(u32, usize)], theirs: &[(u32, usize)], items: usize, worth: Worth) -> Estimate {
    let (ours, theirs) = (by_user(ours, items, worth), by_user(theirs, items, worth));
    Estimate::of(&ours.iter().zip(&theirs).map(|(a, b)| a - b).collect::<Vec<_>>())
}

/// Ranks of every user's held-out item under an ensemble, or under the given members of
/// one, each with its shard. The users are shared out to `jobs` threads.
///
/// # Errors
/// When a score is not a number or the device fails.
pub fn ensemble_ranks(
    dataset: &Dataset,
    models: &[(usize, &ShardModel)],
    adapt: &AdaptConfig,
    role: Role,
    jobs: usize,
    progress: &Progress,
    label: &str,
) -> Result<Vec<(u32, usize)>> {
    let users = dataset.interactions.users();
    // Enough pieces that no thread waits long for the last one.
    let piece = (users / (8 * jobs.max(1) as u32)).max(64);
    let pieces: Vec<(u32, u32)> =
        (0..users).step_by(piece as usize).map(|from| (from, (from + piece).min(users))).collect();
    let bar = progress.bar(label, u64::from(users));
    let ranker = pollster::block_on(Ranker::new(models, &dataset.key, &dataset.degrees, adapt))?;
    let done = std::sync::atomic::AtomicU64::new(0);
    let parts = pool::run(&pieces, jobs, |&(from, to)| {
        let mut before = 0;
        pollster::block_on(ranks(dataset, &ranker, role, from..to, |now, _| {
            let all =
                done.fetch_add((now - before) as u64, std::sync::atomic::Ordering::Relaxed) + (now - before) as u64;
            before = now;
            bar.set(all, 0.0, "users ranked");
        }))
    });
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    bar.finish(&format!("{} ranked", counted(all.len(), "user")));
    Ok(all)
}

/// The models whose scores count. The model of a shard without records has learned
/// nothing and is left out, here as in the service.
pub fn voices<'a>(models: &'a [ShardModel], shards: &[ShardData]) -> Vec<(usize, &'a ShardModel)> {
    models.iter().enumerate().zip(shards).filter(|(_, shard)| !shard.is_empty()).map(|(model, _)| model).collect()
}

/// The same dataset with the records of a sample of users only, drawn by a keyed hash;
/// item degrees stay as they were. For measuring on fewer users.
pub fn sampled(dataset: &Dataset, users: usize) -> Dataset {
    let mut order: Vec<(u64, u32)> = (0..dataset.interactions.users())
        .map(|u| (dataset.key.number("judges", &[dataset.catalog.users.ids[u as usize].as_bytes()]), u))
        .collect();
    order.sort_unstable();
    let kept: HashSet<u32> = order.into_iter().take(users).map(|(_, user)| user).collect();
    let judged = dataset.with(dataset.interactions.filtered(|r| kept.contains(&r.user)));
    Dataset { degrees: dataset.degrees.clone(), ..judged }
}

/// One row of the measurement of users who were in no training (cold start).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Stranger {
    /// How many of their items each stranger gives: the newest.
    pub given: usize,
    /// HR@10 of their test item under the adapted ensemble.
    pub adapted: f64,
    /// The same when the items come without their times.
    pub untimed: f64,
    /// HR@10 without adaptation: the same list for everybody.
    pub global: f64,
    /// HR@10 of popularity.
    pub popularity: f64,
    /// Strangers measured.
    pub users: usize,
    /// HR@10 of users who were in training and give as many items.
    pub known: f64,
    /// Users of training who were measured.
    pub known_users: usize,
}

/// Measures users who are in no shard: a tenth of the users, by a keyed hash, is left
/// out of training. Each gives the newest few of the items before their test item, once
/// with times and once without. Only the items that they give are masked. As many users
/// of training are measured beside them and give as many items.
///
/// # Errors
/// When training diverges or a low-rank model has no row for unknown users and items.
pub fn strangers(dataset: &Dataset, device: &Device, jobs: usize, progress: &Progress) -> Result<Vec<Stranger>> {
    const GIVEN: [usize; 5] = [1, 3, 7, 15, 50];
    let out = |user: u32| {
        dataset.key.number("strangers", &[dataset.catalog.users.ids[user as usize].as_bytes()]).is_multiple_of(10)
    };
    let known = dataset.with(dataset.interactions.filtered(|r| !out(r.user)));
    let shards = known.shards();
    let models = from_scratch(&known, &shards, device, jobs, progress, "shard")?;
    let models = voices(&models, &shards);
    let popularity: Vec<f32> = known.degrees.iter().map(|&d| d as f32).collect();
    let adapted = pollster::block_on(Ranker::new(&models, &known.key, &known.degrees, &known.config.adapt))?;
    let plain = AdaptConfig { size: 0, ..known.config.adapt.clone() };
    let plain = pollster::block_on(Ranker::new(&models, &known.key, &known.degrees, &plain))?;
    // Each user's test item comes with what the user gives.
    let people = |strangers: bool, given: usize| -> Vec<(UserContext, u32)> {
        let all = (0..dataset.interactions.users()).filter(|&user| out(user) == strangers);
        all.filter_map(|user| {
            let own = dataset.person(user, History::Before(Role::Test));
            let target = *dataset.items(user, Role::Test).first()?;
            let rows = if strangers { known.visitor([]).rows } else { own.rows.clone() };
            Some((UserContext { rows, history: own.history.latest(given)?, ..own }, target))
        })
        .collect()
    };
    let ranks = |ranker: &Ranker<'_>, people: &[(UserContext, u32)]| -> Result<Vec<usize>> {
        let tiles: Vec<&[(UserContext, u32)]> = people.chunks(64).collect();
        let parts = pool::run(&tiles, jobs, |tile| -> Result<Vec<usize>> {
            let visitors: Vec<UserContext> = tile.iter().map(|(person, _)| person.clone()).collect();
            let scored = pollster::block_on(ranker.scores(&visitors, 0, false))?;
            let ranked = tile.iter().zip(scored).map(|((p, target), s)| rank_of(*target, &s.mean, p.history.items()));
            Ok(ranked.collect::<eemu_core::Result<_>>()?)
        });
        Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.concat())
    };
    let mut rows = Vec::new();
    for given in GIVEN {
        let (own, others) = (people(true, given), people(false, given));
        progress.say(&format!("{given} given: {} strangers, {} of training", own.len(), others.len()));
        let timeless = |(person, target): &(UserContext, u32)| {
            let history = UserHistory::new(person.history.items().iter().map(|&item| (item, None)));
            (UserContext { history, ..person.clone() }, *target)
        };
        let without_times: Vec<(UserContext, u32)> = own.iter().map(timeless).collect();
        let popular = own.iter().map(|(p, target)| rank_of(*target, &popularity, p.history.items()));
        let popular = popular.collect::<eemu_core::Result<Vec<_>>>()?;
        let rate = |ranks: &[usize]| hit_rate(ranks, 10).mean;
        rows.push(Stranger {
            given,
            adapted: rate(&ranks(&adapted, &own)?),
            untimed: rate(&ranks(&adapted, &without_times)?),
            global: rate(&ranks(&plain, &own)?),
            popularity: rate(&popular),
            users: own.len(),
            known: rate(&ranks(&adapted, &others)?),
            known_users: others.len(),
        });
    }
    Ok(rows)
}

/// Popularity: training interactions per item.
///
/// # Errors
/// Never; for symmetry.
pub fn popularity(dataset: &Dataset, role: Role) -> Result<Quality> {
    Ok(Quality::of(&popularity_ranks(dataset, role)?))
}

/// Trains a baseline in memory: on one shard (the unsharded model), or on as many as
/// the state has. The model is the same and adapts alike. A low-rank model is trained
/// in the ordinary way and not adapted, as in the paper.
///
/// # Errors
/// When training diverges.
pub fn baseline(
    dataset: &Dataset,
    shards: u32,
    role: Role,
    device: &Device,
    jobs: usize,
    progress: &Progress,
    label: &str,
) -> Result<Quality> {
    Ok(Quality::of(&baseline_ranks(dataset, shards, role, device, jobs, progress, label)?))
}

/// The ranks that [`baseline`] computes its metrics from.
///
/// # Errors
/// When training diverges.
pub fn baseline_ranks(
    dataset: &Dataset,
    shards: u32,
    role: Role,
    device: &Device,
    jobs: usize,
    progress: &Progress,
    label: &str,
) -> Result<Vec<(u32, usize)>> {
    let mut config: Config = dataset.config.clone();
    config.train.shards = shards;
    if !config.model.kind.is_of_items() {
        config.train.meta = Meta::None;
        config.adapt.size = 0;
    }
    let dataset = Dataset { config, ..dataset.clone() };
    let shards = dataset.shards();
    let models = from_scratch(&dataset, &shards, device, jobs, progress, label)?;
    let models = voices(&models, &shards);
    ensemble_ranks(&dataset, &models, &dataset.config.adapt, role, jobs, progress, label)
}

/// A closed-form baseline over the records of all users, with the settings chosen for
/// it.
#[derive(Debug, Clone)]
pub struct ClosedForm {
    /// Its name, with the settings that validation items chose.
    pub name: String,
    /// Its quality with those settings.
    pub quality: Quality,
}

/// Scores of all items, as a function of a user's history.
type Score<'a> = Box<dyn Fn(&UserHistory) -> Vec<f32> + Sync + 'a>;

/// ItemKNN, transitions and EASE on all records, unsharded, so that they see what no
/// single shard sees. For each, the time decay (and for EASE the ridge) that is best on
/// validation items is chosen among a few.
///
/// # Errors
/// When the catalogue is too large for them, or the matrix of counts cannot be
/// inverted.
pub fn closed_forms(dataset: &Dataset, role: Role, jobs: usize, progress: &Progress) -> Result<Vec<ClosedForm>> {
    let items = dataset.catalog.items.len();
    let timed = dataset.popularity.is_timed();
    let by = dataset.config.shard.by;
    let whole =
        partition(&dataset.key, &dataset.catalog, &dataset.interactions, &dataset.split, by, 1, Slicing::InOrder);
    let whole = whole.first().context("a dataset has a shard")?;
    let histories: Vec<&[u32]> = whole.cells.iter().map(|cell| cell.support.as_slice()).collect();
    let fadings = |all: [f32; 3]| if timed { all.to_vec() } else { vec![0.0] };
    let measure =
        |name: &str, settings: Vec<(String, Score<'_>)>| best_of(dataset, role, jobs, progress, name, &settings);
    let mut found = Vec::new();

    let knn = Neighbours::of_people(&histories, items);
    let fading = |own: &Neighbours, fading: f32| -> (String, Score<'_>) {
        let own = own.clone();
        (format!("fading {fading}"), Box::new(move |past: &UserHistory| own.scores(past, fading)))
    };
    found.push(measure("ItemKNN", fadings([0.0, 20.0, 5.0]).into_iter().map(|f| fading(&knn, f)).collect())?);
    if timed {
        let transitions = Neighbours::in_order(&histories, items);
        found.push(measure("transitions", [20.0, 5.0, 2.0].map(|f| fading(&transitions, f)).into())?);
    }
    let mut settings: Vec<(String, Score<'_>)> = Vec::new();
    for ridge in [100.0, 500.0, 2000.0] {
        let mut solved = Ease::new(&dataset.catalog, &EaseConfig { ridge, timed, fading: 0.0 })?;
        solved.fit(whole)?;
        let solved = std::sync::Arc::new(solved);
        for fading in fadings([0.0, 20.0, 5.0]) {
            let ease = solved.clone();
            let name = format!("ridge {ridge}, fading {fading}");
            settings.push((name, Box::new(move |past: &UserHistory| ease.scores_fading(past, fading))));
        }
    }
    found.push(measure("EASE", settings)?);
    Ok(found)
}

/// The setting that is best on validation items, measured on the given role.
fn best_of(
    dataset: &Dataset,
    role: Role,
    jobs: usize,
    progress: &Progress,
    name: &str,
    settings: &[(String, Score<'_>)],
) -> Result<ClosedForm> {
    let users = dataset.interactions.users();
    let bar = progress.bar(name, settings.len() as u64);
    let measure = |role: Role, score: &Score<'_>| -> Result<Quality> {
        let pieces: Vec<u32> = (0..users).step_by(128).collect();
        let parts = pool::run(&pieces, jobs, |&from| ranks_by(dataset, role, from..from + 128, score));
        let ranks = parts.into_iter().collect::<eemu_core::Result<Vec<_>>>()?;
        Ok(Quality::of(&ranks.concat()))
    };
    let mut best: Option<(usize, Quality)> = None;
    for (number, (_, score)) in settings.iter().enumerate() {
        let quality = measure(Role::Validation, score)?;
        bar.set(number as u64 + 1, 0.0, "settings tried");
        if best.is_none_or(|(_, best)| quality.ndcg10 > best.ndcg10) {
            best = Some((number, quality));
        }
    }
    let (number, _) = best.context("no setting to try")?;
    let (setting, score) = &settings[number];
    bar.finish(setting);
    Ok(ClosedForm { name: format!("{name}, {setting}"), quality: measure(role, score)? })
}
