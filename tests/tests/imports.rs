//! Real data are imported whole: the built-in dataset, and MovieLens-1M where
//! it is available.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};

use eemu_core::config::AdaptConfig;
use eemu_core::data::{self, Holdout, Imported, Interactions, Split, Values};
use eemu_core::model::ModelKind;
use eemu_core::random::Key;
use eemu_core::shard::ShardBy;
use eemu_server::deployment::Deployment;
use eemu_server::import::{ImportOptions, built_in, built_in_with, open};
use eemu_server::store::Access;
use eemu_tests::command::{done, text};
use eemu_tests::program;

/// A folder of data that may not be distributed; prints a notice when it is
/// missing.
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("EEMU_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    // Writes to standard error directly, which the test harness does not
    // capture.
    let message = format!("NOT RUN: {} is missing (EEMU_DATA names its parent)\n", folder.display());
    std::io::stderr().write_all(message.as_bytes()).unwrap();
    None
}

/// Training records per user and per item, and duplicates, with leave-one-out.
fn averages(read: &Imported) -> (f64, f64, usize) {
    let (interactions, duplicates) = Interactions::new(read.records.clone(), &read.catalog, &Key::from_seed(1));
    let split = Split::new(Holdout::LeaveOneOut);
    let training: u32 = split.degrees(&interactions, read.catalog.items.len()).iter().sum();
    let per = |count: usize| f64::from(training) / count as f64;
    (per(read.catalog.users.len()), per(read.catalog.items.len()), duplicates)
}

/// Records by identifiers, sorted.
fn records(read: &Imported) -> Vec<(&str, &str, u64)> {
    let (users, items) = (&read.catalog.users.ids, &read.catalog.items.ids);
    let named = |r: &data::Interaction| {
        (users[r.user as usize].as_str(), items[r.item as usize].as_str(), r.timestamp.unwrap().to_bits())
    };
    let mut all: Vec<_> = read.records.iter().map(named).collect();
    all.sort_unstable();
    all
}

#[test]
fn the_built_in_set() {
    let read = built_in().unwrap();
    let (users, items) = (&read.catalog.users, &read.catalog.items);
    assert_eq!((users.len(), items.len(), read.records.len()), (801, 1532, 208_553));
    assert_eq!(averages(&read).2, 0);
    assert!(items.names.iter().any(|n| n == "Pregnancy Test Kits"));
    let people =
        ["age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count"];
    assert_eq!(read.report.user_features, people);
    assert_eq!(read.report.item_features, ["category", "department", "title"]);
    assert!(matches!(items.columns[2].values, Values::Dense { width: 384, .. }));
    assert_eq!((read.report.users_without_records, read.report.items_without_records), (0, 0));
    assert_eq!(read.report.lines, 208_554);
}

#[test]
fn choices_on_the_built_in_set() {
    let choices = data::ImportOptions {
        user_features: Some(vec!["income".into()]),
        user_buckets: None,
        item_features: Some(vec!["product_type".into(), "department".into()]),
        core: Some(60),
        ..Default::default()
    };
    let read = built_in_with(&choices).unwrap();
    assert_eq!(read.report.user_features, ["income"]);
    assert_eq!(read.report.item_features, ["product_type", "department"]);
    let report = &read.report;
    assert_eq!(report.users_left_out + read.catalog.users.len(), 801);
    assert_eq!(report.items_left_out + read.catalog.items.len(), 1532);
    assert!(report.items_left_out > 0);
    let (interactions, _) = Interactions::new(read.records.clone(), &read.catalog, &Key::from_seed(1));
    assert!((0..interactions.users()).all(|u| interactions.of(u).len() >= 60));

    // The stored catalogue replaces the choices that made it.
    let frozen = data::ImportOptions { catalog: Some(read.catalog.clone()), core: Some(60), ..Default::default() };
    let again = built_in_with(&frozen).unwrap();
    assert_eq!(again.catalog, read.catalog);
    assert_eq!(again.records, read.records);
}

#[test]
fn movielens_in_both_layouts() {
    let Some(folder) = data("ml-1m") else { return };
    let started = std::time::Instant::now();
    let atomic = open(&folder, &ImportOptions::default()).unwrap();
    let read_atomic = started.elapsed();
    let started = std::time::Instant::now();
    let zip = open(&folder.join("ml-1m.zip"), &ImportOptions::default()).unwrap();
    println!("1,000,209 records: gzipped atomic files {read_atomic:.1?}, zip {:.1?}", started.elapsed());
    for read in [&atomic, &zip] {
        assert_eq!((read.catalog.users.len(), read.catalog.items.len(), read.records.len()), (6040, 3883, 1_000_209));
        let (user, item, duplicates) = averages(read);
        assert_eq!((format!("{user:.3}").as_str(), format!("{item:.3}").as_str()), ("163.598", "254.476"));
        assert_eq!((duplicates, read.report.items_without_records), (0, 177));
        assert_eq!(read.catalog.dataset, "ml-1m");
    }
    assert_eq!(records(&atomic), records(&zip));
    assert_eq!(atomic.catalog.users.ids, zip.catalog.users.ids);
    assert_eq!(atomic.catalog.items.ids, zip.catalog.items.ids);
    assert_eq!(atomic.report.item_features, ["release_year", "genre", "title"]);
    assert_eq!(zip.report.item_features, ["year", "genre", "title"]);
    assert!(zip.report.notes.iter().any(|n| n.contains("bag-of-words title is trained instead")));

    let column = |read: &Imported, place: usize| read.catalog.items.columns[place].values.clone();
    assert_eq!(column(&atomic, 0), column(&zip, 0), "years");
    let vocabulary = |values: &Values| match values {
        Values::Token { vocabulary, .. } | Values::TokenSeq { vocabulary, .. } => vocabulary.len(),
        Values::Buckets { .. } | Values::Dense { .. } => 0,
    };
    assert_eq!((vocabulary(&column(&zip, 0)), vocabulary(&column(&zip, 1))), (81, 18));
    assert_eq!(column(&atomic, 1), column(&zip, 1), "genres");

    let titles = ("title".to_owned(), folder.join("ml-1m.title.safetensors"));
    let with = ImportOptions { dense: vec![titles], ..ImportOptions::default() };
    let dense = open(&folder.join("ml-1m.zip"), &with).unwrap();
    assert_eq!(column(&dense, 2), column(&atomic, 2), "title vectors");
}

#[test]
fn the_other_sets() {
    for (name, users, items, count) in [
        ("ml-100k", 943, 1682, 100_000),
        ("book-crossing", 2221, 4678, 160_766),
        ("gowalla", 5992, 5638, 281_392),
        ("epinions", 3666, 3369, 147_430),
    ] {
        let Some(folder) = data(name) else { continue };
        let read = open(&folder, &ImportOptions::default()).unwrap();
        assert_eq!((read.catalog.users.len(), read.catalog.items.len(), read.records.len()), (users, items, count));
    }
}

/// Without timestamps the next item is unknown, so another model is chosen, and
/// another adaptation for the paper's models.
#[test]
fn data_without_times_gets_what_suits_it() {
    let kept = tempfile::tempdir().unwrap();
    let configured = |name: &str, table: &str| {
        let folder = kept.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.inter")), table).unwrap();
        let state = kept.path().join(format!("{name}-state"));
        let mut import = std::process::Command::new(program().unwrap());
        let run = import.arg("import").arg("--data").arg(&folder).arg("--state").arg(&state).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let config = || Deployment::open(&state, Access::Read).unwrap().dataset.config.clone();
        let imported = config();
        let train = |more: &[&str]| {
            let train = ["train", "-q", "--shards", "1", "--set", "train.epochs=1", "--state", text(&state)];
            done(&[&train[..], more].concat(), &[]);
            config()
        };
        // A profile changes sizes; the settings that fit the records stay.
        let small = train(&["--profile", "small"]);
        assert_eq!((small.model.kind, &small.adapt), (imported.model.kind, &imported.adapt));
        let towers = train(&["--model", "two-tower", "--set", "model.width=4", "--set", "model.output=4"]);
        assert_eq!((towers.model.kind, towers.shard.by), (ModelKind::TwoTower, ShardBy::Record));
        (imported, towers.adapt)
    };
    let header = "user_id:token\titem_id:token";
    let (timed, towers) = configured("timed", &format!("{header}\ttimestamp:float\na\tx\t1\na\ty\t2\n"));
    assert_eq!((timed.model.kind, timed.episodes.timed), (ModelKind::Episodes, true));
    assert_eq!((timed.adapt, towers), (AdaptConfig::whole_history(), AdaptConfig::default()));
    let (timeless, towers) = configured("timeless", &format!("{header}\na\tx\na\ty\n"));
    assert_eq!((timeless.model.kind, timeless.kernel.timed), (ModelKind::Kernel, false));
    assert_eq!((timeless.adapt, towers), (AdaptConfig::whole_history(), AdaptConfig::timeless()));
    assert_eq!((timed.shard.by, timeless.shard.by), (ShardBy::Person, ShardBy::Person));
}
