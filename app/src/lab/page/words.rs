//! What each step says. Short sentences; the headline is the state.

use crate::lab::setup::Cut;
use crate::parts::words;
use crate::say::{key, named, say};

/// A step's name, its words, and what its button does.
pub(super) struct Words {
    pub(super) name: &'static str,
    pub(super) say: &'static [&'static str],
    /// The primary button's words before there is a result of one's own.
    pub(super) play: Option<&'static str>,
}

/// The eight steps.
pub(super) const STEPS: [Words; 8] = [
    Words {
        name: key!("l-step-world"),
        say: &[key!("l-say-world-1"), key!("l-say-world-2"), key!("l-say-world-3")],
        play: None,
    },
    Words {
        name: key!("l-step-cut"),
        say: &[key!("l-say-cut-1"), key!("l-say-cut-2"), key!("l-say-cut-3")],
        play: None,
    },
    Words {
        name: key!("l-step-train"),
        say: &[key!("l-say-train-1"), key!("l-say-train-2")],
        play: Some(key!("l-play-train")),
    },
    Words {
        name: key!("l-step-list"),
        say: &[key!("l-say-list-1"), key!("l-say-list-2")],
        play: Some(key!("l-play-list")),
    },
    Words {
        name: key!("l-step-forget"),
        say: &[key!("l-say-forget-1"), key!("l-say-forget-2")],
        play: Some(key!("l-play-forget")),
    },
    Words {
        name: key!("l-step-twin"),
        say: &[key!("l-say-twin-1"), key!("l-say-twin-2")],
        play: Some(key!("l-play-twin")),
    },
    Words { name: key!("l-step-break"), say: &[key!("l-say-break-1")], play: None },
    Words {
        name: key!("l-step-cost"),
        say: &[key!("l-say-cost-1"), key!("l-say-cost-2")],
        play: Some(key!("l-play-cost")),
    },
];

/// A step's words. What picks a shard depends on the cut, and what would give a
/// prediction away comes after it.
pub(super) fn said(step: u8, cut: Cut, revealed: bool) -> Vec<&'static str> {
    let mut words: Vec<_> = STEPS[usize::from(step).saturating_sub(1)].say.iter().map(|key| named(key)).collect();
    if step == 2 && cut == Cut::People {
        words[0] = say!("l-say-cut-people");
    }
    if matches!(step, 5 | 8) && !revealed {
        words.remove(0);
    }
    words
}

/// The third step's name follows the number of shards.
pub(super) fn name(step: u8, shards: u32) -> String {
    match shards {
        _ if step != 3 => plain(step),
        1 => say!("l-train-one").into(),
        n @ (2 | 4 | 8) => say!("l-train-many", number = words::number(n as usize)),
        n => say!("l-train-many", number = n.to_string()),
    }
}

fn plain(step: u8) -> String {
    STEPS.get(usize::from(step).saturating_sub(1)).map_or_else(String::new, |words| named(words.name).to_owned())
}
