//! Step 4: a household's adaptation set, eight opinions, one list.

use leptos::prelude::*;

use super::client::Client;
use super::early::shards;
use super::state::State;
use crate::lab::protocol::What;
use crate::parts::bars;
use crate::parts::glide::glide;
use crate::parts::pane::{Pane, Piece};
use crate::parts::slider::Slider;
use crate::ranking::ListRow;
use crate::say::{decimal, say};

/// How often a product is bought, in words.
fn rarity(households: u32, degree: u32) -> &'static str {
    match f64::from(degree) / f64::from(households.max(1)) {
        share if share <= 0.2 => say!("rare"),
        share if share <= 0.4 => say!("uncommon"),
        share if share <= 0.6 => say!("common"),
        _ => say!("nearly-everywhere"),
    }
}

/// Asks anew, if the reader has asked before: sliders act at once.
fn again(state: State, client: Client) {
    let live = state.list.with_untracked(|list| list.as_ref().is_some_and(|list| !list.example));
    if live && state.ready.get_untracked() {
        client.ask(What::List(state.address.with_untracked(|address| address.list.clone())));
    }
}

#[component]
pub(super) fn Listing() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let shards = shards(state);
    let pieces = Signal::derive(move || {
        let off = state.address.with(|address| address.list.off.clone());
        let piece = |shard: u32| {
            let masked = off.contains(&shard);
            let caption = if masked { say!("l-out-of-the-mean") } else { say!("l-in-the-mean") };
            Piece { caption: caption.into(), masked, ..Piece::default() }
        };
        (0..shards.get()).map(piece).collect()
    });
    let toggle = Callback::new(move |shard: u32| {
        state.address.update(|address| {
            let off = &mut address.list.off;
            if off.contains(&shard) {
                off.retain(|other| *other != shard);
            } else {
                off.push(shard);
                off.sort_unstable();
            }
        });
        again(state, client);
    });
    glide("#lab-list", move || state.list.get());
    view! {
        <h2>{move || heading(state)}</h2>
        <p class="muted">{move || took(state)}</p>
        <Pane pieces shards toggle/>
        {move || (!state.address.with(|a| a.hides("settings"))).then(|| view! { <Settings/> })}
        <div class="asked">
            <section><h3>{say!("l-adaptation-set-eq-7")}</h3>{move || set(state)}</section>
            <section><h3>{say!("l-list")}</h3>{move || rows(state)}</section>
        </div>
    }
}

fn heading(state: State) -> String {
    let household = state.address.with(|address| address.list.household);
    let name = state.built.with(|b| b.as_ref().and_then(|b| b.value.households.get(household as usize).cloned()));
    name.unwrap_or_default()
}

fn took(state: State) -> String {
    match state.list.get() {
        Some(shown) if !shown.example => {
            say!("l-eight-copies-tuned-produ", products = products(state), value = (shown.value.millis, 0))
        }
        _ => say!("l-every-model-is-tuned").into(),
    }
}

fn products(state: State) -> usize {
    state.built.with(|b| b.as_ref().map_or(0, |b| b.value.products.len()))
}

fn product(state: State, place: u32) -> String {
    state.built.with(|b| b.as_ref().and_then(|b| b.value.products.get(place as usize).cloned())).unwrap_or_default()
}

/// Household and the sliders.
#[component]
fn Settings() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let households = move || state.built.with(|b| b.as_ref().map(|b| b.value.households.clone()).unwrap_or_default());
    let chosen = Memo::new(move |_| state.address.with(|address| address.list.household));
    let choose = move |event| {
        if let Ok(household) = event_target_value(&event).parse() {
            state.address.update(|address| address.list.household = household);
            again(state, client);
        }
    };
    let list = move || state.address.with(|address| address.list.clone());
    let slide = move |act: fn(&mut crate::lab::protocol::ListAsk, f64)| {
        move |event: web_sys::Event| {
            if let Ok(value) = event_target_value(&event).parse::<f64>() {
                state.address.update(|address| act(&mut address.list, value));
                again(state, client);
            }
        }
    };
    view! {
        <div class="settings">
            <label class="field">
                <span>{say!("l-household")}</span>
                <select id="household" on:change=choose>
                    {move || households().into_iter().enumerate().map(|(place, name)| view! {
                        <option value=place prop:selected=move || chosen.get() as usize == place>{name}</option>
                    }).collect_view()}
                </select>
            </label>
            <Slider
                name="n" label=say!("l-adaptation-set") low=0.0 high=20.0 step=1.0
                value=Signal::derive(move || list().size as f64)
                shown=Signal::derive(move || list().size.to_string())
                slide=Callback::new(slide(|list, value| list.size = value as usize))
            />
            <Slider
                name="tau" label=say!("l-prefer-rare-purchases-1") low=1.0 high=60.0 step=1.0
                value=Signal::derive(move || 1.0 / list().temperature)
                shown=Signal::derive(move || format!("{:.0}", 1.0 / list().temperature))
                slide=Callback::new(slide(|list, value| list.temperature = (1000.0 / value).round() / 1000.0))
            />
            <Slider
                name="a" label=say!("l-inner-step") low=0.01 high=1.0 step=0.01
                value=Signal::derive(move || f64::from(list().step))
                shown=Signal::derive(move || decimal(f64::from(list().step), 2))
                slide=Callback::new(slide(|list, value| list.step = value as f32))
            />
            <Slider
                name="t" label=say!("l-steps") low=1.0 high=5.0 step=1.0
                value=Signal::derive(move || list().steps as f64)
                shown=Signal::derive(move || list().steps.to_string())
                slide=Callback::new(slide(|list, value| list.steps = value as usize))
            />
        </div>
    }
}

fn set(state: State) -> AnyView {
    let Some(list) = fitting(state) else {
        return view! { <p class="empty muted">{say!("l-ask-to-see-which")}</p> }.into_any();
    };
    let households = state.built.with(|b| b.as_ref().map_or(1, |b| b.value.households.len())) as u32;
    let degrees = state.built.with(|b| b.as_ref().map(|b| b.value.degrees.clone()).unwrap_or_default());
    let even = 1.0 / list.set.len().max(1) as f64;
    let highest = list.set.iter().map(|(_, p, _)| *p).fold(even, f64::max);
    let rows = list.set.iter().map(|&(place, p, drawn)| {
        let bar = format!("{:.1}", p / highest * 100.0);
        let tick = format!("{:.1}", even / highest * 100.0);
        let class = rarity(households, degrees.get(place as usize).copied().unwrap_or(0));
        view! {
            <li class:drawn=move || { drawn > 0 }>
                <span>{product(state, place)}<span class="tiny muted">{format!(" {class}")}</span></span>
                <span class="num small">{if drawn > 0 { format!("{drawn}×") } else { String::new() }}</span>
                <svg class="chance" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=say!("l-chance", p = (p * 100.0, 1))>
                    <rect width="100" height="6" class="sunk"></rect>
                    <rect width=bar height="6"></rect>
                    <rect x=tick width="0.8" height="6" class="even"></rect>
                </svg>
            </li>
        }
    });
    view! {
        <ul class="set">{rows.collect_view()}</ul>
        <p class="tiny muted">{say!("l-bar-chance-to-be")}</p>
    }
    .into_any()
}

/// The list, if it is for the household that is chosen.
fn fitting(state: State) -> Option<crate::lab::protocol::List> {
    let household = state.address.with(|address| address.list.household);
    state.list.get().map(|shown| shown.value).filter(|list| list.household == household)
}

fn rows(state: State) -> AnyView {
    let Some(list) = fitting(state) else {
        return view! { <p class="empty muted">{say!("l-ask-for-a-list")}</p> }.into_any();
    };
    let scale = bars::scale(&list.rows);
    let rows = list.rows.iter().map(|row| list_row(state, row, scale));
    view! { <ol class="list" id="lab-list">{rows.collect_view()}</ol> }.into_any()
}

fn list_row(state: State, row: &ListRow, scale: (f32, f32)) -> impl IntoView + use<> {
    let (class, moved) = bars::moved(row);
    view! {
        <li data-item=row.product.to_string()>
            <span class="rank num">{row.rank}</span>
            <span class="what">{product(state, row.product)}</span>
            {bars::bars(row, scale)}
            <span class="num score">{decimal(f64::from(row.score), 2)}</span>
            <span class=format!("num small {class}")>{moved}</span>
        </li>
    }
}
