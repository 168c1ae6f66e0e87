//! A deletion leaves no byte of the deleted records.

use std::time::{Duration, Instant};

use super::super::database::{Db, picture};
use super::super::{Access, State, StoreError, schema};
use super::*;

/// One record with a whole-number time, one with a fraction, and one that is its user's
/// first.
fn planted() -> Vec<Interaction> {
    let records = records();
    vec![records[1204], records[1237], records[10]]
}

fn keys(records: &[Interaction]) -> Vec<(u32, u32)> {
    records.iter().map(|r| (r.user, r.item)).collect()
}

#[test]
fn remove_leaves_no_byte_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let planted = planted();
    // Derived files hold them too: a model and a checkpoint.
    let id = keyed_id(&planted[0]);
    publish(&state, 1, &id);
    let ticket = state.ticket(1).unwrap();
    state.save_checkpoint(ticket, &[1; 32], &id).unwrap();
    let secret = state.live(1).unwrap().unwrap().nonce.0.to_vec();
    assert_there(&dir, &planted);
    let derived = holding(&dir, &[id.to_vec()]).into_iter().filter(|path| path.parent() != Some(&dir)).count();
    assert_eq!(derived, 3, "both model files and the checkpoint");
    assert!(!holding(&dir, std::slice::from_ref(&secret)).is_empty());

    assert_eq!(state.remove(&keys(&planted), &[1]).unwrap(), 3);

    assert_gone(&dir, &planted);
    assert!(holding(&dir, &[secret]).is_empty());
    assert_there(&dir, &records()[100..103]);
    let shards = state.shards().unwrap();
    assert!(shards[1].stale && shards[1].live.is_none());
    assert!(!shards[0].stale && shards[0].live.is_some());
    assert_eq!(state.record_count().unwrap(), 2997);
    drop(state);
    assert_gone(&dir, &planted);
}

#[test]
fn wherever_in_the_tree_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = create(&dir, "old", &records(), false).unwrap();
    // Records spread over all pages, then all records of some users, so that SQLite
    // balances and frees pages.
    let spread: Vec<Interaction> = records().into_iter().step_by(73).collect();
    let users: Vec<Interaction> = records().into_iter().filter(|r| (100..180).contains(&r.user)).collect();
    state.remove(&keys(&spread), &[]).unwrap();
    state.remove(&keys(&users), &[]).unwrap();
    let ids = spread.iter().chain(users.iter().step_by(9)).map(|r| keyed_id(r).to_vec()).collect::<Vec<_>>();
    assert_eq!(holding(&dir, &ids), Vec::<PathBuf>::new());
}

#[test]
fn whatever_order_they_came_in() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    // Inserted in random order, records split pages and move between them.
    let all = records();
    let state = create(&dir, "old", &[], false).unwrap();
    for start in 0..10 {
        let batch: Vec<Interaction> = (0..300).map(|n| all[(n * 7 % 300) * 10 + start]).collect();
        state.insert(&batch, &[], &keyed_id).unwrap();
    }
    let removed: Vec<Interaction> = all.into_iter().step_by(3).collect();
    state.remove(&keys(&removed), &[]).unwrap();
    assert_eq!(state.record_count().unwrap(), 2000);
    let ids: Vec<Vec<u8>> = removed.iter().map(|r| keyed_id(r).to_vec()).collect();
    assert_eq!(holding(&dir, &ids), Vec::<PathBuf>::new());
}

#[test]
fn removing_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let planted = planted();
    state.remove(&keys(&planted), &[1]).unwrap();
    publish(&state, 1, b"one again");
    let before = (state.shards().unwrap(), files(&dir));
    assert_eq!(state.remove(&keys(&planted), &[0, 1, 2]).unwrap(), 0);
    assert_eq!((state.shards().unwrap(), files(&dir)), before);
}

#[test]
fn an_unknown_shard_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = trained(&folder.path().join("run"));
    let before = state.shards().unwrap();
    let error = state.remove(&keys(&planted()), &[1, 3]).unwrap_err();
    assert!(matches!(error, StoreError::UnknownShard { shard: 3, shards: 3 }), "{error}");
    assert_eq!((state.record_count().unwrap(), state.shards().unwrap()), (3000, before));
}

#[test]
fn a_reader_in_the_way_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let (opened, wait) = std::sync::mpsc::channel();
    let place = dir.clone();
    let reader = std::thread::spawn(move || {
        super::super::runtime().unwrap().block_on(async {
            let mut db = schema::connect(&place, None, false).await.unwrap();
            let look = async |db: &mut Db| {
                let count = super::super::records::count(db).await?;
                opened.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(700));
                Ok(count)
            };
            picture(&mut db, look).await.unwrap()
        })
    });
    wait.recv().unwrap();
    let started = Instant::now();
    state.remove(&keys(&planted()), &[]).unwrap();
    assert!(started.elapsed() > Duration::from_millis(500), "the snapshot was not in the way");
    assert_eq!(reader.join().unwrap(), 3000);
    assert_gone(&dir, &planted());
}

#[test]
fn what_a_run_saw_cannot_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let ticket = state.ticket(1).unwrap();
    state.save_checkpoint(ticket, &[1; 32], b"half way").unwrap();
    let planted = planted();
    state.remove(&keys(&planted), &[1]).unwrap();
    assert!(matches!(state.save_checkpoint(ticket, &[1; 32], b"on"), Err(StoreError::Outdated { shard: 1 })));
    let publication = Publication {
        model_blake3: "",
        fingerprint: "",
        shared: b"a",
        user_rows: b"b",
        input_hash: [0; 32],
        seconds: 0.0,
        epochs: 0,
        losses: &[],
        catalog: 1,
    };
    assert!(matches!(state.publish(ticket, &publication, |_| Ok(None)), Err(StoreError::Outdated { shard: 1 })));
    assert_eq!((model_files(&dir), state.live(1).unwrap()), (2, None));
    assert_eq!(files(&dir.join("checkpoints")).len(), 0);
}

#[test]
fn a_blanked_account_leaves_the_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let mut changed = state.catalog().unwrap();
    assert!(!holding(&dir, &[b"u299".to_vec()]).is_empty());
    changed.users.blank(299, "9f2c".into());
    state.set_catalog(&changed).unwrap();
    assert_eq!(state.catalog().unwrap(), changed);
    assert!(holding(&dir, &[b"u299".to_vec()]).is_empty());
    drop(state);
    assert_eq!(State::open(&dir, Access::Read).unwrap().catalog().unwrap(), changed);
}

#[test]
fn a_replaced_version_takes_its_secrets_along() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    let old = state.live(0).unwrap().unwrap();
    let secrets = [old.nonce.0.to_vec(), old.salt.0.to_vec(), old.model_blake3.clone().into_bytes()];
    assert!(secrets.iter().all(|secret| !holding(&dir, std::slice::from_ref(secret)).is_empty()));
    let new = publish(&state, 0, b"zero again");
    assert!(holding(&dir, &secrets).is_empty());
    assert!(new.nonce != old.nonce && new.salt != old.salt && new.nonce != new.salt && new.version > old.version);
    let secrets = [new.nonce.0.to_vec(), new.salt.0.to_vec()];
    state.reset_models("{}", 2).unwrap();
    assert!(holding(&dir, &secrets).is_empty());
    assert_eq!((model_files(&dir), state.shards().unwrap().len()), (0, 2));
}
