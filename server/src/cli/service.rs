//! Arguments of the commands around the HTTP service.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use super::{AskedArgs, InfoArgs, StateArg, numbers};
use crate::serve::settings::Given;
use crate::store::DatabaseUrl;

/// `serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// State directory.
    #[arg(long, value_name = "DIR", env = "EEMU_STATE")]
    pub(crate) state: PathBuf,
    /// Settings file (TOML); flags and environment win over it.
    #[arg(long, value_name = "FILE", env = "EEMU_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// `backup`.
#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Where the backup goes: a new directory.
    #[arg(long, value_name = "DIR", required_unless_present = "tombstones", conflicts_with = "tombstones")]
    pub(crate) to: Option<PathBuf>,
    /// Days until the backup must be destroyed.
    #[arg(long, value_name = "DAYS", default_value_t = 30.0, value_parser = numbers::days)]
    pub(crate) keep: f64,
    /// Write the tombstones of what was deleted since to a file, to be kept
    /// beside the backups.
    #[arg(long, value_name = "FILE")]
    pub(crate) tombstones: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `restore`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "DIR")]
    pub(crate) backup: PathBuf,
    /// The new state.
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// What was deleted since: the old state's directory, the postgres://
    /// address of one in PostgreSQL, or the file that `backup --tombstones`
    /// wrote.
    #[arg(
        long,
        value_name = "PLACE",
        env = "EEMU_TOMBSTONES",
        hide_env_values = true,
        conflicts_with = "without_tombstones"
    )]
    pub(crate) tombstones: Option<TombstonesAt>,
    /// Restore even what was deleted since.
    #[arg(long)]
    pub(crate) without_tombstones: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where tombstones are.
#[derive(Debug, Clone)]
pub(crate) enum TombstonesAt {
    /// A state directory, or a file.
    Path(PathBuf),
    /// A state in PostgreSQL.
    Database(DatabaseUrl),
}

impl FromStr for TombstonesAt {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // Any address: the store says which it takes, and never shows its password.
        let database = text.contains("://");
        Ok(if database { Self::Database(DatabaseUrl(text.to_owned())) } else { Self::Path(text.into()) })
    }
}

/// `config`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether settings can be used, and what they come to.
    Check(Box<CheckArgs>),
    /// Every setting, as a table.
    Reference,
}

/// `config check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE", env = "EEMU_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// `token`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once and stored nowhere.
    Create(CreateArgs),
    /// Show every token's name and scope.
    List(InfoArgs),
    /// End a token.
    Revoke(RevokeArgs),
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenScope {
    /// Everything, about everybody.
    Admin,
    /// Metrics and batches; nobody's records.
    Operator,
    /// What belongs to one user.
    Subject,
}

/// `token create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// What it may do.
    #[arg(long, value_enum)]
    pub(crate) scope: TokenScope,
    /// Whose data, for a subject.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// How long it is good; for ever when left out.
    #[arg(long, value_name = "DAYS", value_parser = numbers::whole_days)]
    pub(crate) days: Option<u64>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `token revoke`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// The token's name, from `token list`.
    pub(crate) id: String,
}

/// `receipt`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Check a receipt from its file alone.
    Verify(VerifyReceiptArgs),
    /// Show that a receipt answers a request: its name opens the commitment to
    /// what was asked.
    Open(OpenReceiptArgs),
    /// Show what the log holds: receipts, published versions, keys.
    List(InfoArgs),
    /// Write a receipt as a file that proves itself.
    Export(ExportReceiptArgs),
    /// Give the log a new key, with the old one's consent in the log. Stop the
    /// server first.
    RotateKey(StateArg),
}

/// `receipt open`.
#[derive(Debug, Clone, Args)]
pub(crate) struct OpenReceiptArgs {
    /// The receipt, as the server or `eemu forget` gave it.
    #[arg(long, value_name = "RECEIPT")]
    pub(crate) receipt: PathBuf,
    /// The request's name, as it was answered.
    #[arg(long, value_name = "NAME")]
    pub(crate) request: String,
    /// What was asked.
    #[command(flatten)]
    pub(crate) asked: AskedArgs,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `receipt export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportReceiptArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Which, by its place in the log; the last one when left out.
    #[arg(long, value_name = "N", conflicts_with = "request")]
    pub(crate) index: Option<u64>,
    /// The receipt that answers a request, by the request's name.
    #[arg(long, value_name = "NAME")]
    pub(crate) request: Option<String>,
    /// Where it goes; standard output when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// `person`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PersonCommand {
    /// Everything that is kept about a person, as one JSON file.
    Export(ExportPersonArgs),
}

/// `person export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportPersonArgs {
    #[command(flatten)]
    pub(crate) state: StateArg,
    /// Whose.
    #[arg(long, value_name = "ID")]
    pub(crate) user: String,
    /// Names of deletion requests of this person: only a name leads to one.
    #[arg(long, value_name = "NAME")]
    pub(crate) request: Vec<String>,
    /// Where it goes; standard output when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// `receipt verify`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VerifyReceiptArgs {
    /// The receipt, as the server gave it.
    pub(crate) file: PathBuf,
    /// The server's public key, hex, when you know it.
    #[arg(long, value_name = "HEX")]
    pub(crate) key: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
