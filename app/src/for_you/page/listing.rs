//! The adaptation set as Eq 7 drew it, and the list that came of it.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::example;
use super::state::State;
use crate::for_you::protocol::List;
use crate::parts::bars;
use crate::parts::glide::glide;
use crate::parts::late::Late;
use crate::parts::portions::portions;
use crate::parts::shapes::label;
use crate::ranking::ListRow;

/// Entries of the set that are shown before "show all".
const SHOWN: usize = 6;

/// Both, each put up by itself.
#[component]
pub(super) fn Listing() -> impl IntoView {
    let state = expect_context::<State>();
    let list = Memo::new(move |_| if state.is_example() { example::list() } else { state.list.get() });
    // Hundreds of rows: drawn only where somebody looks.
    let open = RwSignal::new(false);
    glide("#rows", move || list.get());
    let waits = "Your list appears here as soon as the models are.";
    view! {
        <div class="answer">
            <Late>
                <section class="tuning" aria-labelledby="tuning">
                    <div class="head">
                        <h2 id="tuning">"What adapts the models"</h2>
                        <button type="button" class="btn s quiet" id="again" disabled=move || state.is_example()
                            on:click=move |_| state.draw.update(|draw| *draw += 1)>"Draw again"</button>
                    </div>
                    {move || list.get().map_or_else(|| view! { <p class="empty small muted">"Nothing is drawn yet."</p> }.into_any(), |list| set(&list, open).into_any())}
                </section>
            </Late>
            <Late soon=true>
                <section aria-labelledby="list">
                    <div class="head">
                        <h2 id="list">"Your list"</h2>
                        <span class="small muted">{move || list.get().map(|list| took(&list, state.is_example()))}</span>
                    </div>
                    {move || list.get().map_or_else(|| view! { <p class="empty small muted">{waits}</p> }.into_any(), |list| rows(&list, state.shards()))}
                </section>
            </Late>
        </div>
    }
}

fn took(list: &List, example: bool) -> String {
    if list.popular {
        "the most popular, by published classes".into()
    } else if example {
        "as computed once, natively".into()
    } else {
        format!("computed here in {:.0} ms{}", list.millis, if list.gpu { ", on WebGPU" } else { "" })
    }
}

fn set(list: &List, open: RwSignal<bool>) -> impl IntoView + use<> {
    let even = 1.0 / list.set.len().max(1) as f64;
    let highest = list.set.iter().map(|(.., chance, _)| *chance).fold(even, f64::max);
    let drawn = list.set.iter().filter(|(.., times)| *times > 0).count();
    let row = move |(name, rarity, chance, times): &(String, String, f64, u32)| {
        let bar = format!("{:.1}", chance / highest * 100.0);
        let tick = format!("{:.1}", even / highest * 100.0);
        let taken = *times > 0;
        view! {
            <li class:drawn=taken>
                <span>{name.clone()}<span class="tiny muted">{format!(" {rarity}")}</span></span>
                <span class="num small">{if *times > 1 { format!("{times}×") } else if taken { "✓".into() } else { String::new() }}</span>
                <svg class="chance" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=format!("chance {:.1} %", chance * 100.0)>
                    <rect width="100" height="6" class="sunk"></rect>
                    <rect width=bar height="6"></rect>
                    <rect x=tick width="0.8" height="6" class="even"></rect>
                </svg>
            </li>
        }
    };
    let first: Vec<_> = list.set.iter().filter(|(.., times)| *times > 0).take(SHOWN).map(row).collect();
    let shown = first.len();
    let flat = highest <= even * 1.5;
    let faded = if list.recency > 0.0 { ", older ones faded" } else { "" };
    let others: Vec<(String, String, f64, u32)> = {
        let rest = list.set.iter().filter(|(.., times)| *times > 0).skip(SHOWN);
        rest.chain(list.set.iter().filter(|(.., times)| *times == 0)).cloned().collect()
    };
    let (count, undrawn) = (others.len(), others.len() + shown - drawn);
    let toggled = move |event: web_sys::Event| {
        let details = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        open.set(details.is_some_and(|details| details.has_attribute("open")));
    };
    view! {
        {if drawn == 0 {
            view! { <p class="small muted">"None: the models answer as they are."</p> }.into_any()
        } else {
            view! { <ul class="set two">{first}</ul> }.into_any()
        }}
        {(count > 0).then(|| view! {
            <details class="rest" open=open.get_untracked() on:toggle=toggled>
                <summary class="small">{format!("{count} more: {} drawn, {undrawn} not", count - undrawn)}</summary>
                {move || open.get().then(|| view! { <ul class="set two">{portions(others.clone(), row)}</ul> })}
            </details>
        })}
        <p class="tiny muted">
            {format!("{drawn} drawn by Eq 7{faded}. Bar: chance of the next draw. Tick: an even draw.")}
            {flat.then_some(" At this temperature Eq 7 is nearly even.")}
        </p>
    }
}

fn rows(list: &List, shards: u32) -> AnyView {
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
                <span class="what">{name.clone()}</span>
                {bars::bars(row, scale)}
                <span class="num score">{format!("{:.3}", row.score)}</span>
                <span class=format!("num small {class}")>{moved}</span>
            </li>
        }
    };
    view! {
        <p class="heads tiny muted" aria-hidden="true">
            <span></span><span></span>
            <span class="letters">{(0..shards.min(8)).map(|shard| view! { <b>{label(shard, shards)}</b> }).collect_view()}</span>
            <span class="score">"Mean"</span><span>"Rank"</span>
        </p>
        <ol class="list" id="rows" data-millis=list.millis.to_string()>{list.rows.iter().map(row).collect_view()}</ol>
    }
    .into_any()
}
