//! Lists computed on the server, in the way that a browser computes them:
//! recommendations, similar, popular and new items.

use anyhow::Result;
use eemu_core::adapt::UserContext;
use eemu_core::api::{Adapted, NewItem, NewItems, PopularItem, PopularItems, Recommendation, Recommendations};
use eemu_core::dataset::{Dataset, History};
use eemu_core::recommend::{Ranked, Ranker, Scored, top_k};
use eemu_core::rules::{Filter, Rules};
use eemu_core::shard_model::{ItemBase, ShardModel};

use super::handle::Handle;
use super::view::View;
use crate::store::Head;

/// Whom a list is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Who {
    /// A user of the catalogue, by index.
    User(u32),
    /// A visitor with a few items, and their times where known.
    Visitor(Vec<(u32, Option<f64>)>),
}

/// A request for a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) who: Who,
    /// The length of the list.
    pub(super) top: usize,
    pub(super) rules: Rules,
    /// Picks that the catalogue does not hold.
    pub(super) unknown: Vec<String>,
    pub(super) explain: bool,
}

/// Responses, and the version of the state that they were computed from.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) people: Vec<Recommendations>,
    pub(super) head: Head,
}

/// How often a response is computed again after a deletion, before it falls back to
/// popularity.
const TRIES: u32 = 3;

/// Computes something from a view whose models may serve. A result is dropped if a
/// deletion was acknowledged after the computation began, since from then on no
/// response may use the deleted record or a model that was trained on it. `None` when
/// no model may serve, or deletions come too fast.
fn settled<T>(service: &Handle, compute: impl Fn(&View) -> Result<T>) -> Result<Option<(T, Head)>> {
    for _ in 0..TRIES {
        let view = service.view();
        if view.voices().next().is_none() {
            break;
        }
        let computed = compute(&view)?;
        if !service.is_overtaken(view.head)? {
            return Ok(Some((computed, view.head)));
        }
        service.metrics().overtaken.inc();
        service.freshen()?;
    }
    Ok(None)
}

/// The best items for some users.
///
/// # Errors
/// When a model fails.
pub(super) fn recommend(service: &Handle, people: &[Asked]) -> Result<Answers> {
    if people.is_empty() {
        return Ok(Answers { people: Vec::new(), head: service.view().head });
    }
    if let Some((people, head)) = settled(service, |view| adapted(service, view, people))? {
        return Ok(Answers { people, head });
    }
    service.freshen()?;
    let view = service.view();
    let dataset = service.with_people(&view.dataset, &known(people))?;
    let answers = people.iter().map(|asked| {
        let filter = filter(service, &view, &asked.rules)?;
        let known = person(&dataset, &asked.who).history;
        let answer = common(service, &view, &filter.masked(known.items()), asked.top);
        Ok(Recommendations { unknown: [asked.unknown.clone(), filter.unknown].concat(), ..answer })
    });
    Ok(Answers { people: answers.collect::<Result<_>>()?, head: view.head })
}

/// The users whose histories a response needs.
fn known(people: &[Asked]) -> Vec<u32> {
    let user = |asked: &Asked| match &asked.who {
        Who::User(user) => Some(*user),
        Who::Visitor(_) => None,
    };
    people.iter().filter_map(user).collect()
}

fn person(dataset: &Dataset, who: &Who) -> UserContext {
    match who {
        Who::User(user) => dataset.person(*user, History::All),
        Who::Visitor(items) => dataset.visitor(items.iter().copied()),
    }
}

fn filter(service: &Handle, view: &View, rules: &Rules) -> Result<Filter> {
    Ok(rules.filter(&view.dataset.catalog, &service.hiding().closed(view))?)
}

/// A shard's index and model, prepared to rank items.
type Voice<'a> = (usize, &'a ShardModel, ItemBase);

/// The models that serve, and the version of each.
fn models(view: &View) -> (Vec<Voice<'_>>, Vec<(u32, u64)>) {
    let models = view.voices().map(|m| (m.live.shard as usize, &m.model, m.base.clone())).collect();
    (models, view.voices().map(|m| (m.live.shard, m.live.version)).collect())
}

fn adapted(service: &Handle, view: &View, people: &[Asked]) -> Result<Vec<Recommendations>> {
    let dataset = &service.with_people(&view.dataset, &known(people))?;
    let (models, shards) = models(view);
    let ranker = Ranker::with_bases(&models, &view.adaptation_key, &view.degrees, &dataset.config.adapt);
    let persons: Vec<UserContext> = people.iter().map(|asked| person(dataset, &asked.who)).collect();
    let explain = people.iter().any(|asked| asked.explain);
    let scored = pollster::block_on(ranker.scores(&persons, 0, explain))?;
    let answers = scored.iter().zip(&persons).zip(people).map(|((scored, person), asked)| {
        let filter = filter(service, view, &asked.rules)?;
        let masked = filter.masked(person.history.items());
        let per_shard = if asked.explain { scored.per_shard.as_slice() } else { &[] };
        Ok(Recommendations {
            items: named(dataset, &top_k(&scored.mean, &masked, asked.top), per_shard),
            shards: shards.clone(),
            degraded: false,
            estimated_seconds: None,
            unknown: [asked.unknown.clone(), filter.unknown].concat(),
            adapted_to: asked.explain.then(|| adapted_to(dataset, scored)),
        })
    });
    answers.collect()
}

/// The records that the models were adapted to.
fn adapted_to(dataset: &Dataset, scored: &Scored) -> Vec<Adapted> {
    let items = &dataset.catalog.items;
    let id = |item: u32| items.ids[item as usize].clone();
    let one = |item, weight, against: Option<u32>| Adapted {
        item: id(item),
        name: items.name(item).to_owned(),
        weight,
        against: against.map(id),
    };
    let records = scored.support.iter().map(|&(item, weight)| one(item, Some(weight), None));
    records.chain(scored.pairs.iter().map(|pair| one(pair.positive, None, Some(pair.negative)))).collect()
}

/// The most popular items by the published degrees, for when no model may serve.
fn common(service: &Handle, view: &View, masked: &[u32], top: usize) -> Recommendations {
    let waiting: Vec<u32> =
        view.shards.iter().filter(|view| view.model.is_none()).map(|view| view.shard.index).collect();
    Recommendations {
        items: named(&view.dataset, &top_k(&classes(view), masked, top), &[]),
        shards: Vec::new(),
        degraded: true,
        estimated_seconds: Some(service.estimate(&waiting)),
        unknown: Vec::new(),
        adapted_to: None,
    }
}

fn classes(view: &View) -> Vec<f32> {
    view.classes.iter().map(|&class| f32::from(class)).collect()
}

fn named(dataset: &Dataset, ranked: &[Ranked], per_shard: &[Vec<f32>]) -> Vec<Recommendation> {
    let items = &dataset.catalog.items;
    ranked
        .iter()
        .map(|r| Recommendation {
            rank: r.rank as u32,
            item: items.ids[r.item as usize].clone(),
            name: items.name(r.item).to_owned(),
            score: r.score,
            per_shard: per_shard.iter().map(|scores| scores[r.item as usize]).collect(),
        })
        .collect()
}

/// The items most similar to an item.
///
/// # Errors
/// When a model fails.
pub(super) fn similar(service: &Handle, item: u32, top: usize, rules: &Rules) -> Result<Recommendations> {
    let compute = |view: &View| {
        let dataset = &view.dataset;
        let (models, shards) = models(view);
        let ranker = Ranker::with_bases(&models, &view.adaptation_key, &view.degrees, &dataset.config.adapt);
        let scores = pollster::block_on(ranker.similar(item))?;
        let filter = Rules { include_seen: false, ..rules.clone() };
        let filter = self::filter(service, view, &filter)?;
        Ok(Recommendations {
            items: named(dataset, &top_k(&scores, &filter.masked(&[item]), top), &[]),
            shards,
            degraded: false,
            estimated_seconds: None,
            unknown: filter.unknown,
            adapted_to: None,
        })
    };
    if let Some((answer, _)) = settled(service, compute)? {
        return Ok(answer);
    }
    let view = service.view();
    let filter = filter(service, &view, rules)?;
    let answer = common(service, &view, &filter.masked(&[item]), top);
    Ok(Recommendations { unknown: filter.unknown, ..answer })
}

/// The items that most users have: by the exact records where `exact`, else by the
/// published classes.
///
/// # Errors
/// When the rules are invalid.
pub(super) fn popular(service: &Handle, exact: bool, top: usize, rules: &Rules) -> Result<PopularItems> {
    let view = service.view();
    let filter = filter(service, &view, rules)?;
    let (items, masked) = (&view.dataset.catalog.items, filter.masked(&[]));
    let ranked: Vec<(u32, Option<u32>)> = if exact {
        let most = view.dataset.popularity.most(&masked, top);
        most.into_iter().map(|(item, people)| (item, Some(people))).collect()
    } else {
        top_k(&classes(&view), &masked, top).into_iter().map(|ranked| (ranked.item, None)).collect()
    };
    let listed = (1..).zip(ranked).map(|(rank, (item, people))| PopularItem {
        rank,
        item: items.ids[item as usize].clone(),
        name: items.name(item).to_owned(),
        people,
    });
    Ok(PopularItems { items: listed.collect(), exact, unknown: filter.unknown })
}

/// The items that nobody has yet, then those whose first record is the latest.
///
/// # Errors
/// When the rules are invalid.
pub(super) fn newest(service: &Handle, top: usize, rules: &Rules) -> Result<NewItems> {
    let view = service.view();
    let filter = filter(service, &view, rules)?;
    let items = &view.dataset.catalog.items;
    let newest = view.dataset.popularity.newest(items.len(), &filter.masked(&[]), top);
    let listed = (1..).zip(newest).map(|(rank, (item, since))| NewItem {
        rank,
        item: items.ids[item as usize].clone(),
        name: items.name(item).to_owned(),
        since,
    });
    Ok(NewItems { items: listed.collect(), unknown: filter.unknown })
}
