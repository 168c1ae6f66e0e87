//! Recommendations, computed on the server as a browser computes them.

use anyhow::Result;
use eemu_core::adapt::Person;
use eemu_core::api::{Recommendation, Recommendations};
use eemu_core::recommend::{Ranked, Ranker, top_k};
use eemu_core::shard_model::ShardModel;
use eemu_core::world::{History, World};

use super::service::Service;
use super::snapshot::Snapshot;
use crate::store::Head;

/// For whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// A user of the catalogue, by index.
    User(u32),
    /// A visitor with a few items.
    Visitor(Vec<u32>),
}

/// Answers, and how far the state was when they were computed.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) people: Vec<Recommendations>,
    pub(super) head: Head,
}

/// How often an answer that a deletion overtook is computed again before
/// popularity answers.
const TRIES: u32 = 3;

/// The best items for some people. An answer that was begun before a deletion
/// was acknowledged is thrown away: from then on no answer may use the record
/// or a model that saw it.
///
/// # Errors
/// When a model fails.
pub(super) fn recommend(service: &Service, people: &[(Who, usize)]) -> Result<Answers> {
    if people.is_empty() {
        return Ok(Answers { people: Vec::new(), head: service.snapshot().head });
    }
    for _ in 0..TRIES {
        let snapshot = service.snapshot();
        if snapshot.voices().next().is_none() {
            break;
        }
        let answers = adapted(&snapshot, people)?;
        if !service.is_overtaken(snapshot.head)? {
            return Ok(Answers { people: answers, head: snapshot.head });
        }
        service.metrics.overtaken.inc();
        service.freshen()?;
    }
    service.freshen()?;
    let snapshot = service.snapshot();
    let waiting: Vec<u32> =
        snapshot.shards.iter().filter(|view| view.model.is_none()).map(|view| view.shard.index).collect();
    let estimate = service.estimate(&waiting);
    let answers = people.iter().map(|(who, top)| popular(&snapshot, who, *top, estimate)).collect();
    Ok(Answers { people: answers, head: snapshot.head })
}

fn person(world: &World, who: &Who) -> Person {
    match who {
        Who::User(user) => world.person(*user, History::All),
        Who::Visitor(items) => world.visitor(items.clone()),
    }
}

fn adapted(snapshot: &Snapshot, people: &[(Who, usize)]) -> Result<Vec<Recommendations>> {
    let world = &snapshot.world;
    let models: Vec<(usize, &ShardModel, _)> =
        snapshot.voices().map(|m| (m.live.shard as usize, &m.model, m.base.clone())).collect();
    let ranker = Ranker::with_bases(&models, &snapshot.adaptation_key, &snapshot.degrees, &world.config.adapt);
    let shards: Vec<(u32, u64)> = snapshot.voices().map(|m| (m.live.shard, m.live.version)).collect();
    let asked: Vec<Person> = people.iter().map(|(who, _)| person(world, who)).collect();
    let scored = pollster::block_on(ranker.scores(&asked, 0, false))?;
    Ok(scored
        .iter()
        .zip(&asked)
        .zip(people)
        .map(|((scored, person), (_, top))| Recommendations {
            items: named(world, &top_k(&scored.mean, &world.masked(&person.history), *top)),
            shards: shards.clone(),
            degraded: false,
            estimated_seconds: None,
        })
        .collect())
}

/// The most popular items, by the degrees that are published.
fn popular(snapshot: &Snapshot, who: &Who, top: usize, estimate: u64) -> Recommendations {
    let scores: Vec<f32> = snapshot.classes.iter().map(|&class| f32::from(class)).collect();
    let known = person(&snapshot.world, who).history;
    Recommendations {
        items: named(&snapshot.world, &top_k(&scores, &snapshot.world.masked(&known), top)),
        shards: Vec::new(),
        degraded: true,
        estimated_seconds: Some(estimate),
    }
}

fn named(world: &World, ranked: &[Ranked]) -> Vec<Recommendation> {
    let items = &world.catalog.items;
    ranked
        .iter()
        .map(|r| Recommendation {
            rank: r.rank as u32,
            item: items.ids[r.item as usize].clone(),
            name: items.name(r.item).to_owned(),
            score: r.score,
        })
        .collect()
}
