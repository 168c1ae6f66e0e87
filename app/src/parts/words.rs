//! Sizes, times and moments as people read them.

use crate::say::{decimal, language, say, told};

/// "18 MB", "640 KB".
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => told!("bytes", n = bytes),
        1_000..1_000_000 => told!("size-kb", n = bytes.div_ceil(1000)),
        _ => told!("size-mb", n = (bytes as f64 / 1e6, 1)),
    }
}

/// "about 20 seconds", "about 2 min 30 s".
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..=1 => say!("about-second").into(),
        2..=99 => say!("about-seconds", n = seconds),
        _ => say!("about-minutes", minutes = seconds / 60, seconds = seconds % 60),
    }
}

/// A span as people say it, to two parts: "40 s", "12 min", "3 h 5 min", "12 days".
pub(crate) fn span(seconds: u64) -> String {
    let parts = |whole: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{whole} {unit}"),
        rest => format!("{whole} {unit} {rest} {small}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => parts(seconds / 60, "min", seconds % 60, "s"),
        600..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => parts(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        86_400..172_800 => parts(1, say!("day"), (seconds - 86_400) / 3_600, "h"),
        _ => say!("days", n = (seconds + 43_200) / 86_400),
    }
}

/// A measured time: "12 ms", "1.62 s".
pub(crate) fn millis(millis: f64) -> String {
    match millis {
        short if short < 1.0 => format!("{} ms", decimal(short, 2)),
        short if short < 1000.0 => format!("{} ms", decimal(short, 0)),
        _ => format!("{} s", decimal(millis / 1000.0, 2)),
    }
}

/// "1,840".
pub(crate) fn thousands(number: u64) -> String {
    decimal(number as f64, 0)
}

/// A number of shards as a word where there is a short one: "seven".
pub(crate) fn number(count: usize) -> String {
    say!("number-words").split(' ').nth(count).map_or_else(|| count.to_string(), str::to_owned)
}

/// The same at the beginning of a sentence.
pub(crate) fn number_first(count: usize) -> String {
    let word = number(count);
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A time of the data: a day where it can be one (seconds since 1970), else
/// the number as it is.
pub(crate) fn moment(when: f64) -> String {
    if (1e8..5e9).contains(&when) {
        day(&js_sys::Date::new(&(when * 1000.0).into()), Some("UTC"))
    } else {
        say!("time-number", when = when.to_string())
    }
}

/// "14:05 on 3 Mar 2026", in the reader's own time zone.
pub(crate) fn clock(seconds: u64) -> String {
    let date = js_sys::Date::new(&(seconds as f64 * 1000.0).into());
    let time = format!("{}:{:02}", date.get_hours(), date.get_minutes());
    say!("clock", time, day = day(&date, None))
}

/// A day as the language writes it, in the reader's time zone or another.
fn day(date: &js_sys::Date, zone: Option<&str>) -> String {
    let options = js_sys::Object::new();
    let set = |name: &str, value: &str| {
        // Setting a property of an object of our own cannot fail.
        let _ = js_sys::Reflect::set(&options, &name.into(), &value.into());
    };
    [("day", "numeric"), ("month", "short"), ("year", "numeric")].iter().for_each(|(name, value)| set(name, value));
    if let Some(zone) = zone {
        set("timeZone", zone);
    }
    // English as Europe writes it: day before month.
    let place = if language().code() == "en" { "en-GB" } else { language().code() };
    date.to_locale_date_string(place, &options).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_can_read_them() {
        assert_eq!([size(12), size(640_001), size(18_000_000)], ["12 bytes", "641 KB", "18.0 MB"]);
        assert_eq!([about(20), about(150)], ["about 20 seconds", "about 2 min 30 s"]);
        assert_eq!(
            [span(40), span(95), span(720), span(11_130), span(90_000), span(1_040_000)],
            ["40 s", "1 min 35 s", "12 min", "3 h 5 min", "1 day 1 h", "12 days"]
        );
        assert_eq!([thousands(7), thousands(1840), thousands(1_000_000)], ["7", "1,840", "1,000,000"]);
        assert_eq!((number_first(8), number(31)), ("Eight".into(), "31".into()));
    }
}
