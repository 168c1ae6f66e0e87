//! Opening a file of one's own: what was recognised in it, in sight and to be
//! changed. The file goes to the worker unread, and no further.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use super::client::Client;
use super::state::State;
use crate::for_you::opened::{Choice, Reading};
use crate::for_you::protocol::Order;
use crate::parts::words;

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
            <span>"Or open what another service gave you: it stays in this browser"</span>
            <input id="table" type="file" accept=".csv,.tsv,.txt,.json,.jsonl,.ndjson,.zip,text/*,application/json,application/zip" on:change=open/>
            <span class="tiny muted">"CSV, tabs, JSON or JSON Lines, or a zip of one, such as Netflix, Goodreads, Letterboxd, Last.fm or Spotify export them."</span>
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
        below => format!(" {} rated below {}.", words::count(below, "line was", "lines were"), reading.least),
    };
    let told = format!(
        "{} read: {} in this catalogue.{below}",
        words::count(reading.lines, "line", "lines"),
        words::count(reading.taken, "item is", "items are"),
    );
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
                {none.then(|| view! { <option value="" selected=chosen.is_none()>"none"</option> })}
                {options.collect_view()}
            </select>
        }
    };
    let question = reading.question.clone().map(|(wrote, day, month)| view! {
        <div class="confirm" role="group" aria-label="Day or month first?" id="date-order">
            <p class="small">{format!("“{wrote}” can be read in two ways, and no line decides. Which is it?")}</p>
            <div class="row">
                <button type="button" class="btn s" id="day-first" on:click=move |_| change(state, client, |c| c.day_first = Some(true))>{day}</button>
                <button type="button" class="btn s" id="month-first" on:click=move |_| change(state, client, |c| c.day_first = Some(false))>{month}</button>
            </div>
        </div>
    });
    let people = (reading.people.len() > 1).then(|| {
        let who = reading.who.clone();
        view! {
            <dt>"Whose lines"</dt>
            <dd><select id="whose" on:change=move |event| change(state, client, |choice| choice.who = Some(event_target_value(&event)))>
                {reading.people.iter().map(|(name, lines)| view! {
                    <option value=name.clone() selected=who.as_ref() == Some(name)>{format!("{name} ({lines})")}</option>
                }).collect_view()}
            </select></dd>
        }
    });
    let least = reading.rating.map(|_| view! {
        <dt>"Rated at least"</dt>
        <dd><input id="least" type="number" step="0.5" min="0" prop:value=reading.least.to_string()
            on:change=move |event| change(state, client, |choice| choice.least = event_target_value(&event).parse().ok())/></dd>
    });
    let listed = |count: u64, shown: usize| {
        if count as usize > shown { format!(" (the first {shown} are listed)") } else { String::new() }
    };
    let bad = (reading.bad_count > 0).then(|| view! {
        <details id="bad-lines">
            <summary class="small">{format!("{} left out, as they cannot be read{}", words::count(reading.bad_count, "line was", "lines were"), listed(reading.bad_count, reading.bad.len()))}</summary>
            <ul class="small">{reading.bad.iter().map(|(line, why)| view! { <li>{format!("Line {line}: {why}.")}</li> }).collect_view()}</ul>
        </details>
    });
    let missing = (reading.missing_count > 0).then(|| view! {
        <details id="not-found">
            <summary class="small">{format!("{} not in this catalogue{}", words::count(reading.missing_count, "name is", "names are"), listed(reading.missing_count, reading.missing.len()))}</summary>
            <ul class="small">{reading.missing.iter().map(|(name, lines)| view! { <li>{format!("{name} ({})", words::count(*lines, "line", "lines"))}</li> }).collect_view()}</ul>
        </details>
    });
    let guesses = (!reading.guesses.is_empty()).then(|| view! {
        <details id="guesses">
            <summary class="small">{format!("{} guessed", words::count(reading.guesses.len() as u64, "name was", "names were"))}</summary>
            <ul class="small">{reading.guesses.iter().map(|(wrote, name, sure)| view! { <li>{format!("{wrote} as {name} ({sure} %)")}</li> }).collect_view()}</ul>
        </details>
    });
    view! {
        <div class="opened" id="opened">
            <p class="small" id="read">{told}</p>
            {question}
            <dl class="small">
                <dt>"What"</dt><dd>{column(Some(reading.item), false, "column-item", |choice, at| choice.item = at)}</dd>
                <dt>"When"</dt><dd>{column(reading.time, true, "column-time", |choice, at| choice.time = Some(at))}</dd>
                <dt>"Rating"</dt><dd>{column(reading.rating, true, "column-rating", |choice, at| choice.rating = Some(at))}</dd>
                {least}
                {people}
            </dl>
            {bad}
            {missing}
            {guesses}
        </div>
    }
}
