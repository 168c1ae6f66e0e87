//! The finished example of the first paint: the Lab's own example, told as one
//! household's list. Nothing has to arrive before there is something to see.

use std::sync::OnceLock;

use eemu_core::client::Precision;
use eemu_core::model::ModelKind;
use eemu_core::shard::ShardBy;

use crate::for_you::protocol::{Ask, Checked, Deed, List, Outcome, Service, Shard};
use crate::lab::page::{Example, example};
use crate::lab::protocol::Dot;
use crate::say::say;

fn deeds(example: &Example) -> Vec<Deed> {
    let household = example.list.household;
    let built = &example.built;
    let own = built.dots.iter().filter(|placed| placed.dot.household == household);
    own.map(|placed| Deed {
        item: format!("{}.{}", placed.dot.household, placed.dot.product),
        name: built.products.get(placed.dot.product as usize).cloned().unwrap_or_default(),
        shard: Some(placed.shard),
        when: None,
    })
    .collect()
}

/// Where a deed of the example lies in the Lab's world.
pub(super) fn dot(deed: &Deed) -> Option<Dot> {
    let (household, product) = deed.item.split_once('.')?;
    Some(Dot { household: household.parse().ok()?, product: product.parse().ok()? })
}

/// Its service.
pub(super) fn service() -> Option<&'static Service> {
    static SERVICE: OnceLock<Option<Service>> = OnceLock::new();
    SERVICE.get_or_init(make_service).as_ref()
}

fn make_service() -> Option<Service> {
    let example = example()?;
    let again = &example.forgot.shards;
    let shard = |index: u32| Shard {
        version: Some(if again.contains(&index) { 2 } else { 1 }),
        here: true,
        damaged: false,
        stale: false,
        bytes: 0,
    };
    let list = list()?;
    Some(Service {
        dataset: "example".into(),
        // The Lab's: the paper's model, cut by record.
        kind: ModelKind::TwoTower,
        by: ShardBy::Record,
        online: true,
        valid_until: u64::MAX,
        shards: (0..example.trained.hashes.len() as u32).map(shard).collect(),
        households: Vec::new(),
        user: example.built.households.get(example.list.household as usize).cloned(),
        history: deeds(example),
        usual: list.ask,
        precision: Precision::F32,
        bytes: 0,
        keeps: true,
        insecure: false,
        stored: 0,
        deletions: 0,
        open: Vec::new(),
        receipts: Vec::new(),
        complete: true,
        epoch: 0,
        log: 0,
    })
}

/// Its list.
pub(super) fn list() -> Option<List> {
    let example = example()?;
    Some(told(example, &example.list))
}

/// A list of the Lab's world in For you's words.
pub(super) fn told(example: &Example, list: &crate::lab::protocol::List) -> List {
    let built = &example.built;
    let name = |place: u32| built.products.get(place as usize).cloned().unwrap_or_default();
    let households = built.households.len().max(1) as f64;
    let rarity = |place: u32| match f64::from(built.degrees.get(place as usize).copied().unwrap_or(0)) / households {
        share if share <= 0.2 => say!("rare"),
        share if share <= 0.4 => say!("uncommon"),
        share if share <= 0.6 => say!("common"),
        _ => say!("nearly-everywhere"),
    };
    let drawn = list.set.iter().filter(|(_, _, drawn)| *drawn > 0).count();
    List {
        ask: Ask {
            size: drawn,
            step: 0.1,
            steps: 1,
            temperature: 0.06,
            recency: 0.0,
            off: Vec::new(),
            top: list.rows.len(),
            draw: 0,
        },
        epoch: 0,
        of_items: false,
        recency: 0.0,
        set: list
            .set
            .iter()
            .map(|&(place, chance, drawn)| (name(place), rarity(place).into(), chance, drawn))
            .collect(),
        rows: list.rows.iter().map(|row| (name(row.product), row.clone())).collect(),
        millis: list.millis,
        gpu: false,
        popular: false,
    }
}

/// Its receipt, as one looks that holds.
pub(super) fn receipt() -> Option<Checked> {
    let example = example()?;
    let shards = example.forgot.shards.iter().map(|&shard| (shard, Some(1), 2)).collect();
    let steps = [
        say!("y-signed-by-the-servers"),
        say!("y-its-entry-is-in"),
        say!("y-it-answers-what-was"),
        say!("y-the-download-is-the"),
        say!("y-the-other-shards-are"),
    ];
    Some(Checked {
        id: String::new(),
        account: false,
        times: (0, 0),
        again: false,
        index: 0,
        size: 1,
        removed: 1,
        shards,
        statement: String::new(),
        steps: steps.map(|step| (step.to_owned(), Outcome::Holds)).to_vec(),
        file: String::new(),
        key: String::new(),
    })
}
