//! Header, headline, the pane and the columns; keys and the live region.

use eemu_core::api::Phase;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::client::Client;
use super::deeds::Deeds;
use super::device::Devices;
use super::listing::Listing;
use super::paper::{Own, Paper};
use super::settings::Settings;
use super::state::{Doomed, State};
use super::who::{Account, Who};
use super::{example, location};
use crate::for_you::protocol::{Order, Remedy};
use crate::lab::page::focus;
use crate::parts::header::{Header, Place};
use crate::parts::language::spoken;
use crate::parts::late::Late;
use crate::parts::pane::{Pane, Piece};
use crate::parts::shapes::label;
use crate::parts::words;
use crate::say::say;

/// The whole page.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    // A task of its own: a program starts there.
    set_timeout(move || client.begin(), std::time::Duration::ZERO);
    location::follow(state);
    ask_when_changed(state, client);
    tell_when_seen(state, client);
    keys(state);
    document().set_title(&format!("{} · eemu", say!("place-for-you")));
    let shards = Memo::new(move |_| state.shards());
    view! {
        <a class="skip" href="#headline" on:click=move |event| { event.prevent_default(); focus("headline") }>
            {say!("y-skip-to-your-list")}
        </a>
        <Header here=Place::ForYou>
            <Late><Devices/><Account/></Late>
        </Header>
        <main class="wrap you" class:example=move || state.is_example() id="main">
            <div class="lead">
                <div>
                    <h1 id="headline" tabindex="-1">{move || headline(state)}</h1>
                    <p class="muted">{move || below(state)}</p>
                </div>
                {move || state.is_example().then(|| view! { <span class="tag">{say!("y-example")}</span> })}
            </div>
            <Trouble/>
            <Fetching/>
            // Somebody else’s page is another one: nothing of the last is moved to make room.
            <For each=move || [whose(state)] key=Clone::clone let:_whose>
                <Late soon=true><Pane pieces=pieces(state) shards toggle=Callback::new(move |shard| toggle(state, shard))/></Late>
                <div class="columns">
                    <div class="own"><Late><Who/></Late><Late><Deeds/></Late></div>
                    <Listing/>
                    <div class="side"><Late><Paper/></Late><Late><Own/></Late><Late><Settings/></Late></div>
                </div>
            </For>
        </main>
        <footer class="wrap foot small muted">
            <details id="keys">
                <summary>{say!("y-keys")}</summary>
                <p>
                    <kbd>"1"</kbd>{say!("y-to")}<kbd>"8"</kbd>{say!("y-and-arrows-act-on")}
                    <kbd>{say!("y-delete")}</kbd>{say!("y-on-a-purchase-asks")}<kbd>{say!("y-esc")}</kbd>{say!("y-keeps-it")}
                    <kbd>"?"</kbd>{say!("y-opens-this-list")}
                </p>
                <label class="chk">
                    <input type="checkbox" prop:checked=move || state.keys.get()
                        on:change=move |event| state.keys.set(event_target_checked(&event))/>
                    {say!("y-single-keys-act")}
                </label>
            </details>
            <p>
                {say!("y-lists-are-computed-in")}
            </p>
        </footer>
        <p class="sr" role="status" aria-live="polite" id="said">{move || state.said.get()}</p>
    }
}

/// Who is signed in. A visitor's first pick changes nothing that has the focus.
fn whose(state: State) -> Option<String> {
    state.service.with(|service| service.as_ref().and_then(|service| service.user.clone()))
}

/// Makes a list whenever what it follows from has changed.
fn ask_when_changed(state: State, client: Client) {
    let from = Memo::new(move |_| {
        let now = state.service.with(|service| {
            service.as_ref().filter(|s| s.complete && (!s.history.is_empty() || s.user.is_some())).map(|s| s.epoch)
        })?;
        Some((now, state.ask()?))
    });
    Effect::new(move |_| {
        if let Some((_, ask)) = from.get() {
            client.send(&Order::List(ask));
        }
    });
}

/// The worker looks for news while somebody looks at the page. What waits to be
/// forgotten is sent when they turn away: whoever leaves has not taken it back.
fn tell_when_seen(state: State, client: Client) {
    let seen = move |_: web_sys::Event| {
        let visible = !document().hidden();
        client.send(&Order::Visible(visible));
        if !visible {
            super::removal::send(state, client);
        }
    };
    let changed = window_event_listener_untyped("visibilitychange", seen);
    let online = window_event_listener_untyped("online", move |_| client.send(&Order::Sync));
    on_cleanup(move || {
        changed.remove();
        online.remove();
    });
}

fn toggle(state: State, shard: u32) {
    if state.is_example() {
        return;
    }
    state.chosen.update(|chosen| {
        if chosen.off.contains(&shard) {
            chosen.off.retain(|other| *other != shard);
        } else {
            chosen.off.push(shard);
            chosen.off.sort_unstable();
        }
    });
}

/// The headline is the state.
fn headline(state: State) -> String {
    let shards = state.shards() as usize;
    if let Some(none) =
        state.receipt.with(|receipt| receipt.as_ref().filter(|r| r.failed().is_some()).map(|r| r.size == 0))
    {
        return if none { say!("y-there-is-no-receipt") } else { say!("y-the-receipt-does-not-3") }.into();
    }
    if let Some(following) = state.following() {
        return match (following.account, following.phase) {
            (true, Phase::Accepted) => say!("y-noted-your-account-will").into(),
            (true, _) => say!("y-your-account-is-gone").into(),
            (_, Phase::Accepted) => say!("y-noted-it-will-be").into(),
            _ => say!("y-saved-from-now-on").into(),
        };
    }
    if let Some(receipt) = state.receipt.get().filter(|receipt| !receipt.again) {
        if receipt.account {
            return match receipt.shards.len() {
                0 | 1 => say!("y-your-account-is-gone-2").into(),
                _ => say!("y-your-account-is-gone-3").into(),
            };
        }
        if shards == 1 {
            return say!("y-forgotten-the-model-is").into();
        }
        let again = receipt.shards.len();
        let still = words::number(shards.saturating_sub(again));
        return say!("y-forgotten", n = again, again = words::number_first(again), still);
    }
    if state.is_example() {
        let done = state.trial.with(|trial| trial.as_ref().map(|trial| trial.twin.is_some()));
        return match done {
            Some(true) => say!("y-forgotten-and-proved-in"),
            Some(false) => say!("y-one-purchase-is-being"),
            None => say!("y-a-recommender-that-forge"),
        }
        .into();
    }
    if state.fetching.with(Option::is_some) {
        if shards == 1 {
            return say!("y-the-model-is-on").into();
        }
        return say!("y-models-are-on-their", word = words::number_first(shards));
    }
    if state.list.with(|list| list.as_ref().is_some_and(|list| list.popular)) {
        return say!("y-no-clean-model-is").into();
    }
    say!("y-your-list-made-in").into()
}

fn below(state: State) -> String {
    let shards = state.shards();
    if let Some(why) = state.receipt.with(|receipt| receipt.as_ref().and_then(|r| r.failed().map(str::to_owned))) {
        return say!("y-keep-the-file-and", why);
    }
    if let Some(following) = state.following() {
        if following.phase == Phase::Accepted {
            return say!("y-it-is-carried-out").into();
        }
        let standing: Vec<String> = following
            .progress
            .iter()
            .map(|&(shard, phase, epoch, epochs)| match phase {
                Phase::Retraining if epoch > 0 => {
                    say!("y-is-retraining-epoch-of", shard = label(shard, shards), epoch, epochs)
                }
                Phase::Publishing => say!("y-is-being-put-in", shard = label(shard, shards)),
                Phase::Done => say!("y-is-back", shard = label(shard, shards)),
                _ => say!("y-is-left-out-and", shard = label(shard, shards)),
            })
            .collect();
        let standing = match standing.len() {
            0..=2 => standing,
            n => vec![say!("y-shards-are-left-out", word = words::number_first(n))],
        };
        return match standing.is_empty() {
            true => say!("y-the-receipt-is-on").into(),
            false if following.seconds > 0 => {
                say!("y-it-takes", standing = standing.join(", "), about = words::about(following.seconds))
            }
            false => format!("{}.", standing.join(", ")),
        };
    }
    if state.is_example() {
        return say!("y-whatever-somebody-delete").into();
    }
    if state.list.with(|list| list.as_ref().is_some_and(|list| list.popular)) {
        return say!("y-all-models-that-may").into();
    }
    if state.service.with(|s| s.as_ref().is_some_and(|s| s.user.is_none() && s.history.is_empty())) {
        return say!("y-nobody-is-signed-in").into();
    }
    let models = match (shards, state.by_person()) {
        (1, _) => say!("y-one-model-taught-by").into(),
        (n, true) => {
            say!("y-small-models-each-taught", word = words::number(n as usize))
        }
        (n, false) => {
            say!("y-small-models-each-taught-2", word = words::number(n as usize))
        }
    };
    say!("y-it-comes-from", models, adapted = adapted(state))
}

/// What adapted the models of the list.
fn adapted(state: State) -> String {
    let used = state.list.with(|list| list.as_ref().map_or(0, |l| l.set.iter().filter(|(.., n)| *n > 0).count()));
    if !state.kind().is_of_items() {
        return say!("y-adapts-drawn", n = used, word = words::number_first(used));
    }
    let shards = state.shards();
    let (all, what) = state.service.with(|s| {
        s.as_ref().map_or((0, "records"), |s| (s.history.len(), if s.user.is_some() { "records" } else { "picks" }))
    });
    match used {
        0 => say!("y-adapts-none", what, shards),
        1 => say!("y-adapts-one", what, shards),
        n if n == all => say!("y-adapts-all", n, what, shards),
        n => say!("y-adapts-some", n, what, shards),
    }
}

/// What becomes of each shard.
fn pieces(state: State) -> Signal<Vec<Piece>> {
    Signal::derive(move || {
        let Some(shards) = state.shown(|service| service.shards.clone()) else { return Vec::new() };
        let followings = state.followings.get();
        let nobody = state.service.with(|s| s.as_ref().is_some_and(|s| s.user.is_none() && s.history.is_empty()));
        let receipt = if state.is_example() { example::receipt() } else { state.receipt.get() };
        let tried = if state.is_example() { super::trial::touched(state) } else { None };
        let off = state.chosen.with(|chosen| chosen.off.clone());
        let before = state.before.get();
        let piece = |(shard, now): (u32, &crate::for_you::protocol::Shard)| {
            if let Some(tried) = &tried {
                let again = tried.contains(&shard);
                let note = if again { say!("y-trained-anew-here") } else { say!("y-unchanged") };
                let caption = if again { "v1 → v2" } else { "v1" };
                return Piece { caption: caption.into(), note: note.into(), level: None, lifted: again, masked: false };
            }
            let on_its_way = followings.iter().find_map(|f| f.progress.iter().find(|at| at.0 == shard)).copied();
            let again = receipt.as_ref().and_then(|receipt| receipt.shards.iter().find(|(index, ..)| *index == shard));
            let version = now.version.map_or("–".into(), |version| format!("v{version}"));
            let was = before.get(shard as usize).copied().flatten();
            if let Some((_, phase, epoch, epochs)) = on_its_way {
                let level = if phase == Phase::Retraining { epoch * 100 / epochs.max(1) } else { 0 };
                let note = if phase == Phase::Retraining && epoch > 0 {
                    say!("y-piece-epoch", epoch, epochs)
                } else {
                    say!("y-out-of-the-mean").into()
                };
                let caption = was.map_or(version, |was| format!("v{was}"));
                return Piece { caption, note, level: Some(level), lifted: true, masked: level == 0 };
            }
            let retrained = match again.and_then(|(_, was, _)| *was) {
                Some(was) => say!("y-piece-was", was = was.to_string()),
                None => say!("y-piece-retrained").into(),
            };
            let (note, masked) = match (now, again.is_some()) {
                _ if off.contains(&shard) && !state.is_example() => (say!("y-switched-off"), true),
                (now, _) if now.damaged => (say!("y-piece-damaged"), true),
                (now, _) if now.version.is_none() => (say!("y-out-of-the-mean"), true),
                (now, false) if !now.here && !nobody => (say!("y-not-here-yet"), false),
                (_, true) => (retrained.as_str(), false),
                _ if receipt.is_some() => (say!("y-unchanged"), false),
                _ => (say!("y-in-the-mean"), false),
            };
            let level = (!now.here && !nobody && !now.damaged && now.version.is_some()).then_some(0);
            Piece { caption: version, note: note.into(), level, lifted: again.is_some(), masked }
        };
        (0..).zip(&shards).map(piece).collect()
    })
}

/// What went wrong, with a next step.
#[component]
fn Trouble() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    move || {
        state.trouble.get().map(|trouble| {
            let act = move |remedy: Remedy| match remedy {
                Remedy::TrustLog => client.send(&Order::TrustLog),
                Remedy::None | Remedy::Retry | Remedy::Download => client.send(&Order::Sync),
            };
            let words = match trouble.remedy {
                Remedy::None => None,
                Remedy::Retry => Some(say!("y-try-again")),
                Remedy::Download => Some(say!("y-download-again")),
                Remedy::TrustLog => Some(say!("y-trust-the-new-log")),
            };
            let remedy = trouble.remedy;
            view! {
                <div class="trouble" class:mild=trouble.mild role="alert">
                    <p>{spoken(&trouble.sentence)}</p>
                    <div class="row">
                        {words.map(|words| view! {
                            <button type="button" class="btn s" id="remedy" on:click=move |_| act(remedy)>{words}</button>
                        })}
                        <button type="button" class="btn s quiet" on:click=move |_| state.trouble.set(None)>{say!("y-close")}</button>
                    </div>
                </div>
            }
        })
    }
}

/// How far fetching is.
#[component]
fn Fetching() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let share =
        move || state.fetching.with(|f| f.as_ref().map_or(0, |f| (f.got * 100).checked_div(f.total).unwrap_or(100)));
    let words = move || {
        state.fetching.with(|f| {
            f.as_ref().map_or(String::new(), |f| say!("y-of", size = words::size(f.got), size2 = words::size(f.total)))
        })
    };
    let there = Memo::new(move |_| state.fetching.with(Option::is_some));
    move || {
        there.get().then(|| view! {
            <div class="fetching">
                <div
                    class="bar" role="progressbar" aria-label=say!("y-fetching-models")
                    aria-valuemin="0" aria-valuemax="100" aria-valuenow=share aria-valuetext=words
                >
                    <i style:width=move || format!("{}%", share())></i>
                </div>
                <span class="small num">{words}</span>
                <button type="button" class="btn s" id="stop" on:click=move |_| client.send(&Order::Stop)>{say!("y-cancel")}</button>
            </div>
        })
    }
}

/// Keys act anywhere but in fields, and can be switched off.
fn keys(state: State) {
    let handle = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" && state.doomed.with_untracked(Option::is_some) {
            let doomed = state.doomed.get_untracked();
            state.doomed.set(None);
            if let Some(Doomed::Some(deeds)) = doomed
                && let Some(first) = deeds.first()
            {
                super::deeds::focus_row(first);
            }
            return;
        }
        if !state.keys.get_untracked() || event.ctrl_key() || event.alt_key() || event.meta_key() {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let tag = target.as_ref().map_or_else(String::new, web_sys::Element::tag_name).to_ascii_lowercase();
        if event.key() == "?" && !matches!(tag.as_str(), "input" | "select" | "textarea") {
            crate::lab::page::toggle_help();
        }
    });
    on_cleanup(move || handle.remove());
}
