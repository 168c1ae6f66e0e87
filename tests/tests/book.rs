//! The book and the README: links lead somewhere, commands that stand there are
//! commands, the reference leaves nothing out.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eemu_tests::reference;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text of the project that people read, but for tables that are made.
fn texts() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("docs/book") && !path.ends_with("docs/reference") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .map(|n| root().join(n))
        .into();
    walk(&root().join("docs"), &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The targets of a text's links.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|link| !link.contains(' ')).map(str::to_owned).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let written: BTreeSet<PathBuf> =
        reference::pages().iter().map(|(name, _)| root().join("docs/reference").join(name)).collect();
    let mut followed = 0;
    for (path, text) in texts() {
        for link in links(&text) {
            let file = link.split('#').next().unwrap();
            // Pictures are made by a command of their own.
            if link.contains("://") || file.is_empty() || file.ends_with(".png") {
                continue;
            }
            let target = path.parent().unwrap().join(file);
            let mut plain = PathBuf::new();
            for part in target.components() {
                if part == std::path::Component::ParentDir {
                    plain.pop();
                } else {
                    plain.push(part)
                }
            }
            assert!(plain.exists() || written.contains(&plain), "{}: {link}", path.display());
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn the_book_holds_every_chapter() {
    let docs = root().join("docs");
    let listed: BTreeSet<String> = links(&fs::read_to_string(docs.join("SUMMARY.md")).unwrap()).into_iter().collect();
    for entry in fs::read_dir(&docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && !["SUMMARY.md"].contains(&name.as_str()) {
            assert!(listed.contains(&name), "{name} is in no chapter of the book");
        }
    }
    for (name, _) in reference::pages() {
        assert!(listed.contains(&format!("reference/{name}")), "{name}");
    }
}

/// The README is what somebody reads in a minute.
#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.len() < 8 << 10, "{} bytes", text.len());
    for paragraph in text.split("\n\n").filter(|part| !part.starts_with('|')) {
        assert!(paragraph.chars().count() < 900, "{paragraph}");
    }
}

/// Words of a shell line, as far as documents use quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => (quote, any) = (Some(letter), true),
            (None, ' ') => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            // What comes after is for people, or for another command.
            (None, '#') if word.is_empty() => break,
            (None, '|' | ';') => break,
            (_, letter) => word.push(letter),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Every command of ours in a block of a text can be given as it stands.
#[test]
fn commands_in_documents_are_commands() {
    let mut tried = 0;
    for (path, text) in texts() {
        let text = text.replace("\\\n", " ");
        for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
            let line = line.trim_start();
            // Variables before a command are the shell's.
            let at = if line.starts_with("eemu ") {
                Some(0)
            } else {
                line.find(" eemu ").filter(|_| line.starts_with("OTEL_")).map(|at| at + 1)
            };
            let Some(line) = at.map(|at| &line[at..]) else { continue };
            for part in line.split("&&") {
                // What stands for a number is one.
                let words: Vec<String> =
                    words(part.trim()).iter().map(|w| w.replace("SEED", "1").replace("MINUTES", "1")).collect();
                if words.first().is_none_or(|word| word != "eemu") {
                    continue;
                }
                tried += 1;
                if let Err(error) = eemu_server::cli::command().try_get_matches_from(&words) {
                    assert!(!error.use_stderr(), "{}: {part}: {error}", path.display());
                }
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn the_reference_leaves_nothing_out() {
    let pages = reference::pages();
    let page = |name: &str| &pages.iter().find(|(found, _)| *found == name).unwrap().1;
    let commands = page("commands.md");
    for command in eemu_server::cli::command().get_subcommands() {
        assert!(commands.contains(&format!("## eemu {}\n", command.get_name())), "{}", command.get_name());
    }
    assert!(commands.contains("| `--top N` | `10` |") && commands.contains("### eemu token create"), "{commands}");
    let document = serde_json::to_value(eemu_server::serve::http::openapi()).unwrap();
    let api = page("api.md");
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            assert!(api.contains(&format!("## {} {path}\n", method.to_uppercase())), "{path}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(api.contains(&format!("### {name}\n")), "{name}");
    }
    for (name, ..) in eemu_server::serve::settings::REFERENCE {
        assert!(page("settings.md").contains(&format!("| `{name}` |")), "{name}");
    }
    // A table's cells hold no line of their own.
    for (name, text) in &pages {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let first = cells(table.lines().next().unwrap());
            assert!(table.lines().all(|line| cells(line) == first), "{name}: {table}");
        }
    }
}
