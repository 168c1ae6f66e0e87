//! Deletion: the records are gone when it is acknowledged, no answer comes from
//! a model that was trained on them, and the final state equals that of a
//! system that never had them.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use eemu_core::data::{Holdout, Interaction};
use eemu_core::learned_state::LearnedState;
use eemu_server::deployment::Deployment;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::{Add, Came, Change, Coming, ServiceOptions, Whose};
use eemu_server::store::Access;
use eemu_tests::service::{PATIENCE, Place, ask, delete_items, learned, make_state, patient, quick, request};
use eemu_tests::worlds::{Recipe, Times, train_all};
use serde_json::{Value, json};

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

fn recipe() -> Recipe {
    Recipe { users: 10, shards: 4, ..Recipe::default() }
}

/// The items of a user, by identifiers.
fn items(place: &Place, user: &str) -> Vec<String> {
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
    list["interactions"].as_array().unwrap().iter().map(|r| r["item"].as_str().unwrap().to_owned()).collect()
}

fn accepted(place: &Place, body: &Value) -> Value {
    let reply = place.post("/api/v1/interactions/delete", &place.admin, body);
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.json());
    reply.json()
}

fn in_mean(place: &Place) -> Vec<bool> {
    let manifest = place.get("/api/v1/manifest", "").json();
    manifest["shards"].as_array().unwrap().iter().map(|s| s["in_mean"] == true).collect()
}

/// The trained state of a system that had only these records.
fn twin(recipe: &Recipe, records: Vec<Interaction>) -> LearnedState {
    let dataset = recipe.world_of(records).unwrap();
    let tensors = train_all(&dataset, None).unwrap();
    LearnedState::new(&dataset, tensors)
}

fn records(place: &Place) -> Vec<Interaction> {
    place.dataset().interactions.all().to_vec()
}

/// A user with three or more items.
fn someone(place: &Place) -> (String, Vec<String>) {
    let found = (0..10).map(|u| format!("user-{u}")).map(|user| (items(place, &user), user)).find(|(i, _)| i.len() > 3);
    let (items, user) = found.unwrap();
    (user, items)
}

/// From the acknowledgement on, the shard is left out of the mean and of the
/// answers. After retraining it returns, and everything equals the twin, byte
/// for byte.
#[test]
fn a_deleted_record_leaves_no_trace() {
    let recipe = recipe();
    let place = Place::with(&recipe, patient(), &http()).unwrap();
    let (user, items) = someone(&place);
    let before = records(&place).len();
    let status = accepted(&place, &delete_items(&user, &[&items[1]]));
    assert_eq!((&status["removed"], &status["shards"], &status["phase"]), (&json!(1), &json!(1), &json!("settling")));
    let masked = in_mean(&place).iter().position(|clean| !clean).unwrap();
    assert_eq!(in_mean(&place).iter().filter(|clean| !**clean).count(), 1);
    assert_eq!(records(&place).len(), before - 1);
    let answer = place.post("/api/v1/recommendations", &place.admin, &json!({"user": user})).json();
    assert_eq!(answer["degraded"], false);
    let used: Vec<u64> = answer["shards"].as_array().unwrap().iter().map(|s| s[0].as_u64().unwrap()).collect();
    assert_eq!(used.len(), 3);
    assert!(!used.contains(&(masked as u64)), "a model that saw the record answered");
    let manifest = place.get("/api/v1/manifest", "").json();
    assert_eq!(manifest["shards"][masked]["files"], json!([]), "its files are still listed");
    // The same on disk: no model of that shard is left.
    let live = place.state.live(masked as u32).unwrap();
    assert!(live.is_none());

    let mut place = place.again(quick(), &http()).unwrap();
    let done = place.wait_done(status["id"].as_str().unwrap()).unwrap();
    assert!(done["receipt_index"].is_u64() && in_mean(&place).iter().all(|clean| *clean));
    let left = records(&place);
    place.stop();
    assert_eq!(learned(&place.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}

/// Requests in one window retrain a shard once. A request that arrives while
/// the shard trains restarts it. Several shards are handled at once.
#[test]
fn requests_settle_and_restart() {
    let recipe = Recipe { epochs: 60, ..recipe() };
    let options = ServiceOptions { settle: Duration::from_secs(1), train_jobs: 2, ..quick() };
    let mut place = Place::with(&recipe, options, &http()).unwrap();
    let (user, items) = someone(&place);
    let ids: Vec<String> = items[..2]
        .iter()
        .map(|item| accepted(&place, &delete_items(&user, &[item]))["id"].as_str().unwrap().to_owned())
        .collect();
    let dirty = in_mean(&place).iter().filter(|clean| !**clean).count() as f64;
    let done: Vec<Value> = ids.iter().map(|id| place.wait_done(id).unwrap()).collect();
    assert_eq!(place.metric("eemu_shards_trained_total"), dirty, "one window retrained a shard twice");
    assert!(done.iter().all(|d| d["receipt_index"].is_u64()));

    // Another record of the same shard is deleted while it trains. This is
    // likely but not certain, so the test repeats until it happens.
    let dataset = place.dataset().clone();
    let of_one_shard = (0..10u32)
        .flat_map(|u| dataset.interactions.of(u).iter().map(move |r| (u, r.item)))
        .filter(|&(u, i)| dataset.shard_of(u, i) == 0)
        .map(|(u, i)| (dataset.catalog.users.ids[u as usize].clone(), dataset.catalog.items.ids[i as usize].clone()))
        .collect::<Vec<_>>();
    let restarted = of_one_shard.chunks_exact(2).any(|pair| {
        let delete = |(user, item): &(String, String)| {
            accepted(&place, &delete_items(user, &[item]))["id"].as_str().unwrap().to_owned()
        };
        let first = delete(&pair[0]);
        let start = Instant::now();
        loop {
            let status = place.get(&format!("/api/v1/unlearning/{first}"), &place.admin).json();
            if status["phase"] == "done" || status["progress"][0]["epoch"].as_u64() > Some(1) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "never seen training: {status}");
        }
        for id in [&first, &delete(&pair[1])] {
            place.wait_done(id).unwrap();
        }
        place.metric("eemu_trainings_restarted_total") >= 1.0
    });
    assert!(restarted, "training went on over a deleted record");
    let left = records(&place);
    place.stop();
    assert_eq!(learned(&place.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}

/// When a record of a training shard is deleted, training stops at once, not at
/// its end or at the next checkpoint after 15 seconds.
#[test]
fn training_stops_when_its_records_change() {
    // Training takes so long that its end is not reached.
    let recipe = Recipe { epochs: 10_000_000, ..recipe() };
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe, false).unwrap();
    let options = ServiceOptions { train_jobs: recipe.shards as usize, ..quick() };
    let mut place = Place::open(&dir, options, &http()).unwrap();
    let until = |what: &str, patience: Duration, is: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is() {
            assert!(start.elapsed() < patience, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    until("every shard trains", PATIENCE, &|| {
        let queue = place.get("/api/v1/queue", &place.operator).json();
        queue["shards"].as_array().unwrap().iter().filter(|at| at["epoch"].as_u64() > Some(1)).count() == 4
    });
    assert_eq!(place.metric("eemu_trainings_restarted_total"), 0.0);
    let (user, items) = someone(&place);
    accepted(&place, &delete_items(&user, &[&items[0]]));
    until("training starts anew", Duration::from_secs(10), &|| place.metric("eemu_trainings_restarted_total") >= 1.0);
    place.stop();
}

/// An account touches every shard: popularity answers and is named as such, and
/// the account's name, tokens and records are gone at once.
#[test]
fn an_account_goes_and_popularity_answers() {
    let recipe = recipe();
    let place = Place::with(&recipe, patient(), &http()).unwrap();
    let widest = (0..10u32)
        .max_by_key(|u| {
            let dataset = &place.dataset();
            let shards: std::collections::BTreeSet<u32> =
                dataset.interactions.of(*u).iter().map(|r| dataset.shard_of(*u, r.item)).collect();
            shards.len()
        })
        .unwrap();
    let subject = place.subject(widest).unwrap();
    let name = format!("user-{widest}");
    let reply = place.post("/api/v1/account/delete", &subject, &json!({}));
    assert_eq!(reply.status, 202);
    let status = reply.json();
    assert_eq!(status["shards"], 4, "the test needs a user of all shards");
    assert_eq!(place.post("/api/v1/interactions/list", &subject, &json!({})).status, 401);
    assert_eq!(place.post("/api/v1/interactions/list", &place.admin, &json!({"user": name})).status, 404);
    assert!(!std::fs::read_to_string(place.dir.join("catalog.json")).unwrap().contains(&format!("{name}\"")));
    let answer = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
    assert_eq!((&answer["degraded"], answer["items"].as_array().unwrap().len()), (&json!(true), 10));
    assert!(answer["estimated_seconds"].as_u64().unwrap() >= 1, "{answer}");
    assert!(answer["items"].as_array().unwrap().iter().all(|i| i["item"] != "item-1"));
    assert_eq!(place.get("/healthz", "").json()["status"], "degraded");
    // A caller who knows the request's identifier can follow it without a
    // token.
    let id = status["id"].as_str().unwrap();
    assert_eq!(place.get(&format!("/api/v1/unlearning/{id}"), "").status, 200);
    let mut place = place.again(quick(), &http()).unwrap();
    place.wait_done(id).unwrap();
    let receipt = place.get(&format!("/api/v1/unlearning/{id}/receipt"), "");
    assert_eq!(receipt.status, 200);
    assert_eq!(place.get("/healthz", "").json()["status"], "ok");
    let left = records(&place);
    place.stop();
    // The label of the deleted account is random, so the tensors are compared
    // with a twin that has it too.
    let dataset = Deployment::open(&place.dir, Access::Read).unwrap().dataset;
    assert_eq!(dataset.interactions.all(), &left[..]);
    let twin = LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(&place.dir).unwrap().differences(&twin), [""; 0]);
}

/// Additions keep their shards in the mean, and retrain them when the operator
/// asks.
#[test]
fn additions_wait_for_the_operator() {
    let recipe = recipe();
    let mut place = Place::new(&recipe).unwrap();
    let has = items(&place, "user-0");
    let new = (0..16).map(|n| format!("item-{n}")).find(|item| !has.contains(item)).unwrap();
    let body = json!({"user": "user-0", "interactions": [{"item": new, "timestamp": 1.0}, {"item": has[0]}]});
    let reply = place.post("/api/v1/interactions/add", &place.admin, &body);
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({"added": 1})));
    assert!(items(&place, "user-0").contains(&new));
    let manifest = place.get("/api/v1/manifest", "").json();
    let stale = manifest["shards"].as_array().unwrap().iter().filter(|s| s["stale"] == true && s["in_mean"] == true);
    assert_eq!(stale.count(), 1);
    assert_eq!(place.post("/api/v1/retrain", &place.operator, &json!({})).status, 202);
    let start = Instant::now();
    while place.get("/api/v1/manifest", "").json()["shards"].as_array().unwrap().iter().any(|s| s["stale"] == true) {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
    let left = records(&place);
    place.stop();
    assert_eq!(learned(&place.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}

/// A request waits for its own shards only: additions elsewhere that wait for
/// the operator do not change its estimate.
#[test]
fn additions_elsewhere_do_not_delay_an_estimate() {
    let place = Place::new(&recipe()).unwrap();
    let (user, has) = someone(&place);
    let dataset = place.dataset().clone();
    let index = |id: &str| id.rsplit('-').next().unwrap().parse::<u32>().unwrap();
    let deleted = dataset.shard_of(index(&user), index(&has[0]));
    let new = (0..16).find(|n| !has.contains(&format!("item-{n}")) && dataset.shard_of(index(&user), *n) != deleted);
    let add = json!({"user": user, "interactions": [{"item": format!("item-{}", new.unwrap())}]});
    assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &add).json(), json!({"added": 1}));
    let status = accepted(&place, &delete_items(&user, &[&has[0]]));
    let seconds = status["estimated_seconds"].as_u64().unwrap();
    assert!(seconds < 600, "{seconds} s, as if it waited for additions");
}

/// With leave-one-out a deletion may change no training set: the two held-out
/// records of four are deleted, and the others train as before. No shard
/// retrains, and the receipt is there at once.
#[test]
fn a_deletion_of_what_was_held_out_is_done_at_once() {
    let recipe = Recipe { holdout: Holdout::LeaveOneOut, times: Times::Spread, users: 30, ..recipe() };
    let mut place = Place::with(&recipe, quick(), &http()).unwrap();
    let dataset = place.dataset().clone();
    let user = (0..30).find(|u| dataset.interactions.of(*u).len() == 4).unwrap();
    let last: Vec<&str> = dataset.interactions.of(user)[2..]
        .iter()
        .map(|r| dataset.catalog.items.ids[r.item as usize].as_str())
        .collect();
    let status = accepted(&place, &delete_items(&format!("user-{user}"), &last));
    assert_eq!((&status["removed"], &status["shards"]), (&json!(2), &json!(0)), "the test needs such a deletion");
    let done = place.wait_done(status["id"].as_str().unwrap()).unwrap();
    assert!(done["receipt_index"].is_u64() && in_mean(&place).iter().all(|clean| *clean));
    let left = records(&place);
    place.stop();
    assert_eq!(learned(&place.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}

/// An addition that was accepted before the account was deleted adds nothing to
/// it. A token file that cannot be written does not prevent the
/// acknowledgement.
#[test]
fn nothing_is_added_to_a_deleted_account() {
    let place = Place::new(&recipe()).unwrap();
    place.subject(2).unwrap();
    let lock = place.dir.join("tokens.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let reply = place.post("/api/v1/account/delete", &place.admin, &json!({"user": "user-2"}));
    assert_eq!(reply.status, StatusCode::ACCEPTED, "{}", reply.json());
    let before = records(&place).len();
    // The handler queues it in this way, after its own check of the account.
    let (reply, answer) = tokio::sync::oneshot::channel();
    let coming = |item, timestamp| Coming { user: Whose::Known(2), item, timestamp };
    let add = Add { records: vec![coming(0, None), coming(1, Some(5.0))], by: None, reply };
    place.service.submit(Change::Add(add)).unwrap();
    assert_eq!(place.block_on(answer).unwrap().unwrap(), [Came::Gone, Came::Gone]);
    assert_eq!(records(&place).len(), before);
    assert!(place.dataset().interactions.of(2).is_empty());
}

/// 10,000 callers request one deletion at once: all are accepted as one
/// request, one record is deleted, and nothing else is lost.
#[test]
fn ten_thousand_duplicates_are_one_deletion() {
    let recipe = recipe();
    let mut place = Place::new(&recipe).unwrap();
    let (user, items) = someone(&place);
    let before = records(&place).len();
    let (router, admin) = (place.router(), place.admin.clone());
    let body = delete_items(&user, &[&items[0]]);
    let replies = place.block_on(async {
        let asks: Vec<_> = (0..10_000)
            .map(|_| {
                let ask = ask(router.clone(), request("POST", "/api/v1/interactions/delete", &admin, Some(&body)));
                tokio::spawn(ask)
            })
            .collect();
        let mut replies = Vec::new();
        for ask in asks {
            replies.push(ask.await.unwrap());
        }
        replies
    });
    assert!(replies.iter().all(|reply| reply.status == StatusCode::ACCEPTED));
    let removed: Vec<Value> = replies.iter().map(|r| r.json()["id"].clone()).collect();
    let names: std::collections::BTreeSet<&str> = removed.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(names.len(), 1, "several requests were noted for one deletion");
    for name in names {
        place.wait_done(name).unwrap();
    }
    assert_eq!(records(&place).len(), before - 1);
    let left = records(&place);
    place.stop();
    assert_eq!(learned(&place.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}

/// An answer is computed again if a deletion is acknowledged meanwhile. This is
/// likely but not certain, so the test repeats until it happens.
#[test]
fn an_overtaken_answer_is_computed_again() {
    let recipe = Recipe { users: 40, items: 60, shards: 6, ..Recipe::default() };
    let place = Place::new(&recipe).unwrap();
    let all: Vec<(String, String)> = {
        let dataset = &place.dataset();
        let ids = |r: &Interaction| {
            (dataset.catalog.users.ids[r.user as usize].clone(), dataset.catalog.items.ids[r.item as usize].clone())
        };
        dataset.interactions.all().iter().map(ids).collect()
    };
    let lines: String = (0..600).map(|n| format!("{{\"user\":\"user-{}\"}}\n", n % 40)).collect();
    let batch = || {
        axum::http::Request::post("/api/v1/recommendations/batch")
            .header("authorization", format!("Bearer {}", place.operator))
            .body(lines.clone().into())
            .unwrap()
    };
    let start = Instant::now();
    for (user, item) in &all {
        let answering = place.begin(batch());
        accepted(&place, &delete_items(user, &[item]));
        let reply = place.block_on(answering).unwrap();
        assert_eq!(String::from_utf8(reply.bytes).unwrap().lines().count(), 600);
        if place.metric("eemu_answers_overtaken_total") > 0.0 {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "no answer was ever overtaken");
    }
    panic!("no answer was ever overtaken");
}

/// After a stop with pending work, the next service continues by itself.
#[test]
fn a_restart_goes_on() {
    let recipe = recipe();
    let first = Place::with(&recipe, patient(), &http()).unwrap();
    let (user, items) = someone(&first);
    let id = accepted(&first, &delete_items(&user, &[&items[0]]))["id"].as_str().unwrap().to_owned();
    let admin = first.admin.clone();
    let mut second = first.again(quick(), &http()).unwrap();
    assert_eq!(second.get("/api/v1/whoami", &admin).status, 200, "tokens outlive the process");
    let done = second.wait_done(&id).unwrap();
    assert_eq!(done["removed"], 1);
    let left = records(&second);
    second.stop();
    assert_eq!(learned(&second.dir).unwrap().differences(&twin(&recipe, left)), [""; 0]);
}
