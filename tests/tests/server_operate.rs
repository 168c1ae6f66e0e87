//! The operator's overview, the administrators' work with tokens, and the
//! quality of lists after training.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use eemu_core::data::Holdout;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::{Policy, ServiceOptions};
use eemu_server::store::{Backup, State};
use eemu_tests::service::{PATIENCE, Place, delete_items, patient, quick};
use eemu_tests::worlds::Recipe;
use serde_json::{Value, json};

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

fn look(place: &Place) -> Value {
    let reply = place.get("/api/v1/operate", &place.operator);
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}

fn first_item(place: &Place, user: &str) -> String {
    let own = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
    own["interactions"][0]["item"].as_str().unwrap().to_owned()
}

fn ask(place: &Place, user: &str) -> Value {
    let item = first_item(place, user);
    let reply = place.post("/api/v1/interactions/delete", &place.admin, &delete_items(user, &[&item]));
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()
}

/// A deletion from request to receipt in the operator's overview: age,
/// deadline, shards, and how often each was trained.
#[test]
fn a_deletion_is_seen_from_asking_to_receipt() {
    let place = Place::with(&Recipe::default(), patient(), &http()).unwrap();
    let before = look(&place);
    assert_eq!((&before["requests"], &before["policy"]), (&json!([]), &json!("at-once")));
    let dataset = place.dataset();
    for (shard, seen) in before["shards"].as_array().unwrap().iter().enumerate() {
        let data = dataset.shard(shard as u32).unwrap();
        assert_eq!(seen["shard"], shard);
        assert_eq!(seen["records"], dataset.sizes[shard]);
        assert_eq!(seen["people"].as_u64().unwrap(), data.cells.len() as u64, "shard {shard}");
        assert_eq!((&seen["trainings"], &seen["in_mean"], &seen["phase"]), (&json!(1), &json!(true), &Value::Null));
        assert!(seen["seconds"].as_f64().unwrap() > 0.0 && seen["bytes"].as_u64().unwrap() > 0, "{seen}");
    }

    let request = ask(&place, "user-1");
    let seen = look(&place);
    let name = blake3::hash(request["id"].as_str().unwrap().as_bytes()).to_hex();
    let shown = &seen["requests"][0];
    assert_eq!((&shown["name_blake3"], &shown["phase"]), (&json!(name.as_str()), &json!("settling")));
    let (asked, due) = (shown["asked"].as_u64().unwrap(), shown["due"].as_u64().unwrap());
    assert!(due - asked == 30 * 24 * 3600 && seen["now"].as_u64().unwrap() - asked < 60, "{shown}");
    assert_eq!((&shown["late"], &seen["open"], &seen["deletions_last_hour"]), (&json!(false), &json!(1), &json!(1)));
    assert_eq!(seen["acknowledgements"]["count"], 1);
    assert!(seen["deletions_sustained"].as_f64().unwrap() > 0.0);
    let out = shown["waiting"].as_array().unwrap();
    assert!(!out.is_empty() && out.len() as u64 == request["shards"].as_u64().unwrap());
    for shard in seen["shards"].as_array().unwrap() {
        let waits = out.contains(&shard["shard"]);
        assert_eq!(shard["in_mean"], !waits, "{shard}");
        // A shard that is "settling" has the time until which it waits.
        assert_eq!(shard["phase"] == "settling", waits, "{shard}");
        let until = shard["collects_until"].as_u64();
        assert_eq!(until.is_some_and(|until| until > asked + 3000), waits, "{shard}");
    }

    place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]}));
    place.post("/api/v1/retrain", &place.operator, &json!({}));
    place.wait_done(request["id"].as_str().unwrap()).unwrap();
    let after = look(&place);
    assert_eq!((&after["requests"], &after["open"], &after["lists"]["count"]), (&json!([]), &json!(0), &json!(1)));
    for (was, is) in before["shards"].as_array().unwrap().iter().zip(after["shards"].as_array().unwrap()) {
        let trained = out.contains(&is["shard"]);
        // Each shard was trained once, whatever its version number.
        assert_eq!(is["trainings"].as_u64().unwrap(), 1 + u64::from(trained), "{is}");
        assert_eq!(is["version"].as_u64() > was["version"].as_u64(), trained, "{is}");
    }
    assert_eq!(after["counts"]["records_deleted"], 1);
    assert_eq!(after["counts"]["shards_trained"], out.len());
    assert_eq!(after["quality"], json!({"state": "nothing_held_out"}));
    // It contains no identifier of a user or item, and no request's identifier.
    let text = after.to_string() + &seen.to_string();
    assert!(!text.contains("user-") && !text.contains("item-") && !text.contains(request["id"].as_str().unwrap()));
}

/// Accepted deletions have a deadline, and are late after it.
#[test]
fn what_is_accepted_has_the_deadline_of_the_policy() {
    let options = ServiceOptions { deletions: Policy::Within(Duration::from_secs(3600)), ..quick() };
    let place = Place::with(&Recipe::default(), options, &http()).unwrap();
    let request = ask(&place, "user-1");
    let seen = look(&place);
    assert_eq!((&seen["policy"], &seen["accepted"], &seen["open"]), (&json!("within=3600s"), &json!(1), &json!(0)));
    let shown = &seen["requests"][0];
    assert_eq!((&shown["phase"], &shown["due"], &shown["late"]), (&json!("accepted"), &request["due"], &json!(false)));
}

/// The overview contains shards and open requests only: with many times the
/// users it is as long, and it is made without their records.
#[test]
fn the_look_does_not_grow_with_people() {
    let of = |users| {
        let place = Place::with(&Recipe { users, ..Recipe::default() }, patient(), &http()).unwrap();
        let text = place.get("/api/v1/operate", &place.operator).bytes.len();
        assert!(place.service.view().dataset.interactions.all().is_empty(), "the service keeps records");
        text
    };
    let (few, many) = (of(8), of(200));
    assert!(many < few + 200, "{few} bytes with 8 people, {many} with 200");
}

/// Quality is measured on held-out records, in the background, after each
/// training; it has a margin, and the metric is the same figure.
#[test]
fn quality_is_measured_after_each_training() {
    let recipe = Recipe { users: 40, holdout: Holdout::LeaveOneOut, ..Recipe::default() };
    let place = Place::with(&recipe, quick(), &http()).unwrap();
    let measured = |since: u64, more: &dyn Fn(&Value) -> bool| {
        let began = Instant::now();
        loop {
            let quality = look(&place)["quality"].clone();
            if quality["state"] == "measured" && quality["at"].as_u64().unwrap() >= since && more(&quality) {
                return quality;
            }
            assert!(began.elapsed() < PATIENCE, "it was not measured: {quality}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let first = measured(0, &|_| true);
    let judges = first["people"].as_u64().unwrap();
    assert!((1..=40).contains(&judges), "{first}");
    let (rate, margin) = (first["hit_rate"].as_f64().unwrap(), first["margin"].as_f64().unwrap());
    assert!((0.0..=1.0).contains(&rate) && margin > 0.0 && first["fell"] == false, "{first}");
    assert_eq!((place.metric("eemu_quality_hit_rate"), place.metric("eemu_quality_margin")), (rate, margin));

    // A user who leaves is not measured any more: the next measurement is of
    // the later models.
    let dataset = place.dataset();
    let role = eemu_core::data::Role::Test;
    let user = (0..40).find(|user| !dataset.items(*user, role).is_empty()).unwrap();
    let id = dataset.catalog.users.ids[user as usize].clone();
    let gone = place.post("/api/v1/account/delete", &place.admin, &json!({"user": id})).json();
    place.wait_done(gone["id"].as_str().unwrap()).unwrap();
    let after = measured(0, &|quality| quality["people"].as_u64().unwrap() == judges - 1);
    assert!(after["best"].as_f64().unwrap() >= after["hit_rate"].as_f64().unwrap(), "{after}");
}

/// Administrators create, list and revoke tokens. A list names no user, and the
/// audit log names the administrator.
#[test]
fn administrators_manage_tokens() {
    let place = Place::new(&Recipe::default()).unwrap();
    let post = |path: &str, token: &str, body: Value| place.post(path, token, &body);
    let made = post("/api/v1/tokens", &place.admin, json!({"scope": "subject", "user": "user-2", "days": 3}));
    assert_eq!(made.status, 200, "{}", made.json());
    let made = made.json();
    let (token, id) = (made["token"].as_str().unwrap(), made["entry"]["id"].as_str().unwrap());
    assert_eq!(place.get("/api/v1/whoami", token).json()["user"], "user-2");
    let (created, expires) = (&made["entry"]["created"], &made["entry"]["expires"]);
    assert_eq!(expires.as_u64().unwrap(), created.as_u64().unwrap() + 3 * 86_400);

    let all = post("/api/v1/tokens/list", &place.admin, json!({})).json();
    assert_eq!(all["subjects"], 1);
    let scopes: Vec<&Value> = all["tokens"].as_array().unwrap().iter().map(|token| &token["scope"]).collect();
    assert!(scopes.contains(&&json!("admin")) && !scopes.contains(&&json!("subject")), "{all}");
    let own = post("/api/v1/tokens/list", &place.admin, json!({"user": "user-2"})).json();
    assert_eq!(own["tokens"], json!([made["entry"]]));
    assert!(!all.to_string().contains("user-") && !own.to_string().contains(token));

    assert_eq!(post("/api/v1/tokens/revoke", &place.admin, json!({"id": id})).status, 200);
    assert_eq!(place.get("/api/v1/whoami", token).status, 401);
    // An administrator cannot revoke the token in use.
    let mine = all["tokens"].as_array().unwrap().iter().find(|token| token["scope"] == "admin").unwrap();
    let refused = post("/api/v1/tokens/revoke", &place.admin, json!({"id": mine["id"]}));
    assert_eq!(refused.status, 400, "{}", refused.json());
    assert_eq!(place.get("/api/v1/whoami", &place.admin).status, 200);

    for (body, says) in [
        (json!({"scope": "root"}), "give admin, operator or subject"),
        (json!({"scope": "subject"}), "name the user"),
        (json!({"scope": "operator", "user": "user-1"}), "leave user out"),
        (json!({"scope": "operator", "days": 0}), "give 1 to"),
    ] {
        let refused = post("/api/v1/tokens", &place.admin, body);
        assert!(refused.status == 400 && refused.json().to_string().contains(says), "{}", refused.json());
    }
    assert_eq!(post("/api/v1/tokens/revoke", &place.admin, json!({"id": "none"})).status, 404);
    let began = Instant::now();
    loop {
        let log = place.get("/api/v1/audit", &place.admin).json();
        let kinds: Vec<&str> = log["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
        if ["make a token", "list tokens", "revoke a token"].iter().all(|kind| kinds.contains(kind)) {
            assert!(!log.to_string().contains("user-2"));
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Existing backups are listed with the day by which they must be destroyed.
#[test]
fn backups_are_seen_with_their_end() {
    let place = Place::new(&Recipe::default()).unwrap();
    assert_eq!(place.get("/api/v1/backups", &place.operator).json(), json!({"backups": []}));
    for (id, created, expires) in [("old", 1.0, 2.0), ("new", 4e9, 5e9)] {
        State::register_backup(&place.dir, &Backup { id: id.into(), created, expires }).unwrap();
    }
    let seen = place.get("/api/v1/backups", &place.operator).json();
    let known = |id: &str, created: u64, destroy_by: u64, late: bool| json!({"id": id, "created": created, "destroy_by": destroy_by, "late": late});
    let expected = [known("old", 1, 2, true), known("new", 4_000_000_000, 5_000_000_000, false)];
    assert_eq!(seen["backups"], json!(expected));
}
