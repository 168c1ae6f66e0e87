//! What the reader can set: the world, the shards, the seed; and what runs:
//! play, pause, one epoch, stop, back and next.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::client::Client;
use super::location;
use super::state::{Shown, State};
use super::words::STEPS;
use crate::csv_file::MAX_BYTES;
use crate::lab::address::STEPS as COUNT;
use crate::lab::page::focus;
use crate::lab::protocol::{Dot, Failure, What};
use crate::lab::setup::Source;
use crate::parts::glide::reduced_motion;

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

/// Plays the open step.
pub(super) fn play(state: State, client: Client) {
    match what(state) {
        Some(what) => client.ask(what),
        None => client.ask(What::Build),
    }
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
    let hides = move |name: &'static str| state.address.with(|address| address.hides(name));
    move || {
        view! {
            <div class="controls">
                {(step.get() == 1 && !hides("world")).then(|| view! { <WorldChoice/> })}
                {(step.get() == 2 && !hides("shards")).then(|| view! { <ShardChoice/> })}
                {(step.get() <= 3 && !hides("seed")).then(|| view! { <SeedChoice/> })}
                {(5..=7).contains(&step.get()).then(|| view! { <DotChoice/> })}
            </div>
        }
    }
}

#[component]
fn WorldChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let choose = move |event| {
        let source = match event_target_value(&event).as_str() {
            "town" => Source::Town,
            _ => Source::Shop,
        };
        state.address.update(|address| address.setup.source = source);
        state.reset();
    };
    let chosen = move || state.address.with(|address| address.setup.source.clone());
    let open = move |event: web_sys::Event| {
        let Some(input) = event.target().and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok()) else { return };
        let Some(file) = input.files().and_then(|files| files.get(0)) else { return };
        // The same file can be opened again after it was mended.
        spawn_local(async move {
            if file.size() > MAX_BYTES as f64 {
                let size = file.size() / f64::from(1 << 20);
                state.failure.set(Some(Failure {
                    sentence: format!(
                        "The file has {size:.1} MB; the Lab takes 1 MB at most. Nothing was imported. Cut it down."
                    ),
                    skippable: false,
                }));
                return;
            }
            let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string()).unwrap_or_default();
            input.set_value("");
            state.file.set(text.clone());
            client.ask(What::Load { text, skip: false });
        });
    };
    view! {
        <label class="field">
            <span>"World"</span>
            <select id="world" on:change=choose>
                <option value="shop" prop:selected=move || chosen() == Source::Shop>"Shop: 12 households, 30 products"</option>
                <option value="town" prop:selected=move || chosen() == Source::Town>"Town: 60 households, 90 products"</option>
                {move || match chosen() {
                    Source::Own(hash) => Some(view! { <option value="own" selected>{format!("Your table {hash}")}</option> }),
                    _ => None,
                }}
            </select>
        </label>
        <label class="field">
            <span>"Your own table (CSV)"</span>
            <input id="csv" type="file" accept=".csv,text/csv,text/plain" on:change=open/>
        </label>
    }
}

#[component]
fn ShardChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        if let Ok(shards) = event_target_value(&event).parse() {
            state.address.update(|address| {
                address.setup.shards = shards;
                address.list.off.clear();
            });
            state.reset();
        }
    };
    let chosen = move || state.address.with(|address| address.setup.shards);
    view! {
        <label class="field">
            <span>"Shards"</span>
            <select id="shards" on:change=choose>
                {[1u32, 2, 4, 8, 16, 32].map(|n| view! {
                    <option value=n prop:selected=move || chosen() == n>{n}</option>
                })}
                {move || (![1, 2, 4, 8, 16, 32].contains(&chosen())).then(|| view! {
                    <option value=chosen() selected>{chosen()}</option>
                })}
            </select>
        </label>
    }
}

#[component]
fn SeedChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        if let Ok(seed) = event_target_value(&event).parse::<u32>() {
            state.address.update(|address| address.setup.seed = u64::from(seed));
            state.reset();
        }
    };
    view! {
        <label class="field short">
            <span>"Seed"</span>
            <input
                id="seed"
                type="number"
                min="0"
                max=u32::MAX
                step="1"
                prop:value=move || state.address.with(|address| address.setup.seed.to_string())
                on:change=choose
            />
        </label>
    }
}

/// Which dot is meant.
#[component]
fn DotChoice() -> impl IntoView {
    let state = expect_context::<State>();
    move || {
        let dot = state.address.with(|address| address.dot);
        let shards = state.address.with(|address| address.setup.shards);
        let (who, what) = dot_name(state, dot);
        let shard = dot_shard(state, dot).map(|shard| view! { <crate::parts::shapes::Mark shard shards small=true/> });
        view! {
            <p class="dotline">
                {shard}
                <span><b>{what}</b>", "{who}</span>
            </p>
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
    let words = move || STEPS[usize::from(step.get()) - 1].play;
    // Without motion there is nothing to play: a step that is opened computes, as soon as the worker listens.
    Effect::new(move |before: Option<(u8, bool)>| {
        let (now, ready) = (step.get(), state.ready.get());
        let due = before.is_some_and(|(before, due)| due || before != now);
        if due && ready && reduced_motion() && words().is_some() && !done.get_untracked() {
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
                {if main { format!("Next: {}", lower(&name)) } else { "Next".into() }}
            </button>
        })
    };
    view! {
        <div class="go" on:click=move |_| pressed.set_value(true)>
            {move || (step.get() > 1).then(|| view! {
                <button type="button" class="btn back" on:click=move |_| super::frame::go(state, step.get_untracked() - 1)>"Back"</button>
            })}
            {move || {
                if running.get() && step.get() > 2 {
                    return view! {
                        <button type="button" class="btn" id="pause" on:click=move |_| client.pause(!paused.get_untracked())>
                            {move || if paused.get() { "Go on" } else { "Pause" }}
                        </button>
                        {(epochs() && paused.get()).then(|| view! {
                            <button type="button" class="btn" on:click=move |_| client.step()>"One epoch"</button>
                        })}
                        <button type="button" class="btn primary" id="stop" on:click=move |_| client.stop()>"Stop"</button>
                    }.into_any();
                }
                match words().filter(|_| !done.get()) {
                    Some(words) if reduced_motion() => view! { {next_button(true)}{play_button(words, false)} }.into_any(),
                    Some(words) => view! { {play_button(words, true)}{next_button(false)} }.into_any(),
                    None => view! {
                        {next_button(true)}
                        {words().map(|_| view! {
                            <button type="button" class="btn" id="again" on:click=move |_| play(state, client)>"Again"</button>
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
            state.say(if done {
                "Link copied.".to_owned()
            } else {
                "The link could not be copied; it stands in the address bar.".to_owned()
            });
        });
    };
    view! {
        <p class="seed">
            <span>"Seed "<b class="num">{move || state.address.with(|a| a.setup.seed.to_string())}</b></span>
            <button type="button" class="link" on:click=copy>
                {move || if copied.get() { "Link copied" } else { "Copy link to this state" }}
            </button>
        </p>
    }
}

/// Whether what the open step shows was computed here.
fn computed(state: State) -> bool {
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
    let example = move || match step.get() {
        1 | 2 => false,
        3 => state.trained.with(|s| s.as_ref().is_some_and(|s| s.example)),
        4 => state.list.with(|s| s.as_ref().is_some_and(|s| s.example)),
        5 => state.forgot.with(|s| s.as_ref().is_some_and(|s| s.example)),
        6 => state.twin.with(|s| s.as_ref().is_some_and(|s| s.example)),
        7 => {
            let lesson = state.address.with(|a| a.lesson);
            state.broken.with(|all| all.iter().any(|s| s.example && Some(s.value.lesson) == lesson))
        }
        _ => state.cost.with(|s| s.as_ref().is_some_and(|s| s.example)),
    };
    move || example().then(|| view! { <p class="tag">"Example, computed elsewhere"</p> })
}

/// What went wrong, with a next step.
#[component]
pub(super) fn Trouble() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let skip = move |_| {
        let text = state.file.get_untracked();
        client.ask(What::Load { text, skip: true });
    };
    view! {
        <div role="alert">
            {move || state.failure.get().map(|failure| view! {
                <div class="trouble">
                    <p>{failure.sentence}</p>
                    <div class="row">
                        {failure.skippable.then(|| view! {
                            <button type="button" class="btn s" id="skip-lines" on:click=skip>"Skip faulty lines"</button>
                        })}
                        <button type="button" class="btn s quiet" on:click=move |_| state.failure.set(None)>"Close"</button>
                    </div>
                </div>
            })}
            {move || state.complaints.get().into_iter().map(|words| view! { <p class="trouble mild">{words}</p> }).collect_view()}
        </div>
    }
}
