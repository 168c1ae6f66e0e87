//! Deleting an account leaves no trace: the result equals a plain import of the
//! other users' files, which uses nothing of the first import (no `--catalog`)
//! and has the lines in another order.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use eemu_core::data::Values;
use eemu_core::train::input_hash;
use eemu_server::deployment::Deployment;
use eemu_server::store::Access;
use eemu_tests::command::{done, hashes, run, text};
use serde_json::Value;
use tempfile::TempDir;

/// Twelve users and fifteen items. The items have a file of their own, because
/// their catalogue belongs to the operator and not to users.
fn files(dir: &std::path::Path, timed: bool, without: Option<&str>) {
    fs::create_dir_all(dir).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for n in 0..120 {
        let (person, item) = (format!("person-{}", n % 12), (n * 7 + n / 12) % 15);
        if without == Some(person.as_str()) {
            continue;
        }
        let time = if timed { format!("\t{}", n * 11 % 37) } else { String::new() };
        lines.push(format!("{person}\titem-{item}{time}\n"));
    }
    if without.is_some() {
        lines.reverse();
    }
    let heading =
        if timed { "user_id:token\titem_id:token\ttimestamp:float\n" } else { "user_id:token\titem_id:token\n" };
    fs::write(dir.join("x.inter"), format!("{heading}{}", lines.concat())).unwrap();
    let items: String = (0..15).map(|n| format!("item-{n}\tkind-{}\n", n % 3)).collect();
    // The user to delete is alone in a group, and the oldest by far.
    let people = (0..12).map(|n| format!("person-{n}")).filter(|person| without != Some(person.as_str()));
    let of = |person: &str| if person == "person-7" { ("alone", 99) } else { ("many", 20 + person.len()) };
    let people: String = people.map(|person| format!("{person}\t{}\t{}\n", of(&person).0, of(&person).1)).collect();
    fs::write(dir.join("x.user"), format!("user_id:token\tgroup:token\tage:float\n{people}")).unwrap();
    fs::write(dir.join("x.item"), format!("item_id:token\tkind:token\n{items}")).unwrap();
}

/// A trained state of these files; returns its path.
fn state(dir: &TempDir, name: &str, kind: &str, people: bool) -> String {
    let (data, place) = (dir.path().join(name), dir.path().join(format!("{name}-state")));
    let features: &[&str] =
        if people { &["--user-features", "group,age", "--user-range", "age=0:100:10"] } else { &[] };
    let import = ["import", "--data", text(&data), "--state", text(&place), "--holdout", "none", "--seed", "5"];
    done(&[&import[..], features].concat(), &[]);
    let small = ["--set", "train.epochs=2", "--set", "episodes.width=4", "--set", "kernel.width=4", "--shards", "3"];
    done(&[&["train", "-q", "--state", text(&place), "--model", kind][..], &small].concat(), &[]);
    text(&place).to_owned()
}

fn models(place: &str) -> Vec<String> {
    hashes(&done(&["info", "--json", "--state", place], &[]))
}

#[test]
fn an_account_leaves_no_trace_in_a_plain_import() {
    for (kind, timed, people) in [
        ("episodes", true, false),
        ("episodes", false, false),
        ("episodes", true, true),
        ("kernel", true, false),
        ("kernel", false, false),
    ] {
        let dir = TempDir::new().unwrap();
        files(&dir.path().join("all"), timed, None);
        files(&dir.path().join("rest"), timed, Some("person-7"));
        files(&dir.path().join("all-again"), timed, None);
        let (had, never) = (state(&dir, "all", kind, people), state(&dir, "rest", kind, people));
        let before = models(&had);
        let forgotten = done(&["forget", "--json", "-q", "--state", &had, "--user", "person-7", "--all"], &[]);
        let after = models(&had);
        assert_eq!(after, models(&never), "{kind}, timed {timed}, people {people}: {forgotten}");
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert_eq!(changed, 1, "{kind}: an account lies in one shard");
        let (code, out, err) = run(&["verify", "--state", &had], &[]);
        assert_eq!(code, Some(0), "{out}{err}");
        if people {
            // The models depend on the features: without them the models
            // differ.
            assert_ne!(before, models(&state(&dir, "all-again", kind, false)));
        }
        // The name must not be left in any file of the state or in its output.
        for file in fs::read_dir(&had).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let bytes = fs::read(&file).unwrap();
            assert!(!bytes.windows(8).any(|part| part == b"person-7"), "{} names it", file.display());
        }
        let shown: Value = done(&["info", "--json", "--state", &had], &[]);
        assert!(!shown.to_string().contains("person-7"));
    }
}

/// Training a shard reads its users' features, so the input hash includes them:
/// a model that was trained on other features is not accepted as the model of
/// this input.
#[test]
fn features_of_people_are_part_of_an_input() {
    let dir = TempDir::new().unwrap();
    files(&dir.path().join("all"), true, None);
    let deployment = Deployment::open(Path::new(&state(&dir, "all", "episodes", true)), Access::Read).unwrap();
    let mut dataset = deployment.dataset.clone();
    let shards = dataset.shards();
    let names = |dataset: &eemu_core::dataset::Dataset| -> Vec<[u8; 32]> {
        shards.iter().map(|shard| input_hash(&dataset.catalog, &dataset.config, shard)).collect()
    };
    let before = names(&dataset);
    let person = dataset.catalog.users.find("person-7").unwrap();
    let columns = Arc::make_mut(&mut dataset.catalog.users.columns);
    let buckets = columns.iter_mut().find_map(|column| match &mut column.values {
        Values::Buckets { rows, count, .. } => Some((&mut rows[person as usize], *count)),
        _ => None,
    });
    let (own, count) = buckets.unwrap();
    *own = own.iter().map(|bucket| (bucket + 1) % count).collect();
    let changed: Vec<u32> =
        (0..).zip(before.iter().zip(&names(&dataset))).filter(|(_, (a, b))| a != b).map(|(shard, _)| shard).collect();
    let holding = shards.iter().filter(|shard| shard.cells.iter().any(|cell| cell.user == person));
    assert_eq!(changed, holding.map(|shard| shard.index).collect::<Vec<_>>());
}

/// Shows why users have no vocabulary: the word that only the deleted account
/// had would shape a table that outlives it, and the twin has another table.
#[test]
fn a_vocabulary_of_people_would_leave_a_trace() {
    let dir = TempDir::new().unwrap();
    files(&dir.path().join("all"), true, None);
    files(&dir.path().join("rest"), true, Some("person-7"));
    let state = |name: &str| {
        let (data, place) = (dir.path().join(name), dir.path().join(format!("{name}-state")));
        let import = ["import", "--data", text(&data), "--state", text(&place), "--holdout", "none", "--seed", "5"];
        done(&[&import[..], &["--user-features", "group", "--user-buckets", "0"]].concat(), &[]);
        let read = ["--set", "train.epochs=1", "--set", "episodes.width=4", "--set", "episodes.people=true"];
        done(&[&["train", "-q", "--state", text(&place), "--shards", "3"][..], &read].concat(), &[]);
        text(&place).to_owned()
    };
    let (had, never) = (state("all"), state("rest"));
    done(&["forget", "--json", "-q", "--state", &had, "--user", "person-7", "--all"], &[]);
    assert_ne!(models(&had), models(&never), "nothing was left of it, so this test shows nothing");
}
