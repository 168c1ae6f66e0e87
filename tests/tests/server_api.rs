//! The published parts of the API: manifest, catalogue, model files, a user's
//! own rows. A browser must build from them the same model as the server.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use axum::body::Body;
use axum::http::Request;
use eemu_core::adapt::UserHistory;
use eemu_core::api::{Manifest, OwnRows, Recommendations};
use eemu_core::client::{class_degree, client_model, client_person, read_client_file};
use eemu_core::data::Catalog;
use eemu_core::random::Key;
use eemu_core::recommend::{Ranker, top_k};
use eemu_core::shard_model::ShardModel;
use eemu_tests::service::{Place, Reply};
use eemu_tests::worlds::{Recipe, cpu};
use serde_json::{Value, json};

fn manifest(place: &Place) -> Manifest {
    serde_json::from_slice(&place.get("/api/v1/manifest", "").bytes).unwrap()
}

/// The catalogue as a browser reads it.
fn catalog(place: &Place, manifest: &Manifest) -> Catalog {
    let json = place.get("/api/v1/catalog", "").bytes;
    assert_eq!(blake3::hash(&json).to_hex().as_str(), manifest.catalog_blake3);
    let dense = place.get("/api/v1/catalog/dense", "").bytes;
    assert_eq!(blake3::hash(&dense).to_hex().as_str(), manifest.dense_blake3);
    let dense: HashMap<String, Vec<f32>> =
        read_client_file(&dense).unwrap().into_iter().map(|(name, (_, values))| (name, values)).collect();
    Catalog::from_json(std::str::from_utf8(&json).unwrap(), &dense).unwrap()
}

/// The browser's models: for a visitor, or for a user with own rows.
fn models(
    place: &Place,
    manifest: &Manifest,
    catalog: &Catalog,
    own: Option<&OwnRows>,
    file: usize,
) -> Vec<ShardModel> {
    let models = manifest.shards.iter().map(|shard| {
        let file = &shard.files[file];
        let bytes = place.get(&file.address, "").bytes;
        assert_eq!((bytes.len() as u64, blake3::hash(&bytes).to_hex().as_str()), (file.bytes, file.blake3.as_str()));
        let rows: Vec<Vec<f32>> = own.iter().map(|own| own.rows[shard.shard as usize].row.clone()).collect();
        let tensors = read_client_file(&bytes).unwrap();
        client_model(catalog, &manifest.config, shard.shard, tensors, &rows, &cpu()).unwrap()
    });
    models.collect()
}

fn rank(
    manifest: &Manifest,
    catalog: &Catalog,
    models: &[ShardModel],
    id: Option<&str>,
    known: &[bool],
    history: Vec<(u32, Option<f64>)>,
) -> Vec<(String, f32)> {
    let key: [u8; 32] = hex::decode(&manifest.adaptation_key).unwrap().try_into().unwrap();
    let degrees: Vec<u32> = manifest.degree_classes.iter().map(|&class| class_degree(class)).collect();
    let models: Vec<(usize, &ShardModel)> = models.iter().enumerate().collect();
    let key = Key::from_bytes(key);
    let ranker = pollster::block_on(Ranker::new(&models, &key, &degrees, &manifest.config.adapt)).unwrap();
    let person = client_person(&manifest.config, id, known, UserHistory::new(history));
    let scored = pollster::block_on(ranker.scores(std::slice::from_ref(&person), 0, false)).unwrap().pop().unwrap();
    let ranked = top_k(&scored.mean, person.history.items(), 5);
    ranked.into_iter().map(|r| (catalog.items.ids[r.item as usize].clone(), r.score)).collect()
}

fn answered(reply: &Reply) -> Vec<(String, f32)> {
    let answer: Recommendations = serde_json::from_slice(&reply.bytes).unwrap();
    assert!(!answer.degraded && answer.shards.len() == 3);
    answer.items.into_iter().map(|r| (r.item, r.score)).collect()
}

/// A browser with the public files and its own user's rows computes the
/// server's scores, bit for bit, also for visitors.
#[test]
fn a_browser_computes_what_the_server_computes() {
    let place = Place::new(&Recipe::default()).unwrap();
    let manifest = manifest(&place);
    let public = catalog(&place, &manifest);
    assert_eq!(public.users.len(), 0, "the public catalogue names nobody");
    assert_eq!(manifest.config.train.seed, 0, "the seed is not published");

    let picks = json!({"items": ["item-3", "item-5"], "top": 5});
    let here = answered(&place.post("/api/v1/recommendations", "", &picks));
    let visitor = models(&place, &manifest, &public, None, 0);
    let find = |id: &str| public.items.find(id).unwrap();
    let picked = vec![(find("item-3"), None), (find("item-5"), None)];
    let there = rank(&manifest, &public, &visitor, None, &[false; 3], picked.clone());
    assert_eq!(here, there);

    // Half precision changes scores a little.
    let half = models(&place, &manifest, &public, None, 1);
    let there = rank(&manifest, &public, &half, None, &[false; 3], picked.clone());
    for ((_, a), (_, b)) in here.iter().zip(&there) {
        assert!((a - b).abs() < 0.02 * a.abs().max(1.0), "{a} {b}");
    }

    for user in 0..8 {
        let token = place.subject(user).unwrap();
        let own: OwnRows = serde_json::from_slice(&place.post("/api/v1/rows", &token, &json!({})).bytes).unwrap();
        let list = place.post("/api/v1/interactions/list", &token, &json!({})).json();
        let records = list["interactions"].as_array().unwrap().iter();
        let history = records.map(|r| (find(r["item"].as_str().unwrap()), r["timestamp"].as_f64())).collect();
        let mut catalog = public.clone();
        catalog.users = own.users.clone();
        catalog.users.set_dense(own.dense.clone()).unwrap();
        assert!(catalog.users.ids.iter().eq([&format!("user-{user}")]));
        let models = models(&place, &manifest, &catalog, Some(&own), 0);
        let known: Vec<bool> = own.rows.iter().map(|row| row.known).collect();
        let id = catalog.users.ids[0].clone();
        let there = rank(&manifest, &catalog, &models, Some(&id), &known, history);
        let here = answered(&place.post("/api/v1/recommendations", &token, &json!({"top": 5})));
        assert_eq!(here, there, "user {user}");
    }
}

#[test]
fn a_client_file_holds_nobodys_row() {
    let place = Place::new(&Recipe::default()).unwrap();
    let manifest = manifest(&place);
    for shard in &manifest.shards {
        let file = read_client_file(&place.get(&shard.files[0].address, "").bytes).unwrap();
        // Of the table of users, only the row for unknown users remains.
        assert_eq!(file["user.id.table"].0, [1, 4]);
        let own: Vec<OwnRows> = (0..8)
            .map(|user| {
                let ask = json!({"user": format!("user-{user}")});
                serde_json::from_slice(&place.post("/api/v1/rows", &place.admin, &ask).bytes).unwrap()
            })
            .collect();
        for own in own {
            let row = &own.rows[shard.shard as usize].row;
            let found = file.values().any(|(_, values)| values.windows(row.len()).any(|window| window == row));
            assert!(!found, "a person's row is in shard {}'s public file", shard.shard);
        }
    }
}

#[test]
fn ranges_of_a_model_file_make_the_whole() {
    let place = Place::new(&Recipe::default()).unwrap();
    let file = &manifest(&place).shards[1].files[0];
    let whole = place.get(&file.address, "");
    assert_eq!(whole.headers["cache-control"], "no-store");
    assert_eq!(whole.headers["accept-ranges"], "bytes");
    let ask = |range: &str, other: Option<(&str, &str)>| {
        let mut request = Request::get(&file.address).header("range", range);
        if let Some((name, value)) = other {
            request = request.header(name, value);
        }
        place.send(request.body(Body::empty()).unwrap())
    };
    let (total, mut joined) = (whole.bytes.len(), Vec::new());
    for start in (0..total).step_by(1000) {
        let part = ask(&format!("bytes={start}-{}", start + 999), Some(("accept-encoding", "gzip, br")));
        assert_eq!(part.status, 206);
        let end = (start + 1000).min(total);
        assert_eq!(part.headers["content-range"], format!("bytes {start}-{}/{total}", end - 1));
        joined.extend(part.bytes);
    }
    assert_eq!(joined, whole.bytes);
    assert_eq!(ask("bytes=-5", None).bytes, whole.bytes[total - 5..]);
    assert_eq!(ask(&format!("bytes={}-", total - 7), None).bytes, whole.bytes[total - 7..]);
    let beyond = ask(&format!("bytes={total}-"), None);
    assert_eq!(
        (beyond.status.as_u16(), &beyond.headers["content-range"]),
        (416, &format!("bytes */{total}").parse().unwrap())
    );
    for strange in ["bytes=a-b", "lines=1-2", "bytes=5-2", ""] {
        assert!([200, 400, 416].contains(&ask(strange, None).status.as_u16()), "{strange}");
    }
    // A range of an old version is not mixed with this one.
    assert_eq!(ask("bytes=0-9", Some(("if-range", "\"other\""))).bytes, whole.bytes);
    for nothing in ["0".repeat(64), "..%2f..%2feemu.sqlite".into(), "x".into(), "%00".into()] {
        assert_eq!(place.get(&format!("/api/v1/models/{nothing}"), "").status, 404, "{nothing}");
    }
}

#[test]
fn the_catalogue_comes_in_pages() {
    let place = Place::new(&Recipe::default()).unwrap();
    let mut seen = Vec::new();
    for offset in (0..16).step_by(5) {
        let page = place.get(&format!("/api/v1/catalog/items?offset={offset}&limit=5"), "").json();
        assert_eq!(page["total"], 16);
        seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen, (0..16).map(|n| format!("item-{n}")).collect::<Vec<_>>());
    assert_eq!(place.get("/api/v1/catalog/items?offset=4000000000&limit=9", "").json()["items"], json!([]));
    assert_eq!(place.get("/api/v1/catalog/items?offset=-1", "").status, 400);
    let packed = Request::get("/api/v1/catalog").header("accept-encoding", "br").body(Body::empty()).unwrap();
    let packed = place.send(packed);
    assert_eq!(packed.headers["content-encoding"], "br");
    assert!(packed.bytes.len() < place.get("/api/v1/catalog", "").bytes.len());
}

#[test]
fn a_batch_answers_line_by_line() {
    let place = Place::new(&Recipe::default()).unwrap();
    let mut lines = String::new();
    for user in 0..8 {
        lines += &format!("{{\"user\":\"user-{user}\",\"top\":2}}\n");
    }
    lines += "{\"items\":[\"item-1\"],\"top\":1}\nnonsense\n{\"user\":\"nobody\"}\n{\"top\":1}\n\n{\"items\":[\"item-1\"],\"top\":0}";
    let request =
        Request::post("/api/v1/recommendations/batch").header("authorization", format!("Bearer {}", place.operator));
    let reply = place.send(request.body(Body::from(lines)).unwrap());
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let answers: Vec<Value> =
        String::from_utf8(reply.bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 13);
    for (user, answer) in answers[..8].iter().enumerate() {
        let one =
            place.post("/api/v1/recommendations", &place.admin, &json!({"user": format!("user-{user}"), "top": 2}));
        // Sums over several users are taken in another order.
        let (many, one) = (&answer["items"], &one.json()["items"]);
        for place in 0..2 {
            assert_eq!(many[place]["item"], one[place]["item"], "user {user}");
            let scores = [many, one].map(|list| list[place]["score"].as_f64().unwrap());
            assert!((scores[0] - scores[1]).abs() < 1e-5 * scores[1].abs().max(1.0), "user {user}: {scores:?}");
        }
        assert_eq!(answer["items"].as_array().unwrap().len(), 2);
    }
    assert_eq!(answers[8]["items"].as_array().unwrap().len(), 1);
    let codes: Vec<&str> = answers[9..].iter().map(|a| a["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["bad_request", "not_found", "bad_request", "bad_request"]);
}

/// Every answer has the headers that a browser needs to trust the page.
#[test]
fn security_headers_are_on_every_answer() {
    let place = Place::new(&Recipe::default()).unwrap();
    for path in ["/", "/api/v1/manifest", "/nowhere", "/api/v1/interactions/list", "/docs/", "/healthz"] {
        let reply = place.get(path, "");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
        ] {
            assert_eq!(reply.headers[name], value, "{path}");
        }
        if path.starts_with("/api") {
            assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
        }
    }
    let app = place.get("/api/v1/manifest", "").headers["content-security-policy"].clone();
    assert!(app.to_str().unwrap().contains("'wasm-unsafe-eval'"));
}
