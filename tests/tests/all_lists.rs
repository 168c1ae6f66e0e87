//! `eemu recommend --all`: the lists of all users in one file. They equal the
//! lists requested one by one, the file is complete or absent, and a killed run
//! is resumed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use eemu_tests::command::{TINY, books, done, refused, run, text};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;
use tempfile::TempDir;

/// (user, rank, item, score as written).
type Row = (String, u32, String, f32);

/// A trained state of ten readers.
fn trained() -> (TempDir, PathBuf) {
    let kept = tempfile::tempdir().unwrap();
    let (file, state) = (books(kept.path()), kept.path().join("run"));
    done(&["import", "--data", text(&file), "--holdout", "none", "--seed", "5", "--state", text(&state)], &[]);
    done(&[&["train", "-q", "--state", text(&state)], &TINY[..]].concat(), &[]);
    (kept, state)
}

fn all(state: &Path, out: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    run(&[&["recommend", "--all", "--state", text(state), "--out", text(out), "--top", "4"], more].concat(), &[])
}

fn of_csv(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["user", "rank", "item", "score"]);
    reader.deserialize().map(Result::unwrap).collect()
}

fn of_jsonl(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("user"), row["rank"].as_u64().unwrap() as u32, text("item"), row["score"].as_f64().unwrap() as f32)
    };
    text.lines().map(row).collect()
}

fn of_parquet(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| {
        let text = |place| row.get_string(place).unwrap().clone();
        (text(0), row.get_uint(1).unwrap(), text(2), row.get_float(3).unwrap())
    })
    .collect()
}

/// Whether no temporary file is left in a folder.
fn is_tidy(folder: &Path) -> bool {
    let hidden = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with('.')
    };
    !std::fs::read_dir(folder).unwrap().any(hidden)
}

#[test]
fn every_form_holds_what_is_said_one_by_one() {
    let (kept, state) = trained();
    let out = |name: &str| kept.path().join(name);
    for name in ["lists.csv", "lists.jsonl", "lists.parquet"] {
        let (code, said, err) = all(&state, &out(name), &["--exclude", "book-1", "-q"]);
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(said.trim(), format!("wrote 40 rows of 10 people to {}", out(name).display()));
    }
    let rows = of_csv(&out("lists.csv"));
    assert_eq!(rows, of_jsonl(&out("lists.jsonl")));
    assert_eq!(rows, of_parquet(&out("lists.parquet")));
    let mut people: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| people.entry(&row.0).or_default().push(row));
    assert_eq!(people.len(), 10);
    for (person, rows) in people {
        let args =
            ["recommend", "--state", text(&state), "--user", person, "--top", "4", "--exclude", "book-1", "--json"];
        let one = done(&args, &[]);
        for (place, row) in rows.iter().enumerate() {
            let item = &one["items"][place];
            assert_eq!((row.1, row.2.as_str()), (place as u32 + 1, item["item_id"].as_str().unwrap()), "{person}");
            // Sums for several users are taken in another order.
            assert!((f64::from(row.3) - item["score"].as_f64().unwrap()).abs() < 1e-4);
            assert_ne!(row.2, "book-1");
        }
    }
    assert!(is_tidy(kept.path()));
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(out("lists.csv")).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "others can read everybody's lists");
    }
    // A list without items has no rows, so the file holds its heading only.
    let (code, ..) = all(&state, &out("none.csv"), &["--only", "no such", "-q"]);
    assert_eq!((code, of_csv(&out("none.csv"))), (Some(0), Vec::new()));
}

/// A killed run is resumed and gives the same file. With other rules, or after
/// a deletion, the earlier lists are not used.
#[test]
fn a_killed_run_goes_on() {
    let (kept, state) = trained();
    let (whole, out) = (kept.path().join("whole.csv"), kept.path().join("lists.csv"));
    assert_eq!(all(&state, &whole, &["-q"]).0, Some(0));
    let die = |top: &str| {
        let args = ["recommend", "--all", "--state", text(&state), "--out", text(&out), "--top", top, "--jobs", "1"];
        let (code, _, err) = run(&args, &[("EEMU_FAIL_AT", "lists.portion:4")]);
        assert_eq!(code, None, "it did not die: {err}");
        assert!(!out.exists(), "half a file");
    };
    die("4");
    let (code, _, err) = all(&state, &out, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("going on: 4 of 10 lists were made before"), "{err}");
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&out).unwrap());
    assert!(is_tidy(kept.path()));
    std::fs::remove_file(&out).unwrap();

    die("3");
    let (_, _, err) = all(&state, &out, &[]);
    assert!(err.contains("they are dropped") && !err.contains("going on"), "{err}");
    assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&out).unwrap());
    std::fs::remove_file(&out).unwrap();

    die("4");
    done(&["forget", "-q", "--state", text(&state), "--user", "reader-3", "--all"], &[]);
    let (code, _, err) = all(&state, &out, &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("they are dropped"), "{err}");
    let rows = of_csv(&out);
    assert_eq!(rows.len(), 36);
    assert!(!rows.iter().any(|row| row.0 == "reader-3"), "a deleted account has a list");
    assert!(is_tidy(kept.path()));
}

#[test]
fn what_cannot_be_written_is_refused_with_a_way_out() {
    let (kept, state) = trained();
    let at = |name: &str| kept.path().join(name).to_str().unwrap().to_owned();
    let all = |out: &str| refused(&["recommend", "--all", "--state", text(&state), "--out", out, "-q"], &[]);
    assert!(all(&at("lists")).contains(".parquet, .csv or .jsonl"));
    assert!(all(&at("nowhere/lists.csv")).contains("a folder that exists"));
    std::fs::create_dir(at("folder.csv")).unwrap();
    assert!(all(&at("folder.csv")).contains("is a folder"));
    for wrong in [
        &["--all"][..],
        &["--all", "--out", "x.csv", "--user", "reader-1"],
        &["--all", "--out", "x.csv", "--items", "book-1"],
        &["--user", "reader-1", "--out", "x.csv"],
        &["--items", "book-1,book-2", "--times", "1"],
        &["--items", "book-1", "--times", "now"],
        &["--items", "book-1", "--category", "shelf"],
        &["--items", "book-1", "--category", "shelf=3"],
        &["--items", "book-1", "--top", "0"],
    ] {
        refused(&[&["recommend", "--state", text(&state)], wrong].concat(), &[]);
    }
    let list = |times: &str| {
        let args = ["recommend", "--state", text(&state), "--items", "book-1,book-2", "--times", times, "--json"];
        done(&args, &[])["items"].clone()
    };
    assert_ne!(list("1,2"), list("2,1"));
    assert_eq!(list(",2"), list("-5,2"), "no time comes before a later one");
}
