//! How many deletions a service sustains: what the manual says, and a stream.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eemu_core::dataset::Interaction;
use eemu_core::ensemble::LearnedState;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::{Capacity, ServiceOptions};
use eemu_tests::service::{Place, delete_items, learned, quick};
use eemu_tests::worlds::{Recipe, train_all};
use serde_json::json;

const SHARDS: u32 = 6;
const STREAM: usize = 18;

fn sustained(place: &Place) -> f64 {
    let text = String::from_utf8(place.get("/metrics", &place.operator).bytes).unwrap();
    let line = text.lines().find(|line| line.starts_with("eemu_deletions_sustained_per_hour ")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A steady stream of deletions at the rate that the service itself names, by
/// the manual's formula: half of the shards or more are in the mean, no moment
/// has none, nothing waits for ever, and what is left is what training from
/// scratch leaves.
#[test]
fn a_steady_stream_is_sustained() {
    // Long enough a training that it, and not the disk, decides the rate.
    let recipe = Recipe { users: 40, items: 60, shards: SHARDS, epochs: 120, ..Recipe::default() };
    let options = ServiceOptions { settle: Duration::from_millis(100), ..quick() };
    let mut place = Place::with(&recipe, options, &HttpOptions { rate: 0, ..HttpOptions::default() }).unwrap();
    let all: Vec<(String, String)> = {
        let world = &place.service.snapshot().world;
        let ids = |r: &Interaction| {
            (world.catalog.users.ids[r.user as usize].clone(), world.catalog.items.ids[r.item as usize].clone())
        };
        world.interactions.all().iter().step_by(4).take(STREAM + 1).map(ids).collect()
    };
    assert_eq!(all.len(), STREAM + 1);
    let delete = |(user, item): &(String, String)| -> String {
        let reply = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(user, &[item]));
        assert_eq!(reply.status, 202, "{}", reply.json());
        reply.json()["id"].as_str().unwrap().to_owned()
    };
    // The first tells how long a shard takes here.
    place.wait_done(&delete(&all[0])).unwrap();
    let (mut names, mut looks, mut in_mean) = (Vec::new(), 0, 0);
    for record in &all[1..] {
        names.push(delete(record));
        let next = Instant::now() + Duration::from_secs_f64(3600.0 / sustained(&place));
        while Instant::now() < next {
            let clean = place.service.snapshot().clean();
            assert!(clean > 0, "no shard was left to answer");
            (looks, in_mean) = (looks + 1, in_mean + clean);
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
        assert_eq!(answer["degraded"], false, "no shard was left to answer");
    }
    let share = f64::from(in_mean) / f64::from(looks) / f64::from(SHARDS);
    assert!(share >= 0.5, "{share:.2} of the shards were in the mean");
    // What still waits is no more than what the last minutes brought: all
    // shards once, each after its settling, one after the other.
    let capacity = place.service.capacity();
    let last = Instant::now();
    for name in &names {
        assert_eq!(place.wait_done(name).unwrap()["removed"], 1);
    }
    let longest = 2.0 * (capacity.settle + f64::from(SHARDS) * capacity.training);
    assert!(last.elapsed().as_secs_f64() <= longest, "{:?} of {longest} s: a queue had grown", last.elapsed());
    let left = place.service.snapshot().world.interactions.all().to_vec();
    place.stop();
    let world = recipe.world_of(left).unwrap();
    let twin = LearnedState::new(&world, train_all(&world, None).unwrap());
    assert_eq!(learned(&place.dir).unwrap().differences(&twin), [""; 0]);
}

/// The manual's table is what the formula gives.
#[test]
fn the_manual_says_what_is_sustained() {
    let manual = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let heading = "| shards | trainers | seconds to train one | `settle` | deletions an hour |";
    let table = manual.split(heading).nth(1).expect("the manual has no such table");
    let rows: Vec<Vec<f64>> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect())
        .collect();
    assert!(rows.len() >= 4, "{rows:?}");
    for row in rows {
        let capacity = Capacity { shards: row[0] as u32, trainers: row[1] as usize, training: row[2], settle: row[3] };
        assert_eq!(capacity.sustained().round(), row[4], "{capacity:?}");
    }
}
