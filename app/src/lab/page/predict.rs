//! Predict first, then reveal: a question before each result of steps 5 to 8,
//! and one sentence that holds the answer against what came out.

use leptos::prelude::*;

use super::client::Client;
use super::controls::play;
use super::focus;
use super::state::State;
use crate::lab::guess::{self, Guess, Outcome, Topic};
use crate::say::say;

/// The question of what is open, if there is one.
pub(super) fn topic(state: State) -> Option<Topic> {
    state.address.with(|address| Topic::of(address.step, address.lesson))
}

/// Whether a result may be shown.
pub(super) fn revealed(state: State, topic: Topic) -> bool {
    state.address.with(|address| address.reveals(topic))
}

/// Nobody wants to predict: what is computed next is shown.
pub(super) fn skip(state: State) {
    let open = state
        .address
        .with_untracked(|address| Topic::of(address.step, address.lesson).filter(|topic| !address.reveals(*topic)));
    if let Some(topic) = open {
        state.address.update(|address| {
            address.guesses.insert(topic, Guess::Skipped);
        });
    }
}

/// What came out, once it did.
pub(super) fn outcome(state: State, topic: Topic) -> Option<Outcome> {
    let dot = state.address.with(|address| address.dot);
    match topic {
        Topic::Forget => {
            let shown = state.forgot.get().filter(|shown| shown.value.dot == dot)?;
            // Hashes of one machine only are held against each other.
            let before = state.trained.get().filter(|trained| trained.example == shown.example);
            Some(guess::forgot(&shown.value, before.as_ref().map(|trained| trained.value.hashes.as_slice())))
        }
        Topic::Twin => {
            state.twin.with(|shown| shown.as_ref().filter(|s| s.value.dot == dot).map(|s| guess::twin(&s.value)))
        }
        Topic::Mistake(lesson) => state
            .broken
            .with(|all| all.iter().find(|shown| shown.value.lesson == lesson).map(|shown| guess::broken(&shown.value))),
        Topic::Cost => state.cost.with(|shown| shown.as_ref().and_then(|shown| guess::cost(&shown.value))),
    }
}

/// The question, or the answer to it.
#[component]
pub(super) fn Predict() -> impl IntoView {
    let state = expect_context::<State>();
    // One memo for both: the question and its answer never stand side by side.
    let shown = Memo::new(move |_| {
        state.address.with(|address| {
            let topic = Topic::of(address.step, address.lesson)?;
            let made = address.guesses.get(&topic).copied();
            (made.is_some() || !address.reveals(topic)).then_some((topic, made))
        })
    });
    move || {
        shown.get().map(|(topic, made)| match made {
            None => view! { <Question topic/> }.into_any(),
            Some(guess) => view! { <Answer topic guess/> }.into_any(),
        })
    }
}

#[component]
fn Question(topic: Topic) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let choose = move |guess: Guess| {
        state.address.update(|address| {
            address.guesses.insert(topic, guess);
        });
        // What takes a moment is computed at once, so that the answer is the reader's own.
        let quick = matches!(topic, Topic::Forget | Topic::Twin) && guess != Guess::Skipped;
        let idle = state.ready.get_untracked() && state.running.with_untracked(Option::is_none);
        if quick && idle && !state.missing.get_untracked() && !super::controls::computed(state) {
            play(state, client);
        }
        // The button that was pressed is gone.
        request_animation_frame(|| focus("compared"));
    };
    let options = topic.options().iter().map(|&(guess, words)| {
        view! {
            <li><button type="button" class="btn option" data-guess=guess.key() on:click=move |_| choose(guess)>{crate::say::named(words)}</button></li>
        }
    });
    view! {
        <div class="predict" role="group" aria-labelledby="predict-question">
            <p id="predict-question"><b>{say!("l-first-predict")}</b>{topic.question()}</p>
            <ul>{options.collect_view()}</ul>
            <button type="button" class="link small" id="predict-skip" on:click=move |_| choose(Guess::Skipped)>
                {say!("l-skip-and-show-what")}
            </button>
        </div>
    }
}

#[component]
fn Answer(topic: Topic, guess: Guess) -> impl IntoView {
    let state = expect_context::<State>();
    let came = move || outcome(state, topic);
    let class = move || match came() {
        Some(outcome) if guess != Guess::Skipped && outcome.right.contains(&guess) => "predict made right",
        _ => "predict made",
    };
    let sentence = move || match (came(), topic.words(guess)) {
        (Some(outcome), _) => outcome.beside(topic, guess),
        (None, Some(words)) => say!("l-you-said-what-comes", words),
        (None, None) => say!("l-you-skipped-the-predicti").to_owned(),
    };
    let again = move |_| {
        state.address.update(|address| {
            address.guesses.remove(&topic);
            // A link that shows results is no answer either.
            address.play = false;
        });
        request_animation_frame(|| focus("headline"));
    };
    view! {
        <div class=class>
            <p id="compared" tabindex="-1" role="status">{sentence}</p>
            <button type="button" class="link small" id="predict-again" on:click=again>{say!("l-predict-again")}</button>
        </div>
    }
}
