//! Which world: built in, or the reader's own file, which the worker reads; and
//! what was wrong with it.

use leptos::prelude::*;
use wasm_bindgen::prelude::*;

use super::client::Client;
use super::state::State;
use crate::lab::setup::Source;
use crate::say::say;

#[component]
pub(super) fn WorldChoice() -> impl IntoView {
    let state = expect_context::<State>();
    let choose = move |event| {
        let source = match event_target_value(&event).as_str() {
            "town" => Source::Town,
            _ => Source::Shop,
        };
        state.address.update(|address| address.setup.source = source);
        state.missing.set(false);
        state.reset();
    };
    let chosen = move || state.address.with(|address| address.setup.source.clone());
    view! {
        <label class="field">
            <span>{say!("l-world")}</span>
            <select id="world" on:change=choose>
                <option value="shop" prop:selected=move || chosen() == Source::Shop>{say!("l-shop-12-households-30")}</option>
                <option value="town" prop:selected=move || chosen() == Source::Town>{say!("l-town-60-households-90")}</option>
                {move || match chosen() {
                    Source::Own(hash) => Some(view! { <option value="own" selected>{say!("l-your-table", hash)}</option> }),
                    _ => None,
                }}
            </select>
        </label>
        {move || (!state.missing.get()).then(|| view! { <OwnTable words=say!("l-own-table")/> })}
    }
}

/// The file field.
#[component]
fn OwnTable(words: &'static str) -> impl IntoView {
    let client = expect_context::<Client>();
    let open = move |event: web_sys::Event| {
        let Some(input) = event.target().and_then(|t| t.dyn_into::<web_sys::HtmlInputElement>().ok()) else { return };
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            client.open(file);
        }
        // The same file can be opened again after it was mended.
        input.set_value("");
    };
    view! {
        <label class="field">
            <span>{words}</span>
            <input id="csv" type="file" accept=".csv,.tsv,.txt,.json,.jsonl,.ndjson,.zip,text/*,application/json,application/zip" on:change=open/>
            <span class="tiny muted">{say!("l-csv-tabs-or-json")}</span>
        </label>
    }
}

/// The link's table is another reader's: it has to be opened here.
#[component]
pub(super) fn Missing() -> impl IntoView {
    view! {
        <div class="trouble mild" id="missing">
            <p>{say!("l-this-link-belongs-to")}</p>
            <OwnTable words=say!("l-links-table")/>
        </div>
    }
}

/// What went wrong, with a next step.
#[component]
pub(super) fn Trouble() -> impl IntoView {
    let state = expect_context::<State>();
    let client = expect_context::<Client>();
    view! {
        <div role="alert">
            {move || state.failure.get().map(|failure| view! {
                <div class="trouble">
                    <p>{failure.sentence}</p>
                    <div class="row">
                        {failure.skippable.then(|| view! {
                            <button type="button" class="btn s" id="skip-lines" on:click=move |_| client.reopen()>{say!("l-skip-faulty-lines")}</button>
                        })}
                        <button type="button" class="btn s quiet" on:click=move |_| state.failure.set(None)>{say!("l-close")}</button>
                    </div>
                </div>
            })}
            {move || state.complaints.get().into_iter().map(|words| view! { <p class="trouble mild">{words}</p> }).collect_view()}
        </div>
    }
}
