//! `cargo xtask bench`: our speed, the speed of Python programs, and the ratios.
//!
//! Both sides print figures as one JSON object per line, among other output. For the
//! default model: `{"what": "episodes-train", "places_per_second": 90000.0, "threads":
//! 1, ...}` and `{"what": "episodes-rank", "rankings_per_second": 4000.0, "threads": 1,
//! ...}`. For the low-rank models: `train` with `users_per_second`, and `rank`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::{Outcome, demo, given, place, run};

/// One measured speed.
#[derive(Debug, PartialEq)]
struct Figure {
    what: &'static str,
    rate: f64,
    threads: f64,
}

pub(crate) fn run(args: &[String]) -> Outcome {
    let data = data_folder(args)?;
    demo::build_for(args)?;
    let ours = figures(run::program(place::built("bench")?).args(absolute(args, data.as_ref())))?;
    let python = match demo::device(args)? {
        "wgpu" => Err("PyTorch has no WebGPU".into()),
        _ => python_with_torch(),
    };
    let peers = match python {
        Ok(python) => peers(&python, data.as_ref(), args)?,
        Err(why) => {
            println!("\nNOT RUN: peers: {why}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    println!("\nours against the peers, same machine, one after the other");
    for our in &ours {
        for peer in peers.iter().filter(|peer| peer.what == our.what) {
            println!(
                "{:<14} {:>9.1}/s on {} threads against {:>7.1}/s on {}: {:.1} times",
                our.what,
                our.rate,
                our.threads,
                peer.rate,
                peer.threads,
                our.rate / peer.rate
            );
        }
    }
    if ours.is_empty() {
        return Err("the benchmark printed no figure to set beside the peers' (see tests/peers/README.md)".into());
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder after `--data`, relative to the current directory.
pub(crate) fn data_folder(args: &[String]) -> Result<Option<PathBuf>, String> {
    let Some(dir) = given(args, "--data", "a folder")? else { return Ok(None) };
    let dir = std::path::absolute(dir).map_err(|why| format!("`{dir}`: {why}"))?;
    if dir.is_dir() { Ok(Some(dir)) } else { Err(format!("{} is not a folder", dir.display())) }
}

/// The arguments with an absolute data folder, since programs start in the checkout.
pub(crate) fn absolute(args: &[String], data: Option<&PathBuf>) -> Vec<String> {
    let mut args = args.to_vec();
    if let (Some(at), Some(data)) = (args.iter().position(|arg| arg == "--data"), data) {
        args[at + 1] = data.display().to_string();
    }
    args
}

/// A Python interpreter that can run the programs we compare with.
pub(crate) fn python_with_torch() -> Result<String, String> {
    let python = std::env::var("EEMU_PYTHON").unwrap_or_else(|_| "python3".into());
    if run::answers(run::program(&python).args(["-c", "import torch, numpy"])) {
        return Ok(python);
    }
    Err(format!(
        "`{python}` has no PyTorch; tests/peers/README.md says how to install it, EEMU_PYTHON names another Python"
    ))
}

fn peers(python: &str, data: Option<&PathBuf>, args: &[String]) -> Result<Vec<Figure>, String> {
    let model = given(args, "--model", "default, two-tower or paper")?.unwrap_or("default");
    let device = demo::device(args)?;
    // What those programs call the default of the low-rank models is our two-tower model.
    let scripts: [&[&str]; 2] = match model {
        "default" => [&["episodes.py", "--what", "train"], &["episodes.py", "--what", "rank"]],
        "two-tower" => [&["train_loop.py", "--model", "default"], &["rank_loop.py", "--model", "default"]],
        _ => [&["train_loop.py", "--model", "paper"], &["rank_loop.py", "--model", "paper"]],
    };
    let given_threads = given(args, "--threads", "a number")?;
    let seconds = given(args, "--seconds", "a number")?.unwrap_or("30");
    let mut all = Vec::new();
    for script in scripts {
        for threads in given_threads.map_or(vec!["1", "2"], |one| vec![one]) {
            let mut command = run::program(python);
            command.arg(format!("tests/peers/{}", script[0])).args(data).args(&script[1..]);
            command.args(["--threads", threads, "--seconds", seconds, "--device", device]);
            // Keeps Python's caches out of the checkout.
            all.extend(figures(command.env("PYTHONDONTWRITEBYTECODE", "1"))?);
        }
    }
    Ok(all)
}

/// Runs a program, shows its output, and parses the figures in it.
fn figures(command: &mut Command) -> Result<Vec<Figure>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |why: &dyn std::fmt::Display| format!("`{name}`: {why}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|why| failed(&why))?;
    let mut found = Vec::new();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|why| failed(&why))?;
            println!("{line}");
            found.extend(figure(&line));
        }
    }
    let status = child.wait().map_err(|why| failed(&why))?;
    if status.success() { Ok(found) } else { Err(failed(&format_args!("ended with {status}"))) }
}

/// The figure on a line, if there is one.
fn figure(line: &str) -> Option<Figure> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    let (what, key) = match value(line, "what")? {
        "\"train\"" => ("train", "users_per_second"),
        "\"rank\"" => ("rank", "rankings_per_second"),
        "\"episodes-train\"" => ("episodes-train", "places_per_second"),
        "\"episodes-rank\"" => ("episodes-rank", "rankings_per_second"),
        _ => return None,
    };
    let number = |key| value(line, key)?.parse().ok();
    Some(Figure { what, rate: number(key)?, threads: number("threads")? })
}

/// The text of a plain value (no nesting, no commas inside) in a flat JSON object.
fn value<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = object.split_once(&format!("\"{key}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?;
    Some(rest.split([',', '}']).next()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_other_lines() {
        let line = r#"{"what": "train", "users_per_second": 27.25, "threads": 2, "data": "ml-1m"}"#;
        assert_eq!(figure(line), Some(Figure { what: "train", rate: 27.25, threads: 2.0 }));
        let line = r#"{"threads":1,"rankings_per_second":4e1,"what":"rank"}"#;
        assert_eq!(figure(line), Some(Figure { what: "rank", rate: 40.0, threads: 1.0 }));
        assert_eq!(figure("epoch 3, loss 0.2"), None);
        assert_eq!(figure(r#"{"what": "memory", "threads": 1}"#), None);
    }

    #[test]
    fn data_must_be_a_folder() {
        assert!(data_folder(&["--data".into()]).is_err());
        assert!(data_folder(&["--data".into(), "no/such/folder".into()]).unwrap_err().contains("not a folder"));
        assert_eq!(data_folder(&[]), Ok(None));
    }
}
