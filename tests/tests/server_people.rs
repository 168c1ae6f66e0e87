//! Users and items through the API: new ones, a user's stored data, items taken
//! down, and acknowledgements that are never withdrawn.

#![allow(clippy::unwrap_used)]

use eemu_core::config::Config;
use eemu_core::data::{ImportReport, Imported};
use eemu_server::deployment::Deployment;
use eemu_server::progress::Progress;
use eemu_server::serve::http::HttpOptions;
use eemu_server::serve::tokens::Scope;
use eemu_server::store::Access;
use eemu_server::training::train_shards;
use eemu_tests::service::{Place, Process, delete_items, make_state, patient, quick, token};
use eemu_tests::worlds::{Recipe, cpu};
use serde_json::{Value, json};

fn http() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

/// A state of models without user parameters, sharded by user.
fn of_items(dir: &std::path::Path) {
    let recipe = Recipe { users: 10, ..Recipe::default() };
    let mut catalog = recipe.catalog().unwrap();
    catalog.users =
        eemu_core::data::Entities::new(catalog.users.ids.iter().cloned().collect(), Vec::new(), Vec::new()).unwrap();
    let mut config = Config::default();
    config.train.shards = 3;
    config.train.seed = 7;
    config.holdout = eemu_core::data::Holdout::None;
    config.model.kind = eemu_core::model::ModelKind::Kernel;
    let imported = Imported { catalog, records: recipe.records(), report: ImportReport::default() };
    let deployment = Deployment::create(dir, &imported, &config, false).unwrap();
    train_shards(&deployment, &[0, 1, 2], &cpu(), 1, &Progress::new(true), false).unwrap();
}

fn place(kept: &tempfile::TempDir) -> Place {
    let dir = kept.path().join("state");
    of_items(&dir);
    Place::open(&dir, quick(), &http()).unwrap()
}

#[test]
fn the_first_record_makes_the_person() {
    let kept = tempfile::tempdir().unwrap();
    let mut place = place(&kept);
    let add = |user: &str, item: &str| {
        let body = json!({"user": user, "interactions": [{"item": item, "timestamp": 3.0}]});
        place.post("/api/v1/interactions/add", &place.admin, &body)
    };
    assert_eq!(add("somebody new", "item-1").json(), json!({"added": 1}));
    assert_eq!(add("somebody new", "item-1").json(), json!({"added": 0}), "the same again is nothing");
    assert_eq!(add("somebody new", "item-2").json(), json!({"added": 1}));
    for blank in ["", " \t"] {
        assert_eq!(add(blank, "item-1").status, 400);
    }
    assert_eq!(add(&"x".repeat(2000), "item-1").status, 400);
    assert_eq!(
        place.post("/api/v1/interactions/add", &place.operator, &json!({"user": "other", "interactions": []})).status,
        403
    );
    // An empty list of records creates no user.
    let none = json!({"user": "nobody", "interactions": []});
    assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &none).json(), json!({"added": 0}));
    assert_eq!(place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "nobody"})).status, 404);
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "somebody new"})).json();
    assert_eq!(list["interactions"].as_array().unwrap().len(), 2);
    let asked = place.post("/api/v1/recommendations", &place.admin, &json!({"user": "somebody new", "top": 5})).json();
    assert_eq!(asked["items"].as_array().unwrap().len(), 5);

    // All stored data of the user.
    let index = place.dataset().catalog.users.find("somebody new").unwrap();
    let subject = place.subject(index).unwrap();
    let file = place.post("/api/v1/person/export", &subject, &json!({})).json();
    assert_eq!((&file["user"], file["records"].as_array().unwrap().len()), (&json!("somebody new"), 2));
    assert_eq!(file["tokens"].as_array().unwrap().len(), 1);
    assert_eq!(place.post("/api/v1/person/export", &subject, &json!({"user": "user-1"})).status, 404);

    // The user is deleted, and returns as a new user; the old token is invalid.
    assert_eq!(place.post("/api/v1/account/delete", &subject, &json!({})).status, 202);
    assert_eq!(add("somebody new", "item-3").json(), json!({"added": 1}));
    assert_eq!(place.post("/api/v1/interactions/list", &subject, &json!({})).status, 401);
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "somebody new"})).json();
    assert_eq!(list["interactions"].as_array().unwrap().len(), 1);
    // A user whose name looks like a label of deleted accounts is an ordinary
    // user.
    assert_eq!(add("deleted-0123456789abcdef", "item-3").json(), json!({"added": 1}));
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "deleted-0123456789abcdef"}));
    assert_eq!(list.status, 200);
    let before = place.dataset().clone();
    place.stop();
    let after = Deployment::open(&place.dir, Access::Read).unwrap().dataset;
    assert_eq!((&after.catalog, &after.interactions), (&before.catalog, &before.interactions));
    assert_eq!(
        (&after.degrees, &after.sizes, &after.people),
        (&before.degrees, &before.sizes, &before.people),
        "kept up step by step, or derived"
    );
}

#[test]
fn a_dry_run_and_what_was_before_a_time() {
    let kept = tempfile::tempdir().unwrap();
    let place = place(&kept);
    let records = place.dataset().interactions.len();
    let user = "user-1";
    let own = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
    let count = own["interactions"].as_array().unwrap().len();
    let ask = json!({"user": user, "all": true});
    let said = place.post("/api/v1/interactions/delete?dry_run=true", &place.admin, &ask);
    assert_eq!((said.status.as_u16(), &said.json()["removed"]), (200, &json!(count)));
    assert_eq!(said.json()["shards"].as_array().unwrap().len(), 1);
    assert_eq!(place.dataset().interactions.len(), records, "a dry run removed something");
    for wrong in [json!({"user": user, "all": true, "before": 1.0}), json!({"user": user})] {
        assert_eq!(place.post("/api/v1/interactions/delete", &place.admin, &wrong).status, 400);
    }
    let ask = json!({"user": user, "before": -1e300});
    let none = place.post("/api/v1/interactions/delete", &place.admin, &ask).json();
    assert_eq!(none["removed"], 0);
    let ask = json!({"user": user, "before": 1e300});
    let all = place.post("/api/v1/interactions/delete", &place.admin, &ask).json();
    assert_eq!(all["removed"], count);
    assert!(all["erasure"]["overwritten"].is_u64() && all["erasure"]["compacted"].is_u64(), "{all}");
}

#[test]
fn an_item_is_taken_down() {
    let kept = tempfile::tempdir().unwrap();
    let place = place(&kept);
    let ask = json!({"item": "item-2"});
    assert_eq!(place.post("/api/v1/items/take-down", &place.operator, &ask).status, 403);
    assert_eq!(place.post("/api/v1/items/take-down", "", &ask).status, 401);
    let had = place.dataset().interactions.iter().filter(|r| r.item == 2).count();
    let reply = place.post("/api/v1/items/take-down", &place.admin, &ask);
    assert_eq!((reply.status.as_u16(), &reply.json()["removed"]), (202, &json!(had)));
    for user in 0..10 {
        let ask = json!({"user": format!("user-{user}"), "top": 100});
        let list = place.post("/api/v1/recommendations", &place.admin, &ask).json();
        assert!(list["items"].as_array().unwrap().iter().all(|item| item["item"] != "item-2"));
    }
    assert_eq!(place.get("/api/v1/manifest", "").json()["items_down"], json!([2]));
    let add = json!({"user": "user-1", "interactions": [{"item": "item-2"}]});
    assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &add).status, 400);
    place.wait_done(reply.json()["id"].as_str().unwrap()).unwrap();
}

/// A shard without records takes no part in the mean; a state without records
/// says so.
#[test]
fn nothing_is_learned_from_nothing() {
    let kept = tempfile::tempdir().unwrap();
    let place = place(&kept);
    let dataset = place.dataset().clone();
    let shard = dataset.shard_of(0, 0);
    let ids = |user: u32| dataset.catalog.users.ids[user as usize].clone();
    let of_shard = (0..10u32).filter(|&user| dataset.shard_of(user, 0) == shard);
    for user in of_shard {
        let reply = place.post("/api/v1/account/delete", &place.admin, &json!({"user": ids(user)})).json();
        place.wait_done(reply["id"].as_str().unwrap()).unwrap();
    }
    let list = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
    assert_eq!(list["degraded"], false);
    assert!(list["shards"].as_array().unwrap().iter().all(|voice| voice[0] != shard), "{list}");
    let manifest = place.get("/api/v1/manifest", "").json();
    assert_eq!(manifest["shards"][shard as usize]["in_mean"], false);
    for user in (0..10u32).filter(|&user| dataset.shard_of(user, 0) != shard) {
        let reply = place.post("/api/v1/account/delete", &place.admin, &json!({"user": ids(user)})).json();
        place.wait_done(reply["id"].as_str().unwrap()).unwrap();
    }
    let list = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1"]})).json();
    assert_eq!(list["degraded"], true, "a list of noise");
    assert!(place.service.doubts().iter().any(|doubt| doubt.contains("no records")));
}

/// Whatever fails after the deletion is stored, it is acknowledged, and no
/// model that was trained on the record answers.
#[test]
fn an_acknowledgement_is_never_taken_back() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let admin = token(&dir, Scope::Admin).unwrap();
    let (user, item, other) = {
        let dataset = Deployment::open(&dir, Access::Read).unwrap().dataset;
        let own = dataset.interactions.of(1).to_vec();
        let id = |item: u32| dataset.catalog.items.ids[item as usize].clone();
        let other = (0..16).find(|item| own.iter().all(|r| r.item != *item)).unwrap();
        (dataset.catalog.users.ids[1].clone(), id(own[0].item), id(other))
    };
    let process = Process::start(&dir, &["--settle", "3600"], &[("EEMU_TROUBLE_AT", "serve.show")]).unwrap();
    let (status, answer) = process.post("/api/v1/interactions/delete", &admin, &delete_items(&user, &[&item])).unwrap();
    assert_eq!((status, &answer["removed"]), (202, &json!(1)), "{answer}");
    let id = answer["id"].as_str().unwrap();
    assert_eq!(process.json(&format!("/api/v1/unlearning/{id}"), &admin).unwrap()["removed"], 1);
    let (_, list) = process.post("/api/v1/interactions/list", &admin, &json!({"user": user})).unwrap();
    let has = |list: &Value, item: &str| list["interactions"].as_array().unwrap().iter().any(|r| r["item"] == item);
    assert!(!has(&list, &item), "the picture still has the record");
    let manifest = process.json("/api/v1/manifest", "").unwrap();
    let masked = manifest["shards"].as_array().unwrap().iter().filter(|shard| shard["in_mean"] == false).count();
    assert_eq!(masked, 1, "the model that saw it still answers");
    let add = json!({"user": user, "interactions": [{"item": other}]});
    let (status, added) = process.post("/api/v1/interactions/add", &admin, &add).unwrap();
    assert_eq!((status, &added["added"]), (200, &json!(1)));
    let log = process.kill();
    assert!(log.contains("not all of it is shown yet"), "{log}");
    let mut place = Place::open(&dir, patient(), &http()).unwrap();
    assert_eq!(place.get(&format!("/api/v1/unlearning/{id}"), &admin).status, 200, "the next start knows it");
    place.stop();
}

/// If the store fails although it committed (a lost connection before the
/// answer), the service checks the state before it answers.
#[test]
fn a_change_that_is_made_is_never_answered_as_one_that_is_not() {
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &Recipe::default(), true).unwrap();
    let admin = token(&dir, Scope::Admin).unwrap();
    let (user, item) = {
        let dataset = Deployment::open(&dir, Access::Read).unwrap().dataset;
        let record = dataset.interactions.of(1)[0];
        (dataset.catalog.users.ids[1].clone(), dataset.catalog.items.ids[record.item as usize].clone())
    };
    let process = Process::start(&dir, &["--settle", "3600"], &[("EEMU_TROUBLE_AT", "commit.answer")]).unwrap();
    let (status, answer) = process.post("/api/v1/interactions/delete", &admin, &delete_items(&user, &[&item])).unwrap();
    assert_eq!((status, &answer["removed"]), (202, &json!(1)), "{answer}");
    assert!(answer["erasure"]["overwritten"].is_u64(), "{answer}");
    let manifest = process.json("/api/v1/manifest", "").unwrap();
    let masked = manifest["shards"].as_array().unwrap().iter().filter(|shard| shard["in_mean"] == false).count();
    assert_eq!(masked, 1, "the model that saw it still answers");
    let add = json!({"user": user, "interactions": [{"item": item}]});
    let (status, added) = process.post("/api/v1/interactions/add", &admin, &add).unwrap();
    assert_eq!((status, &added["added"]), (200, &json!(1)), "{added}");
    let log = process.kill();
    assert!(log.contains("deletions failed") && log.contains("additions failed"), "{log}");
}

/// The log's private key is in a file of its own, whichever program wrote it.
#[test]
fn the_logs_key_is_a_file() {
    let kept = tempfile::tempdir().unwrap();
    let mut place = place(&kept);
    let dir = place.dir.clone();
    let file = dir.join("log.key");
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let shown = place.get("/api/v1/log/checkpoint", "").json()["public_key"].clone();
    place.stop();
    drop(place);
    let holds = |key: &str| {
        let bytes = std::fs::read(dir.join("eemu.sqlite")).unwrap();
        bytes.windows(key.len()).any(|window| window == key.as_bytes())
    };
    assert!(!holds(&key), "the key is in the database");
    // An earlier version stored it in this way.
    {
        let deployment = Deployment::open(&dir, Access::Write).unwrap();
        deployment.state.set_notes(&[("log-key", &key)], None).unwrap();
    }
    std::fs::remove_file(&file).unwrap();
    assert!(holds(&key));
    let mut place = Place::open(&dir, quick(), &http()).unwrap();
    assert_eq!(place.get("/api/v1/log/checkpoint", "").json()["public_key"], shown);
    place.stop();
    drop(place);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), key);
    let bytes = std::fs::read(dir.join("eemu.sqlite")).unwrap();
    assert!(!bytes.windows(64).any(|window| window == key.as_bytes()), "the key stayed in the database");
}

/// One rule for a repeated record, in files, through the API and by the
/// command: the latest timestamp stays. The next training leaves no trace of
/// the earlier one, to the byte.
#[test]
fn a_record_that_comes_again_has_its_latest_time() {
    use eemu_core::model::ModelKind;
    use eemu_tests::service::learned;
    use eemu_tests::worlds::{Times, train_all};
    let recipe = Recipe {
        model: ModelKind::Episodes,
        times: Times::Spread,
        by: eemu_core::shard::ShardBy::Person,
        ..Recipe::default()
    };
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("state");
    make_state(&dir, &recipe, true).unwrap();
    let mut place = Place::open(&dir, quick(), &http()).unwrap();
    let mut records = recipe.records();
    let first = *records.iter().find(|r| r.user == 1).unwrap();
    let (user, item) = ("user-1".to_owned(), format!("item-{}", first.item));
    let was = first.timestamp.unwrap();
    let add = |place: &Place, timestamp: Option<f64>| {
        let body = json!({"user": user, "interactions": [{"item": item, "timestamp": timestamp}]});
        let reply = place.post("/api/v1/interactions/add", &place.admin, &body);
        reply.json()["added"].as_u64().unwrap()
    };
    let time = |place: &Place| {
        let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": user})).json();
        let all = list["interactions"].as_array().unwrap().clone();
        all.iter().find(|one| one["item"] == item.as_str()).unwrap()["timestamp"].as_f64().unwrap()
    };
    let stale = |place: &Place| place.service.view().shards.iter().any(|view| view.shard.stale);
    for earlier in [Some(was), Some(was - 1.0), None] {
        assert_eq!((add(&place, earlier), time(&place), stale(&place)), (0, was, false), "{earlier:?}");
    }
    let later = records.iter().filter_map(|r| r.timestamp).fold(was, f64::max) + 7.0;
    assert_eq!((add(&place, Some(later)), time(&place), stale(&place)), (1, later, true));
    place.stop();
    drop(place);
    // The command follows the same rule.
    let state = dir.to_str().unwrap().to_owned();
    let eemu = |args: &[&str]| eemu_tests::command::done(&[args, &["--state", &state, "--json"]].concat(), &[]);
    let again = ["add", "--user", &user, "--item", &item, "--time"];
    let times = [later, later + 2.0].map(|time| time.to_string());
    assert_eq!(eemu(&[&again[..], &[&times[0]]].concat())["added"], 0);
    assert_eq!(eemu(&[&again[..], &[&times[1]]].concat())["added"], 1);
    eemu(&["train"]);
    let moved = records.iter_mut().find(|r| (r.user, r.item) == (first.user, first.item)).unwrap();
    moved.timestamp = Some(later + 2.0);
    let dataset = recipe.world_of(records).unwrap();
    let twin = eemu_core::learned_state::LearnedState::new(&dataset, train_all(&dataset, None).unwrap());
    assert_eq!(learned(&dir).unwrap().differences(&twin), [""; 0]);
}

/// A new user in a state with user features gets a row of them too: the state
/// opens again, and trains as if the user had always been there.
#[test]
fn who_comes_where_people_have_features_is_there_after_a_restart() {
    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name).to_str().unwrap().to_owned();
    let (data, state) = (at("set"), at("state"));
    std::fs::create_dir(&data).unwrap();
    let (mut people, mut records) = ("user_id:token\tgender:token\tage:float\n".to_owned(), String::new());
    for n in 0..12 {
        people += &format!("u{n}\t{}\t{}\n", if n % 2 == 0 { "F" } else { "M" }, 20 + n);
        for k in 0..5 {
            records += &format!("u{n}\ti{}\t{}\n", (n * 3 + k * 5) % 17, 1_600_000_000 + n * 9 + k);
        }
    }
    std::fs::write(kept.path().join("set/set.user"), people).unwrap();
    let heading = "user_id:token\titem_id:token\ttimestamp:float\n";
    std::fs::write(kept.path().join("set/set.inter"), heading.to_owned() + &records).unwrap();
    let eemu = |args: &[&str]| eemu_tests::command::done(&[args, &["--state", &state, "--json"]].concat(), &[]);
    let features = ["--user-features", "gender,age", "--user-range", "age=0:100:10"];
    eemu(&[&["import", "--data", &data, "--holdout", "none", "--seed", "4"][..], &features].concat());
    eemu(&["train", "--set", "train.shards=2", "--set", "train.epochs=1", "--set", "episodes.width=4"]);
    for (name, item) in [("new", "i3"), ("newer", "i5"), ("new", "i4")] {
        assert_eq!(eemu(&["add", "--user", name, "--item", item])["added"], 1, "{name}");
    }
    assert_eq!(eemu(&["info"])["users"], 14);
    eemu(&["train"]);
    assert_eq!(eemu(&["verify"])["equal"], true);
    eemu(&["forget", "--user", "new", "--all"]);
    assert_eq!(eemu(&["verify"])["equal"], true);
    // The same beside a running server, and after its end.
    let location = std::path::PathBuf::from(&state);
    let add = |place: &Place, name: &str| {
        let body = json!({"user": name, "interactions": [{"item": "i1"}]});
        place.post("/api/v1/interactions/add", &place.admin, &body).json()["added"].as_u64()
    };
    let mut place = Place::open(&location, quick(), &http()).unwrap();
    assert_eq!(add(&place, "newest"), Some(1));
    place.stop();
    drop(place);
    let place = Place::open(&location, quick(), &http()).unwrap();
    assert_eq!((add(&place, "newest"), add(&place, "last")), (Some(0), Some(1)));
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "newest"})).json();
    assert_eq!(list["interactions"].as_array().unwrap().len(), 1);
}
