//! The process dies at every named step, and opening the state once recovers it.

use std::process::Command;

use eemu_core::data::ItemRow;

use super::super::{Access, Deletion, NewRequest, STEPS, State};
use super::*;

/// The work that the child process does before it dies.
const WORK: &str = "EEMU_STORE_TEST_WORK";
const DIR: &str = "EEMU_STORE_TEST_DIR";

fn planted() -> Vec<Interaction> {
    let records = records();
    vec![records[1204], records[1237]]
}

/// Runs only in the process that [`die`] starts.
#[test]
fn child() {
    let Ok(work) = std::env::var(WORK) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    match work.as_str() {
        "create" => drop(create(&dir, "new", &records()[..7], true).unwrap()),
        "remove" => {
            let keys: Vec<(u32, u32)> = planted().iter().map(|r| (r.user, r.item)).collect();
            State::open(&dir, Access::Write).unwrap().remove(&keys, &[1]).unwrap();
        }
        "compact" => State::open(&dir, Access::Write).unwrap().compact().unwrap(),
        "publish" => drop(publish(&State::open(&dir, Access::Write).unwrap(), 1, b"one again")),
        "catalog" => State::open(&dir, Access::Write).unwrap().set_catalog(&smaller()).unwrap(),
        "items" => {
            State::open(&dir, Access::Write).unwrap().take_in_items(&larger()).unwrap();
        }
        "receipt" => {
            State::open(&dir, Access::Write).unwrap().answer_requests(&[[7; 32]], "{}").unwrap();
        }
        "reset" => State::open(&dir, Access::Write).unwrap().reset_models("{}", 2).unwrap(),
        "hold" => {
            let _state = State::open(&dir, Access::Write).unwrap();
            println!("holding");
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        other => panic!("no such work: {other}"),
    }
}

fn command(dir: &Path, work: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::tests::crash::child", "--nocapture", "--test-threads=1"]);
    command.env(WORK, work).env(DIR, dir);
    command
}

/// Does the work in another process that dies at `step`.
fn die(dir: &Path, work: &str, step: &str) {
    let output = command(dir, work).env("EEMU_FAIL_AT", step).output().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(6), "{work} did not die at {step}: {said}");
    }
    assert!(!output.status.success());
}

/// A catalogue with one user blanked and without dense features.
fn smaller() -> Catalog {
    let mut catalog = catalog("old");
    catalog.items.columns = std::sync::Arc::default();
    catalog.users.blank(299, "9f2c".into());
    catalog
}

/// A catalogue with one item more.
fn larger() -> Catalog {
    let mut catalog = catalog("old");
    catalog.add_items(&[ItemRow { item: "came later".into(), ..ItemRow::default() }]);
    catalog
}

#[test]
fn items_that_come_are_there_whole_or_not_at_all() {
    for step in steps(&["items.", "catalog."]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        let state = trained(&dir);
        let (had, items) = (state.live(1).unwrap().unwrap(), catalog("old").items.len());
        drop(state);
        die(&dir, "items", step);
        let state = State::open(&dir, Access::Write).unwrap();
        let shards = state.shards().unwrap();
        let came = is_after_commit(step);
        assert_eq!(state.catalog().unwrap().items.len(), items + usize::from(came), "{step}");
        assert!(shards.iter().filter(|shard| shard.live.is_some()).all(|shard| shard.stale == came), "{step}");
        assert_eq!(state.live(1).unwrap(), Some(had), "{step}: its model answers until it is retrained");
    }
}

fn steps(kinds: &[&str]) -> impl Iterator<Item = &'static str> {
    STEPS.iter().copied().filter(|step| kinds.iter().any(|kind| step.starts_with(kind)))
}

/// Whether a step comes after the transaction of its work is committed.
fn is_after_commit(step: &str) -> bool {
    step.ends_with(".committed") || step.starts_with("erase.") || step == "catalog.half"
}

#[test]
fn every_step_is_tried() {
    let tried =
        ["create.", "add.", "items.", "remove.", "publish.", "catalog.", "erase.", "compact.", "receipt.", "lists."];
    assert_eq!(steps(&tried).count(), STEPS.len());
}

#[test]
fn a_removal_that_dies_is_finished_by_one_opening() {
    for access in [Access::Write, Access::Read] {
        for step in steps(&["remove.", "erase."]) {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("run");
            let state = trained(&dir);
            let id = keyed_id(&planted()[0]);
            publish(&state, 1, &id);
            state.save_checkpoint(state.ticket(1).unwrap(), &[1; 32], &id).unwrap();
            drop(state);
            die(&dir, "remove", step);
            if step == "remove.committed" {
                // Shows that the search can find something: here the bytes are still on disk.
                assert_there(&dir, &planted());
            }
            let state = State::open(&dir, access).unwrap();
            if is_after_commit(step) {
                assert_gone(&dir, &planted());
                assert_eq!(state.record_count().unwrap(), 2998, "{step}");
                assert_eq!((state.live(1).unwrap(), model_files(&dir)), (None, 2));
                assert_eq!(files(&dir.join("checkpoints")).len(), 0);
            } else {
                assert_eq!(state.record_count().unwrap(), 3000, "{step}");
                assert!(state.load(1).unwrap().is_some());
                // The request was not acknowledged, so the client repeats it.
                drop(state);
                assert!(command(&dir, "remove").output().unwrap().status.success());
                assert_gone(&dir, &planted());
            }
        }
    }
}

#[test]
fn a_compaction_that_dies_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let state = trained(&dir);
    state.set_erase_within(std::time::Duration::from_secs(3600));
    let keys: Vec<(u32, u32)> = planted().iter().map(|r| (r.user, r.item)).collect();
    state.remove(&keys, &[1]).unwrap();
    drop(state);
    die(&dir, "compact", "compact.cleared");
    let state = State::open(&dir, Access::Write).unwrap();
    assert!(state.compacted().unwrap().due.is_some());
    state.compact().unwrap();
    assert!(state.compacted().unwrap().due.is_none());
    assert_gone(&dir, &planted());
}

/// The receipt and the request that it answers are written together.
#[test]
fn a_receipt_that_dies_is_there_whole_or_not() {
    for step in steps(&["receipt."]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        let state = trained(&dir);
        let before = state.receipts().unwrap().len();
        let request = NewRequest { id_hash: [7; 32], owner: None, removed: 1, shards: vec![1], created: 1.0 };
        let first = records()[0];
        let records = &[(first.user, first.item)];
        let deletion = Deletion { records, stale: &[1], requests: &[request], ..Deletion::default() };
        assert_eq!(state.carry_out(&deletion).unwrap().count, 1);
        drop(state);
        die(&dir, "receipt", step);
        let state = State::open(&dir, Access::Write).unwrap();
        let answered = state.requests(0.0).unwrap()[0].receipt;
        assert_eq!(state.receipts().unwrap().len(), before + usize::from(is_after_commit(step)), "{step}");
        assert_eq!(answered.is_some(), is_after_commit(step), "{step}");
    }
}

#[test]
fn a_publication_that_dies_leaves_the_old_or_the_new() {
    for step in steps(&["publish.", "erase."]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        let state = trained(&dir);
        let old = state.live(1).unwrap().unwrap();
        state.save_checkpoint(state.ticket(1).unwrap(), &[1; 32], b"half way").unwrap();
        drop(state);
        die(&dir, "publish", step);
        let state = State::open(&dir, Access::Write).unwrap();
        let loaded = state.load(1).unwrap().unwrap();
        let new = is_after_commit(step);
        let body: &[u8] = if new { b"one again" } else { b"one" };
        assert_eq!((&loaded.shared[..], loaded.user_rows), (body, [b"rows of ", body].concat()), "{step}");
        assert_eq!((model_files(&dir), state.receipts().unwrap().len()), (4, 2 + usize::from(new)), "{step}");
        assert_eq!(files(&dir.join("checkpoints")).len(), usize::from(!new), "{step}");
        assert_eq!(holding(&dir, &[old.nonce.0.to_vec()]).is_empty(), new, "{step}");
        publish(&state, 1, b"one at last");
        assert_eq!(model_files(&dir), 4);
    }
}

#[test]
fn an_import_that_dies_leaves_the_old_or_the_new() {
    for step in steps(&["create.", "catalog.staged", "catalog.half"]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        drop(trained(&dir));
        die(&dir, "create", step);
        let state = State::open(&dir, Access::Read).unwrap();
        let new = step == "create.moved-new";
        assert_eq!(state.record_count().unwrap(), if new { 7 } else { 3000 }, "{step}");
        assert_eq!(state.catalog().unwrap().dataset, if new { "new" } else { "old" });
        assert_eq!(state.load(0).unwrap().is_some(), !new);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{step}: something is left beside the state");

        // The same where there was no state before.
        let dir = folder.path().join("first");
        die(&dir, "create", step);
        assert_eq!(State::open(&dir, Access::Write).is_ok(), new, "{step}");
        assert_eq!(create(&dir, "new", &records(), true).unwrap().record_count().unwrap(), 3000);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{step}: something is left beside the state");
    }
}

#[test]
fn a_catalogue_change_that_dies_leaves_the_old_or_the_new() {
    for step in steps(&["catalog.", "erase."]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        drop(trained(&dir));
        die(&dir, "catalog", step);
        let state = State::open(&dir, Access::Read).unwrap();
        let new = is_after_commit(step);
        assert_eq!(state.catalog().unwrap(), if new { smaller() } else { catalog("old") }, "{step}");
        assert_eq!(holding(&dir, &[b"u299".to_vec()]).is_empty(), new, "{step}");
        assert_eq!(dir.join("catalog.safetensors").exists(), !new, "{step}");
        assert!(files(&dir).iter().all(|(path, _)| path.extension().is_none_or(|e| e != "next" && e != "tmp")));
    }
}

#[test]
fn a_reset_that_dies_is_finished() {
    for step in steps(&["erase."]) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        let state = trained(&dir);
        let nonce = state.live(0).unwrap().unwrap().nonce.0.to_vec();
        drop(state);
        die(&dir, "reset", step);
        let state = State::open(&dir, Access::Read).unwrap();
        assert_eq!((state.shards().unwrap().len(), model_files(&dir)), (2, 0), "{step}");
        assert!(holding(&dir, &[nonce]).is_empty(), "{step}");
    }
}

#[test]
fn half_written_files_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    drop(trained(&dir));
    for name in ["x.tmp", "models/.abc.tmp", "models/00.safetensors", "checkpoints/.y.tmp", "catalog.json.next"] {
        fs::write(dir.join(name), "half").unwrap();
    }
    fs::write(dir.join("checkpoints/shard-1.ckpt"), "no header").unwrap();
    let _state = State::open(&dir, Access::Read).unwrap();
    let half = files(&dir).into_iter().filter(|(_, bytes)| bytes == b"half" || bytes == b"no header").count();
    assert_eq!(half, 0);
    // Another thread or process may be writing tokens at this moment.
    let writing = dir.join("tokens.jsonAb12Cd.tmp");
    fs::write(&writing, "half").unwrap();
    drop(State::open(&dir, Access::Write).unwrap());
    assert!(writing.exists());
}

#[test]
fn a_writer_in_another_process_is_named_and_its_death_frees_the_state() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    drop(trained(&dir));
    let mut holder = command(&dir, "hold").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(|line| line.ok());
    assert!(said.into_iter().any(|line| line.contains("holding")));
    let text = State::open(&dir, Access::Write).unwrap_err().to_string();
    assert!(text.contains(&format!("process {}", holder.id())), "{text}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    State::open(&dir, Access::Write).unwrap();
}
