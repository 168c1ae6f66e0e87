//! Step 7: four mistakes of real systems, one switch each.

use leptos::prelude::*;

use super::client::Client;
use super::early::shards;
use super::figures::{Mirror, short, verdict};
use super::predict::revealed;
use super::state::{Shown, State};
use super::twins::{Legend, compared, evidence};
use super::whys::{SideBySide, Why};
use crate::lab::guess::Topic;
use crate::lab::protocol::{Broken, Lesson, What};
use crate::lab::setup::Cut;
use crate::say::say;

pub(super) fn words(lesson: Lesson) -> (&'static str, &'static str) {
    match lesson {
        Lesson::Negatives => (say!("l-negatives-that-look-into"), say!("l-a-model-asks-other")),
        Lesson::Aggregator => (say!("l-a-learned-aggregator"), say!("l-the-shards-do-it")),
        Lesson::Order => (say!("l-sharding-that-depends-on"), say!("l-records-are-dealt-like")),
        Lesson::Epoch => (say!("l-best-epoch-chosen-on"), say!("l-one-shared-score-measure")),
    }
}

#[component]
pub(super) fn Mistakes() -> impl IntoView {
    let state = expect_context::<State>();
    let hidden = move || state.address.with(|address| address.hides("mistakes"));
    view! {
        <h2>{say!("l-make-a-mistake-that")}</h2>
        <p class="muted">{say!("l-switch-one-on-both")}</p>
        {move || (!hidden()).then(|| view! {
            <ul class="lessons">{Lesson::ALL.map(|lesson| view! { <Row lesson/> })}</ul>
        })}
        {move || outcome(state)}
        <SideBySide/>
    }
}

#[component]
fn Row(lesson: Lesson) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let (title, says) = words(lesson);
    let on = Memo::new(move |_| state.address.with(|address| address.lesson == Some(lesson)));
    let switch = move |_| {
        let on = !on.get_untracked();
        state.address.update(|address| {
            address.lesson = on.then_some(lesson);
            // A link shows the result that it names, not others'.
            address.play = false;
        });
        if on {
            client.ask(What::Break(lesson, state.address.with_untracked(|address| address.dot)));
        } else {
            client.stop();
        }
    };
    let result = move || {
        if !on.get() {
            return ("muted", say!("off").to_owned());
        }
        if state
            .running
            .with(|r| r.as_ref().is_some_and(|r| matches!(r.what, What::Break(l, _) | What::Find(l) if l == lesson)))
        {
            return ("muted", say!("l-training-2").to_owned());
        }
        if !revealed(state, Topic::Mistake(lesson)) {
            return ("muted", say!("l-predict-first").to_owned());
        }
        state.broken.with(|all| match all.iter().find(|shown| shown.value.lesson == lesson) {
            None => ("muted", say!("l-not-tried-yet").to_owned()),
            Some(shown) => match (shown.value.differing(), shown.value.twin.own.len()) {
                (0, _) => ("caution", say!("l-no-difference-this-time-3").to_owned()),
                (n, all) => ("bad", say!("l-differs-in-of", n, all)),
            },
        })
    };
    let id = format!("lesson-{lesson:?}").to_lowercase();
    view! {
        <li class="ms">
            <div>
                <h3 id=format!("{id}-name")>{title}</h3>
                <p class="small muted">{says}</p>
            </div>
            <button
                type="button"
                role="switch"
                class="sw"
                id=id.clone()
                aria-checked=move || on.get().to_string()
                aria-labelledby=format!("{id}-name")
                disabled=move || !state.ready.get()
                on:click=switch
            ><i></i></button>
            <p class=move || format!("res small {}", result().0)>{move || result().1}</p>
        </li>
    }
}

/// The mirrors of the mistake that is on.
fn outcome(state: State) -> Option<AnyView> {
    let lesson = state.address.with(|address| address.lesson)?;
    let shown = state.broken.with(|all| all.iter().find(|shown| shown.value.lesson == lesson).cloned());
    let shards = shards(state).get();
    let title = words(lesson).0;
    if !revealed(state, Topic::Mistake(lesson)) {
        return Some(view! { <p class="empty muted">{say!("l-predict-first-then-see-2", title)}</p> }.into_any());
    }
    Some(match shown {
        None => view! { <p class="empty muted">{say!("l-both-worlds-are-waiting", title)}</p> }.into_any(),
        Some(Shown { value, .. }) => {
            let nothing = value.differing() == 0;
            view! {
                <h3 class="after">{title}</h3>
                <Why broken=value.clone()/>
                <Legend/>
                {compared(&value.twin, shards, true)}
                {ninth(&value)}
                {nothing.then(|| view! { <Another lesson/> })}
                {(!nothing && lesson != Lesson::Aggregator).then(|| evidence(&value.twin, shards))}
            }
            .into_any()
        }
    })
}

/// The blend's own mirror and its weights.
fn ninth(broken: &Broken) -> Option<AnyView> {
    let (kept, fresh) = broken.weights.clone()?;
    let (own, twin) = (broken.twin.own.last()?.clone(), broken.twin.twin.hashes.last()?.clone());
    let state = verdict(&own, Some(&twin)).0;
    let list = |weights: &[f64]| weights.iter().map(|w| crate::say::decimal(*w, 4)).collect::<Vec<_>>().join("  ");
    Some(
        view! {
            <div class="ninth">
                <h3>{say!("l-the-blend-2")}</h3>
                <Mirror own=own.clone() twin=Some(twin.clone())/>
                <span class=format!("eq {state}")>{if state == "equal" { say!("l-sign-equal") } else { say!("l-sign-differs") }}</span>
                <dl class="small">
                    <dt>{say!("l-kept")}</dt><dd class="mono">{short(&own)}" "<span class="muted">{list(&kept)}</span></dd>
                    <dt>{say!("l-fitted-anew")}</dt><dd class="mono">{short(&twin)}" "<span class="muted">{list(&fresh)}</span></dd>
                </dl>
            </div>
        }
        .into_any(),
    )
}

/// No trace of this dot: the leak is still there, and some other dot shows it.
#[component]
fn Another(lesson: Lesson) -> impl IntoView {
    let client = expect_context::<Client>();
    let state = expect_context::<State>();
    // Nothing to look into: no dot would show it.
    if lesson == Lesson::Negatives && state.address.with_untracked(|address| address.setup.cut == Cut::People) {
        return None;
    }
    Some(view! {
        <p>{say!("l-no-difference-with-this")}</p>
        <button type="button" class="btn s" id="another" on:click=move |_| client.ask(What::Find(lesson))>
            {say!("l-find-a-dot-that")}
        </button>
    })
}
