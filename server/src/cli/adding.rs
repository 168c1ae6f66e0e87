//! Arguments of the commands that add records and items.

use std::path::PathBuf;

use clap::Args;

use crate::store::{DatabaseUrl, Location};

/// A state, or a running server that has it.
#[derive(Debug, Clone, Args)]
pub(crate) struct StateOrServer {
    /// State directory.
    #[arg(long, value_name = "DIR", env = "EEMU_STATE", required_unless_present = "server")]
    pub(crate) state: Option<PathBuf>,
    /// PostgreSQL in place of a database in the directory:
    /// postgres://USER@HOST/NAME.
    #[arg(long, value_name = "URL", env = "EEMU_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<DatabaseUrl>,
    /// Where model files are: a folder or s3://BUCKET/PREFIX, in place of what
    /// the state remembers.
    #[arg(long, value_name = "PLACE", env = "EEMU_MODELS")]
    pub(crate) models: Option<String>,
    /// A running server in place of a state: https://HOST, the address before
    /// /api/v1. A server has its state's directory to itself.
    #[arg(long, value_name = "URL", requires = "token")]
    pub(crate) server: Option<String>,
    /// An administrator's token for --server; better given as EEMU_TOKEN, which
    /// no list of processes shows.
    #[arg(long, value_name = "TOKEN", env = "EEMU_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

impl StateOrServer {
    /// Where the state is, if it is one.
    pub(crate) fn location(&self) -> Location {
        let dir = self.state.clone().unwrap_or_default();
        Location { dir, database: self.database.clone(), models: self.models.clone() }
    }
}

/// `add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    pub(crate) at: StateOrServer,
    /// Whose record. Somebody who is in no table comes with it.
    #[arg(long, required_unless_present = "file", requires = "item")]
    pub(crate) user: Option<String>,
    /// Of which item of the catalogue.
    #[arg(long, requires = "user")]
    pub(crate) item: Option<String>,
    /// When: a number in the data's own unit, or a time such as 2024-05-31.
    #[arg(long, value_name = "TIME", requires = "user", allow_negative_numbers = true, value_parser = super::numbers::time)]
    pub(crate) time: Option<f64>,
    /// A table of many people's records: CSV lines user,item or user,item,time,
    /// or JSON Lines (.jsonl) with user, item, timestamp; - reads CSV from
    /// standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub(crate) file: Option<PathBuf>,
    /// The table's first line is a heading.
    #[arg(long, requires = "file")]
    pub(crate) heading: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `items add`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AddItemsArgs {
    /// The table.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) at: StateOrServer,
    /// One JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}
