//! Ranks the held-out test items by every method.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result};
use eemu_core::adapt::UserContext;
use eemu_core::aggregate::{Aggregator, Effort, Mean, Method, Seen, Vectors};
use eemu_core::cluster::{KMeans, cluster_users, scores_by_cluster};
use eemu_core::config::AdaptConfig;
use eemu_core::data::Role;
use eemu_core::dataset::{Dataset, History};
use eemu_core::evaluate::rank_of;
use eemu_core::mistakes::published;
use eemu_core::random::Key;
use eemu_core::recommend::Ranker;
use eemu_core::shard_model::ShardModel;
use eemu_core::tensor::Device;

use super::rows::Ranks;
use crate::pool;

/// Users ranked together; bounds the memory of their adapted state.
const TILE: usize = 32;

/// A test user: the user, the held-out item, and the user's context for the models.
pub(super) struct Judge {
    user: u32,
    target: u32,
    person: UserContext,
}

/// Every user with a test item, or a sample that does not depend on the seed.
pub(super) fn judges(dataset: &Dataset, users: Option<usize>) -> Vec<Judge> {
    let key = Key::from_seed(0);
    let ids = &dataset.catalog.users.ids;
    let mut all: Vec<(u64, u32, u32)> = (0..dataset.interactions.users())
        .filter_map(|user| {
            let target = *dataset.items(user, Role::Test).first()?;
            Some((key.number("judges", &[ids[user as usize].as_bytes()]), user, target))
        })
        .collect();
    if let Some(users) = users {
        all.sort_unstable();
        all.truncate(users);
        all.sort_unstable_by_key(|(_, user, _)| *user);
    }
    all.into_iter()
        .map(|(_, user, target)| Judge { user, target, person: dataset.person(user, History::Training) })
        .collect()
}

/// Name of the ranking by the number of training interactions.
pub(super) const POPULARITY: &str = "popularity";

/// Groups each judge's ranks by the names of the methods.
fn collected(names: &[String], ranks: &[Vec<usize>]) -> BTreeMap<String, Ranks> {
    let of = |place: usize| Ranks::of(&ranks.iter().map(|own| own[place]).collect::<Vec<_>>());
    names.iter().enumerate().map(|(place, name)| (name.clone(), of(place))).collect()
}

fn shard_names(shards: usize) -> impl Iterator<Item = String> {
    (0..shards).map(|shard| format!("shard {shard}"))
}

/// Ranks by every given aggregator and by every shard alone, without adaptation. Also
/// returns the seconds of fitting, and HR@10 of the methods on validation items.
pub(super) fn frozen(
    dataset: &Dataset,
    vectors: &Vectors,
    judges: &[Judge],
    methods: &[Method],
    effort: &Effort,
    device: &Device,
    jobs: usize,
) -> Result<(BTreeMap<String, Ranks>, BTreeMap<String, f64>)> {
    let shards = vectors.shards.len();
    let popularity: Vec<f32> = dataset.degrees.iter().map(|&degree| degree as f32).collect();
    let (mut aggregators, mut figures): (Vec<Box<dyn Aggregator>>, _) = (Vec::new(), BTreeMap::new());
    for method in methods {
        let start = Instant::now();
        aggregators.push(pollster::block_on(method.fitted(dataset, vectors, effort, device))?);
        figures.insert(format!("{} refit seconds", method.name()), start.elapsed().as_secs_f64());
    }
    let parts = pool::run(&judges.chunks(TILE).collect::<Vec<_>>(), jobs, |tile| -> Result<Vec<[Vec<usize>; 2]>> {
        tile.iter()
            .map(|judge| {
                let scores = pollster::block_on(vectors.scores(judge.user))?;
                let mut counts = vec![0; shards];
                for item in dataset.items(judge.user, Role::Train) {
                    counts[dataset.shard_of(judge.user, item) as usize] += 1;
                }
                let masked = judge.person.history.items();
                let seen = Seen { user: judge.user, masked, counts: &counts, scores: &scores };
                let chosen_on = dataset.items(judge.user, Role::Validation).first().copied();
                let (mut tested, mut chosen) = (Vec::new(), Vec::new());
                for aggregator in &aggregators {
                    let blended = aggregator.combine_for(&seen)?;
                    tested.push(rank_of(judge.target, &blended, masked)?);
                    chosen.push(rank_of(chosen_on.unwrap_or(judge.target), &blended, masked)?);
                }
                for own in scores.iter().chain([&popularity]) {
                    tested.push(rank_of(judge.target, own, masked)?);
                }
                Ok([tested, chosen])
            })
            .collect()
    });
    let (mut ranks, mut validation) = (Vec::new(), Vec::new());
    for part in parts {
        for [tested, chosen] in part? {
            ranks.push(tested);
            validation.push(chosen);
        }
    }
    for (place, method) in methods.iter().enumerate() {
        let hits = validation.iter().filter(|own| own[place] < 10).count();
        let rate = hits as f64 / validation.len().max(1) as f64;
        figures.insert(format!("{} HR@10 on validation", method.name()), rate);
    }
    let names: Vec<String> = methods
        .iter()
        .map(|method| method.name().to_owned())
        .chain(shard_names(shards))
        .chain([POPULARITY.to_owned()])
        .collect();
    Ok((collected(&names, &ranks), figures))
}

/// Algorithm 2 for all users, by the exact batch mode: the mean of the ensemble, and
/// every shard alone.
pub(super) fn adapted(
    dataset: &Dataset,
    models: &[ShardModel],
    judges: &[Judge],
    adapt: &AdaptConfig,
    jobs: usize,
    seen: impl Fn(usize) + Sync,
) -> Result<BTreeMap<String, Ranks>> {
    let numbered: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let ranker = pollster::block_on(Ranker::new(&numbered, &dataset.key, &dataset.degrees, adapt))?;
    let parts = pool::run(&judges.chunks(TILE).collect::<Vec<_>>(), jobs, |tile| -> Result<Vec<Vec<usize>>> {
        let people: Vec<UserContext> = tile.iter().map(|judge| judge.person.clone()).collect();
        let scored = pollster::block_on(ranker.scores(&people, 0, true))?;
        seen(tile.len());
        tile.iter()
            .zip(&scored)
            .map(|(judge, scored)| {
                let all = std::iter::once(&scored.mean).chain(&scored.per_shard);
                all.map(|scores| Ok(rank_of(judge.target, scores, judge.person.history.items())?)).collect()
            })
            .collect()
    });
    let mut ranks = Vec::new();
    for part in parts {
        ranks.extend(part?);
    }
    let names: Vec<String> = std::iter::once("Mean".to_owned()).chain(shard_names(models.len())).collect();
    Ok(collected(&names, &ranks))
}

/// Algorithm 3 with this many clusters of all users. Also returns the seconds that
/// clustering took.
pub(super) fn clustered(
    dataset: &Dataset,
    models: &[ShardModel],
    vectors: &Vectors,
    judges: &[Judge],
    clusters: usize,
    jobs: usize,
) -> Result<(BTreeMap<String, Ranks>, f64)> {
    let start = Instant::now();
    let found = cluster_users(dataset, vectors, KMeans { clusters, starts: 1, iterations: 25 })?;
    let clustering = start.elapsed().as_secs_f64();
    let members = found.users.members();
    let mut in_cluster: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
    for (place, judge) in judges.iter().enumerate() {
        in_cluster[found.users.of[judge.user as usize] as usize].push(place);
    }
    let busy: Vec<usize> = (0..members.len()).filter(|&cluster| !in_cluster[cluster].is_empty()).collect();
    let parts = pool::run(&busy, jobs, |&cluster| -> Result<Vec<(usize, usize)>> {
        let everyone: Vec<UserContext> =
            members[cluster].iter().map(|&user| dataset.person(user, History::Training)).collect();
        let served: Vec<&Judge> = in_cluster[cluster].iter().map(|&place| &judges[place]).collect();
        let mut ranks = Vec::with_capacity(served.len());
        // A million users in one cluster must not need a million rows of scores at once.
        for (places, tile) in in_cluster[cluster].chunks(2048).zip(served.chunks(2048)) {
            let people: Vec<UserContext> = tile.iter().map(|judge| judge.person.clone()).collect();
            let scored = scores_by_cluster(dataset, models, &dataset.config.adapt, &everyone, &people);
            for ((&place, judge), scores) in places.iter().zip(tile).zip(pollster::block_on(scored)?) {
                ranks.push((place, rank_of(judge.target, &scores, judge.person.history.items())?));
            }
        }
        Ok(ranks)
    });
    let mut ranks = vec![None; judges.len()];
    for part in parts {
        for (place, rank) in part? {
            ranks[place] = Some(vec![rank]);
        }
    }
    let ranks: Vec<Vec<usize>> = ranks.into_iter().collect::<Option<_>>().context("somebody is in no cluster")?;
    Ok((collected(&["Mean".to_owned()], &ranks), clustering))
}

/// Ranks after the published code's step along the sign of the gradient.
pub(super) fn sign_step(
    dataset: &Dataset,
    models: &[ShardModel],
    judges: &[Judge],
    jobs: usize,
) -> Result<BTreeMap<String, Ranks>> {
    let parts = pool::run(judges, jobs, |judge| -> Result<Vec<usize>> {
        let scores = pollster::block_on(published::scores(dataset, models, &judge.person, published::RATE))?;
        Ok(vec![rank_of(judge.target, &scores, judge.person.history.items())?])
    });
    let ranks = parts.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(collected(&["Mean".to_owned()], &ranks))
}

/// HR@10 of the unadapted ensemble on the test items; the published code chooses its
/// epoch by it.
pub(super) fn test_hits(dataset: &Dataset, models: &[ShardModel], judges: &[Judge]) -> Result<f64> {
    let vectors = pollster::block_on(Vectors::of(dataset, models))?;
    let mut hits = 0;
    for judge in judges {
        let blended = Mean.combine(&pollster::block_on(vectors.scores(judge.user))?)?;
        hits += usize::from(rank_of(judge.target, &blended, judge.person.history.items())? < 10);
    }
    Ok(hits as f64 / judges.len().max(1) as f64)
}

/// Seconds per user of Algorithm 2 as the paper writes it: one user after the other,
/// with an adapted copy of every model. Measured on the first `count` judges.
pub(super) fn one_by_one(dataset: &Dataset, models: &[ShardModel], judges: &[Judge], count: usize) -> Result<f64> {
    let judges = &judges[..count.min(judges.len())];
    let start = Instant::now();
    for judge in judges {
        let own = std::slice::from_ref(&judge.person);
        pollster::block_on(scores_by_cluster(dataset, models, &dataset.config.adapt, own, own))?;
    }
    Ok(start.elapsed().as_secs_f64() / judges.len().max(1) as f64)
}
