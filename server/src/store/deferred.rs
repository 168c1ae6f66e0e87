//! Deletion requests that are accepted now and carried out later, in batches.
//!
//! What a request wants deleted must be stored until then. It is encrypted with a key
//! that is drawn with the first waiting request and destroyed with the last; after that
//! no remaining copy of a row can be read. Each row also has the hash of its request's
//! name, which the encryption authenticates.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::State;
use super::audit::{self, NewAudit};
use super::database::{Db, on, transaction};
use super::error::{Result, StoreError};
use super::schema::{clear_meta, meta, set_meta};
use crate::clock::random;

const KEY: &str = "deferred-key";
/// Bytes of the nonce, which stands before the ciphertext.
const NONCE: usize = 24;

/// A request to be deferred.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeferred {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// When it was received, in seconds since 1970.
    pub asked: f64,
    /// By when it must be carried out, in seconds since 1970.
    pub due: f64,
    /// The request itself, which is encrypted.
    pub secret: Vec<u8>,
}

/// A deferred request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deferred {
    /// BLAKE3 of the request's name.
    pub id_hash: [u8; 32],
    /// When it was received, in seconds since 1970.
    pub asked: f64,
    /// By when it must be carried out, in seconds since 1970.
    pub due: f64,
}

fn damaged(what: &str) -> StoreError {
    StoreError::DamagedRow(format!("accepted deletions: {what}"))
}

fn parse(key: &str) -> Result<[u8; 32]> {
    hex::decode(key).ok().and_then(|key| key.try_into().ok()).ok_or_else(|| damaged("an unreadable key"))
}

fn seal(key: &[u8; 32], new: &NewDeferred) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE] = random()?;
    let payload = Payload { msg: &new.secret, aad: &new.id_hash };
    let sealed = XChaCha20Poly1305::new(&(*key).into()).encrypt(&XNonce::from(nonce), payload);
    Ok([nonce.as_slice(), &sealed.map_err(|_| damaged("one cannot be sealed"))?].concat())
}

fn unseal(key: &[u8; 32], id_hash: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>> {
    let wrong = || damaged("one cannot be read with the key that is there");
    let (nonce, body) = sealed.split_first_chunk::<NONCE>().ok_or_else(wrong)?;
    let payload = Payload { msg: body, aad: id_hash };
    XChaCha20Poly1305::new(&(*key).into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| wrong())
}

/// Deletes requests that are carried out, and the key with the last of them. Part of
/// the deleting transaction, whose erasure overwrites them.
///
/// # Errors
/// [`StoreError::Moved`] when another process has carried one of them out.
pub(super) async fn carried_out(db: &mut Db, ids: &[[u8; 32]]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    for id in ids {
        let sql = "DELETE FROM deferred WHERE id_hash = $1";
        let gone = on!(db, c => sqlx::query(sql).bind(id.to_vec()).execute(c).await?.rows_affected());
        if gone == 0 {
            return Err(StoreError::Moved);
        }
    }
    let sql = "SELECT count(*) FROM deferred";
    let left: i64 = on!(db, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    if left == 0 {
        clear_meta(db, KEY).await?;
    }
    Ok(())
}

async fn rows(db: &mut Db) -> Result<Vec<(Deferred, Vec<u8>)>> {
    let sql = "SELECT id_hash, asked, due, sealed FROM deferred ORDER BY due, asked, id_hash";
    let rows: Vec<(Vec<u8>, f64, f64, Vec<u8>)> = on!(db, c => sqlx::query_as(sql).fetch_all(c).await?);
    rows.into_iter()
        .map(|(id, asked, due, sealed)| {
            let id_hash = id.try_into().map_err(|_| damaged("an unreadable name"))?;
            Ok((Deferred { id_hash, asked, due }, sealed))
        })
        .collect()
}

/// Encrypts requests and stores them. Part of a transaction.
pub(super) async fn keep(db: &mut Db, requests: &[NewDeferred]) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let key = match meta(db, KEY).await? {
        Some(key) => parse(&key)?,
        None => {
            let key = random()?;
            set_meta(db, KEY, &hex::encode(key)).await?;
            key
        }
    };
    let sql = "INSERT INTO deferred (id_hash, asked, due, sealed) VALUES ($1, $2, $3, $4)";
    for new in requests {
        let (id, sealed) = (new.id_hash.to_vec(), seal(&key, new)?);
        on!(db, c => sqlx::query(sql)
            .bind(id)
            .bind(new.asked)
            .bind(new.due)
            .bind(sealed)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

impl State {
    /// Stores requests until they are carried out.
    ///
    /// # Errors
    /// When the database refuses; then none of them is stored.
    pub fn defer(&self, requests: &[NewDeferred], who: &[NewAudit]) -> Result<()> {
        self.write(async |db| {
            let keep = async |db: &mut Db| {
                keep(db, requests).await?;
                audit::append(db, who).await
            };
            transaction(db, keep).await.map(drop)
        })
    }

    /// The requests that wait to be carried out, those with the earliest deadline first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn deferred(&self) -> Result<Vec<Deferred>> {
        Ok(self.read(rows)?.into_iter().map(|(request, _)| request).collect())
    }

    /// As [`State::deferred`], with each request as it was given to [`State::defer`].
    ///
    /// # Errors
    /// When the database refuses, or a row cannot be decrypted.
    pub fn deferred_secrets(&self) -> Result<Vec<(Deferred, Vec<u8>)>> {
        let (key, rows) = self.read(async |db| Ok((meta(db, KEY).await?, rows(db).await?)))?;
        let Some(key) = key.map(|key| parse(&key)).transpose()? else {
            return if rows.is_empty() { Ok(Vec::new()) } else { Err(damaged("their key is not there")) };
        };
        rows.into_iter().map(|(request, sealed)| Ok((request, unseal(&key, &request.id_hash, &sealed)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_with_its_key_for_its_request_alone() {
        let new = NewDeferred { id_hash: [3; 32], asked: 1.0, due: 2.0, secret: b"who and what".to_vec() };
        let sealed = seal(&[7; 32], &new).unwrap();
        assert!(!sealed.windows(3).any(|window| window == b"who"));
        assert_eq!(unseal(&[7; 32], &[3; 32], &sealed).unwrap(), new.secret);
        assert!(unseal(&[8; 32], &[3; 32], &sealed).is_err());
        assert!(unseal(&[7; 32], &[4; 32], &sealed).is_err());
        let mut changed = sealed.clone();
        changed[30] ^= 1;
        assert!(unseal(&[7; 32], &[3; 32], &changed).is_err());
        assert!(unseal(&[7; 32], &[3; 32], &sealed[..10]).is_err());
    }
}
