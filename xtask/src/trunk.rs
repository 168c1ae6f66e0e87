//! Checks that Trunk builds what `cargo xtask web` builds: with `Trunk.toml` a
//! developer gets the same page, glue code and programs. The comparison leaves out what
//! only our own command does: compression, the removal of function names, and the
//! service worker's list of files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::report::End;
use crate::{place, run, web};

/// The tested release.
const RELEASE: &str = "0.21.14";
/// The program that our command builds together with the golden cases' runner, but
/// Trunk builds alone. So its code and the names of its closures differ.
const BESIDE: &str = "eemu-gpu";

/// The step; `dist/` must be built.
pub(crate) fn step() -> End {
    match tools() {
        Ok(tools) => build(&tools).and_then(|folder| compare(&folder, &place::root().join(web::DIST))).into(),
        Err(why) => End::NotRun(format!("Trunk could not be installed from crates.io: {why}")),
    }
}

/// A folder with `trunk` and `wasm-bindgen`, installed the first time.
fn tools() -> Result<PathBuf, String> {
    let manifest = fs::read_to_string(place::root().join("Cargo.toml")).map_err(|why| format!("Cargo.toml: {why}"))?;
    let pinned = pinned(&manifest, "wasm-bindgen-cli-support").ok_or("Cargo.toml pins no wasm-bindgen")?;
    let home = place::target()?.join(format!("trunk-{RELEASE}-{pinned}"));
    for (package, program, release) in [("trunk", "trunk", RELEASE), ("wasm-bindgen-cli", "wasm-bindgen", pinned)] {
        if !run::answers(run::program(home.join("bin").join(program)).arg("--version")) {
            let mut install = run::cargo(&["install", "--locked", "--version", release, package, "--root"])?;
            run::pass(install.arg(&home))?;
        }
    }
    Ok(home.join("bin"))
}

fn pinned<'a>(manifest: &'a str, package: &str) -> Option<&'a str> {
    let line = manifest.lines().find(|line| line.starts_with(&format!("{package} =")))?;
    line.split_once("\"=")?.1.split('"').next()
}

fn build(tools: &Path) -> Result<PathBuf, String> {
    let folder = place::target()?.join("trunk-dist");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([tools.to_path_buf()].into_iter().chain(std::env::split_paths(&path)))
        .map_err(|why| format!("PATH: {why}"))?;
    let mut trunk = run::program(tools.join("trunk"));
    trunk.args(["build", "--offline", "--config", "Trunk.toml", "--dist"]).arg(&folder);
    // Trunk parses NO_COLOR as true or false, and rejects 1.
    run::pass(trunk.env("PATH", path).env("CARGO_TARGET_DIR", place::target()?).env_remove("NO_COLOR"))?;
    Ok(folder)
}

fn compare(trunks: &Path, ours: &Path) -> Result<(), String> {
    let (theirs, own) = (files(trunks)?, files(ours)?);
    if theirs != own {
        let apart: Vec<&String> = theirs.symmetric_difference(&own).collect();
        return Err(format!("Trunk and `cargo xtask web` do not build the same files: {apart:?}"));
    }
    for name in &own {
        let read = |from: &Path| fs::read(from.join(name)).map_err(|why| format!("{name}: {why}"));
        let (theirs, own) = (read(trunks)?, read(ours)?);
        let code = name.starts_with(BESIDE) && name.ends_with(".wasm");
        if !code && plain(name, &theirs) != plain(name, &own) {
            return Err(format!("{name} of Trunk is another than that of `cargo xtask web`"));
        }
    }
    eprintln!("{} files are the same", own.len() - 1);
    Ok(())
}

/// The names of the served files, without compressed copies.
fn files(folder: &Path) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).map_err(|why| format!("{}: {why}", at.display()))?.flatten() {
            let path = entry.path();
            let packed = path.extension().is_some_and(|end| end == "br" || end == "gz");
            match path.strip_prefix(folder) {
                _ if path.is_dir() => folders.push(path),
                Ok(name) if !packed => drop(names.insert(name.to_string_lossy().into_owned())),
                _ => {}
            }
        }
    }
    Ok(names)
}

/// A file without the parts that the two commands write differently.
fn plain(name: &str, bytes: &[u8]) -> Vec<u8> {
    if name.ends_with(".wasm") {
        return without_names(bytes).unwrap_or_else(|| bytes.to_vec());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
    // Glue code: the default path of the program. Our app always passes one.
    let glue = ["if (module_or_path === undefined) {", "module_or_path = new URL("];
    let lists = ["const FILES =", "const LATER =", "const CACHE ="];
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        let bare = line.trim();
        let own = match name {
            "index.html" => line.contains("data-trunk"),
            "sw.js" => lists.iter().any(|list| line.starts_with(list)),
            _ if name.starts_with(BESIDE) && ["closures_____invoke", "shim_idx"].iter().any(|of| bare.contains(of)) => {
                true
            }
            _ if name.starts_with("eemu-") => {
                let closes = inside && bare == "}";
                inside = glue.iter().any(|start| bare.starts_with(start));
                inside || closes
            }
            _ => false,
        };
        if !own && !bare.is_empty() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.into_bytes()
}

/// A WebAssembly program without its name section; `None` when it is not one.
fn without_names(program: &[u8]) -> Option<Vec<u8>> {
    let mut kept = program.get(..8)?.to_vec();
    let mut rest = program.get(8..)?;
    while let Some((&kind, after)) = rest.split_first() {
        let (length, body) = number(after)?;
        let (section, next) = rest.split_at_checked(rest.len() - body.len() + length)?;
        let named = kind == 0 && number(body).is_some_and(|(length, name)| name.get(..length) == Some(b"name"));
        rest = next;
        if !named {
            kept.extend_from_slice(section);
        }
    }
    Some(kept)
}

/// An unsigned LEB128 number, and the bytes after it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0usize;
    for (place, &byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_found() {
        let manifest = "wasm-bindgen = \"=1.0.0\"\nwasm-bindgen-cli-support = \"=1.2.3\"\n";
        assert_eq!(pinned(manifest, "wasm-bindgen-cli-support"), Some("1.2.3"));
        assert_eq!(pinned(manifest, "trunk"), None);
    }

    #[test]
    fn only_the_names_go() {
        let head = b"\0asm\x01\0\0\0";
        let section = |kind: u8, body: &[u8]| [&[kind, body.len() as u8], body].concat();
        let (code, names, other) = (section(10, b"code"), section(0, b"\x04nameabc"), section(0, b"\x05other"));
        let program = [&head[..], &code, &names, &other].concat();
        assert_eq!(without_names(&program).unwrap(), [&head[..], &code, &other].concat());
        assert_eq!(without_names(&program[..program.len() - 1]), None, "cut off");
        let long = section(0, &[b"\x04name".as_slice(), &[0; 100]].concat());
        assert_eq!(without_names(&[&head[..], &long, &code].concat()).unwrap(), [&head[..], &code].concat());
    }

    #[test]
    fn another_line_of_glue_or_page_is_a_difference() {
        let trunks =
            "a\n    if (module_or_path === undefined) {\n        module_or_path = new URL('x', y);\n    }\nb }\n";
        assert_eq!(plain("eemu-page.js", trunks.as_bytes()), plain("eemu-page.js", b"a\n\nb }\n"));
        assert_ne!(plain("eemu-page.js", trunks.as_bytes()), plain("eemu-page.js", b"a\n}\nb }\n"));
        assert_eq!(plain("index.html", b"<link data-trunk>\n<p>\n"), plain("index.html", b"\n<p>\n"));
        assert_ne!(plain("index.html", b"<p>\n"), plain("index.html", b"<b>\n"));
        assert_eq!(plain("sw.js", b"const FILES = [];\nx"), plain("sw.js", b"const FILES = [1];\nx"));
        assert_ne!(plain("boot.js", b"const FILES = [];\nx"), plain("boot.js", b"x"));
    }
}
