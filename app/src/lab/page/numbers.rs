//! The numbers behind each step's figure, as rows of text with a heading.

use super::predict::{outcome, revealed};
use super::state::State;
use super::whys::title;
use crate::lab::guess::Topic;
use crate::lab::protocol::{Attack, Built, Cost, CutCost, Dot, Trained, Twin};
use crate::lab::setup::Cut;
use crate::parts::shapes::label;
use leptos::prelude::*;

type Rows = Vec<Vec<String>>;

fn heading(names: &str) -> Vec<String> {
    names.split(',').map(str::to_owned).collect()
}

/// Whether the open step has numbers to take.
pub(super) fn there(state: State, step: u8) -> bool {
    match step {
        1 | 2 => state.built.with(Option::is_some),
        3 => state.trained.with(Option::is_some),
        4 => state.list.with(Option::is_some),
        5 => revealed(state, Topic::Forget) && state.forgot.with(Option::is_some),
        6 => revealed(state, Topic::Twin) && state.twin.with(Option::is_some),
        7 => state.broken.with(|all| all.iter().any(|shown| revealed(state, Topic::Mistake(shown.value.lesson)))),
        _ => revealed(state, Topic::Cost) && state.cost.with(Option::is_some),
    }
}

/// Those of the open step.
pub(super) fn numbers(state: State) -> Rows {
    let (step, shards) = state.address.with_untracked(|address| (address.step, address.setup.shards));
    let built = state.built.get_untracked().map(|shown| shown.value);
    let rows = match step {
        1 | 2 => built.map(|built| dots(&built, shards)),
        3 => state.trained.get_untracked().map(|shown| losses(&shown.value)),
        4 => built.zip(state.list.get_untracked()).map(|(built, shown)| list(&built, &shown.value)),
        5 => state.forgot.get_untracked().map(|shown| {
            let before = state.trained.get_untracked().filter(|trained| trained.example == shown.example);
            forgot(before.map(|shown| shown.value), &shown.value.after, &shown.value.shards)
        }),
        6 => state.twin.get_untracked().map(|shown| {
            let mut rows = vec![heading("shard,retrained,your world,twin,equal")];
            rows.extend(mirrors(&shown.value, &[]));
            rows.extend(state.attack.get_untracked().into_iter().flat_map(|shown| attack(&shown.value)));
            rows
        }),
        7 => Some(mistakes(state)),
        _ => state.cost.get_untracked().map(|shown| {
            let mut rows = costs(&shown.value);
            rows.extend(state.cuts.get_untracked().into_iter().flat_map(|shown| cuts(&shown.value)));
            rows
        }),
    };
    rows.unwrap_or_default()
}

fn named(built: &Built, dot: Dot) -> [String; 2] {
    let name = |names: &[String], place: u32| names.get(place as usize).cloned().unwrap_or_default();
    [name(&built.households, dot.household), name(&built.products, dot.product)]
}

fn dots(built: &Built, shards: u32) -> Rows {
    let mut rows = vec![heading("household,product,shard,part,households with it")];
    for placed in &built.dots {
        let [who, what] = named(built, placed.dot);
        let part = if placed.query { "query" } else { "support" };
        let degree = built.degrees.get(placed.dot.product as usize).copied().unwrap_or(0);
        rows.push(vec![who, what, label(placed.shard, shards), part.into(), degree.to_string()]);
    }
    rows
}

fn losses(trained: &Trained) -> Rows {
    let all = trained.losses.len() as u32;
    let mut rows = vec![heading("shard,epoch,loss,hash after the last epoch")];
    for ((shard, losses), hash) in (0..).zip(&trained.losses).zip(&trained.hashes) {
        for (epoch, loss) in (1..).zip(losses) {
            let hash = if epoch == losses.len() { hash.clone() } else { String::new() };
            rows.push(vec![label(shard, all), epoch.to_string(), loss.to_string(), hash]);
        }
    }
    rows
}

fn list(built: &Built, list: &crate::lab::protocol::List) -> Rows {
    let all = list.rows.first().map_or(0, |row| row.per_shard.len()) as u32;
    let mut first = heading("rank,product,score,rank before");
    first.extend((0..all).map(|shard| label(shard, all)));
    let mut rows = vec![first];
    for row in &list.rows {
        let [_, what] = named(built, Dot { household: list.household, product: row.product });
        let mut fields = vec![row.rank.to_string(), what, row.score.to_string(), row.before.to_string()];
        fields.extend(row.per_shard.iter().map(|score| score.map_or_else(String::new, |score| score.to_string())));
        rows.push(fields);
    }
    rows
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn forgot(before: Option<Trained>, after: &Trained, again: &[u32]) -> Rows {
    let all = after.hashes.len() as u32;
    let mut rows = vec![heading("shard,trained again,hash before,hash after")];
    for (shard, hash) in (0..).zip(&after.hashes) {
        let old = before.as_ref().and_then(|before| before.hashes.get(shard as usize).cloned()).unwrap_or_default();
        rows.push(vec![label(shard, all), yes(again.contains(&shard)), old, hash.clone()]);
    }
    rows
}

/// A row a hash; behind the shards there may be the blend.
fn mirrors(twin: &Twin, first: &[String]) -> Rows {
    let shards = twin.differences.len() as u32;
    let row = |(place, (own, other)): (u32, (&String, &String))| {
        let name = if place < shards { label(place, shards) } else { "blend".to_owned() };
        let again = yes(twin.shards.contains(&place));
        [first.to_vec(), vec![name, again, own.clone(), other.clone(), yes(own == other)]].concat()
    };
    (0..).zip(twin.own.iter().zip(&twin.twin.hashes)).map(row).collect()
}

fn mistakes(state: State) -> Rows {
    let mut rows = vec![heading("mistake,what differs,shard,retrained,your world,twin,equal")];
    for shown in state.broken.get_untracked() {
        let topic = Topic::Mistake(shown.value.lesson);
        if revealed(state, topic) {
            let says = outcome(state, topic).map_or_else(String::new, |outcome| outcome.sentence);
            rows.extend(mirrors(&shown.value.twin, &[title(shown.value.lesson).to_owned(), says]));
        }
    }
    rows
}

fn attack(attack: &Attack) -> Rows {
    let mut rows = vec![
        heading(""),
        heading(
            "seed,place by all models before,after forgetting,never there,place by the one model before,after \
             forgetting,never there,equal to the byte",
        ),
    ];
    for round in &attack.rounds {
        let places = [round.before, round.after, round.never];
        let mut row = vec![round.seed.to_string()];
        row.extend(places.map(|place| place.list.to_string()));
        row.extend(places.map(|place| place.own.to_string()));
        row.push(yes(round.equal));
        rows.push(row);
    }
    rows
}

fn costs(costs: &[Cost]) -> Rows {
    let mut rows = vec![heading("shards,one deletion (ms),everything (ms),NDCG@10,half its 95% interval,HR@10")];
    for cost in costs {
        let numbers = [cost.one, cost.all, cost.ndcg.0, cost.ndcg.1, cost.hit_rate];
        rows.push(std::iter::once(cost.shards.to_string()).chain(numbers.map(|n| n.to_string())).collect());
    }
    rows
}

fn cuts(cuts: &[CutCost]) -> Rows {
    let names =
        "cut by,shards,shards of a household,its deletion (ms),one record (ms),NDCG@10,half its 95% interval,HR@10";
    let mut rows = vec![heading(""), heading(names)];
    for cut in cuts {
        let by = match cut.cut {
            Cut::Records => "records",
            Cut::People => "people",
        };
        let numbers = [cut.account_shards, cut.account, cut.one, cut.ndcg.0, cut.ndcg.1, cut.hit_rate];
        let first = [by.to_owned(), cut.shards.to_string()];
        rows.push(first.into_iter().chain(numbers.map(|n| n.to_string())).collect());
    }
    rows
}
