//! Reads the rows of shards and their models.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::models::{Live, Secret, Shard};

/// Every shard, in order.
pub(super) async fn shards(db: &mut Db) -> Result<Vec<Shard>> {
    let sql = "SELECT s.shard, s.version, s.stale, m.version, m.model_blake3, m.fingerprint, m.shared_file, \
               m.user_rows_file, m.nonce, m.salt, m.input_hash, m.seconds, m.epochs, m.losses, m.catalog \
               FROM shards s LEFT JOIN models m ON m.shard = s.shard ORDER BY s.shard";
    let rows: Vec<Stored> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    rows.into_iter().map(Stored::read).collect()
}

/// A row, as both databases return it.
struct Stored {
    shard: (i64, i64, i64),
    live: Option<StoredModel>,
}

struct StoredModel {
    version: i64,
    /// Hash of the tensors, fingerprint, both files.
    texts: [String; 4],
    /// Nonce, salt, input hash.
    bytes: [Vec<u8>; 3],
    seconds: f64,
    epochs: i64,
    losses: String,
    catalog: Option<i64>,
}

impl<'r, R: Row> FromRow<'r, R> for Stored
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    f64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let live = match row.try_get::<Option<i64>, _>(3)? {
            None => None,
            Some(version) => Some(StoredModel {
                version,
                texts: [row.try_get(4)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?],
                bytes: [row.try_get(8)?, row.try_get(9)?, row.try_get(10)?],
                seconds: row.try_get(11)?,
                epochs: row.try_get(12)?,
                losses: row.try_get(13)?,
                catalog: row.try_get(14)?,
            }),
        };
        Ok(Self { shard: (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), live })
    }
}

impl Stored {
    fn read(self) -> Result<Shard> {
        let (index, version, stale) = self.shard;
        let index = index as u32;
        let bytes = |bytes: Vec<u8>| -> Result<[u8; 32]> {
            bytes.try_into().map_err(|_| StoreError::DamagedRow(format!("a model row of shard {index}")))
        };
        let live = |model: StoredModel| -> Result<Live> {
            let [model_blake3, fingerprint, shared_file, user_rows_file] = model.texts;
            let [nonce, salt, input_hash] = model.bytes;
            Ok(Live {
                shard: index,
                version: model.version as u64,
                model_blake3,
                fingerprint,
                shared_file,
                user_rows_file,
                nonce: Secret(bytes(nonce)?),
                salt: Secret(bytes(salt)?),
                input_hash: bytes(input_hash)?,
                seconds: model.seconds,
                epochs: model.epochs as u32,
                losses: serde_json::from_str(&model.losses)
                    .map_err(|_| StoreError::DamagedRow(format!("losses of shard {index}")))?,
                catalog: model.catalog.map(|version| version as u32),
            })
        };
        Ok(Shard { index, version: version as u64, stale: stale != 0, live: self.live.map(live).transpose()? })
    }
}
