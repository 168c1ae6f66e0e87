//! Runs the real command, one call at a time.

// This code is part of tests: it panics if something is wrong.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program;

/// Environment variables of a process.
pub type Environment<'a> = &'a [(&'a str, &'a str)];

/// Runs the command. Returns its exit code (none if a signal ended it), its
/// standard output and its standard error.
///
/// # Panics
/// If it cannot be started.
pub fn run(args: &[&str], environment: Environment<'_>) -> (Option<i32>, String, String) {
    run_program(&program().unwrap(), args, environment)
}

/// The same of another build of the command.
///
/// # Panics
/// When it cannot be started.
pub fn run_program(program: &Path, args: &[&str], environment: Environment<'_>) -> (Option<i32>, String, String) {
    let mut command = Command::new(program);
    for name in ["EEMU_STATE", "EEMU_DATABASE", "EEMU_MODELS", "EEMU_FAIL_AT", "EEMU_TOMBSTONES"] {
        command.env_remove(name);
    }
    let output = command.args(args).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Runs a command that must succeed. Returns its JSON, or null.
///
/// # Panics
/// If it does not succeed, with its standard error.
pub fn done(args: &[&str], environment: Environment<'_>) -> Value {
    let (code, out, err) = run(args, environment);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    serde_json::from_str(&out).unwrap_or(Value::Null)
}

/// Runs a command that must be refused. Returns its standard error.
///
/// # Panics
/// If it is not refused.
pub fn refused(args: &[&str], environment: Environment<'_>) -> String {
    let (code, _, said) = run(args, environment);
    assert_eq!(code, Some(2), "{args:?}: {said}");
    said
}

/// A path as an argument.
///
/// # Panics
/// If it is not valid text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a small data set to a file: 10 readers, 13 books.
///
/// # Panics
/// When the folder cannot be written to.
pub fn books(dir: &Path) -> PathBuf {
    let mut lines = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
    for n in 0..60 {
        lines += &format!("reader-{}\tbook-{}\t{}\n", n % 10, (n * 7 + n / 10) % 13, n * 11 % 17);
    }
    let file = dir.join("shop.inter");
    std::fs::write(&file, lines).unwrap();
    file
}

/// Options of a model that trains very fast.
pub const TINY: [&str; 10] = [
    "--set",
    "model.width=4",
    "--set",
    "model.output=4",
    "--set",
    "train.epochs=2",
    "--set",
    "train.users_per_batch=4",
    "--shards",
    "3",
];

/// The hash of each shard's model, from `info --json`.
///
/// # Panics
/// When a shard has none.
pub fn hashes(info: &Value) -> Vec<String> {
    info["shards"].as_array().unwrap().iter().map(|s| s["model_blake3"].as_str().unwrap().to_owned()).collect()
}
