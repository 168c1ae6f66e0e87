//! What a deployment keeps beside its records: receipts, requests that wait
//! for one, backups that are out, notes.

use std::path::Path;

use sqlx::Connection;

use super::schema::{self, BEGIN};
use super::{
    Access, Backup, Receipt, Request, Result, State, Tombstones, erase, failpoint, receipts, requests, runtime,
    tombstones,
};

impl State {
    /// Appends a receipt (JSON) to the log; returns its id. It must hold no
    /// record and no plain model hash.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_receipt(&self, json: &str) -> Result<u64> {
        self.write(async |connection| receipts::append(connection, json).await)
    }

    /// Appends a receipt and notes it as the answer to requests (by their
    /// id's hash), in one transaction; returns its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn answer_requests(&self, ids: &[[u8; 32]], json: &str) -> Result<u64> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            let receipt = receipts::append(&mut transaction, json).await?;
            requests::answer(&mut transaction, ids, receipt).await?;
            failpoint("receipt.written");
            transaction.commit().await?;
            failpoint("receipt.committed");
            Ok(receipt)
        })
    }

    /// Every unlearning request, and forgets those that were made before
    /// `since` (seconds since 1970) and are answered.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn requests(&self, since: f64) -> Result<Vec<Request>> {
        self.write(async |connection| {
            requests::prune(connection, since).await?;
            requests::list(connection).await
        })
    }

    /// Notes that accounts are being deleted, for backups that are out.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn entomb_accounts(&self, users: &[u32]) -> Result<()> {
        self.write(async |connection| {
            let places: Vec<(u32, u32)> = users.iter().map(|&user| (user, tombstones::ACCOUNT)).collect();
            let mut transaction = connection.begin_with(BEGIN).await?;
            tombstones::entomb(&mut transaction, &places).await?;
            Ok(transaction.commit().await?)
        })
    }

    /// Notes a backup that is about to be made of a state, beside whoever
    /// writes to it.
    ///
    /// # Errors
    /// When there is no state of this program's format, or the database is
    /// busy for too long.
    pub fn register_backup(dir: &Path, backup: &Backup) -> Result<()> {
        // Checks that there is a state, of this format.
        let state = Self::open(dir, Access::Read)?;
        // One row, which SQLite itself orders among other writers.
        runtime()?.block_on(async {
            let mut connection = schema::connect(&state.dir, true).await?;
            tombstones::register(&mut connection, backup).await?;
            Ok(connection.close().await?)
        })
    }

    /// Takes over backups that are out and tombstones of the state that this
    /// one was restored for, in one transaction.
    ///
    /// # Errors
    /// When a tombstone is unreadable or the database refuses.
    pub fn carry_over(&self, backups: &[Backup], tombstones: &Tombstones) -> Result<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            tombstones::carry_over(&mut transaction, backups, tombstones).await?;
            Ok(transaction.commit().await?)
        })
    }

    /// Backups that are out, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn backups(&self) -> Result<Vec<Backup>> {
        self.read(async |connection| tombstones::backups(connection).await)
    }

    /// What a restore needs to delete again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tombstones(&self) -> Result<Tombstones> {
        self.read(async |connection| tombstones::all(connection).await)
    }

    /// Forgets backups whose time is over, and erases the tombstones that only
    /// they needed.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub fn expire_backups(&self) -> Result<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            let gone = tombstones::expire(&mut transaction).await?;
            if gone {
                erase::begin(&mut transaction).await?;
            }
            transaction.commit().await?;
            if gone { self.tidy(connection, true).await } else { Ok(()) }
        })
    }

    /// A named value that is not learned state, such as the log's key.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note(&self, key: &str) -> Result<Option<String>> {
        self.read(async |connection| schema::meta(connection, &format!("note:{key}")).await)
    }

    /// Sets named values and appends a receipt, in one transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_notes(&self, notes: &[(&str, &str)], receipt: Option<&str>) -> Result<()> {
        self.write(async |connection| {
            let mut transaction = connection.begin_with(BEGIN).await?;
            for (key, value) in notes {
                schema::set_meta(&mut transaction, &format!("note:{key}"), value).await?;
            }
            if let Some(json) = receipt {
                receipts::append(&mut transaction, json).await?;
            }
            Ok(transaction.commit().await?)
        })
    }

    /// The receipts after the first `known`, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn receipts_after(&self, known: u64) -> Result<Vec<Receipt>> {
        self.read(async |connection| receipts::after(connection, known).await)
    }

    /// All receipts, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        self.read(async |connection| receipts::list(connection).await)
    }
}
