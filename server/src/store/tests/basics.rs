//! Reads return what was written, and invalid input is refused.

use std::time::Instant;

use super::super::database::{on, quietly};
use super::super::{Access, Head, LaunchPlace, State, StoreError, launch_bucket, launched, runtime, schema};
use super::*;

fn sorted(mut records: Vec<Interaction>) -> Vec<Interaction> {
    records.sort_by_key(|r| (r.user, r.item));
    records
}

#[test]
fn a_state_comes_back_as_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("deep/run");
    let state = trained(&dir);
    let live = state.live(1).unwrap().unwrap();
    let ticket = state.ticket(2).unwrap();
    state.save_checkpoint(ticket, &[2; 32], b"half way").unwrap();
    assert_eq!(state.append_receipt("{\"n\":1}").unwrap(), 3);
    drop(state);
    assert!(!dir.join("eemu.sqlite-wal").exists(), "closing empties the log");

    for access in [Access::Read, Access::Write] {
        let state = State::open(&dir, access).unwrap();
        assert_eq!(state.settings().unwrap(), "{\"made\":\"old\"}");
        assert_eq!(state.catalog().unwrap(), catalog("old"));
        assert_eq!(state.interactions().unwrap(), sorted(records()));
        assert_eq!(state.record_count().unwrap(), 3000);
        assert_eq!(state.live(1).unwrap().as_ref(), Some(&live));
        let loaded = state.load(1).unwrap().unwrap();
        assert_eq!(
            (loaded.live, loaded.shared, loaded.user_rows),
            (live.clone(), b"one".into(), b"rows of one".into())
        );
        assert_eq!(state.load(2).unwrap(), None);
        let receipts: Vec<_> = state.receipts().unwrap().into_iter().map(|r| (r.id, r.json)).collect();
        assert_eq!(receipts.len(), 3);
        assert_eq!(receipts[2], (3, "{\"n\":1}".to_owned()));
    }
    let state = State::open(&dir, Access::Write).unwrap();
    assert_eq!(state.load_checkpoint(ticket, &[2; 32]).unwrap().as_deref(), Some(&b"half way"[..]));
    assert_eq!(state.load_checkpoint(ticket, &[3; 32]).unwrap(), None);
    assert_eq!(state.load_checkpoint(ticket, &[2; 32]).unwrap(), None, "one of another input is removed");
    state.set_settings("{}").unwrap();
    assert_eq!(state.settings().unwrap(), "{}");
}

#[test]
fn numbers_survive_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let times =
        [None, Some(0.0), Some(-1.5), Some(1e300), Some(9007199254740993.0), Some(0.1), Some(-3.0), Some(5e-324)];
    let records: Vec<Interaction> =
        (0..).zip(times).map(|(item, timestamp)| Interaction { user: 0, item, timestamp }).collect();
    let state = create(&folder.path().join("run"), "old", &records, false).unwrap();
    assert_eq!(state.interactions().unwrap(), records);
}

#[test]
fn of_duplicates_the_latest_stays_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |timestamp| Interaction { user: 1, item: 1, timestamp };
    let (early, late) = (at(Some(10.0)), at(Some(20.0)));
    for (n, order) in [[early, late], [late, early]].iter().enumerate() {
        let state = create(&folder.path().join(n.to_string()), "old", order, false).unwrap();
        assert_eq!(state.interactions().unwrap(), [late]);
        for same in [early, late, at(None), at(Some(-3.0))] {
            assert_eq!(state.insert(&[same], &[], &keyed_id).unwrap(), 0);
        }
        assert_eq!(state.insert(&[at(Some(25.0))], &[], &keyed_id).unwrap(), 1);
        assert_eq!(state.interactions().unwrap(), [at(Some(25.0))]);
    }
}

#[test]
fn insertion_marks_shards_and_outdates_their_training() {
    let folder = tempfile::tempdir().unwrap();
    let state = trained(&folder.path().join("run"));
    let ticket = state.ticket(0).unwrap();
    let new = Interaction { user: 0, item: 1, timestamp: None };
    assert_eq!(state.insert(&[new, records()[0]], &[0], &keyed_id).unwrap(), 1);
    let shards = state.shards().unwrap();
    assert!(shards[0].stale && shards[0].live.is_some() && !shards[1].stale);
    assert!(matches!(state.save_checkpoint(ticket, &[0; 32], b""), Err(StoreError::Outdated { .. })));
    publish(&state, 0, b"zero with one more");
    assert!(!state.shards().unwrap()[0].stale);
}

#[test]
fn records_outside_the_catalogue_or_time_are_refused_and_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = trained(&folder.path().join("run"));
    for (user, item, timestamp) in
        [(USERS, 0, None), (0, ITEMS, None), (0, 1, Some(f64::NAN)), (0, 1, Some(f64::INFINITY))]
    {
        let error = state.insert(&[Interaction { user, item, timestamp }], &[], &keyed_id).unwrap_err();
        assert!(matches!(error, StoreError::BadRecord(_)), "{error}");
        assert!(!error.to_string().contains(&USERS.to_string()));
    }
    assert_eq!(state.record_count().unwrap(), 3000);
}

/// One note is of one place: what is at another would be looked for by nobody.
#[test]
fn inputs_go_to_one_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let owner = launched::owner_from_now_on(&dir).unwrap();
    let note = format!("{owner}\ns3://somewhere/else");
    state
        .write(async |db| quietly(db, async |db| schema::set_meta(db, launch_bucket::NOTE, &note).await).await)
        .unwrap();
    let place = LaunchPlace { prefix: "s3://here/now".into(), owner };
    let problem = state.put_input(state.ticket(0).unwrap(), &place, b"records").unwrap_err().to_string();
    assert!(problem.contains("s3://somewhere/else") && problem.contains("start this one again"), "{problem}");
}

#[test]
fn a_second_writer_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let text = State::open(&dir, Access::Write).unwrap_err().to_string();
    assert!(text.contains("run is in use by process ") && text.contains(&std::process::id().to_string()), "{text}");
    let text = create(&dir, "new", &[], true).unwrap_err().to_string();
    assert!(text.contains("in use"), "{text}");
    let reader = State::open(&dir, Access::Read).unwrap();
    assert_eq!(reader.record_count().unwrap(), 3000);
    assert!(matches!(reader.remove(&[(0, 0)], &[]), Err(StoreError::ReadOnly)));
    drop(state);
    State::open(&dir, Access::Write).unwrap();
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let path = dir.join("models").join(format!("{}.safetensors", state.live(1).unwrap().unwrap().user_rows_file));
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let text = state.load(1).unwrap_err().to_string();
    assert!(text.contains("damaged") && text.contains("trains shard 1 again"), "{text}");
    fs::write(&path, &bytes[..2]).unwrap();
    assert!(state.load(1).is_err());
    fs::remove_file(&path).unwrap();
    assert!(state.load(1).unwrap_err().to_string().contains("missing"));
    assert!(state.load(0).unwrap().is_some());
    publish(&state, 1, b"one");
    assert!(state.load(1).unwrap().is_some(), "retraining heals");

    let ticket = state.ticket(2).unwrap();
    state.save_checkpoint(ticket, &[2; 32], b"half way").unwrap();
    let path = dir.join("checkpoints/shard-2.ckpt");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(state.load_checkpoint(ticket, &[2; 32]).unwrap(), None);
    assert!(!path.exists());

    let path = dir.join("catalog.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(state.catalog(), Err(StoreError::DamagedCatalog { .. })));
}

#[test]
fn a_failed_import_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    drop(trained(&dir));
    let before = files(folder.path());
    let bad = [records(), vec![Interaction { user: USERS, item: 0, timestamp: None }]].concat();
    assert!(matches!(create(&dir, "new", &bad, true), Err(StoreError::BadRecord(_))));
    assert!(matches!(create(&dir, "new", &records(), false), Err(StoreError::AlreadyAState { .. })));
    assert_eq!(files(folder.path()), before);

    let state = create(&dir, "new", &records()[..5], true).unwrap();
    assert_eq!((state.record_count().unwrap(), state.shards().unwrap().len()), (5, 0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    let foreign = folder.path().join("photos");
    fs::create_dir(&foreign).unwrap();
    assert!(matches!(State::open(&foreign, Access::Read), Err(StoreError::NotAState { .. })));
    create(&foreign, "new", &[], false).unwrap();
    fs::remove_dir_all(&foreign).unwrap();
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("cat.jpg"), "").unwrap();
    assert!(matches!(create(&foreign, "new", &[], true), Err(StoreError::ForeignDirectory { .. })));
    assert!(foreign.join("cat.jpg").exists());
}

/// A version of the state that cannot be parsed is an error, not version 0.
#[test]
fn a_damaged_count_of_changes_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let state = trained(&folder.path().join("run"));
    for text in ["", "x", "1 2 x", "1 2 3 4 5"] {
        state.write(async |db| schema::set_meta(db, "head", text).await).unwrap();
        assert!(matches!(state.moment(), Err(StoreError::DamagedRow(_))), "{text}");
        assert!(matches!(state.apply(&Change::Settings("{}"), Head::default()), Err(StoreError::DamagedRow(_))));
    }
}

#[test]
fn formats_of_another_time_are_refused_or_upgraded() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    drop(trained(&dir));
    let longer = [schema::MIGRATIONS, &["CREATE TABLE later (x INTEGER) STRICT"]].concat();
    runtime().unwrap().block_on(async {
        let mut db = schema::connect(&dir, None, true).await.unwrap();
        let refused = schema::migrate_to(&mut db, &longer, false).await.unwrap_err();
        assert!(matches!(refused, StoreError::OlderFormat { .. }), "{refused}");
        schema::migrate_to(&mut db, &longer, true).await.unwrap();
        schema::migrate_to(&mut db, &longer, false).await.unwrap();
        db.close().await.unwrap();
    });
    for access in [Access::Read, Access::Write] {
        let text = State::open(&dir, access).unwrap_err().to_string();
        assert!(text.contains(&format!("format {}", longer.len())) && text.contains("newer"), "{text}");
    }
}

#[test]
fn the_settings_erasure_rests_on_are_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let state = trained(&folder.path().join("run"));
    for (pragma, expected) in [("PRAGMA secure_delete", 1), ("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1)] {
        let found: i64 =
            state.read(async |db| Ok(on!(db, c => sqlx::query_scalar(pragma).fetch_one(c).await?))).unwrap();
        assert_eq!(found, expected, "{pragma}");
    }
    let pragma = "PRAGMA journal_mode";
    let mode: String = state.read(async |db| Ok(on!(db, c => sqlx::query_scalar(pragma).fetch_one(c).await?))).unwrap();
    assert_eq!(mode, "wal");
}

/// A million records, for `cargo xtask test --all`. It prints how long each step took
/// and asserts no time, because machines differ.
#[test]
fn a_million_records() {
    if std::env::var_os("EEMU_LONG").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<Interaction> = (0..1_000_000)
        .map(|n| Interaction { user: n / 250, item: (n * 37) % 250, timestamp: Some(f64::from(n) + 978_300_000.0) })
        .collect();
    let catalog = Catalog {
        dataset: "million".into(),
        version: 1,
        users: Entities::new((0..4000).map(|i| i.to_string()).collect(), Vec::new(), Vec::new()).unwrap(),
        items: Entities::new((0..250).map(|i| i.to_string()).collect(), Vec::new(), Vec::new()).unwrap(),
    };
    let import = Import {
        catalog: &catalog,
        settings: "{}",
        keyed_id: &|r| [r.item as u8; 16],
        part_of: &|_| 0,
        replace: false,
        extra: Extra::default(),
    };
    let timed = |what: &str, started: Instant| println!("{what}: {:.2} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let state = State::create(&folder.path().join("run"), &import, records).unwrap();
    timed("create", started);
    let started = Instant::now();
    assert_eq!(state.interactions().unwrap().len(), 1_000_000);
    timed("read", started);
    let started = Instant::now();
    state.record_count().unwrap();
    timed("count", started);
    let started = Instant::now();
    assert_eq!(state.remove(&[(7, 7)], &[]).unwrap(), 1);
    timed("remove one", started);
    let many: Vec<(u32, u32)> = (0..100_000).map(|n| (n / 250, n % 250)).collect();
    let started = Instant::now();
    state.remove(&many, &[]).unwrap();
    timed("remove 100,000", started);
}
