//! What somebody did, and forgetting it: the cost before, the proof after.

use leptos::prelude::*;

use super::client::Client;
use super::state::{Doomed, State};
use super::who::picks;
use crate::for_you::protocol::{Deed, Order};
use crate::lab::page::focus;
use crate::parts::portions::portions;
use crate::parts::shapes::{Mark, label};
use crate::parts::words;

/// Rows that stand there before "show all".
const SHOWN: usize = 60;

fn row_id(deed: &Deed) -> String {
    format!("deed-{}", deed.item.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// Brings the focus back to a row.
pub(super) fn focus_row(deed: &Deed) {
    let id = row_id(deed);
    request_animation_frame(move || focus(&id));
}

/// The list of deeds, with a way to forget each.
#[component]
pub(super) fn Deeds() -> impl IntoView {
    let state = expect_context::<State>();
    let find = RwSignal::new(String::new());
    let all = RwSignal::new(false);
    let history = Memo::new(move |_| state.shown(|service| service.history.clone()).unwrap_or_default());
    let own = Memo::new(move |_| state.shown(|service| service.user.is_some()).unwrap_or_default());
    let shards = Memo::new(move |_| state.shards());
    let fits = Memo::new(move |_| {
        let wanted = find.get().trim().to_lowercase();
        history.with(|all| {
            all.iter().filter(|deed| deed.name.to_lowercase().contains(&wanted)).cloned().collect::<Vec<_>>()
        })
    });
    // Cut by person, all lie in one shard.
    let together = Memo::new(move |_| {
        let one = |all: &Vec<Deed>| all.iter().find_map(|deed| deed.shard);
        if own.get() && state.by_person() && !state.is_example() { history.with(one) } else { None }
    });
    let gone = move || state.forgotten.get();
    view! {
        <section class="deeds" aria-labelledby="deeds">
            <div class="head">
                <h2 id="deeds">{move || if own.get() { "Your purchases" } else { "Your picks" }}</h2>
                <span class="muted num">{move || words::thousands(history.with(Vec::len) as u64)}</span>
            </div>
            {move || together.get().map(|shard| view! {
                <p class="tiny muted">{format!("All in shard {}: a person’s records stay together.", label(shard, shards.get()))}</p>
            })}
            <Doom/>
            {move || (history.with(Vec::len) > 12).then(|| view! {
                <label class="field"><span class="sr">"Find a purchase"</span>
                    <input type="search" id="find" placeholder="Find a purchase" autocomplete="off"
                        on:input=move |event| find.set(event_target_value(&event))/>
                </label>
            })}
            <ul>
                {move || gone().into_iter().map(|deed| forgotten(&deed, shards.get())).collect_view()}
                {move || {
                    let limit = if all.get() { usize::MAX } else { SHOWN };
                    let shards = shards.get();
                    portions(fits.with(|fits| fits.iter().take(limit).cloned().collect()), move |deed: &Deed| view! { <Row deed=deed.clone() shards/> })
                }}
            </ul>
            {move || (!all.get() && fits.with(Vec::len) > SHOWN).then(|| view! {
                <button type="button" class="btn s" on:click=move |_| all.set(true)>"Show all"</button>
            })}
            {move || (history.with(Vec::is_empty) && !state.is_example()).then(|| view! {
                <p class="empty small muted">"Nothing is here. Pick a few products to begin."</p>
            })}
        </section>
    }
}

fn forgotten(deed: &Deed, shards: u32) -> impl IntoView + use<> {
    let mark = deed.shard.map(|shard| view! { <Mark shard shards small=true/> });
    view! {
        <li class="gone" id=row_id(deed) tabindex="-1">
            {mark}
            <span class="what"><s>{deed.name.clone()}</s><span class="small ok">"Forgotten"</span></span>
        </li>
    }
}

#[component]
fn Row(deed: Deed, shards: u32) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let (name, id) = (deed.name.clone(), row_id(&deed));
    let mark = deed.shard.map(|shard| view! { <Mark shard shards small=true/> });
    let when = deed.when.map(words::moment);
    let example = state.is_example();
    let own = state.service.with_untracked(|s| s.as_ref().is_some_and(|s| s.user.is_some()));
    let (asked, dropped, asking, on_its_way) = (deed.clone(), deed.clone(), deed.clone(), deed.clone());
    let ask = move || {
        if own {
            state.doomed.set(Some(Doomed::One(asked.clone())));
        } else {
            // A visitor's pick is in this browser only: it just goes.
            let rest = picks(state).into_iter().filter(|pick| pick.item != asked.item).collect();
            client.send(&Order::Picks(rest));
            request_animation_frame(|| focus("search"));
        }
    };
    let by_key = ask.clone();
    let doomed = Memo::new(move |_| state.doomed.with(|doomed| *doomed == Some(Doomed::One(asking.clone()))));
    let words = if own { "Forget" } else { "Remove" };
    let sent = Memo::new(move |_| state.sent.with(|sent| *sent == Some(on_its_way.clone())));
    view! {
        <li
            class:asking=move || doomed.get()
            on:keydown=move |event| {
                if event.key() == "Delete" && !example {
                    event.prevent_default();
                    by_key();
                }
            }
        >
            {mark}
            <span class="what">{name.clone()}{when.map(|when| view! { <span class="small muted">{when}</span> })}</span>
            {(!example).then(|| view! {
                <button type="button" class="btn s" id=id on:click=move |_| ask()>
                    {move || if sent.get() { "Sent …" } else { words }}<span class="sr">{format!(" {name}")}</span>
                </button>
            })}
            {move || doomed.get().then(|| view! { <Confirm deed=dropped.clone() shards/> })}
        </li>
    }
}

/// Asks in place, with what it costs.
#[component]
fn Confirm(deed: Deed, shards: u32) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let cost = match deed.shard {
        Some(shard) => {
            let letter = label(shard, shards);
            format!(
                "It is in shard {letter}. {letter} is left out at once and retrained from scratch; the others stay."
            )
        }
        None if state.by_person() => {
            "It is held out for measuring. Your shard changes all the same: it is left out at once and retrained from \
             scratch; the others stay."
                .into()
        }
        None => "It is held out for measuring, so up to three shards change. They are left out at once and retrained."
            .into(),
    };
    let (item, kept, row) = (deed.item.clone(), deed.clone(), deed.clone());
    request_animation_frame(|| focus("confirm"));
    let go = move |_| {
        remember(state);
        // Struck out once the server has said that it holds.
        state.sent.set(Some(row.clone()));
        state.doomed.set(None);
        client.send(&Order::Forget(item.clone()));
        focus_row(&row);
    };
    view! {
        <div class="confirm" role="group" aria-label=format!("Forget {}?", deed.name)>
            <p class="small">{format!("Forget ‘{}’? {cost}", deed.name)}</p>
            <div class="row">
                <button type="button" class="btn s primary" id="confirm" on:click=go>"Forget"</button>
                <button type="button" class="btn s" on:click=move |_| { state.doomed.set(None); focus_row(&kept) }>"Keep"</button>
            </div>
        </div>
    }
}

/// Versions before, for the pane; the receipt of the last deletion goes.
fn remember(state: State) {
    let versions = state.service.with_untracked(|service| {
        service.as_ref().map(|s| s.shards.iter().map(|shard| shard.version).collect()).unwrap_or_default()
    });
    state.before.set(versions);
    state.receipt.set(None);
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
fn Doom() -> impl IntoView {
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
        request_animation_frame(|| focus("confirm"));
        Some(view! {
            <div class="confirm card" role="group" aria-label=what>
                <p>{format!(
                    "{what}Your {} {} {fate}{token} This cannot be undone.",
                    words::count(count as u64, "record", "records"),
                    if count == 1 { "lies" } else { "lie" },
                )}</p>
                <div class="row">
                    <button type="button" class="btn s primary" id="confirm" on:click=move |_| {
                        remember(state);
                        state.doomed.set(None);
                        state.forgotten.set(Vec::new());
                        client.send(&Order::ForgetAll { account });
                        focus("headline");
                    }>{if account { "Delete the account" } else { "Forget everything" }}</button>
                    <button type="button" class="btn s" on:click=move |_| { state.doomed.set(None); focus("account") }>"Keep"</button>
                </div>
            </div>
        })
    }
}
