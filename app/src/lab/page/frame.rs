//! Header, rail of steps, the stage, keys and the live region.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::client::Client;
use super::controls::{Controls, Go, Tag};
use super::downloads::Downloads;
use super::opening::Trouble;
use super::predict::{Predict, revealed};
use super::state::State;
use super::words::{self, said};
use super::{costs, early, listing, location, mistakes, twins};
use crate::lab::address::{Address, STEPS as COUNT};
use crate::lab::guess::Topic;
use crate::lab::protocol::What;
use crate::lab::setup::Setup;
use crate::parts::header::{DeviceBadge, Header, Place};
use crate::say::say;

/// The whole page.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let (address, complaints) = Address::parse(&location::fragment());
    let state = State::new(address, complaints);
    let client = Client::start(state);
    location::follow(state, client);
    build_when_asked(state, client);
    keys(state, client);
    let help = RwSignal::new(false);
    provide_context(state);
    provide_context(client);
    provide_context(help);
    let step = Memo::new(move |_| state.address.with(|address| address.step));
    let shards = Memo::new(move |_| state.address.with(|address| address.setup.shards));
    let cut = Memo::new(move |_| state.address.with(|address| address.setup.cut));
    let shown = Memo::new(move |_| super::predict::topic(state).is_none_or(|topic| revealed(state, topic)));
    Effect::new(move |before: Option<u8>| {
        document().set_title(&format!("{} · {} · eemu", words::name(step.get(), shards.get()), say!("place-lab")));
        // A new step begins at its headline.
        if before.is_some_and(|before| before != step.get()) {
            focus("headline");
            window().scroll_to_with_x_and_y(0.0, 0.0);
        }
        step.get()
    });
    view! {
        <a class="skip" href="#headline" on:click=move |event| { event.prevent_default(); focus("headline") }>
            {say!("l-skip-to-the-step")}
        </a>
        <Header here=Place::Lab><DeviceBadge why=say!("l-bytes-promised")/></Header>
        <Rail step shards/>
        <main class="wrap" id="main">
            <div class="stage">
                <section class="say" aria-labelledby="headline">
                    <h1 id="headline" tabindex="-1">{move || words::name(step.get(), shards.get())}</h1>
                    <div class="text">
                        {move || said(step.get(), cut.get(), shown.get()).into_iter().map(|p| view! { <p>{p}</p> }).collect_view()}
                    </div>
                    <Predict/>
                    <Verdict step/>
                    <Controls step/>
                    <Go step/>
                </section>
                <section class="fig card" aria-label=say!("l-figure")>
                    <Trouble/>
                    <Tag step/>
                    {move || figure(step.get())}
                    <Downloads step/>
                </section>
            </div>
        </main>
        <Foot/>
        <p class="sr" role="status" aria-live="polite" id="said">{move || state.said.get()}</p>
    }
}

fn figure(step: u8) -> AnyView {
    match step {
        1 => view! { <early::World/> }.into_any(),
        2 => view! { <early::Trays/> }.into_any(),
        3 => view! { <early::Training/> }.into_any(),
        4 => view! { <listing::Listing/> }.into_any(),
        5 => view! { <early::Forgetting/> }.into_any(),
        6 => view! { <twins::Twins/> }.into_any(),
        7 => view! { <mistakes::Mistakes/> }.into_any(),
        _ => view! { <costs::Costs/> }.into_any(),
    }
}

pub(crate) fn focus(id: &str) {
    let element = document().get_element_by_id(id).and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
    if let Some(element) = element {
        // An element that is gone needs no focus.
        let _ = element.focus();
    }
}

/// Cuts the world as soon as the worker listens, and again when it changes.
fn build_when_asked(state: State, client: Client) {
    let setup = Memo::new(move |_| state.address.with(|address| address.setup.clone()));
    Effect::new(move |known: Option<Option<Setup>>| {
        let setup = setup.get();
        if !state.ready.get() {
            return None;
        }
        if known.flatten().as_ref() != Some(&setup) {
            // A table that was opened meanwhile comes before the world of the link.
            if let Some(early) = client.take_early() {
                client.ask(early);
            } else {
                client.ask(What::Build);
            }
        }
        Some(setup)
    });
}

/// Opens another step, if there is one.
pub(super) fn go(state: State, step: u8) {
    if (1..=COUNT).contains(&step) {
        state.address.update(|address| *address = address.at(step));
    }
}

/// Keys act anywhere but in fields, and can be switched off.
fn keys(state: State, client: Client) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if !state.keys.get_untracked() || event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let tag = target.as_ref().map_or_else(String::new, web_sys::Element::tag_name).to_ascii_lowercase();
        if matches!(tag.as_str(), "input" | "select" | "textarea") {
            return;
        }
        let step = state.address.with_untracked(|address| address.step);
        match event.key().as_str() {
            "[" => go(state, step.saturating_sub(1)),
            "]" => go(state, step + 1),
            "Escape" if state.running.with_untracked(Option::is_some) => client.stop(),
            // A button that has the focus acts by itself.
            " " if !matches!(tag.as_str(), "button" | "a" | "summary") => {
                event.prevent_default();
                super::controls::play(state, client);
            }
            "?" => toggle_help(),
            _ => {}
        }
    });
    on_cleanup(move || handle.remove());
}

pub(crate) fn toggle_help() {
    if let Some(element) = document().get_element_by_id("keys") {
        // Opening by attribute keeps `details` in charge.
        let _ = if element.has_attribute("open") {
            element.remove_attribute("open")
        } else {
            element.set_attribute("open", "")
        };
        element.scroll_into_view();
    }
}

#[component]
fn Rail(step: Memo<u8>, shards: Memo<u32>) -> impl IntoView {
    let state = expect_context::<State>();
    let item = move |number: u8| {
        let link = move || state.address.with(|address| format!("#{}", address.at(number).fragment()));
        view! {
            <li>
                <a
                    href=link
                    class:done=move || number < step.get()
                    aria-current=move || (number == step.get()).then_some("step")
                    on:click=move |event| {
                        event.prevent_default();
                        go(state, number);
                    }
                >
                    <span class="n num">{number}</span>
                    <span class="t">{move || words::name(number, shards.get())}</span>
                </a>
            </li>
        }
    };
    view! {
        <nav class="rail" aria-label=say!("l-steps")>
            <div class="wrap"><ol>{(1..=COUNT).map(item).collect_view()}</ol></div>
        </nav>
    }
}

/// The result in a few large words.
#[component]
fn Verdict(step: Memo<u8>) -> impl IntoView {
    let state = expect_context::<State>();
    let words = move || -> Option<(&'static str, String)> {
        match step.get() {
            5 if !revealed(state, Topic::Forget) => None,
            5 => state.forgot.with(|shown| {
                shown.as_ref().map(|shown| {
                    let again = shown.value.shards.len();
                    let still = shown.value.after.hashes.len() - again;
                    ("ok", say!("l-rebuilt", n = again, still))
                })
            }),
            6 if !revealed(state, Topic::Twin) => None,
            6 => state.twin.with(|shown| {
                shown.as_ref().map(|shown| {
                    let (differing, all) = (shown.value.differing(), shown.value.own.len());
                    match differing {
                        0 if shown.value.records_equal => ("ok", say!("l-of-hashes-equal-byte", all)),
                        _ => ("bad", say!("l-of-hashes-differ-2", differing, all)),
                    }
                })
            }),
            7 => {
                let lesson = state.address.with(|address| address.lesson)?;
                if !revealed(state, Topic::Mistake(lesson)) {
                    return None;
                }
                state.broken.with(|all| {
                    let shown = all.iter().find(|shown| shown.value.lesson == lesson)?;
                    let (differing, all) = (shown.value.differing(), shown.value.twin.own.len());
                    Some(match differing {
                        0 => ("caution", say!("l-no-difference-this-time-2").to_owned()),
                        n => ("bad", say!("l-of-hashes-differ-3", n, all)),
                    })
                })
            }
            _ => None,
        }
    };
    // What is under way keeps its place, so that nothing jumps at its end.
    let under_way = move || {
        let waits = match step.get() {
            5 => revealed(state, Topic::Forget),
            6 => revealed(state, Topic::Twin),
            7 => state.address.with(|a| a.lesson.is_some_and(|lesson| a.reveals(Topic::Mistake(lesson)))),
            _ => false,
        };
        waits.then(|| ("muted", say!("l-not-computed-yet").to_owned()))
    };
    let picture = |kind: &str| match kind {
        "ok" => "m5.4 10.4 3.1 3.1 6.2-6.6",
        "bad" => "M6.4 6.4l7.2 7.2m0-7.2l-7.2 7.2",
        "caution" => "M10 5.4v5.4m0 3v.2",
        _ => "M6 10h.2m3.7 0h.2m3.7 0h.2",
    };
    move || {
        words().or_else(under_way).map(|(kind, text)| {
            view! {
                <div class=format!("verdict {kind}")>
                    <svg class="tick" viewBox="0 0 20 20" aria-hidden="true">
                        <circle cx="10" cy="10" r="10"></circle>
                        <path d=picture(kind)></path>
                    </svg>
                    <span>{text}</span>
                </div>
            }
        })
    }
}

#[component]
fn Foot() -> impl IntoView {
    let state = expect_context::<State>();
    view! {
        <footer class="wrap foot small muted">
            <details id="keys">
                <summary>{say!("l-keys")}</summary>
                <p>
                    {say!("l-arrows-move-between-dots")}
                    <kbd>"["</kbd> {say!("l-and")} <kbd>"]"</kbd> {say!("l-change-the-step")} <kbd>{say!("l-space")}</kbd> {say!("l-plays")}
                    <kbd>{say!("l-esc")}</kbd> {say!("l-stops")} <kbd>"1"</kbd> {say!("l-to")} <kbd>"8"</kbd> {say!("l-switch-a-piece-of")} <kbd>"?"</kbd> {say!("l-opens-this-list")}
                </p>
                <label class="chk">
                    <input
                        type="checkbox"
                        prop:checked=move || state.keys.get()
                        on:change=move |event| state.keys.set(event_target_checked(&event))
                    />
                    {say!("l-single-keys-act")}
                </label>
            </details>
            <p>
                {say!("l-everything-here-is-compu")}
            </p>
        </footer>
    }
}
