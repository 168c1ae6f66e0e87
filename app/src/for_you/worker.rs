//! The worker's end of For you and Operate: takes orders, tells what happens.

use wasm_bindgen::prelude::*;
use web_sys::MessageEvent;

use super::desk::Desk;
use super::protocol::{Order, Tell};
use crate::pause;

/// Starts listening. Does nothing outside a dedicated worker.
pub fn start() {
    let Some(scope) = pause::scope() else { return };
    let (base, path) = above(&scope.location().href());
    let desk = Desk::new(&base, &path);
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let data = event.data();
        let text = data.as_string().unwrap_or_default();
        if let Ok(file) = data.dyn_into::<web_sys::File>() {
            desk.take_file(file);
        } else if let Ok(order) = serde_json::from_str::<Order>(&text) {
            desk.take(order);
        }
    });
    scope.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    // Listens as long as the worker lives.
    heard.forget();
    tell(&Tell::Ready);
}

/// The app's address and path, without a slash at their end: two folders above
/// this program's own address. So the app works below any path.
fn above(program: &str) -> (String, String) {
    let base = program.rsplitn(3, '/').nth(2).unwrap_or(program).to_owned();
    let host = base.find("://").map_or(0, |at| at + 3);
    let path = base[host..].find('/').map_or_else(String::new, |at| base[host + at..].to_owned());
    (base, path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_lies_where_its_program_does() {
        let at = |program| above(program);
        assert_eq!(at("http://a.b:1/static/worker.js"), ("http://a.b:1".into(), String::new()));
        assert_eq!(at("https://a.b/apps/eemu/static/worker.js"), ("https://a.b/apps/eemu".into(), "/apps/eemu".into()));
    }
}
