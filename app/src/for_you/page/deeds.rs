//! What somebody did, and what becomes of each record: the cost before, the
//! proof after.

use eemu_core::api::Phase;
use leptos::prelude::*;

use super::client::Client;
use super::removal::{Confirm, Everything, Waiting};
use super::state::{Doomed, Gone, State};
use super::who::{Adding, picks};
use crate::for_you::protocol::{Deed, Order};
use crate::lab::page::focus;
use crate::parts::portions::portions;
use crate::parts::shapes::{Mark, label};
use crate::parts::words;
use crate::say::say;

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
    let gone = move || state.gone.get();
    view! {
        <section class="deeds" aria-labelledby="deeds">
            <div class="head">
                <h2 id="deeds"><span id="deeds-head" tabindex="-1"></span>{move || if state.is_example() { say!("y-what-the-household-bough") } else if own.get() { say!("y-your-purchases") } else { say!("y-your-picks") }}</h2>
                <span class="muted num">{move || words::thousands(history.with(Vec::len) as u64)}</span>
            </div>
            {move || together.get().map(|shard| view! {
                <p class="tiny muted">{say!("y-all-in-shard-a", shard = label(shard, shards.get()))}</p>
            })}
            {move || (own.get() && !state.is_example()).then(|| view! { <Adding/> })}
            <Everything/>
            <Several own/>
            <Waiting/>
            {move || (history.with(Vec::len) > 12).then(|| view! {
                <label class="field"><span class="sr">{say!("y-find-a-purchase")}</span>
                    <input type="search" id="find" placeholder=say!("y-find-a-purchase") autocomplete="off"
                        on:input=move |event| find.set(event_target_value(&event))/>
                </label>
            })}
            <ul>
                {move || gone().into_iter().map(|gone| view! { <Forgotten gone shards=shards.get()/> }).collect_view()}
                {move || {
                    let limit = if all.get() { usize::MAX } else { SHOWN };
                    let shards = shards.get();
                    portions(fits.with(|fits| fits.iter().take(limit).cloned().collect()), move |deed: &Deed| view! { <Row deed=deed.clone() shards/> })
                }}
            </ul>
            {move || (!all.get() && fits.with(Vec::len) > SHOWN).then(|| view! {
                <button type="button" class="btn s" on:click=move |_| all.set(true)>{say!("y-show-all")}</button>
            })}
            {move || (fits.with(Vec::is_empty) && !history.with(Vec::is_empty)).then(|| view! {
                <p class="empty small muted" id="no-hit">{say!("y-nothing-of-yours-has", find = find.get().trim())}</p>
            })}
            {move || (history.with(Vec::is_empty) && !state.is_example()).then(|| view! {
                <p class="empty small muted">{if own.get() {
                    say!("y-the-service-holds")
                } else {
                    say!("y-nothing-is-here-pick")
                }}</p>
            })}
        </section>
    }
}

/// A deed on its way out: what is true of it now.
#[component]
fn Forgotten(gone: Gone, shards: u32) -> impl IntoView {
    let state = expect_context::<State>();
    let (mark, id) = (gone.deed.shard, row_id(&gone.deed));
    let name = gone.id.clone();
    let stands = Memo::new(move |_| stands(state, &name, shards));
    view! {
        <li class="gone" id=id tabindex="-1">
            {mark.map(|shard| view! { <Mark shard shards small=true/> })}
            <span class="what">
                <s>{gone.deed.name.clone()}</s>
                <span class=move || stands.with(|(class, ..)| format!("small {class}"))>{move || stands.with(|(_, words, _)| words.clone())}</span>
                {move || stands.with(|(.., done)| *done).then(|| view! {
                    <a class="small" href="#receipt" on:click=move |event| { event.prevent_default(); focus("receipt") }>{say!("y-see-the-receipt")}</a>
                })}
            </span>
        </li>
    }
}

/// What is true of a deletion now: how it looks, in words, and whether its
/// receipt is there.
fn stands(state: State, id: &str, shards: u32) -> (&'static str, String, bool) {
    if state.failed.with(|failed| failed.iter().any(|failed| failed == id)) {
        return ("bad", say!("y-the-receipt-does-not-2").into(), true);
    }
    let following = state.followings.with(|all| all.iter().find(|following| following.id == id).cloned());
    let Some(following) = following else { return ("ok", say!("y-forgotten-2").into(), true) };
    let trains = following.progress.iter().find(|at| at.1 == Phase::Retraining && at.2 > 0);
    let words = match (following.phase, trains) {
        (Phase::Accepted, _) => say!("y-noted-to-be-carried").into(),
        (Phase::Done, _) => say!("y-retrained-the-receipt-is-2").into(),
        (_, Some((shard, _, epoch, epochs))) => {
            say!("y-already-left-out-of", shard = label(*shard, shards), epoch, epochs)
        }
        _ => say!("y-already-left-out-of-2").into(),
    };
    ("muted", words, false)
}

/// Choosing several at once.
#[component]
fn Several(own: Memo<bool>) -> impl IntoView {
    let state = expect_context::<State>();
    let shards = Memo::new(move |_| state.shards());
    let chosen = move || state.choosing.with(|chosen| chosen.as_ref().map(Vec::len));
    let asked = Memo::new(move |_| match state.doomed.get() {
        Some(Doomed::Some(deeds)) if deeds.len() > 1 => Some(deeds),
        _ => None,
    });
    move || {
        if !own.get() || state.is_example() {
            return None;
        }
        Some(view! {
            <div class="several row">
                {move || match chosen() {
                    None => view! {
                        <button type="button" class="btn s quiet" id="several" on:click=move |_| state.choosing.set(Some(Vec::new()))>{say!("y-choose-several")}</button>
                    }.into_any(),
                    Some(count) => view! {
                        <button type="button" class="btn s primary" id="forget-several" disabled=count == 0 on:click=move |_| {
                            let deeds = state.choosing.get_untracked().unwrap_or_default();
                            state.doomed.set(Some(Doomed::Some(deeds)));
                        }>{say!("y-forget", count)}</button>
                        <button type="button" class="btn s" on:click=move |_| { state.choosing.set(None); state.doomed.set(None) }>{say!("y-cancel")}</button>
                    }.into_any(),
                }}
            </div>
            {move || asked.get().map(|deeds| view! { <Confirm deeds shards=shards.get()/> })}
        })
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
        if example {
            super::trial::begin(state, asked.clone());
        } else if own {
            state.doomed.set(Some(Doomed::Some(vec![asked.clone()])));
        } else {
            // A visitor's pick is in this browser only: it just goes.
            let rest = picks(state).into_iter().filter(|pick| pick.item != asked.item).collect();
            client.send(&Order::Picks(rest));
            request_animation_frame(|| focus("search"));
        }
    };
    let by_key = ask.clone();
    let doomed = Memo::new(move |_| state.doomed.with(|doomed| *doomed == Some(Doomed::Some(vec![asking.clone()]))));
    let words = if own || example { say!("y-forget-2") } else { say!("y-remove") };
    let (mine, of_pending, of_refused, several) = (deed.clone(), deed.clone(), deed.clone(), deed.clone());
    let choosing = Memo::new(move |_| own && !example && state.choosing.with(Option::is_some));
    let ticked = Memo::new(move |_| state.choosing.with(|all| all.as_ref().is_some_and(|all| all.contains(&mine))));
    let waits = Memo::new(move |_| {
        state.pending.with(|pending| pending.as_ref().is_some_and(|pending| pending.deeds.contains(&of_pending)))
    });
    let refused = Memo::new(move |_| state.refused_deeds.with(|all| all.contains(&of_refused)));
    let tried = deed.clone();
    let goes = Memo::new(move |_| {
        example && state.trial.with(|trial| trial.as_ref().is_some_and(|trial| trial.deed == tried))
    });
    let sent = Memo::new(move |_| state.sent.with(|sent| sent.contains(&on_its_way)));
    view! {
        <li
            class:asking=move || doomed.get()
            class:tried=move || goes.get()
            on:keydown=move |event| {
                if event.key() == "Delete" {
                    event.prevent_default();
                    by_key();
                }
            }
        >
            {mark}
            <span class="what">
                {name.clone()}{when.map(|when| view! { <span class="small muted">{when}</span> })}
                {move || refused.get().then(|| view! { <span class="small bad">{say!("y-not-forgotten-see-above")}</span> })}
            </span>
            {move || choosing.get().then(|| view! {
                <label class="chk choose"><input type="checkbox" prop:checked=move || ticked.get() on:change={
                    let deed = several.clone();
                    move |event| {
                        let on = event_target_checked(&event);
                        state.choosing.update(|all| if let Some(all) = all {
                            all.retain(|known| known.item != deed.item);
                            if on { all.push(deed.clone()) }
                        });
                    }
                }/><span class="sr">{say!("y-choose", name = several.name)}</span></label>
            })}
            {view! {
                <button type="button" class="btn s" id=id class:hidden=move || choosing.get() disabled=move || waits.get() on:click=move |_| ask()>
                    {move || if sent.get() { say!("y-sent") } else if waits.get() { say!("y-waits") } else { words }}<span class="sr">{format!(" {name}")}</span>
                </button>
            }}
            {move || doomed.get().then(|| view! { <Confirm deeds=vec![dropped.clone()] shards/> })}
        </li>
    }
}
