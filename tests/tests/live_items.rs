//! New items in an existing state: they are in lists at once, and after the
//! next training the state equals one that always had them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use eemu_core::client::{client_model, read_client_file};
use eemu_core::data::{
    Catalog, Entities, FeatureValue, ImportReport, Imported, Interaction, ItemOutcome, ItemRow, UNKNOWN, Values,
};
use eemu_core::dataset::History;
use eemu_core::learned_state::LearnedState;
use eemu_core::model::{ModelKind, from_safetensors};
use eemu_core::receipt::Entry;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::rules::Rules;
use eemu_core::shard::ShardBy;
use eemu_core::shard_model::ShardModel;
use eemu_server::deployment::Deployment;
use eemu_server::forgetting::{Request, forget, verify};
use eemu_server::progress::Progress;
use eemu_server::serve::http::HttpOptions;
use eemu_server::store::{Access, StoreError};
use eemu_server::training::train_shards;
use eemu_tests::command::{done, run, text};
use eemu_tests::service::{PATIENCE, Place, quick};
use eemu_tests::worlds::{Recipe, Times, cpu, differences};
use serde_json::{Value, json};

const KNOWN: u32 = 15;
const ALL: u32 = 18;

fn recipe(model: ModelKind) -> Recipe {
    let by = if model.is_of_items() { ShardBy::Person } else { ShardBy::Record };
    Recipe { seed: 12, users: 9, items: ALL, model, by, times: Times::Spread, ..Recipe::default() }
}

/// The catalogue with only its first items.
fn first_items(catalog: &Catalog) -> Catalog {
    let rows: Vec<u32> = (0..KNOWN).collect();
    Catalog { items: catalog.items.only(&rows), ..catalog.clone() }
}

/// An item of a catalogue in the format of a request.
fn given(items: &Entities, item: u32) -> ItemRow {
    let mut features = BTreeMap::new();
    for column in items.columns.iter() {
        let row = item as usize;
        let value = match &column.values {
            Values::Token { rows, .. } if rows[row] == UNKNOWN => continue,
            Values::Token { vocabulary, rows } => FeatureValue::Text(vocabulary[rows[row] as usize].clone()),
            Values::TokenSeq { vocabulary, rows } => {
                FeatureValue::Texts(rows[row].iter().map(|&token| vocabulary[token as usize].clone()).collect())
            }
            Values::Dense { width, rows } => FeatureValue::Numbers(rows[row * width..(row + 1) * width].to_vec()),
            Values::Buckets { .. } => panic!("buckets are of people"),
        };
        features.insert(column.name.clone(), value);
    }
    ItemRow { item: items.ids[item as usize].clone(), name: None, features }
}

fn made(dir: &std::path::Path, recipe: &Recipe, catalog: Catalog, records: Vec<Interaction>) -> Deployment {
    let imported = Imported { catalog, records, report: ImportReport::default() };
    Deployment::create(dir, &imported, &recipe.config(), false).unwrap()
}

fn train(deployment: &Deployment) {
    train_shards(deployment, &[0, 1, 2], &cpu(), 1, &Progress::new(true), false).unwrap();
}

fn learned(deployment: &Deployment) -> LearnedState {
    let tensors = (0..3).map(|shard| deployment.tensors(shard, &cpu()).unwrap()).collect();
    LearnedState::new(&deployment.dataset, tensors)
}

/// All items that a user does not have, the best first.
fn list(deployment: &Deployment, user: u32) -> Vec<u32> {
    let models = deployment.answering(&cpu()).unwrap();
    let models: Vec<(usize, &ShardModel)> = models.iter().map(|(shard, model)| (*shard as usize, model)).collect();
    let dataset = &deployment.dataset;
    let person = dataset.person(user, History::All);
    let key = dataset.key.derived("adaptation of clients");
    let ranker = pollster::block_on(Ranker::new(&models, &key, &dataset.degrees, &dataset.config.adapt)).unwrap();
    let scored = pollster::block_on(ranker.scores(std::slice::from_ref(&person), 0, false)).unwrap().remove(0);
    let filter = Rules::default().filter(&dataset.catalog, &dataset.down).unwrap();
    let ranked = top_k(&scored.mean, &filter.masked(person.history.items()), ALL as usize);
    ranked.into_iter().map(|ranked| ranked.item).collect()
}

#[test]
fn items_that_come_later_are_as_if_they_had_always_been_there() {
    for model in [ModelKind::Episodes, ModelKind::Kernel, ModelKind::Ease, ModelKind::TwoTower, ModelKind::DeepFm] {
        let kept = tempfile::tempdir().unwrap();
        let recipe = recipe(model);
        let full = recipe.catalog().unwrap();
        let records: Vec<Interaction> = recipe.records().into_iter().filter(|r| r.item < KNOWN).collect();
        let mut later = made(&kept.path().join("later"), &recipe, first_items(&full), records.clone());
        train(&later);
        let without = learned(&later);
        let before = list(&later, 1);

        // The new items are in every user's list at once, and the order of the
        // other items stays.
        let items: Vec<ItemRow> = (KNOWN..ALL).map(|item| given(&full.items, item)).collect();
        let came = later.add_items(&items).unwrap();
        assert!(came.iter().all(|c| matches!(c, ItemOutcome::Added { unknown, .. } if unknown.is_empty())), "{came:?}");
        assert_eq!(later.dataset.catalog.version, 2);
        assert_eq!(
            later.dataset.catalog.items, full.items,
            "{model:?}: another catalogue than with all from the start"
        );
        let after = list(&later, 1);
        assert_eq!(after.len(), before.len() + 3, "{model:?}");
        let old: Vec<u32> = after.iter().copied().filter(|item| *item < KNOWN).collect();
        // A low-rank model adapts with negatives drawn from the whole
        // catalogue, so its order may change.
        assert!(old == before || !model.is_of_items(), "{model:?}: the order of the others moved: {old:?}");
        assert!(later.shards.iter().all(|shard| shard.stale && shard.live.is_some()));
        assert!(!verify(&later, &cpu(), 1, &Progress::new(true)).unwrap().not_comparable.is_empty());
        assert_eq!(later.add_items(&items).unwrap().len(), 3);
        assert_eq!(later.dataset.catalog.version, 2, "the same again is nothing");

        // After training, the models equal those of a state that always had the
        // items.
        train(&later);
        later.refresh().unwrap();
        let verdict = verify(&later, &cpu(), 1, &Progress::new(true)).unwrap();
        assert!(verdict.differences.is_empty() && verdict.not_comparable.is_empty(), "{model:?}: {verdict:?}");
        let start = made(&kept.path().join("start"), &recipe, full.clone(), records);
        train(&start);
        let found = differences(&learned(&later), &learned(&start)).unwrap();
        assert!(found.is_empty(), "{model:?}: {found:?}");
        assert!(!differences(&learned(&later), &without).unwrap().is_empty(), "{model:?}: nothing was trained");

        // A deletion names the catalogue version that its shards were trained
        // with.
        let user = later.dataset.interactions.iter().next().unwrap().user;
        let item = later.dataset.interactions.of(user)[0].item;
        let request = Request { records: vec![(user, item)], ..Request::default() };
        forget(&mut later, &request, &cpu(), 1, &Progress::new(true)).unwrap();
        let last = later.state.receipts().unwrap().pop().unwrap();
        let Entry::Deletion(receipt) = Entry::from_line(&last.json).unwrap() else { panic!("no receipt") };
        assert!(receipt.shards.iter().all(|shard| shard.catalog_version == Some(2)), "{:?}", receipt.shards);

        // The catalogue on disk equals the one in memory.
        let dir = kept.path().join("later");
        let catalog = later.dataset.catalog.clone();
        drop(later);
        assert_eq!(Deployment::open(&dir, Access::Read).unwrap().dataset.catalog, catalog);
    }
}

/// A training that began before the items were added is not published as if it
/// had used them.
#[test]
fn a_training_that_items_overtook_is_worthless() {
    let kept = tempfile::tempdir().unwrap();
    let recipe = recipe(ModelKind::Kernel);
    let full = recipe.catalog().unwrap();
    let records: Vec<Interaction> = recipe.records().into_iter().filter(|r| r.item < KNOWN).collect();
    let mut deployment = made(&kept.path().join("run"), &recipe, first_items(&full), records);
    let before = deployment.ticket(0).unwrap();
    deployment.add_items(&[given(&full.items, KNOWN)]).unwrap();
    let outdated = deployment.state.save_checkpoint(before, &[0; 32], b"");
    assert!(matches!(outdated, Err(StoreError::Outdated { shard: 0 })), "{outdated:?}");
    train(&deployment);
    assert_eq!(deployment.state.live(0).unwrap().unwrap().catalog, Some(2));
}

/// A trainer that has only the records of its shard gives the same bytes.
#[test]
fn a_trainer_reads_its_shard_alone() {
    for model in [ModelKind::Episodes, ModelKind::TwoTower] {
        let kept = tempfile::tempdir().unwrap();
        let recipe = recipe(model);
        let dir = kept.path().join("run");
        let whole = made(&dir, &recipe, recipe.catalog().unwrap(), recipe.records());
        let dataset = whole.dataset.clone();
        drop(whole);
        let away = Deployment::open_away(&dir, Access::Write).unwrap();
        assert_eq!(away.dataset.interactions.iter().count(), 0);
        assert_eq!(away.dataset.interactions.len(), dataset.interactions.len());
        assert_eq!(
            (&away.dataset.degrees, &away.dataset.sizes, &away.dataset.people),
            (&dataset.degrees, &dataset.sizes, &dataset.people)
        );
        let mut others = 0;
        for (shard, data) in (0..).zip(dataset.shards()) {
            let own = away.shard_at_hand(shard).unwrap();
            assert_eq!(own.shard(shard).unwrap(), data);
            others += dataset.interactions.len() - own.interactions.iter().count();
        }
        assert_eq!(others > 0, model.is_of_items(), "shards of people read no other people");
        train(&away);
        drop(away);
        let trained = Deployment::open(&dir, Access::Read).unwrap();
        let verdict = verify(&trained, &cpu(), 1, &Progress::new(true)).unwrap();
        assert!(verdict.differences.is_empty() && verdict.not_comparable.is_empty(), "{model:?}: {verdict:?}");
    }
}

/// The command adds the valid items, names each invalid line, and adds nothing
/// twice.
#[test]
fn the_command_adds_items_from_tables() {
    let kept = tempfile::tempdir().unwrap();
    let write = |name: &str, body: &str| {
        let path = kept.path().join(name);
        std::fs::write(&path, body).unwrap();
        path
    };
    let rows: String = (0..60).map(|n| format!("p{},i{},{}\n", n % 8, n % 11, 1_600_000_000 + n)).collect();
    let data = write("a.csv", &format!("user,item,time\n{rows}"));
    let rows: String = (0..11).map(|n| format!("i{n},Thing {n},kind{}\n", n % 3)).collect();
    let items = write("items.csv", &format!("item_id,name,category\n{rows}"));
    let state = kept.path().join("run");
    let state = ["--state", text(&state)];
    let ready = |args: &[&str]| done(&[args, &state[..]].concat(), &[]);
    let import = ["import", "--data", text(&data), "--items", text(&items), "--seed", "5", "--holdout", "none"];
    ready(&import);
    ready(&["train", "-q", "--shards", "2", "--set", "train.epochs=1", "--set", "episodes.width=4"]);
    assert_eq!(ready(&["info", "--json"])["item_features"], serde_json::json!(["name", "category"]));

    let new =
        "sku,name,category,colour\nnew1,Thing new,kind1|odd,red\n,Nobody,kind1,red\ni3,Other,kind0,red\nnew2,,,\n";
    let new = write("new.csv", new);
    let add = |file: &std::path::Path| run(&[&["items", "add", "--json", text(file)][..], &state].concat(), &[]);
    let (code, out, said) = add(&new);
    assert_eq!(code, Some(3), "{said}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    let wanted = serde_json::json!({
        "added": 2, "known": 1, "refused": 1, "catalog_version": 2, "columns_passed_over": ["colour"],
    });
    assert_eq!(told, wanted);
    assert!(said.contains("line 3") && said.contains("blank"), "{said}");
    assert!(said.contains("line 2: item 'new1' is in; not known and left out: name: new, category: odd"), "{said}");
    // JSON Lines in the format of the API; existing items stay unchanged.
    let json =
        "{\"item\": \"new1\", \"features\": {\"category\": [\"kind0\"]}}\n{\"item\": \"new3\", \"name\": \"X\"}\n";
    let (code, out, said) = add(&write("more.jsonl", json));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        out.contains("\"added\":1") && out.contains("\"known\":1") && out.contains("\"catalog_version\":3"),
        "{out}"
    );
    let (code, _, said) = add(&write("none.csv", "colour,size\nred,1\n"));
    assert!(code == Some(2) && said.contains("no column identifies the items"), "{said}");

    let list = ready(&["recommend", "--json", "--user", "p1", "--top", "100"]);
    let listed: Vec<&str> = list["items"].as_array().unwrap().iter().filter_map(|i| i["item_id"].as_str()).collect();
    let place = |item: &str| listed.iter().position(|listed| *listed == item);
    assert!(place("new1") < place("new2") && place("new3").is_some(), "without features at the end: {listed:?}");
    ready(&["train", "-q"]);
    let verified = ready(&["verify", "--json"]);
    assert_eq!((&verified["equal"], &verified["catalog_version"]), (&true.into(), &3.into()), "{verified}");

    // Records of many users from JSON Lines, in one transaction.
    let many =
        "{\"user\": \"p1\", \"item\": \"new1\", \"timestamp\": 5}\n\n{\"user\": \"somebody\", \"item\": \"new2\"}\n";
    let many = write("many.jsonl", many);
    let added = ready(&["add", "--json", "--file", text(&many)]);
    assert_eq!((&added["added"], &added["people"]), (&2.into(), &1.into()), "{added}");
    assert_eq!(ready(&["add", "--json", "--file", text(&many)])["added"], 0, "twice is once");
    let bad = write("bad.jsonl", "{\"user\": \"p2\", \"item\": \"new1\"}\n{\"user\": \"p2\"}\n");
    let (code, _, said) = run(&[&["add", "--file", text(&bad)][..], &state].concat(), &[]);
    assert!(code == Some(2) && said.contains("bad.jsonl, line 2") && said.contains("Nothing was added"), "{said}");
}

/// Sends lines unchanged, and returns the answers.
fn post_lines(place: &Place, path: &str, token: &str, lines: &str) -> (u16, Vec<Value>) {
    let request = axum::http::Request::builder().method("POST").uri(path);
    let request = match token {
        "" => request,
        _ => request.header("authorization", format!("Bearer {token}")),
    };
    let request = request.header("content-type", "application/x-ndjson").body(lines.to_owned().into()).unwrap();
    let reply = place.send(request);
    let text = String::from_utf8(reply.bytes).unwrap();
    (reply.status.as_u16(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A state of models without user parameters, sharded by user, with only the
/// first items.
fn served(kept: &tempfile::TempDir) -> (Place, Catalog) {
    let recipe = Recipe { users: 10, ..recipe(ModelKind::Kernel) };
    let mut full = recipe.catalog().unwrap();
    full.users = Entities::new(full.users.ids.iter().cloned().collect(), Vec::new(), Vec::new()).unwrap();
    let records: Vec<Interaction> = recipe.records().into_iter().filter(|r| r.item < KNOWN).collect();
    let dir = kept.path().join("run");
    train(&made(&dir, &recipe, first_items(&full), records));
    (Place::open(&dir, quick(), &HttpOptions { rate: 0, ..HttpOptions::default() }).unwrap(), full)
}

fn statuses(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["status"].as_str().unwrap()).collect()
}

#[test]
fn items_come_beside_a_running_service() {
    let kept = tempfile::tempdir().unwrap();
    let (mut place, full) = served(&kept);
    let line = |item| serde_json::to_string(&given(&full.items, item)).unwrap();
    let lines = [
        line(KNOWN),
        "{\"item\": \"item-1\"}".into(),
        String::new(),
        "nonsense".into(),
        "{\"item\": \" \"}".into(),
        "{\"item\": \"odd\", \"features\": {\"words\": [\"v1\", \"unheard\"]}}".into(),
    ]
    .join("\n");
    assert_eq!(post_lines(&place, "/api/v1/items", "", &lines).0, 401);
    assert_eq!(post_lines(&place, "/api/v1/items", &place.operator, &lines).0, 403);
    let before = place.get("/api/v1/manifest", "").json();
    let (status, answers) = post_lines(&place, "/api/v1/items", &place.admin, &lines);
    assert_eq!(
        (status, statuses(&answers)),
        (200, vec!["added", "known", "refused", "refused", "added"]),
        "{answers:?}"
    );
    assert_eq!((&answers[2]["line"], &answers[4]["unknown"][0]), (&json!(4), &json!("words: unheard")));

    // The item is in every user's list at once, and no answer is degraded.
    let list = place.post("/api/v1/recommendations", &place.admin, &json!({"user": "user-1", "top": 100})).json();
    let listed = |id: &str| list["items"].as_array().unwrap().iter().any(|item| item["item"] == id);
    assert!(listed(&full.items.ids[KNOWN as usize]) && listed("odd") && list["degraded"] == json!(false), "{list}");
    let manifest = place.get("/api/v1/manifest", "").json();
    assert_eq!((&before["catalog_version"], &manifest["catalog_version"]), (&json!(1), &json!(2)));
    assert!(manifest["shards"].as_array().unwrap().iter().all(|shard| shard["in_mean"] == json!(true)));
    // The public files belong to the same version.
    let catalog = place.get("/api/v1/catalog", "");
    assert_eq!(manifest["catalog_blake3"], json!(blake3::hash(&catalog.bytes).to_hex().to_string()));
    let dense = from_safetensors(&place.get("/api/v1/catalog/dense", "").bytes).unwrap();
    let dense = dense.into_iter().map(|(name, (_, values))| (name, values)).collect();
    let catalog = Catalog::from_json(&String::from_utf8(catalog.bytes).unwrap(), &dense).unwrap();
    assert_eq!(catalog.items.len() as u32, KNOWN + 2);
    let config = place.service.view().dataset.config.clone();
    for shard in manifest["shards"].as_array().unwrap() {
        for file in shard["files"].as_array().unwrap() {
            let bytes = place.get(file["address"].as_str().unwrap(), "").bytes;
            let tensors = read_client_file(&bytes).unwrap();
            client_model(&catalog, &config, 0, tensors, &[], &cpu()).unwrap();
        }
    }
    assert_eq!(statuses(&post_lines(&place, "/api/v1/items", &place.admin, &line(KNOWN)).1), ["known"]);

    // The item is used in training like every other.
    let one = json!({"user": "user-1", "item": "odd", "timestamp": 4.0}).to_string();
    assert_eq!(statuses(&post_lines(&place, "/api/v1/interactions/bulk", &place.admin, &one).1), ["added"]);
    let gone = json!({"user": "user-2", "all": true});
    let id = place.post("/api/v1/interactions/delete", &place.admin, &gone).json()["id"].clone();
    let done = place.wait_done(id.as_str().unwrap()).unwrap();
    assert!(place.post("/api/v1/retrain", &place.operator, &json!({})).status.is_success());
    let start = std::time::Instant::now();
    while place.get("/api/v1/manifest", "").json()["shards"].as_array().unwrap().iter().any(|s| s["stale"] == true) {
        assert!(start.elapsed() < PATIENCE, "never trained");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let receipt = place.get(&format!("/api/v1/unlearning/{}/receipt", done["id"].as_str().unwrap()), &place.admin);
    let entry: Value = serde_json::from_str(receipt.json()["entry"].as_str().unwrap()).unwrap();
    assert!(entry.to_string().contains("\"catalog_version\":2"), "{entry}");
    place.stop();
    drop(place);
    let after = Deployment::open(&kept.path().join("run"), Access::Read).unwrap();
    assert_eq!(after.dataset.catalog.version, 2);
    let verdict = verify(&after, &cpu(), 1, &Progress::new(true)).unwrap();
    assert!(verdict.differences.is_empty() && verdict.not_comparable.is_empty(), "{verdict:?}");
}

#[test]
fn many_records_come_in_one_request() {
    let kept = tempfile::tempdir().unwrap();
    let (mut place, _) = served(&kept);
    let before = place.service.view().dataset.interactions.len();
    let line = |user: &str, item: &str| json!({"user": user, "item": item, "timestamp": 9.5}).to_string();
    let lines = [
        line("somebody", "item-1"),
        line("somebody", "item-2"),
        line("somebody", "item-1"),
        line("another", "item-3"),
        line("another", "nothing"),
        line(" ", "item-3"),
        "{\"user\": \"x\"}".into(),
        line("user-3", "item-1"),
        line("user-3", "item-2"),
    ];
    let body = lines.join("\n");
    for (token, status) in [("", 401), (place.operator.as_str(), 403)] {
        assert_eq!(post_lines(&place, "/api/v1/interactions/bulk", token, &body).0, status);
    }
    let (status, answers) = post_lines(&place, "/api/v1/interactions/bulk", &place.admin, &body);
    let told = statuses(&answers);
    assert_eq!((status, &told[..7]), (200, &["added", "added", "known", "added", "refused", "refused", "refused"][..]));
    let added = told.iter().filter(|status| **status == "added").count();
    assert_eq!(place.service.view().dataset.interactions.len(), before + added);
    let (_, again) = post_lines(&place, "/api/v1/interactions/bulk", &place.admin, &body);
    assert!(!statuses(&again).contains(&"added"), "the same again is nothing: {again:?}");
    assert_eq!(place.service.view().dataset.interactions.len(), before + added);
    let list = place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "somebody"})).json();
    assert_eq!(list["interactions"].as_array().unwrap().len(), 2);
    assert_eq!(list["interactions"][0]["timestamp"], json!(9.5));
    // A request with too many lines is refused whole.
    let many = "{\"user\": \"z\", \"item\": \"item-1\"}\n".repeat(100_001);
    assert_eq!(post_lines(&place, "/api/v1/interactions/bulk", &place.admin, &many).0, 400);
    assert!(place.service.view().dataset.catalog.users.find("z").is_none());
    // The state in memory equals the one on disk.
    let dataset = place.service.view().dataset.clone();
    assert_eq!(dataset.interactions.iter().count(), 0, "the service keeps no copy of the records");
    place.stop();
    drop(place);
    let after = Deployment::open(&kept.path().join("run"), Access::Read).unwrap().dataset;
    assert_eq!((&after.catalog, after.interactions.len()), (&dataset.catalog, dataset.interactions.len()));
    assert_eq!(
        (&after.degrees, &after.sizes, &after.people),
        (&dataset.degrees, &dataset.sizes, &dataset.people),
        "kept up step by step, or derived"
    );
}
