//! Conditions that select records: `event in (buy, like)`, `value >= 4`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::super::reader::quote;

/// A condition on one column of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// `event`, `value`, or a heading.
    pub column: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Number(Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Condition {
    /// The condition that `value` is at least this number.
    pub fn at_least(value: f64) -> Self {
        Self { column: "value".into(), test: Test::Number(Order::AtLeast, value) }
    }

    /// Whether a record with this value meets the condition.
    ///
    /// # Errors
    /// (problem, hint) if the condition compares numbers and the value is not a
    /// number.
    pub fn holds(&self, value: &str) -> Result<bool, (String, String)> {
        match &self.test {
            Test::In(values) => Ok(values.contains(value)),
            Test::NotIn(values) => Ok(!values.contains(value)),
            Test::Number(order, bound) => {
                let Some(number) = value.trim().parse::<f64>().ok().filter(|number| number.is_finite()) else {
                    let problem = format!("{} is no number, so that '{self}' cannot be decided", quote(value));
                    return Err((problem, "Correct the value".into()));
                };
                Ok(match order {
                    Order::AtLeast => number >= *bound,
                    Order::Above => number > *bound,
                    Order::AtMost => number <= *bound,
                    Order::Below => number < *bound,
                })
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
        match &self.test {
            Test::In(values) => write!(f, "{} in ({})", self.column, list(values)),
            Test::NotIn(values) => write!(f, "{} not in ({})", self.column, list(values)),
            Test::Number(order, bound) => {
                let sign = match order {
                    Order::AtLeast => ">=",
                    Order::Above => ">",
                    Order::AtMost => "<=",
                    Order::Below => "<",
                };
                write!(f, "{} {sign} {bound}", self.column)
            }
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is no condition; write COLUMN in (A, B), COLUMN not in (A, B), COLUMN = A, COLUMN != A, or \
                 COLUMN >= 4 (also >, <=, <)",
                quote(text)
            )
        };
        let (column, rest) = word(text).ok_or_else(wrong)?;
        let rest = rest.trim_start();
        let set = |rest: &str| values(rest).filter(|values| !values.is_empty());
        if let Some(rest) = keyword(rest, "not").and_then(|rest| keyword(rest.trim_start(), "in")) {
            return Ok(Self { column, test: Test::NotIn(set(rest).ok_or_else(wrong)?) });
        }
        if let Some(rest) = keyword(rest, "in") {
            return Ok(Self { column, test: Test::In(set(rest).ok_or_else(wrong)?) });
        }
        let signs = [(">=", Order::AtLeast), ("<=", Order::AtMost), (">", Order::Above), ("<", Order::Below)];
        for (sign, order) in signs {
            if let Some(bound) = rest.strip_prefix(sign) {
                let bound = bound.trim().parse::<f64>().ok().filter(|bound| bound.is_finite()).ok_or_else(wrong)?;
                return Ok(Self { column, test: Test::Number(order, bound) });
            }
        }
        let one = |rest: &str| {
            let (value, after) = word(rest).or_else(|| quoted(rest.trim_start()))?;
            after.trim().is_empty().then(|| BTreeSet::from([value]))
        };
        if let Some(rest) = rest.strip_prefix("!=") {
            return Ok(Self { column, test: Test::NotIn(one(rest).ok_or_else(wrong)?) });
        }
        if let Some(rest) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
            return Ok(Self { column, test: Test::In(one(rest).ok_or_else(wrong)?) });
        }
        Err(wrong())
    }
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    (start.eq_ignore_ascii_case(word) && rest.starts_with([' ', '(', '\t'])).then_some(rest)
}

/// A text in single or double quotes; it may be empty.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (inside, rest) = text[1..].split_once(mark)?;
    Some((inside.to_owned(), rest))
}

/// A name or a value: quoted, or up to a space or a punctuation mark.
fn word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    if text.starts_with(['\'', '"']) {
        return quoted(text);
    }
    let end = text.find(|c: char| c.is_whitespace() || "(),=!<>'\"".contains(c)).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// Parses the values between parentheses.
fn values(text: &str) -> Option<BTreeSet<String>> {
    let mut rest = text.trim_start().strip_prefix('(')?;
    let mut found = BTreeSet::new();
    loop {
        let (value, after) = word(rest)?;
        found.insert(value);
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return after.strip_prefix(')')?.trim().is_empty().then_some(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, value: &str) -> bool {
        condition.parse::<Condition>().unwrap().holds(value).unwrap()
    }

    #[test]
    fn conditions_decide() {
        assert!(holds("event in (buy, like)", "buy") && !holds("event in (buy,like)", "view"));
        assert!(holds("event not in (view)", "buy") && !holds("event NOT IN (view)", "view"));
        assert!(holds("type = buy", "buy") && holds("type != 'a b'", "a") && !holds("type != 'a b'", "a b"));
        assert!(holds("\"Supplemental Video Type\" = ''", "") && holds("kind in ('')", ""));
        assert!(holds("value >= 4", "4.0") && !holds("value > 4", "4") && holds("v<=-1", "-2") && holds("v < 3", "2"));
        assert!(Condition::at_least(4.0).holds("x").unwrap_err().0.contains("'value >= 4' cannot be decided"));
        assert!(Condition::at_least(4.0).holds("nan").is_err());
    }

    #[test]
    fn wrong_conditions_are_refused() {
        for text in [
            "",
            "event",
            "event in",
            "event in buy",
            "event in (buy",
            "event in ()",
            "x >= y",
            "x = a b",
            "= 4",
            "a in (b) c",
            "é",
            "a 'é",
        ] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_are_shown_as_they_are_written() {
        for text in ["event in (buy, like)", "event not in (view)", "value >= 4"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
    }
}
