//! What each step says. Short sentences; the headline is the state.

use crate::lab::setup::Cut;

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
        name: "A small world",
        say: &[
            "See a recommender forget one purchase, and check that not a byte of it is left: eight short steps, about \
             five minutes, computed in this browser.",
            "Each dot is one purchase. Together they teach a machine what to suggest.",
            "Choose a world, or open a table of your own: who bought what, and when. It stays in this browser.",
        ],
        play: None,
    },
    Words {
        name: "Cut it into shards",
        say: &[
            "A keyed hash of household and product picks the shard. No other dot has a say.",
            "Within a shard, one dot of each household judges (query, hollow); the others shape (support).",
            "Cut by records is the paper’s way. A deployment cuts by people, so that whole histories stay together: try \
             both.",
        ],
        play: None,
    },
    Words {
        name: "Train eight models",
        say: &[
            "Each model sees its own tray and nothing else. Small memory, but separate.",
            "A curve is one model’s loss, epoch by epoch. When it is done, all its numbers together give one hash.",
        ],
        play: Some("Train here"),
    },
    Words {
        name: "Ask for a list",
        say: &[
            "A few rare purchases tune every model for one household. The tuned copies are thrown away.",
            "Every model scores every product; the mean decides. Switch pieces of the pane off to leave them out.",
        ],
        play: Some("Ask here"),
    },
    Words {
        name: "Forget one dot",
        say: &[
            "Only this shard ever saw it. So only this shard starts again.",
            "Choose any dot of the world, then forget it. Turn the knobs and see what changes.",
        ],
        play: Some("Forget this dot"),
    },
    Words {
        name: "The twin world",
        say: &[
            "Your world learned from the dot, then forgot it: its shard was trained again without it.",
            "The twin never had the dot. All its models start from nothing. If anything of the dot were left, the \
             reflections would break.",
        ],
        play: Some("Train the twin"),
    },
    Words {
        name: "Break it",
        say: &[
            "Four mistakes of real systems. Switch one on and predict: both worlds train again with it, and the mirrors \
             show what is left of the dot.",
        ],
        play: None,
    },
    Words {
        name: "Count the cost",
        say: &[
            "More shards, cheaper forgetting, weaker lists. Eight is a choice, not a law.",
            "Measured on this machine: everything is trained once for each number of shards, and every household’s \
             last two purchases are guessed, among 200 households or in your own table.",
        ],
        play: Some("Measure here"),
    },
];

/// A step's words. What picks a shard depends on the cut, and what would give a
/// prediction away comes after it.
pub(super) fn said(step: u8, cut: Cut, revealed: bool) -> Vec<&'static str> {
    let mut words = STEPS[usize::from(step).saturating_sub(1)].say.to_vec();
    if step == 2 && cut == Cut::People {
        words[0] = "A keyed hash of the household picks the shard. No other household has a say.";
    }
    if matches!(step, 5 | 8) && !revealed {
        words.remove(0);
    }
    words
}

/// The third step's name follows the number of shards.
pub(super) fn name(step: u8, shards: u32) -> String {
    let number = match shards {
        1 => return if step == 3 { "Train one model".into() } else { plain(step) },
        2 => "two",
        4 => "four",
        8 => "eight",
        16 => "16",
        32 => "32",
        n => return if step == 3 { format!("Train {n} models") } else { plain(step) },
    };
    if step == 3 { format!("Train {number} models") } else { plain(step) }
}

fn plain(step: u8) -> String {
    STEPS.get(usize::from(step).saturating_sub(1)).map_or_else(String::new, |words| words.name.to_owned())
}
