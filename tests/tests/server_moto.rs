//! Models in a bucket of moto, an independent S3 server.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use eemu_server::serve::tokens::Scope;
use eemu_tests::command::{TINY, books, done, hashes, refused, text};
use eemu_tests::moto::Moto;
use eemu_tests::service::{Process, delete_items, token};

/// As in `server_bucket`, with a listing of several pages, and a restart.
#[test]
fn models_live_in_a_bucket_of_moto() {
    let kept = tempfile::tempdir().unwrap();
    let server = Moto::start().unwrap();
    server.bucket("models", None).unwrap();
    // Foreign objects, enough to fill a page of the listing before ours.
    for n in 0..1005 {
        server.put(&format!("models/shop/-{n:04}.txt"), "somebody else's").unwrap();
    }
    let owned = server.environment();
    let environment: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = books(kept.path());
    let (here, twin) = (kept.path().join("run"), kept.path().join("twin"));
    for (state, models) in [(&here, &["--models", "s3://models/shop"][..]), (&twin, &[])] {
        let base = ["import", "--data", text(&file), "--holdout", "none", "--seed", "5", "--state", text(state)];
        done(&[&base[..], models].concat(), &environment);
        done(&[&["train", "-q", "--state", text(state)], &TINY[..]].concat(), &environment);
    }
    let info = |state: &Path| done(&["info", "--json", "--state", text(state)], &environment);
    assert_eq!(hashes(&info(&here)), hashes(&info(&twin)));
    // A page lists a thousand names: ours are listed by their first digit.
    let models = || -> Vec<String> {
        let digits = "0123456789abcdef".chars();
        let names = digits.flat_map(|digit| server.names("models", &format!("shop/{digit}")).unwrap());
        names.filter(|name| name.ends_with(".safetensors")).collect()
    };
    let before = models();
    // Three models, and one file for all initial rows of users.
    assert_eq!(before.len(), 4);
    let admin = token(&here, Scope::Admin).unwrap();
    let process = Process::start(&here, &["--settle", "0.05"], &environment).unwrap();
    let body = delete_items("reader-3", &["book-8"]);
    assert_eq!(process.post("/api/v1/interactions/delete", &admin, &body).unwrap().0, 202);
    assert!(before.iter().filter(|name| !models().contains(name)).count() == 1, "its model is still in the bucket");
    process.wait_clean().unwrap();
    drop(process.kill());
    done(&["forget", "-q", "--state", text(&twin), "--user", "reader-3", "--item", "book-8"], &[]);
    assert_eq!(hashes(&info(&here)), hashes(&info(&twin)));
    assert_eq!(models().len(), 4);
    let others = |prefix: &str| server.names("models", prefix).unwrap().len();
    assert_eq!(others("shop/-0") + others("shop/-1"), 1005, "somebody else's objects went");
    assert_eq!(done(&["verify", "-q", "--json", "--state", text(&here)], &environment)["equal"], true);
}

/// Buckets that keep versions, kept them once, or do not exist are refused.
#[test]
fn buckets_of_moto_that_keep_versions_are_refused() {
    let kept = tempfile::tempdir().unwrap();
    let server = Moto::start().unwrap();
    server.bucket("enabled", Some("Enabled")).unwrap();
    server.bucket("suspended", Some("Suspended")).unwrap();
    let owned = server.environment();
    let environment: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let file = books(kept.path());
    for (bucket, reason) in
        [("enabled", "earlier versions"), ("suspended", "earlier versions"), ("missing", "no such bucket")]
    {
        let (state, place) = (kept.path().join(bucket), format!("s3://{bucket}/shop"));
        let args = ["import", "--data", text(&file), "--state", text(&state), "--models", &place];
        let said = refused(&args, &environment);
        assert!(said.contains(reason), "{bucket}: {said}");
    }
    for bucket in ["enabled", "suspended"] {
        assert!(server.names(bucket, "").unwrap().is_empty(), "something was written to {bucket}");
    }
}
