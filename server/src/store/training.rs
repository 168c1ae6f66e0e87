//! What training needs of a state: shards, tickets, publication, checkpoints.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::database::{Db, Driver, transaction};
use super::error::Result;
use super::failpoint::failpoint;
use super::models::{self, Live, LoadedModel, Publication, Shard, Ticket};
use super::{State, checkpoint, erase, launched, receipts};

/// Class of PostgreSQL's advisory locks on shards in training; "eemu" as a number.
const CLAIMS: i32 = 0x6565_6d75;

/// The exclusive right to train a shard, until it is dropped or the process dies.
#[derive(Debug)]
pub struct Claim<'a> {
    state: &'a State,
    shard: u32,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.state.is_shared() {
            let sql = "SELECT pg_advisory_unlock($1, $2)";
            // A lost connection has released it already.
            let _ = self.state.read(async |db| claim(db, sql, self.shard).await);
        }
        self.state.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.shard);
    }
}

async fn claim(db: &mut Db, sql: &'static str, shard: u32) -> Result<bool> {
    let Driver::Postgres(connection) = &mut db.driver else { return Ok(true) };
    Ok(sqlx::query_scalar(sql).bind(CLAIMS).bind(shard as i32).fetch_one(connection).await?)
}

impl State {
    /// Every shard, in order; none before [`super::Change::Reset`].
    ///
    /// # Errors
    /// When the database refuses.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        self.read(models::shards)
    }

    /// Whether a shard was published since [`super::Change::Reset`], even if a deletion has
    /// dropped every model since.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn trained(&self) -> Result<bool> {
        self.read(models::trained)
    }

    /// The exclusive right to train a shard; `None` while another thread or process has it.
    /// It only avoids duplicate work: the [`Ticket`] decides who may publish.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn claim(&self, shard: u32) -> Result<Option<Claim<'_>>> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.contains(&shard) {
            return Ok(None);
        }
        let sql = "SELECT pg_try_advisory_lock($1, $2)";
        if !self.read(async |db| claim(db, sql, shard).await)? {
            return Ok(None);
        }
        claimed.insert(shard);
        Ok(Some(Claim { state: self, shard }))
    }

    /// A ticket to publish a model of the shard's records as they are now. Take it first,
    /// then read the records.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn ticket(&self, shard: u32) -> Result<Ticket> {
        self.read(async |db| models::ticket(db, shard).await)
    }

    /// Makes a trained model the shard's live one, with a fresh nonce and salt. The
    /// previous model, its nonce and salt, and the checkpoint are erased. `receipt`
    /// receives the new version and may return a receipt (JSON) to be stored in the same
    /// transaction.
    ///
    /// # Errors
    /// [`super::StoreError::Outdated`] when the shard's records changed since the
    /// ticket was taken; otherwise when the database or the disk refuses. The
    /// shard is then as it was, except after [`super::StoreError::ErasureBusy`].
    pub fn publish(
        &self,
        ticket: Ticket,
        publication: &Publication<'_>,
        receipt: impl FnOnce(&Live) -> eemu_core::Result<Option<String>>,
    ) -> Result<Live> {
        let hashes = models::hashes(publication.shared, publication.user_rows);
        self.write(async |db| {
            if self.is_shared() {
                transaction(db, async |db: &mut Db| models::announce(db, ticket, &hashes).await).await?;
            } else {
                models::check(db, ticket).await?;
            }
            models::write_files(&self.files, &hashes, publication.shared, publication.user_rows).await?;
            failpoint("publish.files");
            let switch = async |db: &mut Db| {
                let (live, replaced) = models::switch(db, ticket, publication, hashes.clone()).await?;
                if let Some(json) = receipt(&live)? {
                    receipts::append(db, &json).await?;
                }
                if replaced {
                    erase::begin(db).await?;
                }
                failpoint("publish.switched");
                Ok((live, replaced))
            };
            let ((live, replaced), _) = match transaction(db, switch).await {
                Ok(done) => done,
                Err(error) => {
                    // The ticket became invalid meanwhile, so nobody refers to the files. If deleting them
                    // fails, the next sweep deletes them.
                    let _ = erase::sweep(db, self.dir(), &self.files).await;
                    return Err(error);
                }
            };
            failpoint("publish.committed");
            self.tidy(db, replaced).await?;
            Ok(live)
        })
    }

    /// The shard's live model, without the bytes of its files.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn live(&self, shard: u32) -> Result<Option<Live>> {
        Ok(self.shards()?.into_iter().find(|s| s.index == shard).and_then(|s| s.live))
    }

    /// The shard's live model with the bytes of its files, checked against their BLAKE3.
    ///
    /// # Errors
    /// [`super::StoreError::DamagedModel`] when a file is not what was published.
    pub fn load(&self, shard: u32) -> Result<Option<LoadedModel>> {
        let mut live = self.live(shard)?;
        loop {
            let Some(found) = live else { return Ok(None) };
            let read = self.read(async |_| {
                let shared = models::read_file(&self.files, shard, &found.shared_file).await;
                Ok((shared, models::read_file(&self.files, shard, &found.user_rows_file).await))
            })?;
            match read {
                (Ok(shared), Ok(user_rows)) => return Ok(Some(LoadedModel { live: found, shared, user_rows })),
                (Err(error), _) | (_, Err(error)) => {
                    // A writer may have published another model meanwhile.
                    live = self.live(shard)?;
                    if live.as_ref() == Some(&found) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Stores a checkpoint, whose format the store does not know, until the shard is
    /// published or its records change.
    ///
    /// # Errors
    /// [`super::StoreError::Outdated`] as in [`State::publish`].
    pub fn save_checkpoint(&self, ticket: Ticket, input_hash: &[u8; 32], bytes: &[u8]) -> Result<()> {
        self.write(async |db| {
            models::check(db, ticket).await?;
            checkpoint::write(self.dir(), ticket, input_hash, bytes)
        })
    }

    /// The checkpoint stored for this ticket and this input. Any other checkpoint of the
    /// shard is deleted.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn load_checkpoint(&self, ticket: Ticket, input_hash: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        self.write(async |_| checkpoint::read(self.dir(), ticket, input_hash))
    }

    /// Sets and returns the folder for shards that a command trains: a folder below
    /// `elsewhere`, or one in the state directory.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn launch_from(&self, elsewhere: Option<&Path>) -> Result<PathBuf> {
        self.write(async |_| launched::place(self.dir(), elsewhere))
    }

    /// Creates a folder for a command that trains the shard. It is deleted with its
    /// contents when the shard's records change, before that change is acknowledged.
    ///
    /// # Errors
    /// [`super::StoreError::Outdated`] as in [`State::publish`].
    pub fn begin_launch(&self, ticket: Ticket) -> Result<PathBuf> {
        self.write(async |db| {
            models::check(db, ticket).await?;
            launched::begin(self.dir(), ticket)
        })
    }

    /// Removes such a folder, which is not needed any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end_launch(&self, folder: &Path) -> Result<()> {
        launched::remove(folder)
    }
}
