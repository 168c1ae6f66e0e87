//! The Lab's state in the address: in the fragment, so that no server ever
//! sees it. A teacher prepares a state and sends the link.
//!
//! `#v=1&world=shop&seed=7&s=8&step=6&hh=5&del=5.18&n=6&a=.1&t=1&tau=.06&off=&mistake=neg&hide=seed,mistakes`
//! and `by=people`, `guess=forget.own,neg.others`, `play=1`.
//!
//! Defaults are left out, unknown keys are kept, invalid values fall back
//! with a sentence. A reader's own table is named by its hash alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::guess::{Guess, Topic};
use super::protocol::{Dot, Lesson, ListAsk};
use super::setup::{Cut, Setup, Source};
use crate::say::say;

/// Steps of the Lab.
pub const STEPS: u8 = 8;
/// Controls that a link can hide.
pub const HIDEABLE: [&str; 8] = ["world", "shards", "cut", "seed", "settings", "mistakes", "predict", "link"];

/// Everything that a link restores.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// The world and how it is cut.
    pub setup: Setup,
    /// The step that is open, 1 to 8.
    pub step: u8,
    /// How the list is made, and for whom.
    pub list: ListAsk,
    /// The dot to forget.
    pub dot: Dot,
    /// The mistake that is switched on.
    pub lesson: Option<Lesson>,
    /// What the learner predicts.
    pub guesses: BTreeMap<Topic, Guess>,
    /// Start computing at once.
    pub play: bool,
    /// Controls that are hidden.
    pub hide: Vec<String>,
    /// Keys that this version does not know.
    unknown: Vec<(String, String)>,
}

impl Default for Address {
    fn default() -> Self {
        Self {
            setup: Setup::default(),
            step: 1,
            list: ListAsk { household: 4, size: 6, step: 0.1, steps: 1, temperature: 0.06, off: Vec::new() },
            dot: Dot { household: 4, product: 26 },
            lesson: None,
            guesses: BTreeMap::new(),
            play: false,
            hide: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// A number within bounds.
fn within<T: std::str::FromStr + PartialOrd + Copy>(text: &str, low: T, high: T) -> Option<T> {
    text.parse().ok().filter(|value| *value >= low && *value <= high)
}

impl Address {
    /// Reads a fragment, with or without its `#`; also the sentences about
    /// values that could not be used.
    pub fn parse(fragment: &str) -> (Self, Vec<String>) {
        let mut address = Self::default();
        let mut faults = Vec::new();
        for part in fragment.trim_start_matches('#').split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if address.take(key, value).is_none() {
                faults.push(match key {
                    "hide" => say!("l-the-link-hides-what", shown = shown(part), hideable = HIDEABLE.join(", ")),
                    _ => say!("l-the-links-could-not", shown = shown(part)),
                });
            }
        }
        (address, faults)
    }

    /// Takes one key; `None` when its value cannot be used.
    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "v" => within(value, 1u32, 1).map(drop)?,
            "world" => self.setup.source = source(value)?,
            "seed" => self.setup.seed = within(value, 0, u64::from(u32::MAX))?,
            "s" => self.setup.shards = within(value, 1, 32)?,
            "step" => self.step = within(value, 1, STEPS)?,
            "hh" => self.list.household = within(value, 1u32, 10_000)? - 1,
            "del" => {
                let (household, product) = value.split_once('.')?;
                let place = |text| Some(within(text, 1u32, 10_000)? - 1);
                self.dot = Dot { household: place(household)?, product: place(product)? };
            }
            "n" => self.list.size = within(value, 0, 20)?,
            "a" => self.list.step = within(value, 0.001, 1.0)?,
            "t" => self.list.steps = within(value, 1, 5)?,
            "tau" => self.list.temperature = within(value, 0.01, 1.0)?,
            "off" => {
                self.list.off = value
                    .split(',')
                    .filter(|text| !text.is_empty())
                    .map(|text| Some(within(text, 1u32, 32)? - 1))
                    .collect::<Option<_>>()?;
            }
            "mistake" => self.lesson = Some(Lesson::ALL.into_iter().find(|l| l.key() == value)?),
            "by" => self.setup.cut = cut(value)?,
            "guess" => {
                for part in value.split(',').filter(|part| !part.is_empty()) {
                    let (topic, guess) = part.split_once('.')?;
                    let topic = Topic::all().find(|known| known.key() == topic)?;
                    self.guesses.insert(topic, topic.guess(guess)?);
                }
            }
            "play" => self.play = within(value, 0u8, 1)? == 1,
            "hide" => {
                // A slip in one name shows that control, and no other.
                let known = |name: &&str| HIDEABLE.contains(name);
                let names = || value.split(',').filter(|name| !name.is_empty());
                self.hide = names().filter(known).map(str::to_owned).collect();
                if !names().all(|name| known(&name)) {
                    return None;
                }
            }
            _ => self.unknown.push((key.to_owned(), value.to_owned())),
        }
        Some(())
    }

    /// The fragment, without `#`.
    pub fn fragment(&self) -> String {
        let usual = Self::default();
        let mut text = String::from("v=1");
        let mut add = |key: &str, value: String, differs: bool| {
            if differs {
                let _ = write!(text, "&{key}={value}");
            }
        };
        let dataset = match &self.setup.source {
            Source::Shop => "shop".to_owned(),
            Source::Town => "town".to_owned(),
            Source::Own(hash) => format!("csv-{hash}"),
        };
        add("world", dataset, self.setup.source != usual.setup.source);
        add("seed", self.setup.seed.to_string(), self.setup.seed != usual.setup.seed);
        add("s", self.setup.shards.to_string(), self.setup.shards != usual.setup.shards);
        add("by", "people".to_owned(), self.setup.cut == Cut::People);
        add("step", self.step.to_string(), self.step != usual.step);
        add("hh", (self.list.household + 1).to_string(), self.list.household != usual.list.household);
        add("del", format!("{}.{}", self.dot.household + 1, self.dot.product + 1), self.dot != usual.dot);
        add("n", self.list.size.to_string(), self.list.size != usual.list.size);
        add("a", number(f64::from(self.list.step)), self.list.step.to_bits() != usual.list.step.to_bits());
        add("t", self.list.steps.to_string(), self.list.steps != usual.list.steps);
        let temperature = self.list.temperature;
        add("tau", number(temperature), temperature.to_bits() != usual.list.temperature.to_bits());
        let off: Vec<String> = self.list.off.iter().map(|shard| (shard + 1).to_string()).collect();
        add("off", off.join(","), !off.is_empty());
        add("mistake", self.lesson.map_or("", Lesson::key).to_owned(), self.lesson.is_some());
        let guesses: Vec<String> =
            self.guesses.iter().map(|(topic, guess)| format!("{}.{}", topic.key(), guess.key())).collect();
        add("guess", guesses.join(","), !guesses.is_empty());
        add("play", "1".to_owned(), self.play);
        add("hide", self.hide.join(","), !self.hide.is_empty());
        for (key, value) in &self.unknown {
            add(key, value.clone(), true);
        }
        text
    }

    /// The same state at another step. What a link computes at once belongs to
    /// the step that it opens.
    #[must_use]
    pub fn at(&self, step: u8) -> Self {
        Self { step, play: self.play && step == self.step, ..self.clone() }
    }

    /// The same state, computed at once or not.
    #[must_use]
    pub fn playing(&self, play: bool) -> Self {
        Self { play, ..self.clone() }
    }

    /// Whether a result may be shown: it was predicted, or nobody asks for a
    /// prediction.
    pub fn reveals(&self, topic: Topic) -> bool {
        let played = self.play && Topic::of(self.step, self.lesson) == Some(topic);
        played || self.hides("predict") || self.guesses.contains_key(&topic)
    }

    /// Whether a control is hidden.
    pub fn hides(&self, control: &str) -> bool {
        self.hide.iter().any(|name| name == control)
    }
}

fn cut(value: &str) -> Option<Cut> {
    match value {
        "records" => Some(Cut::Records),
        "people" => Some(Cut::People),
        _ => None,
    }
}

fn source(value: &str) -> Option<Source> {
    match value {
        "shop" => Some(Source::Shop),
        "town" => Some(Source::Town),
        _ => {
            let hash = value.strip_prefix("csv-")?;
            let good = hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            good.then(|| Source::Own(hash.to_owned()))
        }
    }
}

/// At most three decimals.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The start of a part, for a sentence.
fn shown(part: &str) -> String {
    part.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_left_out_and_everything_else_comes_back() {
        assert_eq!(Address::default().fragment(), "v=1");
        let text = "v=1&world=csv-0123456789abcdef&seed=9&s=16&by=people&step=6&hh=2&del=3.4&n=3&a=0.25&t=2&tau=0.017&off=1,8\
                    &mistake=epoch&guess=forget.own,neg.skip,cost.little&play=1&hide=seed,mistakes&later=yes";
        let (address, faults) = Address::parse(&format!("#{text}"));
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(address.fragment(), text);
        assert_eq!(address.dot, Dot { household: 2, product: 3 });
        assert!(address.hides("seed") && !address.hides("world"));
        let (address, faults) = Address::parse("#v=1&hide=sed,mistakes");
        assert!(address.hides("mistakes") && faults.len() == 1 && faults[0].contains("sed"), "{faults:?}");
    }

    #[test]
    fn a_result_waits_for_its_prediction() {
        let of = |text: &str| Address::parse(text).0;
        assert!(!of("step=5").reveals(Topic::Forget));
        assert!(of("step=5&guess=forget.all").reveals(Topic::Forget));
        assert!(!of("step=5&guess=forget.all").reveals(Topic::Twin));
        assert!(of("step=5&guess=forget.skip").reveals(Topic::Forget));
        assert!(of("step=5&hide=predict").reveals(Topic::Forget));
        let played = of("step=5&play=1");
        assert!(played.reveals(Topic::Forget) && !played.reveals(Topic::Twin) && !played.at(6).reveals(Topic::Twin));
        assert!(!of("step=7&mistake=neg").reveals(Topic::Mistake(Lesson::Negatives)));
    }

    #[test]
    fn what_cannot_be_used_falls_back_with_a_sentence() {
        for part in [
            "seed=-1",
            "s=33",
            "s=0",
            "step=9",
            "del=5",
            "del=0.1",
            "tau=NaN",
            "a=inf",
            "world=csv-XY",
            "hide=all",
            "mistake=none",
            "off=40",
            "v=2",
            "hh=0",
            "n=999999999999999999999",
            "by=shops",
            "guess=forget.maybe",
            "guess=own",
        ] {
            let (address, faults) = Address::parse(part);
            assert_eq!(address, Address::default(), "{part}");
            assert_eq!(faults.len(), 1, "{part}");
            assert!(faults[0].contains(part.split('=').next().unwrap()), "{}", faults[0]);
        }
    }
}
