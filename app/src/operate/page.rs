//! The operator's page: shards, queue, log and counters, looked at again every
//! two seconds while it is shown.

// Leptos writes `pub` before what a component takes, and a component owns it.
#![allow(unreachable_pub, clippy::needless_pass_by_value)]

use std::time::Duration;

use eemu_core::api::Phase;
use leptos::prelude::*;

use super::protocol::{Kind, Line, Operation};
use crate::for_you::page::{Client, State};
use crate::for_you::protocol::Order;
use crate::lab::page::focus;
use crate::parts::header::{Header, Place};
use crate::parts::pane::{Pane, Piece};
use crate::parts::shapes::{Mark, label};
use crate::parts::words;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// The whole page.
#[component]
pub(crate) fn Frame() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    client.begin();
    document().set_title("Operate · eemu");
    let look = move || {
        let token = state.operator.get_untracked();
        if !token.is_empty() && state.ready.get_untracked() {
            client.send(&Order::Look(token));
        }
    };
    Effect::new(move |_| {
        state.ready.track();
        state.operator.track();
        look();
    });
    if let Ok(handle) = set_interval_with_handle(look, LOOK) {
        on_cleanup(move || handle.clear());
    }
    let there = Memo::new(move |_| state.operation.with(Option::is_some));
    view! {
        <a class="skip" href="#headline" on:click=move |event| { event.prevent_default(); focus("headline") }>
            "Skip to the shards"
        </a>
        <Header here=Place::Operate>
            {move || there.get().then(|| view! {
                <button type="button" class="badge" id="leave" on:click=move |_| {
                    state.operator.set(String::new());
                    state.operation.set(None);
                }>"Operator · leave"</button>
            })}
        </Header>
        <main class="wrap you operate" id="main">
            <div class="lead">
                <div>
                    <h1 id="headline" tabindex="-1">{move || headline(state)}</h1>
                    <p class="muted">{move || below(state)}</p>
                </div>
                {move || there.get().then(|| view! {
                    <button type="button" class="btn" id="hurry" on:click=move |_| {
                        client.send(&Order::Hurry(state.operator.get_untracked()));
                    }>"Retrain now"</button>
                })}
            </div>
            {move || state.refused.get().map(|why| view! { <div class="trouble mild" role="alert"><p>{why}</p></div> })}
            {move || if there.get() { view! { <Seen/> }.into_any() } else { view! { <Example/><Ask/> }.into_any() }}
        </main>
        <p class="sr" role="status" aria-live="polite" id="said">{move || headline(state)}</p>
    }
}

fn headline(state: State) -> String {
    state.operation.with(|operation| match operation {
        None => "See a service forget.".into(),
        Some(operation) => {
            let count = operation.shards.len() as u32;
            let serving = operation.shards.iter().filter(|shard| shard.version.is_some()).count();
            let trains: Vec<String> = operation
                .queue
                .iter()
                .filter(|(_, phase, ..)| matches!(phase, Phase::Retraining | Phase::Publishing))
                .map(|(shard, ..)| label(*shard, count))
                .collect();
            let serve = match serving {
                0 => "No shard serves.".into(),
                n if n == operation.shards.len() => format!("All {} shards serve.", words::number(n)),
                n => format!("{} of {} shards serve.", words::number_first(n), words::number(operation.shards.len())),
            };
            if trains.is_empty() { serve } else { format!("{serve} {} retrains.", trains.join(", ")) }
        }
    })
}

fn below(state: State) -> String {
    state.operation.with(|operation| match operation {
        None => "For whoever runs eemu: which models serve, which deletions are on their way and until when, and the log of \
                 receipts, live. It shows shards and counts, and nobody’s records. Below stands an example; a token shows \
                 your own service."
            .into(),
        Some(operation) => match operation.requests {
            0 => format!("{}. No deletion waits for its receipt.", operation.dataset),
            n => format!(
                "{} acknowledged and held already: no answer uses their records. Receipts in {}.",
                words::count(n, "deletion is", "deletions are"),
                words::about(operation.seconds)
            ),
        },
    })
}

/// What a deletion looks like from here: the Lab's example, as computed once.
#[component]
fn Example() -> impl IntoView {
    let Some(finished) = crate::lab::page::example() else { return ().into_any() };
    let count = finished.trained.hashes.len() as u32;
    let again = &finished.forgot.shards;
    let pieces: Vec<Piece> = (0..count)
        .map(|shard| {
            let lifted = again.contains(&shard);
            let (caption, note) = if lifted { ("v1 → v2", "retrained") } else { ("v1", "= unchanged") };
            Piece { caption: caption.into(), note: note.into(), level: None, lifted, masked: false }
        })
        .collect();
    let letters: Vec<String> = again.iter().map(|shard| label(*shard, count)).collect();
    let (one, all) = (finished.forgot.after.millis, finished.forgot.all_millis);
    view! {
        <section aria-labelledby="op-example">
            <div class="head"><h2 id="op-example">"One deletion, as it is seen here"</h2><span class="tag">"Example"</span></div>
            <Pane pieces=Signal::stored(pieces) shards=Signal::stored(count)/>
            <p class="small">{format!(
                "One record was deleted. Shard {} had seen it and was trained anew in {one:.0} ms; training all {count} took \
                 {all:.0} ms. The other {} kept every byte, and the log got one receipt.",
                letters.join(", "),
                words::number(count as usize - again.len()),
            )}</p>
        </section>
    }
    .into_any()
}

#[component]
fn Ask() -> impl IntoView {
    let state = expect_context::<State>();
    let token = RwSignal::new(String::new());
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        state.refused.set(None);
        state.operator.set(token.get_untracked().trim().to_owned());
    };
    view! {
        <section class="who card narrow">
            <h2>"An operator’s token"</h2>
            <p class="small muted"><code>"eemu token create --state run/ --scope operator"</code>" makes one. It is kept for this visit only."</p>
            <form class="token" on:submit=submit>
                <label class="field"><span>"Token"</span>
                    <input id="operator" type="password" autocomplete="off" spellcheck="false" placeholder="eemu_…"
                        prop:value=move || token.get() on:input=move |event| token.set(event_target_value(&event))/>
                </label>
                <button type="submit" class="btn primary">"Look"</button>
            </form>
        </section>
    }
}

#[component]
fn Seen() -> impl IntoView {
    let state = expect_context::<State>();
    let get = move || state.operation.get();
    let count = Memo::new(move |_| state.operation.with(|o| o.as_ref().map_or(8, |o| o.shards.len() as u32)));
    let pieces = Signal::derive(move || get().map(|operation| pieces(&operation)).unwrap_or_default());
    view! {
        <Pane pieces shards=count/>
        <div class="halves">
            <div>
                <section aria-labelledby="shards"><h2 id="shards">"Shards"</h2>{move || get().map(|o| shards(&o))}</section>
                <section aria-labelledby="log"><h2 id="log">"Log"</h2>{move || get().map(|o| log(&o))}</section>
            </div>
            <div>
                <section aria-labelledby="queue"><h2 id="queue">"Queue"</h2>{move || get().map(|o| queue(&o))}</section>
                <section aria-labelledby="counts"><h2 id="counts">"Since the server began"</h2>{move || get().map(|o| counts(&o))}</section>
                <section aria-labelledby="whole">
                    <h2 id="whole">{move || if get().is_some_and(|o| o.whole.is_err()) { "The log does not hold" } else { "The log is whole" }}</h2>
                    {move || get().map(|o| whole(&o))}
                </section>
            </div>
        </div>
    }
}

fn pieces(operation: &Operation) -> Vec<Piece> {
    let piece = |(shard, now): (u32, &super::protocol::Shard)| {
        let standing = operation.queue.iter().find(|at| at.0 == shard);
        let caption = now.version.map_or("–".into(), |version| format!("v{version}"));
        match standing {
            Some((_, Phase::Retraining, epoch, epochs)) if now.version.is_none() => Piece {
                caption,
                note: format!("epoch {epoch}/{epochs}"),
                level: Some(epoch * 100 / (*epochs).max(1)),
                lifted: true,
                masked: false,
            },
            _ if now.version.is_none() => {
                Piece { caption, note: "out of the mean".into(), lifted: true, masked: true, ..Piece::default() }
            }
            Some(_) => Piece { caption, note: "serving, retrains".into(), ..Piece::default() },
            None => Piece { caption, note: "serving".into(), ..Piece::default() },
        }
    };
    (0..).zip(&operation.shards).map(piece).collect()
}

fn shards(operation: &Operation) -> impl IntoView + use<> {
    let count = operation.shards.len() as u32;
    let row = |(shard, now): (u32, &super::protocol::Shard)| {
        let standing = operation.queue.iter().find(|at| at.0 == shard).copied();
        let says = match (standing, now.version) {
            (Some((_, Phase::Retraining, epoch, epochs)), _) => format!("Retraining {epoch} of {epochs}"),
            (Some((_, Phase::Publishing, ..)), _) => "Publishing".into(),
            (Some((_, Phase::Settling, ..)), None) => "Out of the mean, settling".into(),
            (Some((_, Phase::Settling, ..)), Some(_)) => "Serving, additions wait".into(),
            (Some(_), _) => "Waits for a trainer".into(),
            (None, None) => "Out of the mean".into(),
            (None, Some(_)) if now.stale => "Serving, records changed".into(),
            (None, Some(_)) => "Serving".into(),
        };
        let share =
            standing.filter(|(_, phase, ..)| *phase == Phase::Retraining).map(|(_, _, at, of)| at * 100 / of.max(1));
        view! {
            <tr class:hot=share.is_some()>
                <th scope="row"><Mark shard shards=count small=true/></th>
                <td>{now.version.map_or("–".into(), |version| format!("v{version}"))}</td>
                <td class="mono wide">{if now.hash.is_empty() { "–".into() } else { format!("{}…", now.hash) }}</td>
                <td class="wide">{if now.bytes == 0 { "–".into() } else { words::size(now.bytes) }}</td>
                <td class="says">{says.clone()}{share.map(|share| view! {
                    <span class="bar" role="progressbar" aria-label=says aria-valuemin="0" aria-valuemax="100" aria-valuenow=share>
                        <i style:width=format!("{share}%")></i>
                    </span>
                })}</td>
            </tr>
        }
    };
    view! {
        <table>
            <thead><tr><th scope="col">"Shard"</th><th scope="col">"Live"</th><th scope="col" class="wide">"Model"</th><th scope="col" class="wide">"Size"</th><th scope="col">"State"</th></tr></thead>
            <tbody>{(0..).zip(&operation.shards).map(row).collect_view()}</tbody>
        </table>
    }
}

fn queue(operation: &Operation) -> impl IntoView + use<> {
    let count = operation.shards.len() as u32;
    let row = |&(shard, phase, epoch, epochs): &(u32, Phase, u32, u32)| {
        let says = match phase {
            Phase::Settling => "collects changes until its time is over".to_owned(),
            Phase::Queued | Phase::Accepted => "waits for a trainer".into(),
            Phase::Retraining => format!("epoch {epoch} of {epochs}"),
            Phase::Publishing => "its model is put in place".into(),
            Phase::Done => "done".into(),
        };
        view! { <li><Mark shard shards=count small=true/><span>{says}</span></li> }
    };
    let waits = operation.changes > 0;
    view! {
        {operation.queue.is_empty().then(|| view! { <p class="muted">"Nothing waits."</p> })}
        <ul class="queue">{operation.queue.iter().map(row).collect_view()}</ul>
        {waits.then(|| view! { <p class="small muted">{format!("{} before the writer.", words::count(operation.changes, "change waits", "changes wait"))}</p> })}
    }
}

fn log(operation: &Operation) -> impl IntoView + use<> {
    let count = operation.shards.len() as u32;
    let row = |line: &Line| {
        let what = match line.kind {
            Kind::Deletion(removed) => format!("Receipt: {} removed", words::count(removed, "record", "records")),
            Kind::Published => "Published".into(),
            Kind::Key => "A key signs from here on".into(),
            Kind::Other => "An entry of a later version".into(),
        };
        let shards: Vec<String> =
            line.shards.iter().map(|(shard, version)| format!("{} v{version}", label(*shard, count))).collect();
        view! {
            <tr class:receipt=matches!(line.kind, Kind::Deletion(_))>
                <th scope="row" class="num">{line.index + 1}</th><td>{what}</td><td>{shards.join(", ")}</td><td class="mono wide">{line.hash.clone()}</td>
            </tr>
        }
    };
    view! {
        <table>
            <thead><tr><th scope="col">"No."</th><th scope="col">"Entry"</th><th scope="col">"Shards"</th><th scope="col" class="wide">"Hash"</th></tr></thead>
            <tbody id="entries">{operation.log.iter().map(row).collect_view()}</tbody>
        </table>
    }
}

fn counts(operation: &Operation) -> impl IntoView + use<> {
    let one = |(name, value): &(String, f64)| {
        let shown = if name.starts_with("ms") { format!("{value:.1}") } else { words::thousands(*value as u64) };
        view! { <div><dd class="num">{shown}</dd><dt class="small muted">{name.clone()}</dt></div> }
    };
    view! { <dl class="counts">{operation.counters.iter().map(one).collect_view()}</dl> }
}

fn whole(operation: &Operation) -> impl IntoView + use<> {
    let words = match &operation.whole {
        Ok(()) => format!(
            "All {} were fetched and give the root that the server signed. Key {}…",
            words::count(operation.size, "entry", "entries"),
            operation.key.chars().take(12).collect::<String>()
        ),
        Err(why) => format!("{why}. Compare it with what others saw, and with a backup."),
    };
    view! { <p class="small" class:bad=operation.whole.is_err()>{words}</p> }
}
