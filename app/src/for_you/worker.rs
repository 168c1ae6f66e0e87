//! The worker's end of For you and Operate: takes orders, tells what happens.

use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

use super::desk::Desk;
use super::protocol::{Order, Tell};
use crate::pause;

/// Starts listening. Does nothing outside a dedicated worker.
pub fn start() {
    let Some(scope) = pause::scope() else { return };
    let desk = Desk::new(&scope.location().origin());
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let text = event.data().as_string().unwrap_or_default();
        if let Ok(order) = serde_json::from_str::<Order>(&text) {
            desk.take(order);
        }
    });
    scope.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    // Listens as long as the worker lives.
    heard.forget();
    tell(&Tell::Ready);
}

pub(crate) fn tell(tell: &Tell) {
    if let (Some(scope), Ok(text)) = (pause::scope(), serde_json::to_string(tell)) {
        // Posting text cannot fail.
        let _ = scope.post_message(&JsValue::from_str(&text));
    }
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    (js_sys::Date::now() / 1000.0) as u64
}
