//! What a deployment keeps beside its records: receipts, requests that wait
//! for one, backups that are out, notes.

use std::path::PathBuf;

use super::changing::TUNING_KEY;
use super::database::{Db, transaction};
use super::schema;
use super::{
    Access, Backup, DatabaseUrl, Inner, Location, Receipt, Request, Result, State, Tombstones, erase, failpoint,
    receipts, requests, tombstones,
};
use crate::clock::now_exactly;

/// Commitments to the data that searches on this state read.
const TUNED: &str = "note:tuned";

impl State {
    /// Appends a receipt (JSON) to the log; returns its id. It must hold no
    /// record and no plain model hash.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_receipt(&self, json: &str) -> Result<u64> {
        self.change(async |db| receipts::append(db, json).await)
    }

    /// Appends a receipt and notes it as the answer to requests (by their
    /// id's hash), in one transaction; returns its id. `None`, and nothing is
    /// written, when somebody else has answered one of them.
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

    /// Every unlearning request, and forgets those that were made before
    /// `since` (seconds since 1970) and are answered.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn requests(&self, since: f64) -> Result<Vec<Request>> {
        self.write(async |db| {
            requests::prune(db, since).await?;
            requests::list(db).await
        })
    }

    /// Forgets requests that were made before `since` (seconds since 1970) and
    /// are answered.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn prune_requests(&self, since: f64) -> Result<()> {
        self.write(async |db| requests::prune(db, since).await)
    }

    /// The requests with these hashes of their names, as far as they are known.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn requests_of(&self, ids: &[[u8; 32]]) -> Result<Vec<Request>> {
        self.read(async |db| requests::of(db, ids).await)
    }

    /// Notes a backup that is about to be made of a state, beside whoever
    /// writes to it.
    ///
    /// # Errors
    /// When there is no state of this program's format, or the database is
    /// busy for too long.
    pub fn register_backup(location: impl Into<Location>, backup: &Backup) -> Result<()> {
        Self::beside(location.into(), async |db| tombstones::register(db, backup).await)
    }

    /// Notes, beside whoever writes to the state, that a search read its
    /// records: the commitment to them, and the key that opens it.
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

    /// The key of the latest search's commitment, hex; destroyed with the
    /// first record that is deleted after it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tuning_key(&self) -> Result<Option<String>> {
        self.read(async |db| schema::meta(db, TUNING_KEY).await)
    }

    /// A change that shapes nothing else, beside the writer of the directory:
    /// the database itself orders the two.
    fn beside(location: Location, work: impl AsyncFnOnce(&mut Db) -> Result<()>) -> Result<()> {
        // Checks that there is a state, of this format.
        let state = Self::open(location, Access::Read)?;
        Inner::open(&state.location, true)?.run(async |db| transaction(db, work).await.map(drop))
    }

    /// Backups that are out, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        self.read(tombstones::backups)
    }

    /// What a restore needs to delete again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tombstones(&self) -> Result<Tombstones> {
        self.read(tombstones::all)
    }

    /// The same of a state in PostgreSQL, beside whoever works on it. It takes
    /// neither a directory nor the models, so that it can be asked when those
    /// are lost.
    ///
    /// # Errors
    /// When the database does not answer, or holds no state of this program's
    /// format.
    pub fn tombstones_in(database: &DatabaseUrl) -> Result<Tombstones> {
        let location = Location { dir: PathBuf::new(), database: Some(database.clone()), models: None };
        Inner::open(&location, false)?.run(async |db| {
            schema::hold(db).await?;
            schema::migrate(db, false).await?;
            tombstones::all(db).await
        })
    }

    /// Forgets backups whose time is over, and erases the tombstones that only
    /// they needed.
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

    /// A named value that is not learned state, such as the log's key.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note(&self, key: &str) -> Result<Option<String>> {
        self.read(async |db| schema::meta(db, &format!("note:{key}")).await)
    }

    /// Erases a named value, down to the bytes where those are in our hands.
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

    /// Changes a named value, beside whoever else does; nothing when `change`
    /// gives nothing.
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

    /// Sets named values and appends a receipt, in one transaction, unless the
    /// first of the values is there already.
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

    /// Finishes an erasure that was cut short or in whose way somebody was.
    ///
    /// # Errors
    /// When somebody still is, or the disk refuses.
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
