//! The names of what was forgotten, so that data which are imported again leave it out.
//!
//! A mark is a hash of a user's name, or of a user's and an item's, keyed with a secret
//! of the state. No name, item or time is stored. The key lies beside the marks, so
//! whoever holds the state can try names and learn which were forgotten.
//!
//! Tombstones refer to indices in one catalogue and end with the backups that need
//! them. Marks stay until the user is readmitted, or until the record is added again by
//! itself, which shows that it is wanted.
//!
//! When a whole account was forgotten and its name comes back, the account's mark
//! stays, so that old data bring nothing of it. Each record that is added afterwards
//! has a mark of its own, which lets it in.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::State;
use super::database::{Db, on};
use super::error::{Result, StoreError};
use super::schema::{clear_meta, meta, set_meta};
use crate::clock::random;

const KEY: &str = "forgotten-key";
const MARK: &str = "forgotten:";
/// Prefix of the marks of records that were added after their account was forgotten.
const RETURNED: &str = "returned:";
/// Marks per query.
const CHUNK: usize = 400;
/// Takes the position of an item's hash in the mark of a whole account.
const ACCOUNT: &str = "account";

/// A user's name and a forgotten item's name; without an item, the whole account.
pub type Name = (String, Option<String>);

/// Marks of what was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Forgotten {
    key: Option<String>,
    marks: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    returned: BTreeSet<String>,
}

impl Forgotten {
    /// Whether there is no mark.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many marks there are.
    pub fn len(&self) -> usize {
        self.marks.len() + self.returned.len()
    }

    /// Whether a user's account was forgotten and no record was added since.
    pub fn holds_user(&self, user: &str) -> bool {
        let Some(key) = self.key() else { return false };
        let (first, end) = (format!("{}:", person(&key, user)), format!("{};", person(&key, user)));
        self.marks.contains(&mark(&key, user, None)) && self.returned.range(first..end).next().is_none()
    }

    /// Whether a user's record of an item was forgotten, by itself or with the account.
    pub fn holds_record(&self, user: &str, item: &str) -> bool {
        let Some(key) = self.key() else { return false };
        let own = mark(&key, user, Some(item));
        self.marks.contains(&own) || self.marks.contains(&mark(&key, user, None)) && !self.returned.contains(&own)
    }

    fn key(&self) -> Option<[u8; 32]> {
        hex::decode(self.key.as_ref()?).ok()?.try_into().ok()
    }

    /// Removes every mark of a user. Returns whether there was any.
    pub fn readmit(&mut self, user: &str) -> bool {
        let Some(key) = self.key() else { return false };
        let person = format!("{}:", person(&key, user));
        let before = self.marks.len();
        self.marks.retain(|mark| !mark.starts_with(&person));
        self.returned.retain(|mark| !mark.starts_with(&person));
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

/// Adds marks for what is forgotten. Part of the deleting transaction.
pub(super) async fn note(db: &mut Db, names: &[Name]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let key: [u8; 32] = match key(db).await? {
        Some(key) => key,
        None => {
            let key = random()?;
            set_meta(db, KEY, &hex::encode(key)).await?;
            key
        }
    };
    for (user, item) in names {
        let mark = mark(&key, user, item.as_deref());
        set_meta(db, &format!("{MARK}{mark}"), "1").await?;
        match item {
            Some(_) => clear_meta(db, &format!("{RETURNED}{mark}")).await?,
            None => {
                let sql = "DELETE FROM meta WHERE key LIKE $1";
                let own = format!("{RETURNED}{}:%", person(&key, user));
                on!(db, c => sqlx::query(sql).bind(own).execute(c).await.map(drop))?;
            }
        }
    }
    Ok(())
}

async fn key(db: &mut Db) -> Result<Option<[u8; 32]>> {
    let Some(key) = meta(db, KEY).await? else { return Ok(None) };
    let read = hex::decode(key).ok().and_then(|key| key.try_into().ok());
    read.map(Some).ok_or_else(|| StoreError::DamagedRow("an unreadable key of what was forgotten".into()))
}

/// Removes the marks of records that are added again. Part of the adding transaction.
/// Costs nothing where nothing was ever forgotten.
pub(super) async fn lift<'a>(db: &mut Db, records: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    let Some(key) = key(db).await? else { return Ok(()) };
    let records: Vec<(String, String)> =
        records.map(|(user, item)| (mark(&key, user, None), mark(&key, user, Some(item)))).collect();
    for chunk in records.chunks(CHUNK) {
        let wanted: BTreeSet<&String> = chunk.iter().flat_map(|(account, record)| [account, record]).collect();
        let numbered = db.is_shared();
        let place = |place: usize| if numbered { format!("${}", place + 1) } else { "?".to_owned() };
        let places = (0..wanted.len()).map(place).collect::<Vec<_>>().join(", ");
        let sql = sqlx::AssertSqlSafe(format!("SELECT key FROM meta WHERE key IN ({places})"));
        let found: Vec<String> = on!(db, c => {
            let mut query = sqlx::query_scalar(sql).persistent(false);
            for mark in wanted {
                query = query.bind(format!("{MARK}{mark}"));
            }
            query.fetch_all(c).await?
        });
        let found: BTreeSet<&str> = found.iter().filter_map(|key| key.strip_prefix(MARK)).collect();
        for (account, record) in chunk {
            if found.contains(record.as_str()) {
                clear_meta(db, &format!("{MARK}{record}")).await?;
            }
            if found.contains(account.as_str()) {
                set_meta(db, &format!("{RETURNED}{record}"), "1").await?;
            }
        }
    }
    Ok(())
}

/// Every mark.
pub(super) async fn all(db: &mut Db) -> Result<Forgotten> {
    let sql = "SELECT key FROM meta WHERE key LIKE 'forgotten:%' OR key LIKE 'returned:%'";
    let keys: Vec<String> = on!(db, c => sqlx::query_scalar(sql).fetch_all(c).await?);
    let of = |kind: &str| keys.iter().filter_map(|key| key.strip_prefix(kind)).map(str::to_owned).collect();
    Ok(Forgotten { key: meta(db, KEY).await?, marks: of(MARK), returned: of(RETURNED) })
}

/// Replaces all marks by these.
pub(super) async fn set(db: &mut Db, forgotten: &Forgotten) -> Result<()> {
    let sql = "DELETE FROM meta WHERE key LIKE 'forgotten:%' OR key LIKE 'returned:%' OR key = 'forgotten-key'";
    on!(db, c => sqlx::query(sql).execute(c).await.map(drop))?;
    let Some(key) = forgotten.key.as_ref().filter(|_| !forgotten.is_empty()) else { return Ok(()) };
    set_meta(db, KEY, key).await?;
    for mark in &forgotten.marks {
        set_meta(db, &format!("{MARK}{mark}"), "1").await?;
    }
    for mark in &forgotten.returned {
        set_meta(db, &format!("{RETURNED}{mark}"), "1").await?;
    }
    Ok(())
}

impl State {
    /// Reads the marks of what was forgotten.
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
        let returned = BTreeSet::new();
        let mut found = Forgotten { key: Some(hex::encode(key)), marks: marks.into_iter().collect(), returned };
        assert!(found.holds_user("a") && !found.holds_user("b") && !found.holds_record("c", "x"));
        assert!(found.holds_record("b", "x") && !found.holds_record("b", "z"));
        assert!(found.holds_record("a", "anything"), "it goes with the account");
        found.returned.insert(mark(&key, "a", Some("new")));
        assert!(!found.holds_user("a") && !found.holds_record("a", "new") && found.holds_record("a", "old"));
        assert_ne!(mark(&key, "ab", Some("c")), mark(&key, "a", Some("bc")));
        assert!(found.readmit("b") && !found.readmit("b") && !found.readmit("c"));
        assert_eq!(found.len(), 2);
        assert!(!Forgotten::default().holds_user("a") && !Forgotten::default().readmit("a"));
    }
}
