//! The wasm entry of the web app. Empty until the browser work begins.
