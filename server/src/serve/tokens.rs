//! Bearer tokens: who may do what.
//!
//! `tokens.json` in the state directory holds each token's hash, never the token. It is
//! a separate file, so that `eemu token` works while a server runs; the server checks
//! the file's modification time before each request. A subject is stored by index, so
//! that the file names nobody. On PostgreSQL the tokens are a value of the database and
//! valid at every server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::clock::{now, random_hex};
use crate::store::State;

/// Name of the file inside a state directory.
const FILE: &str = crate::store::TOKENS;
/// Name of the lock file that is held while tokens are written.
const LOCK: &str = "tokens.lock";
/// The key of the tokens in a shared database.
const NOTE: &str = "tokens";
/// Prefix of every token, by which people and secret scanners recognise one.
pub(super) const MARK: &str = "eemu_";

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything, about everybody.
    Admin,
    /// Metrics and batches; nobody's records.
    Operator,
    /// What belongs to one user, by index.
    Subject(u32),
}

impl Scope {
    /// One word that names nobody.
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Subject(_) => "subject",
        }
    }
}

/// What is stored of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Short name, for `list` and `revoke`.
    pub id: String,
    /// BLAKE3 of the token, hex.
    pub hash: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it expires, in seconds since 1970; `None` for never.
    pub expires: Option<u64>,
}

/// Where tokens are stored.
#[derive(Debug)]
enum Kept {
    /// In a file of a state directory; `seen` is its metadata when it was read.
    File { dir: PathBuf, seen: Option<(SystemTime, u64, u64)> },
    /// In a shared database.
    Database(Arc<State>),
}

/// All tokens, read again when they change.
#[derive(Debug)]
pub struct Tokens {
    kept: Kept,
    tokens: Vec<Token>,
    /// Tokens of the demonstration, which are valid until the process ends.
    passing: Vec<Token>,
}

/// The file's inode number, which tells two files of the same time and length apart
/// where the system has one.
#[cfg(unix)]
fn file_number(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn file_number(_: &fs::Metadata) -> u64 {
    0
}

fn hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

impl Tokens {
    /// The tokens of a state directory; empty when there is no file.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::of(Kept::File { dir: dir.to_owned(), seen: None })
    }

    /// The tokens of a state, wherever it stores them.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn of_state(state: &Arc<State>) -> Result<Self> {
        if state.is_shared() { Self::of(Kept::Database(state.clone())) } else { Self::open(state.dir()) }
    }

    fn of(kept: Kept) -> Result<Self> {
        let mut tokens = Self { kept, tokens: Vec::new(), passing: Vec::new() };
        tokens.reread()?;
        Ok(tokens)
    }

    /// Reads the file again if it changed. Tokens in a database are read when the database
    /// reports a change: [`Tokens::reread`].
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn refresh(&mut self) -> Result<()> {
        if let Kept::File { .. } = self.kept { self.reread() } else { Ok(()) }
    }

    /// Reads them again.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn reread(&mut self) -> Result<()> {
        match &mut self.kept {
            Kept::File { dir, seen } => {
                let path = dir.join(FILE);
                let meta = fs::metadata(&path).ok();
                let now = meta.and_then(|meta| Some((meta.modified().ok()?, meta.len(), file_number(&meta))));
                if now != *seen || seen.is_none() {
                    self.tokens = read(&path)?;
                    *seen = now;
                }
            }
            Kept::Database(state) => self.tokens = noted(state)?,
        }
        Ok(())
    }

    /// What a token may do; `None` for an unknown or expired one.
    pub fn find(&self, token: &str) -> Option<Scope> {
        self.known(token).map(|token| token.scope)
    }

    /// The entry of a token; `None` for an unknown or expired one.
    pub fn known(&self, token: &str) -> Option<&Token> {
        let hash = hash(token);
        let now = now();
        // The hashes are of 256 random bits, so comparing them in variable time reveals
        // nothing.
        let good = |t: &&Token| t.hash == hash && t.expires.is_none_or(|until| now < until);
        self.tokens.iter().chain(&self.passing).find(good)
    }

    /// Replaces the stored tokens by those that another thread has read.
    pub(super) fn take(&mut self, read: Self) {
        self.tokens = read.tokens;
    }

    /// Revokes these users' tokens of the demonstration.
    pub(super) fn end_passing(&mut self, users: &[u32]) {
        self.passing.retain(|token| !matches!(token.scope, Scope::Subject(user) if users.contains(&user)));
    }

    /// Every stored token.
    pub fn list(&self) -> &[Token] {
        &self.tokens
    }

    /// Makes a token that is valid until the process ends.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn create_passing(&mut self, scope: Scope) -> Result<String> {
        let (token, entry) = draw(scope, None)?;
        self.passing.push(entry);
        Ok(token)
    }

    /// Makes a token. It is returned once, and only its hash is stored.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(&mut self, scope: Scope, lifetime: Option<u64>) -> Result<(String, Token)> {
        let (token, entry) = draw(scope, lifetime)?;
        self.change(|tokens| {
            tokens.push(entry.clone());
            Ok(())
        })?;
        Ok((token, entry))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When no token has that name, or the file cannot be written.
    pub fn revoke(&mut self, id: &str) -> Result<()> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|t| t.id != id);
            if tokens.len() == before {
                bail!("there is no token '{id}'; `eemu token list` shows them");
            }
            Ok(())
        })
    }

    /// Revokes every token of deleted accounts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove_subjects(&mut self, users: &[u32]) -> Result<()> {
        let gone = |t: &Token| matches!(t.scope, Scope::Subject(user) if users.contains(&user));
        self.end_passing(users);
        self.refresh()?;
        if !self.tokens.iter().any(gone) {
            return Ok(());
        }
        self.change(|tokens| {
            tokens.retain(|t| !gone(t));
            Ok(())
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<Token>) -> Result<()>) -> Result<()> {
        match &mut self.kept {
            Kept::File { dir, seen } => {
                let lock_path = dir.join(LOCK);
                let lock = crate::store::open_private(&lock_path);
                let lock = lock.with_context(|| format!("cannot open {}", lock_path.display()))?;
                lock.lock().with_context(|| format!("cannot lock {}", lock_path.display()))?;
                let path = dir.join(FILE);
                // This process holds the lock, so the processes that began temporary files have died.
                crate::store::delete_halves(&path)?;
                let mut tokens = read(&path)?;
                change(&mut tokens)?;
                crate::store::write_whole(&path, &serde_json::to_vec_pretty(&tokens)?)?;
                *seen = None;
            }
            Kept::Database(state) => {
                let mut failed = None;
                state.change_note(NOTE, |text| {
                    let tokens = text.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(&text));
                    let changed = tokens.map_err(anyhow::Error::from).and_then(|mut tokens| {
                        change(&mut tokens)?;
                        Ok(serde_json::to_string(&tokens)?)
                    });
                    changed.map_err(|error| failed = Some(error)).ok()
                })?;
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
        self.reread()
    }
}

fn noted(state: &State) -> Result<Vec<Token>> {
    let Some(text) = state.note(NOTE)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).context("the tokens in the database are damaged")
}

fn draw(scope: Scope, lifetime: Option<u64>) -> Result<(String, Token)> {
    let token = format!("{MARK}{}", random_hex::<32>()?);
    let created = now();
    let expires = lifetime.map(|seconds| created + seconds);
    let entry = Token { id: random_hex::<4>()?, hash: hash(&token), scope, created, expires };
    Ok((token, entry))
}

fn read(path: &Path) -> Result<Vec<Token>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged; delete it and make new tokens", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut own = Tokens::open(dir.path()).unwrap();
        let mut beside = Tokens::open(dir.path()).unwrap();
        let half = dir.path().join("tokens.jsonAb12Cd.tmp");
        fs::write(&half, "of a process that died").unwrap();
        let (token, entry) = own.create(Scope::Subject(3), None).unwrap();
        assert!(!half.exists());
        assert_eq!(beside.find(&token), None);
        beside.refresh().unwrap();
        assert_eq!(beside.find(&token), Some(Scope::Subject(3)));
        assert!(!fs::read_to_string(dir.path().join(FILE)).unwrap().contains(&token));
        let (short, _) = own.create(Scope::Admin, Some(0)).unwrap();
        assert_eq!(own.find(&short), None, "past its time");
        own.revoke(&entry.id).unwrap();
        assert_eq!(own.find(&token), None);
        assert!(own.revoke(&entry.id).is_err());
        let (gone, _) = own.create(Scope::Subject(4), None).unwrap();
        own.remove_subjects(&[4]).unwrap();
        assert_eq!(own.find(&gone), None);
    }
}
