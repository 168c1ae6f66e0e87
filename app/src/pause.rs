//! Waiting, which lets messages in, and a worker's own clock.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::DedicatedWorkerGlobalScope;

/// The worker this runs in; `None` anywhere else.
pub(crate) fn scope() -> Option<DedicatedWorkerGlobalScope> {
    js_sys::global().dyn_into().ok()
}

/// Lets the event loop of the page or the worker turn for some milliseconds.
pub(crate) async fn wait(millis: i32) {
    let later = js_sys::Promise::new(&mut |resolve, _| {
        let timer = match (scope(), web_sys::window()) {
            (Some(scope), _) => scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis).ok(),
            (None, Some(page)) => page.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis).ok(),
            (None, None) => None,
        };
        // Were there no timer, it would go on without letting messages in.
        if timer.is_none() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(later).await;
}

/// Milliseconds since any fixed moment.
pub(crate) fn now() -> f64 {
    scope().and_then(|scope| scope.performance()).map_or(0.0, |clock| clock.now())
}
