//! Every sentence of the pages is there in every language, and none stands in
//! their source.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use eemu_tests::browser::root;
use eemu_tests::sources;

const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

type Messages = BTreeMap<String, String>;

/// The messages of a book (`page` or `both`) in a language.
fn messages(book: &str, language: &str) -> Messages {
    let folder = root().join("app/locales").join(book).join(language);
    let mut all = Messages::new();
    for file in fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
        let path = file.unwrap().path();
        let mut last = String::new();
        for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.starts_with('#')) {
            let begins = line.starts_with(|letter: char| letter.is_ascii_lowercase());
            if let Some((key, text)) = line.split_once(" = ").filter(|_| begins) {
                last = key.to_owned();
                assert!(all.insert(last.clone(), text.to_owned()).is_none(), "{}: {key} twice", path.display());
            } else if !line.trim().is_empty() {
                all.get_mut(&last).unwrap_or_else(|| panic!("{}: “{line}”", path.display())).push_str(line);
            }
        }
    }
    all
}

/// What a message takes: `$name`.
fn taken(text: &str) -> BTreeSet<&str> {
    text.split('$')
        .skip(1)
        .map(|part| part.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap())
        .collect()
}

/// The app's source without comments and tests.
fn code() -> Vec<(PathBuf, String)> {
    let plain = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\n").next().unwrap().to_owned();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        (path, lines.collect::<Vec<_>>().join("\n"))
    };
    sources(&root().join("app/src")).unwrap().into_iter().map(plain).collect()
}

/// String literals with where they begin.
fn literals(code: &str) -> Vec<(usize, String)> {
    let bytes = code.as_bytes();
    let (mut all, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            // A letter in single quotes, such as '"'; not a lifetime.
            b'\'' if bytes.get(at + 2) == Some(&b'\'') => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\\') => at += code[at + 2..].find('\'').unwrap_or(0) + 2,
            b'"' => {
                let begin = at;
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                all.push((begin, code[begin + 1..at].to_owned()));
            }
            _ => {}
        }
        at += 1;
    }
    all
}

#[test]
fn every_language_has_every_message() {
    for book in ["page", "both"] {
        let english = messages(book, "en");
        assert!(english.len() > 100, "{book} has {} messages", english.len());
        for language in LANGUAGES {
            let own = messages(book, language);
            let missing: Vec<_> = english.keys().filter(|key| !own.contains_key(*key)).collect();
            let more: Vec<_> = own.keys().filter(|key| !english.contains_key(*key)).collect();
            assert!(missing.is_empty() && more.is_empty(), "{book}/{language}: missing {missing:?}, unknown {more:?}");
            for (key, text) in &own {
                let (known, asked) = (taken(&english[key]), taken(text));
                // A language may do without the number that chooses the plural.
                let free = known.difference(&asked).all(|name| ["n", "what", "shards", "rows"].contains(name));
                assert!(asked.is_subset(&known) && free, "{book}/{language} {key}: {asked:?}, English takes {known:?}");
                assert!(!text.trim().is_empty(), "{book}/{language} {key} says nothing");
            }
        }
    }
}

#[test]
fn every_message_is_said_and_every_key_is_known() {
    let (page, both) = (messages("page", "en"), messages("both", "en"));
    let twice: Vec<_> = page.keys().filter(|key| both.contains_key(*key)).collect();
    assert!(twice.is_empty(), "in both books: {twice:?}");
    let mut said = BTreeSet::new();
    for (path, code) in code() {
        for (at, key) in literals(&code) {
            let before = code[..at].trim_end();
            let known = if before.ends_with("told!(") {
                both.contains_key(&key)
            } else if before.ends_with("say!(") || before.ends_with("key!(") {
                page.contains_key(&key) || both.contains_key(&key)
            } else {
                continue;
            };
            assert!(known, "{}: no message “{key}”", path.display());
            said.insert(key);
        }
    }
    let unsaid: Vec<_> = page.keys().chain(both.keys()).filter(|key| !said.contains(*key)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
}

/// Attributes that somebody reads or hears.
const READ: [&str; 6] = ["aria-label", "aria-valuetext", "title", "placeholder", "alt", "label"];

/// Names and words of a program, the same in every language.
const NAMES: [&str; 11] =
    ["eemu", "WebGPU", "CPU", "NDCG@10", "HR@10", "p50", "p99", "eemu_…", "Delete", "Escape", "Space"];

/// Files whose literals nobody reads on the page: what is saved for programs,
/// what draws, and what is compared.
const SILENT: [&str; 6] = [
    "lab/page/numbers.rs",
    "parts/picture.rs",
    "for_you/titles.rs",
    "for_you/ranker/program.rs",
    "say.rs",
    "operate/example.rs",
];

fn has_words(text: &str) -> bool {
    let outside: String = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
    outside.split(|letter: char| !letter.is_alphabetic()).any(|word| word.chars().count() > 1)
}

#[test]
fn no_page_speaks_english_by_itself() {
    let mut found = Vec::new();
    for (path, code) in code() {
        let name = path.to_string_lossy().replace('\\', "/");
        if SILENT.iter().any(|silent| name.ends_with(silent)) {
            continue;
        }
        for (at, text) in literals(&code) {
            let before = code[..at].trim_end();
            let after = code[at + text.len() + 2..].trim_start();
            if !has_words(&text)
                || NAMES.contains(&text.as_str())
                || before.ends_with("<code>")
                || before.ends_with("#[doc =")
            {
                continue;
            }
            // Text of an element.
            let element = (before.ends_with('>') && !before.ends_with("=>") && !before.ends_with("->"))
                && (after.starts_with('<') || after.starts_with('{') || after.starts_with('"'));
            // An attribute that is read.
            let attribute = READ
                .iter()
                .any(|name| before.ends_with(&format!("{name}=")) && !before.ends_with(&format!("-{name}=")));
            // A sentence: words with blanks between, and a capital or a full stop.
            let plain = |word: &&str| {
                let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
                word.len() > 1 && word.chars().all(char::is_alphabetic)
            };
            let words = text.split_whitespace().filter(plain).count();
            let sentence = words > 2
                && (text.starts_with(char::is_uppercase) || text.ends_with('.'))
                && !before.ends_with("expect(")
                && !text.contains("://");
            if element || attribute || sentence {
                let line = code[..at].matches('\n').count();
                found.push(format!("{name} (about line {line}): “{text}”"));
            }
        }
    }
    assert!(found.is_empty(), "say these through say! or told!:\n{}", found.join("\n"));
}
