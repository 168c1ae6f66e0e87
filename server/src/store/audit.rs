//! The audit log: who made what kind of request, and when. An entry names no item and
//! no person. It has the token's short name, the token's scope, a word for the kind of
//! request, and the status of the response.

use super::State;
use super::database::{Db, on, quietly};
use super::error::Result;
use crate::clock::now_exactly;

/// An entry to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// The token's short name; `command` for the command line.
    pub token: String,
    /// The token's scope.
    pub scope: &'static str,
    /// The kind of request.
    pub kind: &'static str,
    /// The HTTP status of the response.
    pub status: u16,
}

impl NewAudit {
    /// An entry for a command of the command line.
    pub(crate) fn by_command(kind: &'static str) -> Self {
        Self { token: "command".to_owned(), scope: "admin", kind, status: 200 }
    }
}

/// A stored entry: number, time, and the fields of [`NewAudit`].
type Row = (i64, f64, String, String, String, i64);

/// Appends entries. Part of a transaction.
pub(super) async fn append(db: &mut Db, entries: &[NewAudit]) -> Result<()> {
    let now = now_exactly();
    let sql = "INSERT INTO audit (at, token, scope, kind, status) VALUES ($1, $2, $3, $4, $5)";
    for entry in entries {
        on!(db, c => sqlx::query(sql)
            .bind(now)
            .bind(&entry.token)
            .bind(entry.scope)
            .bind(entry.kind)
            .bind(i64::from(entry.status))
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

impl State {
    /// Appends entries to the audit log.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_audit(&self, entries: &[NewAudit]) -> Result<()> {
        self.write(async |db| quietly(db, async |db| append(db, entries).await).await)
    }

    /// At most `count` entries of the audit log with a number below `before`,
    /// newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn audit(&self, before: u64, count: u64) -> Result<Vec<eemu_core::api::AuditEntry>> {
        let sql = "SELECT number, at, token, scope, kind, status FROM audit WHERE number < $1 \
                   ORDER BY number DESC LIMIT $2";
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rows: Vec<Row> = self.read(async |db| {
            let (before, count) = (bound(before), bound(count));
            Ok(on!(db, c => sqlx::query_as(sql).bind(before).bind(count).fetch_all(c).await?))
        })?;
        let entry = |(number, at, token, scope, kind, status): Row| eemu_core::api::AuditEntry {
            number: number as u64,
            at: at as u64,
            token,
            scope,
            kind,
            status: status as u16,
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Deletes entries that are older than `since` (seconds since 1970).
    ///
    /// # Errors
    /// When the database refuses.
    pub fn prune_audit(&self, since: f64) -> Result<()> {
        let sql = "DELETE FROM audit WHERE at < $1";
        self.write(async |db| Ok(on!(db, c => sqlx::query(sql).bind(since).execute(c).await.map(drop))?))
    }
}
