//! Details of `eemu forget`, `add` and `person export`.

#![allow(clippy::unwrap_used)]

use eemu_tests::command::{books, done, run, text};
use serde_json::Value;

/// An imported and trained state of ten users.
fn trained(dir: &std::path::Path) -> String {
    let (data, state) = (books(dir), dir.join("run"));
    // With this seed every shard has users.
    let import = ["import", "--data", text(&data), "--state", text(&state), "--holdout", "none", "--seed", "5"];
    done(&[&import[..], &["--json"]].concat(), &[]);
    let quick = ["--model", "kernel", "--shards", "3", "--quiet"];
    done(&[&["train", "--state", text(&state)], &quick[..]].concat(), &[]);
    text(&state).to_owned()
}

fn records(state: &str) -> u64 {
    done(&["info", "--state", state, "--json"], &[])["interactions"].as_u64().unwrap()
}

fn export(state: &str, user: &str) -> Value {
    done(&["person", "export", "--state", state, "--user", user], &[])
}

/// A dry run reports what would happen, and changes nothing.
#[test]
fn a_dry_run_does_nothing() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    let before = done(&["info", "--state", &state, "--json"], &[]);
    let said = done(&["forget", "--state", &state, "--user", "reader-3", "--all", "--dry-run", "--json"], &[]);
    assert_eq!((&said["removed"], &said["accounts"]), (&6.into(), &1.into()), "{said}");
    assert_eq!((said["shards"].as_array().unwrap().len(), &said["shards_left"]), (1, &2.into()), "cut by person");
    assert_eq!(said["degraded"], false);
    assert_eq!(done(&["info", "--state", &state, "--json"], &[]), before);
    let real = done(&["forget", "--state", &state, "--user", "reader-3", "--all", "--json", "-q"], &[]);
    assert_eq!((&real["removed"], &real["shards_retrained"]), (&said["removed"], &said["shards"]));
}

/// Deletes records of one user before a time; the same with a table and
/// declared headers.
#[test]
fn what_was_before_a_time() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    let own = export(&state, "reader-2");
    let times: Vec<f64> = own["records"].as_array().unwrap().iter().map(|r| r["timestamp"].as_f64().unwrap()).collect();
    let middle = times[3];
    let earlier = times.iter().filter(|time| **time < middle).count();
    let said = done(
        &["forget", "--state", &state, "--user", "reader-2", "--before", &middle.to_string(), "--json", "-q"],
        &[],
    );
    assert_eq!(said["removed"], earlier);
    assert_eq!(export(&state, "reader-2")["records"].as_array().unwrap().len(), 6 - earlier);
    let table = kept.path().join("asked.csv");
    std::fs::write(&table, "before,user\n1e9,reader-2\n,reader-4\n").unwrap();
    let (code, _, said) = run(&["forget", "--state", &state, "--file", text(&table), "--heading", "-q"], &[]);
    assert!(code == Some(2) && said.contains("line 3"), "{said}");
    std::fs::write(&table, "before,user\n1e9,reader-2\n").unwrap();
    done(&["forget", "--state", &state, "--file", text(&table), "--heading", "-q"], &[]);
    assert_eq!(export(&state, "reader-2")["records"], Value::Array(vec![]));
    done(&["verify", "--state", &state, "-q"], &[]);
}

/// An item that is taken down is in no list, no user keeps it, and none can add
/// it.
#[test]
fn an_item_is_taken_down_for_everybody() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    let before = records(&state);
    let down = done(&["forget", "--state", &state, "--item", "book-4", "--json", "-q"], &[]);
    let had = down["removed"].as_u64().unwrap();
    assert!(had > 1, "{down}");
    assert_eq!(records(&state), before - had);
    for reader in 0..10 {
        let ask = ["recommend", "--state", &state, "--user", &format!("reader-{reader}"), "--top", "20", "--json"];
        let list = done(&ask, &[]);
        assert!(list["items"].as_array().unwrap().iter().all(|item| item["item_id"] != "book-4"), "{list}");
    }
    let (code, _, said) = run(&["add", "--state", &state, "--user", "reader-1", "--item", "book-4"], &[]);
    assert!(code == Some(2) && said.contains("taken down"), "{said}");
    assert_eq!(done(&["info", "--state", &state, "--json"], &[])["items_down"][0], "book-4");
    done(&["verify", "--state", &state, "-q"], &[]);
}

/// The first record creates the user without `admit`. The models equal those of
/// an import that had the user from the start.
#[test]
fn people_come_with_their_first_record() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    let table = kept.path().join("new.csv");
    std::fs::write(&table, "who,what,when\n\"new, one\",book-1,5\n\"new, one\",book-2,6\nreader-1,book-1,1\n").unwrap();
    let said = done(&["add", "--state", &state, "--file", text(&table), "--heading", "--json"], &[]);
    assert_eq!(said["people"], 1);
    assert!(said["added"].as_u64().unwrap() >= 2, "{said}");
    // The new record counts at once: the existing models answer.
    done(&["recommend", "--state", &state, "--user", "new, one"], &[]);
    done(&["train", "--state", &state, "-q"], &[]);
    done(&["verify", "--state", &state, "-q"], &[]);
    assert_eq!(export(&state, "new, one")["records"].as_array().unwrap().len(), 2);
    done(&["recommend", "--state", &state, "--user", "new, one"], &[]);
    // The user is deleted, and returns as a new user.
    done(&["forget", "--state", &state, "--user", "new, one", "--all", "-q"], &[]);
    let (code, ..) = run(&["person", "export", "--state", &state, "--user", "new, one"], &[]);
    assert_eq!(code, Some(2));
    let said = done(&["add", "--state", &state, "--user", "new, one", "--item", "book-3", "--json"], &[]);
    assert_eq!((&said["people"], &said["added"]), (&1.into(), &1.into()));
    for blank in ["", "  "] {
        let (code, _, said) = run(&["add", "--state", &state, "--user", blank, "--item", "book-3"], &[]);
        assert!(code == Some(2) && said.contains("blank"), "{said}");
    }
    // A name like the labels of deleted accounts is an ordinary name.
    done(&["add", "--state", &state, "--user", "deleted-by-mistake", "--item", "book-3"], &[]);
    assert_eq!(export(&state, "deleted-by-mistake")["records"].as_array().unwrap().len(), 1);
}

/// Receipts contain their time and the request, and are exported as files that
/// can be verified by themselves.
#[test]
fn receipts_are_listed_and_exported() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    done(&["forget", "--state", &state, "--user", "reader-3", "--all", "-q"], &[]);
    let listed = done(&["receipt", "list", "--state", &state, "--json"], &[]);
    let entry = listed["entries"].as_array().unwrap().iter().find(|e| e["entry"]["removed"] == 6).unwrap();
    assert_eq!(entry["entry"]["requests"].as_array().unwrap().len(), 1);
    let times = &entry["entry"]["times"];
    for time in ["asked", "overwritten", "compacted", "written"] {
        assert!(times[time].as_u64().unwrap() > 1_600_000_000, "{time}: {times}");
    }
    let file = kept.path().join("receipt.json");
    done(&["receipt", "export", "--state", &state, "--to", text(&file)], &[]);
    assert_eq!(done(&["receipt", "verify", text(&file), "--json"], &[])["receipt"]["removed"], 6);
    let (code, _, said) = run(&["receipt", "export", "--state", &state, "--request", "nobody's"], &[]);
    assert!(code == Some(2) && said.contains("receipt list"), "{said}");
}

/// With a retention time, stale copies stay until it ends, and the output says
/// so. After it, the next command that writes deletes them.
#[test]
fn stale_copies_have_their_time() {
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    done(&["forget", "--state", &state, "--user", "reader-3", "--all", "-q", "--erase-within", "1h"], &[]);
    let info = done(&["info", "--state", &state, "--json"], &[]);
    assert!(info["compaction_due"].is_f64() && info["compacted"].is_null(), "{info}");
    let listed = done(&["receipt", "list", "--state", &state, "--json"], &[]);
    let entry = listed["entries"].as_array().unwrap().iter().find(|e| e["entry"]["removed"] == 6).unwrap();
    assert!(entry["entry"]["times"]["overwritten"].is_u64() && entry["entry"]["times"]["compacted"].is_null());
    done(&["forget", "--state", &state, "--user", "reader-4", "--all", "-q", "--erase-within", "0"], &[]);
    let info = done(&["info", "--state", &state, "--json"], &[]);
    assert!(info["compaction_due"].is_null() && info["compacted"].is_f64(), "{info}");
}

/// Other accounts of the machine cannot read a state, and the seed is printed
/// nowhere.
#[cfg(unix)]
#[test]
fn a_state_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    fn modes(dir: &std::path::Path, found: &mut Vec<(String, u32)>) {
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        found.push((dir.display().to_string() + "/", mode(dir)));
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { modes(&path, found) } else { found.push((path.display().to_string(), mode(&path))) }
        }
    }
    let check = |dir: &std::path::Path| {
        let mut found = Vec::new();
        modes(dir, &mut found);
        for (path, mode) in found {
            assert_eq!(mode, if path.ends_with('/') { 0o700 } else { 0o600 }, "{path}");
        }
    };
    let kept = tempfile::tempdir().unwrap();
    let state = trained(kept.path());
    check(std::path::Path::new(&state));
    let backup = kept.path().join("backup");
    done(&["backup", "--state", &state, "--to", text(&backup)], &[]);
    check(&backup);
    // A state of an earlier version gets these permissions when it is opened.
    let open = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&state, open(0o755)).unwrap();
    std::fs::set_permissions(std::path::Path::new(&state).join("eemu.sqlite"), open(0o644)).unwrap();
    done(&["forget", "--state", &state, "--user", "reader-3", "--all", "-q"], &[]);
    check(std::path::Path::new(&state));
    let (_, shown, _) = run(&["info", "--state", &state], &[]);
    let (_, _, wrong) = run(&["train", "--state", &state, "--set", "no.such=1"], &[]);
    assert!(shown.contains("train.") && wrong.contains("train."), "{wrong}");
    assert!(!shown.contains("seed") && !wrong.contains("seed="), "{shown}{wrong}");
}
