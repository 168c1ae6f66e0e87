//! Decides whether the first row of a table is a heading or data.

use super::columns::{Question, Wishes, list, plain, usual_names};
use super::times::{Times, is_number};

/// Whether the first row is a heading. `declared` is the answer of the options,
/// if they give one.
///
/// # Errors
/// A [`Question`] if it may be either: a row of data is never taken for a
/// heading silently.
pub fn is_heading(
    first: &[String],
    rest: &[Vec<String>],
    wishes: &Wishes,
    declared: Option<bool>,
) -> Result<bool, Question> {
    if let Some(declared) = declared {
        return Ok(declared);
    }
    let named = |name: &str| first.iter().any(|field| !plain(name).is_empty() && plain(field) == plain(name));
    if usual_names(first) > 0 || wishes.iter().any(|(_, name)| named(name)) {
        return Ok(true);
    }
    if (0..first.len()).any(|place| differs(&first[place], rest.iter().filter_map(|row| row.get(place)))) {
        return Ok(true);
    }
    let is_data = first.iter().any(|field| is_value(field));
    let numbered = wishes.iter().any(|(_, name)| name.trim().parse::<usize>().is_ok());
    if is_data && numbered {
        return Ok(false);
    }
    let example = example(first);
    let hint = if is_data {
        format!(
            "If it is data, write --no-heading with the columns' numbers, such as {example}; if it is a heading, write \
             --heading and name the columns"
        )
    } else {
        format!(
            "If it names the columns, write --heading with --columns user=NAME,item=NAME,time=NAME; if it is data, \
             write --no-heading with the columns' numbers, such as {example}"
        )
    };
    let what = if is_data {
        "the first line looks like data, not like a heading"
    } else {
        "the first line may be a heading or data"
    };
    Err(Question { role: None, problem: format!("{what}: {}", list(first)), hint })
}

/// Whether a field is a number or a time.
fn is_value(field: &str) -> bool {
    is_number(field.trim()) || Times::new(None).read(field, 0).is_ok()
}

/// Whether a field is a word while all fields below it are numbers or times.
fn differs<'a>(first: &str, rest: impl Iterator<Item = &'a String>) -> bool {
    let mut any = false;
    let mut rest = rest.filter(|field| !field.trim().is_empty());
    let all = rest.all(|field| {
        any = true;
        is_value(field)
    });
    any && all && !first.trim().is_empty() && !is_value(first) && first.chars().any(char::is_alphabetic)
}

/// Column numbers to suggest for `--columns`: the last time is the time, the
/// first two other columns are user and item.
fn example(first: &[String]) -> String {
    let time = (0..first.len()).rev().find(|&place| Times::new(None).read(&first[place], 0).is_ok() && place > 1);
    let mut others = (0..first.len()).filter(|place| Some(*place) != time).map(|place| place + 1);
    let (user, item) = (others.next().unwrap_or(1), others.next().unwrap_or(2));
    let time = time.map(|place| format!(",time={}", place + 1)).unwrap_or_default();
    format!("--columns user={user},item={item}{time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    fn asked(text: &str, wishes: &str, declared: Option<bool>) -> Result<bool, Question> {
        let rows = rows(text);
        let wishes = if wishes.is_empty() { Wishes::default() } else { wishes.parse().unwrap() };
        is_heading(&rows[0], &rows[1..], &wishes, declared)
    }

    #[test]
    fn headings_are_known_by_names_and_by_what_follows() {
        assert!(asked("who,what,when\na,b,1", "", None).unwrap());
        assert!(asked("kunde,artikel\na,b", "user=kunde,item=artikel", None).unwrap());
        assert!(asked("kunde,artikel,zeit\na,b,2020-01-01", "", None).unwrap());
    }

    #[test]
    fn a_first_row_of_data_is_never_swallowed() {
        let found = asked("wishlist,3104,88013,2022-06-23 16:00:00\nwishlist,3104,88014,2022-06-23 16:00:02", "", None);
        let hint = found.unwrap_err().hint;
        assert!(hint.contains("--no-heading") && hint.contains("time=4"), "{hint}");
        assert!(asked("a,b\nc,d", "", None).unwrap_err().problem.contains("may be a heading or data"));
        assert!(!asked("196,242,881250949\n1,2,881250950", "user=1,item=2,time=3", None).unwrap());
        assert!(!asked("a,b\nc,d", "user=1,item=2", Some(false)).unwrap());
        assert!(asked("a,b\nc,d", "user=1,item=2", Some(true)).unwrap());
        assert!(asked("a,b\nc,d", "user=1,item=2", None).is_err());
    }
}
