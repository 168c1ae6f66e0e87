//! Asking before something is forgotten, with what it costs, and the seconds in
//! which it can be taken back.

use std::time::Duration;

use leptos::prelude::*;

use super::client::Client;
use super::deeds::focus_row;
use super::state::{Doomed, Pending, State};
use crate::for_you::protocol::{Deed, Order, What};
use crate::lab::page::focus;
use crate::parts::shapes::label;
use crate::parts::words;

/// Seconds in which a yes can be taken back.
const BACK: u32 = 5;

/// Asks in place, with what it costs.
#[component]
pub(super) fn Confirm(deeds: Vec<Deed>, shards: u32) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let what = match deeds.as_slice() {
        [one] => format!("‘{}’", one.name),
        many => words::count(many.len() as u64, "record", "records"),
    };
    let cost = cost(&deeds, shards, state.by_person());
    let (sent, kept) = (deeds.clone(), deeds.first().cloned());
    request_animation_frame(|| focus("confirm"));
    let go = move |_| {
        state.doomed.set(None);
        state.choosing.set(None);
        begin(state, client, sent.clone());
    };
    view! {
        <div class="confirm" role="group" aria-label=format!("Forget {what}?")>
            <p class="small">{format!("Forget {what}? {cost}")}</p>
            <div class="row">
                <button type="button" class="btn s primary" id="confirm" on:click=go>"Forget"</button>
                <button type="button" class="btn s" on:click=move |_| {
                    state.doomed.set(None);
                    if let Some(kept) = &kept {
                        focus_row(kept);
                    }
                }>"Keep"</button>
            </div>
        </div>
    }
}

fn cost(deeds: &[Deed], shards: u32, by_person: bool) -> String {
    let mut named: Vec<u32> = deeds.iter().filter_map(|deed| deed.shard).collect();
    named.sort_unstable();
    named.dedup();
    let held_out = deeds.iter().all(|deed| deed.shard.is_none());
    match named.as_slice() {
        [shard] => {
            let letter = label(*shard, shards);
            let it = if deeds.len() == 1 { "It is" } else { "They are" };
            format!("{it} in shard {letter}. {letter} is left out at once and retrained from scratch; the others stay.")
        }
        [] if held_out && by_person => {
            "It is held out for measuring. Your shard changes all the same: it is left out at once and retrained from \
             scratch; the others stay."
                .into()
        }
        [] => "It is held out for measuring, so up to three shards change. They are left out at once and retrained."
            .into(),
        many => {
            let letters: Vec<String> = many.iter().map(|shard| label(*shard, shards)).collect();
            format!(
                "They are in the shards {}, which are left out at once and retrained from scratch; the others stay.",
                letters.join(", ")
            )
        }
    }
}

/// Gives a few seconds to take it back, then sends it.
fn begin(state: State, client: Client, deeds: Vec<Deed>) {
    state.refused_deeds.set(Vec::new());
    state.say(format!(
        "{} will be forgotten in {BACK} seconds. Undo takes it back.",
        words::count(deeds.len() as u64, "record", "records")
    ));
    state.pending.set(Some(Pending { deeds, left: BACK }));
    request_animation_frame(|| focus("undo"));
    tick(state, client);
}

fn tick(state: State, client: Client) {
    set_timeout(
        move || {
            let Some(pending) = state.pending.get_untracked() else { return };
            if pending.left <= 1 {
                return send(state, client);
            }
            state.pending.set(Some(Pending { left: pending.left - 1, ..pending }));
            tick(state, client);
        },
        Duration::from_secs(1),
    );
}

/// Sends what waits.
pub(super) fn send(state: State, client: Client) {
    let Some(pending) = state.pending.get_untracked() else { return };
    state.pending.set(None);
    remember(state);
    state.receipt.set(None);
    // Struck out once the server has said that it holds.
    let what = State::what(&pending.deeds);
    state.sent.set(pending.deeds.clone());
    client.send(&Order::Forget(what));
    if let Some(first) = pending.deeds.first() {
        focus_row(first);
    }
}

/// What waits to be sent, and the way back.
#[component]
pub(super) fn Waiting() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let there = Memo::new(move |_| state.pending.with(Option::is_some));
    let words = move || {
        state.pending.with(|pending| {
            pending.as_ref().map_or_else(String::new, |pending| {
                let what = match pending.deeds.as_slice() {
                    [one] => format!("‘{}’", one.name),
                    many => words::count(many.len() as u64, "record", "records"),
                };
                format!("{what} will be forgotten in {} s.", pending.left)
            })
        })
    };
    let undo = move |_| {
        let pending = state.pending.get_untracked();
        state.pending.set(None);
        state.say("Taken back. Nothing was sent.");
        if let Some(first) = pending.and_then(|pending| pending.deeds.first().cloned()) {
            focus_row(&first);
        }
    };
    move || {
        there.get().then(|| view! {
            <div class="waiting" role="group" aria-label="About to be forgotten">
                <p class="small">{words}</p>
                <div class="row">
                    <button type="button" class="btn s primary" id="undo" on:click=undo>"Undo"</button>
                    <button type="button" class="btn s" id="now" on:click=move |_| send(state, client)>"Forget now"</button>
                </div>
            </div>
        })
    }
}

/// Versions before, for the pane.
pub(super) fn remember(state: State) {
    let versions = state.service.with_untracked(|service| {
        service.as_ref().map(|s| s.shards.iter().map(|shard| shard.version).collect()).unwrap_or_default()
    });
    state.before.set(versions);
}

/// Where all of somebody's records lie, and what becomes of those shards.
fn fate(touched: &[u32], all: usize) -> String {
    match (touched, touched.len()) {
        ([], _) => "in no shard: nothing retrains.".into(),
        (_, 1) if all == 1 => {
            "in the only shard. It retrains from scratch; until then lists are the most popular items.".into()
        }
        ([only], _) => {
            let letter = label(*only, all as u32);
            format!(
                "in shard {letter} alone. {letter} is left out at once and retrained from scratch; the other {} stay.",
                words::number(all - 1)
            )
        }
        (_, count) if count == all => {
            let all = words::number(all);
            format!("in all {all} shards. All {all} retrain from scratch; until then lists are the most popular items.")
        }
        (_, count) => format!(
            "in {} of {all} shards. {} are left out at once and retrained from scratch; the others stay.",
            words::number(count),
            words::number_first(count)
        ),
    }
}

/// Asks before everything goes.
#[component]
pub(super) fn Everything() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    move || {
        let Some(Doomed::All { account }) = state.doomed.get() else { return None };
        let (count, touched) = state.service.with_untracked(|service| {
            service.as_ref().map_or((0, Vec::new()), |service| {
                let mut touched: Vec<u32> = service.history.iter().filter_map(|deed| deed.shard).collect();
                touched.sort_unstable();
                touched.dedup();
                (service.history.len(), touched)
            })
        });
        let all = state.shards() as usize;
        let fate = fate(&touched, all);
        let what = if account { "Delete the account? " } else { "Forget everything? " };
        let token = if account { " Your token ends, too." } else { "" };
        // What cannot be undone does not have the focus.
        request_animation_frame(|| focus("keep"));
        Some(view! {
            <div class="confirm card" role="group" aria-label=what>
                <p>{format!(
                    "{what}Your {} {} {fate}{token} This cannot be undone.",
                    words::count(count as u64, "record", "records"),
                    if count == 1 { "lies" } else { "lie" },
                )}</p>
                <div class="row">
                    <button type="button" class="btn s danger" id="confirm" on:click=move |_| {
                        remember(state);
                        state.receipt.set(None);
                        state.doomed.set(None);
                        state.gone.set(Vec::new());
                        client.send(&Order::Forget(if account { What::Account } else { What::All }));
                        focus("headline");
                    }>{if account { "Delete the account" } else { "Forget everything" }}</button>
                    <button type="button" class="btn s" id="keep" on:click=move |_| { state.doomed.set(None); focus("account") }>"Keep"</button>
                </div>
            </div>
        })
    }
}
