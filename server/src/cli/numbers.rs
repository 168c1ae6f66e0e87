//! Numbers that an argument takes: what cannot be meant is refused where it is
//! written, by the argument's name.

use std::str::FromStr;

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

/// A time in the data's own unit.
pub(crate) fn time(text: &str) -> Result<f64, String> {
    let time = text.parse().ok().filter(|time: &f64| time.is_finite());
    time.ok_or_else(|| "give a number, in the data's own unit".to_owned())
}
