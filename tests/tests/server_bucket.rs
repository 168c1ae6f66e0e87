//! Models in a bucket.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use eemu_server::serve::tokens::Scope;
use eemu_tests::bucket::{Bucket, Versions};
use eemu_tests::command::{TINY, books, done, hashes, run, text};
use eemu_tests::service::{Process, delete_items, token};
use serde_json::json;

/// Models in a bucket equal those in a folder. Deleted data leave the bucket,
/// and other objects stay.
#[test]
fn models_live_in_a_bucket() {
    let kept = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(Versions::Never).unwrap();
    bucket.put("shop/notes.txt", b"somebody else's");
    bucket.put("other/0123.safetensors", b"somebody else's");
    let owned = bucket.environment();
    let environment: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = books(kept.path());
    let (here, twin) = (kept.path().join("run"), kept.path().join("twin"));
    let import = |state: &Path, models: &[&str]| {
        let base = ["import", "--data", text(&file), "--holdout", "none", "--seed", "5", "--state", text(state)];
        done(&[&base[..], models].concat(), &environment);
        done(&[&["train", "-q", "--state", text(state)], &TINY[..]].concat(), &environment);
    };
    import(&here, &["--models", "s3://models/shop"]);
    import(&twin, &[]);
    let info = |state: &Path| done(&["info", "--json", "--state", text(state)], &environment);
    assert_eq!(hashes(&info(&here)), hashes(&info(&twin)));
    assert_eq!((&info(&here)["erasure"], &info(&twin)["erasure"]), (&json!("logical"), &json!("byte-level")));
    assert_eq!(info(&here)["models"], "s3://models/shop", "the state remembers");
    let models = || bucket.names().into_iter().filter(|n| n.starts_with("shop/") && n.ends_with(".safetensors"));
    // Three models, and one file for all initial rows of users.
    let before: Vec<String> = models().collect();
    assert_eq!((before.len(), std::fs::read_dir(here.join("models")).unwrap().count()), (4, 0));
    for state in [&here, &twin] {
        let forgotten = done(
            &["forget", "-q", "--json", "--state", text(state), "--user", "reader-3", "--item", "book-8"],
            &environment,
        );
        assert_eq!(forgotten["removed"], 1);
        let said = forgotten["receipt"]["statement"].as_str().unwrap();
        assert_eq!(said.contains("Erasure is logical"), *state == here, "{said}");
    }
    assert_eq!(hashes(&info(&here)), hashes(&info(&twin)));
    assert_eq!(done(&["verify", "-q", "--json", "--state", text(&here)], &environment)["equal"], true);
    let after: Vec<String> = models().collect();
    assert_eq!((after.len(), before.iter().filter(|name| !after.contains(name)).count()), (4, 1));
    assert!(bucket.get("shop/notes.txt").is_some() && bucket.get("other/0123.safetensors").is_some());
    assert_eq!(bucket.unsigned(), 0);

    // A server uses the bucket; an exchanged object is refused.
    let admin = token(&here, Scope::Admin).unwrap();
    let process = Process::start(&here, &["--settle", "0.05"], &environment).unwrap();
    let body = delete_items("reader-4", &["book-2"]);
    assert_eq!(process.post("/api/v1/interactions/delete", &admin, &body).unwrap().0, 202);
    process.wait_clean().unwrap();
    drop(process.kill());
    assert_eq!(models().count(), 4);
    let one = models().next().unwrap();
    bucket.put(&one, b"another model");
    let (code, _, said) = run(&["verify", "-q", "--state", text(&here)], &environment);
    assert!(code == Some(2) && said.contains("damaged") && said.contains("s3://models/shop"), "{said}");

    // A prefix of a bucket belongs to one deployment.
    let third = kept.path().join("third");
    let args = ["import", "--data", text(&file), "--state", text(&third), "--models", "s3://models/shop"];
    let (code, _, said) = run(&args, &environment);
    assert!(code == Some(2) && said.contains("another deployment"), "{said}");
}

/// A bucket is refused before a model is written if it keeps versions, may
/// still have some, or does not answer the question.
#[test]
fn buckets_that_keep_versions_are_refused() {
    let cases = [
        (Versions::Enabled, Some("earlier versions")),
        (Versions::Suspended, Some("earlier versions")),
        (Versions::Forbidden, Some("s3:GetBucketVersioning")),
        (Versions::Secretly, Some("earlier versions")),
        (Versions::Unknown, None),
    ];
    for (versions, refused) in cases {
        let kept = tempfile::tempdir().unwrap();
        let bucket = Bucket::start(versions).unwrap();
        let owned = bucket.environment();
        let environment: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (file, state) = (books(kept.path()), kept.path().join("run"));
        let args = ["import", "--data", text(&file), "--state", text(&state), "--models", "s3://models/shop"];
        let (code, _, said) = run(&args, &environment);
        match refused {
            Some(reason) => assert!(code == Some(2) && said.contains(reason), "{versions:?}: {said}"),
            None => assert_eq!(code, Some(0), "{versions:?}: {said}"),
        }
        assert!(!bucket.names().iter().any(|name| name.ends_with(".safetensors")));
    }
    let kept = tempfile::tempdir().unwrap();
    let file = books(kept.path());
    for (place, reason) in [("gs://models/x", "s3://bucket/prefix"), ("s3://", "s3://bucket/prefix")] {
        let state = kept.path().join("run");
        let (code, _, said) = run(&["import", "--data", text(&file), "--state", text(&state), "--models", place], &[]);
        assert!(code == Some(2) && said.contains(reason), "{said}");
    }
}
