//! What the pages say, in the reader's language.
//!
//! Messages are in Fluent's form below `app/locales/`: `page/` holds what the page
//! says, `both/` what its worker says too, each in every language. [`say!`] reads
//! both, [`told!`] the second alone, so that the worker carries no page.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::fluent_bundle::types::{FluentNumber, FluentNumberOptions};
use fluent_templates::{LanguageIdentifier, static_loader};

static_loader! {
    pub(crate) static PAGE = {
        locales: "locales/page",
        fallback_language: "en",
        customise: |bundle| {
            bundle.set_use_isolating(false);
            bundle.set_formatter(Some(written));
        },
    };
}

static_loader! {
    static BOTH = {
        locales: "locales/both",
        fallback_language: "en",
        customise: |bundle| {
            bundle.set_use_isolating(false);
            bundle.set_formatter(Some(written));
        },
    };
}

/// A message of the page: text without arguments, or a text with them.
macro_rules! say {
    ($key:literal) => { $crate::say::plain($crate::say::page, $key) };
    ($key:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {
        $crate::say::with($crate::say::page, $key, [$($crate::say::argument!($name $(= $value)?)),+])
    };
}

/// A message of the worker, or of the page and the worker.
macro_rules! told {
    ($key:literal) => { $crate::say::plain($crate::say::both, $key) };
    ($key:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {
        $crate::say::with($crate::say::both, $key, [$($crate::say::argument!($name $(= $value)?)),+])
    };
}

/// A message's name that is kept for later: see [`named`].
macro_rules! key {
    ($key:literal) => {
        $key
    };
}

macro_rules! argument {
    ($name:ident) => {
        (stringify!($name), $crate::say::Value::value(&$name))
    };
    ($name:ident = $value:expr) => {
        (stringify!($name), $crate::say::Value::value(&$value))
    };
}

pub(crate) use {argument, key, say, told};

/// The languages that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Language {
    #[default]
    English,
    German,
    French,
    Spanish,
}

impl Language {
    /// In the order in which they are offered.
    pub(crate) const ALL: [Self; 4] = [Self::English, Self::German, Self::French, Self::Spanish];

    /// As `lang` has it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
        }
    }

    /// Its own name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
            Self::Spanish => "Español",
        }
    }

    /// The one of a code.
    pub(crate) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// Between thousands, and before decimals.
    fn marks(self) -> (char, char) {
        match self {
            Self::English => (',', '.'),
            Self::German | Self::Spanish => ('.', ','),
            Self::French => ('\u{202f}', ','),
        }
    }
}

thread_local! {
    static NOW: Cell<Language> = Cell::default();
    static PLAIN: RefCell<HashMap<(Language, &'static str), &'static str>> = RefCell::default();
}

/// The language that is spoken now.
pub(crate) fn language() -> Language {
    NOW.get()
}

/// Speaks another from here on.
pub(crate) fn speak(language: Language) {
    NOW.set(language);
}

type Arguments = HashMap<Cow<'static, str>, FluentValue<'static>>;
/// Where messages are looked up.
pub(crate) type Book = fn(&LanguageIdentifier, &str, &Arguments) -> Option<String>;

/// What the page says.
pub(crate) fn page(language: &LanguageIdentifier, key: &str, arguments: &Arguments) -> Option<String> {
    let found = PAGE.lookup_single_language(language, key, Some(arguments)).ok();
    found.or_else(|| both(language, key, arguments))
}

/// What page and worker say.
pub(crate) fn both(language: &LanguageIdentifier, key: &str, arguments: &Arguments) -> Option<String> {
    BOTH.lookup_single_language(language, key, Some(arguments)).ok()
}

fn look_up(book: Book, key: &str, arguments: &Arguments) -> String {
    static TAGS: LazyLock<[LanguageIdentifier; 4]> =
        LazyLock::new(|| Language::ALL.map(|language| language.code().parse().unwrap_or_default()));
    let found = book(&TAGS[language() as usize], key, arguments);
    // A test sees to it that none is missing.
    found.or_else(|| book(&TAGS[0], key, arguments)).unwrap_or_else(|| key.to_owned())
}

/// A message without arguments. It stays as long as the program: there are as
/// many as messages, in the languages that were spoken.
pub(crate) fn plain(book: Book, key: &'static str) -> &'static str {
    let known = PLAIN.with_borrow(|known| known.get(&(language(), key)).copied());
    known.unwrap_or_else(|| {
        let text: &'static str = look_up(book, key, &Arguments::new()).leak();
        PLAIN.with_borrow_mut(|known| known.insert((language(), key), text));
        text
    })
}

/// The page's message of a name that [`key!`] kept.
pub(crate) fn named(key: &'static str) -> &'static str {
    plain(page, key)
}

/// A message with arguments.
pub(crate) fn with<const N: usize>(
    book: Book,
    key: &str,
    arguments: [(&'static str, FluentValue<'static>); N],
) -> String {
    look_up(book, key, &arguments.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
}

/// What somebody else said in English, such as the service: marked, so that
/// [`heard`] can say so.
pub(crate) fn foreign(text: &str) -> String {
    if language() == Language::English { text.to_owned() } else { format!("\u{2066}{text}\u{2069}") }
}

/// A sentence in its parts: which of them are [`foreign`].
pub(crate) fn heard(text: &str) -> Vec<(bool, String)> {
    let parts = text.split(['\u{2066}', '\u{2069}']).enumerate();
    parts.map(|(place, part)| (place % 2 == 1, part.to_owned())).filter(|(_, part)| !part.is_empty()).collect()
}

/// What can stand in a message.
pub(crate) trait Value {
    /// As Fluent takes it: numbers stay numbers, so that a message can have a
    /// singular.
    fn value(&self) -> FluentValue<'static>;
}

macro_rules! numbers {
    ($($kind:ty),+) => {
        $(impl Value for $kind {
            fn value(&self) -> FluentValue<'static> {
                FluentValue::from(*self)
            }
        })+
    };
}

numbers!(u8, u32, u64, usize, i32, i64);

impl Value for str {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(self.to_owned())
    }
}

impl Value for String {
    fn value(&self) -> FluentValue<'static> {
        FluentValue::from(self.clone())
    }
}

macro_rules! reasons {
    ($($kind:ty),+) => {
        $(impl Value for $kind {
            fn value(&self) -> FluentValue<'static> {
                FluentValue::from(self.to_string())
            }
        })+
    };
}

// Reasons stay as their library words them.
reasons!(eemu_core::Error, crate::service::Fault, csv::Error, serde_json::Error);

impl<T: Value + ?Sized> Value for &T {
    fn value(&self) -> FluentValue<'static> {
        (**self).value()
    }
}

/// A number with so many decimals.
impl Value for (f64, usize) {
    fn value(&self) -> FluentValue<'static> {
        let digits = Some(self.1);
        let options = FluentNumberOptions {
            minimum_fraction_digits: digits,
            maximum_fraction_digits: digits,
            ..Default::default()
        };
        FluentValue::Number(FluentNumber::new(self.0, options))
    }
}

impl Value for (&f32, usize) {
    fn value(&self) -> FluentValue<'static> {
        (*self.0, self.1).value()
    }
}

impl Value for (f32, usize) {
    fn value(&self) -> FluentValue<'static> {
        (f64::from(self.0), self.1).value()
    }
}

/// A number as the language writes it, with so many decimals.
pub(crate) fn decimal(number: f64, digits: usize) -> String {
    let (thousands, point) = language().marks();
    let plain = format!("{:.digits$}", number.abs());
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut text = String::new();
    if number.is_sign_negative() && plain.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        text.push('-');
    }
    for (place, digit) in whole.chars().enumerate() {
        // Spanish sets no mark into four digits.
        let grouped = language() != Language::Spanish || whole.len() > 4;
        if place > 0 && grouped && (whole.len() - place).is_multiple_of(3) {
            text.push(thousands);
        }
        text.push(digit);
    }
    if !rest.is_empty() {
        text.push(point);
        text.push_str(rest);
    }
    text
}

/// Numbers within messages.
fn written<M>(value: &FluentValue, _: &M) -> Option<String> {
    match value {
        FluentValue::Number(number) => Some(decimal(number.value, number.options.maximum_fraction_digits.unwrap_or(0))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_language() {
        let of = |language| {
            speak(language);
            (decimal(1840.0, 0), decimal(-12_345.678, 2))
        };
        assert_eq!(of(Language::English), ("1,840".into(), "-12,345.68".into()));
        assert_eq!(of(Language::German), ("1.840".into(), "-12.345,68".into()));
        assert_eq!(of(Language::French), ("1\u{202f}840".into(), "-12\u{202f}345,68".into()));
        assert_eq!(of(Language::Spanish), ("1840".into(), "-12.345,68".into()));
        assert_eq!(decimal(-0.001, 1), "0,0");
    }

    #[test]
    fn a_message_has_its_number() {
        speak(Language::English);
        assert_eq!(say!("n-records", n = 1u64), "1 record");
        assert_eq!(say!("n-records", n = 1840u64), "1,840 records");
        speak(Language::German);
        assert_eq!(told!("n-records", n = 1840u64), "1.840 Datensätze");
        assert_eq!(say!("no-such-message"), "no-such-message");
    }
}
