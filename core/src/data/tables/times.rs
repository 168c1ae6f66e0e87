//! Parses times as they appear in files, to seconds since 1970.

use chrono::NaiveDate;

use super::super::reader::quote;
use super::written::{DAY, Date, Written, century, days};

/// Which part of a date such as 04/10/22 comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// Day first: 4 October 2022.
    DayFirst,
    /// Month first: 10 April 2022.
    MonthFirst,
    /// Year first: 22 October 2004.
    YearFirst,
}

impl DateOrder {
    /// The name of the order in `--dates`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DayFirst => "day-first",
            Self::MonthFirst => "month-first",
            Self::YearFirst => "year-first",
        }
    }
}

/// The unit of a number that counts time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    /// Every unit, the largest first.
    pub const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// Guesses the unit of a number: the one in which it is a time between 1973
    /// and the year 5138. Smaller numbers are seconds.
    pub fn of(number: f64) -> Self {
        match number.abs() {
            size if size < 1e11 => Self::Seconds,
            size if size < 1e14 => Self::Milliseconds,
            size if size < 1e17 => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    /// The number of these units in a second.
    pub fn a_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Nanoseconds => 1e9,
        }
    }

    /// The name of the unit, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

/// A time that was parsed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// Seconds since 1970.
    At(f64),
    /// A date that can be read in two ways, with no line so far that decides.
    Either {
        /// Seconds since 1970 if the day comes first.
        day_first: f64,
        /// Seconds since 1970 if the month comes first.
        month_first: f64,
    },
}

/// Parses the times of one file, and keeps how they were written.
#[derive(Debug, Clone, Default)]
pub struct Times {
    declared: Option<DateOrder>,
    /// The date that decided the order: the order, the line and the text.
    decided: Option<(DateOrder, u64, String)>,
    /// The first date that can be read in two ways.
    open: Option<(u64, String)>,
    /// For each unit, the count of numbers in it and the line of the first one.
    units: [(u64, u64); 4],
    zoneless: u64,
}

const HINT: &str = "Write seconds, milliseconds or microseconds since 1970, or a time such as 2010-04-16T09:02:13Z, \
                    2010-04-16 09:02 or a date";

impl Times {
    /// A parser for one file. `declared` is the order of dates; without it the
    /// file decides.
    pub fn new(declared: Option<DateOrder>) -> Self {
        Self { declared, ..Self::default() }
    }

    /// Parses one time. `line` is its line number.
    ///
    /// # Errors
    /// (problem, hint) if the text is not a time.
    pub fn read(&mut self, text: &str, line: u64) -> Result<Moment, (String, String)> {
        let text = text.trim();
        if text.is_empty() {
            return Err((
                "the time is blank".into(),
                "Give every record a time, or read none: --columns time=none".into(),
            ));
        }
        if is_number(text) {
            return self.number(text, line);
        }
        let Some(written) = Written::parse(text) else {
            return Err((format!("{} is no time that is understood", quote(text)), HINT.into()));
        };
        self.zoneless += u64::from(written.clock && written.offset.is_none());
        self.date(&written, text, line)
    }

    fn number(&mut self, text: &str, line: u64) -> Result<Moment, (String, String)> {
        if self.declared == Some(DateOrder::YearFirst)
            && text.len() == 8
            && text.bytes().all(|b| b.is_ascii_digit())
            && let (Ok(year), Ok(month), Ok(day)) = (text[..4].parse(), text[4..6].parse(), text[6..].parse())
        {
            let days = days(year, month, day);
            return days.map(|days| Moment::At(days * DAY)).ok_or_else(|| (format!("{text} is no date"), HINT.into()));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Moment::At(self.scaled(number, line))),
            _ => Err((format!("{} is not a finite number", quote(text)), HINT.into())),
        }
    }

    /// Converts a number in seconds, milliseconds, microseconds or nanoseconds
    /// to seconds.
    pub fn scaled(&mut self, number: f64, line: u64) -> f64 {
        let unit = Unit::of(number);
        let (count, first) = &mut self.units[Unit::ALL.iter().position(|u| *u == unit).unwrap_or_default()];
        *count += 1;
        if *count == 1 {
            *first = line;
        }
        // Negative zero would sort before zero.
        number / unit.a_second() + 0.0
    }

    fn date(&mut self, written: &Written, text: &str, line: u64) -> Result<Moment, (String, String)> {
        let seconds = written.seconds;
        let at = |days: f64| days * DAY + seconds + 0.0;
        let no_date = || (format!("{} is no date of the calendar", quote(text)), HINT.to_owned());
        let (a, b, year) = match written.date {
            Date::Fixed { year, month, day } => {
                return days(year, month, day).map(|days| Moment::At(at(days))).ok_or_else(no_date);
            }
            Date::Open { first, second, third } => (first, second, third),
        };
        if self.declared == Some(DateOrder::YearFirst) {
            return days(century(a), b, year.value).map(|days| Moment::At(at(days))).ok_or_else(no_date);
        }
        let year = if year.short { century(year.value) } else { year.value };
        let (day_first, month_first) = (days(year, b, a).map(at), days(year, a, b).map(at));
        let known = self.declared.or(self.decided.as_ref().map(|(order, ..)| *order));
        match (known, day_first, month_first) {
            (Some(DateOrder::DayFirst), Some(time), _) | (Some(DateOrder::MonthFirst), _, Some(time)) => {
                Ok(Moment::At(time))
            }
            (_, None, None) => Err(no_date()),
            (Some(order), ..) => {
                let why = match &self.decided {
                    Some((_, line, text)) => format!("line {line} ({}) decided", quote(text)),
                    None => "--dates says".to_owned(),
                };
                let problem = format!("{} cannot be read {}, as {why}", quote(text), order.name());
                Err((problem, "Write all dates in one order, best as 2010-04-16".into()))
            }
            (None, Some(day_first), Some(month_first)) if day_first == month_first => Ok(Moment::At(day_first)),
            (None, Some(day_first), Some(month_first)) => {
                if self.open.is_none() {
                    self.open = Some((line, text.to_owned()));
                }
                Ok(Moment::Either { day_first, month_first })
            }
            (None, Some(time), None) => {
                self.decided = Some((DateOrder::DayFirst, line, text.to_owned()));
                Ok(Moment::At(time))
            }
            (None, None, Some(time)) => {
                self.decided = Some((DateOrder::MonthFirst, line, text.to_owned()));
                Ok(Moment::At(time))
            }
        }
    }

    /// The order of dates, if it was declared or a line decided it.
    pub fn order(&self) -> Option<DateOrder> {
        self.declared.or(self.decided.as_ref().map(|(order, ..)| *order))
    }

    /// The line and text of the first ambiguous date, if no line decided the
    /// order.
    pub fn undecided(&self) -> Option<(u64, &str)> {
        match self.order() {
            None => self.open.as_ref().map(|(line, text)| (*line, text.as_str())),
            Some(_) => None,
        }
    }

    /// Notes on how the times were written, for the person who imports.
    pub fn notes(&self, file: &str) -> Vec<String> {
        let mut notes = Vec::new();
        let used: Vec<String> = Unit::ALL
            .iter()
            .zip(self.units)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(unit, (count, first))| format!("{count} in {} (first in line {first})", unit.name()))
            .collect();
        if used.len() > 1 {
            notes.push(format!("{file}: times are in different units: {}", used.join(", ")));
        }
        if self.zoneless > 0 {
            notes.push(format!("{file}: {} times without a zone were read as UTC", self.zoneless));
        }
        if let Some((order, line, text)) = self.decided.as_ref().filter(|_| self.open.is_some()) {
            notes.push(format!("{file}: dates were read {}, as line {line} ({}) shows", order.name(), quote(text)));
        }
        notes
    }

    /// Whether numbers of different units were read.
    pub fn is_mixed(&self) -> bool {
        self.units.iter().filter(|(count, _)| *count > 0).count() > 1
    }
}

/// Both readings of a date, for messages: (day first, month first).
pub fn readings(text: &str) -> Option<(String, String)> {
    let Date::Open { first, second, third } = Written::parse(text.trim())?.date else { return None };
    let year = if third.short { century(third.value) } else { third.value };
    let shown = |month, day| {
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day).map(|d| d.format("%-d %B %Y").to_string())
    };
    Some((shown(second, first)?, shown(first, second)?))
}

/// Whether all values are times of the years 1990 to 2100. A column of such
/// values is very likely a time column.
pub(super) fn looks_like_times<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let mut times = Times::new(None);
    let mut any = false;
    for value in values.filter(|value| !value.trim().is_empty()) {
        let plausible = 631_152_000.0..4_102_444_800.0;
        let fits = match times.read(value, 0) {
            Ok(Moment::At(time)) => plausible.contains(&time),
            Ok(Moment::Either { day_first, .. }) => plausible.contains(&day_first),
            Err(_) => false,
        };
        if !fits {
            return false;
        }
        any = true;
    }
    any
}

/// Whether a text is a number as programs write it: an optional minus, digits,
/// an optional fraction and exponent.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && text.parse::<f64>().is_ok()
        && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> f64 {
        match Times::new(None).read(text, 1) {
            Ok(Moment::At(time)) => time,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn one_moment_in_many_forms() {
        let moment = 1_271_408_533.0;
        for text in [
            "1271408533",
            "1271408533000",
            "1271408533000000",
            "1.271408533e9",
            "2010-04-16T09:02:13Z",
            "2010-04-16T11:02:13+02:00",
            "2010-04-16 05:02:13-0400",
            "2010-04-16 09:02:13 ",
            "2010/04/16 09:02:13.000 UTC",
            "16 Apr 2010, 09:02:13",
            "Fri, 16 Apr 2010 09:02:13 GMT",
            "April 16, 2010 9:02:13 am",
            "16.04.2010 09:02:13",
            "4/16/10 9:02:13 AM",
        ] {
            assert_eq!(at(text), moment, "{text}");
        }
        assert_eq!(at("2010-04-16T09:02"), moment - 13.0);
        assert_eq!(at("2010-04-16"), 1_271_376_000.0);
        assert_eq!((at("-1"), at("0"), at("-0").is_sign_positive()), (-1.0, 0.0, true));
        assert_eq!(at("4294967296"), 4_294_967_296.0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "  ",
            "+0000",
            "09:02",
            "never",
            "nan",
            "inf",
            "1e400",
            "2010-02-30",
            "2010-13-01",
            "31/31/2010",
            "2010-04-16T25:00",
            "2010-04-16T09:02+99:00",
            "2010-04-16x",
            "1/2/3/4",
            "2010--04-16",
            "é",
            "1é",
            "2010-04-16 é",
        ] {
            assert!(Times::new(None).read(text, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn one_line_decides_the_order_of_dates() {
        let mut times = Times::new(None);
        let open = Moment::Either { day_first: at("2022-10-04"), month_first: at("2022-04-10") };
        assert_eq!(times.read("04/10/22", 2).unwrap(), open);
        assert_eq!(times.undecided(), Some((2, "04/10/22")));
        assert_eq!(times.read("05/05/22", 3).unwrap(), Moment::At(at("2022-05-05")));
        assert_eq!(times.read("27/01/23", 4).unwrap(), Moment::At(at("2023-01-27")));
        assert_eq!((times.order(), times.undecided()), (Some(DateOrder::DayFirst), None));
        assert_eq!(times.read("04/10/22", 5).unwrap(), Moment::At(at("2022-10-04")));
        let (problem, _) = times.read("1/27/23", 6).unwrap_err();
        assert_eq!(problem, "'1/27/23' cannot be read day-first, as line 4 ('27/01/23') decided");
        assert!(times.notes("f")[0].contains("read day-first, as line 4"));
        assert_eq!(readings("04/10/22").unwrap(), ("4 October 2022".into(), "10 April 2022".into()));
    }

    #[test]
    fn orders_can_be_declared() {
        let read = |order, text: &str| Times::new(Some(order)).read(text, 1);
        assert_eq!(read(DateOrder::MonthFirst, "04/10/22").unwrap(), Moment::At(at("2022-04-10")));
        assert_eq!(read(DateOrder::YearFirst, "04/10/22").unwrap(), Moment::At(at("2004-10-22")));
        assert_eq!(read(DateOrder::YearFirst, "20041022").unwrap(), Moment::At(at("2004-10-22")));
        assert_eq!(at("20041022"), 20_041_022.0);
        assert!(read(DateOrder::MonthFirst, "27.01.23").is_err());
        assert_eq!(at("1.1.70"), 0.0);
        assert_eq!(at("1.1.68"), at("2068-01-01"));
    }

    #[test]
    fn units_are_told_apart_and_a_mix_is_said() {
        let mut times = Times::new(None);
        times.read("1271408533", 2).unwrap();
        assert!(!times.is_mixed() && times.notes("f").is_empty());
        times.read("1271408533000", 3).unwrap();
        assert_eq!(
            times.notes("f"),
            ["f: times are in different units: 1 in seconds (first in line 2), 1 in milliseconds (first in line 3)"]
        );
        times.read("2010-04-16 09:02", 4).unwrap();
        assert!(times.notes("f")[1].contains("1 times without a zone were read as UTC"));
    }

    #[test]
    fn a_column_of_times_is_noticed() {
        assert!(looks_like_times(["2020-01-01", "", "2021-02-03 04:05"].into_iter()));
        assert!(looks_like_times(["1271408533"].into_iter()));
        assert!(!looks_like_times(["4", "5"].into_iter()));
        assert!(!looks_like_times(["", ""].into_iter()));
    }
}
