//! What a deployment stores beside its records: receipts, requests without a receipt,
//! backups, and named values.

use std::path::PathBuf;

use super::changing::TUNING_KEY;
use super::database::{Db, transaction};
use super::schema;
use super::{
    Access, Backup, DatabaseUrl, Inner, Location, Receipt, Request, Result, State, Tombstones, erase, failpoint,
    receipts, requests, tombstones,
};
use crate::clock::now_exactly;

/// Key of the commitments to the data that hyper-parameter searches read.
const TUNED: &str = "note:tuned";

impl State {
    /// Appends a receipt (JSON) to the log and returns its id. The receipt must contain no
    /// record and no plain model hash.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_receipt(&self, json: &str) -> Result<u64> {
        self.change(async |db| receipts::append(db, json).await)
    }

    /// Appends a receipt and stores it as the answer to requests, given by the hashes of
    /// their names, in one transaction. Returns its id. Returns `None` and writes nothing
    /// when another process has answered one of them.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn answer_requests(&self, ids: &[[u8; 32]], json: &str) -> Result<Option<u64>> {
        let receipt = self.change(async |db| {
            if requests::open(db, ids).await?.len() < ids.len() {
                db.nothing_changed();
                return Ok(None);
            }
            let receipt = receipts::append(db, json).await?;
            requests::answer(db, ids, receipt).await?;
            failpoint("receipt.written");
            Ok(Some(receipt))
        })?;
        failpoint("receipt.committed");
        Ok(receipt)
    }

    /// Every deletion request, after [`State::prune_requests`].
    ///
    /// # Errors
    /// When the database refuses.
    pub fn requests(&self, since: f64) -> Result<Vec<Request>> {
        self.write(async |db| {
            requests::prune(db, since).await?;
            requests::list(db).await
        })
    }

    /// Deletes answered requests that were made before `since` (seconds since 1970).
    ///
    /// # Errors
    /// When the database refuses.
    pub fn prune_requests(&self, since: f64) -> Result<()> {
        self.write(async |db| requests::prune(db, since).await)
    }

    /// Those requests that exist among these hashes of names.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn requests_of(&self, ids: &[[u8; 32]]) -> Result<Vec<Request>> {
        self.read(async |db| requests::of(db, ids).await)
    }

    /// Stores that a backup of a state is about to be made, while another process may write
    /// to the state.
    ///
    /// # Errors
    /// When there is no state of this program's format, or the database is
    /// busy for too long.
    pub fn register_backup(location: impl Into<Location>, backup: &Backup) -> Result<()> {
        Self::beside(location.into(), async |db| tombstones::register(db, backup).await)
    }

    /// Stores that a search read the state's records: the commitment to them, and the key
    /// that opens it. Another process may write to the state meanwhile.
    ///
    /// # Errors
    /// As [`State::register_backup`].
    pub fn register_tuning(location: impl Into<Location>, commitment: &str, key: &[u8; 32]) -> Result<()> {
        Self::beside(location.into(), async |db| {
            let known = schema::meta(db, TUNED).await?.unwrap_or_default();
            if !known.split_whitespace().any(|one| one == commitment) {
                schema::set_meta(db, TUNED, format!("{known} {commitment}").trim()).await?;
            }
            schema::set_meta(db, TUNING_KEY, &hex::encode(key)).await
        })
    }

    /// Commitments to the data that searches on this state read, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tuned(&self) -> Result<Vec<String>> {
        let known = self.read(async |db| schema::meta(db, TUNED).await)?.unwrap_or_default();
        Ok(known.split_whitespace().map(str::to_owned).collect())
    }

    /// The key of the latest search's commitment, hex. The first deletion of a record after
    /// the search destroys it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tuning_key(&self) -> Result<Option<String>> {
        self.read(async |db| schema::meta(db, TUNING_KEY).await)
    }

    /// Makes a small change beside the process that writes to the directory; the database
    /// itself orders the two.
    fn beside(location: Location, work: impl AsyncFnOnce(&mut Db) -> Result<()>) -> Result<()> {
        // Checks that there is a state, of the present format.
        let state = Self::open(location, Access::Read)?;
        Inner::open(&state.location, true)?.run(async |db| transaction(db, work).await.map(drop))
    }

    /// Backups that exist, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        self.read(tombstones::backups)
    }

    /// What a restore needs, to delete again what was deleted since the backup.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tombstones(&self) -> Result<Tombstones> {
        self.read(tombstones::all)
    }

    /// As [`State::tombstones`], of a state in PostgreSQL. It needs neither the directory
    /// nor the models, so that it works when those are lost.
    ///
    /// # Errors
    /// When the database does not answer, or holds no state of the present format.
    pub fn tombstones_in(database: &DatabaseUrl) -> Result<Tombstones> {
        let location = Location { dir: PathBuf::new(), database: Some(database.clone()), models: None };
        Inner::open(&location, false)?.run(async |db| {
            schema::hold(db).await?;
            schema::migrate(db, false).await?;
            tombstones::all(db).await
        })
    }

    /// Removes backups that have expired, and erases the tombstones that only they needed.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub fn expire_backups(&self) -> Result<()> {
        let now = now_exactly();
        if self.backups()?.iter().all(|backup| backup.expires > now) {
            return Ok(());
        }
        self.write(async |db| {
            let expire = async |db: &mut Db| {
                let gone = tombstones::expire(db).await?;
                if gone {
                    erase::begin(db).await?;
                }
                Ok(gone)
            };
            let (gone, _) = transaction(db, expire).await?;
            if gone { self.tidy(db, true).await } else { Ok(()) }
        })
    }

    /// A named value that is not learned from the data, such as the log's key.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note(&self, key: &str) -> Result<Option<String>> {
        self.read(async |db| schema::meta(db, &format!("note:{key}")).await)
    }

    /// Erases a named value, down to the bytes unless erasure is logical.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub fn erase_note(&self, key: &str) -> Result<()> {
        let key = format!("note:{key}");
        self.write(async |db| {
            let forget = async |db: &mut Db| {
                schema::clear_meta(db, &key).await?;
                erase::begin(db).await
            };
            transaction(db, forget).await?;
            self.tidy(db, true).await
        })
    }

    /// Changes a named value, while others may change it too. Nothing is written when
    /// `change` returns `None`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn change_note(&self, key: &str, change: impl FnOnce(Option<String>) -> Option<String>) -> Result<()> {
        let key = format!("note:{key}");
        let work = async |db: &mut Db| match change(schema::meta(db, &key).await?) {
            Some(value) => schema::set_meta(db, &key, &value).await,
            None => {
                db.nothing_changed();
                Ok(())
            }
        };
        Inner::open(&self.location, true)?.run(async |db| transaction(db, work).await.map(drop))
    }

    /// Sets named values and appends a receipt, in one transaction, unless the first of the
    /// values exists already.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_first_notes(&self, notes: &[(&str, &str)], receipt: &str) -> Result<()> {
        self.change(async |db| {
            for (place, (key, value)) in notes.iter().enumerate() {
                let key = format!("note:{key}");
                if place == 0 && schema::meta(db, &key).await?.is_some() {
                    db.nothing_changed();
                    return Ok(());
                }
                schema::set_meta(db, &key, value).await?;
            }
            receipts::append(db, receipt).await.map(drop)
        })
    }

    /// Finishes an erasure that was cut short, or that a reader was in the way of.
    ///
    /// # Errors
    /// When a reader still is in the way, or the disk refuses.
    pub fn finish_erasure(&self) -> Result<()> {
        self.write(async |db| if erase::pending(db).await? { self.tidy(db, true).await } else { Ok(()) })
    }

    /// Sets named values and appends a receipt, in one transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_notes(&self, notes: &[(&str, &str)], receipt: Option<&str>) -> Result<()> {
        self.change(async |db| {
            for (key, value) in notes {
                schema::set_meta(db, &format!("note:{key}"), value).await?;
            }
            if let Some(json) = receipt {
                receipts::append(db, json).await?;
            }
            Ok(())
        })
    }

    /// The receipts after the first `known`, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn receipts_after(&self, known: u64) -> Result<Vec<Receipt>> {
        self.read(async |db| receipts::after(db, known).await)
    }

    /// All receipts, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        self.read(receipts::list)
    }
}
