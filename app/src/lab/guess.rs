//! Predictions: what the learner expects before a result is shown, and one
//! sentence that holds it against what came out.

use super::protocol::{Broken, Cost, Forgot, Lesson, Twin};
use crate::parts::shapes::label;
use crate::parts::words::millis;
use crate::say::{key, named, say};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Step 5: which models change.
    Forget,
    /// Step 6: which reflections are perfect.
    Twin,
    /// Step 7: which break under a mistake.
    Mistake(Lesson),
    /// Step 8: what a deletion costs with eight shards.
    Cost,
}

/// What somebody expects, or that they would rather see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guess {
    /// No model, no reflection.
    None,
    /// The shard of the dot alone.
    Own,
    /// Shards that never held the dot.
    Others,
    /// The blend alone.
    Blend,
    /// All of them.
    All,
    /// Nearly as much.
    Much,
    /// In between.
    Middle,
    /// A small part.
    Little,
    /// No prediction: just show it.
    Skipped,
}

/// Numbers of shards that step 8's question compares.
pub const COMPARED: (u32, u32) = (1, 8);

impl Topic {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Forget, Self::Twin].into_iter().chain(Lesson::ALL.map(Self::Mistake)).chain([Self::Cost])
    }

    /// Its name in a link.
    pub fn key(self) -> &'static str {
        match self {
            Self::Forget => "forget",
            Self::Twin => "twin",
            Self::Mistake(lesson) => lesson.key(),
            Self::Cost => "cost",
        }
    }

    /// The topic of a step, with the mistake that is on.
    pub fn of(step: u8, lesson: Option<Lesson>) -> Option<Self> {
        match step {
            5 => Some(Self::Forget),
            6 => Some(Self::Twin),
            7 => lesson.map(Self::Mistake),
            8 => Some(Self::Cost),
            _ => None,
        }
    }

    /// The question.
    pub fn question(self) -> &'static str {
        match self {
            Self::Forget => say!("l-which-models-will-be"),
            Self::Twin => say!("l-which-models-will-differ"),
            Self::Mistake(_) => say!("l-which-reflections-will-b"),
            Self::Cost => say!("l-with-8-shards-what"),
        }
    }

    /// What can be chosen, with its words.
    pub fn options(self) -> &'static [(Guess, &'static str)] {
        match self {
            Self::Forget => &[
                (Guess::None, key!("l-guess-none")),
                (Guess::Own, key!("l-guess-own")),
                (Guess::All, key!("l-guess-all")),
            ],
            Self::Twin => &[
                (Guess::None, key!("l-guess-none")),
                (Guess::Own, key!("l-guess-retrained")),
                (Guess::All, key!("l-guess-all")),
            ],
            Self::Mistake(_) => &[
                (Guess::None, key!("l-guess-none")),
                (Guess::Own, key!("l-guess-dots-own")),
                (Guess::Others, key!("l-guess-others")),
                (Guess::Blend, key!("l-guess-blend")),
            ],
            Self::Cost => &[
                (Guess::Little, key!("l-guess-little")),
                (Guess::Middle, key!("l-guess-middle")),
                (Guess::Much, key!("l-guess-much")),
            ],
        }
    }

    /// A guess by its name in a link.
    pub fn guess(self, key: &str) -> Option<Guess> {
        let mut own = self.options().iter().map(|(guess, _)| *guess).chain([Guess::Skipped]);
        own.find(|guess| guess.key() == key)
    }

    /// The words of a guess.
    pub fn words(self, guess: Guess) -> Option<&'static str> {
        self.options().iter().find(|(option, _)| *option == guess).map(|(_, words)| named(words))
    }
}

impl Guess {
    /// Its name in a link.
    pub fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Own => "own",
            Self::Others => "others",
            Self::Blend => "blend",
            Self::All => "all",
            Self::Much => "much",
            Self::Middle => "middle",
            Self::Little => "little",
            Self::Skipped => "skip",
        }
    }
}

/// Which of all models are different, and what that makes of a guess.
fn of_models(different: &[u32], own: &[u32], all: usize) -> Vec<Guess> {
    let mut true_ones = Vec::new();
    if different.is_empty() {
        true_ones.push(Guess::None);
    }
    if !different.is_empty() && different.iter().all(|shard| own.contains(shard)) {
        true_ones.push(Guess::Own);
    }
    if different.iter().any(|shard| !own.contains(shard)) {
        true_ones.push(Guess::Others);
    }
    if different.len() == all {
        true_ones.push(Guess::All);
    }
    true_ones
}

fn names(shards: &[u32], all: u32) -> String {
    shards.iter().map(|&shard| label(shard, all)).collect::<Vec<_>>().join(", ")
}

/// What came out: the guesses that are right, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One, or two where there is one shard only.
    pub right: Vec<Guess>,
    /// What came out, in figures.
    pub sentence: String,
}

impl Outcome {
    /// The prediction beside the outcome.
    pub fn beside(&self, topic: Topic, guess: Guess) -> String {
        match topic.words(guess) {
            None => self.sentence.clone(),
            Some(words) if self.right.contains(&guess) => say!("l-you-said-so-it", words, sentence = self.sentence),
            Some(words) => say!("l-you-said-it-came", words, sentence = self.sentence),
        }
    }
}

/// After forgetting: which models are others, by their hashes.
pub fn forgot(forgot: &Forgot, before: Option<&[String]>) -> Outcome {
    let all = forgot.after.hashes.len();
    let changed: Vec<u32> = match before {
        Some(before) => {
            (0..).zip(before.iter().zip(&forgot.after.hashes)).filter(|(_, (a, b))| a != b).map(|(s, _)| s).collect()
        }
        None => forgot.shards.clone(),
    };
    let shards = names(&changed, all as u32);
    let sentence = match changed.len() {
        0 => say!("l-none-of-hashes-changed", all),
        1 => say!("l-1-of-hashes-changed", all, shards),
        n => say!("l-of-hashes-changed", n, all, shards),
    };
    Outcome { right: of_models(&changed, &forgot.shards, all), sentence }
}

/// Beside the twin.
pub fn twin(twin: &Twin) -> Outcome {
    let (all, different) = (twin.own.len(), twin.different());
    let sentence = match different.len() {
        0 => say!("l-of-are-equal-to", all, names = names(&twin.shards, all as u32)),
        n => say!("l-of-differ", n, all, names = names(&different, all as u32)),
    };
    Outcome { right: of_models(&different, &twin.shards, all), sentence }
}

/// Under a mistake.
pub fn broken(broken: &Broken) -> Outcome {
    let different = broken.broken_shards();
    let all = broken.twin.own.len() - usize::from(broken.weights.is_some());
    let own = names(&broken.twin.shards, all as u32);
    let mut right = of_models(&different, &broken.twin.shards, usize::MAX);
    if broken.blend_differs() {
        right.retain(|guess| *guess != Guess::None);
        if different.is_empty() {
            right.push(Guess::Blend);
        }
    }
    let sentence = match (different.len(), broken.blend_differs()) {
        (0, false) => say!("l-nothing-differs-with").to_owned(),
        (0, true) => say!("l-all-models-are-equal", all),
        (n, _) => {
            let kept = if different.iter().any(|shard| broken.twin.shards.contains(shard)) {
                say!("l-the-dots-own-shard", own)
            } else {
                say!("l-the-dots-own-shard-2", own)
            };
            say!("l-of-differ-2", n, all, names = names(&different, all as u32), kept)
        }
    };
    Outcome { right, sentence }
}

/// The cost of one deletion with eight shards, beside one model; `None` when
/// either was not measured.
pub fn cost(costs: &[Cost]) -> Option<Outcome> {
    let of = |shards: u32| costs.iter().find(|cost| cost.shards == shards);
    let (one, eight) = (of(COMPARED.0)?, of(COMPARED.1)?);
    let part = eight.one / one.one.max(1e-9);
    let right = match part {
        part if part < 0.25 => Guess::Little,
        part if part <= 0.75 => Guess::Middle,
        _ => Guess::Much,
    };
    let (shards, own, whole) = (say!("l-n-shards", n = eight.shards), millis(eight.one), millis(one.one));
    let sentence = say!("l-cost-takes", part = (part * 100.0, 0), own, shards, whole);
    // With an eighth or less the last words would be wrong.
    let sentence = if part <= 0.125 { sentence } else { format!("{sentence} {}", say!("l-not-an-eighth")) };
    Some(Outcome { right: vec![right], sentence })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::lab::protocol::{Dot, Trained};

    fn trained(hashes: &[&str]) -> Trained {
        Trained { losses: Vec::new(), hashes: hashes.iter().map(|h| (*h).to_owned()).collect(), millis: 0.0 }
    }

    const DOT: Dot = Dot { household: 0, product: 0 };

    #[test]
    fn the_sentence_follows_the_hashes() {
        let done = Forgot { dot: DOT, shards: vec![1], after: trained(&["a", "x", "c"]), all_millis: 0.0 };
        let before: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let outcome = forgot(&done, Some(&before));
        assert_eq!(outcome.right, [Guess::Own]);
        let said = outcome.beside(Topic::Forget, Guess::All);
        assert!(
            said.contains("“All of them”. It came out otherwise. 1 of 3 hashes changed: that of shard B"),
            "{said}"
        );
        assert!(outcome.beside(Topic::Forget, Guess::Own).contains("So it is."));
        assert!(outcome.beside(Topic::Forget, Guess::Skipped).starts_with("1 of 3"));
        // With one shard, "only its own" and "all" are both right.
        let single = Forgot { dot: DOT, shards: vec![0], after: trained(&["x"]), all_millis: 0.0 };
        assert_eq!(forgot(&single, Some(&before[..1])).right, [Guess::Own, Guess::All]);
    }

    #[test]
    fn mistakes_break_what_they_break() {
        let of = |own: &[&str], other: &[&str], weights: bool| Broken {
            lesson: Lesson::Order,
            twin: Twin {
                dot: DOT,
                shards: vec![2],
                own: own.iter().map(|h| (*h).to_owned()).collect(),
                twin: trained(other),
                differences: Vec::new(),
                records_equal: true,
            },
            weights: weights.then(|| (Vec::new(), Vec::new())),
            moved: (0, 0),
            epochs: None,
        };
        let outcome = broken(&of(&["a", "b", "c"], &["x", "b", "c"], false));
        assert_eq!(outcome.right, [Guess::Others]);
        assert!(outcome.sentence.contains("1 of 3 differ: A. The dot’s own shard C is equal."), "{}", outcome.sentence);
        assert_eq!(broken(&of(&["a", "b", "c"], &["a", "b", "c"], false)).right, [Guess::None]);
        let blend = broken(&of(&["a", "b", "c", "w"], &["a", "b", "c", "v"], true));
        assert_eq!(blend.right, [Guess::Blend]);
        assert_eq!(broken(&of(&["a", "b", "c"], &["a", "b", "x"], false)).right, [Guess::Own]);
    }

    #[test]
    fn a_cost_is_a_part() {
        let of = |shards, one| Cost { shards, one, all: 0.0, ndcg: (0.0, 0.0), hit_rate: 0.0 };
        let said = cost(&[of(1, 300.0), of(8, 200.0)]).unwrap();
        assert_eq!(said.right, [Guess::Middle]);
        assert!(said.sentence.starts_with("It takes 67 %: 200 ms with 8 shards, 300 ms with one model."));
        assert!(!cost(&[of(1, 300.0), of(8, 30.0)]).unwrap().sentence.contains("not an eighth"));
        assert_eq!(cost(&[of(1, 300.0)]), None);
    }

    #[test]
    fn every_guess_has_a_name_in_links() {
        for topic in Topic::all() {
            for (guess, _) in topic.options() {
                assert_eq!(topic.guess(guess.key()), Some(*guess));
            }
            assert_eq!(topic.guess("skip"), Some(Guess::Skipped));
            assert_eq!(topic.guess("maybe"), None);
        }
    }
}
