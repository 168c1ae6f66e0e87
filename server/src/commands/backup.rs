//! `eemu backup` and `eemu restore`.
//!
//! A backup is a state directory without models, because exact training makes the same
//! models again from the records.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use eemu_core::counted;
use eemu_core::data::{ImportReport, Imported};
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::{BackupArgs, RestoreArgs, TombstonesAt};
use crate::clock::{now_exactly, random_hex};
use crate::deleting::blank;
use crate::deployment::Deployment;
use crate::hidden;
use crate::store::{Access, Backup, Deferred, Extra, NewDeferred, State, StoreError, Tombstones};

pub(crate) fn backup(args: &BackupArgs) -> Result<ExitCode> {
    let state = args.state.location();
    if let Some(file) = &args.tombstones {
        // Stored elsewhere, they let a restore delete again what this state deleted, even when
        // this state is lost.
        let tombstones = State::open(&state, Access::Read)?.tombstones()?;
        crate::store::write_whole(file, &serde_json::to_vec(&tombstones)?)?;
        print_line(&format!("{} tombstones written to {}", tombstones.hashes.len(), file.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let to = args.to.as_ref().context("give --to DIR, or --tombstones FILE")?;
    // Otherwise the state would list a backup that was never made.
    if to.exists() && !std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none()) {
        bail!("{} is there already, and is no empty folder; name a new one for this backup", to.display());
    }
    let created = now_exactly();
    let expires = created + args.keep.max(0.0) * 86_400.0;
    let backup = Backup { id: random_hex::<8>()?, created, expires };
    // Before anything is read, so that whatever is deleted from here on gets a tombstone.
    State::register_backup(&state, &backup)?;
    let from = Deployment::open(&state, Access::Read)?;
    let copy = copy_of(&from, |_, _| true);
    let mut notes = vec![("backup".to_owned(), serde_json::to_string(&backup)?)];
    notes.extend(hidden_items(&from.state)?);
    let deferred = accepted(&from.state)?;
    let extra = Extra { notes, down: from.dataset.down.clone(), deferred, ..Extra::default() };
    drop(Deployment::create_with(to, &copy, &from.settings, false, extra)?);
    if args.json {
        print_json(&json!({"backup": backup.id, "records": copy.records.len(), "expires": backup.expires}))?;
    } else {
        print_line(&format!(
            "{} in {}; destroy it within {}",
            counted(copy.records.len(), "record"),
            to.display(),
            counted(args.keep as u64, "day")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The value with the hidden items, for a copy of the state.
fn hidden_items(state: &State) -> Result<Option<(String, String)>> {
    Ok(state.note(hidden::NOTE)?.map(|names| (hidden::NOTE.to_owned(), names)))
}

/// The deferred deletions, for a copy of the state, which encrypts them with a key of
/// its own. A deletion that is carried out between a backup and its restore finds
/// nothing to remove.
fn accepted(state: &State) -> Result<Vec<NewDeferred>> {
    let kept = state.deferred_secrets()?.into_iter();
    Ok(kept.map(|(Deferred { id_hash, asked, due }, secret)| NewDeferred { id_hash, asked, due, secret }).collect())
}

fn copy_of(from: &Deployment, keep: impl Fn(u32, u32) -> bool) -> Imported {
    let records = from.dataset.interactions.iter().filter(|r| keep(r.user, r.item)).copied().collect();
    Imported { catalog: from.dataset.catalog.clone(), records, report: ImportReport::default() }
}

/// Reads the tombstones of a state or from a file.
fn tombstones(at: &TombstonesAt) -> Result<Tombstones> {
    let path = match at {
        TombstonesAt::Database(url) => {
            return State::tombstones_in(url).context("cannot read the tombstones of the state in PostgreSQL");
        }
        TombstonesAt::Path(path) => path,
    };
    let shown = path.display();
    if path.is_dir() {
        return match State::open(path, Access::Read) {
            Ok(state) => Ok(state.tombstones()?),
            Err(StoreError::NeedsDatabase { .. }) => bail!(
                "the tombstones of {shown} are in PostgreSQL with its records: give the address of that database, \
                 --tombstones postgres://USER@HOST/NAME (or in EEMU_TOMBSTONES)"
            ),
            Err(error) => Err(error.into()),
        };
    }
    let text = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{shown} holds no tombstones; give what `eemu backup --tombstones` wrote"))
}

pub(crate) fn restore(args: &RestoreArgs) -> Result<ExitCode> {
    let shown = args.backup.display();
    let from = match Deployment::open(&args.backup, Access::Read) {
        Err(error) if matches!(error.downcast_ref(), Some(StoreError::NotAState { .. })) => {
            bail!("{shown} is no backup; name the folder that `eemu backup --to` wrote")
        }
        opened => opened?,
    };
    let Some(note) = from.state.note("backup")? else {
        bail!("{shown} is a state and no backup; `eemu backup` makes one");
    };
    let backup: Backup = serde_json::from_str(&note)
        .with_context(|| format!("what {} says of itself is damaged; take another backup", args.backup.display()))?;
    let tombstones = match &args.tombstones {
        Some(at) => {
            let found = tombstones(at)?;
            found.check()?;
            // Tombstones end with the backups that need them.
            if !found.backups.iter().any(|known| known.id == backup.id) {
                bail!(
                    "what --tombstones names knows nothing of this backup: it is of another deployment, or older than \
                     the backup, or the backup's time is over and its tombstones are destroyed. What was deleted since \
                     would come back"
                );
            }
            found
        }
        None if args.without_tombstones => Tombstones::default(),
        None => bail!(
            "what was deleted after this backup would come back: give --tombstones (the old state, or the file that \
             `eemu backup --tombstones` wrote), or say --without-tombstones"
        ),
    };
    let users = &from.dataset.catalog.users;
    let accounts: Vec<u32> = (0..users.len() as u32)
        .filter(|&user| {
            tombstones.holds_account(user)
                || tombstones.replaced && tombstones.forgotten.holds_user(&users.ids[user as usize])
        })
        .collect();
    let items = &from.dataset.catalog.items.ids;
    // After the data were replaced, indices differ; then names decide.
    let by_name = |user: u32, item: u32| {
        tombstones.replaced && tombstones.forgotten.holds_record(&users.ids[user as usize], &items[item as usize])
    };
    let keep = |user, item| !accounts.contains(&user) && !tombstones.holds_record(user, item) && !by_name(user, item);
    let mut copy = copy_of(&from, keep);
    blank(&mut copy.catalog, &accounts)?;
    let removed = from.dataset.interactions.len() - copy.records.len();
    // The backups still exist, and a later restore must delete all of this again. The new
    // state lists them from its first moment, so that no crash leaves a state that does
    // not know of them.
    let mut backups = tombstones.backups.clone();
    if !backups.iter().any(|known| known.id == backup.id) {
        backups.push(backup);
    }
    let notes = hidden_items(&from.state)?.into_iter().collect();
    let (down, deferred) = (from.dataset.down.clone(), accepted(&from.state)?);
    let extra = Extra { notes, backups, tombstones, down, deferred, ..Extra::default() };
    drop(Deployment::create_with(args.state.location(), &copy, &from.settings, false, extra)?);
    if args.json {
        print_json(
            &json!({"records": copy.records.len(), "deleted_again": removed, "accounts_deleted_again": accounts.len()}),
        )?;
    } else {
        print_line(&format!(
            "{} restored, {removed} deleted again, {} deleted again",
            counted(copy.records.len(), "record"),
            counted(accounts.len(), "account")
        ))?;
        print_line(&format!(
            "next: eemu train --state {}; tokens and the receipt log begin anew",
            args.state.state.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
