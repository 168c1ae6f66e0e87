//! What training asks of a state: shards, tickets, publication, checkpoints.

use sqlx::Connection;

use super::error::Result;
use super::failpoint::failpoint;
use super::models::{self, Live, LoadedModel, Publication, Shard, Ticket};
use super::schema::BEGIN;
use super::{State, checkpoint, erase, receipts};

impl State {
    /// Every shard, in order; none before [`State::reset_models`].
    ///
    /// # Errors
    /// When the database refuses.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        self.read(async |connection| models::shards(connection).await)
    }

    /// Whether a shard was published since [`State::reset_models`]; a deletion
    /// that drops every model does not change that.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn trained(&self) -> Result<bool> {
        self.read(async |connection| models::trained(connection).await)
    }

    /// The right to publish a shard trained on its records as they are now.
    /// Take it first, then read the records.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn ticket(&self, shard: u32) -> Result<Ticket> {
        self.read(async |connection| models::ticket(connection, shard).await)
    }

    /// Makes a trained model the shard's live one, with a fresh nonce and
    /// salt; the one before, its nonce and salt, and the checkpoint are
    /// erased. `receipt` sees the new version and may give a receipt (JSON)
    /// to be stored in the same transaction.
    ///
    /// # Errors
    /// [`super::StoreError::Outdated`] when the shard's records changed since the
    /// ticket was taken; otherwise when the database or the disk refuses. The
    /// shard is then as it was, except after [`super::StoreError::ErasureBusy`].
    pub fn publish(
        &self,
        ticket: Ticket,
        publication: &Publication<'_>,
        receipt: impl FnOnce(&Live) -> Option<String>,
    ) -> Result<Live> {
        self.write(async |connection| {
            models::check(connection, ticket).await?;
            let files = models::write_files(&self.dir, publication.shared, publication.user_rows)?;
            failpoint("publish.files");
            let mut transaction = connection.begin_with(BEGIN).await?;
            let (live, replaced) = models::switch(&mut transaction, ticket, publication, files).await?;
            if let Some(json) = receipt(&live) {
                receipts::append(&mut transaction, &json).await?;
            }
            if replaced {
                erase::begin(&mut transaction).await?;
            }
            failpoint("publish.switched");
            transaction.commit().await?;
            failpoint("publish.committed");
            self.tidy(connection, replaced).await?;
            Ok(live)
        })
    }

    /// The shard's live model, without its bytes.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn live(&self, shard: u32) -> Result<Option<Live>> {
        Ok(self.shards()?.into_iter().find(|s| s.index == shard).and_then(|s| s.live))
    }

    /// The shard's live model with its bytes, compared with their BLAKE3.
    ///
    /// # Errors
    /// [`super::StoreError::DamagedModel`] when a file is not what was published.
    pub fn load(&self, shard: u32) -> Result<Option<LoadedModel>> {
        let mut live = self.live(shard)?;
        loop {
            let Some(found) = live else { return Ok(None) };
            let shared = models::read_file(&self.dir, shard, &found.shared_file);
            let user_rows = models::read_file(&self.dir, shard, &found.user_rows_file);
            match (shared, user_rows) {
                (Ok(shared), Ok(user_rows)) => return Ok(Some(LoadedModel { live: found, shared, user_rows })),
                (Err(error), _) | (_, Err(error)) => {
                    // A writer may have published another meanwhile.
                    live = self.live(shard)?;
                    if live.as_ref() == Some(&found) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Keeps training state, opaque to the store, until the shard is
    /// published or its records change.
    ///
    /// # Errors
    /// [`super::StoreError::Outdated`] as in [`State::publish`].
    pub fn save_checkpoint(&self, ticket: Ticket, input_hash: &[u8; 32], bytes: &[u8]) -> Result<()> {
        self.write(async |connection| {
            models::check(connection, ticket).await?;
            checkpoint::write(&self.dir, ticket, input_hash, bytes)
        })
    }

    /// The training state kept for this ticket and this input; any other that
    /// is found in its place is removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn load_checkpoint(&self, ticket: Ticket, input_hash: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        self.write(async |_| checkpoint::read(&self.dir, ticket, input_hash))
    }
}
