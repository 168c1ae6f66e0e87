//! A shard's training from object to object of a bucket.

#![allow(clippy::unwrap_used)]

use std::fs;

use eemu_tests::bucket::{BUCKET, Bucket, Versions};
use eemu_tests::command::{done, run, text};
use eemu_tests::reading::{Shop, files};
use serde_json::{Value, json};

/// Input and output may be objects of a bucket: the model lies beside its
/// input, and a job that knows its index alone finds its own.
#[test]
fn a_bucket_is_as_good_as_a_folder() {
    let shop = Shop::new();
    let here = shop.trained("here", &["--shards", "3", "--epochs", "3"]);
    let there = shop.untrained(&here, "there");
    let bucket = Bucket::start(Versions::Never).unwrap();
    let environment = bucket.environment();
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let train = |args: &[&str]| run(&[&["shard", "train", "--quiet", "--json"], args].concat(), &environment);
    let mut inputs = Vec::new();
    for shard in 0..3 {
        let file = shop.path("input");
        let number = shard.to_string();
        done(&["shard", "pack", "--state", text(&there), "--shard", &number, "--out", text(&file)], &[]);
        bucket.put(&format!("far/{shard}.7.input"), &fs::read(&file).unwrap());
        inputs.push(format!("s3://{BUCKET}/far/{shard}.7.input"));
    }
    let all: Vec<&str> = inputs.iter().map(String::as_str).collect();
    assert_eq!(train(&all[..1]).0, Some(0));
    for index in ["0", "1", "2"] {
        let (code, out, said) = train(&[&all[..], &["--index", index]].concat());
        assert_eq!(code, Some(0), "{said}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((told["shard"].to_string().as_str(), &told["trained"]), (index, &json!(index != "0")));
    }
    let names = bucket.names();
    assert_eq!((names.len(), names.iter().filter(|name| name.ends_with(".7.model")).count()), (6, 3), "{names:?}");
    for shard in 0..3 {
        let file = shop.path("model");
        fs::write(&file, bucket.get(&format!("far/{shard}.7.model")).unwrap()).unwrap();
        done(&["shard", "adopt", "--state", text(&there), text(&file)], &[]);
    }
    assert_eq!(files(&here), files(&there));
    // From a bucket to a file.
    let out = shop.path("out");
    assert_eq!(train(&[all[2], "--out", text(&out)]).0, Some(0));
    assert_eq!(fs::read(&out).unwrap().len(), bucket.get("far/2.7.model").unwrap().len());
    let (gone, file) = (format!("s3://{BUCKET}/far/3.7.input"), shop.path("input"));
    // What a run that was killed left there goes with the input that it was of.
    bucket.put("far/3.7.model.checkpoint", b"learned from records");
    let kept = bucket.get("far/2.7.input").unwrap();
    bucket.put("far/x.checkpoint", &kept);
    let (beside, x) = (format!("s3://{BUCKET}/far/x.checkpoint"), format!("s3://{BUCKET}/far/x"));
    for (args, what) in [
        (vec![gone.as_str()], "is gone"),
        (all.clone(), "--index"),
        ([&all[..], &["--index", "3"]].concat(), "give one from 0 to 2"),
        ([&all[..], &["--index", "0", "--out", "x"]].concat(), "leave it out"),
        (vec![text(&file)], "--out"),
        (vec!["s3://models"], "names no object"),
        (vec![all[2], "--out", all[2]], "written over the input"),
        (vec![beside.as_str(), "--out", x.as_str()], "written over the input"),
    ] {
        let (code, _, said) = train(&args);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(what), "{said}");
    }
    assert!(bucket.get("far/3.7.model.checkpoint").is_none());
    assert_eq!(bucket.get("far/2.7.input"), Some(kept.clone()));
    assert_eq!(bucket.get("far/x.checkpoint"), Some(kept));
}
