//! Why each mistake breaks what it breaks, in one sentence with the figures of
//! this very world, and what the four of them broke, side by side.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::mistakes::words;
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{Broken, Built, Lesson};
use crate::lab::setup::Cut;
use crate::parts::shapes::{Mark, label};
use crate::say::say;

/// One sentence on a mistake's outcome.
pub(super) fn why(broken: &Broken, built: &Built, cut: Cut) -> String {
    let twin = &broken.twin;
    let dot = twin.dot;
    let name = |names: &[String], place: u32| names.get(place as usize).cloned().unwrap_or_default();
    let (who, what) = (name(&built.households, dot.household), name(&built.products, dot.product));
    let different = broken.broken_shards().len();
    match broken.lesson {
        Lesson::Negatives if cut == Cut::People => say!("l-cut-by-people-all", who),
        Lesson::Negatives => {
            let own = built.dots.iter().filter(|placed| placed.dot.household == dot.household && placed.dot != dot);
            let other: BTreeSet<u32> = own.map(|placed| placed.shard).filter(|s| !twin.shards.contains(s)).collect();
            let all = say!("l-other-shards", n = other.len());
            say!("l-has-purchases-in-each", who, all, what, different)
        }
        Lesson::Aggregator => {
            let (kept, fresh) = broken.weights.clone().unwrap_or_default();
            let shifts = kept.iter().zip(&fresh).map(|(a, b)| (a - b).abs());
            let (moved, largest) =
                shifts.fold((0, 0.0f64), |(n, most), shift| (n + usize::from(shift > 0.0), most.max(shift)));
            say!("l-the-blends-weights-were", moved, kept = kept.len(), largest = (largest, 4))
        }
        Lesson::Order => {
            let (moved, all) = broken.moved;
            say!("l-records-are-dealt-to", moved, all)
        }
        Lesson::Epoch => match broken.epochs {
            Some((before, after)) if before != after => say!("l-one-score-over-everybody", before, after),
            Some((before, _)) => say!("l-one-score-over-everybody-2", before),
            None => say!("l-one-score-over-everybody-3").to_owned(),
        },
    }
}

/// A mistake in a word or two.
pub(super) fn short_name(lesson: Lesson) -> &'static str {
    match lesson {
        Lesson::Negatives => say!("l-negatives"),
        Lesson::Aggregator => say!("l-kept-blend"),
        Lesson::Order => say!("l-order"),
        Lesson::Epoch => say!("l-best-epoch"),
    }
}

/// The four results; those that were not tried, or not predicted, say so.
#[component]
pub(super) fn SideBySide() -> impl IntoView {
    let state = expect_context::<State>();
    let row = move |lesson: Lesson| {
        let topic = Topic::Mistake(lesson);
        let guess = state.address.with(|address| address.guesses.get(&topic).copied());
        let said = guess.and_then(|guess| topic.words(guess)).unwrap_or("–");
        let tried = state.broken.with(|all| all.iter().find(|shown| shown.value.lesson == lesson).cloned());
        let cells = match tried.filter(|_| revealed(state, topic)) {
            None => {
                let waits = if revealed(state, topic) { say!("l-not-tried-yet") } else { say!("l-predict-first") };
                view! { <td class="muted">{waits}</td><td></td><td></td> }.into_any()
            }
            Some(shown) => {
                let broken = shown.value;
                let all = (broken.twin.own.len() - usize::from(broken.weights.is_some())) as u32;
                let different = broken.broken_shards();
                let marks: Vec<_> =
                    different.iter().map(|&shard| view! { <Mark shard shards=all small=true/> }).collect();
                let blend = broken.blend_differs().then(|| say!("l-the-blend"));
                let none = (different.is_empty() && blend.is_none()).then(|| say!("l-none"));
                let own: Vec<String> = broken.twin.shards.iter().map(|&shard| label(shard, all)).collect();
                let kept = if different.iter().any(|shard| broken.twin.shards.contains(shard)) { "≠" } else { "=" };
                view! {
                    <td class="num">{say!("l-of-3", broken = broken.differing(), broken2 = broken.twin.own.len())}</td>
                    <td><span class="marks">{marks}{blend}{none}</span></td>
                    <td>{format!("{} {kept}", own.join(", "))}</td>
                }
                .into_any()
            }
        };
        view! { <tr><th scope="row">{short_name(lesson)}</th>{cells}<td class="said">{said}</td></tr> }
    };
    view! {
        <h3 class="after">{say!("l-the-four-side-by")}</h3>
        <div class="scroll" tabindex="0" role="region" aria-label=say!("l-the-four-mistakes-side")>
            <table class="four" id="four">
                <thead><tr>
                    <th scope="col">{say!("l-mistake")}</th><th scope="col">{say!("l-broken")}</th><th scope="col">{say!("l-which")}</th>
                    <th scope="col">{say!("l-the-dots-own")}</th><th scope="col">{say!("l-you-said")}</th>
                </tr></thead>
                <tbody>{move || Lesson::ALL.map(row).into_iter().collect_view()}</tbody>
            </table>
        </div>
    }
}

/// The why-line of the mistake that is on.
#[component]
pub(super) fn Why(broken: Broken) -> impl IntoView {
    let state = expect_context::<State>();
    let cut = state.address.with_untracked(|address| address.setup.cut);
    let sentence = move || state.built.with(|built| built.as_ref().map(|built| why(&broken, &built.value, cut)));
    view! { <p class="why-line" id="why"><b>{say!("l-why")}</b>{sentence}</p> }
}

/// The words of a mistake, for figures in numbers.
pub(super) fn title(lesson: Lesson) -> &'static str {
    words(lesson).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::protocol::{Dot, Placed, Trained, Twin};

    #[test]
    fn a_why_has_the_figures_of_its_world() {
        let dot = Dot { household: 0, product: 1 };
        let placed = |product, shard| Placed { dot: Dot { household: 0, product }, shard, query: false, dealt: shard };
        let built = Built {
            hash: String::new(),
            households: vec!["Household 1".into()],
            products: ["Salt", "Soap", "Tea", "Rice"].map(str::to_owned).into(),
            dots: vec![placed(0, 0), placed(1, 2), placed(2, 1), placed(3, 2)],
            degrees: vec![1; 4],
            left_out: (0, 0),
            spread: vec![3],
        };
        let hashes = |of: [&str; 3]| of.map(str::to_owned).to_vec();
        let mut broken = Broken {
            lesson: Lesson::Negatives,
            twin: Twin {
                dot,
                shards: vec![2],
                own: hashes(["a", "b", "c"]),
                twin: Trained { losses: Vec::new(), hashes: hashes(["x", "b", "c"]), millis: 0.0 },
                differences: Vec::new(),
                records_equal: true,
            },
            weights: None,
            moved: (2, 3),
            epochs: Some((7, 9)),
        };
        let said = why(&broken, &built, Cut::Records);
        assert!(said.contains("purchases in 2 other shards") && said.contains("spared Soap"), "{said}");
        assert!(said.contains("1 of them did"), "{said}");
        assert!(why(&broken, &built, Cut::People).contains("does no harm"));
        broken.lesson = Lesson::Order;
        assert!(why(&broken, &built, Cut::Records).contains("2 of the 3 other records"));
        broken.lesson = Lesson::Epoch;
        assert!(why(&broken, &built, Cut::Records).contains("with the dot at epoch 7, without it at epoch 9"));
        broken.lesson = Lesson::Aggregator;
        broken.weights = Some((vec![0.5, 0.5, 0.0], vec![0.4, 0.6, 0.0]));
        assert!(why(&broken, &built, Cut::Records).contains("2 of 3 weights are others, the largest by 0.1000"));
    }
}
