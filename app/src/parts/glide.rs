//! Rows of a list glide to their new places.

use std::collections::HashMap;

use js_sys::{Array, Function, Object, Reflect};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Milliseconds that scores must have rested: while a slider is dragged, rows
/// jump, because nobody can follow them.
const REST: f64 = 150.0;
/// Milliseconds of a move.
const MOVE: f64 = 240.0;

/// Whether the reader wants no motion.
pub(crate) fn reduced_motion() -> bool {
    let query = window().match_media("(prefers-reduced-motion: reduce)").ok().flatten();
    query.is_some_and(|query| query.matches())
}

/// Moves the rows (`li[data-item]`) of what `selector` finds whenever `changed`
/// has changed.
pub(crate) fn glide<T: 'static>(selector: &'static str, changed: impl Fn() -> T + 'static) {
    let places = StoredValue::new_local(HashMap::<String, i32>::new());
    let last = StoredValue::new_local(f64::MIN);
    Effect::new(move |_| {
        changed();
        let now = js_sys::Date::now();
        let rested = now - last.get_value() >= REST;
        last.set_value(now);
        request_animation_frame(move || {
            let rows = rows(selector);
            let found: HashMap<String, i32> = rows.iter().map(|(item, row)| (item.clone(), row.offset_top())).collect();
            if rested && !reduced_motion() {
                places.try_with_value(|before| {
                    for (item, row) in &rows {
                        match before.get(item).map(|top| top - found[item]) {
                            Some(by) if by != 0 => slide(row, by),
                            _ => {}
                        }
                    }
                });
            }
            // The list may be gone by now.
            let _ = places.try_update_value(|known| *known = found);
        });
    });
}

fn rows(selector: &str) -> Vec<(String, web_sys::HtmlElement)> {
    let Ok(Some(list)) = document().query_selector(selector) else { return Vec::new() };
    let row = |row: web_sys::Element| Some((row.get_attribute("data-item")?, row.dyn_into().ok()?));
    std::iter::successors(list.first_element_child(), web_sys::Element::next_element_sibling).filter_map(row).collect()
}

/// From so many pixels away to where the row stands.
fn slide(row: &web_sys::HtmlElement, by: i32) {
    let frames = Object::new();
    let path = Array::of2(&format!("translateY({by}px)").into(), &"none".into());
    let set = |name: &str, value: &JsValue| Reflect::set(&frames, &name.into(), value).is_ok();
    let animate = Reflect::get(row, &"animate".into()).ok().and_then(|animate| animate.dyn_into::<Function>().ok());
    if let Some(animate) = animate
        && set("transform", &path)
        && set("easing", &"cubic-bezier(.2,.7,.2,1)".into())
    {
        // A row that does not move stands right all the same.
        let _ = animate.call2(row, &frames, &MOVE.into());
    }
}
