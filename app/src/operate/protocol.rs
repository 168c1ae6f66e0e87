//! What an operator sees and does, as page and worker tell each other.

use eemu_core::api::{
    AuditLog, BackupStanding, NewToken, Operating, OwnInteraction, RequestStanding, TokenList, TokenRequest,
};
use serde::{Deserialize, Serialize};

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// What the service says of itself.
    pub service: Operating,
    /// Whether the token is an administrator's.
    pub admin: bool,
    /// The part of the log that was asked for.
    pub log: LogView,
}

/// Which part of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAsk {
    /// Entries of this kind; all when none.
    pub kind: Option<Kind>,
    /// Entries that speak of this shard; of any when none.
    pub shard: Option<u32>,
    /// Which page, from 0, the newest first.
    pub page: usize,
    /// A receipt's number, or a request's name or its hash; empty for none.
    pub find: String,
}

/// Part of the log, checked as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogView {
    /// The entries of the page, newest first.
    pub lines: Vec<Line>,
    /// How many entries fit what was asked.
    pub fits: usize,
    /// Entries of the log.
    pub size: u64,
    /// How many of them are receipts.
    pub receipts: u64,
    /// Whether all entries together give the signed root; why not, if not.
    pub whole: Result<(), String>,
    /// The key that signs, hex.
    pub key: String,
    /// What the look-up found; none where nothing is looked up.
    pub found: Option<Found>,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Found {
    /// An entry of the log.
    Entry(Line),
    /// A request without a receipt.
    Open(RequestStanding),
    /// Nothing.
    Nothing,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// What it states.
    pub kind: Kind,
    /// Records that a receipt says were removed.
    pub removed: u64,
    /// The shards that it speaks of, each with its version.
    pub shards: Vec<(u32, u64)>,
    /// When a receipt was asked for and written, in seconds since 1970; no
    /// other entry says.
    pub times: Option<(u64, u64)>,
    /// First digits of the entry's own hash.
    pub hash: String,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A deletion.
    Deletion,
    /// Versions went live.
    Published,
    /// A key signs from here on.
    Key,
    /// An entry that this page does not know.
    Other,
}

/// What an operator or administrator does besides looking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Errand {
    /// Saves the part of the log that was asked for, all pages of it.
    Export(LogAsk),
    /// Which backups are out.
    Backups,
    /// Entries of the audit log before a number; the newest when none.
    Audit(Option<u64>),
    /// What somebody did, by their exact identifier.
    Find(String),
    /// Deletes some items of somebody's.
    Forget(String, Vec<String>),
    /// Deletes everything that somebody did.
    ForgetAll(String),
    /// Deletes somebody's account.
    DeleteAccount(String),
    /// Saves all that is kept about somebody.
    ExportPerson(String),
    /// Tokens of operators and administrators, or of somebody.
    Tokens(Option<String>),
    /// Makes a token.
    MakeToken(TokenRequest),
    /// Ends a token.
    Revoke(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Done {
    /// It is said elsewhere, or needs no word.
    Quietly,
    /// Backups that are out.
    Backups(Vec<BackupStanding>),
    /// Entries of the audit log.
    Audit(AuditLog),
    /// What somebody did.
    Person {
        /// Their identifier.
        user: String,
        /// In their order.
        records: Vec<OwnInteraction>,
    },
    /// A deletion was asked for.
    Asked {
        /// Whose.
        user: String,
        /// Name of the request.
        request: String,
        /// Records that are removed; 0 while it is only accepted.
        removed: u64,
        /// Shards that retrain.
        shards: u32,
        /// Whether it is carried out later, together with others.
        later: bool,
        /// Whether the account went.
        account: bool,
    },
    /// Tokens.
    Tokens(TokenList),
    /// A token that was made.
    Made(NewToken, Option<String>),
    /// A token was ended.
    Revoked(String),
    /// It was refused; why.
    Refused(String),
}
