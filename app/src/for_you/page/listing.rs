//! What adapted the models (the records that count, or the set that Eq 7 drew),
//! and the list that came of it.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::client::Client;
use super::example;
use super::state::State;
use super::trial;
use crate::for_you::protocol::{List, Order};
use crate::parts::bars;
use crate::parts::glide::glide;
use crate::parts::late::Late;
use crate::parts::portions::portions;
use crate::parts::shapes::label;
use crate::ranking::ListRow;
use crate::say::{decimal, say};

/// Entries of the set that are shown before "show all".
const SHOWN: usize = 6;

/// Both, each put up by itself.
#[component]
pub(super) fn Listing() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let list = Memo::new(move |_| match state.is_example() {
        true => trial::list(state).or_else(example::list),
        false => state.list.get(),
    });
    // Only low-rank models draw.
    let draws = Memo::new(move |_| {
        list.with(|list| list.as_ref().is_none_or(|list| !list.of_items)) && !state.kind().is_of_items()
    });
    // Hundreds of rows: drawn only where somebody looks.
    let open = RwSignal::new(false);
    glide("#rows", move || list.get());
    let waits = move || {
        let nobody = state.service.with(|s| s.as_ref().is_some_and(|s| s.user.is_none() && s.history.is_empty()));
        if nobody { say!("y-nobody-is-signed-in-2") } else { say!("y-your-list-appears-here") }
    };
    // A list that is on its way keeps its place.
    let coming = move || !state.service.with(|s| s.as_ref().is_some_and(|s| s.user.is_none() && s.history.is_empty()));
    view! {
        <div class="answer" class:outdated=move || state.is_outdated() && !state.is_example()>
            <Late>
                <section class="tuning" aria-labelledby="tuning">
                    <div class="head">
                        <h2 id="tuning">{say!("y-what-adapts-the-models")}</h2>
                        {move || draws.get().then(|| view! {
                            <button type="button" class="btn s quiet" id="again" disabled=move || state.is_example()
                                on:click=move |_| state.draw.update(|draw| *draw += 1)>{say!("y-draw-again")}</button>
                        })}
                    </div>
                    {move || match list.get() {
                        None => view! { <p class="empty small muted" class:room-set=coming>{say!("y-nothing-yet")}</p> }.into_any(),
                        Some(list) => set(&list, if list.of_items { weighed(&list) } else { drawn(&list) }, open).into_any(),
                    }}
                </section>
            </Late>
            <Late soon=true>
                <section aria-labelledby="list">
                    <div class="head">
                        <h2 id="list">{move || if state.is_example() { say!("y-the-households-list") } else { say!("y-your-list") }}</h2>
                        <span class="small muted">{move || list.get().map(|list| took(&list, state.is_example(), trial::list(state).is_some()))}</span>
                    </div>
                    {move || list.get().map_or_else(|| view! { <p class="empty small muted" class:room-list=coming>{waits}</p> }.into_any(), |list| {
                        let asks = (list.of_items && !state.is_example()).then_some((state, client));
                        rows(&list, state.shards(), asks)
                    })}
                </section>
            </Late>
        </div>
    }
}

fn took(list: &List, example: bool, tried: bool) -> String {
    if list.popular {
        say!("y-the-most-popular-by").into()
    } else if example && tried {
        say!("y-after-forgetting-compute", millis = (list.millis, 0))
    } else if example {
        say!("y-as-computed-once-nativel").into()
    } else {
        match list.gpu {
            true => say!("y-took-gpu", ms = (list.millis, 0)),
            false => say!("y-took", ms = (list.millis, 0)),
        }
    }
}

/// What is particular to how a set came about.
struct Words {
    /// Rows that stand there before the others.
    first: usize,
    /// Where an even share would end, if the bars are chances.
    even: Option<f64>,
    /// Whether a bar is a weight, or a chance.
    weighs: bool,
    /// The others, in words.
    others: String,
    /// Below the set.
    below: String,
}

/// Records that count, newest first, each with its share of the weight.
fn weighed(list: &List) -> Words {
    let count = list.set.len();
    let rest: f64 = list.set.iter().skip(SHOWN).map(|(_, _, share, _)| share).sum();
    let alike = list.set.windows(2).all(|two| two[0].2 == two[1].2);
    let below = match count {
        0 => "",
        1 => say!("y-one-record-counts"),
        _ if alike => say!("y-all-count-alike-what"),
        _ if list.rows.iter().any(|(_, row)| row.per_shard.len() > 1) => {
            say!("y-newest-first-what-you")
        }
        _ => say!("y-newest-first-what-you-2"),
    };
    let (n, share) = (count.saturating_sub(SHOWN), (rest * 100.0, 0));
    Words {
        first: count.min(SHOWN),
        even: None,
        weighs: true,
        others: if alike { say!("y-others-alike", n, share) } else { say!("y-others-older", n, share) },
        below: below.into(),
    }
}

/// What Eq 7 drew of the history.
fn drawn(list: &List) -> Words {
    let even = 1.0 / list.set.len().max(1) as f64;
    let drawn = list.set.iter().filter(|(.., times)| *times > 0).count();
    let first = drawn.min(SHOWN);
    let below = match list.recency > 0.0 {
        true => say!("y-drawn-faded", n = drawn),
        false => say!("y-drawn", n = drawn),
    };
    let flat = if highest(list, even) <= even * 1.5 { say!("y-drawn-even") } else { "" };
    Words {
        first,
        even: Some(even),
        weighs: false,
        others: say!(
            "y-more-drawn-not",
            list = list.set.len() - first,
            drawn = drawn - first,
            list2 = list.set.len() - drawn
        ),
        below: format!("{below} {flat}").trim_end().to_owned(),
    }
}

/// The highest share, which fills its bar.
fn highest(list: &List, least: f64) -> f64 {
    list.set.iter().map(|(_, _, share, _)| *share).fold(least, f64::max)
}

fn set(list: &List, words: Words, open: RwSignal<bool>) -> impl IntoView + use<> {
    let highest = highest(list, words.even.unwrap_or(f64::MIN_POSITIVE));
    let tick = words.even.map(|even| format!("{:.1}", even / highest * 100.0));
    let (draws, weighs) = (words.even.is_some(), words.weighs);
    let row = move |(name, rarity, share, times): &(String, String, f64, u32)| {
        let width = format!("{:.1}", share / highest * 100.0);
        let taken = *times > 0;
        let share_of = (*share * 100.0, 1);
        let bar = if weighs { say!("y-bar-weight", share = share_of) } else { say!("y-bar-chance", share = share_of) };
        let mark = match *times {
            _ if !draws => percent(*share),
            0 => String::new(),
            1 => "✓".into(),
            times => format!("{times}×"),
        };
        view! {
            <li class:drawn=taken>
                <span>{name.clone()}<span class="tiny muted">{format!(" {rarity}")}</span></span>
                <span class="num small">{mark}</span>
                <svg class="chance" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=bar>
                    <rect width="100" height="6" class="sunk"></rect>
                    <rect width=width height="6"></rect>
                    {tick.clone().map(|tick| view! { <rect x=tick width="0.8" height="6" class="even"></rect> })}
                </svg>
            </li>
        }
    };
    // What was drawn stands before what was not; records stand in their order.
    let counts = |entry: &&(String, String, f64, u32)| entry.3 > 0;
    let (taken, left) = (list.set.iter().filter(counts), list.set.iter().filter(|entry| !counts(entry)));
    let mut all: Vec<(String, String, f64, u32)> = taken.chain(left).cloned().collect();
    let others = all.split_off(words.first);
    let toggled = move |event: web_sys::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        open.set(details.is_some_and(|details| details.has_attribute("open")));
    };
    view! {
        {if all.is_empty() {
            view! { <p class="small muted">{say!("y-none-the-models-answer")}</p> }.into_any()
        } else {
            view! { <ul class="set two" class:weighed=!draws>{all.iter().map(row.clone()).collect_view()}</ul> }.into_any()
        }}
        {(!others.is_empty()).then(|| view! {
            <details class="rest" open=open.get_untracked() on:toggle=toggled>
                <summary class="small">{words.others}</summary>
                {move || open.get().then(|| view! { <ul class="set two" class:weighed=!draws>{portions(others.clone(), row.clone())}</ul> })}
            </details>
        })}
        <p class="tiny muted">{words.below}</p>
    }
}

/// "12 %", "0.4 %".
fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent >= 9.5 => format!("{} %", decimal(percent, 0)),
        percent if percent >= 0.05 => format!("{} %", decimal(percent, 1)),
        _ => format!("< {} %", decimal(0.1, 1)),
    }
}

/// The button that asks why, and the answer.
fn why(state: State, client: Client, item: u32, name: &str) -> impl IntoView + use<> {
    let open = Memo::new(move |_| state.asked_why.get() == Some(item));
    let answer = move || {
        let epoch = state.service.with(|service| service.as_ref().map_or(0, |service| service.epoch));
        state.why.get().filter(|why| why.item == item && why.epoch == epoch)
    };
    let ask = move |_| {
        if open.get_untracked() {
            state.asked_why.set(None);
        } else {
            state.asked_why.set(Some(item));
            client.send(&Order::Why(item));
        }
    };
    let label = say!("y-is-here", name);
    view! {
        <button type="button" class="plain why" aria-expanded=move || open.get().to_string() on:click=ask>{say!("y-why")}<span class="sr">{label}</span></button>
        {move || open.get().then(|| match answer() {
            None => view! { <span class="small muted reasons">{say!("y-leaving-out-each-of")}</span> }.into_any(),
            Some(why) if why.records.is_empty() => {
                view! { <span class="small muted reasons">{say!("y-none-of-your-records")}</span> }.into_any()
            }
            Some(why) => view! {
                <span class="small reasons">
                    {why.records.iter().map(|(name, _, place)| {
                        let moves = match *place {
                            place if place == why.rank => say!("y-without-it-it-would", place),
                            place => say!("y-without-it-it-would-2", place),
                        };
                        view! { <span><b>{name.clone()}</b>": "{moves}</span> }
                    }).collect_view()}
                </span>
            }.into_any(),
        })}
    }
}

fn rows(list: &List, shards: u32, asks: Option<(State, Client)>) -> AnyView {
    let only: Vec<ListRow> = list.rows.iter().map(|(_, row)| row.clone()).collect();
    let scale = bars::scale(&only);
    if list.popular {
        let rows = list.rows.iter().map(|(name, row)| {
            view! { <li><span class="rank num">{row.rank}</span><span class="what">{name.clone()}</span></li> }
        });
        return view! { <ol class="list popular">{rows.collect_view()}</ol> }.into_any();
    }
    let row = move |(name, row): &(String, ListRow)| {
        let (class, moved) = bars::moved(row);
        view! {
            <li tabindex="0" data-item=row.product.to_string() title=bars::says(row) data-score=row.score.to_string()>
                <span class="rank num">{row.rank}</span>
                <span class="what"><span class="name">{name.clone()}</span>{asks.map(|(state, client)| why(state, client, row.product, name))}</span>
                {bars::bars(row, scale)}
                <span class="num score">{decimal(f64::from(row.score), 3)}</span>
                <span class=format!("num small {class}")>{moved}</span>
            </li>
        }
    };
    view! {
        <p class="heads tiny muted" aria-hidden="true">
            <span></span><span></span>
            <span class="letters">{(0..shards.min(8)).map(|shard| view! { <b>{label(shard, shards)}</b> }).collect_view()}</span>
            <span class="score">{say!("y-mean")}</span><span>{say!("y-rank")}</span>
        </p>
        <ol class="list" id="rows" data-millis=list.millis.to_string()>{list.rows.iter().map(row).collect_view()}</ol>
    }
    .into_any()
}
