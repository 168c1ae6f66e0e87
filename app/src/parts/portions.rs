//! Long lists, drawn a portion a frame, so that the page's thread is never
//! held for long.

use leptos::prelude::*;

/// Rows of a portion: a few milliseconds of drawing on a slow machine.
const PORTION: usize = 20;

/// All the rows: the first portion at once, every other in a frame of its own.
pub(crate) fn portions<T, V>(rows: Vec<T>, row: impl Fn(&T) -> V + Clone + Send + 'static) -> impl IntoView
where
    T: Send + Sync + 'static,
    V: IntoView + 'static,
{
    let count = rows.len().div_ceil(PORTION);
    let drawn = RwSignal::new(count.min(1));
    Effect::new(move |_| {
        if drawn.get() < count {
            request_animation_frame(move || {
                // The list may be gone by now.
                let _ = drawn.try_update(|drawn| *drawn += 1);
            });
        }
    });
    let rows = StoredValue::new(rows);
    let portion = move |place: usize| {
        let row = row.clone();
        rows.with_value(|rows| rows.iter().skip(place * PORTION).take(PORTION).map(row).collect::<Vec<_>>())
    };
    view! { <For each=move || 0..drawn.get() key=|place| *place children=portion/> }
}
