//! How many deletions a service sustains: the manual's numbers, and a stream of
//! deletions.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eemu_core::data::Interaction;
use eemu_core::learned_state::LearnedState;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::{Capacity, ServiceOptions};
use eemu_tests::service::{Place, delete_items, learned, quick};
use eemu_tests::worlds::{Recipe, train_all};
use serde_json::json;

const SHARDS: u32 = 6;
/// Deletions in one stream, and the most streams.
const STREAM: usize = 18;
const STREAMS: usize = 3;

fn delete(place: &Place, (user, item): &(String, String)) -> String {
    let reply = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(user, &[item]));
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// Observations during a stream of deletions.
#[derive(Debug)]
struct Seen {
    /// The share of shards in the mean, averaged over time.
    share: f64,
    /// Whether at least one shard was in the mean at every moment.
    always: bool,
}

/// Deletes records one by one at the rate that the service itself reports.
fn stream(place: &Place, records: &[(String, String)]) -> Seen {
    let (mut names, mut looks, mut in_mean, mut always) = (Vec::new(), 0, 0, true);
    for record in records {
        names.push(delete(place, record));
        let rate = place.metric("eemu_deletions_sustained_per_hour");
        let next = Instant::now() + Duration::from_secs_f64(3600.0 / rate);
        while Instant::now() < next {
            let clean = place.service.view().clean();
            always &= clean > 0;
            (looks, in_mean) = (looks + 1, in_mean + clean);
            std::thread::sleep(Duration::from_millis(10));
        }
        let answer = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
        always &= answer["degraded"] == false;
    }
    // No queue has grown: each shard is trained at most once more.
    let before = place.metric("eemu_shards_trained_total");
    for name in &names {
        assert_eq!(place.wait_done(name).unwrap()["removed"], 1);
    }
    let trained = place.metric("eemu_shards_trained_total") - before;
    assert!(trained <= f64::from(SHARDS), "{trained} shards were trained after the last deletion");
    Seen { share: f64::from(in_mean) / f64::from(looks) / f64::from(SHARDS), always }
}

/// A steady stream of deletions at the rate that the service reports, by the
/// manual's formula. At least half of the shards are in the mean, at every
/// moment there is at least one, no request waits for ever, and the final state
/// equals training from scratch. Other load on this machine can spoil a stream,
/// so one of three streams has to meet this.
#[test]
fn a_steady_stream_is_sustained() {
    // Training is long enough that it, and not the disk, decides the rate.
    let recipe = Recipe { users: 40, items: 60, shards: SHARDS, epochs: 120, ..Recipe::default() };
    let options = ServiceOptions { settle: Duration::from_millis(100), ..quick() };
    let mut place = Place::with(&recipe, options, &HttpOptions { rate: 0, ..HttpOptions::default() }).unwrap();
    let all: Vec<(String, String)> = {
        let dataset = &place.dataset();
        let ids = |r: &Interaction| {
            (dataset.catalog.users.ids[r.user as usize].clone(), dataset.catalog.items.ids[r.item as usize].clone())
        };
        dataset.interactions.all().iter().step_by(3).take(STREAMS * STREAM + 1).map(ids).collect()
    };
    assert_eq!(all.len(), STREAMS * STREAM + 1);
    // The first deletion measures how long a shard takes here.
    place.wait_done(&delete(&place, &all[0])).unwrap();
    let mut seen = Vec::new();
    let sustained = all[1..].chunks(STREAM).any(|records| {
        seen.push(stream(&place, records));
        seen.iter().any(|seen| seen.always && seen.share >= 0.5)
    });
    assert!(sustained, "{seen:?}");
    let left = place.dataset().interactions.all().to_vec();
    place.stop();
    let dataset = recipe.world_of(left).unwrap();
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(&place.dir).unwrap().differences(&twin), [""; 0]);
}

/// The manual's table equals the formula.
#[test]
fn the_manual_says_what_is_sustained() {
    let manual = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scale.md");
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
