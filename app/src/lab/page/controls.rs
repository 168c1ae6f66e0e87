//! Which controls a step has, and what runs: play, pause, one epoch, stop,
//! back and next.

use leptos::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::client::Client;
use super::knobs::{CutChoice, DotChoice, SeedChoice, ShardChoice};
use super::opening::{Missing, WorldChoice};
use super::state::{Shown, State};
use super::words::STEPS;
use super::{location, predict};
use crate::lab::address::STEPS as COUNT;
use crate::lab::guess::Topic;
use crate::lab::page::focus;
use crate::lab::protocol::{Dot, What};
use crate::parts::glide::reduced_motion;
use crate::say::say;

/// What the open step computes, if it computes something.
fn what(state: State) -> Option<What> {
    state.address.with_untracked(|address| match address.step {
        3 => Some(What::Train),
        4 => Some(What::List(address.list.clone())),
        5 => Some(What::Forget(address.dot)),
        6 => Some(What::Twin(address.dot)),
        7 => address.lesson.map(|lesson| What::Break(lesson, address.dot)),
        8 => Some(What::Cost),
        _ => None,
    })
}

/// Plays the open step. Whoever plays without a prediction wants to see.
pub(super) fn play(state: State, client: Client) {
    predict::skip(state);
    match what(state) {
        Some(what) => client.ask(what),
        None => client.ask(What::Build),
    }
}

/// Computes the open step again for a world that was just cut.
pub(super) fn again(state: State, client: Client) {
    what(state).into_iter().for_each(|what| client.ask(what));
}

/// The name of a dot: "Household 5, Lipcare".
pub(super) fn dot_name(state: State, dot: Dot) -> (String, String) {
    state.built.with(|built| {
        let name = |names: &[String], place: u32| names.get(place as usize).cloned().unwrap_or_default();
        built.as_ref().map_or_else(Default::default, |built| {
            (name(&built.value.households, dot.household), name(&built.value.products, dot.product))
        })
    })
}

/// The shard of a dot.
pub(super) fn dot_shard(state: State, dot: Dot) -> Option<u32> {
    state
        .built
        .with(|built| built.as_ref().and_then(|built| built.value.dots.iter().find(|p| p.dot == dot).map(|p| p.shard)))
}

/// The step's own controls.
#[component]
pub(super) fn Controls(step: Memo<u8>) -> impl IntoView {
    let state = expect_context::<State>();
    // Fields keep their focus while the address changes.
    let hidden = Memo::new(move |_| state.address.with(|address| address.hide.clone()));
    move || {
        let hidden = hidden.get();
        let hides = |name: &str| hidden.iter().any(|known| known == name);
        let step = step.get();
        let (missing, late) = (state.missing.get(), (5..=7).contains(&step));
        view! {
            <div class="controls">
                {(step == 1 && !hides("world")).then(|| view! { <WorldChoice/> })}
                {missing.then(|| view! { <Missing/> })}
                <div class="knobs">
                    {((late || step == 2 || step == 3) && !hides("shards")).then(|| view! { <ShardChoice/> })}
                    {((late || step == 2) && !hides("cut")).then(|| view! { <CutChoice/> })}
                    {((late || step <= 3) && !hides("seed")).then(|| view! { <SeedChoice/> })}
                </div>
                {(late && !missing).then(|| view! { <DotChoice/> })}
            </div>
        }
    }
}

/// Play and its companions, back and next.
#[component]
pub(super) fn Go(step: Memo<u8>) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let running = Memo::new(move |_| state.running.with(Option::is_some));
    let paused = Memo::new(move |_| state.running.with(|r| r.as_ref().is_some_and(|r| r.paused)));
    // Something of one's own to look at: then the way on is the main button.
    let done = Memo::new(move |_| match step.get() {
        3 => state.trained.with(|s| s.as_ref().is_some_and(|s| !s.example)),
        4 => state.list.with(|s| s.as_ref().is_some_and(|s| !s.example)),
        5 => state.forgot.with(|s| s.as_ref().is_some_and(|s| !s.example)),
        6 => state.twin.with(|s| s.as_ref().is_some_and(|s| !s.example)),
        8 => state.cost.with(|s| s.as_ref().is_some_and(|s| !s.example)),
        _ => true,
    });
    let next = move || match step.get() {
        COUNT => None,
        step => Some(super::words::name(step + 1, state.address.with(|a| a.setup.shards))),
    };
    let words = move || STEPS[usize::from(step.get()) - 1].play.map(crate::say::named);
    // Without motion there is nothing to play: a step that is opened computes, as soon as the worker listens.
    Effect::new(move |before: Option<(u8, bool)>| {
        let (now, ready) = (step.get(), state.ready.get());
        let due = before.is_some_and(|(before, due)| due || before != now);
        // What is to be predicted waits for the prediction.
        let open = Topic::of(now, None).is_some_and(|topic| state.address.with_untracked(|a| !a.reveals(topic)));
        if due && ready && reduced_motion() && words().is_some() && !done.get_untracked() && !open {
            play(state, client);
        }
        (now, due && !ready)
    });
    // A button that was pressed may be gone: then its place in the row has the focus.
    let pressed = StoredValue::new(false);
    Effect::new(move |before: Option<bool>| {
        let now = running.get();
        if before.is_some_and(|before| before != now) && pressed.get_value() {
            request_animation_frame(move || {
                let lost = document().active_element().is_none_or(|focus| focus.tag_name() == "BODY");
                if lost {
                    let row: &[&str] = if now { &["pause"] } else { &["next", "again", "play"] };
                    row.iter().filter(|id| document().get_element_by_id(id).is_some()).take(1).for_each(|id| focus(id));
                }
            });
        }
        now
    });
    let epochs = move || step.get() == 3;
    let play_button = move |words: &'static str, main: bool| {
        view! {
            <button type="button" class="btn" class:primary=main id="play" disabled=move || !state.ready.get() on:click=move |_| play(state, client)>
                {words}
            </button>
        }
    };
    let next_button = move |main: bool| {
        next().map(|name| view! {
            <button type="button" class="btn" class:primary=main id="next" on:click=move |_| super::frame::go(state, step.get_untracked() + 1)>
                {if main { say!("l-next", lower = lower(&name)) } else { say!("l-next-2").into() }}
            </button>
        })
    };
    view! {
        <div class="go" on:click=move |_| pressed.set_value(true)>
            {move || (step.get() > 1).then(|| view! {
                <button type="button" class="btn back" on:click=move |_| super::frame::go(state, step.get_untracked() - 1)>{say!("l-back")}</button>
            })}
            {move || {
                if running.get() && step.get() > 2 {
                    return view! {
                        <button type="button" class="btn" id="pause" on:click=move |_| client.pause(!paused.get_untracked())>
                            {move || if paused.get() { say!("l-go-on") } else { say!("l-pause") }}
                        </button>
                        {(epochs() && paused.get()).then(|| view! {
                            <button type="button" class="btn" on:click=move |_| client.step()>{say!("l-one-epoch")}</button>
                        })}
                        <button type="button" class="btn primary" id="stop" on:click=move |_| client.stop()>{say!("l-stop")}</button>
                    }.into_any();
                }
                match words().filter(|_| !done.get() && !state.missing.get()) {
                    Some(words) if reduced_motion() => view! { {next_button(true)}{play_button(words, false)} }.into_any(),
                    Some(words) => view! { {play_button(words, true)}{next_button(false)} }.into_any(),
                    None => view! {
                        {next_button(true)}
                        {words().filter(|_| !state.missing.get()).map(|_| view! {
                            <button type="button" class="btn" id="again" on:click=move |_| play(state, client)>{say!("l-again")}</button>
                        })}
                    }.into_any(),
                }
            }}
        </div>
        {move || running.get().then(|| view! { <Progress/> })}
        {move || (!state.address.with(|a| a.hides("link"))).then(|| view! { <CopyLink/> })}
    }
}

/// "Cut it into shards" in the middle of a sentence.
fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[component]
fn Progress() -> impl IntoView {
    let state = expect_context::<State>();
    let progress = move || state.running.with(|r| r.as_ref().map(|r| r.progress.clone()).unwrap_or_default());
    let share = move || format!("{:.0}", progress().share * 100.0);
    view! {
        <div class="progress">
            <p class="small"><span>{move || progress().phase}</span><span class="num muted">{share}" %"</span></p>
            <div
                class="bar"
                role="progressbar"
                aria-label=move || progress().phase
                aria-valuemin="0"
                aria-valuemax="100"
                aria-valuenow=share
            >
                <i style:width=move || format!("{}%", share())></i>
            </div>
        </div>
    }
}

#[component]
fn CopyLink() -> impl IntoView {
    let state = expect_context::<State>();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        // What was computed here is computed there too.
        let live = computed(state);
        let text = state.address.with_untracked(|address| location::link(&address.playing(live)));
        spawn_local(async move {
            let done = JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            copied.set(done);
            state.say(if done { say!("l-link-copied").to_owned() } else { say!("l-the-link-could-not").to_owned() });
        });
    };
    view! {
        <p class="seed">
            <span>{say!("l-seed-2")}<b class="num">{move || state.address.with(|a| a.setup.seed.to_string())}</b></span>
            <button type="button" class="link" on:click=copy>
                {move || if copied.get() { say!("l-link-copied-2") } else { say!("l-copy-link-to-this") }}
            </button>
        </p>
    }
}

/// Whether what the open step shows was computed here.
pub(super) fn computed(state: State) -> bool {
    fn live<T: Send + Sync + 'static>(shown: RwSignal<Option<Shown<T>>>) -> bool {
        shown.with_untracked(|shown| shown.as_ref().is_some_and(|shown| !shown.example))
    }
    match state.address.with_untracked(|address| address.step) {
        3 => live(state.trained),
        4 => live(state.list),
        5 => live(state.forgot),
        6 => live(state.twin),
        7 => state.broken.with_untracked(|all| all.iter().any(|shown| !shown.example)),
        8 => live(state.cost),
        _ => false,
    }
}

/// "Example": what is shown was not computed here.
#[component]
pub(super) fn Tag(step: Memo<u8>) -> impl IntoView {
    let state = expect_context::<State>();
    let shown = move |topic: Topic| predict::revealed(state, topic);
    let example = move || match step.get() {
        1 | 2 => false,
        3 => state.trained.with(|s| s.as_ref().is_some_and(|s| s.example)),
        4 => state.list.with(|s| s.as_ref().is_some_and(|s| s.example)),
        5 => shown(Topic::Forget) && state.forgot.with(|s| s.as_ref().is_some_and(|s| s.example)),
        6 => shown(Topic::Twin) && state.twin.with(|s| s.as_ref().is_some_and(|s| s.example)),
        7 => state.broken.with(|all| all.iter().any(|s| s.example && shown(Topic::Mistake(s.value.lesson)))),
        _ => shown(Topic::Cost) && state.cost.with(|s| s.as_ref().is_some_and(|s| s.example)),
    };
    // Bytes are equal on one machine; another's code rounds otherwise.
    let words = move || match step.get() {
        3 | 5..=7 => say!("l-example-hashes-of"),
        _ => say!("l-example-computed-elsewhe-2"),
    };
    move || example().then(|| view! { <p class="tag">{words()}</p> })
}
