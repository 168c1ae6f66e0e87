//! One file a command: from arguments to words and JSON.

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

use anyhow::Result;
use eemu_core::Error;
use eemu_core::data::Entities;
use serde::Serialize;

/// Writes one JSON object to standard output.
fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a line to standard output.
fn print_line(line: &str) -> Result<()> {
    // Names are other people's text: a terminal must not obey them.
    let lines: Vec<_> = line.split('\n').map(eemu_core::shown).collect();
    writeln!(std::io::stdout().lock(), "{}", lines.join("\n"))?;
    Ok(())
}

/// Writes JSON to a file that only its owner reads, or to standard output.
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
