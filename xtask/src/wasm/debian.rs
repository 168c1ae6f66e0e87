//! The standard library's source from Debian's package rust-src.
//!
//! Lists, cache and the unpacked package are in a folder of the build. So the machine's
//! own apt stays as it is, and root is not needed. The mirror is the machine's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// Suites with newer releases than most machines run; those with small lists first.
const SUITES: [&str; 3] = ["trixie-backports", "forky", "sid"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The source tree (with `library/std`) of exactly this release of Rust.
pub(super) fn source(release: &str, cache: &Path) -> Result<PathBuf, String> {
    let source = cache.join("rust-src/usr/lib/rustlib/src/rust");
    let complete = cache.join("rust-src.complete");
    if complete.exists() {
        return Ok(source);
    }
    let package = download(release, &cache.join("apt"))?;
    eprintln!("unpacking {}", package.display());
    run::output(run::program("dpkg").arg("-x").arg(&package).arg(cache.join("rust-src")))?;
    if !source.join("library/std/Cargo.toml").is_file() {
        return Err(format!("Debian's rust-src {release} has no library/std where it used to be"));
    }
    write(&complete, "")?;
    Ok(source)
}

/// Fetches the package file from the first suite that has the release.
fn download(release: &str, apt: &Path) -> Result<PathBuf, String> {
    let mirror = mirror()?;
    for folder in ["lists/partial", "cache/archives/partial"] {
        let folder = apt.join(folder);
        fs::create_dir_all(&folder).map_err(|why| format!("{} can't be made: {why}", folder.display()))?;
    }
    let mut troubles = Vec::new();
    for suite in SUITES {
        let signed = if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        write(&apt.join("sources.list"), &format!("deb {signed}{mirror} {suite} main\n"))?;
        eprintln!("looking for rust-src {release} in Debian's {suite}");
        let found = run::output(private("apt-get", apt).arg("update"))
            .and_then(|_| run::output(private("apt-cache", apt).args(["madison", "rust-src"])));
        match found.as_deref().map(|listing| version_of(listing, release)) {
            Ok(Some(version)) => {
                let package = format!("rust-src={version}");
                run::output(private("apt-get", apt).arg("download").arg(package).current_dir(apt))?;
                return downloaded(apt);
            }
            Ok(None) => {}
            Err(why) => troubles.push(why.clone()),
        }
    }
    let tried = SUITES.join(", ");
    match troubles.pop() {
        Some(why) => Err(format!("Debian's packages can't be reached: {why}")),
        None => Err(format!("none of Debian's {tried} has rust-src {release}, and it must fit rustc exactly")),
    }
}

/// A tool of apt that uses only our folder: our list of sources, our cache.
fn private(tool: &str, apt: &Path) -> Command {
    let mut command = run::program(tool);
    for (key, value) in [
        ("Dir::Etc::sourcelist", apt.join("sources.list").display().to_string()),
        ("Dir::Etc::sourceparts", "-".into()),
        ("Dir::State::lists", apt.join("lists").display().to_string()),
        ("Dir::Cache", apt.join("cache").display().to_string()),
        ("Acquire::Languages", "none".into()),
        // Application icons and similar files, which some machines fetch as well.
        ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".into()),
        // When root starts apt, it switches to a user who may not write here.
        ("APT::Sandbox::User", "root".into()),
        // An unreachable suite is an error, not a warning.
        ("APT::Update::Error-Mode", "any".into()),
    ] {
        command.arg("-o").arg(format!("{key}={value}"));
    }
    command
}

/// The address that this machine downloads Debian's packages from.
fn mirror() -> Result<String, String> {
    let targets = run::output(run::program("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    archive_among(&targets).ok_or_else(|| "this machine's apt sources name no Debian archive".into())
}

/// The main archive: its address ends in `/debian`, unlike those for security updates
/// or of vendors.
fn archive_among(targets: &str) -> Option<String> {
    targets
        .lines()
        .map(|line| line.trim().trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
}

/// The newest package version of this release in what `apt-cache madison` prints.
fn version_of(listing: &str, release: &str) -> Option<String> {
    // `rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://... Packages`, newest first.
    let versions = listing.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let fits = |version: &&str| version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-', '~']));
    let mut versions = versions.filter(fits);
    versions.next().map(str::to_owned)
}

fn downloaded(apt: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(apt).map_err(|why| format!("{} can't be read: {why}", apt.display()))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    package.ok_or_else(|| format!("apt-get download left no package in {}", apt.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|why| format!("{} can't be written: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_release_fits() {
        let listing =
            " rust-src | 1.96.1+dfsg1-2 | a\n rust-src | 1.95.0+dfsg1-2~bpo13+1 | b\n rust-src | 1.95.0+dfsg1-1 | c\n";
        assert_eq!(version_of(listing, "1.95.0").as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(version_of(listing, "1.95"), None);
        assert_eq!(version_of(listing, "1.9"), None);
        assert_eq!(version_of("", "1.95.0"), None);
    }

    #[test]
    fn the_archive_is_told_from_its_neighbours() {
        let targets = "http://m.example/debian-security/\nhttp://v.example/apt/\nhttp://m.example/debian/\n";
        assert_eq!(archive_among(targets).as_deref(), Some("http://m.example/debian"));
        assert_eq!(archive_among("http://v.example/ubuntu/\n"), None);
    }
}
