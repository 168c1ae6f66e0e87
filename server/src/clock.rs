//! The operating system's clock and random bytes. Core uses neither, and no other
//! module of the server asks the system for them.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

/// The operating system gave no random bytes.
#[derive(Debug, Error)]
#[error("the operating system gave no random bytes: {0}; start the command again")]
pub struct NoChance(getrandom::Error);

/// Seconds since 1970, with their fraction.
pub(crate) fn now_exactly() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// Whole seconds since 1970.
pub(crate) fn now() -> u64 {
    now_exactly() as u64
}

/// Fresh random bytes from the operating system. They never come from a seed or from
/// data, because anybody who knows those could compute the bytes.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoChance)?;
    Ok(bytes)
}

/// Fresh random bytes in hex.
///
/// # Errors
/// When the system gives none.
pub(crate) fn random_hex<const N: usize>() -> Result<String, NoChance> {
    Ok(hex::encode(random::<N>()?))
}

/// A length of time as people write it: `90s`, `30m`, `1h`, `2d`; a bare
/// number is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub std::time::Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => f64::NAN,
        };
        let seconds = digits.parse().unwrap_or(f64::NAN) * unit;
        // A year at most: a longer deadline would not be a deadline.
        let fits = (0.0..=3.2e7).contains(&seconds);
        let span = fits.then(|| Self(std::time::Duration::from_secs_f64(seconds)));
        span.ok_or_else(|| format!("'{text}' is no length of time; write 90s, 30m, 1h or 0, a year at most"))
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn spans_are_read() {
        let seconds = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs_f64());
        for (text, expected) in
            [("0", 0.0), ("1.5", 1.5), ("90s", 90.0), ("30m", 1800.0), ("1h", 3600.0), ("2d", 172_800.0)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in ["", "h", "-1", "1w", "nan", "inf", "1h30m", "9999d", "é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
