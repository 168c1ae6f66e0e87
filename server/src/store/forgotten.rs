//! What was forgotten, by name, so that data which comes in again leaves it
//! out.
//!
//! A mark is a hash of a person's name, or of that and an item's, keyed with a
//! secret of the state. No name, item or time is stored. The key lies beside
//! the marks: whoever holds the state can try names and learn which were
//! forgotten. Unlike tombstones, which end with the backups that need them and
//! name places in one catalogue, marks stay until the person is readmitted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::schema::{meta, set_meta};
use crate::clock::random;

const KEY: &str = "forgotten-key";
const MARK: &str = "forgotten:";
/// In the place of an item's hash: everything of the person.
const ACCOUNT: &str = "account";

/// A person, and the item that was forgotten; without one the whole account.
pub type Name = (String, Option<String>);

/// Marks of what was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    key: Option<String>,
    marks: BTreeSet<String>,
}

impl Forgotten {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many marks there are.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether a person's account was forgotten.
    pub fn holds_user(&self, user: &str) -> bool {
        self.holds(user, None)
    }

    /// Whether a person's record of an item was.
    pub fn holds_record(&self, user: &str, item: &str) -> bool {
        self.holds(user, Some(item))
    }

    fn holds(&self, user: &str, item: Option<&str>) -> bool {
        self.key().is_some_and(|key| self.marks.contains(&mark(&key, user, item)))
    }

    fn key(&self) -> Option<[u8; 32]> {
        hex::decode(self.key.as_ref()?).ok()?.try_into().ok()
    }

    /// Lifts everything that was forgotten of a person. Whether there was
    /// something.
    pub fn readmit(&mut self, user: &str) -> bool {
        let Some(key) = self.key() else { return false };
        let person = format!("{}:", person(&key, user));
        let before = self.marks.len();
        self.marks.retain(|mark| !mark.starts_with(&person));
        self.marks.len() < before
    }
}

fn person(key: &[u8; 32], user: &str) -> String {
    hex::encode(&blake3::keyed_hash(key, user.as_bytes()).as_bytes()[..16])
}

fn mark(key: &[u8; 32], user: &str, item: Option<&str>) -> String {
    let what = item.map_or_else(
        || ACCOUNT.to_owned(),
        |item| {
            let mut hasher = blake3::Hasher::new_keyed(key);
            hasher.update(&(user.len() as u64).to_le_bytes()).update(user.as_bytes()).update(item.as_bytes());
            hex::encode(&hasher.finalize().as_bytes()[..16])
        },
    );
    format!("{}:{what}", person(key, user))
}

/// Marks what is forgotten. Part of the deleting transaction.
pub(super) async fn note(db: &mut Db, names: &[Name]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let damaged = || StoreError::DamagedRow("an unreadable key of what was forgotten".into());
    let key: [u8; 32] = match meta(db, KEY).await? {
        Some(key) => hex::decode(key).ok().and_then(|key| key.try_into().ok()).ok_or_else(damaged)?,
        None => {
            let key = random()?;
            set_meta(db, KEY, &hex::encode(key)).await?;
            key
        }
    };
    for (user, item) in names {
        set_meta(db, &format!("{MARK}{}", mark(&key, user, item.as_deref())), "1").await?;
    }
    Ok(())
}

/// Every mark.
pub(super) async fn all(db: &mut Db) -> Result<Forgotten> {
    let sql = "SELECT key FROM meta WHERE key LIKE 'forgotten:%'";
    let keys: Vec<String> = on!(db, c => sqlx::query_scalar(sql).fetch_all(c).await?);
    let marks = keys.iter().filter_map(|key| key.strip_prefix(MARK)).map(str::to_owned).collect();
    Ok(Forgotten { key: meta(db, KEY).await?, marks })
}

/// Puts marks in the place of those that are there.
pub(super) async fn set(db: &mut Db, forgotten: &Forgotten) -> Result<()> {
    let sql = "DELETE FROM meta WHERE key LIKE 'forgotten:%' OR key = 'forgotten-key'";
    on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?;
    let Some(key) = forgotten.key.as_ref().filter(|_| !forgotten.is_empty()) else { return Ok(()) };
    set_meta(db, KEY, key).await?;
    for mark in &forgotten.marks {
        set_meta(db, &format!("{MARK}{mark}"), "1").await?;
    }
    Ok(())
}

impl State {
    /// What was forgotten, by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn forgotten(&self) -> Result<Forgotten> {
        self.read(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_people_and_records_apart() {
        let key = [7; 32];
        let marks = [mark(&key, "a", None), mark(&key, "b", Some("x")), mark(&key, "b", Some("y"))];
        let mut found = Forgotten { key: Some(hex::encode(key)), marks: marks.into_iter().collect() };
        assert!(found.holds_user("a") && !found.holds_user("b") && !found.holds_record("a", "x"));
        assert!(found.holds_record("b", "x") && !found.holds_record("b", "z"));
        assert_ne!(mark(&key, "ab", Some("c")), mark(&key, "a", Some("bc")));
        assert!(found.readmit("b") && !found.readmit("b") && !found.readmit("c"));
        assert_eq!(found.len(), 1);
        assert!(!Forgotten::default().holds_user("a") && !Forgotten::default().readmit("a"));
    }
}
