//! Sizes, times and moments as people read them.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// "18 MB", "640 KB".
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// "about 20 seconds", "about 2 min 30 s".
pub(crate) fn about(seconds: u64) -> String {
    match seconds {
        0..=1 => "about a second".into(),
        2..=99 => format!("about {seconds} seconds"),
        _ => format!("about {} min {} s", seconds / 60, seconds % 60),
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
        86_400..172_800 => parts(1, "day", (seconds - 86_400) / 3_600, "h"),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// A measured time: "12 ms", "1.62 s".
pub(crate) fn millis(millis: f64) -> String {
    match millis {
        short if short < 1.0 => format!("{short:.2} ms"),
        short if short < 1000.0 => format!("{short:.0} ms"),
        _ => format!("{:.2} s", millis / 1000.0),
    }
}

/// "1 record", "3 records".
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// "1,840".
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of shards as a word where there is a short one: "seven".
pub(crate) fn number(count: usize) -> String {
    const WORDS: [&str; 13] =
        ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
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
        let date = js_sys::Date::new(&(when * 1000.0).into());
        let month = MONTHS.get(date.get_utc_month() as usize).copied().unwrap_or_default();
        format!("{} {month} {}", date.get_utc_date(), date.get_utc_full_year())
    } else {
        format!("time {when}")
    }
}

/// "14:05 on 3 Mar 2026", in the reader's own time zone.
pub(crate) fn clock(seconds: u64) -> String {
    let date = js_sys::Date::new(&(seconds as f64 * 1000.0).into());
    let month = MONTHS.get(date.get_month() as usize).copied().unwrap_or_default();
    let (day, year) = (date.get_date(), date.get_full_year());
    format!("{}:{:02} on {day} {month} {year}", date.get_hours(), date.get_minutes())
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
        assert_eq!(
            (count(1, "record", "records"), count(0, "record", "records")),
            ("1 record".into(), "0 records".into())
        );
    }
}
