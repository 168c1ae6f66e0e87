//! Opening a file of one's own: what was recognised in it, in sight and to be
//! changed. The file goes to the worker unread, and no further.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use super::client::Client;
use super::state::State;
use crate::for_you::opened::{Choice, Reading};
use crate::for_you::protocol::Order;
use crate::say::say;

/// The file field, a place to drop on, and what became of the file.
#[component]
pub(super) fn Opening() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let open = move |event: web_sys::Event| {
        let Some(input) = event.target().and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok()) else { return };
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            client.open(&file);
        }
        // The same file can be opened again after it was mended.
        input.set_value("");
    };
    let dropped = move |event: web_sys::DragEvent| {
        event.prevent_default();
        if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
            client.open(&file);
        }
    };
    view! {
        <label class="field drop" on:dragover=|event: web_sys::DragEvent| event.prevent_default() on:drop=dropped>
            <span>{say!("y-or-open-what-another")}</span>
            <input id="table" type="file" accept=".csv,.tsv,.txt,.json,.jsonl,.ndjson,.zip,text/*,application/json,application/zip" on:change=open/>
            <span class="tiny muted">{say!("y-csv-tabs-json-or")}</span>
        </label>
        {move || state.opened.get().map(|reading| view! { <Opened reading/> })}
    }
}

/// Changes the choice and reads the file again.
fn change(state: State, client: Client, act: impl FnOnce(&mut Choice)) {
    state.choice.update(act);
    client.send(&Order::Reread(state.choice.get_untracked()));
}

#[component]
fn Opened(reading: Reading) -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    let below = match reading.below {
        0 => String::new(),
        below => say!("y-rated-below", n = below, least = reading.least.to_string()),
    };
    let told = say!("y-read", n = reading.taken, lines = say!("n-lines", n = reading.lines));
    let told = format!("{told} {below}").trim_end().to_owned();
    let columns = reading.columns.clone();
    let column = move |chosen: Option<usize>, none: bool, id: &'static str, act: fn(&mut Choice, Option<usize>)| {
        let options = columns.iter().enumerate().map(|(at, name)| {
            view! { <option value=at.to_string() selected=chosen == Some(at)>{name.clone()}</option> }
        });
        view! {
            <select id=id on:change=move |event| {
                let column = event_target_value(&event).parse().ok();
                change(state, client, |choice| act(choice, column));
            }>
                {none.then(|| view! { <option value="" selected=chosen.is_none()>{say!("y-none-column")}</option> })}
                {options.collect_view()}
            </select>
        }
    };
    let question = reading.question.clone().map(|(wrote, day, month)| view! {
        <div class="confirm" role="group" aria-label=say!("y-day-or-month-first") id="date-order">
            <p class="small">{say!("y-can-be-read-in", wrote)}</p>
            <div class="row">
                <button type="button" class="btn s" id="day-first" on:click=move |_| change(state, client, |c| c.day_first = Some(true))>{day}</button>
                <button type="button" class="btn s" id="month-first" on:click=move |_| change(state, client, |c| c.day_first = Some(false))>{month}</button>
            </div>
        </div>
    });
    let people = (reading.people.len() > 1).then(|| {
        let who = reading.who.clone();
        view! {
            <dt>{say!("y-whose-lines")}</dt>
            <dd><select id="whose" on:change=move |event| change(state, client, |choice| choice.who = Some(event_target_value(&event)))>
                {reading.people.iter().map(|(name, lines)| view! {
                    <option value=name.clone() selected=who.as_ref() == Some(name)>{format!("{name} ({lines})")}</option>
                }).collect_view()}
            </select></dd>
        }
    });
    let least = reading.rating.map(|_| view! {
        <dt>{say!("y-rated-at-least")}</dt>
        <dd><input id="least" type="number" step="0.5" min="0" prop:value=reading.least.to_string()
            on:change=move |event| change(state, client, |choice| choice.least = event_target_value(&event).parse().ok())/></dd>
    });
    let listed = |count: u64, shown: usize| {
        if count as usize > shown { format!(" {}", say!("y-listed", shown)) } else { String::new() }
    };
    let bad = (reading.bad_count > 0).then(|| view! {
        <details id="bad-lines">
            <summary class="small">{say!("y-bad-lines", n = reading.bad_count)}{listed(reading.bad_count, reading.bad.len())}</summary>
            <ul class="small">{reading.bad.iter().map(|(line, why)| view! { <li>{say!("line-why", line = line.to_string(), why)}</li> }).collect_view()}</ul>
        </details>
    });
    let missing = (reading.missing_count > 0).then(|| view! {
        <details id="not-found">
            <summary class="small">{say!("y-missing", n = reading.missing_count)}{listed(reading.missing_count, reading.missing.len())}</summary>
            <ul class="small">{reading.missing.iter().map(|(name, lines)| view! { <li>{format!("{name} ({})", say!("n-lines", n = *lines))}</li> }).collect_view()}</ul>
        </details>
    });
    let guesses = (!reading.guesses.is_empty()).then(|| view! {
        <details id="guesses">
            <summary class="small">{say!("y-guessed", n = reading.guesses.len())}</summary>
            <ul class="small">{reading.guesses.iter().map(|(wrote, name, sure)| view! { <li>{say!("y-as", wrote, name, sure)}</li> }).collect_view()}</ul>
        </details>
    });
    view! {
        <div class="opened" id="opened">
            <p class="small" id="read">{told}</p>
            {question}
            <dl class="small">
                <dt>{say!("y-what")}</dt><dd>{column(Some(reading.item), false, "column-item", |choice, at| choice.item = at)}</dd>
                <dt>{say!("y-when")}</dt><dd>{column(reading.time, true, "column-time", |choice, at| choice.time = Some(at))}</dd>
                <dt>{say!("y-rating")}</dt><dd>{column(reading.rating, true, "column-rating", |choice, at| choice.rating = Some(at))}</dd>
                {least}
                {people}
            </dl>
            {bad}
            {missing}
            {guesses}
        </div>
    }
}
