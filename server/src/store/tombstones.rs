//! Tombstones: they let a restore delete again what was deleted after the backup was
//! made.
//!
//! A tombstone is a hash of a record's user and item indices, or of a deleted account's
//! index, keyed with a secret of the state. The key lies beside the hashes, in the
//! state and in an exported file. So whoever holds either can try all indices and learn
//! which records were deleted. For that reason a tombstone is made only while a backup
//! exists. It is erased when the last backup that is older than it expires, and the key
//! with the last tombstone.

use serde::{Deserialize, Serialize};

use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::kept::REPLACED;
use super::schema::{clear_meta, meta, set_meta};
use super::{Forgotten, forgotten};
use crate::clock::{now_exactly, random};

const KEY: &str = "tombstone-key";
/// Takes the position of an item's index in the tombstone of an account.
pub(crate) const ACCOUNT: u32 = u32::MAX;

/// A backup that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: f64,
    /// When it must be destroyed, in seconds since 1970.
    pub expires: f64,
}

/// What a restore needs, to delete again what was deleted since.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tombstones {
    /// Key of the hashes, hex; `None` when there are no hashes.
    pub key: Option<String>,
    /// Hashes, hex.
    pub hashes: std::collections::BTreeSet<String>,
    /// Backups that exist; a restored state makes tombstones for them too.
    pub backups: Vec<Backup>,
    /// Marks of the names of what was forgotten.
    #[serde(default, skip_serializing_if = "Forgotten::is_empty")]
    pub forgotten: Forgotten,
    /// Whether the data were replaced since a backup. Then its indices are not those of the
    /// state, and names must tell what was forgotten since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}

impl Tombstones {
    /// Refuses tombstones that cannot be compared with anything.
    ///
    /// # Errors
    /// When there are hashes, but no key to compute others with.
    pub fn check(&self) -> Result<()> {
        let key = self.key.as_ref().and_then(|key| <[u8; 32]>::try_from(hex::decode(key).ok()?).ok());
        match self.hashes.is_empty() || key.is_some() {
            true => Ok(()),
            false => Err(StoreError::DamagedRow("an unreadable key of tombstones".into())),
        }
    }

    /// Whether a record was deleted since.
    pub fn holds_record(&self, user: u32, item: u32) -> bool {
        let key = self.key.as_ref().and_then(|key| <[u8; 32]>::try_from(hex::decode(key).ok()?).ok());
        key.is_some_and(|key| self.hashes.contains(&hex::encode(hash(&key, user, item))))
    }

    /// Whether an account was deleted since.
    pub fn holds_account(&self, user: u32) -> bool {
        self.holds_record(user, ACCOUNT)
    }
}

fn hash(key: &[u8; 32], user: u32, item: u32) -> [u8; 32] {
    let mut place = [0; 8];
    place[..4].copy_from_slice(&user.to_le_bytes());
    place[4..].copy_from_slice(&item.to_le_bytes());
    *blake3::keyed_hash(key, &place).as_bytes()
}

/// Inserts tombstones for what is deleted, if a backup exists. Part of the deleting
/// transaction.
pub(super) async fn entomb(db: &mut Db, places: &[(u32, u32)]) -> Result<()> {
    let now = now_exactly();
    // A backup that has expired must have been destroyed by now, whether or not it is
    // still listed.
    if places.is_empty() || backups(db).await?.iter().all(|backup| backup.expires <= now) {
        return Ok(());
    }
    // The indices of this catalogue are not those of the backups.
    if meta(db, REPLACED).await?.is_some() {
        return Ok(());
    }
    let damaged = || StoreError::DamagedRow("an unreadable key of tombstones".into());
    let key: [u8; 32] = match meta(db, KEY).await? {
        Some(key) => hex::decode(key).ok().and_then(|key| key.try_into().ok()).ok_or_else(damaged)?,
        None => {
            let key = random()?;
            set_meta(db, KEY, &hex::encode(key)).await?;
            key
        }
    };
    for &(user, item) in places {
        put(db, &hash(&key, user, item)).await?;
    }
    Ok(())
}

async fn put(db: &mut Db, hash: &[u8]) -> Result<()> {
    let sql = "INSERT INTO tombstones (hash, created) VALUES ($1, $2) \
               ON CONFLICT (hash) DO UPDATE SET created = excluded.created";
    Ok(on!(db, c => sqlx::query(sql).bind(hash).bind(now_exactly()).execute(c).await.map(drop))?)
}

/// Takes over another state's backups with their expiry times, and its tombstones dated
/// now, so that each lasts as long as any of these backups.
pub(super) async fn carry_over(db: &mut Db, backups: &[Backup], tombstones: &Tombstones) -> Result<()> {
    for backup in backups {
        register(db, backup).await?;
    }
    if !tombstones.forgotten.is_empty() {
        forgotten::set(db, &tombstones.forgotten).await?;
    }
    let Some(key) = tombstones.key.as_ref().filter(|_| !tombstones.hashes.is_empty()) else { return Ok(()) };
    set_meta(db, KEY, key).await?;
    for text in &tombstones.hashes {
        let bytes = hex::decode(text).map_err(|_| StoreError::DamagedRow("an unreadable tombstone".into()))?;
        put(db, &bytes).await?;
    }
    Ok(())
}

/// Stores that a backup is being made.
pub(super) async fn register(db: &mut Db, backup: &Backup) -> Result<()> {
    let sql = "INSERT INTO backups (id, created, expires) VALUES ($1, $2, $3)";
    let Backup { id, created, expires } = backup;
    Ok(on!(db, c => sqlx::query(sql).bind(id).bind(created).bind(expires).execute(c).await.map(drop))?)
}

/// Backups that exist, oldest first.
pub(super) async fn backups(db: &mut Db) -> Result<Vec<Backup>> {
    let sql = "SELECT id, created, expires FROM backups ORDER BY created";
    let rows: Vec<(String, f64, f64)> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    Ok(rows.into_iter().map(|(id, created, expires)| Backup { id, created, expires }).collect())
}

/// Every tombstone.
pub(super) async fn all(db: &mut Db) -> Result<Tombstones> {
    let sql = "SELECT hash FROM tombstones";
    let hashes: Vec<Vec<u8>> = on!(db, c => sqlx::query_scalar(sql).fetch_all(c).await?);
    let key = if hashes.is_empty() { None } else { meta(db, KEY).await? };
    let backups = backups(db).await?;
    let (forgotten, replaced) = (forgotten::all(db).await?, meta(db, REPLACED).await?.is_some());
    Ok(Tombstones { key, hashes: hashes.into_iter().map(hex::encode).collect(), backups, forgotten, replaced })
}

/// Removes expired backups and the tombstones that no remaining backup needs. Returns
/// whether anything was removed.
pub(super) async fn expire(db: &mut Db) -> Result<bool> {
    let sql = "DELETE FROM backups WHERE expires <= $1";
    let gone = on!(db, c => sqlx::query(sql).bind(now_exactly()).execute(c).await?.rows_affected());
    if gone == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM tombstones WHERE NOT EXISTS \
               (SELECT 1 FROM backups WHERE backups.created <= tombstones.created)";
    on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?;
    let sql = "SELECT count(*) FROM tombstones";
    let left: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    if left == 0 {
        clear_meta(db, KEY).await?;
    }
    Ok(true)
}
