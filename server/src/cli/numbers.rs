//! Numbers that an argument takes: what cannot be meant is refused where it is
//! written, by the argument's name.

use std::str::FromStr;

use eemu_core::data::tables::{Moment, Times};

fn from_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number: Option<T> = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "give a whole number, 1 or more".to_owned())
}

/// How many, at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    from_one::<u64>(text)?.try_into().map_err(|_| "give a smaller number".to_owned())
}

/// How many, at least one.
pub(crate) fn count32(text: &str) -> Result<u32, String> {
    from_one(text)
}

/// How many, at least one.
pub(crate) fn count64(text: &str) -> Result<u64, String> {
    from_one(text)
}

/// Whole days that something is good for: ten years at most.
pub(crate) fn whole_days(text: &str) -> Result<u64, String> {
    let days = text.parse().ok().filter(|days| (1..=3650).contains(days));
    days.ok_or_else(|| "give whole days, 1 to 3650".to_owned())
}

/// Days until something must be destroyed: ten years at most.
pub(crate) fn days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days: &f64| *days > 0.0 && *days <= 3650.0);
    days.ok_or_else(|| "give days, more than 0 and at most 3650".to_owned())
}

/// A time: a number in the data's own unit, or written, in seconds since 1970.
pub(crate) fn time(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|time: &f64| time.is_finite());
    let written = || match Times::new(None).read(text, 0) {
        // A number stays in its unit, and so is none of these.
        Ok(Moment::At(seconds)) if text.contains([':', '-', '.', '/', ' ']) => Some(seconds),
        _ => None,
    };
    number.or_else(written).ok_or_else(|| {
        "give a number in the data's own unit, or for data in seconds a time such as 2024-05-31T12:00:00Z or 2024-05-31"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_numbers_or_written() {
        for (text, seconds) in [
            ("-5", -5.0),
            ("1e3", 1000.0),
            ("1600000000000", 1.6e12),
            ("2020-09-13T12:26:40Z", 1.6e9),
            ("2020-09-13T14:26:40+02:00", 1.6e9),
            ("2020-09-13", 1_599_955_200.0),
        ] {
            assert_eq!(time(text).unwrap(), seconds, "{text}");
        }
        for text in ["", "nan", "inf", "never", "09:02", "04/10/22", "2020-02-30", "1e400"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
