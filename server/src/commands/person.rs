//! `eemu person`.

use std::process::ExitCode;

use anyhow::Result;

use super::{find, write_json};
use crate::cli::PersonCommand;
use crate::deployment::Deployment;
use crate::portability::everything;
use crate::serve::tokens::Tokens;
use crate::store::Access;

pub(crate) fn run(command: &PersonCommand) -> Result<ExitCode> {
    let PersonCommand::Export(args) = command;
    let deployment = Deployment::open(args.state.location(), Access::Read)?;
    let user = find(&deployment.dataset.catalog.users, "user", &args.user)?;
    let tokens = Tokens::of_state(&deployment.state)?;
    let ids: Vec<[u8; 32]> = args.request.iter().map(|name| *blake3::hash(name.as_bytes()).as_bytes()).collect();
    let requests = deployment.state.requests_of(&ids)?;
    write_json(args.to.as_deref(), &everything(&deployment.dataset, user, tokens.list(), &requests))?;
    Ok(ExitCode::SUCCESS)
}
