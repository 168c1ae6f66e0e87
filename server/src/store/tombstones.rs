//! Backups hold what is deleted later; tombstones make a restore delete it
//! again.
//!
//! A tombstone is a hash of a record's place (or an account's) keyed with a
//! secret of the state. The key lies beside the hashes, in the state and in an
//! exported file: whoever holds either can try all places and learn which were
//! deleted. So none is made unless a backup is out, and when the
//! last backup that is older than it expires it is erased, and with the last
//! of them the key.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::error::{Result, StoreError};
use super::schema::{clear_meta, meta, set_meta};

const KEY: &str = "tombstone-key";
/// In the place of an item: the account itself.
pub(crate) const ACCOUNT: u32 = u32::MAX;

/// A backup that is out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its name.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: f64,
    /// When it must be destroyed.
    pub expires: f64,
}

/// What a restore needs to delete again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tombstones {
    /// Key of the hashes, hex; none when there are none.
    pub key: Option<String>,
    /// Hashes, hex.
    pub hashes: std::collections::BTreeSet<String>,
    /// Backups that are out: a restored state goes on deleting for them.
    #[serde(default)]
    pub backups: Vec<Backup>,
}

impl Tombstones {
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

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn hash(key: &[u8; 32], user: u32, item: u32) -> [u8; 32] {
    let mut place = [0; 8];
    place[..4].copy_from_slice(&user.to_le_bytes());
    place[4..].copy_from_slice(&item.to_le_bytes());
    *blake3::keyed_hash(key, &place).as_bytes()
}

/// Notes what is deleted, if a backup is out. Part of the deleting transaction.
pub(super) async fn entomb(connection: &mut SqliteConnection, places: &[(u32, u32)]) -> Result<()> {
    if places.is_empty() || backups(&mut *connection).await?.is_empty() {
        return Ok(());
    }
    let damaged = || StoreError::DamagedRow("an unreadable key of tombstones".into());
    let key: [u8; 32] = match meta(&mut *connection, KEY).await? {
        Some(key) => hex::decode(key).ok().and_then(|key| key.try_into().ok()).ok_or_else(damaged)?,
        None => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(StoreError::Random)?;
            set_meta(&mut *connection, KEY, &hex::encode(key)).await?;
            key
        }
    };
    for &(user, item) in places {
        put(&mut *connection, &hash(&key, user, item)).await?;
    }
    Ok(())
}

async fn put(connection: &mut SqliteConnection, hash: &[u8]) -> Result<()> {
    sqlx::query("INSERT INTO tombstones (hash, created) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET created = excluded.created")
        .bind(hash)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes over what another state knew: backups with their own times, and its
/// tombstones as of now, so that each lasts as long as any of these backups.
pub(super) async fn carry_over(
    connection: &mut SqliteConnection,
    backups: &[Backup],
    tombstones: &Tombstones,
) -> Result<()> {
    for backup in backups {
        register(&mut *connection, backup).await?;
    }
    let Some(key) = tombstones.key.as_ref().filter(|_| !tombstones.hashes.is_empty()) else { return Ok(()) };
    set_meta(&mut *connection, KEY, key).await?;
    for text in &tombstones.hashes {
        let bytes = hex::decode(text).map_err(|_| StoreError::DamagedRow("an unreadable tombstone".into()))?;
        put(&mut *connection, &bytes).await?;
    }
    Ok(())
}

/// Notes a backup that is being made.
pub(super) async fn register(connection: &mut SqliteConnection, backup: &Backup) -> Result<()> {
    sqlx::query("INSERT INTO backups (id, created, expires) VALUES ($1, $2, $3)")
        .bind(&backup.id)
        .bind(backup.created)
        .bind(backup.expires)
        .execute(connection)
        .await?;
    Ok(())
}

/// Backups that are out, oldest first.
pub(super) async fn backups(connection: &mut SqliteConnection) -> Result<Vec<Backup>> {
    let rows: Vec<(String, f64, f64)> =
        sqlx::query_as("SELECT id, created, expires FROM backups ORDER BY created").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(id, created, expires)| Backup { id, created, expires }).collect())
}

/// Every tombstone.
pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Tombstones> {
    let hashes: Vec<Vec<u8>> = sqlx::query_scalar("SELECT hash FROM tombstones").fetch_all(&mut *connection).await?;
    let key = if hashes.is_empty() { None } else { meta(&mut *connection, KEY).await? };
    let backups = backups(connection).await?;
    Ok(Tombstones { key, hashes: hashes.into_iter().map(hex::encode).collect(), backups })
}

/// Forgets backups whose time is over and the tombstones that no older backup
/// needs. Returns whether anything went.
pub(super) async fn expire(connection: &mut SqliteConnection) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM backups WHERE expires <= $1")
        .bind(now())
        .execute(&mut *connection)
        .await?
        .rows_affected();
    if gone == 0 {
        return Ok(false);
    }
    sqlx::query(
        "DELETE FROM tombstones WHERE NOT EXISTS (SELECT 1 FROM backups WHERE backups.created <= tombstones.created)",
    )
    .execute(&mut *connection)
    .await?;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM tombstones").fetch_one(&mut *connection).await?;
    if left == 0 {
        clear_meta(connection, KEY).await?;
    }
    Ok(true)
}
