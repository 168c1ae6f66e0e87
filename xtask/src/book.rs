//! `cargo xtask book`: builds the book of `docs/`, whose reference the program itself
//! writes, and checks every link in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::report::End;
use crate::{Outcome, crates, place, run};

/// The tested release.
const RELEASE: &str = "0.5.4";
/// The folder of the chapters.
const CHAPTERS: &str = "docs";
/// The folder of the built book, inside the chapters' folder.
const BOOK: &str = "docs/book";

pub(crate) fn run() -> Outcome {
    let program = installed()?;
    build(&program)?;
    println!("the book is in {BOOK}/index.html");
    Ok(ExitCode::SUCCESS)
}

/// The step of `cargo xtask test --all`.
pub(crate) fn step() -> End {
    match installed() {
        Ok(program) => build(&program).into(),
        Err(why) => End::NotRun(why),
    }
}

fn installed() -> Result<PathBuf, String> {
    crates::program("mdbook", RELEASE, &["--no-default-features", "--features", "search"])
}

fn build(program: &Path) -> Result<(), String> {
    run::pass(&mut run::cargo(&["build", "--workspace", "--bin", "reference"])?)?;
    let chapters = place::root().join(CHAPTERS);
    run::pass(run::program(place::built("reference")?).arg(chapters.join("reference")))?;
    run::pass(run::program(program).arg("build").arg(&chapters))?;
    let broken = broken(&place::root().join(BOOK))?;
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("the book has links that lead nowhere:\n{}", broken.join("\n")))
    }
}

/// Links from pages of a folder to files in it that do not exist.
fn broken(folder: &Path) -> Result<Vec<String>, String> {
    let mut pages = BTreeMap::new();
    let mut files = BTreeSet::new();
    walk(folder, &mut |path| {
        if path.extension().is_some_and(|end| end == "html") {
            let text = fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))?;
            pages.insert(path.to_path_buf(), text);
        }
        files.insert(path.to_path_buf());
        Ok(())
    })?;
    if pages.is_empty() {
        return Err(format!("{} holds no page", folder.display()));
    }
    let named = |text: &str| -> BTreeSet<String> { attributes(text, "id").into_iter().collect() };
    let names: BTreeMap<&PathBuf, BTreeSet<String>> = pages.iter().map(|(path, text)| (path, named(text))).collect();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        // Its links are relative to the site's root, wherever it is shown.
        if page.ends_with("404.html") {
            continue;
        }
        for link in attributes(text, "href").into_iter().chain(attributes(text, "src")) {
            if link.is_empty() || link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") {
                continue;
            }
            let (file, name) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { join(page, file) };
            let missing = !files.contains(&target);
            if missing || (!name.is_empty() && names.get(&target).is_some_and(|names| !names.contains(name))) {
                let page = page.strip_prefix(folder).unwrap_or(page);
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    Ok(broken)
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path) -> Result<(), String>) -> Result<(), String> {
    for entry in fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?.flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, each)? } else { each(&path)? }
    }
    Ok(())
}

/// The file that a page's link leads to.
fn join(page: &Path, link: &str) -> PathBuf {
    let mut path = page.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in link.split('?').next().unwrap_or_default().split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()),
            part => path.push(part.replace("%20", " ")),
        }
    }
    if path.is_dir() { path.join("index.html") } else { path }
}

/// The values of an attribute.
fn attributes(text: &str, name: &str) -> Vec<String> {
    let mark = format!(" {name}=\"");
    let values = text.split(mark.as_str()).skip(1).filter_map(|rest| rest.split('"').next());
    values.map(|value| value.replace("&amp;", "&")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporary folder, deleted at the end.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn links_are_followed_to_pages_and_places() {
        let folder = Folder(std::env::temp_dir().join(format!("eemu-book-{}", std::process::id())));
        fs::create_dir_all(folder.0.join("more")).unwrap();
        let page = |name: &str, text: &str| fs::write(folder.0.join(name), text).unwrap();
        page(
            "index.html",
            r##"<a href="more/b.html#here">b</a> <a href="#top" id="top">t</a> <a href="https://x/">x</a>"##,
        );
        page("more/b.html", r#"<h1 id="here"></h1> <a href="../index.html#top">a</a> <img src="../p.png">"#);
        page("p.png", "");
        assert_eq!(broken(&folder.0).unwrap(), Vec::<String>::new());
        page("more/b.html", r#"<a href="../index.html#nowhere">a</a> <a href="c.html">c</a>"#);
        let found = broken(&folder.0).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|line| line.ends_with("index.html: more/b.html#here")), "{found:?}");
    }
}
