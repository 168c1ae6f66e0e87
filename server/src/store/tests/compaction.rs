//! Stale copies of deleted rows exist before a compaction and not after it.

use std::time::Duration;

use super::super::{Access, State};
use super::*;

/// A state whose records were inserted in random order, so that SQLite split pages and
/// moved rows.
fn shuffled(dir: &Path) -> (State, Vec<Interaction>) {
    let all = records();
    let state = create(dir, "old", &[], false).unwrap();
    for start in 0..10 {
        let batch: Vec<Interaction> = (0..300).map(|n| all[(n * 7 % 300) * 10 + start]).collect();
        state.insert(&batch, &[], &keyed_id).unwrap();
    }
    (state, all)
}

fn left(dir: &Path, removed: &[Interaction]) -> usize {
    let files = files(dir);
    let holds = |record: &&Interaction| {
        let id = keyed_id(record);
        files.iter().any(|(_, bytes)| bytes.windows(16).any(|window| window == id))
    };
    removed.iter().filter(holds).count()
}

/// Deletes thousands of records one by one without rebuilding the database; then
/// searches all files for all of them.
#[test]
fn after_a_compaction_no_byte_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (state, all) = shuffled(&dir);
    state.set_erase_within(Duration::from_secs(3600));
    let removed: Vec<Interaction> = all.iter().copied().filter(|r| (r.user * 7 + r.item) % 3 != 0).collect();
    for record in &removed {
        assert_eq!(state.remove(&[(record.user, record.item)], &[]).unwrap(), 1);
    }
    let before = left(&dir, &removed);
    println!("{before} of {} deleted records were found before the compaction", removed.len());
    let due = state.compacted().unwrap();
    assert!(due.due.is_some() && due.done.is_none());
    let mut compaction = state.begin_compaction().unwrap().unwrap();
    while !state.go_on_compacting(&mut compaction).unwrap() {}
    println!("{} pages were rewritten", compaction.rewritten());
    assert_eq!(left(&dir, &removed), 0);
    let done = state.compacted().unwrap();
    assert!(done.due.is_none() && done.done.is_some());
    assert_eq!(state.record_count().unwrap() as usize, all.len() - removed.len());
    let kept: Vec<Interaction> = all.iter().copied().filter(|r| (r.user * 7 + r.item) % 3 == 0).collect();
    assert_eq!(left(&dir, &kept), kept.len(), "the search is blind");
    // The tree is undamaged and can be written to.
    state.insert(&removed, &[], &keyed_id).unwrap();
    assert_eq!(state.record_count().unwrap() as usize, all.len());
    drop(state);
    assert_eq!(State::open(&dir, Access::Read).unwrap().interactions().unwrap().len(), all.len());
}

/// A row deleted during a compaction waits for the next one.
#[test]
fn a_deletion_meanwhile_waits_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (state, all) = shuffled(&dir);
    state.set_erase_within(Duration::from_secs(3600));
    state.remove(&[(all[0].user, all[0].item)], &[]).unwrap();
    let mut compaction = state.begin_compaction().unwrap().unwrap();
    state.remove(&[(all[1].user, all[1].item)], &[]).unwrap();
    while !state.go_on_compacting(&mut compaction).unwrap() {}
    assert!(state.compacted().unwrap().due.is_some(), "the second deletion was forgotten");
    state.compact().unwrap();
    assert!(state.compacted().unwrap().due.is_none());
}

/// The deadline of a compaction is stored in the state. A restarted process knows it,
/// and compacts first when it has passed.
#[test]
fn a_compaction_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let (state, all) = shuffled(&dir);
    state.set_erase_within(Duration::from_secs(3600));
    state.remove(&[(all[0].user, all[0].item)], &[]).unwrap();
    drop(state);
    let state = State::open(&dir, Access::Write).unwrap();
    assert!(state.compacted().unwrap().due.is_some());
    state.set_erase_within(Duration::from_millis(1));
    state.remove(&[(all[1].user, all[1].item)], &[]).unwrap();
    drop(state);
    std::thread::sleep(Duration::from_millis(5));
    for access in [Access::Read, Access::Write] {
        let state = State::open(&dir, access).unwrap();
        assert!(state.compacted().unwrap().due.is_none(), "{access:?}");
    }
}
