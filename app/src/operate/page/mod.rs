//! The operator's page, looked at again every two seconds while it is shown.
//! Without a token it is an example.
//!
//! | module | idea |
//! |---|---|
//! | `requests` | deletions without a receipt: age, deadline, state |
//! | `shards` | the pane and the table of shards |
//! | `records` | the log: look-up, filter, pages, export |
//! | `figures` | speed, quality, counts, backups |
//! | `admin` | an administrator's part: a person, tokens, who asked for what |

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

mod admin;
mod figures;
mod records;
mod requests;
mod shards;

use std::time::Duration;

use leptos::prelude::*;

use super::example;
use super::protocol::{Errand, Operation};
use crate::for_you::page::{Client, State};
use crate::for_you::protocol::Order;
use crate::lab::page::focus;
use crate::parts::header::{Header, Place};
use crate::parts::language::spoken;
use crate::parts::pane::Pane;
use crate::parts::shapes::label;
use crate::parts::words;
use crate::say::say;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// The whole page.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let office = state.office;
    client.begin();
    document().set_title(&format!("{} · eemu", say!("place-operate")));
    let seen = move || state.ready.get_untracked() && !document().hidden();
    Effect::new(move |_| {
        state.ready.track();
        office.token.track();
        office.ask.track();
        if seen() {
            office.look(client);
        }
    });
    let again = move || {
        if seen() {
            office.look_again(client);
        }
    };
    if let Ok(handle) = set_interval_with_handle(again, LOOK) {
        on_cleanup(move || handle.clear());
    }
    let there = Memo::new(move |_| office.operation.with(Option::is_some));
    let admin = Memo::new(move |_| office.operation.with(|seen| seen.as_ref().is_some_and(|seen| seen.admin)));
    // Backups come and go: asked about each minute.
    let minute = Memo::new(move |_| office.operation.with(|seen| seen.as_ref().map(|seen| seen.service.now / 60)));
    Effect::new(move |_| {
        if minute.get().is_some() {
            office.send(client, Errand::Backups);
        }
    });
    let shown = Signal::derive(move || office.operation.get().unwrap_or_else(example::operation));
    view! {
        <a class="skip" href="#headline" on:click=move |event| { event.prevent_default(); focus("headline") }>
            {say!("o-skip-to-the-service")}
        </a>
        <Header here=Place::Operate>
            {move || there.get().then(|| view! {
                <button type="button" class="badge" id="leave" on:click=move |_| { office.leave(); focus("headline") }>
                    {move || if admin.get() { say!("o-administrator-leave") } else { say!("o-operator-leave") }}
                </button>
            })}
        </Header>
        <main class="wrap you operate" id="main">
            <div class="lead">
                <div>
                    <h1 id="headline" tabindex="-1">{move || headline(office.operation.get().as_ref())}</h1>
                    <p class="muted">{move || below(office.operation.get().as_ref())}</p>
                </div>
                {move || if there.get() { view! { <Hurry shown/> }.into_any() } else { view! { <Ask/> }.into_any() }}
            </div>
            {move || office.refused.get().map(|why| view! { <div class="trouble mild" role="alert"><p>{spoken(&why)}</p></div> })}

            <section class="service" class:still=move || !there.get() aria-label=move || if there.get() { say!("o-the-service") } else { say!("o-an-example-of-a") }>
                {move || (!there.get()).then(|| view! {
                    <div class="head"><p class="small muted">{say!("o-a-service-of-eight")}</p><span class="tag">{say!("o-example")}</span></div>
                })}
                <Seen shown live=there/>
            </section>
            {move || admin.get().then(|| view! { <admin::Office/> })}
        </main>
        <p class="sr" role="status" aria-live="polite" id="said">{move || {
            office.said.get().map_or_else(|| headline(office.operation.get().as_ref()), |(words, _)| words)
        }}</p>
    }
}

/// Retrains at once what waits, where anything does.
#[component]
fn Hurry(shown: Signal<Operation>) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let waits = Memo::new(move |_| {
        shown.with(|seen| {
            let waiting = seen.service.shards.iter().filter(|shard| shards::can_hurry(shard));
            let count = seen.service.shards.len() as u32;
            waiting.map(|shard| label(shard.shard, count)).collect::<Vec<_>>()
        })
    });
    view! {
        <div class="hurry">
            <button type="button" class="btn" id="hurry" disabled=move || waits.with(Vec::is_empty) on:click=move |_| {
                let office = state.office;
                client.send(&Order::Hurry(office.token.get_untracked(), office.ask.get_untracked()));
            }>{say!("o-retrain-now")}</button>
            <p class="tiny muted">{move || waits.with(|waits| match waits.as_slice() {
                [] => say!("o-no-shard-waits").to_owned(),
                some if some.len() <= 8 => say!("o-would-begin-at-once", some = some.join(", ")),
                some => say!("o-shards-would-begin-at", some = some.len()),
            })}</p>
        </div>
    }
}

fn headline(operation: Option<&Operation>) -> String {
    let Some(operation) = operation else { return say!("o-see-a-service-forget").into() };
    let service = &operation.service;
    let all = service.shards.len();
    let serving = service.shards.iter().filter(|shard| shard.in_mean).count();
    let trains: Vec<String> = service
        .shards
        .iter()
        .filter(|shard| shards::trains(shard))
        .map(|shard| label(shard.shard, all as u32))
        .collect();
    let serve = match serving {
        0 => say!("o-no-shard-serves").into(),
        n if n == all && n == 1 => say!("o-the-shard-serves").into(),
        n if n == all => say!("o-all-shards-serve", word = words::number(n)),
        n => say!("o-of-shards-serve", n, word = words::number_first(n), word2 = words::number(all)),
    };
    match trains.len() {
        0 => serve,
        n @ 1..=4 => format!("{serve} {}", say!("o-named-retrain", n, names = trains.join(", "))),
        n => format!("{serve} {}", say!("o-many-retrain", word = words::number_first(n))),
    }
}

fn below(operation: Option<&Operation>) -> String {
    let Some(operation) = operation else {
        return say!("o-for-whoever-runs-eemu").into();
    };
    let service = &operation.service;
    let mut said = vec![format!("{}.", service.dataset)];
    if service.open > 0 {
        said.push(say!("o-carried-out", n = service.open));
        said.push(match service.estimated_seconds {
            0 => say!("o-receipt-next").into(),
            seconds => say!("o-receipts-in", time = words::about(seconds)),
        });
    }
    if service.accepted > 0 {
        said.push(say!("o-accepted", n = service.accepted));
    }
    if service.late > 0 {
        said.push(say!("o-late", n = service.late));
    }
    if service.open + service.accepted == 0 {
        said.push(say!("o-no-deletion-waits-for").into());
    }
    said.join(" ")
}

#[component]
fn Ask() -> impl IntoView {
    let office = expect_context::<State>().office;
    let token = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        office.refused.set(None);
        office.token.set(token.get_untracked().trim().to_owned());
    };
    view! {
        <section class="who card narrow">
            <h2>{say!("o-an-operators-token")}</h2>
            <p class="small muted"><code>"eemu token create --state run/ --scope operator"</code>{say!("o-makes-one")}<code>"--scope admin"</code>{say!("o-one-that-may-also")}</p>
            <form class="token" on:submit=submit>
                <label class="field"><span>{say!("o-token")}</span>
                    <input id="operator" type="password" autocomplete="off" spellcheck="false" placeholder="eemu_…"
                        prop:value=move || token.get() on:input=move |event| token.set(event_target_value(&event))/>
                </label>
                <button type="submit" class="btn primary">{say!("o-look")}</button>
            </form>
        </section>
    }
}

/// What is seen: a service, or the example of one.
#[component]
fn Seen(shown: Signal<Operation>, live: Memo<bool>) -> impl IntoView {
    let count = Memo::new(move |_| shown.with(|seen| seen.service.shards.len() as u32));
    let pieces = Signal::derive(move || shown.with(|seen| shards::pieces(&seen.service)));
    view! {
        <Pane pieces shards=count/>
        <div class="halves">
            <div>
                <section aria-labelledby="requests">
                    <h2 id="requests">{say!("o-deletions-without-a-rece")}</h2>
                    {move || shown.with(|seen| requests::table(&seen.service))}
                </section>
                <section aria-labelledby="shards"><h2 id="shards">{say!("o-shards")}</h2>{move || shown.with(|seen| shards::table(&seen.service))}</section>
                <records::Records shown live/>
            </div>
            <div>
                <section aria-labelledby="speed"><h2 id="speed">{say!("o-how-fast")}</h2>{move || shown.with(|seen| figures::speed(&seen.service))}</section>
                <section aria-labelledby="quality"><h2 id="quality">{say!("o-how-good")}</h2>{move || shown.with(|seen| figures::quality(&seen.service))}</section>
                <section aria-labelledby="counts">
                    <h2 id="counts">{move || shown.with(|seen| figures::since(&seen.service))}</h2>
                    {move || shown.with(|seen| figures::counts(&seen.service))}
                </section>
                {move || live.get().then(|| view! { <figures::Backups shown/> })}
            </div>
        </div>
    }
}
