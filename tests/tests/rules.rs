//! The contents of lists: rules in every request, hidden items, and lists that
//! are not personal and follow from the models and records alone.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use eemu_core::data::{ImportReport, Imported, Interaction, Values};
use eemu_core::model::ModelKind;
use eemu_server::deployment::Deployment;
use eemu_server::progress::Progress;
use eemu_server::serve::http::HttpOptions;
use eemu_server::training::train_shards;
use eemu_tests::command::{done as command, run, text};
use eemu_tests::service::{PATIENCE, Place, Reply, delete_items, patient, quick};
use eemu_tests::worlds::{Recipe, Times, cpu};
use serde_json::{Value, json};

const ASK: &str = "/api/v1/recommendations";

fn recipe(model: ModelKind) -> Recipe {
    Recipe { model, times: Times::Spread, by: eemu_core::shard::ShardBy::Person, ..Recipe::default() }
}

/// Items with the bits of their scores, in order.
fn listed(reply: &Reply) -> Vec<(String, u32)> {
    assert_eq!(reply.status, 200, "{}", reply.json());
    let items = reply.json()["items"].as_array().unwrap().clone();
    let one =
        |item: &Value| (item["item"].as_str().unwrap().to_owned(), (item["score"].as_f64().unwrap() as f32).to_bits());
    items.iter().map(one).collect()
}

fn names(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
}

/// The items with a value in a column.
fn of_category(place: &Place, column: &str, value: &str) -> BTreeSet<String> {
    let dataset = &place.service.view().dataset;
    let column = dataset.catalog.items.columns.iter().find(|own| own.name == column).unwrap();
    let has = |item: usize| match &column.values {
        Values::Token { vocabulary, rows } => vocabulary.get(rows[item] as usize).is_some_and(|own| own == value),
        Values::TokenSeq { vocabulary, rows } => rows[item].iter().any(|token| vocabulary[*token as usize] == value),
        _ => false,
    };
    (0..dataset.catalog.items.len()).filter(|item| has(*item)).map(|item| format!("item-{item}")).collect()
}

/// A rule removes items from a list and changes no score, for every kind of
/// model and caller; even where it excludes the user's own items.
#[test]
fn rules_close_items_and_change_no_score() {
    for model in [ModelKind::TwoTower, ModelKind::Episodes, ModelKind::Kernel, ModelKind::Ease] {
        let place = Place::new(&recipe(model)).unwrap();
        let picks = json!([{"item": "item-3", "time": 10}, "item-5", {"item": "item-7", "time": 30}]);
        for person in [json!({"user": "user-2"}), json!({"user": "user-5"}), json!({"items": picks})] {
            let ask = |rules: Value| {
                let mut ask = person.clone();
                ask.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
                ask["top"] = 1000.into();
                place.post(ASK, &place.admin, &ask)
            };
            let all = listed(&ask(json!({"include_seen": true})));
            assert_eq!(all.len(), 16);
            let plain = listed(&ask(json!({})));
            let seen: BTreeSet<String> =
                all.iter().filter(|item| !plain.contains(item)).map(|(item, _)| item.clone()).collect();
            assert!(!seen.is_empty());
            let group: BTreeSet<String> = of_category(&place, "group", "v1");
            let words: BTreeSet<String> = of_category(&place, "words", "v0");
            let some: Vec<String> = seen.iter().take(2).cloned().chain(["item-1".into(), "item-9".into()]).collect();
            let out = |item: &String| some.contains(item);
            let check = |rules: Value, open: &dyn Fn(&String) -> bool| {
                let expected: Vec<_> = all.iter().filter(|(item, _)| open(item)).cloned().collect();
                assert_eq!(listed(&ask(rules.clone())), expected, "{model:?} {person} {rules}");
                assert!(expected.len() < 16, "{rules} closes nothing");
                expected.len()
            };
            check(json!({}), &|item| !seen.contains(item));
            check(json!({"exclude": some}), &|item| !seen.contains(item) && !out(item));
            check(json!({"exclude": some, "include_seen": true}), &|item| !out(item));
            check(json!({"only": some, "include_seen": true}), &out);
            check(json!({"only": some}), &|item| out(item) && !seen.contains(item));
            check(json!({"only": [], "include_seen": true}), &|_| false);
            let found = check(json!({"category": ["group=v1"], "include_seen": true}), &|item| group.contains(item));
            assert!(found > 1, "a category of hardly anything tells little");
            check(json!({"category": ["group=v1", "words=v0"]}), &|item| {
                group.contains(item) && words.contains(item) && !seen.contains(item)
            });
            let either: BTreeSet<String> = of_category(&place, "group", "v2").union(&group).cloned().collect();
            check(json!({"category": ["group=v1", "group=v2"], "include_seen": true}), &|item| either.contains(item));
            // Items are removed before the top k are chosen: a short list is as
            // long as possible.
            let mut short = person.clone();
            short["exclude"] = json!(plain.iter().take(3).map(|(item, _)| item).collect::<Vec<_>>());
            short["top"] = 3.into();
            let short = listed(&place.post(ASK, &place.admin, &short));
            assert_eq!(short, plain.iter().skip(3).take(3).cloned().collect::<Vec<_>>());
        }
    }
}

#[test]
fn unknown_names_are_skipped_and_named() {
    let place = Place::new(&recipe(ModelKind::Episodes)).unwrap();
    let known = place.post(ASK, "", &json!({"items": ["item-3", "item-5"]}));
    let ask = json!({
        "items": ["item-3", "gone", "item-5", {"item": "never was", "time": 5}],
        "exclude": ["nothing"],
        "category": [],
    });
    let answer = place.post(ASK, "", &ask);
    assert_eq!(listed(&answer), listed(&known));
    assert_eq!(answer.json()["unknown"], json!(["gone", "never was", "nothing"]));
    assert_eq!(known.json().get("unknown"), None);
    let none = place.post(ASK, "", &json!({"items": ["item-3"], "category": ["group=v9"]})).json();
    assert_eq!((&none["items"], &none["unknown"]), (&json!([]), &json!(["group=v9"])));
    let wrong = place.post(ASK, "", &json!({"items": ["item-3"], "category": ["numbers=1"]}));
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["message"].as_str().unwrap().contains("group, words"), "{}", wrong.json());
    for path in ["/api/v1/similar?item=item-3&exclude=gone", "/api/v1/popular?exclude=gone", "/api/v1/new?exclude=gone"]
    {
        assert_eq!(place.get(path, &place.operator).json()["unknown"], json!(["gone"]), "{path}");
    }
}

/// Later picks count more in a model that uses time.
#[test]
fn times_of_picks_count() {
    let place = Place::new(&recipe(ModelKind::Episodes)).unwrap();
    let ask = |times: [i32; 2]| {
        let picks = json!([{"item": "item-3", "time": times[0]}, {"item": "item-5", "time": times[1]}]);
        listed(&place.post(ASK, "", &json!({"items": picks, "top": 1000})))
    };
    assert_ne!(ask([1, 2]), ask([2, 1]));
    assert_eq!(ask([1, 2]), ask([10, 20]), "only their order counts");
}

#[test]
fn explanations_name_records_to_those_who_may_see_them() {
    for model in [ModelKind::Episodes, ModelKind::TwoTower] {
        let place = Place::new(&recipe(model)).unwrap();
        let token = place.subject(2).unwrap();
        let answer = place.post(ASK, &token, &json!({"explain": true, "top": 4})).json();
        let records = place.post("/api/v1/interactions/list", &token, &json!({})).json();
        let own: Vec<&str> =
            records["interactions"].as_array().unwrap().iter().map(|r| r["item"].as_str().unwrap()).collect();
        let adapted = answer["adapted_to"].as_array().unwrap();
        assert!(!adapted.is_empty() && adapted.iter().all(|one| own.contains(&one["item"].as_str().unwrap())));
        for item in answer["items"].as_array().unwrap() {
            let scores: Vec<f64> = item["per_shard"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
            assert_eq!(scores.len(), answer["shards"].as_array().unwrap().len());
            let mean = scores.iter().sum::<f64>() / scores.len() as f64;
            assert!((mean - item["score"].as_f64().unwrap()).abs() < 1e-4, "{item}");
        }
        let plain = place.post(ASK, &token, &json!({"top": 4})).json();
        assert!(plain.get("adapted_to").is_none() && plain["items"][0].get("per_shard").is_none());
        let ask = json!({"user": "user-2", "explain": true});
        assert_eq!(place.post(ASK, &place.operator, &ask).status, 400, "an operator sees nobody's records");
        assert_eq!(place.post(ASK, &place.operator, &json!({"items": ["item-1"], "explain": true})).status, 200);
    }
}

#[test]
fn batches_know_the_rules() {
    let place = Place::new(&recipe(ModelKind::Episodes)).unwrap();
    let lines = "{\"user\":\"user-1\",\"only\":[\"item-1\",\"item-2\",\"gone\"],\"include_seen\":true}\n\
                 {\"user\":\"user-1\",\"category\":[\"nothing=1\"]}\n\
                 {\"items\":[\"gone\",\"item-4\"],\"top\":2}\n";
    let request =
        Request::post("/api/v1/recommendations/batch").header("authorization", format!("Bearer {}", place.operator));
    let reply = place.send(request.body(Body::from(lines)).unwrap());
    let answers: Vec<Value> =
        String::from_utf8(reply.bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let items: BTreeSet<&str> =
        answers[0]["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap()).collect();
    assert_eq!((items, &answers[0]["unknown"]), (BTreeSet::from(["item-1", "item-2"]), &json!(["gone"])));
    assert_eq!(answers[1]["code"], "bad_request");
    assert_eq!((answers[2]["items"].as_array().unwrap().len(), &answers[2]["unknown"]), (2, &json!(["gone"])));
}

fn hide(place: &Place, how: &str, items: &[&str]) -> Value {
    let reply = place.post(&format!("/api/v1/items/{how}"), &place.operator, &json!({"items": items}));
    assert_eq!(reply.status, 200, "{}", reply.json());
    reply.json()
}

/// A hidden item is in no list of any kind, at once; the rest is unchanged.
#[test]
fn a_hidden_item_is_in_no_list() {
    let mut place = Place::with(&recipe(ModelKind::Episodes), patient(), &open()).unwrap();
    let lists = |place: &Place| -> Vec<Vec<(String, u32)>> {
        let asks =
            [json!({"user": "user-2", "top": 1000, "include_seen": true}), json!({"items": ["item-1"], "top": 1000})];
        let mut lists: Vec<_> = asks.iter().map(|ask| listed(&place.post(ASK, &place.admin, ask))).collect();
        lists.push(listed(&place.get("/api/v1/similar?item=item-1&top=1000", "")));
        for path in ["/api/v1/popular?top=1000", "/api/v1/new?top=1000"] {
            lists.push(names(&place.get(path, &place.operator)).into_iter().map(|item| (item, 0)).collect());
        }
        let mut all = names(&place.get("/api/v1/popular?top=1000", ""));
        all.sort_unstable();
        lists.push(all.into_iter().map(|item| (item, 0)).collect());
        lists
    };
    let before = lists(&place);
    assert!(before.iter().all(|list| list.iter().any(|(item, _)| item == "item-2")), "{before:?}");
    let generation = |place: &Place| place.get("/api/v1/manifest", "").json()["generation"].as_u64().unwrap();
    let first = generation(&place);
    let answer = hide(&place, "hide", &["item-2", "item-2", "nothing"]);
    assert_eq!(answer, json!({"hidden": ["item-2"], "changed": 1, "unknown": ["nothing"]}));
    let without: Vec<Vec<_>> =
        before.iter().map(|list| list.iter().filter(|(item, _)| item != "item-2").cloned().collect()).collect();
    assert_eq!(lists(&place), without);
    // Browsers omit it too.
    let manifest = place.get("/api/v1/manifest", "").json();
    assert_eq!((&manifest["items_down"], generation(&place) > first), (&json!([2]), true));
    // Hiding is no deletion: the item's records stay, and it can return.
    let (records, degraded) = (place.service.view().dataset.interactions.len(), &manifest["degraded"]);
    assert_eq!((records, degraded), (recipe(ModelKind::Episodes).records().len(), &json!(false)));
    place = place.again(patient(), &open()).unwrap();
    assert_eq!(lists(&place), without, "after a restart");
    assert_eq!(place.get("/api/v1/items/hidden", &place.operator).json()["hidden"], json!(["item-2"]));
    assert_eq!(hide(&place, "show", &["item-2", "item-3"])["unknown"], json!(["item-3"]));
    assert_eq!(lists(&place), before);

    let subject = place.subject(1).unwrap();
    for (token, status) in [("", 401), (subject.as_str(), 403)] {
        for how in ["hide", "show"] {
            assert_eq!(place.post(&format!("/api/v1/items/{how}"), token, &json!({"items": []})).status, status);
        }
        assert_eq!(place.get("/api/v1/items/hidden", token).status, status);
    }
}

fn open() -> HttpOptions {
    HttpOptions { rate: 0, ..HttpOptions::default() }
}

/// Lists by popularity, shown when no model can answer, follow the rules and
/// omit hidden items too.
#[test]
fn degraded_answers_know_the_rules() {
    let recipe = Recipe { shards: 1, ..recipe(ModelKind::Episodes) };
    let place = Place::with(&recipe, patient(), &open()).unwrap();
    hide(&place, "hide", &["item-2"]);
    let item = recipe.records().iter().find(|r| r.user == 0).unwrap().item;
    let gone = delete_items("user-0", &[&format!("item-{item}")]);
    assert_eq!(place.post("/api/v1/interactions/delete", &place.admin, &gone).status, 202);
    let ask = json!({"items": ["item-1"], "top": 1000, "exclude": ["item-3"], "only": ["item-1", "item-2", "item-3", "item-4"]});
    let answer = place.post(ASK, "", &ask).json();
    assert_eq!((&answer["degraded"], answer["items"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(answer["items"][0]["item"], "item-4");
    let similar = place.get("/api/v1/similar?item=item-1&only=item-2&only=item-5&only=item-1", "").json();
    assert_eq!((&similar["degraded"], &similar["items"][0]["item"]), (&json!(true), &json!("item-5")));
    assert_eq!(similar["items"].as_array().unwrap().len(), 1);
}

/// The command hides items beside a running server, which applies the change.
#[test]
fn items_are_hidden_beside_a_running_server() {
    let place = Place::new(&recipe(ModelKind::Episodes)).unwrap();
    let state = text(&place.dir);
    let file = place.dir.with_file_name("hide.csv");
    std::fs::write(&file, "item-2\n\"item-5\"\nno such\n").unwrap();
    let args = ["items", "hide", "--state", state, "item-9", "--file", text(&file)];
    let (code, out, err) = run(&args, &[]);
    assert_eq!((code, out.trim()), (Some(3), "3 items hidden; hidden now: 3"), "{err}");
    assert!(err.contains("no such"), "{err}");
    let begun = Instant::now();
    loop {
        let answer = place.get("/api/v1/items/hidden", &place.operator).json();
        if answer["hidden"] == json!(["item-2", "item-5", "item-9"]) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "never seen: {answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = names(&place.post(ASK, "", &json!({"items": ["item-1"], "top": 1000})));
    assert!(!all.iter().any(|item| ["item-2", "item-5", "item-9"].contains(&item.as_str())), "{all:?}");
    // The command's own lists omit them, and `info` names them.
    for command in [&["recommend", "--items", "item-1"][..], &["similar", "--item", "item-1"], &["popular"], &["new"]] {
        let list = self::command(&[command, &["--state", state, "--top", "1000", "--json"]].concat(), &[]);
        let items: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
        assert!(items.len() > 5 && !items.contains(&"item-2") && !items.contains(&"item-9"), "{command:?} {items:?}");
    }
    assert_eq!(
        command(&["info", "--state", state, "--json"], &[])["items_hidden"],
        json!(["item-2", "item-5", "item-9"])
    );
    let (code, _, err) = run(&["items", "show", "--state", state, "item-9", "item-1"], &[]);
    assert_eq!(code, Some(3));
    assert!(err.contains("not hidden, so skipped: 'item-1'"), "{err}");
    let (_, out, _) = run(&["items", "hidden", "--state", state], &[]);
    assert_eq!(out, "item-2\nitem-5\n");
}

/// The first record in an empty shard leaves that shard without a model until
/// it is trained. The other shards answer meanwhile; service and command give
/// the same lists.
#[test]
fn a_shard_that_waits_for_its_first_training_holds_up_nobody() {
    let recipe = Recipe { users: 3, shards: 6, ..recipe(ModelKind::Kernel) };
    let place = Place::with(&recipe, patient(), &open()).unwrap();
    let waits = |shard: u32| {
        let view = place.service.view();
        view.dataset.has_voice(shard) && view.shards[shard as usize].model.is_none()
    };
    for number in 0.. {
        assert!(number < 100, "no shard was empty");
        let body = json!({"user": format!("new-{number}"), "interactions": [{"item": "item-1"}, {"item": "item-2"}]});
        let reply = place.post("/api/v1/interactions/add", &place.admin, &body);
        assert!(reply.status.is_success(), "{}", reply.json());
        if (0..6).any(waits) {
            break;
        }
    }
    let silent: Vec<u32> = (0..6).filter(|shard| waits(*shard)).collect();
    let state = text(&place.dir);
    let ask = json!({"items": ["item-1", "item-5"], "top": 1000});
    let served = place.post(ASK, "", &ask);
    let shards: Vec<u64> =
        served.json()["shards"].as_array().unwrap().iter().map(|shard| shard[0].as_u64().unwrap()).collect();
    assert!(!shards.is_empty() && !silent.iter().any(|shard| shards.contains(&u64::from(*shard))), "{shards:?}");
    let printed = command(&["recommend", "--items", "item-1,item-5", "--state", state, "--top", "1000", "--json"], &[]);
    assert_eq!(printed["shards"], json!(shards));
    let printed: Vec<(String, u32)> = printed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["item_id"].as_str().unwrap().to_owned(), (item["score"].as_f64().unwrap() as f32).to_bits()))
        .collect();
    assert_eq!(printed, listed(&served));
    let (code, _, err) = run(&["recommend", "--items", "item-1", "--state", state], &[]);
    let said = format!("shards that wait to be trained had no say: {}", silent[0]);
    assert!(code == Some(0) && err.contains(&said), "{err}");
    // Lists of similar items use the same shards.
    let similar = command(&["similar", "--item", "item-1", "--state", state, "--top", "1000", "--json"], &[]);
    let similar: Vec<&str> =
        similar["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(similar, names(&place.get("/api/v1/similar?item=item-1&top=1000", "")));
    let out = place.dir.with_file_name("lists.csv");
    command(&["recommend", "--all", "--out", text(&out), "--state", state, "--json"], &[]);
    assert!(std::fs::read_to_string(&out).unwrap().contains("user-1,"));
}

/// Backups contain hidden items and items that are down. Hidden items stay
/// hidden when the data are replaced.
#[test]
fn hidden_items_outlive_backups_and_replacements() {
    let kept = tempfile::tempdir().unwrap();
    let at = |name: &str| kept.path().join(name).to_str().unwrap().to_owned();
    let (data, state, backup, restored) = (at("events.csv"), at("run"), at("backup"), at("restored"));
    let mut lines = "user,item,time\n".to_owned();
    for n in 0..60 {
        lines += &format!("reader-{},book-{},{}\n", n % 10, (n * 7 + n / 10) % 13, 1_600_000_000 + n);
    }
    std::fs::write(&data, &lines).unwrap();
    let import = ["import", "--data", &data, "--state", &state, "--holdout", "none", "--seed", "5"];
    command(&import, &[]);
    command(&["items", "hide", "--state", &state, "book-3", "book-4"], &[]);
    command(&["forget", "--state", &state, "--item", "book-5", "--later", "-q"], &[]);
    command(&["backup", "--state", &state, "--to", &backup], &[]);
    command(&["restore", "--backup", &backup, "--state", &restored, "--tombstones", &state], &[]);
    let down = |state: &str| {
        let info = command(&["info", "--state", state, "--json"], &[]);
        (info["items_hidden"].clone(), info["items_down"].clone())
    };
    assert_eq!(down(&restored), (json!(["book-3", "book-4"]), json!(["book-5"])));
    let popular = command(&["popular", "--state", &restored, "--top", "100", "--json"], &[]);
    let items: Vec<&str> =
        popular["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(items.len(), 10, "{items:?}");

    command(&[&import[..], &["--replace"]].concat(), &[]);
    assert_eq!(down(&state).0, json!(["book-3", "book-4"]));
    std::fs::write(&data, lines.replace("book-3,", "other,")).unwrap();
    command(&[&import[..], &["--replace"]].concat(), &[]);
    std::fs::write(&data, &lines).unwrap();
    command(&[&import[..], &["--replace"]].concat(), &[]);
    assert_eq!(down(&state).0, json!(["book-3", "book-4"]), "an item that was away meanwhile is still hidden");
}

/// A service with other records of the same users and items.
fn place_of(recipe: &Recipe, dir: &std::path::Path, records: Vec<Interaction>) -> Place {
    let imported = Imported { catalog: recipe.catalog().unwrap(), records, report: ImportReport::default() };
    let deployment = Deployment::create(dir, &imported, &recipe.config(), false).unwrap();
    let shards: Vec<u32> = (0..recipe.shards).collect();
    train_shards(&deployment, &shards, &cpu(), 1, &Progress::new(true), false).unwrap();
    drop(deployment);
    Place::open(dir, quick(), &open()).unwrap()
}

/// Similar items follow from the models: after a deletion they equal, to the
/// bit, those of a system without the record. Some deletions do change them.
#[test]
fn similar_items_forget_exactly() {
    for model in [ModelKind::Episodes, ModelKind::Kernel, ModelKind::Ease, ModelKind::TwoTower] {
        let recipe = Recipe { users: 12, ..recipe(model) };
        let kept = tempfile::tempdir().unwrap();
        let place = place_of(&recipe, &kept.path().join("one"), recipe.records());
        let all = |place: &Place| -> Vec<Vec<(String, u32)>> {
            let path = |item: u32| format!("/api/v1/similar?item=item-{item}&top=1000");
            (0..recipe.items).map(|item| listed(&place.get(&path(item), ""))).collect()
        };
        let before = all(&place);
        for (item, list) in before.iter().enumerate() {
            assert_eq!(list.len(), recipe.items as usize - 1, "every other item");
            assert!(!list.iter().any(|(other, _)| *other == format!("item-{item}")), "an item is like itself");
            let scores: Vec<f32> = list.iter().map(|(_, bits)| f32::from_bits(*bits)).collect();
            assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
            if model != ModelKind::Ease {
                assert!(scores.iter().all(|score| (-1.0001..=1.0001).contains(score)), "{scores:?}");
            }
        }
        // A user with several records is deleted with all of them.
        let gone: Vec<Interaction> = recipe.records().into_iter().filter(|r| r.user == 3).collect();
        let reply = place.post("/api/v1/interactions/delete", &place.admin, &json!({"user": "user-3", "all": true}));
        place.wait_done(reply.json()["id"].as_str().unwrap()).unwrap();
        let after = all(&place);
        assert_ne!(before, after, "{model:?}: the records left no trace to begin with");
        let left = recipe.records().into_iter().filter(|r| !gone.contains(r)).collect();
        let twin = place_of(&recipe, &kept.path().join("twin"), left);
        assert_eq!(after, all(&twin), "{model:?}");
    }
}

#[test]
fn similar_items_by_the_definition() {
    let place = Place::new(&recipe(ModelKind::Kernel)).unwrap();
    let deployment = Deployment::open(&place.dir, eemu_server::store::Access::Read).unwrap();
    let mut mean = [0.0f64; 16];
    let voices: Vec<u32> = (0..3).filter(|shard| deployment.dataset.has_voice(*shard)).collect();
    for shard in &voices {
        let tensors = deployment.tensors(*shard, &cpu()).unwrap();
        let (shape, vectors) = &tensors["kernel.vectors"];
        let row = |item: usize| &vectors[item * shape[1]..][..shape[1]];
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        for (other, mean) in mean.iter_mut().enumerate() {
            let lengths = (dot(row(4), row(4)) * dot(row(other), row(other))).sqrt();
            *mean += if lengths > 0.0 { dot(row(4), row(other)) / lengths / voices.len() as f64 } else { 0.0 };
        }
    }
    let list = listed(&place.get("/api/v1/similar?item=item-4&top=1000", ""));
    assert!(list.iter().any(|(_, score)| f32::from_bits(*score) != 0.0));
    for (item, score) in list {
        let item: usize = item.strip_prefix("item-").unwrap().parse().unwrap();
        assert!((mean[item] - f64::from(f32::from_bits(score))).abs() < 1e-5, "item-{item}");
    }
    assert_eq!(place.get("/api/v1/similar?item=nothing", "").status, 404);
    for bad in ["", "?item=item-4&top=0", "?item=item-4&top=x", "?item=item-4&nonsense=1", "?item=item-4&category=x"] {
        assert_eq!(place.get(&format!("/api/v1/similar{bad}"), "").status, 400, "{bad}");
    }
    let drama = names(&place.get("/api/v1/similar?item=item-4&category=group%3Dv1&exclude=item-0&top=1000", ""));
    let mut group = of_category(&place, "group", "v1");
    group.remove("item-0");
    group.remove("item-4");
    assert_eq!(drama.into_iter().collect::<BTreeSet<_>>(), group);
}

/// Items without records are newer than all others, the last of the catalogue
/// first.
#[test]
fn new_items_begin_with_those_that_nobody_has() {
    let recipe = Recipe { users: 12, items: 60, ..recipe(ModelKind::Kernel) };
    let place = Place::with(&recipe, patient(), &open()).unwrap();
    let had: BTreeSet<u32> = recipe.records().iter().map(|record| record.item).collect();
    let nobodys: Vec<String> = (0..60).rev().filter(|item| !had.contains(item)).map(|n| format!("item-{n}")).collect();
    assert!(nobodys.len() > 2, "{had:?}");
    let new = place.get("/api/v1/new?top=1000", &place.operator);
    let listed = names(&new);
    assert_eq!((listed.len(), &listed[..nobodys.len()]), (60, &nobodys[..]));
    let dated = |item: &Value| item.get("since").is_some_and(Value::is_number);
    assert_eq!(new.json()["items"].as_array().unwrap().iter().position(dated), Some(nobodys.len()));
    let printed = command(&["new", "--state", text(&place.dir), "--top", "1000", "--json"], &[]);
    let printed: Vec<&str> =
        printed["items"].as_array().unwrap().iter().map(|item| item["item_id"].as_str().unwrap()).collect();
    assert_eq!(printed, listed);
    // The first record makes an item an ordinary one.
    let body = json!({"user": "user-1", "interactions": [{"item": nobodys[0], "timestamp": 5.0}]});
    assert_eq!(place.post("/api/v1/interactions/add", &place.admin, &body).json()["added"], 1);
    assert_eq!(names(&place.get("/api/v1/new?top=1000", &place.operator))[0], nobodys[1]);
}

/// Counts follow the current records: a deletion changes them before it is
/// acknowledged, while nothing is retrained.
#[test]
fn popular_and_new_items_follow_the_records_at_once() {
    let recipe = Recipe { users: 100, ..recipe(ModelKind::Kernel) };
    let place = Place::with(&recipe, patient(), &open()).unwrap();
    let mut records = recipe.records();
    // An item of so many users that its 32 times in memory, the most that are
    // kept, run out.
    let most = |item: &u32| records.iter().filter(|record| record.item == *item).count();
    let item = (0..recipe.items).max_by_key(most).unwrap();
    assert!(most(&item) > 36);
    for round in 0.. {
        let mut people: BTreeMap<u32, u32> = BTreeMap::new();
        let mut since: BTreeMap<u32, f64> = BTreeMap::new();
        for record in &records {
            *people.entry(record.item).or_default() += 1;
            let (first, time) = (since.entry(record.item).or_insert(f64::INFINITY), record.timestamp.unwrap());
            *first = first.min(time);
        }
        let popular = place.get("/api/v1/popular?top=1000", &place.operator).json();
        assert_eq!(popular["exact"], true);
        let found: BTreeMap<u32, u32> = popular["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let name = item["item"].as_str().unwrap().strip_prefix("item-").unwrap();
                (name.parse().unwrap(), item["people"].as_u64().unwrap() as u32)
            })
            .collect();
        assert_eq!(found, people, "round {round}");
        let counts: Vec<u64> =
            popular["items"].as_array().unwrap().iter().map(|item| item["people"].as_u64().unwrap()).collect();
        assert!(counts.windows(2).all(|pair| pair[0] >= pair[1]));
        let mut dated: Vec<(u32, f64)> = since.into_iter().collect();
        dated.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        // Items without records are newer than all others.
        let nobodys = (0..recipe.catalog().unwrap().items.len() as u32).rev().filter(|item| !people.contains_key(item));
        let expected: Vec<(u32, Option<f64>)> =
            nobodys.map(|item| (item, None)).chain(dated.into_iter().map(|(item, time)| (item, Some(time)))).collect();
        let new = place.get("/api/v1/new?top=1000", &place.admin).json();
        let found: Vec<(u32, Option<f64>)> = new["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let name = item["item"].as_str().unwrap().strip_prefix("item-").unwrap();
                (name.parse().unwrap(), item["since"].as_f64())
            })
            .collect();
        assert_eq!(found, expected, "round {round}");
        // Other callers get the published classes, without counts.
        let public = place.get("/api/v1/popular?top=1000", "").json();
        assert_eq!((&public["exact"], public["items"][0].get("people")), (&json!(false), None));
        if round == 36 {
            break;
        }
        // The record with the earliest time of its item is deleted next.
        let own = records.iter().filter(|record| record.item == item);
        let gone = *own.min_by(|a, b| a.timestamp.unwrap().total_cmp(&b.timestamp.unwrap())).unwrap();
        let ask = delete_items(&format!("user-{}", gone.user), &[&format!("item-{}", gone.item)]);
        assert_eq!(place.post("/api/v1/interactions/delete", &place.admin, &ask).status, 202);
        records.retain(|record| *record != gone);
    }
    let subject = place.subject(1).unwrap();
    assert_eq!(place.get("/api/v1/popular", &subject).json()["exact"], false);
    assert_eq!(
        (place.get("/api/v1/new", "").status.as_u16(), place.get("/api/v1/new", &subject).status.as_u16()),
        (401, 403)
    );
    assert_eq!(place.get("/api/v1/popular?item=item-1", "").status, 400);
    let popular = names(&place.get("/api/v1/popular?category=group%3Dv1&top=1000", &place.operator));
    let group = of_category(&place, "group", "v1");
    assert!(!popular.is_empty() && popular.iter().all(|item| group.contains(item)));
}
