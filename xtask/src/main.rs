//! Developer commands: `cargo xtask demo | test | check | golden | bench | bench-gpu | bench-serve | bench-web | web |
//! book | pictures`.
//!
//! | module | what it does |
//! |---|---|
//! | `help` | help texts |
//! | `place` | finds the checkout and the built programs |
//! | `run` | calls other programs, mostly cargo |
//! | `report` | runs steps in order; reports times, and what was not run |
//! | `checks` | the steps of `test` and `check` |
//! | `wasm` | finds, installs or builds the wasm32 target |
//! | `fuzz`, `moto` | tests with schemathesis and with moto, each with a server of its own |
//! | `slurm` | trains shards on a real Slurm of one node |
//! | `lavapipe` | training on native WebGPU |
//! | `clients` | tests the Python client, and the code in the documentation |
//! | `serving` | the server for these tests |
//! | `deploy`, `words` | checks the files for operators; spelling and licences |
//! | `trunk` | checks that Trunk builds the same app |
//! | `golden`, `bench`, `bench_gpu`, `bench_serve`, `bench_web`, `demo`, `web`, `book`, `pictures` | one command each |

// A test may panic.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bench;
mod bench_gpu;
mod bench_serve;
mod bench_web;
mod book;
mod checks;
mod clients;
mod crates;
mod demo;
mod deploy;
mod firefox;
mod fuzz;
mod golden;
mod help;
mod lavapipe;
mod moto;
mod pictures;
mod place;
mod pypi;
mod report;
mod run;
mod serving;
mod slurm;
mod trunk;
mod wasm;
mod web;
mod words;

use std::process::ExitCode;

/// The result of a command: an exit code, or one sentence on what went wrong.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Outcome {
    let Some((command, rest)) = args.split_first() else {
        eprint!("{}", help::OVERVIEW);
        return Ok(ExitCode::from(2));
    };
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        return help::show(command);
    }
    match command.as_str() {
        "demo" => demo::run(only(rest, &["--open"])?),
        "test" => checks::run(rest),
        "check" => only(rest, &[]).and_then(|_| checks::check()),
        "golden" => golden::run(rest),
        "bench" => bench::run(rest),
        "bench-gpu" => bench_gpu::run(rest),
        "bench-serve" => bench_serve::run(rest),
        "bench-scale" => bench_serve::scale(rest),
        "bench-web" => bench_web::run(rest),
        "book" => only(rest, &[]).and_then(|_| book::run()),
        "pictures" => only(rest, &[]).and_then(|_| pictures::run()),
        "web" => web::run(only(rest, &["--serve"])?),
        "help" | "--help" | "-h" => rest.first().map_or_else(|| help::show(""), |topic| help::show(topic)),
        other => Err(format!("there is no command `{other}`; `cargo xtask --help` lists them")),
    }
}

/// The value after a flag, if the flag is there; `what` names the value in the error.
fn given<'a>(args: &'a [String], flag: &str, what: &str) -> Result<Option<&'a str>, String> {
    let Some(at) = args.iter().position(|arg| arg == flag) else { return Ok(None) };
    args.get(at + 1).map(|value| Some(value.as_str())).ok_or_else(|| format!("`{flag}` wants {what} after it"))
}

/// The arguments, provided that each is one of `known`.
fn only<'a>(args: &'a [String], known: &[&str]) -> Result<&'a [String], String> {
    match args.iter().find(|arg| !known.contains(&arg.as_str())) {
        None => Ok(args),
        Some(arg) if known.is_empty() => Err(format!("`{arg}` is not understood: this command takes no arguments")),
        Some(arg) => Err(format!("`{arg}` is not understood here; known: {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_argument_is_named() {
        let args = ["--ful".to_owned()];
        let message = only(&args, &["--open"]).unwrap_err();
        assert!(message.contains("--ful`") && message.contains("--open"), "{message}");
        assert!(only(&args, &[]).unwrap_err().contains("no arguments"));
    }

    #[test]
    fn every_command_that_help_lists_has_its_own_page() {
        let listed = help::OVERVIEW.lines().filter_map(|line| line.strip_prefix("  cargo xtask "));
        let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(
            names,
            [
                "demo",
                "test",
                "check",
                "golden",
                "bench",
                "bench-gpu",
                "bench-serve",
                "bench-scale",
                "bench-web",
                "web",
                "book",
                "pictures"
            ]
        );
        for name in names {
            assert!(help::page(name).is_some(), "no page for {name}");
        }
    }
}
