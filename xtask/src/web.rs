//! `cargo xtask web`: builds the browser app into `dist/` without other tools.
//!
//! The steps are those of Trunk, from the same `web/index.html`: what its `data-trunk`
//! links name is copied or built, and the links are removed.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::{Outcome, place, run, wasm};

/// The folder of the built app, inside the checkout.
pub(crate) const DIST: &str = "dist";
/// The page that names everything else.
const INDEX: &str = "web/index.html";
/// A profile that optimises for size: see the workspace's Cargo.toml.
const PROFILE: &str = "web";
/// The program with WebGPU.
const GPU: &str = "eemu-gpu";

pub(crate) fn run(args: &[String]) -> Outcome {
    let serve = args.iter().any(|arg| arg == "--serve");
    build()?;
    if serve {
        return run::hand_over(run::program(tool("eemu-serve")?).arg(place::root().join(DIST)));
    }
    println!("built {DIST}/; `cargo xtask web --serve` shows it, and any static host can");
    Ok(ExitCode::SUCCESS)
}

/// Builds `dist/` from scratch.
pub(crate) fn build() -> Result<(), String> {
    wasm::ensure()?;
    eprintln!("building the browser app (the first time takes minutes, most of them for the tensor library) ...");
    // Two builds, since features of one would reach the programs of the other, and only
    // users of WebGPU are to download it. The golden cases' runner is built with the
    // second, so that the tests need no third.
    let plain: &[&str] = &["-p", "eemu-web", "--bins"];
    let gpu: &[&str] =
        &["-p", "eemu-web", "-p", "eemu-cases", "--features", "eemu-web/gpu,eemu-cases/gpu", "--lib", "--bin", GPU];
    for packages in [plain, gpu] {
        let build = [&["build", "--profile", PROFILE, "--target", wasm::TARGET], packages].concat();
        run::pass(&mut run::cargo(&build)?)?;
    }
    run::pass(&mut run::cargo(&["build", "-p", "eemu-bundle", "--features", "tool"])?)?;

    let (root, dist) = (place::root(), place::root().join(DIST));
    if dist.exists() {
        fs::remove_dir_all(&dist).map_err(|why| format!("{}: {why}", dist.display()))?;
    }
    let index = fs::read_to_string(root.join(INDEX)).map_err(|why| format!("{INDEX}: {why}"))?;
    let links = links(&index);
    let mut bundle = run::program(tool("eemu-bundle")?);
    bundle.arg(&dist);
    let programs = place::target()?.join(wasm::TARGET).join(PROFILE);
    for link in &links {
        match link {
            Link::Program(name) => drop(bundle.arg(programs.join(format!("{name}.wasm")))),
            Link::Copy(name) => copy(&root.join("web").join(name), &dist.join(name))?,
        }
    }
    fs::write(dist.join("index.html"), without_links(&index)).map_err(|why| format!("{}: {why}", dist.display()))?;
    run::pass(&mut bundle)?;
    // The golden cases' runner is not part of the app: it goes to a folder beside it, for
    // tests.
    let cases = dist.with_file_name("dist-cases");
    let _ = fs::remove_dir_all(&cases);
    copy(&root.join("tests/cases/page"), &cases)?;
    let mut bundle = run::program(tool("eemu-bundle")?);
    run::output(bundle.arg(&cases).arg(programs.join("eemu_cases.wasm"))).map(drop)
}

fn tool(name: &str) -> Result<std::path::PathBuf, String> {
    place::built(name)
}

/// What a `data-trunk` link asks for.
#[derive(Debug, PartialEq)]
enum Link {
    /// A program of the workspace.
    Program(String),
    /// A file or folder beside the page.
    Copy(String),
}

fn links(index: &str) -> Vec<Link> {
    let link = |line: &str| {
        let value = |name: &str| line.split(&format!("{name}=\"")).nth(1)?.split('"').next().map(str::to_owned);
        match value(" rel")?.as_str() {
            "rust" => value("data-bin").map(Link::Program),
            _ => value(" href").map(Link::Copy),
        }
    };
    index.lines().filter(|line| line.contains("data-trunk")).filter_map(link).collect()
}

fn without_links(index: &str) -> String {
    index.lines().filter(|line| !line.contains("data-trunk")).map(|line| format!("{line}\n")).collect()
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |why| format!("{}: {why}", from.display());
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(failed);
    }
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)?.flatten() {
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_is_built() {
        let index = fs::read_to_string(place::root().join(INDEX)).unwrap();
        let links = links(&index);
        for program in ["eemu-page", "eemu-worker", GPU] {
            assert!(links.contains(&Link::Program(program.into())), "{links:?}");
        }
        for link in &links {
            if let Link::Copy(name) = link {
                assert!(place::root().join("web").join(name).exists(), "{name} is missing");
            }
        }
        let page = without_links(&index);
        assert!(!page.contains("data-trunk") && page.contains("Content-Security-Policy"));
    }
}
