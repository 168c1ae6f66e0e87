//! Parses a date and a time of day before it is known which number is the day,
//! the month or the year.

use chrono::NaiveDate;

/// Seconds in a day.
pub(super) const DAY: f64 = 86_400.0;

/// The number of days from 1970-01-01 to a date; `None` if the date does not
/// exist.
pub(super) fn days(year: u32, month: u32, day: u32) -> Option<f64> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days() as f64)
}

/// The full year of a two-digit year: 69 to 99 are 1969 to 1999.
pub(super) fn century(year: u32) -> u32 {
    year + if year < 69 { 2000 } else { 1900 }
}

/// A number within a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: u32,
    /// Whether it has two digits.
    pub(super) short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Date {
    /// The parts are known.
    Fixed { year: u32, month: u32, day: u32 },
    /// Three numbers whose order is not known. The last is the year unless the
    /// order is year-first.
    Open { first: u32, second: u32, third: Number },
}

/// A parsed date and time of day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Written {
    pub(super) date: Date,
    /// Seconds from midnight UTC of the date.
    pub(super) seconds: f64,
    /// Whether the text gave a time of day.
    pub(super) clock: bool,
    /// Seconds east of UTC, if the text gave a zone.
    pub(super) offset: Option<i32>,
}

impl Written {
    /// Parses a text that consists of a date and an optional time of day.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = Rest(text);
        rest.weekday();
        let date = rest.date()?;
        if rest.0.is_empty() {
            return Some(Self { date, seconds: 0.0, clock: false, offset: None });
        }
        let after = rest.0.trim_start_matches([',', ' ']);
        let after = after.strip_prefix(['T', 't']).unwrap_or(after);
        if after.len() == rest.0.len() {
            return None;
        }
        rest.0 = after;
        let seconds = rest.clock()?;
        let offset = rest.zone()?;
        Some(Self { date, seconds: seconds - f64::from(offset.unwrap_or(0)), clock: true, offset })
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The unread rest of a text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<(u32, usize)> {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 || length > 9 {
            return None;
        }
        let value = self.0[..length].parse().ok()?;
        self.0 = &self.0[length..];
        Some((value, length))
    }

    /// The number of a word in a list, from 1; three or more of its letters
    /// suffice.
    fn word(&mut self, words: &[&str]) -> Option<u32> {
        let length = self.0.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = self.0[..length].to_ascii_lowercase();
        let place = words.iter().position(|known| length >= 3 && known.starts_with(&word))?;
        self.0 = self.0[length..].strip_prefix('.').unwrap_or(&self.0[length..]);
        u32::try_from(place).ok().map(|place| place + 1)
    }

    fn weekday(&mut self) {
        if self.word(&WEEKDAYS).is_some() {
            self.0 = self.0.trim_start_matches([',', ' ']);
        }
    }

    fn between(&mut self) -> Option<&'a str> {
        let length = self.0.bytes().take_while(|b| b"-/., ".contains(b)).count();
        let (between, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then(|| between.trim())
    }

    fn date(&mut self) -> Option<Date> {
        if let Some(month) = self.word(&MONTHS) {
            self.between()?;
            let (day, _) = self.number()?;
            self.between()?;
            return self.fixed(day, month);
        }
        let (first, width) = self.number()?;
        let sign = self.between()?;
        if let Some(month) = self.word(&MONTHS) {
            self.between()?;
            return self.fixed(first, month);
        }
        let (second, second_width) = self.number()?;
        if self.between()? != sign || sign.len() != 1 || second_width > 2 {
            return None;
        }
        let (third, third_width) = self.number()?;
        match (width, third_width) {
            (4, 1 | 2) => Some(Date::Fixed { year: first, month: second, day: third }),
            (1 | 2, 2 | 4) => {
                Some(Date::Open { first, second, third: Number { value: third, short: third_width == 2 } })
            }
            _ => None,
        }
    }

    /// Reads the year that follows a day and the name of a month.
    fn fixed(&mut self, day: u32, month: u32) -> Option<Date> {
        let (year, width) = self.number()?;
        match width {
            2 => Some(Date::Fixed { year: century(year), month, day }),
            4 => Some(Date::Fixed { year, month, day }),
            _ => None,
        }
    }

    fn clock(&mut self) -> Option<f64> {
        let (mut hours, _) = self.number()?;
        self.0 = self.0.strip_prefix(':')?;
        let (minutes, width) = self.number()?;
        let mut seconds = 0.0;
        if let Some(rest) = self.0.strip_prefix(':') {
            self.0 = rest;
            let length = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            seconds = rest[..length].parse::<f64>().ok().filter(|s| *s < 61.0)?;
            self.0 = &rest[length..];
        }
        self.0 = self.0.trim_start();
        let half = self.0.get(..2).map(str::to_ascii_lowercase);
        match half.as_deref() {
            Some(half @ ("am" | "pm")) if (1..=12).contains(&hours) => {
                hours = hours % 12 + if half == "pm" { 12 } else { 0 };
                self.0 = self.0[2..].trim_start();
            }
            _ => {}
        }
        (hours < 24 && minutes < 60 && width == 2).then(|| f64::from(hours * 3600 + minutes * 60) + seconds)
    }

    /// Reads the zone at the end: seconds east of UTC. The inner `None` means
    /// that no zone is given, the outer that the rest is not a zone.
    fn zone(&mut self) -> Option<Option<i32>> {
        match self.0 {
            "" => return Some(None),
            "Z" | "z" | "UTC" | "GMT" => return Some(Some(0)),
            _ => {}
        }
        let (sign, digits) = match self.0.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let digits: String = digits.chars().filter(|c| *c != ':').collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (hours, minutes): (i32, i32) = match digits.len() {
            2 => (digits.parse().ok()?, 0),
            4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
            _ => return None,
        };
        (hours <= 18 && minutes < 60).then_some(Some(sign * (hours * 3600 + minutes * 60)))
    }
}
