//! Messages that users read when something is wrong: each names the problem,
//! the location and the remedy. The tests go through kinds of messages: the
//! sources, every field of the API, every setting, every number of the command
//! line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use eemu_core::config::Config;
use eemu_server::serve::http::{HttpOptions, openapi};
use eemu_server::set_all;
use eemu_server::store::StoreError;
use eemu_tests::command::{TINY, books, done, refused, run, text};
use eemu_tests::service::{Place, quick};
use eemu_tests::sources;
use eemu_tests::worlds::Recipe;
use serde_json::{Map, Value, json};

/// Verbs with which a remedy begins.
const DO: &str = "add ask build check choose close copy correct create delete download export give import install keep \
                  leave look lower make mend move name open put quote read remove repeat report restore run say save \
                  see send set split start stop take tell train trust try turn unpack upgrade use wait write back";

/// Whether a message says what to do: one of its clauses begins with a verb of
/// the list, or names a command, a flag or an address.
fn tells(message: &str) -> bool {
    let lower = message.to_lowercase();
    let clauses = lower
        .split(['.', ';', ':', ',', '(', '?'])
        .flat_map(|clause| clause.split(" or "))
        .flat_map(|clause| clause.split(" and "));
    let orders = |clause: &str| {
        let words =
            clause.trim_start().trim_start_matches("so ").trim_start_matches("please ").trim_start_matches("now ");
        words.split_whitespace().next().is_some_and(|word| DO.split_whitespace().any(|verb| verb == word))
    };
    clauses.into_iter().any(orders)
        || ["--", "`eemu ", "`cargo ", "must ", "at most", "://", "/docs"].iter().any(|sign| lower.contains(sign))
}

/// Whether a message is free of program notation.
fn readable(message: &str) -> bool {
    !["Error(", "Some(", "None", "Err(", "StoreError", "  "].iter().any(|sign| message.contains(sign))
        && message.len() < 700
}

#[track_caller]
fn good(message: &str) {
    assert!(tells(message), "it does not say what to do: {message}");
    assert!(readable(message), "it is not for people: {message}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The string literals that come first in calls of `marks`.
fn said(source: &str, marks: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for mark in marks {
        for (at, _) in source.match_indices(mark) {
            let rest = source[at + mark.len()..].trim_start();
            let rest = rest.strip_prefix("format!(").unwrap_or(rest).trim_start();
            let Some(literal) = rest.strip_prefix('"') else { continue };
            let (mut words, mut letters) = (String::new(), literal.chars().peekable());
            while let Some(letter) = letters.next() {
                match letter {
                    '"' => break,
                    '\\' if letters.peek() == Some(&'\n') => while letters.next_if(|c| c.is_whitespace()).is_some() {},
                    '\\' => words.extend(letters.next()),
                    other => words.push(other),
                }
            }
            found.push(words);
        }
    }
    found
}

/// Messages to which other code appends the remedy, and where it does so.
const COMPLETED: &[(&str, &str)] = &[
    ("serve/sign_in.rs", "http/problem.rs (unknown_token), or a log line with its cause"),
    ("serve/training_pool.rs", "a log line of the server"),
    ("serve/http/layers.rs", "a log line; the caller reads Failure::internal"),
    ("store/error.rs", "ways out by cause; walked below, variant by variant"),
    ("import/dense.rs", "{hint}"),
    ("unit/sealed.rs", "{way_out}, which unit/input.rs, model.rs and beside.rs give"),
];

/// Every message in the sources of the server.
#[test]
fn every_message_says_what_to_do() {
    let mut messages = 0;
    for file in sources(&root().join("server/src")).unwrap() {
        let place = file.display().to_string().replace('\\', "/");
        if place.contains("/tests/")
            || place.contains("/reproduce")
            || COMPLETED.iter().any(|(end, _)| place.ends_with(end))
        {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        let marks = ["bail!(", "anyhow!(", "Failure::bad(", "Failure::unavailable(", "Failure::missing(", "#[error("];
        for message in said(source, &marks) {
            messages += 1;
            // Messages of impossible states, or of the server's own faults.
            let own =
                ["a change names nobody", "other processes change this state", "the records are removed and stay"];
            assert!(own.iter().any(|start| message.starts_with(start)) || tells(&message), "{place}: {message}");
        }
    }
    assert!(messages > 80, "only {messages} found");
}

/// Messages of the core that no user input can cause: those of `reproduce` and
/// the Lab.
const INSIDE: &[&str] = &["/aggregate/", "/cluster/", "/mistakes"];

/// Every message in the sources of the core. Its errors about files have a
/// separate field for the remedy.
#[test]
fn every_message_of_the_core_says_what_to_do() {
    let (mut messages, mut hints) = (0, 0);
    for file in sources(&root().join("core/src")).unwrap() {
        let place = file.display().to_string().replace('\\', "/");
        if INSIDE.iter().any(|inside| place.contains(inside)) {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        // Errors of models, logs and devices have the remedy in the variant.
        for message in said(source, &["Error::Config(", "Error::Rule(", "refuse("]) {
            messages += 1;
            let put_together = message.contains("{hint}") || message.ends_with(": {text}");
            assert!(put_together || tells(&message), "{place}: {message}");
        }
        for hint in said(source, &["hint: ", "let hint = "]) {
            hints += 1;
            assert!(tells(&hint), "{place}: {hint}");
        }
    }
    assert!(messages > 40 && hints > 15, "{messages} messages, {hints} hints");
}

/// One example of each error of the core; a new variant does not compile here
/// until it has an example.
#[test]
fn every_refusal_of_the_core_says_what_where_and_what_to_do() {
    use eemu_core::{DataError, Error};
    let long = "x".repeat(9000);
    let data = |line, column| DataError {
        file: "a.csv".into(),
        line,
        column,
        problem: "the user identifier is blank".into(),
        hint: "Give every record a user".into(),
    };
    let examples = vec![
        Error::Data(data(3, 2)),
        Error::Config("shards must be between 1 and 4096".into()),
        Error::Rule("category 'x' is not COLUMN=VALUE; write it as genre=Drama".into()),
        Error::UnknownId { kind: "user", id: "a\u{1b}[2Jb\n".into() },
        Error::UnknownId { kind: "item", id: long },
        Error::Model("tensor 'a' is missing".into()),
        Error::NotANumber("a score".into()),
        Error::Log("the proof is of another log".into()),
        Error::Device("out of memory".into()),
    ];
    for example in &examples {
        let message = example.to_string();
        good(&message);
        assert!(!message.contains(char::is_control), "{message:?}");
        let (what, place) = match example {
            Error::Data(_) => ("is blank", "a.csv, line 3, column 2: "),
            Error::Config(_) => ("shards must be", "configuration: "),
            Error::Rule(_) => ("is not COLUMN=VALUE", "category 'x'"),
            Error::UnknownId { kind, .. } => ("is not in the catalogue", *kind),
            Error::Model(_) => ("is missing", "model: "),
            Error::NotANumber(_) => ("is not a number", "a score"),
            Error::Log(_) => ("another log", "receipt log: "),
            Error::Device(_) => ("out of memory", "device: "),
        };
        assert!(message.contains(what) && message.starts_with(place), "{message}");
    }
    // A location is as exact as it is known.
    let place = |line, column| data(line, column).to_string();
    assert!(place(3, 0).starts_with("a.csv, line 3: ") && place(0, 0).starts_with("a.csv: "));
}

/// One example of each error of the store; a new variant does not compile here
/// until it has an example.
#[test]
fn every_refusal_of_the_store_says_what_to_do() {
    let (dir, path) = (PathBuf::from("run"), PathBuf::from("run/eemu.sqlite"));
    let io = |kind| std::io::Error::from(kind);
    let full = StoreError::Io { doing: "write", path: path.clone(), reason: io(std::io::ErrorKind::StorageFull) };
    let examples = vec![
        full,
        StoreError::Io { doing: "open", path: path.clone(), reason: io(std::io::ErrorKind::PermissionDenied) },
        StoreError::Io { doing: "read", path: path.clone(), reason: io(std::io::ErrorKind::NotFound) },
        StoreError::Database(sqlx::Error::PoolTimedOut),
        StoreError::Database(sqlx::Error::Io(io(std::io::ErrorKind::ConnectionReset))),
        StoreError::BadDatabase("it is no postgres:// address".into()),
        StoreError::NeedsDatabase { dir: dir.clone() },
        StoreError::BadModels("ftp://x: give a folder, or s3://bucket/prefix".into()),
        StoreError::Bucket { doing: "read", place: "s3://b/p".into(), problem: "no such key".into() },
        StoreError::Moved,
        StoreError::Unfinished(Box::new(StoreError::ErasureBusy { seconds: 5 })),
        StoreError::Locked { dir: dir.clone(), pid: Some(7) },
        StoreError::NotAState { dir: dir.clone() },
        StoreError::ForeignDirectory { dir: dir.clone() },
        StoreError::OwnState { dir: dir.clone() },
        StoreError::LaunchFolder { dir: dir.clone(), problem: "is a link or another user's; remove it" },
        StoreError::NoLaunchBucket,
        StoreError::OtherLaunchBucket { place: "s3://b/eemu-0".into() },
        StoreError::AlreadyAState { dir },
        StoreError::NewerFormat { found: 9, supported: 8 },
        StoreError::OlderFormat { found: 7, supported: 8 },
        StoreError::ReadOnly,
        StoreError::UnknownShard { shard: 9, shards: 8 },
        StoreError::Outdated { shard: 1 },
        StoreError::DamagedModel { shard: 1, path: path.clone(), problem: "is cut short".into() },
        StoreError::DamagedCatalog { path, problem: "is cut short".into() },
        StoreError::DamagedRow("no settings".into()),
        StoreError::BadRecord("has a timestamp that is not a finite number"),
        StoreError::ErasureBusy { seconds: 5 },
        StoreError::Core(eemu_core::Error::Config("shards must be between 1 and 4096".into())),
    ];
    for example in &examples {
        let message = example.to_string();
        good(&message);
        // The cause is given once: it is not also a source that a chain would
        // repeat.
        let chain = format!("{:#}", anyhow::Error::msg(message.clone()));
        assert_eq!(chain, message);
        let words: Vec<&str> = message.split(". ").collect();
        assert!(words.iter().collect::<std::collections::BTreeSet<_>>().len() == words.len(), "said twice: {message}");
        match example {
            StoreError::Io { .. }
            | StoreError::Database(_)
            | StoreError::BadDatabase(_)
            | StoreError::NeedsDatabase { .. }
            | StoreError::BadModels(_)
            | StoreError::Bucket { .. }
            | StoreError::LaunchFolder { .. }
            | StoreError::NoLaunchBucket
            | StoreError::OtherLaunchBucket { .. }
            | StoreError::Moved
            | StoreError::Unfinished(_)
            | StoreError::Locked { .. }
            | StoreError::NotAState { .. }
            | StoreError::ForeignDirectory { .. }
            | StoreError::AlreadyAState { .. }
            | StoreError::OwnState { .. }
            | StoreError::NewerFormat { .. }
            | StoreError::OlderFormat { .. }
            | StoreError::ReadOnly
            | StoreError::UnknownShard { .. }
            | StoreError::Outdated { .. }
            | StoreError::DamagedModel { .. }
            | StoreError::DamagedCatalog { .. }
            | StoreError::DamagedRow(_)
            | StoreError::BadRecord(_)
            | StoreError::ErasureBusy { .. }
            | StoreError::Core(_)
            | StoreError::Random(_) => {}
        }
    }
    assert!(!examples[0].to_string().contains("PostgreSQL"), "a full disk has nothing to do with it");
    assert!(examples[0].to_string().contains("Make room"), "{}", examples[0]);
}

/// Every leaf of a configuration, as `--set` names it.
fn settings(value: &Value, prefix: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                settings(value, &if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") }, found);
            }
        }
        _ => found.push(prefix.to_owned()),
    }
}

/// Every setting with unusual values is accepted, or refused by name.
#[test]
fn every_setting_is_named_when_it_cannot_be_used() {
    let config = Config::default();
    let mut keys = Vec::new();
    settings(&serde_json::to_value(&config).unwrap(), "", &mut keys);
    assert!(keys.len() > 30, "{keys:?}");
    let mut refused = 0;
    for key in &keys {
        for value in ["-1", "0", "1e39", "99999999999999999999", "\"x\"", "null", "[[]]", "{}", "", "true"] {
            let Err(error) = set_all(&config, &[format!("{key}={value}")]) else { continue };
            refused += 1;
            let message = format!("{error:#}");
            assert!(message.contains(&format!("--set {key}=")) && readable(&message), "{message}");
        }
    }
    assert!(refused > 5 * keys.len(), "{refused}");
    // The seed is secret, and is not in the list of settings.
    let unknown = format!("{:#}", set_all(&config, &["train.seet=1".into()]).unwrap_err());
    assert!(unknown.contains("choose one of these") && !unknown.contains("train.seed"), "{unknown}");
}

/// A value that fits a schema.
fn fitting(schema: &Value) -> Value {
    let kind = &schema["type"];
    let kind = kind.as_str().or_else(|| kind.as_array()?.first()?.as_str());
    match kind {
        Some("array") => json!([]),
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(1),
        Some("object") => json!({}),
        _ => json!("item-1"),
    }
}

/// Every field of every request body: a wrong type, a missing field or an extra
/// field is answered with the field's name.
#[test]
fn every_field_of_the_api_is_named_when_it_is_wrong() {
    let place = Place::new(&Recipe::default()).unwrap();
    let document = serde_json::to_value(openapi()).unwrap();
    let (mut routes, mut fields) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let content = &item["post"]["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = content["$ref"].as_str().and_then(|name| name.rsplit('/').next()) else { continue };
        let schema = &document["components"]["schemas"][name];
        let known = schema["properties"].as_object().unwrap();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().map(|r| r.as_str().unwrap()).collect();
        let whole: Map<String, Value> = required.iter().map(|r| ((*r).to_owned(), fitting(&known[*r]))).collect();
        let answer = |body: &Value| {
            let reply = place.post(path, &place.admin, body);
            (reply.status.as_u16(), reply.json()["message"].as_str().unwrap_or_default().to_owned())
        };
        routes += 1;
        for field in known.keys() {
            let mut body = whole.clone();
            body.insert(field.clone(), json!({"wrong": ["kind"]}));
            let (status, message) = answer(&body.into());
            assert!(status == 422 && message.contains(&format!("field {field}")), "{path} {field}: {status} {message}");
            good(&message);
            fields += 1;
        }
        for field in &required {
            let mut body = whole.clone();
            body.remove(*field);
            let (status, message) = answer(&body.into());
            assert!(status == 422 && message.contains(&format!("`{field}`")), "{path}: {status} {message}");
        }
        let mut body = whole.clone();
        body.insert("nosuch".into(), json!(1));
        let (status, message) = answer(&body.into());
        assert!(status == 422 && message.contains("nosuch"), "{path}: {status} {message}");
        let cut = Request::post(path).header("authorization", format!("Bearer {}", place.admin));
        let cut = place.send(cut.header("content-type", "application/json").body(Body::from("{\"")).unwrap());
        let message = cut.json()["message"].as_str().unwrap().to_owned();
        assert!(cut.status == 400 && message.contains("is not JSON: line 1, column 2"), "{path}: {message}");
        good(&message);
    }
    assert!(routes >= 7 && fields >= 15, "{routes} routes, {fields} fields");
}

/// The caller learns what is wrong, and only what they may know.
#[test]
fn the_api_names_what_is_wrong() {
    let place = Place::new(&Recipe::default()).unwrap();
    let subject = place.subject(0).unwrap();
    let said = |path: &str, token: &str, body: Value| {
        let reply = place.post(path, token, &body);
        (reply.status.as_u16(), reply.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let user = json!({"user": "user-99"});
    for (path, token, body, status, words) in [
        ("/api/v1/interactions/list", &place.admin, user.clone(), 404, "there is no user 'user-99'"),
        ("/api/v1/recommendations", &place.operator, user.clone(), 404, "there is no user 'user-99'"),
        ("/api/v1/interactions/list", &place.admin, json!({}), 400, "name the user"),
        ("/api/v1/interactions/list", &place.operator, json!({}), 403, "use an administrator's"),
        (
            "/api/v1/interactions/add",
            &place.admin,
            json!({"user": "user-1", "interactions": [{"item": "item-1"}, {"item": "itm"}]}),
            400,
            "'itm' is not in the catalogue",
        ),
        (
            "/api/v1/interactions/add",
            &place.admin,
            json!({"user": "user-1", "interactions": [{"item": 7}]}),
            422,
            "field interactions[0].item",
        ),
        (
            "/api/v1/interactions/delete",
            &place.admin,
            json!({"user": "user-1", "items": ["no"]}),
            400,
            "'no' is not in the catalogue",
        ),
        ("/api/v1/interactions/delete", &place.admin, json!({"user": "user-1"}), 400, "name the items"),
        ("/api/v1/items/take-down", &place.admin, json!({"item": "no"}), 400, "'no' is not in the catalogue"),
        ("/api/v1/items/take-down", &subject, json!({"item": "item-1"}), 403, "use an administrator's"),
        ("/api/v1/recommendations", &subject, json!({"top": 0}), 400, "top is 0; give 1 to 1000"),
        ("/api/v1/recommendations", &subject, json!({"top": -1}), 422, "field top"),
    ] {
        let (found, message) = said(path, token, body.clone());
        assert!(found == status && message.contains(words), "{path} {body}: {found} {message}");
        good(&message);
    }
    // An unknown item of a visitor is skipped, and named.
    let skipped = place.post("/api/v1/recommendations", "", &json!({"items": ["item-1", "gone"]})).json();
    assert_eq!(skipped["unknown"], json!(["gone"]), "{skipped}");
    // A user's token cannot distinguish another user from an unknown one; an
    // administrator can.
    let (theirs, nobody) = (
        said("/api/v1/interactions/list", &subject, json!({"user": "user-1"})),
        said("/api/v1/interactions/list", &subject, user),
    );
    assert_eq!(theirs, nobody);
    assert!(theirs.1.contains("or it is not yours"));
    let never = place.get(&format!("/api/v1/unlearning/{}", "0".repeat(32)), &place.admin).json();
    assert!(never["message"].as_str().unwrap().starts_with("there is no deletion request of this name"), "{never}");
    // A batch names the line and its error.
    let batch =
        Request::post("/api/v1/recommendations/batch").header("authorization", format!("Bearer {}", place.operator));
    let lines = "{\"user\":\"user-1\",\"top\":1}\n{\"user\":\"user-99\"}\n{\"usr\":1}\nnot json\n";
    let reply = place.send(batch.body(Body::from(lines)).unwrap());
    let answers: Vec<Value> = reply
        .bytes
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    for (at, words) in [(1, "'user-99'"), (2, "usr"), (3, "the line is not JSON")] {
        assert!(answers[at]["message"].as_str().unwrap().contains(words), "{}", answers[at]);
    }
    // Answers of the outer layers say what to do, too.
    for (reply, status) in [
        (place.get("/api/v1/nothing", &place.admin), 404),
        (place.get("/api/v1/recommendations", &place.admin), 405),
        (place.get("/api/v1/whoami", ""), 401),
        (place.get("/api/v1/whoami", "eemu_0"), 401),
        (place.get("/api/v1/log/consistency?from=x", ""), 400),
        (place.post("/api/v1/rows", "", &json!({})), 401),
        (
            place.send(
                Request::post("/api/v1/interactions/add")
                    .header("authorization", format!("Bearer {}", place.admin))
                    .body(Body::from("{}"))
                    .unwrap(),
            ),
            415,
        ),
        (place.post("/api/v1/interactions/list", &place.admin, &json!({"user": "x".repeat(2 << 20)})), 413),
    ] {
        let message = reply.json()["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reply.status.as_u16(), status, "{message}");
        assert!(status == 404 || tells(&message), "{status}: {message}");
    }
    let slow = Place::with(&Recipe::default(), quick(), &HttpOptions { rate: 1, ..HttpOptions::default() }).unwrap();
    let limited = (0..9).map(|_| slow.get("/api/v1/manifest", "")).find(|reply| reply.status == 429).unwrap();
    good(limited.json()["message"].as_str().unwrap());
}

/// Flags for which 0 has a meaning, with that meaning.
const ZERO: &[(&str, &str)] = &[
    ("--seed", "a seed like any other"),
    ("--shard", "shards are numbered from 0"),
    ("--only", "likewise"),
    ("--index", "entries are numbered from 0"),
    ("--skip-bad", "none are left out"),
    ("--user-buckets", "vocabularies are kept, as the paper's models want"),
    ("--min-value", "a rating like any other"),
    ("--before", "a time like any other"),
    ("--time", "likewise"),
    ("--erase-within", "before the acknowledgement"),
    ("--settle", "at once"),
    ("--additions", "at once"),
    ("--rate", "any number"),
    ("--checkpoint-every", "after every epoch"),
    ("--demo", "no households"),
    // Refused together with the values of the file, after all are combined.
    ("--train-jobs", "checked with the settings file"),
    ("--serve-jobs", "checked with the settings file"),
    ("--connections", "checked with the settings file"),
    ("--timeout", "checked with the settings file"),
];

/// Every number on the command line: text that is no number is refused with the
/// flag's name, and so is a meaningless 0.
#[test]
fn every_number_of_the_command_line_is_checked_where_it_is_written() {
    fn walk(command: &clap::Command, path: &[String], numbers: &mut usize) {
        for sub in command.get_subcommands() {
            let path: Vec<String> = path.iter().cloned().chain([sub.get_name().to_owned()]).collect();
            walk(sub, &path, numbers);
        }
        for argument in command.get_arguments() {
            let Some(flag) = argument.get_long().map(|long| format!("--{long}")) else { continue };
            let tried = |value: &str| {
                let words = path.iter().cloned().chain([format!("{flag}={value}")]);
                eemu_server::cli::command().try_get_matches_from(words).map(drop).unwrap_err().to_string()
            };
            let names: Vec<&str> = argument.get_value_names().into_iter().flatten().map(|n| n.as_str()).collect();
            let whole = ["N", "S", "K", "SHARD", "DAYS", "SECONDS", "S,S"];
            let is_number = names.iter().any(|name| whole.contains(name))
                || ["--seed", "--shard", "--top"].contains(&flag.as_str());
            if !is_number || !argument.get_action().takes_values() {
                continue;
            }
            *numbers += 1;
            let refused = tried("many");
            assert!(refused.contains("invalid value 'many'") && refused.contains(&flag), "{path:?} {flag}: {refused}");
            if !ZERO.iter().any(|(known, _)| *known == flag) {
                let refused = tried("0");
                assert!(
                    refused.contains("invalid value '0'") && refused.contains("give "),
                    "{path:?} {flag}: {refused}"
                );
            }
        }
    }
    let mut numbers = 0;
    walk(&eemu_server::cli::command(), &["eemu".to_owned()], &mut numbers);
    assert!(numbers > 30, "{numbers}");
}

#[test]
fn nothing_dead_or_secret_is_handed_out() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("run");
    let state = text(&state);
    let data = books(place.path());
    done(&["import", "--data", text(&data), "--state", state, "--holdout", "none", "--seed", "987654321"], &[]);
    let refusal = refused(&["token", "create", "--state", state, "--scope", "admin", "--days", "0"], &[]);
    assert!(refusal.contains("--days") && refusal.contains("1 to 3650"), "{refusal}");
    for args in [&["info", "--state", state][..], &["info", "--state", state, "--json"]] {
        let (_, out, err) = run(args, &[]);
        assert!(!(out + &err).contains("987654321"), "the seed is printed");
    }
    let wrong = refused(&["train", "--state", state, "--set", "train.sed=1"], &[]);
    assert!(!wrong.contains("987654321"), "{wrong}");
    done(&[&["train", "--state", state][..], &TINY].concat(), &[]);
    let none = refused(&["recommend", "--state", state, "--user", "reader-1", "--top", "0"], &[]);
    assert!(none.contains("--top") && none.contains("1 or more"), "{none}");
    // Settings are shown in the format of the settings file.
    let (code, out, _) = run(&["config", "check", "--rate", "7"], &[]);
    assert!(code == Some(0) && out.contains("rate = 7  # flag or environment"), "{out}");
    assert!(
        !out.contains("ServiceOptions") && out.lines().all(|line| line.starts_with('#') || line.contains(" = ")),
        "{out}"
    );
}

/// Imitates a full disk by a limit on file size.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_once_with_the_way_out() {
    let place = tempfile::tempdir().unwrap();
    let data = books(place.path());
    let state = place.path().join("run");
    let program = eemu_tests::program().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 40; exec '{}' import --data '{}' --state '{}'",
        text(&program),
        text(&data),
        text(&state)
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("Make room") && !said.contains("PostgreSQL"), "{said}");
    assert_eq!(said.matches("Make room").count(), 1, "{said}");
    assert!(!state.exists(), "nothing half made is left");
}
