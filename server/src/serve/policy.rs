//! When deletions are carried out: at once, or together by a promised time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Span;

const DAY: f64 = 86_400.0;
/// Deletions are started at most this many seconds before they are due.
const LEAD: f64 = 60.0;

/// When deletions are carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Policy {
    /// Before they are acknowledged.
    #[default]
    AtOnce,
    /// Together, every day before this minute of the day (UTC).
    By(u32),
    /// Together, at the latest this long after they were requested.
    Within(Duration),
}

impl Policy {
    /// Whether deletions are carried out before they are acknowledged.
    pub fn is_at_once(self) -> bool {
        self == Self::AtOnce
    }

    /// By when a deletion that is requested at `asked` must be carried out. Both in seconds
    /// since 1970.
    pub(super) fn due(self, asked: f64) -> f64 {
        match self {
            Self::AtOnce => asked,
            Self::Within(span) => asked + span.as_secs_f64(),
            Self::By(minute) => {
                let today = (asked / DAY).floor() * DAY + f64::from(minute) * 60.0;
                if today > asked { today } else { today + DAY }
            }
        }
    }

    /// When to start what is due by a time: somewhat earlier, so that it is done by then.
    pub(super) fn begins(self, due: f64) -> f64 {
        match self {
            // Deletions that an earlier policy deferred are due at once.
            Self::AtOnce => 0.0,
            Self::By(_) => due - LEAD,
            Self::Within(span) => due - LEAD.min(span.as_secs_f64() / 10.0),
        }
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' says not when; write at-once, by=02:00 (UTC) or within=24h");
        if text == "at-once" {
            return Ok(Self::AtOnce);
        }
        let (word, value) = text.split_once('=').ok_or_else(wrong)?;
        match word {
            "within" => value.parse().map(|Span(span)| Self::Within(span)),
            "by" => {
                let (hour, minute) = value.split_once(':').ok_or_else(wrong)?;
                let number = |text: &str, below: u32| {
                    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                    text.parse::<u32>().ok().filter(|number| digits && *number < below).ok_or_else(wrong)
                };
                Ok(Self::By(number(hour, 24)? * 60 + number(minute, 60)?))
            }
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::By(minute) => write!(f, "by={:02}:{:02}", minute / 60, minute % 60),
            Self::Within(span) => write!(f, "within={}s", span.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read() {
        let read = |text: &str| text.parse::<Policy>();
        assert_eq!(read("at-once"), Ok(Policy::AtOnce));
        assert_eq!(read("by=02:05"), Ok(Policy::By(125)));
        assert_eq!(read("within=24h"), Ok(Policy::Within(Duration::from_secs(86_400))));
        for text in ["", "by", "by=2", "by=24:00", "by=02:60", "by=+2:00", "by=002:00", "within=1w", "within", "at=1h"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["at-once", "by=23:59", "within=90s"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_time_of_day_is_the_next_one() {
        let (by, midnight) = (Policy::By(120), 20_000.0 * DAY);
        let two = midnight + 7200.0;
        assert_eq!((by.due(midnight), by.due(two - 1.0), by.due(two)), (two, two, two + DAY));
        assert_eq!(by.begins(two), two - 60.0);
        let within = Policy::Within(Duration::from_secs(100));
        assert_eq!((within.due(5.0), within.begins(105.0)), (105.0, 95.0));
        assert!(Policy::AtOnce.begins(two) <= 0.0);
    }
}
