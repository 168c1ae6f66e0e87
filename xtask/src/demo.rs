//! `cargo xtask demo`: builds everything, then runs the program's own demo. With
//! `--open` the same state is served, and the page opens.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use crate::{Outcome, given, place, run, web};

pub(crate) fn run(args: &[String]) -> Outcome {
    let open = args.iter().any(|arg| arg == "--open");
    let rest: Vec<&String> = args.iter().filter(|arg| *arg != "--open").collect();
    build()?;
    let mut demo = run::program(place::built("eemu")?);
    demo.arg("demo").args(rest);
    if !open {
        let code = run::hand_over(&mut demo)?;
        if code == ExitCode::SUCCESS {
            println!("\nThe same in a browser: cargo xtask demo --open");
        }
        return Ok(code);
    }
    web::build()?;
    // Only this command writes to this folder.
    let state = place::target()?.join("demo-state");
    if state.exists() {
        fs::remove_dir_all(&state).map_err(|why| format!("{}: {why}", state.display()))?;
    }
    run::pass(demo.arg("--state").arg(&state))?;
    serve(&state)
}

/// Serves a state with the built page, and opens it where there is a screen.
fn serve(state: &Path) -> Outcome {
    let mut command = run::program(place::built("eemu")?);
    command.arg("serve").arg("--state").arg(state).arg("--web").arg(place::root().join(web::DIST));
    command.args(["--demo", "3", "--settle", "2", "--listen", "127.0.0.1:0", "--log-level", "warn"]);
    let mut server = command.stdout(Stdio::piped()).spawn().map_err(|why| format!("`eemu serve`: {why}"))?;
    let out = server.stdout.take().ok_or("`eemu serve` has no output")?;
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix("eemu serves ") {
            println!("\n{address}/ shows it; the API at {address}/docs. Ctrl-C ends it.");
            show(&format!("{address}/"));
        }
    }
    let status = server.wait().map_err(|why| format!("`eemu serve`: {why}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Opens an address in the user's browser. Without a screen, or in CI, the address is
/// only printed.
fn show(address: &str) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("CI") {
        return;
    }
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else if set("DISPLAY") || set("WAYLAND_DISPLAY") {
        "xdg-open"
    } else {
        return;
    };
    // The terminal shows the address even if this fails.
    let _ = Command::new(opener).arg(address).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Builds the whole workspace. Building one member would choose other features for
/// shared dependencies, and compile Burn a second time.
pub(crate) fn build() -> Result<(), String> {
    build_for(&[])
}

/// As [`build`], with the device of `--device NAME` among the arguments.
pub(crate) fn build_for(args: &[String]) -> Result<(), String> {
    let features = match device(args)? {
        "cpu" => None,
        "cuda" => Some("eemu-server/cuda"),
        "wgpu" => Some("eemu-server/wgpu"),
        other => return Err(format!("--device is cpu, cuda or wgpu here, not `{other}`")),
    };
    eprintln!("building (the first time takes minutes, most of them for the tensor library) ...");
    let features = features.map(|name| ["--features", name]);
    let args: Vec<&str> = ["build", "--workspace"].into_iter().chain(features.into_iter().flatten()).collect();
    run::pass(&mut run::cargo(&args)?)
}

/// The device of `--device` among the arguments; the processor by default.
pub(crate) fn device(args: &[String]) -> Result<&str, String> {
    Ok(given(args, "--device", "a name")?.unwrap_or("cpu"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_or_it_is_the_processor() {
        let args = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(device(&args(&["--seconds", "3"])), Ok("cpu"));
        assert_eq!(device(&args(&["--device", "cuda"])), Ok("cuda"));
        assert!(device(&args(&["--device"])).unwrap_err().contains("wants a name"));
        assert!(build_for(&args(&["--device", "tpu"])).unwrap_err().contains("`tpu`"));
    }
}
