//! What the `eemu` command does, one file per subcommand: output as text or JSON, exit
//! codes, and error messages.

pub(crate) mod add;
pub(crate) mod admit;
pub(crate) mod backup;
pub(crate) mod data;
pub(crate) mod demo;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod frontier;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod items;
pub(crate) mod listing;
pub(crate) mod person;
pub(crate) mod receipt;
pub(crate) mod recommend;
pub(crate) mod reproduce;
pub(crate) mod serve;
pub(crate) mod shard;
pub(crate) mod token;
pub(crate) mod train;
pub(crate) mod tune;
pub(crate) mod verify;

pub(crate) mod configuring;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use eemu_core::Error;
use eemu_core::data::Entities;
use serde::Serialize;

use crate::cli::{Cli, Command};

/// Runs the command and prints an error with its whole chain of causes.
pub fn main() -> ExitCode {
    crate::faults::say_what_to_do();
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Train(args) => train::train(&args),
        Command::TrainShard(args) => train::train_shard(&args),
        Command::Shard(command) => shard::run(&command),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Recommend(args) => recommend::run(&args),
        Command::Similar(args) => listing::similar(&args),
        Command::Popular(args) => listing::popular(&args),
        Command::New(args) => listing::newest(&args),
        Command::Add(args) => add::run(&args),
        Command::Items(command) => items::run(&command),
        Command::Forget(args) => forget::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Retrain(args) => train::retrain(&args),
        Command::Admit(args) => admit::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Frontier(args) => frontier::run(&args),
        Command::Person(command) => person::run(&command),
        Command::Info(args) => info::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Token(command) => token::run(&command),
        Command::Receipt(command) => receipt::run(&command),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Config(command) => serve::config(&command),
        Command::Data(command) => data::run(&command),
        Command::Reproduce(args) => reproduce::run(&args),
    };
    match result {
        Ok(code) => code,
        // A reader that closed the pipe has read enough.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}

/// Writes one JSON object to standard output.
fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a line to standard output.
fn print_line(line: &str) -> Result<()> {
    // Names come from other people; control characters in them must not reach a terminal.
    let lines: Vec<_> = line.split('\n').map(eemu_core::shown).collect();
    writeln!(std::io::stdout().lock(), "{}", lines.join("\n"))?;
    Ok(())
}

/// Writes JSON to a file that only its owner can read, or to standard output.
fn write_json(to: Option<&std::path::Path>, value: &impl Serialize) -> Result<()> {
    match to {
        Some(path) => Ok(crate::store::write_whole(path, &serde_json::to_vec_pretty(value)?)?),
        None => print_json(value),
    }
}

/// The index of an identifier.
fn find(entities: &Entities, kind: &'static str, id: &str) -> Result<u32> {
    Ok(entities.find(id).ok_or_else(|| Error::UnknownId { kind, id: id.to_owned() })?)
}
