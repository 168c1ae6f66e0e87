//! What the reader can turn while a result is in sight: shards, what cuts
//! them, the seed, the dot. A result that was computed is computed anew.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::client::Client;
use super::controls::{again, computed, dot_name};
use super::predict::revealed;
use super::state::State;
use crate::lab::guess::Topic;
use crate::lab::protocol::{Built, Dot, Lesson};
use crate::lab::setup::{Cut, Setup};
use crate::parts::shapes::Mark;
use crate::say::say;

/// Another setup: results go, and come anew where there were some.
fn turn(state: State, act: impl FnOnce(&mut Setup)) {
    let live = computed(state);
    let before = state.address.with_untracked(|address| address.setup.clone());
    let mut setup = before.clone();
    act(&mut setup);
    if setup == before {
        return;
    }
    state.address.update(|address| {
        if setup.shards != before.shards {
            address.list.off.clear();
        }
        address.setup = setup;
    });
    state.reset();
    state.replay.set(live);
}

/// Another dot; beside a twin or a mistake its result is computed where the
/// last one's was.
fn choose(state: State, client: Client, dot: Dot) {
    let (live, step) = (computed(state), state.address.with_untracked(|address| address.step));
    if state.address.with_untracked(|address| address.dot != dot) {
        state.choose(dot);
        if live && step > 5 {
            again(state, client);
        }
    }
}

#[component]
pub(super) fn ShardChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        if let Ok(shards) = event_target_value(&event).parse() {
            turn(state, |setup| setup.shards = shards);
        }
    };
    let chosen = move || state.address.with(|address| address.setup.shards);
    view! {
        <label class="field">
            <span>{say!("l-shards-2")}</span>
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
pub(super) fn CutChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        let cut = if event_target_value(&event) == "people" { Cut::People } else { Cut::Records };
        turn(state, |setup| setup.cut = cut);
    };
    let chosen = move || state.address.with(|address| address.setup.cut);
    view! {
        <label class="field">
            <span>{say!("l-cut-by-2")}</span>
            <select id="cut" on:change=choose>
                <option value="records" prop:selected=move || chosen() == Cut::Records>{say!("l-records")}</option>
                <option value="people" prop:selected=move || chosen() == Cut::People>{say!("l-people")}</option>
            </select>
        </label>
    }
}

#[component]
pub(super) fn SeedChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        if let Ok(seed) = event_target_value(&event).parse::<u32>() {
            turn(state, |setup| setup.seed = u64::from(seed));
        }
    };
    view! {
        <label class="field">
            <span>{say!("l-seed-3")}</span>
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

/// The shard that the open step believes a dot to be in: under a mistake that
/// deals records like cards it is another.
fn shard_here(state: State, dot: Dot) -> Option<u32> {
    let (step, lesson) = state.address.with(|address| (address.step, address.lesson));
    let dealt = step == 7 && lesson == Some(Lesson::Order);
    let placed = state.built.with(|b| b.as_ref().and_then(|b| b.value.dots.iter().find(|p| p.dot == dot).copied()))?;
    Some(if dealt { placed.dealt } else { placed.shard })
}

/// Which dot is meant, and selects for another: dots are too small for a thumb.
#[component]
pub(super) fn DotChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let line = move || {
        let dot = state.address.with(|address| address.dot);
        let shards = state.address.with(|address| address.setup.shards);
        let (who, what) = dot_name(state, dot);
        let dealt = state.address.with(|address| address.step == 7 && address.lesson == Some(Lesson::Order));
        let shard = shard_here(state, dot).map(|shard| view! { <Mark shard shards small=true/> });
        (!what.is_empty()).then(|| {
            view! {
                <p class="dotline">
                    {shard}
                    <span><b>{what}</b>", "{who}{dealt.then(|| say!("l-as-dealt"))}</span>
                </p>
            }
        })
    };
    view! { {line} <PickDot/> }
}

#[component]
fn PickDot() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let dots = move || state.built.with(|built| built.as_ref().map(|b| b.value.dots.clone()).unwrap_or_default());
    let names = move |of: fn(&Built) -> &Vec<String>| {
        state.built.with(|built| built.as_ref().map(|built| of(&built.value).clone()).unwrap_or_default())
    };
    let chosen = move || state.address.with(|address| address.dot);
    let who = move || {
        let names = names(|built| &built.households);
        let now = chosen().household;
        (0u32..)
            .zip(names)
            .map(|(row, name)| view! { <option value=row.to_string() selected=row == now>{name}</option> })
            .collect_view()
    };
    let what = move || {
        let names = names(|built| &built.products);
        let now = chosen();
        let own = dots().into_iter().filter(|placed| placed.dot.household == now.household);
        own.map(|placed| {
            let name = names.get(placed.dot.product as usize).cloned().unwrap_or_default();
            view! { <option value=placed.dot.product.to_string() selected=placed.dot == now>{name}</option> }
        })
        .collect_view()
    };
    let pick = move |household: u32, product: Option<u32>| {
        let found = dots()
            .into_iter()
            .map(|placed| placed.dot)
            .find(|dot| dot.household == household && product.is_none_or(|product| dot.product == product));
        if let Some(dot) = found {
            choose(state, client, dot);
        }
    };
    view! {
        <div class="pick-dot">
            <label class="field"><span>{say!("l-whose")}</span>
                <select id="pick-who" on:change=move |event| {
                    if let Ok(household) = event_target_value(&event).parse() {
                        pick(household, None);
                    }
                }>{who}</select>
            </label>
            <label class="field"><span>{say!("l-what")}</span>
                <select id="pick-what" on:change=move |event| {
                    if let Ok(product) = event_target_value(&event).parse() {
                        pick(chosen().household, Some(product));
                    }
                }>{what}</select>
            </label>
        </div>
    }
}

/// What forgetting the dot's whole household would take, by either cut.
#[component]
pub(super) fn Account() -> impl IntoView {
    let state = expect_context::<State>();
    move || {
        let household = state.address.with(|address| address.dot.household);
        let (shards, cut) = state.address.with(|address| (address.setup.shards, address.setup.cut));
        let built = state.built.get().filter(|_| revealed(state, Topic::Forget))?.value;
        let who = built.households.get(household as usize).cloned().unwrap_or_default();
        let lies = account(&built, household);
        let records = built.spread.get(household as usize).copied().unwrap_or(0);
        let purchases = built.dots.iter().filter(|placed| placed.dot.household == household).count();
        let other = match cut {
            Cut::Records => say!("l-cut-by-people-it").to_owned(),
            Cut::People => say!("l-cut-by-records-it", records),
        };
        let marks = lies.iter().map(|&shard| view! { <Mark shard shards small=true/> }).collect_view();
        let all = say!("l-n-purchases", n = purchases);
        let models = say!("l-n-models", n = lies.len());
        Some(view! {
            <div class="account" id="account">
                <p><b>{say!("l-whole-of", who)}" "</b>
                    {say!("l-account-takes", all, some = lies.len(), shards, models)}" "{other}</p>
                <p class="marks">{marks}</p>
            </div>
        })
    }
}

/// The shards that a household's purchases lie in.
fn account(built: &Built, household: u32) -> BTreeSet<u32> {
    built.dots.iter().filter(|placed| placed.dot.household == household).map(|placed| placed.shard).collect()
}
