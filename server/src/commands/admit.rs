//! `eemu admit`.

use std::io::BufReader;
use std::process::ExitCode;

use anyhow::{Context, Result};
use eemu_core::counted;
use eemu_core::data::{Source, read_people};
use eemu_core::shard::shard_of_person;
use serde_json::json;

use super::{print_json, print_line};
use crate::cli::AdmitArgs;
use crate::deployment::Deployment;
use crate::store::{Access, Change, Deletion, NewAudit, PartOf};

pub(crate) fn run(args: &AdmitArgs) -> Result<ExitCode> {
    let mut deployment = Deployment::open(args.state.location(), Access::Write)?;
    let shown = args.user_file.display().to_string();
    let file = std::fs::File::open(&args.user_file).with_context(|| format!("cannot open {shown}"))?;
    let people = read_people(Source::new(shown, BufReader::new(file)), &deployment.dataset.catalog.users)?;
    let (users, key) = (&mut deployment.dataset.catalog.users, &deployment.dataset.key);
    for person in &people {
        users.append(&person.id, &person.features, key)?;
    }
    if !people.is_empty() {
        let who = [NewAudit::by_command("admit")];
        let dataset = &deployment.dataset;
        let part_of = |id: &str| shard_of_person(&dataset.key, id, dataset.config.train.shards);
        let part_of: Option<PartOf<'_>> = Some(&part_of);
        let deletion = Deletion { catalog: Some(&dataset.catalog), part_of, audit: &who, ..Deletion::default() };
        let done = deployment.state.apply(&Change::Delete(deletion), deployment.head)?;
        deployment.state.finish(&done)?;
    }
    if args.json {
        print_json(&json!({"admitted": people.len(), "users": deployment.dataset.catalog.users.len()}))?;
    } else {
        print_line(&format!("{} admitted; nothing was retrained", counted(people.len(), "person")))?;
    }
    Ok(ExitCode::SUCCESS)
}
