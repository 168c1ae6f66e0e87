//! The pane of eight pieces: what becomes of each shard, at a glance.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::shapes;
use crate::say::say;

/// How a piece of the pane looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Piece {
    /// What stands below it.
    pub(crate) caption: String,
    /// A second line below it.
    pub(crate) note: String,
    /// Percent filled; `None` is solid.
    pub(crate) level: Option<u32>,
    /// Lifted: it changed, or is being retrained.
    pub(crate) lifted: bool,
    /// Out of the mean.
    pub(crate) masked: bool,
}

/// The pane. With `toggle`, pieces are switches of who takes part in the mean.
#[component]
pub(crate) fn Pane(
    #[prop(into)] pieces: Signal<Vec<Piece>>,
    #[prop(into)] shards: Signal<u32>,
    #[prop(optional)] toggle: Option<Callback<u32>>,
) -> impl IntoView {
    let piece = move |shard: u32| {
        let get = move || pieces.with(|pieces| pieces.get(shard as usize).cloned());
        let class = move || {
            let piece = get();
            let on = |is: fn(&Piece) -> bool, class| piece.as_ref().filter(|p| is(p)).map_or("", |_| class);
            format!(
                "piece {}{}{}{}",
                shapes::class(shard),
                on(|p| p.level.is_some(), " level"),
                on(|p| p.lifted, " lift"),
                on(|p| p.masked, " masked"),
            )
        };
        let caption = move || get().map_or_else(String::new, |piece| piece.caption);
        let note = move || get().map(|piece| piece.note).filter(|note| !note.is_empty());
        let level = move || format!("{}%", get().and_then(|piece| piece.level).unwrap_or(100));
        let name = shapes::label(shard, shards.get_untracked());
        let inside = view! {
            <span class="glass">
                <svg class="g" viewBox="0 0 24 24" aria-hidden="true"><path d=shapes::outline(shard)></path></svg>
                <span><span class="sr">{say!("shard")}" "</span>{name}</span>
            </span>
            <span class="cap">
                {caption}
                {move || note().map(|note| view! { <span class="st">{note}</span> })}
            </span>
        };
        let inside = match toggle {
            None => inside.into_any(),
            Some(toggle) => view! {
                <button
                    type="button"
                    class="plain"
                    aria-pressed=move || (!get().is_some_and(|piece| piece.masked)).to_string()
                    on:click=move |_| toggle.run(shard)
                >
                    {inside}
                </button>
            }
            .into_any(),
        };
        view! { <li class=class style=("--lv", level)>{inside}</li> }
    };
    view! {
        <ul class="pane" class:many=move || { shards.get() > 8 } on:keydown=move |event| by_key(&event, shards.get_untracked())>
            {move || (0..shards.get()).map(piece).collect_view()}
        </ul>
    }
}

/// Where pieces are buttons: 1 to 8 press one, arrows go to the next.
fn by_key(event: &web_sys::KeyboardEvent, shards: u32) {
    if event.ctrl_key() || event.alt_key() || event.meta_key() {
        return;
    }
    let Some(pane) = event.current_target().and_then(|pane| pane.dyn_into::<web_sys::Element>().ok()) else { return };
    let button = |number: u32| {
        let found = pane.query_selector(&format!("li:nth-child({number}) button")).ok().flatten();
        found.and_then(|found| found.dyn_into::<web_sys::HtmlElement>().ok())
    };
    let key = event.key();
    if let Some(number) = key.parse::<u32>().ok().filter(|number| (1..=shards.min(8)).contains(number)) {
        if let Some(button) = button(number) {
            button.click();
        }
        return;
    }
    let step: i64 = match key.as_str() {
        "ArrowRight" => 1,
        "ArrowLeft" => -1,
        _ => return,
    };
    let focused = document().active_element();
    let here = (1..=shards).find(|&number| {
        button(number).is_some_and(|button| focused.as_ref().is_some_and(|element| *element == *button))
    });
    let next = here.and_then(|here| u32::try_from(i64::from(here) + step).ok()).and_then(button);
    if let Some(next) = next {
        event.prevent_default();
        // A button that is gone needs no focus.
        let _ = next.focus();
    }
}
