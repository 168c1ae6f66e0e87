//! `eemu token`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;

use super::{find, print_json, print_line};
use crate::cli::{TokenCommand, TokenScope};
use crate::deployment::Deployment;
use crate::serve::tokens::{Scope, Tokens};
use crate::store::Access;

pub(crate) fn run(command: &TokenCommand) -> Result<ExitCode> {
    let state = match command {
        TokenCommand::Create(args) => &args.state,
        TokenCommand::List(args) => &args.state,
        TokenCommand::Revoke(args) => &args.state,
    };
    // Opening reports what is wrong with a directory that is not a state.
    let deployment = Deployment::open(state.location(), Access::Read)?;
    let mut tokens = Tokens::of_state(&deployment.state)?;
    let users = &deployment.dataset.catalog.users;
    match command {
        TokenCommand::Create(args) => {
            let scope = match (args.scope, &args.user) {
                (TokenScope::Admin, None) => Scope::Admin,
                (TokenScope::Operator, None) => Scope::Operator,
                (TokenScope::Subject, Some(user)) => Scope::Subject(find(users, "user", user)?),
                (TokenScope::Subject, None) => bail!("a subject's token needs --user"),
                (TokenScope::Admin | TokenScope::Operator, Some(_)) => bail!("--user is for subjects' tokens"),
            };
            let (token, entry) = tokens.create(scope, args.days.map(|days| days * 86_400))?;
            if args.json {
                print_json(&json!({"token": token, "id": entry.id}))?;
            } else {
                print_line(&token)?;
                eprintln!("keep it: it is stored nowhere. To end it: eemu token revoke {}", entry.id);
            }
        }
        TokenCommand::List(args) => {
            if args.json {
                let listed: Vec<_> = tokens
                    .list()
                    .iter()
                    .map(|t| json!({"id": t.id, "scope": name(t.scope, users), "created": t.created, "expires": t.expires}))
                    .collect();
                print_json(&json!({"tokens": listed}))?;
            } else {
                for token in tokens.list() {
                    print_line(&format!("{}  {}", token.id, name(token.scope, users)))?;
                }
            }
        }
        TokenCommand::Revoke(args) => {
            tokens.revoke(&args.id)?;
            print_line("revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn name(scope: Scope, users: &eemu_core::data::Entities) -> String {
    match scope {
        Scope::Admin => "admin".to_owned(),
        Scope::Operator => "operator".to_owned(),
        Scope::Subject(user) => format!("subject:{}", users.ids.get(user as usize).map_or("?", String::as_str)),
    }
}
