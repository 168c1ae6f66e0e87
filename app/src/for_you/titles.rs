//! Finding what somebody wrote in the catalogue: by identifier, by name, and
//! tolerantly: without case, accents, articles, years in brackets and what
//! follows a series' name, at last by how many letters differ.

use std::cell::RefCell;
use std::collections::HashMap;

use eemu_core::data::Entities;
use unicode_normalization::UnicodeNormalization;

/// Names that are compared letter by letter, at most, for one that was not
/// found otherwise.
const COMPARED: usize = 400;
/// The least likeness, in percent, that counts as the same.
const LEAST: u32 = 88;

/// A catalogue's names.
#[derive(Debug)]
pub struct Titles<'a> {
    items: &'a Entities,
    exact: HashMap<&'a str, u32>,
    plain: HashMap<String, u32>,
    /// Names by their first letters, to be compared.
    near: HashMap<String, Vec<(String, u32)>>,
    /// What was asked before.
    asked: RefCell<HashMap<String, Option<(u32, u32)>>>,
}

impl<'a> Titles<'a> {
    /// Those of a catalogue's items.
    pub fn new(items: &'a Entities) -> Self {
        let (mut exact, mut plain) = (HashMap::new(), HashMap::new());
        let mut near: HashMap<String, Vec<(String, u32)>> = HashMap::new();
        for row in 0..items.len() as u32 {
            exact.entry(items.name(row)).or_insert(row);
            let name = plainly(items.name(row));
            near.entry(first(&name)).or_default().push((name.clone(), row));
            plain.entry(name).or_insert(row);
        }
        Self { items, exact, plain, near, asked: RefCell::default() }
    }

    /// The item that is meant, and how sure that is, in percent.
    pub fn find(&self, wrote: &str) -> Option<(u32, u32)> {
        let wrote = wrote.trim();
        if let Some(known) = self.asked.borrow().get(wrote) {
            return *known;
        }
        let found = self.look(wrote);
        self.asked.borrow_mut().insert(wrote.to_owned(), found);
        found
    }

    fn look(&self, wrote: &str) -> Option<(u32, u32)> {
        if wrote.is_empty() {
            return None;
        }
        if let Some(row) = self.exact.get(wrote).copied().or_else(|| self.items.find(wrote)) {
            return Some((row, 100));
        }
        let name = plainly(wrote);
        if let Some(&row) = self.plain.get(&name) {
            return Some((row, 100));
        }
        // "Series: Season 2: Episode": the series is what a catalogue has.
        let mut rest = wrote;
        while let Some((before, _)) = rest.rsplit_once(": ") {
            if let Some(&row) = self.plain.get(&plainly(before)) {
                return Some((row, 95));
            }
            rest = before;
        }
        if name.chars().count() < 5 {
            return None;
        }
        let length = name.chars().count();
        let like = |(known, row): &(String, u32)| {
            let other = known.chars().count();
            if other.abs_diff(length) * 5 > length.max(other) || digits(known) != digits(&name) {
                return None;
            }
            let likeness = (strsim::normalized_damerau_levenshtein(known, &name) * 100.0).floor() as u32;
            (likeness >= LEAST).then_some((*row, likeness.min(99)))
        };
        let near = self.near.get(&first(&name))?;
        near.iter().take(COMPARED).filter_map(like).max_by_key(|(row, likeness)| (*likeness, u32::MAX - row))
    }

    /// An item's name.
    pub fn name(&self, row: u32) -> &str {
        self.items.name(row)
    }

    /// An item's identifier.
    pub fn id(&self, row: u32) -> &str {
        self.items.ids.get(row as usize).map_or("", String::as_str)
    }
}

/// Parts and years tell works apart: their digits are never taken for slips.
fn digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_digit).collect()
}

fn first(name: &str) -> String {
    name.chars().take(2).collect()
}

/// A name in lower case without accents, signs, articles and a year in
/// brackets.
fn plainly(name: &str) -> String {
    let name = without_year(name.trim());
    let folded: String = name
        .nfkd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect();
    let words: String = folded.replace('ß', "ss").replace('æ', "ae").replace('ø', "o").replace('&', " and ");
    let words: String = words.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let mut words: Vec<&str> = words.split_whitespace().collect();
    const ARTICLES: [&str; 14] =
        ["the", "a", "an", "der", "die", "das", "le", "la", "les", "el", "los", "las", "il", "un"];
    if words.len() > 1 && ARTICLES.contains(&words[0]) {
        words.remove(0);
    } else if words.len() > 1 && name.contains(',') && ARTICLES.contains(&words[words.len() - 1]) {
        // "Matrix, The".
        words.pop();
    }
    words.join(" ")
}

/// "Heat (1995)" without its year.
fn without_year(name: &str) -> &str {
    let inner = name.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    match inner {
        Some((before, year))
            if year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) && !before.trim().is_empty() =>
        {
            before.trim()
        }
        _ => name,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn catalogue(names: &[&str]) -> Entities {
        let ids = (0..names.len()).map(|number| format!("i{number}")).collect();
        Entities::new(ids, names.iter().map(|name| (*name).to_owned()).collect(), Vec::new()).unwrap()
    }

    #[test]
    fn what_people_write_is_found() {
        let items = catalogue(&["Amélie (2001)", "Matrix, The (1999)", "Heat", "Toy Story 2", "Toy Story 3", "Straße"]);
        let titles = Titles::new(&items);
        let found = |wrote: &str| titles.find(wrote).map(|(row, _)| row);
        assert_eq!(found("i2"), Some(2), "by identifier");
        assert_eq!(found("AMELIE"), Some(0));
        assert_eq!(found("The Matrix"), Some(1));
        assert_eq!(found("Heat: Season 2: \"Pilot, Part 2\""), Some(2));
        assert_eq!(found("Strasse"), Some(5));
        assert_eq!(found("Toy Storry 3"), Some(4));
        assert!(titles.find("Toy Storry 3").unwrap().1 < 100, "a guess says so");
        assert_eq!(found("Toy Story 4"), None, "a number is no slip");
        assert_eq!(found("Hoat"), None, "short names are not guessed");
        assert_eq!(found("  "), None);
    }
}
