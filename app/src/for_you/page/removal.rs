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
use crate::say::say;

/// Seconds in which a yes can be taken back.
const BACK: u32 = 5;

/// Asks in place, with what it costs.
#[component]
pub(super) fn Confirm(deeds: Vec<Deed>, shards: u32) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let what = match deeds.as_slice() {
        [one] => say!("quoted", name = one.name),
        many => say!("n-records", n = many.len()),
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
        <div class="confirm" role="group" aria-label=say!("y-forget-3", what)>
            <p class="small">{say!("y-forget-4", what, cost)}</p>
            <div class="row">
                <button type="button" class="btn s primary" id="confirm" on:click=go>{say!("y-forget-2")}</button>
                <button type="button" class="btn s" on:click=move |_| {
                    state.doomed.set(None);
                    if let Some(kept) = &kept {
                        focus_row(kept);
                    }
                }>{say!("y-keep")}</button>
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
            say!("y-cost-one-shard", n = deeds.len(), letter)
        }
        [] if held_out && by_person => say!("y-it-is-held-out").into(),
        [] => say!("y-it-is-held-out-2").into(),
        many => {
            let letters: Vec<String> = many.iter().map(|shard| label(*shard, shards)).collect();
            say!("y-they-are-in-the", letters = letters.join(", "))
        }
    }
}

/// Gives a few seconds to take it back, then sends it.
fn begin(state: State, client: Client, deeds: Vec<Deed>) {
    state.refused_deeds.set(Vec::new());
    state.say(say!("y-undo-takes-back", n = deeds.len(), seconds = BACK));
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
                    [one] => say!("quoted", name = one.name),
                    many => say!("n-records", n = many.len()),
                };
                say!("y-waiting", n = pending.deeds.len(), what, left = pending.left)
            })
        })
    };
    let undo = move |_| {
        let pending = state.pending.get_untracked();
        state.pending.set(None);
        state.say(say!("y-taken-back-nothing-was"));
        if let Some(first) = pending.and_then(|pending| pending.deeds.first().cloned()) {
            focus_row(&first);
        }
    };
    move || {
        there.get().then(|| view! {
            <div class="waiting" role="group" aria-label=say!("y-about-to-be-forgotten")>
                <p class="small">{words}</p>
                <div class="row">
                    <button type="button" class="btn s primary" id="undo" on:click=undo>{say!("y-undo")}</button>
                    <button type="button" class="btn s" id="now" on:click=move |_| send(state, client)>{say!("y-forget-now")}</button>
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
        ([], _) => say!("y-in-no-shard-nothing").into(),
        (_, 1) if all == 1 => say!("y-in-the-only-shard").into(),
        ([only], _) => {
            let letter = label(*only, all as u32);
            say!("y-in-shard-alone-is", letter, n = all - 1, word = words::number(all - 1))
        }
        (_, count) if count == all => {
            let all = words::number(all);
            say!("y-in-all-shards-all", all)
        }
        (_, count) => say!(
            "y-fate-some",
            some = words::number(count),
            all = words::number(all),
            first = words::number_first(count)
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
        let what = if account { say!("y-delete-account-ask") } else { say!("y-forget-all-ask") };
        let token = if account { say!("y-token-ends") } else { "" };
        // What cannot be undone does not have the focus.
        request_animation_frame(|| focus("keep"));
        Some(view! {
            <div class="confirm card" role="group" aria-label=what>
                <p>{format!("{what} {} {token}", say!("y-your-records-lie", n = count, fate)).trim_end().to_owned()}" "{say!("y-not-undone")}</p>
                <div class="row">
                    <button type="button" class="btn s danger" id="confirm" on:click=move |_| {
                        remember(state);
                        state.receipt.set(None);
                        state.doomed.set(None);
                        state.gone.set(Vec::new());
                        client.send(&Order::Forget(if account { What::Account } else { What::All }));
                        focus("headline");
                    }>{if account { say!("y-delete-the-account") } else { say!("y-forget-everything") }}</button>
                    <button type="button" class="btn s" id="keep" on:click=move |_| { state.doomed.set(None); focus("account") }>{say!("y-keep")}</button>
                </div>
            </div>
        })
    }
}
